"""Learners on finite spaces: every information and the gap as finite sums over all samples.

An example is (x, y); a layer is a channel chosen by the hypothesis w; the loss of w at (t, y) is
that of the last layer's output t, drawn afresh, and the label y, which passes no layer. The
learner is any table P(w | sample).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ibjax.bounds.falsification.tables import (
    coefficients,
    divergence,
    divide,
    mutual,
    unit,
    words,
)
from ibjax.typing import Array, Float

LEVELS = (0.3, 0.5, 0.7)
"""Sizes of gaps whose probability is known."""


class Learner(NamedTuple):
    """Exact quantities of a learner on a finite space; informations in nats, losses in [0, 1].

    Attributes:
        gap: E[L(W) - L_S(W)], test less training error.
        absolute_gap: E|L(W) - L_S(W)|.
        train_error: E L_S(W).
        test_error: E L(W).
        information: I(S; W).
        information_i: I(Z_i; W), (n,).
        conditional_information_i: I(Z_i; W | the other examples), (n,).
        label_information: I(Y^n; W).
        label_information_i: I(Y_i; W), (n,).
        input_information_i: I(X_i; W | Y_i), (n,).
        label_variation: E TV(law of Y_i given W, law of Y), (n,).
        input_variation: E TV(law of X_i given Y_i and W, law of X given Y), (n,).
        etas: largest KL coefficient of each layer over the hypotheses, (layers,).
        etas_tv: the same for total variation, (layers,).
        layer_information_i: E KL of (T_l, Y) on example i from that on a fresh one, given W;
            from the inputs l = 0 to the last layer, (layers + 1, n).
        class_law: law of the label, (classes,).
        label_deviation: E TV(empirical law of the labels, law of Y).
        deviations: sizes of gaps, (3,).
        deviation_probability: P(|L(W) - L_S(W)| > size), (3,).
        transport_costs: E W_1(law of W given Z_i, law of W), hypotheses on a line, (n,).
        lipschitz: Lipschitz constant of the loss in W on that line.
        hidden_information: I(S; U), U the half of the line that W lies in (its hidden weights).
        distortion: how far the gap of the first hypothesis of U is from that of W.
        subspace_distance: E|W - first hypothesis of U|.
        weight_law: law of W, (w,).
        weight_gaps: E[L(w) - L_S(w) | W = w], (w,).
        weight_distances: Lipschitz constant of the rest of the network after layer l, times the
            mean W_1 distance of (T_l, Y) on training and fresh examples, given w, (w, layers + 1).
        example_law: law of Z, (z,).
        loss_table: loss of w at z averaged over the layer noise, (w, z).
        sample_law: probability of each sample, (s,).
        sample_train_error: E[L_S(W) | S], (s,).
        sample_test_error: E[L(W) | S], (s,).
        sample_divergence: KL(law of W given S, law of W), (s,).
    """

    gap: Array
    absolute_gap: Array
    train_error: Array
    test_error: Array
    information: Array
    information_i: Array
    conditional_information_i: Array
    label_information: Array
    label_information_i: Array
    input_information_i: Array
    label_variation: Array
    input_variation: Array
    etas: Array
    etas_tv: Array
    layer_information_i: Array
    class_law: Array
    label_deviation: Array
    deviations: Array
    deviation_probability: Array
    transport_costs: Array
    lipschitz: Array
    hidden_information: Array
    distortion: Array
    subspace_distance: Array
    weight_law: Array
    weight_gaps: Array
    weight_distances: Array
    example_law: Array
    loss_table: Array
    sample_law: Array
    sample_train_error: Array
    sample_test_error: Array
    sample_divergence: Array


def mean_loss(loss: np.ndarray, channels: Sequence[np.ndarray]) -> np.ndarray:
    """Loss of (x, y) under w over fresh noise of all layers, (..., w, x, y)."""
    for channel in reversed(channels):
        loss = np.einsum("...wst,...wty->...wsy", channel, loss)
    return loss


def empirical_loss(mean: np.ndarray, n: int) -> np.ndarray:
    """Training loss of each hypothesis on each sample, (..., w, s), from `mean_loss`."""
    flat = mean.reshape(*mean.shape[:-2], -1)
    return flat[..., words(flat.shape[-1], n)].mean(-1)


def solve(
    law: Float[np.ndarray, "*batch x y"],
    channels: Sequence[Float[np.ndarray, "*batch w a b"]],
    loss: Float[np.ndarray, "*batch w t y"],
    learner: Float[np.ndarray, "*batch s w"],
    n: int,
) -> Learner:
    """All quantities of learners given by their tables.

    Args:
        law: of one example.
        channels: one table a layer, the first from x.
        loss: in [0, 1].
        learner: law of w for each sample, in the order of `tables.words`.
        n: number of training examples.
    """
    lead, z, w = law.shape[:-2], law.shape[-2] * law.shape[-1], learner.shape[-1]
    samples, flat = words(z, n), law.reshape(*lead, z)
    mean = mean_loss(loss, channels).reshape(*lead, w, z)
    sample_law = np.prod(flat[..., samples], -1)
    joint = sample_law[..., None] * learner
    weights = joint.sum(-2)
    risk = np.einsum("...z,...wz->...w", flat, mean)
    empirical = mean[..., samples].mean(-1)
    return Learner(
        **_of_gaps(joint, risk, empirical),
        **_of_labels(law, samples, joint, sample_law),
        **_of_examples(law, channels, loss, joint, n),
        information=mutual(joint),
        lipschitz=_steepest(mean),
        weight_law=weights,
        example_law=flat,
        loss_table=mean,
        sample_law=sample_law,
        sample_train_error=unit(np.einsum("...ws,...sw->...s", empirical, learner)),
        sample_test_error=unit(np.einsum("...w,...sw->...s", risk, learner)),
        sample_divergence=divergence(learner, weights[..., None, :]),
    )


def _of_gaps(joint: np.ndarray, risk: np.ndarray, empirical: np.ndarray) -> dict[str, Any]:
    """Errors and gaps, and what half of the weights, each with its neighbour, keep of them."""
    lead, w, weights = joint.shape[:-2], joint.shape[-1], joint.sum(-2)
    mass, gaps = np.swapaxes(joint, -1, -2), risk[..., None] - empirical
    levels = np.broadcast_to(LEVELS, (*lead, len(LEVELS)))
    deviant = np.abs(gaps)[..., None] > levels[..., None, None, :]
    cover = joint.reshape(*lead, -1, w // 2, 2)
    first = mass.reshape(*lead, w // 2, 2, -1).sum(-2)
    gap = np.sum(mass * gaps, (-2, -1))
    kept = np.sum(first * gaps[..., ::2, :], (-2, -1))
    return {
        "gap": gap,
        "absolute_gap": np.sum(mass * np.abs(gaps), (-2, -1)),
        "train_error": unit(np.sum(mass * empirical, (-2, -1))),
        "test_error": unit(np.sum(weights * risk, -1)),
        "deviations": levels,
        "deviation_probability": unit(np.sum(mass[..., None] * deviant, (-3, -2))),
        "hidden_information": mutual(cover.sum(-1)),
        "distortion": np.abs(gap - kept),
        "subspace_distance": weights[..., 1::2].sum(-1),
        "weight_gaps": divide(np.sum(mass * gaps, -1), weights),
    }


def _of_labels(
    law: np.ndarray, samples: np.ndarray, joint: np.ndarray, sample_law: np.ndarray
) -> dict[str, Any]:
    """What all labels together tell about the weights, and how far they stray from their law."""
    y, n, label_law = law.shape[-1], samples.shape[-1], law.sum(-2)
    names = samples % y @ y ** np.arange(n)[::-1]
    by_label = np.stack([joint[..., names == v, :].sum(-2) for v in range(y**n)], -2)
    shares = np.stack([(samples % y == k).mean(-1) for k in range(y)], -1)
    variation = np.abs(shares - label_law[..., None, :]).sum(-1) / 2
    return {
        "label_information": mutual(by_label),
        "class_law": label_law,
        "label_deviation": np.sum(sample_law * variation, -1),
    }


def _of_examples(
    law: np.ndarray, channels: Sequence[np.ndarray], loss: np.ndarray, joint: np.ndarray, n: int
) -> dict[str, Any]:
    """What single examples tell about the weights, through the layers and before them."""
    lead, weights = law.shape[:-2], joint.sum(-2)
    pairs = [_pair(joint, n, i) for i in range(n)]
    cells = [p.reshape(*law.shape, joint.shape[-1]) for p in pairs]
    variations = [_variations(c, law, weights) for c in cells]
    reached = [_reached(c, law, weights, channels, loss) for c in cells]
    each = [coefficients(channel) for channel in channels]
    empty = np.zeros((*lead, 0))
    return {
        "information_i": np.stack([mutual(p) for p in pairs], -1),
        "conditional_information_i": np.stack([_conditional(joint, n, i) for i in range(n)], -1),
        "label_information_i": np.stack([mutual(c.sum(-3)) for c in cells], -1),
        "input_information_i": np.stack(
            [mutual(np.swapaxes(c, -3, -2)).sum(-1) for c in cells], -1
        ),
        "label_variation": np.stack([v[0] for v in variations], -1),
        "input_variation": np.stack([v[1] for v in variations], -1),
        "etas": np.stack([e[0] for e in each], -1) if each else empty,
        "etas_tv": np.stack([e[1] for e in each], -1) if each else empty,
        "layer_information_i": np.stack([r[0] for r in reached], -1),
        "weight_distances": np.mean([r[1] for r in reached], 0),
        "transport_costs": np.stack([_moved(p, weights) for p in pairs], -1),
    }


def _steepest(mean: np.ndarray) -> np.ndarray:
    """Largest slope of the mean loss between hypotheses 0, 1, ... on a line."""
    place = np.arange(mean.shape[-2])
    apart = np.abs(place[:, None] - place) + np.eye(len(place))
    slope = np.abs(mean[..., :, None, :] - mean[..., None, :, :]) / apart[..., None]
    return np.max(slope, (-3, -2, -1))


def _tensor(joint: np.ndarray, n: int, i: int) -> np.ndarray:
    """Joint law as (..., other examples, z_i, w)."""
    lead, w = joint.shape[:-2], joint.shape[-1]
    z = round(joint.shape[-2] ** (1 / n))
    split = joint.reshape(*lead, z**i, z, z ** (n - 1 - i), w)
    return np.swapaxes(split, -3, -2).reshape(*lead, -1, z, w)


def _pair(joint: np.ndarray, n: int, i: int) -> np.ndarray:
    """Joint law of Z_i and W."""
    return _tensor(joint, n, i).sum(-3)


def _conditional(joint: np.ndarray, n: int, i: int) -> np.ndarray:
    """Information about Z_i given the others."""
    return mutual(_tensor(joint, n, i)).sum(-1)


def _moved(pair: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean W_1 distance of the law of W given the example, hypotheses 0, 1, ... on a line."""
    own = pair.sum(-1, keepdims=True)
    shift = np.cumsum(pair - own * weights[..., None, :], -1)
    return np.abs(shift).sum((-2, -1))


def _variations(cells: np.ndarray, law: np.ndarray, weights: np.ndarray):
    """Mean total variation of the labels, and of the inputs given the labels."""
    labels = cells.sum(-3)
    fair = law.sum(-2)[..., None] * weights[..., None, :]
    inputs = law / np.where(law.sum(-2, keepdims=True) > 0, law.sum(-2, keepdims=True), 1.0)
    fresh = inputs[..., None] * labels[..., None, :, :]
    return (
        np.abs(labels - fair).sum((-2, -1)) / 2,
        np.abs(cells - fresh).sum((-3, -2, -1)) / 2,
    )


def _reached(cells, law, weights, channels, loss):
    """Divergence, and distance times slope, of (T_l, Y) on a training and a fresh example."""
    known = divide(np.moveaxis(cells, -1, -3), weights[..., None, None])
    fresh = np.broadcast_to(law[..., None, :, :], known.shape)
    tails = [loss]
    for channel in reversed(channels):
        tails.insert(0, np.einsum("...wst,...wty->...wsy", channel, tails[0]))
    divergences, distances = [], []
    for level, tail in enumerate(tails):
        if level:
            known, fresh = (
                np.einsum("...wsy,...wst->...wty", a, channels[level - 1]) for a in (known, fresh)
            )
        size = known.shape[-1] * known.shape[-2]
        seen, test, value = (a.reshape(*a.shape[:-2], size) for a in (known, fresh, tail))
        # A hypothesis of probability zero is compared with nothing.
        used = weights > 0
        divergences.append(np.sum(weights * np.where(used, divergence(seen, test), 0.0), -1))
        # All (t, y) on a line, one apart: the loss is Lipschitz for that distance.
        place = np.arange(size)
        apart = np.abs(place[:, None] - place) + np.eye(size)
        slope = np.max(np.abs(value[..., None] - value[..., None, :]) / apart, (-2, -1))
        moved = np.abs(np.cumsum(seen - test, -1))[..., :-1].sum(-1)
        distances.append(np.where(used, slope * moved, 0.0))
    return np.stack(divergences, -1), np.stack(distances, -1)

"""Learners on random supersamples: all pairs of examples and all masks enumerated."""

from typing import Any, NamedTuple

import numpy as np

from ibjax.bounds.falsification.family import Family, Tables, spread, temperatures
from ibjax.bounds.falsification.tables import mutual, one_hot, softmax, unit, words
from ibjax.typing import Array


class Supersamples(NamedTuple):
    """Exact quantities of a learner of a rule w(x) with the 0-1 loss, over random supersamples.

    The means over pairs i (and columns) are taken; "given" means given the supersample.

    Attributes:
        gap: E[ghost error - training error], which is test less training error.
        train_error: expected training error.
        test_error: expected test error.
        ghost_gap: E|ghost error - training error|.
        mask_information: I(W; U | given), of all n bits together.
        loss_information: I(all 2n losses; U | given).
        prediction_information: mean I(both predictions of pair i; U_i | given).
        pair_information: mean I(both losses of pair i; U_i | given).
        difference_information: mean I(difference of losses of pair i; U_i | given).
        single_information: mean I(one loss of pair i; U_i | given).
        pair_information_free: as without the condition, the supersample unseen.
        difference_information_free: the same for the difference of losses.
        single_information_free: the same for one loss.
        pair_roots: mean of sqrt(2 I) over pairs and supersamples, I as in `pair_information`.
        difference_roots: the same for `difference_information`.
        single_roots: the same for `single_information`.
    """

    gap: Array
    train_error: Array
    test_error: Array
    ghost_gap: Array
    mask_information: Array
    loss_information: Array
    prediction_information: Array
    pair_information: Array
    difference_information: Array
    single_information: Array
    pair_information_free: Array
    difference_information_free: Array
    single_information_free: Array
    pair_roots: Array
    difference_roots: Array
    single_roots: Array


def families() -> tuple[Family, ...]:
    """Any learner on two pairs, and learners without training error."""
    return (
        _family(
            "supersample, n=2",
            "any learner of three rules, masks enumerated",
            2,
            (0, 0, 1),
            (0, 1, 0),
        ),
        _family(
            "supersample, n=1", "one pair, three classes", 1, (0, 0, 0, 1, 1, 1), (0, 1, 2) * 2
        ),
        _interpolating("interpolating, n=2", "learners without training error"),
    )


def solve(
    law: np.ndarray, said: np.ndarray, lost: np.ndarray, learner: np.ndarray, n: int
) -> Supersamples:
    """All quantities of a learner of rules.

    Args:
        law: of one example z, (..., z).
        said: prediction of each rule at z, (..., w, z).
        lost: its 0-1 loss, (..., w, z).
        learner: law of the rule for each sample, (..., z^n, w).
        n: number of pairs.
    """
    z = law.shape[-1]
    pairs = words(z, 2 * n).reshape(-1, n, 2)  # (v, n, 2)
    masks = words(2, n)  # (u, n)
    trained = np.take_along_axis(pairs[:, None], masks[None, :, :, None], -1)[..., 0]
    position = trained @ z ** np.arange(n)[::-1]
    weight = np.prod(law[..., pairs], (-2, -1))[..., None] / len(masks)
    joint = weight[..., None] * learner[..., position, :]  # (..., v, u, w)
    losses = np.moveaxis(lost[..., pairs], -4, -1)  # (..., v, n, 2, w)
    answers = np.moveaxis(said[..., pairs], -4, -1)
    difference = losses[..., 1, :] - losses[..., 0, :]
    # Where the mask is 0 the ghost is column 1.
    excess = (1 - 2 * masks) @ difference / n  # (..., v, u, w)
    gap = np.sum(joint * excess, (-3, -2, -1))
    both = np.sum(joint * losses.mean((-3, -2))[..., None, :], (-3, -2, -1))
    every = losses.reshape(*losses.shape[:-3], 2 * n, -1)
    codes = np.tensordot(2 ** np.arange(2 * n), np.moveaxis(every, -2, 0), 1)
    found = {
        "prediction": _bits(
            joint, masks, answers[..., 0, :] * (said.max() + 1) + answers[..., 1, :]
        ),
        "pair": _bits(joint, masks, 2 * losses[..., 0, :] + losses[..., 1, :]),
        "difference": _bits(joint, masks, difference + 1),
    }
    columns = [_bits(joint, masks, losses[..., c, :]) for c in (0, 1)]
    found["single"] = tuple(np.mean([c[k] for c in columns], 0) for k in range(3))
    return Supersamples(
        gap=gap,
        # Exactly zero where no rule in use errs on its sample.
        train_error=unit(both - gap / 2) * np.any(_trained(joint, losses, masks), -1),
        test_error=unit(both + gap / 2),
        ghost_gap=np.sum(joint * np.abs(excess), (-3, -2, -1)),
        mask_information=mutual(joint).sum(-1),
        loss_information=mutual(joint @ one_hot(codes, 4**n)).sum(-1),
        prediction_information=found["prediction"][0],
        **{f"{k}_information": found[k][0] for k in ("pair", "difference", "single")},
        **{f"{k}_information_free": found[k][1] for k in ("pair", "difference", "single")},
        **{f"{k}_roots": found[k][2] for k in ("pair", "difference", "single")},
    )


def _trained(joint: np.ndarray, losses: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Whether a rule in use errs on an example it was trained on, over a flat last axis."""
    errs = np.stack([losses[..., range(len(m)), m, :].any(-2) for m in masks], -2)
    used = (joint > 0) & errs
    return used.reshape(*used.shape[:-3], -1)


def _bits(joint: np.ndarray, masks: np.ndarray, codes: np.ndarray):
    """Mean information of codes (..., v, n, w) about bit i: given, free, and mean of the roots."""
    n = masks.shape[-1]
    hot = one_hot(masks, 2).reshape(len(masks), 2 * n).T
    by_bit = (hot @ joint).reshape(*joint.shape[:-2], n, 2, joint.shape[-1])
    table = by_bit @ one_hot(codes, int(codes.max()) + 1)  # (..., v, n, 2, code)
    each = mutual(table)
    # The information of a table has its mass in it: its root needs the mass once more.
    roots = np.sqrt(2 * each * table.sum((-2, -1)))
    return each.sum(-2).mean(-1), mutual(table.sum(-4)).mean(-1), roots.sum(-2).mean(-1)


def _facts(n: int, classes: int) -> dict[str, Any]:
    return {"n": n, "sigma": 0.5, "loss_range": 1.0, "num_classes": classes}


def _family(
    name: str, summary: str, n: int, inputs: tuple[int, ...], labels: tuple[int, ...]
) -> Family:
    """Three rules on letters that are pairs of an input and a label."""
    z, x, classes, w = len(inputs), max(inputs) + 1, max(labels) + 1, 3

    def said_and_lost(rules: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        said = np.argmax(rules, -1)[..., list(inputs)]
        return said, (said != np.array(labels)).astype(int)

    def draw(rng: np.random.Generator, count: int) -> Tables:
        rules = rng.normal(size=(count, w, x, classes))
        lost = said_and_lost(rules)[1]
        emp = np.swapaxes(lost[..., words(z, n)].mean(-1), -1, -2)
        logits = spread(rng, count, 0.03, 30.0, z**n, w)
        logits = logits - n * temperatures(rng, count, 1, 1) * emp
        law = spread(rng, count, 0.1, 3.0, z)
        return {"law": law, "rules": rules, "learner": np.clip(logits, -40.0, 40.0)}

    def solved(tables: Tables) -> dict[str, Any]:
        said, lost = said_and_lost(tables["rules"])
        return solve(softmax(tables["law"]), said, lost, softmax(tables["learner"]), n)._asdict()

    return Family(name, summary, _facts(n, classes), draw, solved, share=0.5)


def _interpolating(name: str, summary: str) -> Family:
    """Three inputs whose label is a function of them; the learner knows all eight rules."""
    n, x, classes = 2, 3, 2
    rules, samples = words(classes, x), words(x, n)

    def draw(rng: np.random.Generator, count: int) -> Tables:
        return {
            "law": spread(rng, count, 0.1, 3.0, x),
            "truth": rng.normal(size=(count, x)),
            "learner": spread(rng, count, 0.03, 30.0, len(samples), len(rules)),
        }

    def solved(tables: Tables) -> dict[str, Any]:
        truth = (tables["truth"] > 0).astype(int)[..., None, :]
        lost = (rules != truth).astype(int)
        agrees = ~lost[..., samples].astype(bool).any(-1)
        learner = softmax(np.where(np.swapaxes(agrees, -1, -2), tables["learner"], -np.inf))
        said = np.broadcast_to(rules, lost.shape)
        return solve(softmax(tables["law"]), said, lost, learner, n)._asdict()

    return Family(name, summary, _facts(n, classes), draw, solved, share=0.5)

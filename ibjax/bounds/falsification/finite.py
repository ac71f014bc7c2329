"""Families of learners on finite spaces: without layers, with noisy layers, Gibbs posteriors."""

import itertools
from typing import Any

import numpy as np

from ibjax.bounds.falsification.family import Family, Tables, some, spread, temperatures
from ibjax.bounds.falsification.learners import empirical_loss, mean_loss, solve
from ibjax.bounds.falsification.tables import mutual, sigmoid, softmax, unit, words

GRID = 6
"""Inverse temperatures on the grid of a Gibbs posterior."""


def families() -> tuple[Family, ...]:
    """Learners of several sizes, with and without layers."""
    return (
        _family("finite, n=1", "any learner of one example", 1, 2, 3, 4, ()),
        _family("finite, n=2", "any learner of two examples", 2, 2, 2, 4, ()),
        _family("finite, n=3", "any learner of three examples", 3, 2, 2, 2, ()),
        _family("layered, n=2", "two noisy layers chosen by all weights", 2, 3, 2, 4, (3, 3)),
        _family("layered, n=3", "one noisy layer, three examples", 3, 2, 2, 4, (2,)),
        _family("head, n=2", "layers chosen by hidden weights only", 2, 2, 2, 4, (2,), head=True),
        _gibbs("gibbs, n=2", "Gibbs posteriors through one noisy layer", False),
        _two_stage("two stages", "a cover by one point, a choice by two"),
        _gibbs("relaxing, n=2", "on the way from the prior to a Gibbs posterior", True),
    )


def _facts(n: int, y: int, w: int, layers: int) -> dict[str, Any]:
    known = {"n": n, "sigma": 0.5, "loss_range": 1.0}
    return known | {"num_classes": y, "num_weights": w, "layers": layers}


def _family(
    name: str, summary: str, n: int, x: int, y: int, w: int, widths: tuple[int, ...], head=False
) -> Family:
    """Learners with any table; with `head`, layers see the first half of the weights only."""

    def draw(rng: np.random.Generator, count: int) -> Tables:
        tables = _draw_space(rng, count, x, y, w, widths, head)
        _, channels, loss = _space(tables, head)
        emp = np.swapaxes(empirical_loss(mean_loss(loss, channels), n), -1, -2)
        logits = spread(rng, count, 0.03, 30.0, len(words(x * y, n)), w)
        logits = logits - n * temperatures(rng, count, 1, 1) * emp
        return tables | {"learner": np.clip(logits, -40.0, 40.0)}

    def solved(tables: Tables) -> dict[str, Any]:
        law, channels, loss = _space(tables, head)
        learner = softmax(tables["learner"])
        fields = solve(law, channels, loss, learner, n)._asdict()
        if head:
            fields["head_information"] = _head_information(law, channels, learner, n)
        return fields

    return Family(name, summary, _facts(n, y, w, len(widths)), draw, solved)


def _draw_space(rng, count, x, y, w, widths, head=False) -> Tables:
    """Law, layers and loss; a fourth of the models has nearly constant layers and labels to tell.

    There the loss is decided by the label and the weights alone, which no layer contracts.
    """
    sizes = (x, *widths)
    chosen = w // 2 if head else w
    tables = {"law": spread(rng, count, 0.1, 3.0, x, y)}
    labels = some(rng, count, 0.25, 1, 1, 1)
    loss = spread(rng, count, 0.1, 30.0, w, sizes[-1], y)
    told = np.where(np.indices((w, y)).sum(0) % 2, 40.0, -40.0)[:, None]
    tables["loss"] = np.clip(np.where(labels, told, loss), -40.0, 40.0)
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        channel = spread(rng, count, 0.03, 10.0, chosen, a, b)
        tables[f"layer_{i}"] = np.where(labels, 0.05 * channel, channel)
    return tables


def _space(tables: Tables, head: bool = False):
    """Law, channels and loss from their logits."""
    logits = tables["law"]
    law = softmax(logits.reshape(*logits.shape[:-2], -1)).reshape(logits.shape)
    channels = [softmax(tables[k]) for k in sorted(tables) if k.startswith("layer_")]
    if head:
        channels = [np.repeat(c, 2, axis=-3) for c in channels]
    return law, channels, sigmoid(tables["loss"])


def _head_information(law, channels, learner, n: int) -> np.ndarray:
    """I(T^n, Y^n; h | U) for W = (U, h) and noise drawn afresh, T the last layer's output."""
    x, y = law.shape[-2:]
    samples = words(x * y, n)
    flat = law.reshape(*law.shape[:-2], -1)
    joint = np.prod(flat[..., samples], -1)[..., None] * learner
    w = joint.shape[-1]
    through = channels[0][..., ::2, :, :]
    for channel in channels[1:]:
        through = through @ channel[..., ::2, :, :]
    total = np.zeros(joint.shape[:-2])
    for u in range(w // 2):
        table = joint[..., 2 * u : 2 * u + 2]
        kernel = _with_label(through[..., u, :, :], y)
        size = kernel.shape[-1]
        for _ in range(n):  # the first example goes through its channel and to the end
            table = table.reshape(*joint.shape[:-2], x * y, -1, 2)
            table = np.einsum("...zrh,...zt->...rth", table, kernel)
            table = table.reshape(*joint.shape[:-2], -1, 2)
        assert table.shape[-2] == size**n
        total = total + mutual(table)
    return total


def _with_label(channel: np.ndarray, y: int) -> np.ndarray:
    """The channel on (x, y), which keeps the label."""
    a, b = channel.shape[-2:]
    both = channel[..., :, None, :, None] * np.eye(y)[:, None, :]
    return both.reshape(*channel.shape[:-2], a * y, b * y)


def _gibbs(name: str, summary: str, relaxing: bool) -> Family:
    """Posteriors prior(w) exp(-gamma L_S(w)), or a step of resampling from there."""
    n, x, y, w = 2, 2, 2, 4

    def draw(rng: np.random.Generator, count: int) -> Tables:
        tables = _draw_space(rng, count, x, y, w, (2,))
        tables["prior"] = spread(rng, count, 0.1, 3.0, w)
        tables["log_gamma"] = rng.uniform(-3.0, 5.0, (count, 1))
        if relaxing:
            tables["relaxed"] = rng.normal(size=(count, 1)) * 3
        return tables

    def solved(tables: Tables) -> dict[str, Any]:
        law, channels, loss = _space(tables)
        emp = np.swapaxes(empirical_loss(mean_loss(loss, channels), n), -1, -2)
        # Beyond e^7 the grid of temperatures would leave the posterior's whole change unseen.
        gamma = np.exp(np.minimum(tables["log_gamma"], 7.0))[..., 0]
        grid = np.linspace(0.0, 1.0, GRID) * gamma[..., None]
        prior = tables["prior"][..., None, :]
        tempered = [softmax(prior - g[..., None, None] * emp) for g in np.moveaxis(grid, -1, 0)]
        learner = tempered[-1]
        if relaxing:
            share = sigmoid(tables["relaxed"])[..., None]
            learner = share * learner + (1 - share) * tempered[0]
        fields = solve(law, channels, loss, learner, n)._asdict()
        means = [np.einsum("...s,...sw,...sw->...", fields["sample_law"], p, emp) for p in tempered]
        if relaxing:
            return fields | {"relaxed_temperature": gamma, "prior_loss": means[0]}
        return fields | {
            "inverse_temperature": gamma,
            "temperature_grid": grid,
            "temperature_losses": np.stack(means, -1),
        }

    return Family(name, summary, _facts(n, y, w, 1), draw, solved)


def _two_stage(name: str, summary: str) -> Family:
    """Four points, thresholds (dimension 1), one example for the cover, two for the choice.

    Its gap is that of the second stage. The learner is fixed; the law of (x, y) is any.
    """
    rules = np.array([[int(x >= t) for x in range(4)] for t in range(5)])
    loss = np.stack([(r[:, None] != np.arange(2)).ravel() for r in rules]).astype(float)
    picks = words(8, 2)
    # The cover keeps the first rule of each labelling of its point; ties go to the first of them.
    covers = np.array([[np.flatnonzero(rules[:, x] == v)[0] for v in (0, 1)] for x in range(4)])
    errors = loss[covers][..., picks].mean(-1)  # (x, v, pick)
    chosen = np.take_along_axis(covers[..., None], errors.argmin(1)[:, None], 1)[:, 0]

    def draw(rng: np.random.Generator, count: int) -> Tables:
        return {"law": spread(rng, count, 0.1, 3.0, 8)}

    def solved(tables: Tables) -> dict[str, Any]:
        law = softmax(tables["law"])
        cover = law.reshape(*law.shape[:-1], 4, 2).sum(-1)
        mass = cover[..., None] * np.prod(law[..., picks], -1)[..., None, :]
        risk = (law @ loss.T)[..., chosen]
        train, test = (np.sum(mass * e, (-2, -1)) for e in (errors.min(1), risk))
        return {"gap": test - train, "train_error": unit(train), "test_error": unit(test)}

    facts = {"n_cover": 1, "n_train": 2, "vc_dimension": 1}
    return Family(name, summary, facts, draw, solved)

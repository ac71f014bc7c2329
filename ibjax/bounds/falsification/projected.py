"""Noisy gradient descent on the line with a projection before each step: what is left at the end.

Examples are bits, the weights start at 0, gradients are ``C a cos(f w + p)`` with |a| <= 1, chosen
by the bit; the loss is a number in [0, 1] for (w > theta, z). A projected weight has a density
inside the interval, kept at Gauss-Legendre nodes, and an atom at either end, whose masses are tails
of the normal law: no edge is cut through by a grid.
"""

from typing import Any

import numpy as np
from scipy.special import ndtr

from ibjax.bounds.falsification.family import Family, Tables, some, spread
from ibjax.bounds.falsification.paths import REACH, draws
from ibjax.bounds.falsification.tables import mutual, sigmoid, words

STEPS = 5

_NODES = 40
"""Inside the interval, which is at most some deviations of the noise wide."""

_ENDS = 81
"""Of the density of the last weights on the line."""


def families() -> tuple[Family, ...]:
    """Batches for which contraction of the last weights is proved."""
    return tuple(
        _family(*scheme)
        for scheme in (("full", 2, 2), ("poisson", 2, 1), ("without_replacement", 3, 1))
    )


def _family(batching: str, n: int, b: int) -> Family:
    scheme = draws(batching, n, b)
    members, place = np.unique(scheme.first, axis=0, return_inverse=True)
    weight = np.bincount(place.ravel(), scheme.weight)
    facts = {"n": n, "loss_range": 1.0, "batching": batching, "batch_size": b, "dim": 1}

    def draw(rng: np.random.Generator, count: int) -> Tables:
        gradient = spread(rng, count, 0.3, 10.0, 2, 3)
        return {
            "law": rng.normal(size=(count, 1)) * rng.choice([0.0, 2.0], (count, 1)),
            # Half of the gradients have one size wherever the weights are, that of the bound.
            "gradient": gradient * np.where(some(rng, count, 0.5, 1, 1), [1, 0, 0], 1),
            "shift": rng.uniform(-3.5, 0.0, (count, 1)),
            "units": rng.normal(size=(count, 2)),
            "scales": 0.3 * rng.normal(size=(count, 2, STEPS)),
            "radius": rng.uniform(-4.0, 1.5, (count, 1)),
            "loss": spread(rng, count, 1.0, 30.0, 2, 2),
            "threshold": rng.normal(size=(count, 1)),
        }

    def solved(tables: Tables) -> dict[str, Any]:
        each = [
            _solve({k: v[i] for k, v in tables.items()}, weight, members, n, b)
            for i in range(len(tables["law"]))
        ]
        return {k: np.stack([one[k] for one in each]) for k in each[0]}

    return Family(
        f"projected, {batching}, n={n}, b={b}",
        f"{STEPS} noisy steps from an interval",
        facts,
        draw,
        solved,
        share=0.02,
    )


def _solve(
    tables: dict[str, np.ndarray], weight: np.ndarray, members: np.ndarray, n: int, b: int
) -> dict[str, Any]:
    """The settings of one run, its errors, and the mean of I(Z_i; W_T | the other examples)."""
    clip, size = np.exp(np.clip(tables["units"], -5.0, 5.0))
    # In units of the first noise: that of every step, and how far one example moves it.
    noise, pace = np.exp(np.clip(tables["scales"], -0.7, 0.7))
    pace = pace * np.exp(np.clip(tables["shift"][0], -6.0, 0.0))
    radius = np.exp(np.clip(tables["radius"][0], -6.0, 1.5))
    height = np.tanh(tables["gradient"][:, 0])
    rate = np.clip(tables["gradient"][:, 1], -1.2, 1.2)
    nodes, measure = np.polynomial.legendre.leggauss(_NODES)
    inside = np.array([*(radius * nodes), -radius, radius])

    def slopes(w: np.ndarray) -> np.ndarray:
        """Gradients over C of both letters, (2, points)."""
        return height[:, None] * np.cos(rate[:, None] * w + tables["gradient"][:, 2, None])

    def means(w: np.ndarray, sample: np.ndarray, step: int) -> np.ndarray:
        """Where every batch leads from every point, (points, batches)."""
        return w[:, None] - pace[step] * (members @ slopes(w)[sample]).T

    def ends(w: np.ndarray, sample: np.ndarray, step: int) -> np.ndarray:
        """Masses on the nodes and at the ends after a step, (points, nodes + 2)."""
        mean, s = means(w, sample, step), noise[step]
        density = _normal((inside[:_NODES] - mean[..., None]) / s) / s * radius * measure
        below, above = (ndtr((-radius - sign * mean) / s)[..., None] for sign in (1, -1))
        return np.einsum("q,pqm->pm", weight, np.concatenate([density, below, above], -1))

    far = radius + pace[-1] * members.sum(1).max() + REACH * noise[-1]
    last = np.linspace(-far, far, int(np.ceil(2 * far / noise[-1] * 2.5)) + _ENDS)
    cell = last[1] - last[0]
    found, above = [], []
    samples = words(2, n)
    for sample in samples:
        mass = ends(np.zeros(1), sample, 0)[0]
        for step in range(1, STEPS - 1):
            mass = mass @ ends(inside, sample, step)
        mean = means(inside, sample, STEPS - 1)
        above.append(mass @ ndtr((mean - tables["threshold"][0]) / noise[-1]) @ weight)
        apart = (last - mean[..., None]) / noise[-1]
        law = np.einsum("q,pqm->pm", weight, _normal(apart)) / noise[-1] * cell
        found.append(mass @ law)
    one = sigmoid(tables["law"])
    letters = np.concatenate([1 - one, one])
    prior = np.prod(letters[samples], -1)
    tensor = (prior[:, None] * np.array(found)).reshape(*(2,) * n, -1)
    parts = [mutual(np.moveaxis(tensor, i, -2).reshape(-1, 2, len(last))).sum() for i in range(n)]
    sides = np.stack([1 - np.array(above), np.array(above)], -1)
    losses = sigmoid(tables["loss"])  # (side, z)
    test = prior @ sides @ losses @ letters
    train = prior @ np.sum(sides * np.moveaxis(losses[:, samples], 0, -1).mean(1), -1)
    # r = eta C / (b s) in every step.
    stds = noise * size
    return {
        "gap": test - train,
        "train_error": train,
        "test_error": test,
        "step_sizes": b * pace * size / clip,
        "noise_stds": stds,
        "clip": clip,
        "radius": radius * size,
        "last_information": np.mean(parts),
    }


def _normal(x: np.ndarray) -> np.ndarray:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)

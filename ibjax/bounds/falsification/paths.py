"""Two steps of noisy gradient descent on the line, all batches enumerated.

Examples are bits, the weights start at 0, gradients are ``C a cos(f w + p)`` with |a| <= 1, chosen
by the bit and the step. The density of the path given the sample is a finite mixture of Gaussians;
the trapezoid rule is exponentially accurate for it, since the integrands are analytic.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from ibjax.bounds.falsification.family import Family, Tables, some, spread
from ibjax.bounds.falsification.tables import divide, mutual, normal, sigmoid, unit, words
from ibjax.typing import Array

REACH, FIRST, SECOND = 7.0, 0.25, 0.33
"""Deviations beyond the means that the grid covers, and its spacings, in noise units."""


class Paths(NamedTuple):
    """Exact quantities of two noisy steps; the loss is a number in [0, 1] for (w > theta, z).

    Attributes:
        gap: E[L(W_2) - L_S(W_2)].
        train_error: expected training error.
        test_error: expected test error.
        information: I(S; W_1, W_2).
        information_i: I(Z_i; W_1, W_2), (n,).
        conditional_information_i: I(Z_i; W_1, W_2 | the other examples), (n,).
        mean_conditional_information: its mean over the examples.
        step_sizes: (2,).
        noise_stds: standard deviation of the noise of each step, (2,).
        clip: bound C on every gradient.
        gradient_norm: root mean square of C times the size of a batch over b.
        gradient_second_moment: E (1/n) sum_i g_i^2 at each step, (2,).
        gradient_variance: E (1/n) sum_i (g_i - mean)^2 at each step, (2,).
        class_law: law of the bit, (2,).
    """

    gap: Array
    train_error: Array
    test_error: Array
    information: Array
    information_i: Array
    conditional_information_i: Array
    mean_conditional_information: Array
    step_sizes: Array
    noise_stds: Array
    clip: Array
    gradient_norm: Array
    gradient_second_moment: Array
    gradient_variance: Array
    class_law: Array


class Draws(NamedTuple):
    """The batches of two steps: probability of each pair, and how often each holds each example."""

    weight: np.ndarray
    first: np.ndarray
    second: np.ndarray


_Pairs = list[tuple[float, Any, Any]]


def _alike(counts: list[np.ndarray]) -> _Pairs:
    """Both steps draw independently, each batch as likely as any other."""
    return [(1 / len(counts) ** 2, p, q) for p in counts for q in counts]


def _subsets(n: int, b: int) -> list[np.ndarray]:
    return [np.isin(np.arange(n), s) * 1 for s in itertools.combinations(range(n), b)]


def _poisson(n: int, b: int) -> _Pairs:
    rate = b / n
    mass = {m: rate ** sum(m) * (1 - rate) ** (n - sum(m)) for m in map(tuple, words(2, n))}
    return [(mass[p] * mass[q], p, q) for p in mass for q in mass]


def _partition(n: int, b: int) -> _Pairs:
    """Two steps are at most one pass, in which a partition drawn once is a shuffled epoch."""
    subsets = _subsets(n, b)
    rest = [(p, q) for p in subsets for q in subsets if not np.any(p * q)]
    return [(1 / len(rest), p, q) for p, q in rest]


_SCHEMES: dict[str, Callable[[int, int], _Pairs]] = {
    "full": lambda n, b: [(1.0, np.ones(n), np.ones(n))],
    "without_replacement": lambda n, b: _alike(_subsets(n, b)),
    "with_replacement": lambda n, b: _alike([np.bincount(w, minlength=n) for w in words(n, b)]),
    "poisson": _poisson,
    "epochs": _partition,
    "fixed": _partition,
    "disjoint": lambda n, b: [(1.0, np.arange(n) // b == 0, np.arange(n) // b == 1)],
}
"""Both batches of every scheme, with the probability of the two."""


def draws(batching: str, n: int, b: int) -> Draws:
    """Every pair of batches a scheme can draw.

    Args:
        batching: one of `interface.BATCHINGS`, or "disjoint": batch t holds the t-th b examples.
        n: number of examples.
        b: batch size; the mean one for "poisson".

    Raises:
        ValueError: for a scheme that is not enumerated here.
    """
    if batching not in _SCHEMES:
        raise ValueError(f"batching={batching!r} is not enumerated; see `draws`")
    pairs = _SCHEMES[batching](n, b)
    weight, first, second = zip(*pairs)
    return Draws(np.array(weight), np.array(first, float), np.array(second, float))


def families() -> tuple[Family, ...]:
    """Two steps under every way to draw batches that two steps can tell apart."""
    return (
        _family("full", 2, 2),
        _family("poisson", 2, 1),
        _family("without_replacement", 3, 1),
        _family("without_replacement", 3, 2),
        _family("with_replacement", 3, 2),
        _family("epochs", 3, 1),
        _family("epochs", 2, 1),
        _family("disjoint", 2, 1),
    )


def _family(batching: str, n: int, b: int) -> Family:
    scheme = draws(batching, n, b)
    facts = {
        "n": n,
        "sigma": 0.5,
        "loss_range": 1.0,
        "num_classes": 2,
        "batching": batching,
        "batch_size": b,
        "dim": 1,
    }
    if batching == "disjoint":
        facts |= {"batches": (0, 1), "num_batches": n // b}
    if np.max([scheme.first, scheme.second]) <= 1 and batching != "poisson":
        facts["distinct_batch_size"] = b

    def draw(rng: np.random.Generator, count: int) -> Tables:
        gradient = spread(rng, count, 0.3, 10.0, 2, 2, 3)
        return {
            "law": rng.normal(size=(count, 1)) * rng.choice([0.0, 2.0], (count, 1)),
            # Half of the gradients have one size wherever the weights are, that of the bound.
            "gradient": gradient * np.where(some(rng, count, 0.5, 1, 1, 1), [1, 0, 0], 1),
            "shift": rng.uniform(-3.5, 0.0, (count, 2)),
            "units": rng.normal(size=(count, 2)),
            "scale": rng.normal(size=(count, 1)),
            "loss": spread(rng, count, 1.0, 30.0, 2, 2),
            "threshold": rng.normal(size=(count, 1)),
        }

    def solved(tables: Tables) -> dict[str, Any]:
        lead = tables["law"].shape[0]
        parts = [
            _solve({k: v[i : i + 8] for k, v in tables.items()}, scheme, n, b)
            for i in range(0, lead, 8)
        ]
        return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}

    return Family(f"{batching}, n={n}, b={b}", "two noisy steps", facts, draw, solved, share=0.02)


def _solve(tables: Tables, scheme: Draws, n: int, b: int) -> dict[str, np.ndarray]:
    samples = words(2, n)
    one = sigmoid(tables["law"])
    letters = np.concatenate([1 - one, one], -1)
    prior = np.prod(letters[:, samples], -1)  # (c, s)
    # In noise units the step moves by r a cos(...) for each member, r = eta C / (b std).
    r = np.exp(np.clip(tables["shift"], -6.0, 0.0))
    units = np.exp(np.clip(tables["units"], -5.0, 5.0))
    clip, size = units[:, 0], units[:, 1]
    # The second noise in units of the first: a narrow one would need a finer grid.
    scale = np.exp(np.clip(tables["scale"][:, 0], -0.5, 1.5))
    noise = (size * clip / (b * r[:, 0]))[:, None] * np.stack([np.ones_like(scale), scale], -1)
    sizes = b * r * noise / clip[:, None]
    height = np.tanh(tables["gradient"][..., 0])  # (c, step, z)
    pace = np.clip(tables["gradient"][..., 1], -1.2, 1.2)
    phase = tables["gradient"][..., 2]

    def slope(step: int, w: np.ndarray) -> np.ndarray:
        """Gradients over C of both letters at points w (c, m), first noise units: (c, m, z)."""
        angle = pace[:, None, step] * w[..., None] + phase[:, None, step]
        return height[:, None, step] * np.cos(angle)

    start = slope(0, np.zeros((len(r), 1)))[:, 0]  # (c, z)
    most = float(max(scheme.first.sum(-1).max(), scheme.second.sum(-1).max()) * r.max())
    w1 = np.arange(-REACH - most, REACH + most + FIRST, FIRST)
    y2 = np.arange(-REACH - most, REACH + most + SECOND, SECOND)
    mean1 = -r[:, :1, None] * np.einsum("csi,qi->csq", start[:, samples], scheme.first)
    here = slope(1, np.broadcast_to(w1, (len(r), len(w1))))  # (c, m, z)
    taken, position = np.unique(scheme.second, axis=0, return_inverse=True)
    mean2 = -r[:, 1, None, None, None] * np.einsum("cmsi,ki->csmk", here[:, :, samples], taken)
    density1 = normal(w1 - mean1[..., None]) * FIRST  # (c, s, q, m)
    by_second = np.zeros((*density1.shape[:2], len(taken), len(w1)))
    for q, k in enumerate(position.ravel()):
        by_second[:, :, k] += scheme.weight[q] * density1[:, :, q]
    path = np.zeros((len(r), len(samples), len(w1), len(y2)))
    for k in range(len(taken)):
        density2 = normal(y2 - mean2[..., k, None]) * SECOND
        path += by_second[:, :, k, :, None] * density2
    # Moments of the gradients at both points, and the loss by the law of W_2 > theta.
    reached = by_second.sum(2)  # (c, s, m)
    theta = tables["threshold"][:, :1, None]
    above = np.zeros(prior.shape)
    for k in range(len(taken)):
        tail = ndtr((w1 - theta) / scale[:, None, None] + mean2[..., k])
        above += np.sum(by_second[:, :, k] * tail, -1)
    losses = sigmoid(tables["loss"])  # (c, side, z)
    sides = np.stack([1 - above, above], -1)  # (c, s, side)
    risk = np.einsum("csa,caz,cz->cs", sides, losses, letters)
    own = np.einsum("csa,casi->cs", sides, losses[..., samples]) / n
    train, test = np.sum(prior * own, -1), np.sum(prior * risk, -1)
    joint = prior[..., None] * path.reshape(*path.shape[:2], -1)
    tensor = joint.reshape(len(r), *(2,) * n, -1)
    pairs, rests = [], []
    for i in range(n):
        moved = np.moveaxis(tensor, 1 + i, -2).reshape(len(r), -1, 2, joint.shape[-1])
        pairs.append(mutual(moved.sum(1)))
        rests.append(mutual(moved).sum(1))
    square = _moments(prior, reached, start, here, samples)
    return Paths(
        gap=test - train,
        train_error=unit(train),
        test_error=unit(test),
        information=mutual(joint),
        information_i=np.stack(pairs, -1),
        conditional_information_i=np.stack(rests, -1),
        mean_conditional_information=np.mean(rests, 0),
        step_sizes=sizes,
        noise_stds=noise,
        clip=clip,
        gradient_norm=clip * np.sqrt(scheme.weight @ scheme.first.sum(-1) ** 2) / b,
        gradient_second_moment=clip[:, None] ** 2 * square[0],
        gradient_variance=clip[:, None] ** 2 * square[1],
        class_law=letters,
    )._asdict()


def _moments(prior, reached, start, here, samples) -> tuple[np.ndarray, np.ndarray]:
    """Mean square of the examples' gradients, and their variance over the sample, (c, 2) each."""
    first = start[:, samples]  # (c, s, i)
    second = np.moveaxis(here[:, :, samples], 1, 2)  # (c, s, m, i)
    mass = divide(reached, reached.sum(-1, keepdims=True))
    out = []
    for statistic in (lambda g: np.mean(g**2, -1), lambda g: np.var(g, -1)):
        at_start = np.sum(prior * statistic(first), -1)
        later = np.sum(prior[..., None] * mass * statistic(second), (-2, -1))
        out.append(np.stack([at_start, later], -1))
    return out[0], out[1]

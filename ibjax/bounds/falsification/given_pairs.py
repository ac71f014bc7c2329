"""Two noisy full-batch steps on given pairs: the masks are all that is hidden.

Weights start at 0 on the line, the gradient of a member is ``C a cos(f w + p)`` with |a| <= 1 and
tables of its own. Given the masks a path is a product of two Gaussians; all masks are enumerated
and the path integrated on a grid, which is exponentially accurate for analytic integrands.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds.falsification.family import Family, Tables, some, spread
from ibjax.bounds.falsification.tables import mutual, normal, unit, words
from ibjax.mi.two_normals import NODES, told
from ibjax.typing import Array

REACH, SPACING = 7.0, 0.25


class GivenPairs(NamedTuple):
    """Exact quantities of two steps given the pairs; the loss is 0 or 1 for (w > theta, member).

    Attributes:
        gap: E[ghost - training error], over masks and noise.
        train_error: expected training error.
        test_error: expected ghost error.
        path_information: mean over pairs of I(U_i; W_1, W_2 | the other masks).
        membership_mean: expectation of what the engine sums up along a path.
        step_sizes: (2,).
        noise_stds: (2,).
        clip: C.
    """

    gap: Array
    train_error: Array
    test_error: Array
    path_information: Array
    membership_mean: Array
    step_sizes: Array
    noise_stds: Array
    clip: Array


def families() -> tuple[Family, ...]:
    """One pair, and two."""
    return _family(1), _family(2)


def _family(n: int) -> Family:
    def draw(rng: np.random.Generator, count: int) -> Tables:
        gradient = spread(rng, count, 0.3, 10.0, 2, n, 2, 3)
        return {
            "gradient": gradient * np.where(some(rng, count, 0.5, 1, 1, 1, 1), [1, 0, 0], 1),
            "shift": rng.uniform(-3.5, 0.7, (count, 2)),
            "loss": spread(rng, count, 1.0, 10.0, 2, n, 2),
            "threshold": rng.normal(size=(count, 1)),
        }

    facts = {"n": n, "sigma": 0.5, "loss_range": 1.0, "batching": "full", "pairs_given": True}
    return Family(
        f"given pairs, n={n}", "two noisy steps on given pairs", facts, draw,
        lambda tables: _solve(tables, n), share=0.02,
    )  # fmt: skip


def _solve(tables: Tables, n: int) -> dict[str, Any]:
    masks = words(2, n)
    r = np.exp(np.clip(tables["shift"], -6.0, 1.0))  # eta C/s of each step
    height = np.tanh(tables["gradient"][..., 0])  # (c, step, i, side)
    pace = np.clip(tables["gradient"][..., 1], -1.2, 1.2)
    phase = tables["gradient"][..., 2]

    def slope(step: int, w: np.ndarray) -> np.ndarray:
        """Gradients over C of all members at points w (c, m): (c, m, i, side)."""
        angle = pace[:, None, step] * w[..., None, None] + phase[:, None, step]
        return height[:, None, step] * np.cos(angle)

    count, most = len(r), float(r.max())
    grid = np.arange(-REACH - most, REACH + most + SPACING, SPACING)
    at = np.broadcast_to(grid, (count, len(grid)))
    start = slope(0, np.zeros((count, 1)))[:, 0]  # (c, i, side)
    here = slope(1, at)  # (c, m, i, side)
    own = np.arange(n)
    mean1 = np.stack([-r[:, 0] * start[:, own, u].mean(-1) for u in masks], -1)  # (c, u)
    mean2 = np.stack([-r[:, 1, None] * here[:, :, own, u].mean(-1) for u in masks], 1)  # (c, u, m)
    first = normal(grid - mean1[..., None]) * SPACING  # (c, u, m)
    second = normal(grid - mean2[..., None]) * SPACING  # (c, u, m, y)
    path = first[..., None] * second
    losses = (tables["loss"] > 0).astype(float)  # (c, side of theta, i, side)
    above = np.sum(path * (grid > tables["threshold"][:, :, None, None]), (-2, -1))  # (c, u)
    where = np.stack([1 - above, above], -1)  # (c, u, side of theta)
    kept = np.stack([losses[:, :, own, u].mean(-1) for u in masks], 1)
    other = np.stack([losses[:, :, own, 1 - u].mean(-1) for u in masks], 1)
    train, test = (np.mean(np.sum(where * part, -1), -1) for part in (kept, other))
    joint = path.reshape(count, *(2,) * n, -1) / 2**n
    information = np.mean([_given_rest(joint, i) for i in range(n)], 0)
    return GivenPairs(
        gap=test - train,
        train_error=unit(train),
        test_error=unit(test),
        path_information=information,
        membership_mean=_summed(masks, r, n, start, here, first),
        step_sizes=np.ones((count, 2)),
        noise_stds=1 / r,
        clip=np.ones(count),
    )._asdict()


def _given_rest(joint: np.ndarray, i: int) -> np.ndarray:
    """I(U_i; path | the other masks), from the law of masks and path."""
    count, size = joint.shape[0], joint.shape[-1]
    moved = np.moveaxis(joint, 1 + i, -2).reshape(count, -1, 2, size)
    return mutual(moved).sum(1)


def _summed(masks, r, n, start, here, first) -> np.ndarray:
    """Mean over masks, pairs and paths of the two steps' J, as the engine computes it."""
    codes = {tuple(u): place for place, u in enumerate(masks)}
    total = np.zeros(len(r))
    for place, u in enumerate(masks):
        for i in range(n):
            flipped = codes[(*u[:i], 1 - u[i], *u[i + 1 :])]
            apart = (start[:, i, 0] - start[:, i, 1]) * r[:, 0] / n
            later = (here[:, :, i, 0] - here[:, :, i, 1]) * r[:, 1, None] / n
            tiny = np.finfo(float).tiny
            y = np.log(np.maximum(first[:, flipped], tiny))
            y = y - np.log(np.maximum(first[:, place], tiny))
            told_first = _told(apart**2 / 2, np.zeros(len(r)))
            told_later = np.sum(first[:, place] * _told(later**2 / 2, y), -1)
            total += (told_first + told_later) / (len(masks) * n)
    return total


def _told(k: np.ndarray, y: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(told(jnp.asarray(k), jnp.asarray(y), NODES, 1e-5)[1])

"""Distances to neighbours in the largest coordinate, in blocks of bounded memory."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Array, JaxArray


def rows_at_once(n: int, block: int | None) -> int:
    """How many samples to compare with all n at once: about 2 MB of float32 on a CPU.

    Raises:
        ValueError: for a block below 1.
    """
    if block is not None and block < 1:
        raise ValueError(f"block={block} must be at least 1; None chooses it from n")
    if block is None:
        cells = 2**19 if jax.default_backend() == "cpu" else 2**26
        block = max(1, cells // n)
    return min(block, n)


def map_rows(function: Callable[[JaxArray], Any], n: int, rows: int) -> Any:
    """A function of each index 0..n-1, `rows` at once: `vmap` in a loop of two rounds at least.

    A loop, because neighbours are counted by comparing distances for equality: inlined, the
    compiler may fuse them with the arithmetic that made the samples and round them in two ways.
    """
    rounds = max(2, -(-n // rows))
    rows = -(-n // rounds)
    index = np.minimum(np.arange(rounds * rows), n - 1).reshape(rounds, rows)
    found = jax.lax.map(jax.vmap(function), jnp.asarray(index))
    return jax.tree.map(lambda v: v.reshape(-1, *v.shape[2:])[:n], found)


def chebyshev(points: Array, centre: Array) -> JaxArray:
    """Largest coordinate difference of each point to a centre: (n, d) and (d,) give (n,)."""
    if points.shape[1] > 32:
        return jnp.max(jnp.abs(points - centre), axis=1)
    # written out by coordinate this fuses into one pass, several times faster than a reduction
    columns = [jnp.abs(points[:, j] - centre[j]) for j in range(points.shape[1])]
    return functools.reduce(jnp.maximum, columns)


def euclidean_squared(points: Array, centre: Array) -> JaxArray:
    """Squared distance of each point to a centre: (n, d) and (d,) give (n,)."""
    if points.shape[1] > 32:
        return jnp.sum((points - centre) ** 2, axis=1)
    columns = [jnp.square(points[:, j] - centre[j]) for j in range(points.shape[1])]
    return functools.reduce(jnp.add, columns)


def kth_smallest(distances: Array, k: int, wanted: Array | int | None = None) -> JaxArray:
    """The k-th smallest entry with multiplicity, by successive minima.

    Far faster than a sort or `top_k` on a CPU for the few neighbours that are ever used.

    Args:
        distances: (n,), with inf for entries out of the question.
        k: the most that may be wanted, static.
        wanted: rank of the entry, possibly traced; k if None.
    """
    rank = k if wanted is None else wanted

    def step(_, smallest):
        enough = jnp.sum(distances <= smallest) >= rank
        following = jnp.min(jnp.where(distances > smallest, distances, jnp.inf))
        return jnp.where(enough, smallest, following)

    smallest = jnp.min(distances)
    if k <= 6:
        for i in range(k - 1):
            smallest = step(i, smallest)
        return smallest
    return jax.lax.fori_loop(0, k - 1, step, smallest)


def repeated(points: Array, rows: int) -> JaxArray:
    """The share of samples, (n, d), that have a twin: another sample equal in every coordinate."""
    points = jnp.asarray(points)
    n, d = points.shape
    if d > 8:  # a comparison of all pairs compiles sooner than a sort by many coordinates
        twin = map_rows(lambda i: jnp.sum(chebyshev(points, points[i]) == 0) > 1, n, rows)
        return jnp.mean(twin)
    ordered = points[jnp.lexsort(tuple(points.T))]
    same = jnp.all(ordered[1:] == ordered[:-1], axis=1)
    end = jnp.zeros(1, bool)
    return jnp.mean(jnp.concatenate([same, end]) | jnp.concatenate([end, same]))


def psi(k: int) -> float:
    """Digamma of a known number, in double precision whatever that of the samples."""
    from scipy.special import digamma

    return float(digamma(k))


def count(inside: Array) -> JaxArray:
    """How many entries are true, as a float for digamma."""
    return jnp.sum(inside).astype(jnp.result_type(float))

"""Tables of counts in memory of order n: the cell of each sample, its size, what was never seen."""

import math

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray

UNDERSAMPLED = (
    "a constant variable, or too few samples: over 5 % of them are alone in their cell, or over "
    "1 % in that of one variable, so that unseen cells hide an upward bias no correction removes"
)
_ALONE_IN_THE_TABLE = 0.05
_ALONE_IN_A_MARGIN = 0.01


def places(key: JaxArray) -> JaxArray:
    """The number of its value, for each sample, in the order of the values."""
    order = jnp.argsort(key)
    return groups(order, (key[order],))


def joint_places(a: JaxArray, b: JaxArray) -> JaxArray:
    """The number of its pair of values, for each sample."""
    order = jnp.lexsort((b, a))
    return groups(order, (a[order], b[order]))


def groups(order: JaxArray, ordered: tuple[JaxArray, ...]) -> JaxArray:
    """The number of its group, for each sample, from the samples in order."""
    new = jnp.zeros(order.shape, bool)
    for v in ordered:
        new = new | jnp.concatenate([jnp.zeros(1, bool), v[1:] != v[:-1]])
    number = jnp.cumsum(new, dtype=jnp.int32)
    return jnp.zeros(order.shape, jnp.int32).at[order].set(number)


def sizes(place: JaxArray) -> JaxArray:
    """Samples at the place of each, counted as integers and so exactly: float32 at least."""
    n = place.shape[0]
    number = jax.ops.segment_sum(jnp.ones(n, jnp.int32), place, n)[place]
    return number.astype(jnp.result_type(float))


def local_ratios(a: JaxArray, b: JaxArray, joint: JaxArray, corrected: bool):
    """Plug-in information from the places of samples, its error, and whether it may be used.

    The share of samples alone in their cell estimates the mass of the cells never seen (Good and
    Turing): where it is not small, the table says little of the law.
    """
    n = a.shape[0]
    na, nb, nj = (sizes(v) for v in (a, b, joint))
    local = jnp.log((nj / na) * (n / nb))
    value = jnp.mean(local)
    if corrected:
        cells_a, cells_b, cells = (jnp.max(v) + 1 for v in (a, b, joint))
        value = value - (cells - cells_a - cells_b + 1).astype(value.dtype) / (2 * n)
    error = jnp.std(local, ddof=1) / math.sqrt(n)
    return value, error, jnp.any(a != a[0]) & jnp.any(b != b[0]) & covered(na, nb, nj)


def covered(first: JaxArray, second: JaxArray, joint: JaxArray) -> JaxArray:
    """Whether few samples are alone in their cell, from the size of each one's cell."""
    of_table = jnp.mean(joint == 1) <= _ALONE_IN_THE_TABLE
    of_margin = jnp.maximum(jnp.mean(first == 1), jnp.mean(second == 1)) <= _ALONE_IN_A_MARGIN
    return of_table & of_margin

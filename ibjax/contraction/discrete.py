"""Exact coefficients of channels between finite alphabets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.contraction import checks
from ibjax.interface import Contraction
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray

_ELEMENTS = 1 << 16
"""Entries of a chunk of pairs; what stays in the second-level cache."""


@enforced
def kl(channel: Float[Array, "k m"]) -> Contraction:
    """Compute the KL contraction coefficient of a discrete channel exactly.

    ``eta = max over pairs of rows P, R and p in [0, 1] of p (1-p) sum_y (P-R)^2 / ((1-p) P + p R)``

    The supremum of ``KL(QK || Q'K) / KL(Q || Q')`` is attained on two inputs; for two inputs it
    is the largest squared maximal correlation, which is concave in the input probability p. A
    bisection on the derivative brackets each optimum and stops when concavity rules out a gain
    above rounding. The limits p -> 0 and p -> 1, where the optimum may sit, are included.

    Args:
        channel: row-stochastic matrix, input on the rows.

    Returns:
        The coefficient; kind exact, scope channel, divergence kl. It is also that of chi-square.

    Raises:
        ValueError: for another shape, negative entries or rows that do not sum to one.

    Reference:
        Ordentlich, Polyanskiy 2021, "Strong data processing constant is achieved by binary
        inputs"; the concave pair formula is re-derived here.
    """
    rows = checks.law("channel", channel, 2)
    reason = "largest over pairs of inputs of the maximal correlation, by bisection"
    if rows.shape[0] == 1:
        zero = jnp.where(jnp.isnan(rows[0, 0]), jnp.nan, jnp.zeros((), rows.dtype))
        reason = "one input: nothing to tell apart"
        return Contraction(zero, zero, "exact", "channel", reason, "kl")
    i, j, p = _best_pair(jax.lax.stop_gradient(rows))
    value, rest = _correlation(rows[i], rows[j], p)
    return checks.from_value(value, rest, reason)


@enforced
def tv(channel: Float[Array, "k m"]) -> Contraction:
    """Compute Dobrushin's coefficient, the largest total variation between two rows.

    ``eta_TV = max_{x, x'} (1/2) sum_y |K(y|x) - K(y|x')| = 1 - min sum_y min(K(y|x), K(y|x'))``

    Args:
        channel: row-stochastic matrix, input on the rows.

    Returns:
        The coefficient; kind exact, scope channel, divergence tv: it bounds that of every
        f-divergence from above.

    Raises:
        ValueError: for another shape, negative entries or rows that do not sum to one.

    Reference:
        Dobrushin 1956, "Central limit theorem for nonstationary Markov chains".
    """
    rows = checks.law("channel", channel, 2)

    def one(row):
        gap = jnp.max(jnp.sum(jnp.maximum(rows - row, 0), axis=-1))
        return gap, jnp.min(jnp.sum(jnp.minimum(rows, row), axis=-1))

    gaps, overlaps = jax.lax.map(one, rows)
    rest = jnp.minimum(jnp.min(overlaps), 1.0)
    reason = "largest total variation of two rows"
    return checks.from_value(jnp.max(gaps), rest, reason, divergence="tv")


@enforced
def chi2(input_law: Float[Array, " k"], channel: Float[Array, "k m"]) -> Contraction:
    """Compute the chi-square coefficient for one input law: squared maximal correlation.

    ``eta = sigma_2(B)^2`` with ``B[x, y] = sqrt(P(x)) K(y|x) / sqrt(P(y))``

    A lower bound on the KL coefficient for the same input law, hence on that of the channel:
    its scope is the input, its divergence chi2, and no certificate takes it.

    Args:
        input_law: probabilities of the inputs.
        channel: row-stochastic matrix, input on the rows.

    Raises:
        ValueError: for shapes that do not fit or entries that are no probabilities.

    Reference:
        Makur, Zheng 2020, "Comparison of contraction coefficients for f-divergences".
    """
    p, rows = checks.law("input_law", input_law, 1), checks.law("channel", channel, 2)
    if p.shape[0] != rows.shape[0]:
        raise ValueError(f"input_law has {p.shape[0]} entries for {rows.shape[0]} rows; fit them")
    value, rest = _second(p, rows)
    reason = "squared maximal correlation for this input law; below the KL coefficient"
    return checks.from_value(value, rest, reason, scope="input", divergence="chi2")


@jax.jit
def _second(p: JaxArray, rows: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Square of the second singular value of an input law and a channel, and one minus it."""
    q = p @ rows
    root = jnp.sqrt(jnp.where(p > 0, p, 1.0)) * (p > 0)
    # The leading singular pair is (sqrt p, sqrt q); without it the second one leads.
    inverse = jnp.where(q > 0, 1 / jnp.sqrt(jnp.where(q > 0, q, 1.0)), 0.0)
    centred = root[:, None] * (rows - q) * inverse
    value = jnp.linalg.svd(centred, compute_uv=False)[0] ** 2
    value = jnp.where(jnp.any(jnp.isnan(centred)), jnp.nan, value)
    return value, jnp.maximum(1 - value, 0)


@jax.jit
def _correlation(first: JaxArray, second: JaxArray, p: JaxArray):
    """Squared maximal correlation of a pair of rows at p, and one minus it; limits at 0 and 1."""
    mix = (1 - p)[..., None] * first + p[..., None] * second
    inverse = jnp.where(mix > 0, 1 / jnp.where(mix > 0, mix, 1.0), 0.0)
    value = p * (1 - p) * jnp.sum((first - second) ** 2 * inverse, axis=-1)
    rest = jnp.sum(first * second * inverse, axis=-1)
    low = (jnp.sum(second * (first == 0), -1), jnp.sum(second * (first > 0), -1))
    high = (jnp.sum(first * (second == 0), -1), jnp.sum(first * (second > 0), -1))
    value = jnp.where(p == 0, low[0], jnp.where(p == 1, high[0], value))
    return value, jnp.where(p == 0, low[1], jnp.where(p == 1, high[1], rest))


def _slope(first: JaxArray, second: JaxArray, p: JaxArray):
    """The value at an inner p and its derivative."""
    mix = (1 - p)[:, None] * first + p[:, None] * second
    inverse = jnp.where(mix > 0, 1 / jnp.where(mix > 0, mix, 1.0), 0.0)
    overlap = first * second * inverse
    return 1 - jnp.sum(overlap, -1), jnp.sum(overlap * inverse * (second - first), -1)


@functools.partial(jax.jit, static_argnames="steps")
def _best_pair(rows: JaxArray, steps: int = 64):
    """Indices of the worst pair of rows and the input probability that attains its coefficient.

    Pairs come in chunks. A pair is settled when its derivative times what is left of its bracket
    leaves no room above rounding or above the best value found so far.
    """
    k, m = rows.shape
    left, right = np.triu_indices(k, 1)
    size = min(len(left), max(1, _ELEMENTS // m))
    chunks = -(-len(left) // size)
    fill = chunks * size - len(left)
    left = np.concatenate([left, np.zeros(fill, int)]).astype(np.int32).reshape(chunks, size)
    right = np.concatenate([right, np.zeros(fill, int)]).astype(np.int32).reshape(chunks, size)
    rounding = 4 * jnp.finfo(rows.dtype).eps

    def chunk(best, pair):
        i, j = pair
        first, second = rows[i], rows[j]

        def unsettled(state):
            step, _, _, top, _, room = state
            return (step < steps) & jnp.any((room > rounding) & (top + room > best[0]))

        def halve(state):
            step, low, high, top, where, _ = state
            mid = (low + high) / 2
            value, slope = _slope(first, second, mid)
            better = value > top
            top, where = jnp.where(better, value, top), jnp.where(better, mid, where)
            up = slope > 0
            low, high = jnp.where(up, mid, low), jnp.where(up, high, mid)
            # Concavity: nothing in the bracket exceeds the tangent at its inner end.
            room = value + jnp.abs(slope) * (high - low) - top
            return step + 1, low, high, top, where, room

        zero, one = jnp.zeros(size, rows.dtype), jnp.ones(size, rows.dtype)
        at_zero, at_one = _correlation(first, second, zero)[0], _correlation(first, second, one)[0]
        start = jnp.maximum(at_zero, at_one), jnp.where(at_zero >= at_one, zero, one)
        _, _, _, top, where, _ = jax.lax.while_loop(
            unsettled, halve, (0, zero, one, *start, jnp.full(size, jnp.inf, rows.dtype))
        )
        a = jnp.argmax(top)
        found = (top[a], i[a], j[a], where[a])
        return jax.tree.map(lambda new, old: jnp.where(top[a] > best[0], new, old), found, best), 0

    begin = (
        jnp.full((), -1.0, rows.dtype),
        jnp.int32(0),
        jnp.int32(0),
        jnp.full((), 0.5, rows.dtype),
    )
    best, _ = jax.lax.scan(chunk, begin, (left, right))
    return best[1:]

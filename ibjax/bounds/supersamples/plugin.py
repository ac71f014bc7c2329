"""Plug-in mutual information between a mask bit and a small alphabet, and what biases it."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from ibjax.arguments import numeric
from ibjax.bounds import checks, invert
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int, JaxArray, Key

CORRECTIONS = (None, "miller_madow", "jackknife", "permutation")

_ONE_HOT_LIMIT = 16
"""Alphabets up to this size are counted by comparison, larger ones by scatter-add."""


def counts(
    values: Int[Array, "k2 ..."],
    masks: Int[Array, "k2 ..."],
    num_values: int,
    valid: Array | None = None,
) -> Float[JaxArray, "*cells 2 m"]:
    """Count (mask, value) pairs over replicas, one table a cell.

    Args:
        values: integers in 0..m-1, replicas first.
        masks: 0 or 1, same shape.
        num_values: alphabet size m.
        valid: replicas to count, (k2,) or with leading cell axes too; all by default.

    Returns:
        Tables of counts as floats, mask on the last axis but one.

    Raises:
        ValueError: shapes that differ; a draw outside its alphabet (unseen under jit).
    """
    num_values = checks.static_whole("num_values", num_values)
    values, masks = _draws(values, masks, num_values, valid)
    dtype = jnp.result_type(float)
    weight = jnp.asarray(1 if valid is None else valid, dtype)
    weight = weight.reshape(weight.shape + (1,) * (values.ndim - weight.ndim))
    return _counted(values, masks, weight, num_values)


@partial(jax.jit, static_argnames="num_values")
def _counted(values: JaxArray, masks: JaxArray, weight: JaxArray, num_values: int) -> JaxArray:
    dtype = weight.dtype
    flat = (masks * num_values + values).reshape(values.shape[0], -1)
    weight = jnp.broadcast_to(weight, values.shape).reshape(flat.shape)
    size = 2 * num_values
    if size <= _ONE_HOT_LIMIT:
        hot = (flat[..., None] == jnp.arange(size)).astype(dtype)
        table = jnp.einsum("rcm,rc->cm", hot, weight)
    else:
        table = jnp.zeros((flat.shape[1], size), dtype)
        table = table.at[jnp.arange(flat.shape[1])[None], flat].add(weight)
    return table.reshape(*values.shape[1:], 2, num_values)


def integers(name: str, values: Any, size: int, valid: Any = None) -> JaxArray:
    """Integers in 0..size-1; others are refused where they are known and their replica counts.

    Raises:
        ValueError: for such an entry; `valid` flags the replicas that count, on the leading axes.
    """
    array = numeric(name, values)
    if checks.concrete(array, valid):
        host = np.asarray(array)
        good = (host >= 0) & (host < size) & (host == np.round(host))
        if valid is not None:
            use = np.asarray(checks.flags("valid", valid))
            good |= ~use.reshape(use.shape + (1,) * (host.ndim - use.ndim))
        if not good.all():
            raise ValueError(
                f"{name} holds {host[~good].flat[0]:g}; give integers in 0..{size - 1}: recode "
                "them, or leave diverged replicas out"
            )
    return array.astype(int)


def _draws(values: Any, masks: Any, size: int, valid: Any = None) -> tuple[JaxArray, JaxArray]:
    values = integers("values", values, size, valid)
    masks = integers("masks", masks, 2, valid)
    if values.shape != masks.shape:
        raise ValueError(f"masks has shape {masks.shape}; give {values.shape} to fit values")
    return values, masks


def relabel(values: Int[Array, "k2 ..."]) -> Int[JaxArray, "k2 ..."]:
    """Rename values by the first replica that shows them: an alphabet of at most k2 letters.

    Information does not depend on names; with C^2 prediction pairs and k2 replicas the table
    shrinks from C^2 to k2 columns.
    """
    values = jnp.asarray(values)
    return jnp.argmax(values[None] == values[:, None], axis=1)


def mutual_information(
    table: Float[Array, "*batch 2 m"], correction: str | None = None, max_count: int = 0
) -> Float[JaxArray, "*batch"]:
    """Mutual information in nats of the empirical law of each table of counts.

    None:         the plug-in; under independence biased up by about (m_+ - 1)/(2 N), with m_+
                  occupied columns and N draws. Near log 2 it is biased down: it cannot exceed
                  the entropy of the masks drawn, on average log 2 - 1/(2 N) for fair ones.
    miller_madow: plus (M_X + M_Y - M_XY - 1)/(2 N) with the numbers of occupied bins; removes
                  the bias of well filled tables, hardly that of rare values.
    jackknife:    N I - (N - 1) mean of I with one draw left out; can be negative.
    permutation:  minus the exact mean of the plug-in over all permutations of the masks
                  (hypergeometric cells), so that its mean is 0 under independence given the
                  margins; can be negative, and low under dependence.

    No correction gives an upper confidence bound.

    Args:
        table: nonnegative counts.
        correction: one of the names above.
        max_count: an upper bound on N, known at trace time; "permutation" needs it.

    Returns:
        Raw values, never clamped; NaN for an empty table.

    Reference:
        Miller 1955 (bias); Vinh, Epps, Bailey 2010 (expected information of permuted labels).
    """
    checks.choice("correction", correction, CORRECTIONS)
    if correction == "permutation":
        max_count = checks.static_whole("max_count", max_count)
    return _information(checks.real("table", table, 0.0), correction, max_count)


def share(count: Any, row: JaxArray, column: JaxArray, total: JaxArray) -> JaxArray:
    """What one cell adds to the plug-in information, times the square of the total count.

    Exactly zero for an independent table: roots of the information forgive no rounding. No large
    terms cancel.

    Args:
        count: of the cell.
        row: count of its row.
        column: count of its column.
        total: count of the table.
    """
    product = row * column
    occupied = product > 0
    excess = (count * total - product) / jnp.where(occupied, product, 1.0)
    return product * jnp.where(occupied, invert.bregman(excess), 0.0)


@partial(jax.jit, static_argnums=(1, 2))
def _information(table: JaxArray, correction: str | None, max_count: int) -> JaxArray:
    rows, columns = jnp.sum(table, -1), jnp.sum(table, -2)
    total = jnp.sum(rows, -1)
    safe = jnp.where(total > 0, total, jnp.nan)
    cells = share(table, rows[..., None], columns[..., None, :], total[..., None, None])
    raw = jnp.sum(cells, (-2, -1)) / safe**2
    if correction is None:
        return raw
    if correction == "miller_madow":
        bins = jnp.sum(table > 0, (-2, -1))
        margins = jnp.sum(rows > 0, -1) + jnp.sum(columns > 0, -1)
        return raw + (margins - bins - 1) / (2 * safe)
    if correction == "jackknife":
        # Leaving out one draw of a cell changes N I by the differences of x log x at the
        # cell, its margins and the total.
        margins = _drop(rows)[..., None] + _drop(columns)[..., None, :]
        change = margins - _drop(table) - _drop(total)[..., None, None]
        return -jnp.sum(jnp.where(table > 0, table * change, 0.0), (-2, -1)) / safe
    return raw - permutation_mean(table, max_count)


def permutation_mean(table: Float[Array, "*batch 2 m"], max_count: int) -> JaxArray:
    """Exact mean of the plug-in information over all permutations of the masks.

    Given its margins each cell is hypergeometric; its law is built from the ratios of
    neighbouring probabilities, accurate for any counts in either precision.

    Args:
        table: counts.
        max_count: an upper bound on the total count, known at trace time.
    """
    return _permutation_mean(jnp.asarray(table), checks.static_whole("max_count", max_count))


@partial(jax.jit, static_argnums=1)
def _permutation_mean(table: JaxArray, max_count: int) -> JaxArray:
    rows, columns = jnp.sum(table, -1), jnp.sum(table, -2)
    total = jnp.sum(rows, -1)
    first, second, n = rows[..., 0, None], rows[..., 1, None], total[..., None]

    def add(k, state):
        # k of the draws with this value fall on mask 0. Weights relative to the largest so far,
        # their logarithms summed with compensation: log-gammas of large counts would leave
        # float32 nothing of the probabilities.
        log_w, lost, top, weight, mean = state
        possible = (k <= columns) & (k <= first) & (columns - k <= second)
        begun = possible & (k > 0) & (columns - k < second)
        up = (columns - k + 1) * (first - k + 1)
        down = k * (second - columns + k)
        step = jnp.log(jnp.where(begun, up, 1.0)) - jnp.log(jnp.where(begun, down, 1.0)) - lost
        new = log_w + step
        lost = (new - log_w) - step
        higher = jnp.where(possible, jnp.maximum(top, new), top)
        scale, own = jnp.exp(top - higher), jnp.where(possible, jnp.exp(new - higher), 0.0)
        value = share(k, first, columns, n) + share(columns - k, second, columns, n)
        return new, lost, higher, scale * weight + own, scale * mean + own * value

    zeros = jnp.zeros_like(columns)
    state = jax.lax.fori_loop(0, max_count + 1, add, (zeros,) * 5)
    safe = jnp.where(n > 0, n, jnp.nan)
    return jnp.sum(state[4] / jnp.where(state[3] > 0, state[3], 1.0) / safe**2, -1)


class Interval(NamedTuple):
    """A two-sided bootstrap interval."""

    low: JaxArray
    high: JaxArray


@enforced
def cluster_interval(
    key: Key, values: Float[Array, " k1"], *, level: float = 0.95, draws: int = 1000
) -> Interval:
    """Bootstrap interval of a mean over supersamples, the independent units.

    The basic form ``2 mean - quantile``. It covers the spread of the statistic, not the upward
    bias of a plug-in inside each value.

    Args:
        key: of the resampling.
        values: one statistic a supersample; entries that are not finite are left out. Where fewer
            than two remain under jit, the interval is NaN.
        level: coverage.
        draws: bootstrap samples.

    Raises:
        ValueError: fewer than two finite entries (use `mask_interval`), level outside (0, 1).
    """
    draws = checks.static_whole("draws", draws)
    values = checks.real("values", values)
    known = int(jnp.sum(jnp.isfinite(values))) if checks.concrete(values) else values.size
    if values.ndim != 1 or known < 2:
        raise ValueError(
            f"values has shape {values.shape}, {known} finite; one supersample has no spread: "
            "give at least 2, or resample its masks with mask_interval"
        )
    return _resampled(key, values, level, draws)


@partial(jax.jit, static_argnames=("level", "draws"))
def _resampled(key: Key, values: JaxArray, level: float, draws: int) -> Interval:
    finite = jnp.isfinite(values)
    units = jnp.sum(finite)
    # Units are the finite entries: they come first, and a resample has as many as there are.
    first = jnp.where(finite, values, 0.0)[jnp.argsort(~finite)]
    picks = jax.random.randint(key, (draws, values.shape[0]), 0, jnp.maximum(units, 1))
    counted = jnp.arange(values.shape[0]) < units
    size = jnp.where(units > 1, units.astype(values.dtype), jnp.nan)
    resampled = jnp.sum(jnp.where(counted, first[picks], 0.0), 1) / size
    return _basic(jnp.sum(first) / size, resampled, level)


@enforced
def mask_interval(
    key: Key,
    values: Int[Array, "k2 n"],
    masks: Int[Array, "k2 n"],
    num_values: int,
    *,
    level: float = 0.95,
    draws: int = 200,
) -> Interval:
    """Bias-corrected bootstrap interval of the mean information within one supersample.

    Masks are resampled. Resampling adds the plug-in bias a second time, so the interval is
    reflected: quantiles of ``2 I - I*``, never the percentiles of I*. It conditions on the
    examples: the spread over supersamples is not in it.

    Args:
        key: of the resampling.
        values: integers in 0..num_values-1, replicas first.
        masks: 0 or 1.
        num_values: alphabet size.
        level: coverage.
        draws: bootstrap samples.

    Raises:
        ValueError: as `counts`; fewer than two replicas or a level outside (0, 1).
    """
    num_values = checks.static_whole("num_values", num_values)
    values, masks = _draws(values, masks, num_values)
    replicas = values.shape[0] if values.ndim else 0
    if replicas < 2:
        raise ValueError(f"values has shape {values.shape}; give at least 2 replicas to resample")

    def mean(rows):
        return jnp.mean(mutual_information(counts(values[rows], masks[rows], num_values)))

    picks = jax.random.randint(key, (draws, replicas), 0, replicas)
    resampled = jax.lax.map(mean, picks)
    return _basic(mean(jnp.arange(replicas)), resampled, level)


def _basic(point: JaxArray, resampled: JaxArray, level: float) -> Interval:
    tail = (1 - checks.inside("level", level)) / 2
    low, high = jnp.quantile(resampled, jnp.array([tail, 1 - tail]))
    return Interval(2 * point - high, 2 * point - low)


def _drop(x: JaxArray) -> JaxArray:
    """Difference of x log x between a count x and x - 1."""
    less = jnp.maximum(x - 1, 0.0)
    return xlogy(x, x) - xlogy(less, less)

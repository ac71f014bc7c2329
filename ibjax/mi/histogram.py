"""Plug-in information: of classes, and of continuous samples cut into cells."""

import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from ibjax.arguments import numeric, whole
from ibjax.interface import Estimate
from ibjax.mi.checks import pair
from ibjax.typing import Array, BiasDirection, Float, Int, JaxArray


def binned(
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    bins: int,
    *,
    cells: Literal["width", "mass"] = "width",
    corrected: bool = False,
) -> Estimate:
    """Plug-in information of both variables cut into `bins` cells a coordinate.

    For continuous variables it measures how samples cluster at this resolution: it grows with the
    number of bins and is biased upwards by (cells_xy - cells_x - cells_y + 1) / (2n), counting
    occupied cells, until it saturates at log n. Of a deterministic layer it is no estimate of
    I(X;T), which is infinite.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        bins: cells a coordinate, at least 2.
        cells: "width" cuts each coordinate's range into equal lengths, "mass" into equal shares
            of the samples (equal values share a cell).
        corrected: subtract the leading bias above (Miller and Madow).

    Returns:
        Nats; the standard error is that of the mean of the local log-ratios. Not ok where a
        variable falls into one cell.

    Raises:
        ValueError: for fewer than two bins, an unknown kind of cell, or shapes that do not pair up.

    Reference:
        Panzeri and Treves (1996), Analytical estimates of limited sampling biases in different
        information measures, for the correction with occupied cells.
    """
    bins = whole("bins", bins, 2)
    if cells not in ("width", "mass"):
        raise ValueError(f"cells={cells!r} is unknown; give 'width' or 'mass'")
    x, y = pair(x, y)
    if bins * x.shape[0] >= 2**31:
        raise ValueError(f"bins={bins} times {x.shape[0]} samples overflows; give fewer bins")
    cut = _equal_width if cells == "width" else _equal_mass
    value, error, ok = _cut_and_count(x, y, bins, cut, corrected)
    reason = "constant inputs fall into one cell"
    return Estimate(value, error, ok, _bias(corrected), "binned", reason)


def plug_in(x: Int[Array, " n"], y: Int[Array, " n"], *, corrected: bool = False) -> Estimate:
    """Plug-in information of two classes, from their table of counts.

    Args:
        x: classes, (n,), integers.
        y: classes, (n,), integers.
        corrected: subtract the leading bias (cells_xy - cells_x - cells_y + 1) / (2n), counting
            occupied cells; it helps where these are well filled.

    Returns:
        Nats; biased upwards by about (k - 1)(m - 1) / (2n) unless corrected. The standard error is
        that of the mean of the local log-ratios; not ok for a constant variable.

    Raises:
        ValueError: for samples of different length, several columns, or no integers.

    Reference:
        Panzeri and Treves (1996), as for `binned`.
    """
    a, b = numeric("x", x), numeric("y", y)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"x and y have shapes {a.shape} and {b.shape}; give two (n,) arrays")
    if a.shape[0] < 2:
        raise ValueError(f"x and y hold {a.shape[0]} samples; give at least 2")
    integers = [jnp.issubdtype(v.dtype, jnp.integer) or v.dtype == bool for v in (a, b)]
    if not all(integers):
        raise ValueError(f"x and y have dtypes {a.dtype} and {b.dtype}; give integer classes")
    value, error, ok = _count_classes(a, b, corrected)
    return Estimate(value, error, ok, _bias(corrected), "plug_in", "a constant variable")


def _bias(corrected: bool) -> BiasDirection:
    return "unknown" if corrected else "up"


@partial(jax.jit, static_argnums=(2, 3, 4))
def _cut_and_count(x: JaxArray, y: JaxArray, bins: int, cut, corrected: bool):
    start = jnp.zeros(x.shape[0], jnp.int32)
    a, b = cut(x, bins), cut(y, bins)
    in_x = _refine(start, a, bins)
    return _local_ratios(in_x, _refine(start, b, bins), _refine(in_x, b, bins), x.dtype, corrected)


@partial(jax.jit, static_argnums=2)
def _count_classes(a: JaxArray, b: JaxArray, corrected: bool):
    in_a, in_b = _places(a), _places(b)
    order = jnp.lexsort((in_b, in_a))
    joint = _groups(order, (in_a[order], in_b[order]))
    return _local_ratios(in_a, in_b, joint, jnp.result_type(float), corrected)


def _equal_width(v: JaxArray, bins: int) -> JaxArray:
    low, high = jnp.min(v, axis=0), jnp.max(v, axis=0)
    width = jnp.where(high > low, high - low, 1.0)
    return jnp.clip(((v - low) / width * bins).astype(jnp.int32), 0, bins - 1)


def _equal_mass(v: JaxArray, bins: int) -> JaxArray:
    def column(c):
        below = jnp.searchsorted(jnp.sort(c), c, side="left")
        return (below * bins // v.shape[0]).astype(jnp.int32)

    return jnp.clip(jax.vmap(column, 1, 1)(v), 0, bins - 1)


def _refine(group: JaxArray, cells: JaxArray, bins: int) -> JaxArray:
    """Split groups of samples by one coordinate after the other, in memory of order n."""

    def split(label, cell):
        # labels stay below n, so that label * bins + cell never overflows
        return _places(label * bins + cell), None

    return jax.lax.scan(split, group, cells.T)[0]


def _places(key: JaxArray) -> JaxArray:
    order = jnp.argsort(key)
    return _groups(order, (key[order],))


def _groups(order: JaxArray, ordered: tuple[JaxArray, ...]) -> JaxArray:
    """The number of its group, for each sample, from the samples in order."""
    new = jnp.zeros(order.shape, bool)
    for v in ordered:
        new = new | jnp.concatenate([jnp.zeros(1, bool), v[1:] != v[:-1]])
    return jnp.zeros_like(order).at[order].set(jnp.cumsum(new)).astype(jnp.int32)


def _local_ratios(a: JaxArray, b: JaxArray, joint: JaxArray, dtype, corrected: bool):
    n = a.shape[0]
    counts = [jax.ops.segment_sum(jnp.ones(n, dtype), v, n)[v] for v in (a, b, joint)]
    na, nb, nj = counts
    local = jnp.log(n * nj / (na * nb))
    value = jnp.mean(local)
    if corrected:
        cells_a, cells_b, cells = (jnp.max(v) + 1 for v in (a, b, joint))
        value = value - (cells - cells_a - cells_b + 1).astype(dtype) / (2 * n)
    error = jnp.std(local, ddof=1) / math.sqrt(n)
    ok = jnp.any(a != a[0]) & jnp.any(b != b[0])
    return value.astype(dtype), error.astype(dtype), ok

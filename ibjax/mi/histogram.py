"""Plug-in information: of classes, and of continuous samples cut into cells."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import codes, in_double, whole
from ibjax.interface import Estimate
from ibjax.mi.checks import estimate, pair
from ibjax.mi.copies import LISTED_AGAIN, drawn_apart
from ibjax.mi.tables import UNDERSAMPLED, joint_places, local_ratios, places
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int, JaxArray

_REASON = f"{UNDERSAMPLED}; or {LISTED_AGAIN}"


@enforced
def binned(
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    bins: int,
    *,
    cells: Literal["width", "mass"] = "width",
    corrected: bool = False,
) -> Estimate:
    """Plug-in information of both variables cut into `bins` cells a coordinate.

    For continuous variables it measures how samples cluster at this resolution. Two errors oppose
    each other: cutting lowers the information, and counting raises that of the cut variables by
    about (cells_xy - cells_x - cells_y + 1) / (2n), in occupied cells, until it saturates at log n;
    so the direction of the sum is unknown. Of a deterministic layer it is no estimate of I(X;T),
    which is infinite.

    Cells do not move with the samples, so the gradient is zero almost everywhere.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        bins: cells a coordinate, at least 2.
        cells: "width" cuts each coordinate's range into equal lengths, "mass" into equal shares
            of the samples (equal values share a cell).
        corrected: subtract the leading bias above (Miller and Madow).

    Returns:
        Nats; the standard error is that of the mean of the local log-ratios. Not ok where a
        variable falls into one cell, where samples are listed more than once, or where over 5 % of
        the samples are alone in their cell of both variables or over 1 % in that of one: the cells
        not seen then hold as much.

    Raises:
        ValueError: for fewer than two bins, an unknown kind of cell, or shapes that do not pair up.

    Reference:
        Panzeri and Treves (1996), Analytical estimates of limited sampling biases in different
        information measures, for the correction with occupied cells.
    """
    bins = whole("bins", bins, 2)
    if cells not in ("width", "mass"):
        raise ValueError(f"cells={cells!r} is unknown; give 'width' or 'mass'")
    both = pair(x, y)
    if bins * both.x.shape[0] >= 2**31:
        raise ValueError(f"bins={bins} times {both.x.shape[0]} samples overflows; give fewer bins")
    cut = _equal_width if cells == "width" else _equal_mass
    grain = 4 * float(jnp.finfo(both.dtype).eps)
    count = partial(_cut_and_count, bins=bins, cut=cut, corrected=corrected, grain=grain)
    found = in_double(count, both.x, both.y, dtype=both.dtype)
    found = *found[:2], found[2] & drawn_apart(both.x, both.y)
    return estimate(found, both.dtype, both.sound, "unknown", "binned", _REASON)


@enforced
def plug_in(x: Int[Array, " n"], y: Int[Array, " n"], *, corrected: bool = False) -> Estimate:
    """Plug-in information of two classes, from their table of counts.

    Args:
        x: classes, (n,), integers of any size or booleans.
        y: classes, (n,), likewise.
        corrected: subtract the leading bias (cells_xy - cells_x - cells_y + 1) / (2n), counting
            occupied cells; it helps where these are well filled.

    Returns:
        Nats; without the correction too large by about (k - 1)(m - 1) / (2n) where the variables
        depend little on each other, and too small by (k - 1) / (2n) where one is the other. The
        standard error is that of the mean of the local log-ratios. Not ok for a constant variable,
        for samples that are listed more than once, or where over 5 % of the samples are alone in
        their cell or over 1 % in that of one variable: the cells not seen hold about as much, and
        neither value counts them.

    Raises:
        ValueError: for samples of different length, several columns, or no integers.

    Reference:
        Panzeri and Treves (1996), as for `binned`. Good (1953), The population frequencies of
        species and the estimation of population parameters, for the mass not seen; the limits on
        it are choices made here.
    """
    types = [v.dtype if hasattr(v, "dtype") else np.asarray(v).dtype for v in (x, y)]
    if not all(jnp.issubdtype(t, jnp.integer) or t == np.dtype(bool) for t in types):
        raise ValueError(f"x and y have dtypes {types[0]} and {types[1]}; give integer classes")
    a, b = codes("x", x), codes("y", y)
    if a.shape != b.shape:
        raise ValueError(f"x and y have shapes {a.shape} and {b.shape}; give two (n,) arrays")
    if a.shape[0] < 2:
        raise ValueError(f"x and y hold {a.shape[0]} samples; give at least 2")
    dtype = jnp.result_type(float)
    found = _count_classes(a, b, corrected)
    found = *found[:2], found[2] & drawn_apart(a, b)
    return estimate(found, dtype, jnp.array(True), "unknown", "plug_in", _REASON)


@partial(jax.jit, static_argnames=("bins", "cut", "corrected", "grain"))
def _cut_and_count(x: JaxArray, y: JaxArray, *, bins: int, cut, corrected: bool, grain: float):
    start = jnp.zeros(x.shape[0], jnp.int32)
    a, b = cut(x, bins, grain), cut(y, bins, grain)
    in_x = _refine(start, a, bins)
    return local_ratios(in_x, _refine(start, b, bins), _refine(in_x, b, bins), corrected)


@partial(jax.jit, static_argnums=2)
def _count_classes(a: JaxArray, b: JaxArray, corrected: bool):
    in_a, in_b = places(a), places(b)
    return local_ratios(in_a, in_b, joint_places(in_a, in_b), corrected)


def _equal_width(v: JaxArray, bins: int, grain: float) -> JaxArray:
    low, high = jnp.min(v, axis=0), jnp.max(v, axis=0)
    width = jnp.where(high > low, high - low, 1.0)
    # values on an edge belong to the cell above it in whatever units they were rounded
    return jnp.clip(((v - low) / width * bins + bins * grain).astype(jnp.int32), 0, bins - 1)


def _equal_mass(v: JaxArray, bins: int, grain: float) -> JaxArray:
    del grain

    def column(c):
        below = jnp.searchsorted(jnp.sort(c), c, side="left")
        return (below * bins // v.shape[0]).astype(jnp.int32)

    return jnp.clip(jax.vmap(column, 1, 1)(v), 0, bins - 1)


def _refine(group: JaxArray, cells: JaxArray, bins: int) -> JaxArray:
    """Split groups of samples by one coordinate after the other, in memory of order n."""

    def split(label, cell):
        # labels stay below n, so that label * bins + cell never overflows
        return places(label * bins + cell), None

    return jax.lax.scan(split, group, cells.T)[0]

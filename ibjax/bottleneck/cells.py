"""Cutting the activations of a layer into cells."""

from typing import Literal

import jax
import jax.numpy as jnp

from ibjax.mi.tables import joint_places, sizes
from ibjax.typing import JaxArray

Cells = Literal["adaptive", "mass", "edges", "width"]


def cut(
    t: JaxArray, how: Cells, bins: int, low, high, width, grain: float = 0.0
) -> tuple[JaxArray, JaxArray]:
    """Cell numbers of each coordinate, (n, d), and the mean width of a cell.

    "adaptive" cuts the range of the whole layer, "mass" each unit into equal shares
    (the width is that of the widest unit, on average), "edges" puts
    `bins` edges between low and high with everything beyond them in two more cells, "width" takes
    the floor of t / width, as floats: far from zero these outgrow integers of 32 bits.
    Values within `grain` cells below an edge of "adaptive" belong above it.
    """
    if how == "adaptive":
        least, most = jnp.min(t), jnp.max(t)
        step = jnp.where(most > least, most - least, 1.0) / bins
        return jnp.clip(jnp.floor((t - least) / step + grain), 0, bins - 1).astype(jnp.int32), step
    if how == "mass":
        below = jax.vmap(lambda c: jnp.searchsorted(jnp.sort(c), c), 1, 1)(t)
        spread = jnp.max(jnp.max(t, axis=0) - jnp.min(t, axis=0))
        return (below * bins // t.shape[0]).astype(jnp.int32), spread / bins
    if how == "edges":
        edges = jnp.linspace(low, high, bins).astype(t.dtype)
        return jnp.searchsorted(edges, t, side="right").astype(jnp.int32), edges[1] - edges[0]
    return jnp.floor(t / width), jnp.asarray(width, t.dtype)


def places(cells: JaxArray) -> JaxArray:
    """One number for each row of cells, equal rows alike; exact, by sorting, (n, d) to (n,)."""
    order = jnp.lexsort(cells.T)
    ordered = cells[order]
    new = jnp.any(ordered[1:] != ordered[:-1], axis=1)
    count = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(new, dtype=jnp.int32)])
    return jnp.zeros_like(order, jnp.int32).at[order].set(count)


def informations(cells: JaxArray, labels: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Plug-in I(X;T) = H(T) and I(T;Y) of cells, one equally likely input a row.

    In memory of order n whatever the number of classes: entropies are means over the samples of
    the logarithm of their cell's share.
    """
    where = places(cells)
    n = where.shape[0]
    of_t, of_y, of_both = (
        sizes(v) for v in (where, places(labels[:, None]), joint_places(where, labels))
    )
    h_t = -jnp.mean(jnp.log(of_t / n))
    # less H(T|Y)
    return h_t, h_t - jnp.mean(jnp.log(of_y / of_both))

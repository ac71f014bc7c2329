"""A matrix over pairs of examples, tile by tile inside one program; symmetric halves once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import JaxArray


def blocks(x: JaxArray, size: int) -> JaxArray:
    """Blocks of `size` examples, the last filled up with copies of the last example."""
    short = -x.shape[0] % size
    full = jnp.concatenate([x, jnp.repeat(x[-1:], short, 0)]) if short else x
    return full.reshape(-1, size, *x.shape[1:])


def tiled(
    function: Callable[[JaxArray, JaxArray], Any],
    x1: JaxArray,
    x2: JaxArray | None,
    size: int | tuple[int, int],
    mirror: Callable[[JaxArray], JaxArray] = lambda part: part.mT,
) -> Any:
    """``function(x1, x2)`` with a tile of pairs of examples at work at once.

    Args:
        function: ``(a, b) -> pytree`` of arrays (len(a), len(b), ...).
        x1: (n1, ...).
        x2: (n2, ...); None for x1 against itself, of which the tiles below the diagonal are
            mirrored.
        size: sides of a tile, or its side; x1 against itself needs square ones.
        mirror: what turns the tile of (a, b) into that of (b, a), on a leading axis of tiles.

    Returns:
        The pytree of (n1, n2, ...).
    """
    high, wide = (size, size) if isinstance(size, int) else size
    rows = blocks(x1, high)
    columns = rows if x2 is None else blocks(x2, wide)
    if x2 is None:
        i, j = np.triu_indices(len(rows))
    else:
        i, j = np.divmod(np.arange(len(rows) * len(columns)), len(columns))
    parts = jax.lax.map(lambda ij: function(rows[ij[0]], columns[ij[1]]), (i, j))

    def whole(part: JaxArray) -> JaxArray:
        table = jnp.zeros((len(rows), len(columns), *part.shape[1:]), part.dtype)
        table = table.at[i, j].set(part)
        if x2 is None:
            table = table.at[j, i].set(mirror(part))
        table = jnp.swapaxes(table, 1, 2)
        full = table.reshape(len(rows) * high, len(columns) * wide, *part.shape[3:])
        return full[: x1.shape[0], : (x1 if x2 is None else x2).shape[0]]

    return jax.tree.map(whole, parts)

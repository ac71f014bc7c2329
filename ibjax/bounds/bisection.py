"""Halving of brackets, once for every inversion that has no closed form."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray


def bisected(
    below: Callable[[JaxArray], JaxArray], low: JaxArray, high: JaxArray
) -> tuple[JaxArray, JaxArray]:
    """Neighbours between which a condition turns from true to false, elementwise.

    Args:
        below: whether a number lies below the turn.
        low: where it holds, or the end of what is looked at.
        high: where it does not, likewise.

    Returns:
        Both ends of the last bracket, as close as the precision of `low` allows.
    """

    def halve(_, bracket):
        left, right = bracket
        middle = left + (right - left) / 2
        under = below(middle)
        return jnp.where(under, middle, left), jnp.where(under, right, middle)

    return jax.lax.fori_loop(0, jnp.finfo(low.dtype).nmant + 8, halve, (low, high))

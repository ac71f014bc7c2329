"""Halving of brackets, once for every inversion that has no closed form."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray


def bisected(
    below: Callable[[JaxArray], JaxArray],
    low: JaxArray,
    high: JaxArray,
    *,
    high_first: bool = False,
) -> tuple[JaxArray, JaxArray]:
    """Neighbours between which a condition turns from true to false, elementwise.

    Args:
        below: whether a number lies below the turn.
        low: where it holds, or the end of what is looked at.
        high: where it does not, likewise.
        high_first: look at `high` before all else; where the condition holds there, it is both
            ends.

    Returns:
        Both ends of the last bracket, as close as the precision of `low` allows.
    """

    def halve(step, bracket):
        left, right = bracket
        middle = left + (right - left) / 2
        if high_first:
            middle = jnp.where(step == 0, right, middle)
        under = below(middle)
        return jnp.where(under, middle, left), jnp.where(under, right, middle)

    steps = jnp.finfo(low.dtype).nmant + 8 + high_first
    return jax.lax.fori_loop(0, steps, halve, (low, high))

"""Checks of concrete arguments; traced ones pass and become NaN where they are wrong."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import choice as choice
from ibjax.arguments import concrete, floating, short, sound


def real(name: str, value: Any, *, low: float = -np.inf, strict: bool = False) -> jax.Array:
    """Return `value` as a floating array after checking it where it is concrete.

    Args:
        name: the argument's name, for the message.
        value: a number or an array.
        low: the smallest allowed value.
        strict: whether `low` itself is refused.

    Returns:
        The array, in its own floating dtype, float32 at least; traced values are NaN where they
        would be refused.

    Raises:
        ValueError: if a concrete value is not finite or lies outside the range.
    """
    if concrete(value):
        host = np.asarray(value)
        if host.dtype.kind not in "fiub":
            raise ValueError(f"{name} must be real numbers, got dtype {host.dtype}.")
        bad = (host <= low) if strict else (host < low)
        if not np.all(np.isfinite(host)) or np.any(bad):
            sign = ">" if strict else ">="
            raise ValueError(f"{name} must be finite and {sign} {low:g}, got {short(value)}.")
    array = floating(name, value)
    return sound(array, array > low if strict else array >= low)


def signs(name: str, value: Any) -> jax.Array:
    """Labels -1 and 1; traced ones become NaN where they are neither.

    Raises:
        ValueError: for other concrete labels, such as the classes 0 and 1.
    """
    array = real(name, value)
    if concrete(value) and not np.all(np.abs(np.asarray(array)) == 1):
        found = np.unique(np.asarray(array))[:4]
        raise ValueError(
            f"{name} must be -1 or 1, got {found}; give 2 * {name} - 1 for the classes 0 and 1."
        )
    return jnp.where(jnp.abs(array) == 1, array, jnp.nan)

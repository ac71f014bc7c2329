"""Checks of concrete arguments; traced ones pass and become NaN where they are wrong."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def real(name: str, value: Any, *, low: float = -np.inf, strict: bool = False) -> jax.Array:
    """Return `value` as a floating array after checking it where it is concrete.

    Args:
        name: the argument's name, for the message.
        value: a number or an array.
        low: the smallest allowed value.
        strict: whether `low` itself is refused.

    Returns:
        The array, in its own floating dtype.

    Raises:
        ValueError: if a concrete value is not finite or lies outside the range.
    """
    if not isinstance(value, Tracer):
        host = np.asarray(value)
        if host.dtype.kind not in "fiub":
            raise ValueError(f"{name} must be real numbers, got dtype {host.dtype}.")
        bad = (host <= low) if strict else (host < low)
        if not np.all(np.isfinite(host)) or np.any(bad):
            sign = ">" if strict else ">="
            raise ValueError(f"{name} must be finite and {sign} {low:g}, got {value}.")
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is not in the list.

    Raises:
        ValueError: naming what is allowed.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")

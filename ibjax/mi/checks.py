"""Checks of samples that every estimator shares."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric
from ibjax.typing import JaxArray


def concrete(*values: Any) -> bool:
    """Whether every value is known now, so that it can be checked."""
    return not any(isinstance(v, jax.core.Tracer) for v in values)  # pyright: ignore


def floating(value: Any, name: str = "the argument") -> JaxArray:
    """An array of the precision given, or of the default one for integers."""
    array = numeric(name, value)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    return array.astype(jnp.result_type(float))


def samples(name: str, value: Any) -> JaxArray:
    """Samples as a floating (n, d) array.

    Raises:
        ValueError: for other shapes, fewer than two samples, or values that are not finite.
    """
    array = floating(value, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; give (n,) or (n, d)")
    if array.shape[0] < 2:
        raise ValueError(f"{name} holds {array.shape[0]} samples; give at least 2")
    if concrete(array) and not np.isfinite(np.asarray(array)).all():
        raise ValueError(f"{name} holds NaN or infinite values; remove those samples")
    return array


def pair(x: Any, y: Any) -> tuple[JaxArray, JaxArray]:
    """Two sets of samples of one length."""
    x, y = samples("x", x), samples("y", y)
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"x has {x.shape[0]} samples but y {y.shape[0]}; pair them up")
    return x, y

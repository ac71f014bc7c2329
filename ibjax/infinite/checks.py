"""Refusals at the public entries of the package: one sentence that names the remedy."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete as concrete
from ibjax.arguments import floating, host, short, sound
from ibjax.typing import JaxArray


def inexact(value: Any, name: str) -> JaxArray:
    """`value` in float32 or float64, refused where it holds a concrete NaN or infinity.

    Traced ones are NaN.
    """
    array = floating(name, value)
    if concrete(array) and not np.all(np.isfinite(np.asarray(array))):
        raise ValueError(f"{name} holds NaN or infinite entries; remove or impute them first")
    return sound(array)


def inputs(x: Any, name: str) -> JaxArray:
    """A batch of vectors (n, d) or of images (n, h, w, c)."""
    array = inexact(x, name)
    if array.ndim not in (2, 4) or 0 in array.shape:
        raise ValueError(
            f"{name} has shape {array.shape}; give (n, d) vectors or (n, height, width, channels)"
        )
    return array


def non_negative(value: Any, name: str) -> Any:
    """`value`, refused where it holds a concrete negative or NaN entry; traced ones are NaN."""
    if concrete(value) and not np.all(host(name, value) >= 0):
        raise ValueError(
            f"{name} = {short(value)} must be non-negative; pass a standard deviation >= 0"
        )
    return value if concrete(value) else jnp.where(value >= 0, value, jnp.nan)


def signs(value: Any, name: str) -> JaxArray:
    """-1 or 1; traced values that are neither become NaN."""
    array = inexact(value, name)
    if concrete(value) and not np.all(np.abs(np.asarray(array)) == 1):
        raise ValueError(f"{name} must hold -1 or 1; give 2 * {name} - 1 for the classes 0 and 1")
    return jnp.where(jnp.abs(array) == 1, array, jnp.nan)


def square(kernel: Any, name: str) -> JaxArray:
    """A square matrix of finite numbers."""
    array = inexact(kernel, name)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] == 0:
        raise ValueError(f"{name} has shape {array.shape}; give a square matrix (n, n)")
    return array


def targets(y: Any, n: int, name: str) -> JaxArray:
    """Targets (n, k); a vector (n,) becomes one column."""
    array = inexact(y, name)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[0] != n:
        raise ValueError(f"{name} has shape {array.shape}; give ({n},) or ({n}, k) targets")
    return array


def time_grid(times: Any) -> JaxArray:
    """A vector of gradient-flow times; infinity is allowed, negative numbers and NaN are not.

    Traced ones are NaN.
    """
    grid = jnp.atleast_1d(jnp.asarray(times))
    if not jnp.issubdtype(grid.dtype, jnp.inexact):
        grid = grid.astype(jnp.result_type(float))
    if grid.ndim != 1:
        raise ValueError(f"times has shape {grid.shape}; give one number or a vector")
    if concrete(grid) and not np.all(np.asarray(grid) >= 0):
        raise ValueError(f"times = {short(times)} must be non-negative (infinity is allowed)")
    return grid if concrete(grid) else jnp.where(grid >= 0, grid, jnp.nan)

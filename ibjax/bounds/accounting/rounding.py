"""Rounding upwards: a bound computed in floating point must not end below what was proved."""

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.typing import JaxArray


def up(value: JaxArray, operations: int) -> JaxArray:
    """A nonnegative result of so many rounded operations, moved above the exact one."""
    return value * (1 + operations * jnp.finfo(value.dtype).eps)


def together(**arguments) -> tuple[JaxArray, ...]:
    """Probabilities (q) in [0, 1] and nonnegative numbers, in one dtype and shape."""
    arrays = [
        checks.real(name, value, 0.0, 1.0 if name == "q" else None)
        for name, value in arguments.items()
    ]
    dtype = jnp.result_type(*arrays)
    return tuple(a.astype(dtype) for a in jnp.broadcast_arrays(*arrays))

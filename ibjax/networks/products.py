"""Matrix products in single and half precision whose derivatives are fast products too."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray as Array

Product = Callable[[Array, Array], Array]
"""A matrix product in the precision of the network."""


def full(a: Array, b: Array) -> Array:
    """Matrix product in the precision of its arguments."""
    return _product(a, b, None)


def half(a: Array, b: Array) -> Array:
    """Matrix product of bfloat16 roundings, summed in float32; the same for its derivatives."""
    return _product(a, b, jnp.bfloat16)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(a: Array, b: Array, low: Any) -> Array:
    return _forward(a, b, low)[0]


def _forward(a: Array, b: Array, low: Any):
    if low is None:
        return a @ b, (a, b)
    a, b = a.astype(low), b.astype(low)
    return _summed(a, b), (a, b)


def _summed(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _backward(low: Any, kept: tuple[Array, Array], d: Array):
    a, b = kept
    if low is None:
        return d @ b.T, turned(a) @ d
    d = d.astype(low)
    return _summed(d, turned(b)), _summed(turned(a), d)


_product.defvjp(_forward, _backward)


def turned(a: Array) -> Array:
    """Transpose of a matrix, on a CPU as a copy of its own.

    A plain transpose is folded into the product that follows, and XLA's CPU compiler has no
    fast product of that form: in bfloat16 it falls back on float32, in float32 it is slow where
    the left factor is turned. The axis of length one and the barriers keep the copy apart.
    """
    if jax.default_backend() != "cpu":
        return a.T
    rows, columns = a.shape
    lifted = jax.lax.optimization_barrier(a).reshape(rows, 1, columns).transpose(2, 0, 1)
    return jax.lax.optimization_barrier(lifted).reshape(columns, rows)

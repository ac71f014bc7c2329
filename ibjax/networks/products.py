"""Matrix products in single or half precision whose derivatives are fast products too."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray as Array

Low = Any
"""What the factors of a product are rounded to, which is summed in float32; None for nothing."""


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def product(a: Array, b: Array, low: Low = None) -> Array:
    """Matrix product, of the roundings of its factors where `low` says so.

    Its derivatives are products of the same kind.

    Args:
        a: (m, k).
        b: (k, n).
        low: dtype the factors are rounded to, such as `jnp.bfloat16`, or None.
    """
    return rounded_product(rounded(a, low), rounded(b, low), low)


def _forward(a: Array, b: Array, low: Low):
    a, b = rounded(a, low), rounded(b, low)
    return rounded_product(a, b, low), (a, b)


def product_backward(low: Low, kept: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    """Derivatives in the (rounded) factors of a product."""
    a, b = kept
    d = rounded(d, low)
    d_b = rounded_product(turned(a), d, low)
    if low is None:
        return d @ b.T, d_b
    (m, k), n = a.shape, b.shape[1]
    if m * (k + n) < k * n:  # cheaper to turn d and the result than b
        return turned(rounded_product(b, turned(d), low)), d_b
    return rounded_product(d, turned(b), low), d_b


product.defvjp(_forward, product_backward)


def rounded(a: Array, low: Low) -> Array:
    """An array as a factor of a product."""
    return a if low is None else a.astype(low)


def bits(a: Array) -> Array:
    """Half-precision numbers as the integers that hold them; others as they are.

    XLA's CPU compiler moves bfloat16 numbers by way of float32, and integers as they are.
    """
    return jax.lax.bitcast_convert_type(a, jnp.uint16) if a.dtype.itemsize == 2 else a


def numbers(a: Array, low: Low) -> Array:
    """The numbers that `bits` of an array rounded to `low` stand for."""
    return a if low is None else jax.lax.bitcast_convert_type(a, low)


def rounded_product(a: Array, b: Array, low: Low) -> Array:
    """Matrix product of factors that are rounded already; for use within derivatives."""
    if low is None:
        return a @ b
    # rounded factors have no further bits for a higher precision to keep
    return jnp.matmul(a, b, precision="default", preferred_element_type=jnp.float32)


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

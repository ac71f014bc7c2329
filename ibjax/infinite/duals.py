r"""Dual activations: how a covariance passes through one nonlinearity, in closed form.

For (u, v) centred Gaussian with variances a, b and covariance c, each function returns

    T(a, b, c) = E[phi(u) phi(v)]   and   D(a, b, c) = E[phi'(u) phi'(v)] = dT/dc.

Arguments broadcast. Where u and v are parallel the angle is set to zero exactly: arccos would
turn a rounding of 1e-16 into an error of 1e-8, and its derivative is infinite there.
"""

import jax.numpy as jnp
import numpy as np

from ibjax.typing import JaxArray

_Pair = tuple[JaxArray, JaxArray]


def safe_sqrt(x: JaxArray) -> JaxArray:
    """The square root, 0 with derivative 0 at and below 0."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def angle(a: JaxArray, b: JaxArray, c: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The angle between u and v, and sqrt(ab) times its sine.

    Within 64 roundings of parallel the pair counts as parallel, with zero derivative: what is
    lost is below the rounding of c itself, what is won is an exact diagonal.
    """
    scale = safe_sqrt(a) * safe_sqrt(b)
    tolerance = 64 * jnp.finfo(jnp.result_type(scale, c)).eps
    parallel = scale - jnp.abs(c) <= tolerance * scale
    room = jnp.where(parallel, 1.0, (scale - c) * (scale + c))
    height = jnp.sqrt(room)
    # tan(theta / 2) needs one arctan of one argument, half the cost of arctan2(height, c).
    theta = 2 * jnp.arctan(height / jnp.where(parallel, 1.0, scale + c))
    flat = jnp.where(c < 0, np.pi, 0.0)
    return jnp.where(parallel, flat, theta), jnp.where(parallel, 0.0, height)


def relu(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """Arc-cosine kernels of order one and zero (Cho and Saul, 2009)."""
    theta, height = angle(a, b, c)
    return (height + (np.pi - theta) * c) / (2 * np.pi), (np.pi - theta) / (2 * np.pi)


def leaky_relu(a: JaxArray, b: JaxArray, c: JaxArray, slope: float = 0.01) -> _Pair:
    """The rectifier with `slope` below zero: a mixture of the rectifier and the identity."""
    value, derivative = relu(a, b, c)
    weight = (1 - slope) ** 2
    return weight * value + slope * c, weight * derivative + slope


def absolute(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The absolute value, a rectifier of slope -1."""
    return leaky_relu(a, b, c, -1.0)


def erf(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The error function (Williams, Computing with infinite networks, 1997)."""
    p, q = 1 + 2 * a, 1 + 2 * b
    # The product form of 1 - s^2 keeps digits where s is close to 1.
    root = jnp.sqrt((jnp.sqrt(p * q) - 2 * c) * (jnp.sqrt(p * q) + 2 * c))
    return (2 / np.pi) * jnp.arctan2(2 * c, root), (4 / np.pi) / root


def sin(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The sine; its derivative is the cosine kernel."""
    near, far = jnp.exp(-(a + b - 2 * c) / 2), jnp.exp(-(a + b + 2 * c) / 2)
    return (near - far) / 2, (near + far) / 2


def cos(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The cosine; its derivative is the sine kernel."""
    value, derivative = sin(a, b, c)
    return derivative, value


def gelu(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """X times the standard normal distribution function (the exact GELU, not the tanh one)."""
    p, q = 1 + a, 1 + b
    square = p * q - c * c
    root = jnp.sqrt(square)
    turn = jnp.arctan2(c, root)
    value = c / 4 + ((c * c + a * b * square) / (p * q * root) + c * turn) / (2 * np.pi)
    slope = 1 / square + (1 - a * b) / (p * q) + 1
    return value, 0.25 + turn / (2 * np.pi) + c * slope / (2 * np.pi * root)


def sign(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The sign; its gradient is zero almost everywhere, and so is D."""
    theta, _ = angle(a, b, c)
    return 1 - 2 * theta / np.pi, jnp.zeros_like(theta)


def identity(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """No nonlinearity."""
    del a, b
    return c, jnp.ones_like(c)

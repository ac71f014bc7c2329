r"""Dual activations: how a covariance passes through one nonlinearity, in closed form.

For (u, v) centred Gaussian with variances a, b and covariance c, each function returns

    T(a, b, c) = E[phi(u) phi(v)]   and   D(a, b, c) = E[phi'(u) phi'(v)] = dT/dc.

Arguments broadcast. Where u and v are parallel the angle is set to zero exactly: arccos would
turn a rounding of 1e-16 into an error of 1e-8, and its derivative is infinite there.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import JaxArray

_Pair = tuple[JaxArray, JaxArray]


def safe_sqrt(x: JaxArray) -> JaxArray:
    """The square root, 0 with derivative 0 at and below 0."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


@jax.jit
def angle(a: JaxArray, b: JaxArray, c: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The angle between u and v, and sqrt(ab) times its sine.

    Within 64 roundings of parallel the pair counts as parallel, with zero derivative: what is
    lost is below the rounding of c itself, what is won is an exact diagonal.
    """
    scale = safe_sqrt(a) * safe_sqrt(b)
    tolerance = 64 * jnp.finfo(jnp.result_type(scale, c)).eps
    parallel = scale - jnp.abs(c) <= tolerance * scale
    # the product of two roots, for that of their squares may overflow
    below, above = (jnp.where(parallel, 1.0, v) for v in (scale - c, scale + c))
    height = jnp.sqrt(below) * jnp.sqrt(above)
    # tan(theta / 2) needs one arctan of one argument, half the cost of arctan2(height, c).
    theta = 2 * jnp.arctan(height / jnp.where(parallel, 1.0, scale + c))
    flat = jnp.where(c < 0, np.pi, 0.0)
    return jnp.where(parallel, flat, theta), jnp.where(parallel, 0.0, height)


def _without_spread(a: JaxArray, b: JaxArray, c: JaxArray) -> JaxArray:
    """Ab - c^2 where a or b is zero: no number, but a derivative, which `angle` has not."""
    none = (a <= 0) | (b <= 0)
    a, b, c = (jnp.where(none, v, 0.0) for v in (a, b, c))
    return a * b - c * c


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
    _, height = angle(a, b, c)
    # (1 + 2a)(1 + 2b) - 4c^2 without the cancellation of its two large terms
    root = jnp.hypot(jnp.sqrt(1 + 2 * a + 2 * b + 4 * _without_spread(a, b, c)), 2 * height)
    return (2 / np.pi) * jnp.arctan2(2 * c, root), (4 / np.pi) / root


def sin(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The sine; its derivative is the cosine kernel."""
    _, height = angle(a, b, c)
    first, second = safe_sqrt(a), safe_sqrt(b)
    # a + b -+ 2c = (sqrt a - sqrt b)^2 + 2 (sqrt ab -+ c), the last = height^2 / (sqrt ab +- c)
    scale = first * second
    rest = scale + jnp.abs(c)
    small = height * (height / jnp.where(rest > 0, rest, 1.0))
    close = jnp.exp(-((first - second) ** 2) / 2 - small)
    wide = jnp.exp(-((first - second) ** 2) / 2 - rest)
    near, far = jnp.where(c < 0, wide, close), jnp.where(c < 0, close, wide)
    return (near - far) / 2, (near + far) / 2


def cos(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The cosine; its derivative is the sine kernel."""
    value, derivative = sin(a, b, c)
    return derivative, value


def gelu(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """X times the standard normal distribution function (the exact GELU, not the tanh one)."""
    p, q = 1 + a, 1 + b
    _, height = angle(a, b, c)
    # pq - c^2 without cancellation, and quotients in an order that does not overflow
    root = jnp.hypot(jnp.sqrt(1 + a + b + _without_spread(a, b, c)), height)
    turn = jnp.arctan2(c, root)
    value = c / 4 + ((c / p) * (c / q) / root + (a / p) * (b / q) * root + c * turn) / (2 * np.pi)
    slope = (1 / root) / root + 1 / p + 1 / q
    return value, 0.25 + turn / (2 * np.pi) + (c / root) * slope / (2 * np.pi)


def sign(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """The sign; its gradient is zero almost everywhere, and so is D."""
    theta, _ = angle(a, b, c)
    return 1 - 2 * theta / np.pi, jnp.zeros_like(theta)


def identity(a: JaxArray, b: JaxArray, c: JaxArray) -> _Pair:
    """No nonlinearity."""
    del a, b
    return c, jnp.ones_like(c)

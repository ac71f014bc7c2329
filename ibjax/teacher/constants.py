"""Constants of activations: what of a random layer is linear and what acts as noise."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.signatures import enforced
from ibjax.teacher.quadrature import legendre_normal
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

_FUNCTIONS: dict[str, Callable] = {
    "identity": lambda x: x,
    "tanh": jnp.tanh,
    "erf": jax.lax.erf,
    "scaled_erf": lambda x: jax.lax.erf(x / np.sqrt(2)),
    "sin": jnp.sin,
    "sign": jnp.sign,
    "relu": lambda x: jnp.maximum(x, 0),
    "sigmoid": jax.nn.sigmoid,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "softplus": jax.nn.softplus,
}


class ActivationConstants(NamedTuple):
    """Constants of the equivalent linear model.

    Attributes:
        rho: coefficient of the linear part; mu_1 = E z phi(z) for one layer.
        eps: variance of all parts of degree two and more.
        bias: root mean square of the common offset; |E phi(z)| for one layer.
    """

    rho: Float[Array, ""]
    eps: Float[Array, ""]
    bias: Float[Array, ""]


def activation_function(activation: str | Callable) -> Callable:
    """Return the function of a name, or the function itself.

    Raises:
        ValueError: for an unknown name.
    """
    if callable(activation):
        return activation
    if activation == "linear":
        activation = "identity"
    if activation not in _FUNCTIONS:
        known = ", ".join(sorted(_FUNCTIONS))
        raise ValueError(f"activation must be a function or one of {known}, got {activation!r}.")
    return _FUNCTIONS[activation]


def _closed_form(activation) -> tuple[float, float, float] | None:
    pi = np.pi
    table = {
        "identity": (1.0, 0.0, 0.0),
        "linear": (1.0, 0.0, 0.0),
        "erf": (2 / np.sqrt(3 * pi), 2 / pi * np.arcsin(2 / 3) - 4 / (3 * pi), 0.0),
        "scaled_erf": (1 / np.sqrt(pi), 1 / 3 - 1 / pi, 0.0),
        "sin": (np.exp(-0.5), (1 - np.exp(-2)) / 2 - np.exp(-1), 0.0),
        "sign": (np.sqrt(2 / pi), 1 - 2 / pi, 0.0),
        "relu": (0.5, 0.25 - 1 / (2 * pi), 1 / np.sqrt(2 * pi)),
    }
    return table.get(activation) if isinstance(activation, str) else None


@enforced
def activation_constants(activation: str | Callable, *, depth: int = 1) -> ActivationConstants:
    r"""Compute rho, eps and the bias of an activation, or of a network of several such layers.

    One layer: ``rho = E z phi(z)``, ``bias = |E phi(z)|``, ``eps = E phi(z)^2 - bias^2 - rho^2``.
    More layers, weights N(0, 1/width): with K(c) the kernel of the network at input correlation
    c, ``bias^2 = K(0)``, ``rho^2 = K'(0)``, ``eps = K(1) - K(0) - K'(0)``; for an odd activation
    this is the product of E phi'(sqrt(r) z) over the layers, r the variance of each.

    Args:
        activation: a name or a function of JAX arrays; an unnamed one may have a kink or a jump
            at 0, elsewhere kinks cost digits.
        depth: number of hidden layers.

    Returns:
        ActivationConstants, scalars.

    Raises:
        ValueError: for an unknown name or depth < 1.

    Reference:
        Cho and Saul (2009), Kernel methods for deep learning, for the kernel recursion; Cui,
        Krzakala, Zdeborova (2023), Bayes-optimal learning of deep random networks of
        extensive-width, and Camilli, Tieplova, Bergamin, Barbier (2025), Information-theoretic
        reduction of deep neural networks to linear models in the overparametrized proportional
        regime, for deep ones; the bias for activations that are not odd is derived here.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}.")
    phi = activation_function(activation)
    closed = _closed_form(activation)
    if depth == 1 and closed is not None:
        return ActivationConstants(*(jnp.asarray(np.float64(x), dtype=float) for x in closed))
    variance = jnp.asarray(1.0, dtype=float)
    baseline, slope = jnp.zeros_like(variance), jnp.ones_like(variance)
    bias = jnp.zeros_like(variance)
    for _ in range(depth):
        powers = hermite_coefficients(phi, variance) ** 2
        degree = jnp.arange(powers.size)
        c = baseline / variance
        # 0^0 = 1 in the first power, and no derivative is taken of it.
        power = jnp.where(degree == 0, 1.0, c**degree)
        bias = jnp.sum(powers * power)
        slope = slope / variance * jnp.sum(degree[1:] * powers[1:] * power[:-1])
        baseline, variance = bias, second_moment(phi, variance)
    # The Hermite coefficient of degree one keeps the sign and all digits of a single layer.
    rho = jnp.sqrt(slope)
    return ActivationConstants(rho, jnp.maximum(variance - baseline - slope, 0), jnp.sqrt(bias))


@enforced
def hermite_coefficients(
    activation: str | Callable, variance: float | Array = 1.0, *, count: int = 60
) -> Float[Array, " count"]:
    """Compute E h_k(z) phi(sqrt(variance) z) for normalized Hermite polynomials h_k.

    Args:
        activation: a name or a function.
        variance: of the preactivation, scalar.
        count: number of coefficients.

    Returns:
        (count,) coefficients.
    """
    phi = activation_function(activation)
    z, w = (jnp.asarray(x, dtype=float) for x in legendre_normal())
    value = phi(jnp.sqrt(jnp.asarray(variance, z.dtype)) * z) * w

    def step(carry, k):
        previous, current = carry
        following = (z * current - jnp.sqrt(k) * previous) / jnp.sqrt(k + 1)
        return (current, following), jnp.sum(current * value)

    start = (jnp.zeros_like(z), jnp.ones_like(z))
    return jax.lax.scan(step, start, jnp.arange(count, dtype=z.dtype))[1]


def second_moment(activation: str | Callable, variance: float | Array = 1.0) -> jax.Array:
    """Compute E phi(sqrt(variance) z)^2, a scalar."""
    phi = activation_function(activation)
    z, w = (jnp.asarray(x, dtype=float) for x in legendre_normal())
    return jnp.sum(w * phi(jnp.sqrt(jnp.asarray(variance, z.dtype)) * z) ** 2)

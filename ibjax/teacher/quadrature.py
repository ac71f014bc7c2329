"""Gaussian averages with spectral accuracy for integrands of any width."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

SQRT_2PI = float(np.sqrt(2 * np.pi))


def normal_pdf(x: jax.Array) -> jax.Array:
    """The standard normal density."""
    return jnp.exp(-0.5 * x * x) / SQRT_2PI


def grid(half_width: float, step: float, dtype) -> tuple[jax.Array, float]:
    """Equispaced symmetric nodes and their spacing: the trapezoid rule of the real line."""
    count = int(np.ceil(half_width / step))
    return jnp.asarray(np.arange(-count, count + 1) * step, dtype), step


def mean_of_scaled(
    function: Callable[[jax.Array], jax.Array],
    slope: jax.Array,
    *,
    half_width: float = 12.0,
    step: float = 0.25,
) -> jax.Array:
    r"""Compute E g(a V) for a standard normal V, for every slope a >= 0.

    For a < 1 the variable is V, for a >= 1 it is u = a V, so that the nodes always resolve the
    narrower of the density and the function. Both are one sum,
    ``sum_x h phi(x/s)/s g(a x/s)`` with ``s = max(1, a)``.

    Args:
        function: g, analytic near the real line; it must decay within `half_width`, or be
            averaged at slopes below 1 only.
        slope: a, a scalar.
        half_width: the last node.
        step: spacing of the nodes.

    Returns:
        The mean, a scalar.
    """
    x, h = grid(half_width, step, jnp.result_type(slope))
    s = jnp.maximum(1.0, slope)
    return h * jnp.sum(normal_pdf(x / s) / s * function(slope * (x / s)))


def even_mean_of_scaled(
    function: Callable[[jax.Array], jax.Array],
    slope: jax.Array,
    *,
    half_width: float = 9.0,
    step: float = 0.25,
) -> jax.Array:
    """Compute `mean_of_scaled` of an even function from half of the nodes.

    Args:
        function: g, even, with the nodes u >= 0 as its last axis.
        slope: a, a scalar.
        half_width: the last node.
        step: spacing of the nodes.

    Returns:
        The mean, or the means of several functions (k,) from values (k, nodes).
    """
    count = int(np.ceil(half_width / step))
    x = jnp.asarray(np.arange(count + 1) * step, jnp.result_type(slope))
    weight = jnp.asarray(np.where(np.arange(count + 1) > 0, 2.0, 1.0) * step, x.dtype)
    s = jnp.maximum(1.0, slope)
    return function(slope * (x / s)) @ (weight * normal_pdf(x / s) / s)


def even_mean_of_narrow(
    function: Callable[[jax.Array], jax.Array], slope: jax.Array, *, nodes: int = 12
) -> jax.Array:
    """Compute `mean_of_scaled` of an even function at a slope so small that it is nearly constant.

    By the Gauss-Hermite rule, exact where g is a polynomial of degree 2 nodes - 1 over a few
    slopes; half of its nodes are evaluated.

    Args:
        function: g, even, with the nodes u >= 0 as its last axis.
        slope: a, a scalar, small beside the distance of g's singularities from 0.
        nodes: of the rule, even.

    Returns:
        The mean, or the means of several functions (k,) from values (k, nodes / 2).
    """
    x, weight = np.polynomial.hermite_e.hermegauss(nodes)
    half = x > 0
    dtype = jnp.result_type(slope)
    weight = jnp.asarray(2 * weight[half] / SQRT_2PI, dtype)
    return function(slope * jnp.asarray(x[half], dtype)) @ weight


def legendre_normal(panels: int = 60, order: int = 20, edge: float = 14.0):
    """Nodes and weights of E f(z), z standard normal, by composite Gauss-Legendre on [-14, 14].

    A panel ends at 0, so that activations with a kink or a jump there lose nothing.

    Returns:
        NumPy arrays (nodes, weights), each (panels * order,).
    """
    t, w = np.polynomial.legendre.leggauss(order)
    ends = np.linspace(-edge, edge, panels + 1)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    nodes = (middle[:, None] + half[:, None] * t).ravel()
    weights = (half[:, None] * w).ravel() * np.exp(-0.5 * nodes**2) / SQRT_2PI
    return nodes, weights

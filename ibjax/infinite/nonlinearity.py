"""Activations as a pair: the function itself and its effect on covariances.

Named ones are closed forms; any other function is integrated against the two-dimensional
Gaussian by a product of Gauss-Hermite rules.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.infinite import duals
from ibjax.signatures import enforced
from ibjax.typing import JaxArray


class Activation(NamedTuple):
    """A nonlinearity for finite and for infinite width.

    Attributes:
        apply: the function, elementwise.
        dual: ``(a, b, c) -> (T, D)``; E[phi phi] and E[phi' phi'] under variances a, b and
            covariance c, broadcasting.
    """

    apply: Callable[[JaxArray], JaxArray]
    dual: Callable[[JaxArray, JaxArray, JaxArray], tuple[JaxArray, JaxArray]]


_NAMED: dict[str, Activation] = {
    "relu": Activation(jax.nn.relu, duals.relu),
    "leaky_relu": Activation(jax.nn.leaky_relu, duals.leaky_relu),
    "abs": Activation(jnp.abs, duals.absolute),
    "erf": Activation(jax.scipy.special.erf, duals.erf),
    "sin": Activation(jnp.sin, duals.sin),
    "cos": Activation(jnp.cos, duals.cos),
    "gelu": Activation(partial(jax.nn.gelu, approximate=False), duals.gelu),
    "sign": Activation(jnp.sign, duals.sign),
    "identity": Activation(lambda x: x, duals.identity),
}


@enforced
def leaky(slope: float) -> Activation:
    """The rectifier with any slope below zero: phi(x) = max(x, 0) + slope min(x, 0).

    Args:
        slope: a number; 0 is the rectifier, -1 the absolute value, 1 the identity.

    Returns:
        An Activation with closed-form duals.

    Reference: Cho and Saul (2009), Kernel methods for deep learning; the mixture is elementary.
    """
    return Activation(
        partial(jax.nn.leaky_relu, negative_slope=slope), partial(duals.leaky_relu, slope=slope)
    )


@enforced
def quadrature(function: Callable[[JaxArray], JaxArray], points: int = 64) -> Activation:
    r"""An activation whose duals are integrated numerically.

    T = sum_ij w_i w_j phi(sqrt(a) g_i) phi(sqrt(b) (r g_i + sqrt(1 - r^2) g_j)) with
    r = c / sqrt(ab) and (g, w) the Gauss-Hermite rule of the standard normal law; D uses the
    derivative of `function` by automatic differentiation.

    Args:
        function: elementwise and differentiable in JAX.
        points: nodes of one axis; the cost is points^2 evaluations a pair of inputs.

    Returns:
        An Activation. Smooth functions converge geometrically (tanh, swish: about 1e-9 with 64
        nodes at unit variance); kinks converge like 1/points. An expectation E[phi' phi'] that
        does not exist pointwise (jumps) comes out as the almost-everywhere one.

    Raises:
        ValueError: points is not a positive integer.

    Reference: textbook Gauss-Hermite rule; new here is nothing but the composition.
    """
    if not isinstance(points, int) or points < 1:
        raise ValueError(f"points = {points} must be a positive integer; 64 is a good start")
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    weights = weights / weights.sum()

    def both(x: JaxArray) -> tuple[JaxArray, JaxArray]:
        return jax.jvp(function, (x,), (jnp.ones_like(x),))

    def dual(a: JaxArray, b: JaxArray, c: JaxArray) -> tuple[JaxArray, JaxArray]:
        dtype = jnp.result_type(a, b, c)
        g, w = jnp.asarray(nodes, dtype), jnp.asarray(weights, dtype)
        first, second = duals.safe_sqrt(a), duals.safe_sqrt(b)
        theta, _ = duals.angle(a, b, c)
        along, across = second * jnp.cos(theta), second * jnp.sin(theta)

        def outer(total, node):
            u, wu = node
            left, left_slope = both(first * u)

            def inner(part, other):
                v, wv = other
                right, right_slope = both(along * u + across * v)
                return (part[0] + wv * right, part[1] + wv * right_slope), None

            zero = jnp.zeros(jnp.broadcast_shapes(a.shape, b.shape, c.shape), dtype)
            (right, right_slope), _ = jax.lax.scan(inner, (zero, zero), (g, w))
            return (total[0] + wu * left * right, total[1] + wu * left_slope * right_slope), None

        zero = jnp.zeros(jnp.broadcast_shapes(a.shape, b.shape, c.shape), dtype)
        total, _ = jax.lax.scan(outer, (zero, zero), (g, w))
        return total

    return Activation(function, dual)


def resolve(activation: str | Activation | Callable[[JaxArray], JaxArray]) -> Activation:
    """An Activation from its name, from itself, or from a function (by quadrature)."""
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        if activation in _NAMED:
            return _NAMED[activation]
    elif callable(activation):
        return quadrature(activation)
    raise ValueError(
        f"activation = {activation!r} is unknown; use one of {sorted(_NAMED)}, an Activation, "
        "or an elementwise function"
    )

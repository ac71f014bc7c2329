"""An activation split by Hermite degree: what n ~ d^2 examples can and cannot learn of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.signatures import enforced
from ibjax.teacher.checks import real
from ibjax.teacher.constants import activation_function, hermite_coefficients, second_moment
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

COUNT = 120
"""Coefficients of a function; the variance beyond them counts as of the next degree."""

LONGEST = 4 * COUNT - 2
"""Squares of degree 3 and more of the rectifier, whose series is the longest of those named."""


class HermiteParts(NamedTuple):
    """Squared orthonormal Hermite coefficients of an activation.

    Attributes:
        quadratic: c_2^2.
        higher: eps_2 = g(1), the variance of degrees three and more.
        squares: c_k^2 from degree 3 on, (count,).
    """

    quadratic: Float[Array, ""]
    higher: Float[Array, ""]
    squares: Float[Array, " count"]

    def generating(self, x: Array) -> Array:
        """g(x) = sum_{k >= 3} c_k^2 x^k."""
        return x**3 * jnp.polyval(self.squares[::-1], x)

    def hidden(self, error: Array) -> Array:
        """g(1) - g(1 - error), whatever little the error, a scalar in [0, 1]."""
        degrees = jnp.arange(3, 3 + self.squares.size)
        # Rounding may put an error a little beyond its ends.
        kept = jnp.log1p(-jnp.clip(error, 0, 1))
        return jnp.sum(-self.squares * jnp.expm1(degrees * kept))

    def slope(self, x: Array) -> Array:
        """g'(x)."""
        degrees = jnp.arange(3, 3 + self.squares.size)
        return x**2 * jnp.polyval((degrees * self.squares)[::-1], x)

    def padded(self) -> "HermiteParts":
        """The same with a count that all activations share, and so programs made of them."""
        more = max(0, LONGEST - self.squares.size)
        return self._replace(squares=jnp.pad(self.squares, (0, more)))


@enforced
def hermite_parts(activation: str | Callable | Sequence[float]) -> HermiteParts:
    r"""Compute c_2^2, eps_2 and the higher squares, c_k = E he_k(z) phi(z) orthonormal.

    Args:
        activation: a name (as in `activation_constants`, and "elu", "quadratic" for
            (z^2 - 1)/sqrt 2), a function of JAX arrays, or orthonormal Hermite coefficients
            (c_0, c_1, c_2, ...).

    Returns:
        HermiteParts.

    Raises:
        ValueError: for an unknown name, or coefficients that are not finite numbers.
    """
    if isinstance(activation, str) and activation == "quadratic":
        activation = (0.0, 0.0, 1.0)
    if isinstance(activation, str) and activation == "elu":
        activation = jax.nn.elu
    if not isinstance(activation, str) and not callable(activation):
        return _from_coefficients(activation)
    function = activation_function(activation)
    squares = hermite_coefficients(function, count=COUNT) ** 2
    size = second_moment(function)
    higher = jnp.maximum(size - jnp.sum(squares[:3]), 0)
    if activation == "relu":
        # Exact coefficients: a kink makes the series long and the remainder matter.
        squares = jnp.asarray(_relu_squares(4 * COUNT), squares.dtype)
        higher = jnp.asarray(0.25 - 3 / (4 * np.pi), squares.dtype)
    rest = jnp.maximum(higher - jnp.sum(squares[3:]), 0)
    noise = 1e3 * jnp.finfo(squares.dtype).eps
    rest = jnp.where(rest > noise * size, rest, 0)
    tail = jnp.concatenate([squares[3:], rest[None]])
    # Rounding is no content of its degree: a polynomial must not seem to hold any.
    tail = jnp.where(tail > noise**2 * size, tail, 0)
    quadratic = jnp.where(squares[2] > noise**2 * size, squares[2], 0)
    return HermiteParts(quadratic, jnp.sum(tail), tail)


def _from_coefficients(coefficients: Sequence[float]) -> HermiteParts:
    values = real("activation", coefficients)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(
            f"activation has shape {values.shape}; give orthonormal Hermite coefficients, (count,)"
        )
    values = jnp.concatenate([values, jnp.zeros(max(0, 4 - values.size), values.dtype)])
    squares = values[3:] ** 2
    return HermiteParts(values[2] ** 2, jnp.sum(squares), squares)


def _relu_squares(count: int) -> np.ndarray:
    """c_k^2 of the rectifier: 1/2pi, 1/4, then (k-3)!!^2/(2 pi k!) for even k."""
    squares = np.zeros(count)
    squares[:3] = 1 / (2 * np.pi), 1 / 4, 1 / (4 * np.pi)
    for k in range(4, count, 2):
        squares[k] = squares[k - 2] * (k - 3) ** 2 / (k * (k - 1))
    return squares

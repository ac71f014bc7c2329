"""The root of the sub-Gaussian bounds, once: sqrt(2 sigma^2 I / n), its error and its gradient."""

from typing import Any

import jax.numpy as jnp

from ibjax.bounds.outcome import scaled_error
from ibjax.typing import JaxArray


def sub_gaussian(information: JaxArray, sigma: Any = 1.0, n: Any = 1) -> JaxArray:
    """``sqrt(2 sigma^2 I / n)``; two losses one apart are 1-sub-Gaussian in a coin between them."""
    return jnp.sqrt(2 * information / n) * sigma


def smooth(x: JaxArray) -> JaxArray:
    """Square root with gradient 0, not infinite, at 0."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0 * x)


def squarable(size: JaxArray, still: JaxArray) -> JaxArray:
    """Sizes of moves, those whose squares rounding would lose as large as one that it keeps.

    What is added up over moves is then 0 only where everything stands `still`.
    """
    least = float(jnp.finfo(size.dtype).tiny) ** 0.25
    return jnp.maximum(size, jnp.where(still, 0.0, least))


def error(value: Any, information: Any, spread: Any) -> JaxArray:
    """Delta-method standard error of c sqrt(I): value / (2 I) times the error of I."""
    safe = jnp.where(information > 0, information, 1.0)
    return scaled_error(jnp.where(information > 0, value / (2 * safe), jnp.inf), spread)

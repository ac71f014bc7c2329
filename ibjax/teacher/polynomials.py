"""All roots of small polynomials at once, on any device."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Complex

from ibjax.typing import JaxArray as Array


@partial(jax.jit, static_argnames="steps")
def roots(coefficients: Array, *, steps: int = 60) -> Complex[Array, "*batch degree"]:
    """Compute the roots of polynomials by Aberth's simultaneous iteration.

    Args:
        coefficients: highest degree first, the leading one not zero, (..., degree + 1).
        steps: iterations; simple roots converge cubically, double ones keep half of the digits.

    Returns:
        (..., degree) complex, in no order.

    Reference:
        Aberth (1973), Iteration methods for finding all zeros of a polynomial simultaneously.
    """
    monic = coefficients[..., 1:] / coefficients[..., :1]
    degree = monic.shape[-1]
    # Fujiwara's bound on the largest root.
    order = jnp.arange(1, degree + 1)
    radius = 2 * jnp.max(jnp.abs(monic) ** (1 / order), axis=-1)
    angle = 2 * jnp.pi * jnp.arange(degree) / degree + 0.7
    z = radius[..., None] * 0.6 * jnp.exp(1j * angle)
    others = ~jnp.eye(degree, dtype=bool)

    def step(_, z):
        value, slope = jnp.ones_like(z), jnp.zeros_like(z)
        for k in range(degree):
            slope = slope * z + value
            value = value * z + monic[..., k : k + 1]
        apart = z[..., :, None] - z[..., None, :]
        safe = others & (apart != 0)
        repulsion = jnp.sum(jnp.where(safe, 1 / jnp.where(safe, apart, 1), 0), axis=-1)
        newton = jnp.where(slope != 0, value / jnp.where(slope != 0, slope, 1), 0)
        bottom = 1 - newton * repulsion
        move = newton / jnp.where(bottom != 0, bottom, 1)
        return jnp.where(jnp.isfinite(move), z - move, z)

    return jax.lax.fori_loop(0, steps, step, z)

"""Fresh subsets of a fixed size: a batch of b of the n examples, drawn anew at every step."""

import jax
import jax.numpy as jnp

from ibjax.bounds.accounting.mixtures import _mixture
from ibjax.bounds.accounting.revealed import channel
from ibjax.bounds.accounting.rounding import together, up
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray

_LARGEST = 3.0
"""Shift beyond which the other forms win, and above which the moments would overflow."""


@enforced
def fixed_step(
    q: Float[Array, "*batch"] | float, r: Float[Array, "*batch"] | float
) -> Float[JaxArray, "*batch"]:
    """Cost in nats of one step with fresh subsets of a fixed size, rounded upwards.

    ``F(q, r) = min{ q r^2/2, K(q, 2r), (q^2/2) [(1 - q) S(r) + q (e^{r^2} - 1)] }``,
    ``S(r) = e^{4 r^2} - 2 e^{2 r^2} + e^{r^2}``

    Reveal b - 1 members and a uniform candidate j among the rest: with probability q the batch is
    completed by the example, else by j, and this coin is independent of what was revealed. With h
    and g the shifts of j and of the example, the step is ``(1 - q) N(h) + q N(g)``. The reference
    ``(1 - q) N(h) + q N(0)``, where the example's gradient is set to zero, costs at most the
    first form by joint convexity, and the third by ``x log x``'s second derivative; the reference
    N(h) gives the second. Like Poisson batches this is q^2 r^2/2 to leading order.

    Args:
        q: share b/n of the examples in the batch.
        r: largest shift eta C/(b s) of one example in units of the noise.

    Raises:
        ValueError: q outside [0, 1] or a negative r.

    Reference:
        New here.
    """
    return subset_step(*together(q=q, r=r), jnp.inf)


@jax.jit
def subset_step(q: JaxArray, r: JaxArray, dim: JaxArray | float) -> JaxArray:
    """Smallest proved cost of one step: `fixed_step`, or the log form of the revealed one."""
    doubled = jnp.where(q < 1, _mixture(q, 2 * r), jnp.inf)
    close = r <= _LARGEST
    rr = jnp.where(close, r, 0.0)
    moments = (1 - q) * pair_moment(rr) + q * jnp.expm1(rr * rr)
    closed = jnp.where(close, up(q * q / 2 * moments, 32), jnp.inf)
    return jnp.minimum(jnp.minimum(doubled, closed), channel(q, r, jnp.asarray(dim, r.dtype)))


def pair_moment(r: JaxArray) -> JaxArray:
    """``S(r) = e^{4x} - 2 e^{2x} + e^x`` at x = r^2, r^2 + 9 r^4/2 + ... for small r.

    With m = e^x - 1 it is ``m (1 + m) (1 + 3m + m^2)``, without cancellation. It bounds
    ``E_0 (u_a - u_b)^2`` of two likelihood ratios u of Gaussian shifts with |a - b|, |b| <= r, by
    ``|a^(k) - b^(k)| <= (2r)^k - r^k`` for the tensor powers in its series.
    """
    m = jnp.expm1(r * r)
    return m * (1 + m) * (1 + 3 * m + m * m)

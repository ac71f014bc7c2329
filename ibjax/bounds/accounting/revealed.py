"""What a step costs when the membership of the example in the batches is revealed."""

import jax
import jax.numpy as jnp

from ibjax.bounds.accounting.rounding import up
from ibjax.typing import JaxArray

_CROSSING = 3.921553
"""Root y of log(1 + y) = 2 y / (1 + y), where x log(1 + c/x^2) is largest at c/x^2 = y."""


def channel(q: JaxArray, r: JaxArray, dim: JaxArray) -> JaxArray:
    """Cost ``q (d/2) log(1 + r^2/d) <= q r^2/2`` of a shift r that is present with probability q.

    Given the membership and the past, the step is a Gaussian channel of power r^2.

    Args:
        q: how often the example is used.
        r: its largest shift in units of the noise.
        dim: dimension d of the weights; inf for the linear form.
    """
    linear = r * r / 2
    finite = jnp.isfinite(dim) & jnp.isfinite(linear)
    d = jnp.where(finite, dim, 1.0)
    log = d / 2 * jnp.log1p(jnp.where(finite, r * r, 1.0) / d)
    cost = jnp.where(finite, jnp.minimum(log, linear), linear)
    return up(jnp.where(q == 0, 0.0, q * cost), 8)


@jax.jit
def any_weights(shift: JaxArray, n: JaxArray, low: JaxArray, dim: JaxArray) -> JaxArray:
    """Mean cost over the n examples of a step whose weights are not known.

    The step is ``eta/b sum_i m_i g_i`` with weights m_i >= 0 that add up to b. Example i shifts
    it by m_i/b of the `shift` c = eta C/s of a batch of one, and the convexity of the square gives
    ``sum_i (m_i c/b)^2 <= c^2``: nothing is worse than a batch that holds one example only. In the
    log form the worst is k equal weights, ``sup_{k >= low} k (d/2) log(1 + c^2/(k^2 d))``, since
    ``f(m) = log(1 + m^2 c^2/d)`` gives ``sum_i f(m_i) <= sum_i m_i sup_m f(m)/m``.

    Args:
        shift: c = eta C/s, (T,).
        n: number of examples.
        low: fewest examples a batch can hold.
        dim: dimension d of the weights; inf for the linear form.
    """
    known = jnp.isfinite(dim) & jnp.isfinite(shift)
    c = jnp.where(known, shift, 0.0)
    most = jnp.maximum(c / jnp.sqrt(_CROSSING * jnp.where(known, dim, 1.0)), low)
    cost = channel(jnp.ones_like(c), c / most, dim) * most
    # The best k is found to rounding only, and the maximum is flat there.
    return up(jnp.where(known, cost, shift * shift / (2 * low)), 16) / n

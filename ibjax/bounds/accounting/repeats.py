"""Batches drawn with replacement: an example may count several times in a step."""

import math

import jax
import jax.numpy as jnp

from ibjax.bounds.accounting.revealed import channel
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.subsets import pair_moment
from ibjax.typing import JaxArray

_MOST = 12
"""Largest multiplicity that is kept hidden; rarer ones are revealed."""


@jax.jit
def repeated_step(shift: JaxArray, b: JaxArray, n: JaxArray, dim: JaxArray) -> JaxArray:
    """Smallest proved cost of a step with b draws with replacement out of n.

    The multiplicity is m ~ Bin(b, 1/n). Revealed it costs ``E m^2 r^2/2``,
    ``E m^2 = (b/n) (1 + (b - 1)/n)``, or by Jensen given m > 0
    ``P(m > 0) (d/2) log(1 + E[m^2 | m > 0] r^2/d)``. Hidden up to multiplicity M

    ``E[S(sqrt(m m') r); m, m' <= M] / (2 (1 - 1/n)^b) + E[m^2; m > M] r^2/2``

    with m, m' independent: reveal the example that would take each slot instead, and whether m > M;
    the reference sets the example's gradient to zero, and both densities are at least P(m = 0)
    relative to a batch without the example. The least over M = 1 .. 12 is taken, since without the
    cut the expectation grows like ``e^{4 b^2 r^2} n^{-2b}``.

    Args:
        shift: eta C/(b s), (T,).
        b: draws a step.
        n: number of examples.
        dim: dimension d of the weights; inf for the linear form.
    """
    square = shift * shift
    q = b / n
    second = q * (1 + (b - 1) / n)
    absent = jnp.exp(b * jnp.log1p(-jnp.where(n > 1, 1 / n, 0.5)))
    absent = jnp.where(n > 1, absent, 0.0)
    present = jnp.where(n > 1, 1 - absent, 1.0)
    present = jnp.minimum(up(present, 64), q)
    scale = jnp.sqrt(second / present)
    revealed = jnp.minimum(channel(present, scale * shift, dim), up(second * square / 2, 8))

    counts = jnp.arange(1, _MOST + 1)
    odds = jnp.maximum(b - counts + 1, 0.0) / (counts * jnp.maximum(n - 1, 1.0))
    law = absent * jnp.cumprod(odds)
    usable = absent > 0
    # Every cut M = 1, 2, ... at once; exp(4 M^2 r^2) may not overflow.
    small = (counts * counts * square[..., None] < 8) & usable
    product = counts[:, None] * counts
    close = product * square[..., None, None] < 8
    r = jnp.sqrt(1.0 * product).astype(shift.dtype) * jnp.where(close, shift[..., None, None], 0.0)
    terms = law[:, None] * law * pair_moment(r)
    inside = jnp.cumsum(jnp.cumsum(terms, -1), -2)
    inside = jnp.diagonal(inside, axis1=-2, axis2=-1) / (2 * jnp.where(usable, absent, 1.0))
    cost = up(inside + _tail(q) * square[..., None] / 2, 256)
    hidden = jnp.min(jnp.where(small, cost, jnp.inf), -1)
    return jnp.minimum(revealed, hidden)


def _tail(q: JaxArray) -> JaxArray:
    """Bounds on ``E[m^2; m > M]``, (12,).

    By ``P(Bin(k, 1/n) >= j) <= C(k, j) n^-j <= (k/n)^j/j!`` for m (m - 1) and for m.
    """
    cuts = range(1, _MOST + 1)
    factor = [1 / math.factorial(m - 1) + 1 / math.factorial(m) for m in cuts]
    return jnp.stack([q ** (m + 1) for m in cuts]) * jnp.asarray(factor, q.dtype)

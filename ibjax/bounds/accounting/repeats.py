"""Batches drawn with replacement: an example may count several times in a step."""

import math

import jax.numpy as jnp

from ibjax.bounds.accounting.revealed import channel
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.subsets import pair_moment
from ibjax.typing import JaxArray

_MOST = 12
"""Largest multiplicity that is kept hidden; rarer ones are revealed."""


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

    law = [absent]
    for m in range(1, _MOST + 1):
        step = jnp.maximum(b - m + 1, 0.0) / (m * jnp.maximum(n - 1, 1.0))
        law.append(law[-1] * step)
    law = jnp.stack(law)
    counts = jnp.arange(_MOST + 1)
    product = jnp.sqrt(1.0 * counts[:, None] * counts).astype(shift.dtype)
    hidden = jnp.full_like(shift, jnp.inf)
    usable = absent > 0
    for most in range(1, _MOST + 1):
        # exp(4 most^2 r^2) may not overflow.
        small = (most * most * square < 8) & usable
        r = jnp.where(small, shift, 0.0)
        some = slice(1, most + 1)
        terms = pair_moment(product[some, some] * r[..., None, None])
        weights = law[some, None] * law[None, some]
        inside = jnp.sum(weights * terms, (-2, -1)) / (2 * jnp.where(usable, absent, 1.0))
        cost = up(inside + _tail(q, most) * square / 2, 256)
        hidden = jnp.minimum(hidden, jnp.where(small, cost, jnp.inf))
    return jnp.minimum(revealed, hidden)


def _tail(q: JaxArray, most: int) -> JaxArray:
    """Bound ``E[m^2; m > most]``: with ``P(Bin(k, 1/n) >= j) <= C(k, j) n^-j <= (k/n)^j/j!``."""
    pairs, single = 1 / math.factorial(most - 1), 1 / math.factorial(most)
    return q ** (most + 1) * (pairs + single)

"""Numbers of examples that join a Poisson batch: levels, and the probability of more than each."""

import jax.numpy as jnp
from jax.scipy.special import betainc
from jax.scipy.stats import norm

from ibjax.bounds.invert import bregman
from ibjax.typing import JaxArray

LEVELS = 64
"""Numbers that are told apart."""

_EXACT = 2.0**23
"""Draws from which the continued fraction of `betainc` is not trusted to have converged."""


def levels(count: JaxArray, q: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Numbers that Bin(count, q) is rounded up to, and the probability of more than each.

    All of 0..count where these are few; else what lies within eight deviations of the mean, in
    equal steps, and the largest.

    Returns:
        Sizes (levels,) and P(N > size) of all but the last, (levels - 1,), rounded upwards.
    """
    spread = 8 * jnp.sqrt(count * q * (1 - q)) + 1
    few = count < LEVELS
    low = jnp.where(few, 0.0, jnp.maximum(jnp.floor(count * q - spread), 0.0))
    high = jnp.minimum(jnp.ceil(count * q + spread), count)
    each = jnp.where(few, 1.0, jnp.maximum(jnp.ceil((high - low) / (LEVELS - 2)), 1.0))
    sizes = jnp.minimum(low + each * jnp.arange(LEVELS, dtype=count.dtype), count)
    sizes = sizes.at[-1].set(count)
    return sizes, more_than(sizes[:-1], count, q)


def more_than(k: JaxArray, count: JaxArray, q: JaxArray) -> JaxArray:
    r"""Upper bound on P(Bin(count, q) > k), within rounding where there are few draws.

    The smaller of the incomplete beta function, with the rounding of its log-gamma functions,
    which grows as ``count log(count)``, and

    .. math:: \Phi(-s), \quad s = \operatorname{sgn}(k/N - q) \sqrt{2 N \, kl(k/N \| q)}

    which is at most the probability of k itself above and loses nothing in large numbers.

    Args:
        k: whole numbers.
        count: N of the draws.
        q: probability of each.

    Reference:
        Zubkov, Serov 2013, "A complete proof of universal inequalities for the distribution
        function of the binomial law".
    """
    eps = jnp.finfo(count.dtype).eps
    more = k < count
    left = jnp.where(more, count - k, 1.0)
    tail = betainc(k + 1, left, jnp.broadcast_to(q, left.shape))
    lost = (2**12 + 8 * count * jnp.log1p(count)) * eps
    trusted = (count < _EXACT) & (lost < 0.5)
    fraction = jnp.where(trusted, tail * (1 + lost), jnp.inf)
    inside = (q > 0) & (q < 1)
    p, share = jnp.where(inside, q, 0.5), jnp.where(more, k, 0.0) / jnp.maximum(count, 1.0)
    rate = p * bregman((share - p) / p) + (1 - p) * bregman((p - share) / (1 - p))
    root = jnp.sqrt(2 * count * jnp.where(rate > 0, rate, 1.0)) * (rate > 0)
    s = jnp.where(share > p, root, -root)
    # Rounding of k/N, of q and of 1 - q.
    slack = 64 * eps * root + 16 * eps * (jnp.sqrt(count * p / (1 - p)) + jnp.sqrt(count))
    normal = jnp.where(inside, norm.cdf(slack - s) * (1 + 256 * eps), 1.0)
    found = jnp.minimum(jnp.minimum(fraction, normal) + 64 * eps, 1.0)
    found = jnp.where(q > 0, found, 0.0)
    return jnp.where(more, jnp.where(jnp.isnan(count + q), jnp.nan, found), 0.0)

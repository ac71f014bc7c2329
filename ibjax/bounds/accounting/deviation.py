"""How likely a large gap is, from information, by the binary relative entropy."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import xlog1py, xlogy

from ibjax.bounds import checks
from ibjax.bounds.bisection import bisected
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def exceedance_probability(
    gap: Float[Array, "*batch"] | float, information: Float[Array, "*batch"] | float, n: int
) -> Float[JaxArray, "*batch"]:
    """Bound the probability of an absolute gap above `gap`, for a loss in [0, 1].

    ``P(|L(W) - L_S(W)| > e) <= sup { P : kl(P || q) <= I(S; W) }``, ``q = min(1, 2 e^{-2 n e^2})``

    The event has probability at most q when weights and sample are independent (Hoeffding), and
    the data-processing inequality for whether it happens does the rest. Never above
    ``(I + log 2)/log(1/q)``.

    Args:
        gap: the size e asked about.
        information: I(S; W) in nats, or an upper bound.
        n: number of training examples.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        Bassily, Moran, Nachum, Shafer, Yehudayoff 2018, "Learners that use little information",
        for the argument; the inverted form is derived here.
    """
    size = checks.real("gap", gap, 0.0)
    info = checks.real("information", information, 0.0)
    n = checks.whole("n", n)
    rare = 2 * n * size**2 - math.log(2)
    dtype = jnp.result_type(rare, info)
    return _probability(*(a.astype(dtype) for a in jnp.broadcast_arrays(rare, info)))


@jax.jit
def _probability(rare: JaxArray, info: JaxArray) -> JaxArray:
    """Largest P with ``kl(P || q) <= info`` for q = e^{-rare}, 1 where q >= 1."""
    possible = rare > 0
    log_rest = jnp.log1p(-jnp.exp(-jnp.where(possible, rare, 1.0)))

    def divergence(p):
        # rare > 0 may be so large that q underflows; its logarithm does not.
        return xlogy(p, p) + p * rare + xlog1py(1 - p, -p) - (1 - p) * log_rest

    ends = (jnp.exp(-jnp.where(possible, rare, 0.0)), jnp.ones_like(info))
    _, right = bisected(lambda p: divergence(p) <= info, *ends)
    missing = jnp.isnan(rare) | jnp.isnan(info)
    return jnp.where(missing, jnp.nan, jnp.where(possible & (info < jnp.inf), right, 1.0))


@enforced
def likely_gap(
    information: Float[Array, "*batch"] | float, n: int, level: Scalar
) -> Float[JaxArray, "*batch"]:
    """Compute the gap that is not exceeded with probability 1 - level, for a loss in [0, 1].

    ``e = sqrt(log(2/q)/(2n))`` with the largest ``q <= level`` such that ``kl(level || q) >= I``

    Grows like sqrt(I/(2 n level)): it pays 1/level, not log(1/level).

    Args:
        information: I(S; W) in nats, or an upper bound.
        n: number of training examples.
        level: probability in (0, 1) that may be missed.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        Bassily, Moran, Nachum, Shafer, Yehudayoff 2018, "Learners that use little information",
        for the argument; the inverted form is derived here.
    """
    info = checks.real("information", information, 0.0)
    n = checks.whole("n", n)
    p = checks.scalar("level", level, 0.0, open_low=True)
    if checks.concrete(p) and not float(p) < 1:
        raise ValueError(f"level={float(p):g} must lie in (0, 1)")
    return _likely(info, jnp.asarray(n), p.astype(info.dtype))


@jax.jit
def _likely(info: JaxArray, n: JaxArray, p: JaxArray) -> JaxArray:
    rest = jnp.log1p(-p)

    def reached(log_ratio):
        """Relative entropy kl(p || q) at q = p e^{-log_ratio}."""
        return p * log_ratio + (1 - p) * (rest - jnp.log1p(-p * jnp.exp(-log_ratio)))

    high = info / p - (1 - p) / p * rest
    _, right = bisected(lambda ratio: reached(ratio) < info, jnp.zeros_like(high), high)
    return jnp.where(
        jnp.isinf(info), jnp.inf, jnp.sqrt((right + jnp.log(2.0) - jnp.log(p)) / (2 * n))
    )

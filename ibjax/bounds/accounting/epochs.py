"""Batches that use every example at most once an epoch: balls and bins, and permutations."""

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, root
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.subsets import pair_moment
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar

_LARGEST = 2.0
"""Shift above which the closed forms of an epoch lose to the revealed one."""


@enforced
def bins_epoch(r: Float[Array, " j"], m: int | Scalar) -> Float[JaxArray, ""]:
    """Cost in nats of an epoch in which every example draws its step by itself.

    ``A <= min{ (1/2m^2) sum_t e_t (1 + sum_{k<t} e_k/m), log(1 + sum_t e_t/m^2),
    sum_t r_t^2/(2m) }``, ``e_t = e^{r_t^2} - 1``

    Balls and bins: the step of each example is uniform among m, independently, and the sum is
    divided by a constant b = n/m. The cost is the divergence of ``(1/m) sum_k N(r e_k, I)`` from
    N(0, I) even when gradients depend on the past: the adaptive pair is a randomised function of
    this one. The chain rule gives ``sum_t E K(pi_t, r_t)`` with the posterior pi_t that the
    example's turn is at t; ``K(q, r) <= q^2 (e^{r^2} - 1)/2`` and the harmonic mean bound the rest.

    Args:
        r: shifts of the steps done in this epoch, (j,) with j <= m.
        m: steps of a whole epoch.

    Raises:
        ValueError: a negative r, or one that is not (j,); m < 1 or more than m steps.

    Reference:
        New here.
    """
    r, m = _one_epoch(r, m)
    return bins(r, 1.0 * m)


@enforced
def shuffled_epoch(r: Float[Array, " j"], q: Scalar) -> Float[JaxArray, ""]:
    """Cost in nats of an epoch of batches cut from one random permutation.

    The positions of the others reveal that of the example, so neither Poisson sampling nor
    `bins_epoch` may stand for it: both are refuted by enumeration. With e_t = e^{4 r_t^2} - 1 and S
    of `fixed_step` the least of

    ``(q^2/2) [S_1 + sum_{t>=2} (sqrt S_t + sqrt(e_t v_t))^2]``, ``(q^2/2) [e_1 + sum_{t>=2} e_t
    (1 + v_t)]`` and ``q sum_t r_t^2/2``, ``v_t = (1 + e_1) (1 + q sum_{1<k<t} e_k) - 1``

    To leading order ``q r^2/2 (1 + 4 r sqrt(1 + q t))^2``; of use up to r ~ 0.1 only.

    Proof: put the example into the first batch and exchange it with a uniform slot of the n, of
    which one partner in each batch is revealed. Step 1 costs F(q, r_1). At a later step the law is
    ``(1 - pi) N_0 + pi N_a``, |a| <= 2r, with the posterior pi that the exchange was with this
    batch; the reference ``(1 - q) N_0 + q N_b`` sets the example's gradient to zero, |a - b|, |b|
    <= r. By the second derivative of x log x it costs at most
    ``(q sqrt S + |pi - q| sqrt e)^2/2``; E pi = q and ``E pi^2 <= q^2 (1 + v_t)``. The second form
    has the reference N_0.

    Args:
        r: shifts of the steps done in this epoch, (j,).
        q: share b/n of the examples in a batch; a remainder may be dropped.

    Raises:
        ValueError: a negative r, or one that is not (j,); q outside [0, 1].

    Reference:
        New here.
    """
    q = checks.scalar("q", checks.real("q", q, 0.0, 1.0))
    r, m = _one_epoch(r, None)
    return permutations(r, q.astype(r.dtype), 1.0 * m)


def _one_epoch(r, m) -> tuple[JaxArray, int]:
    r = checks.real("r", r, 0.0)
    if r.ndim != 1 or r.shape[0] < 1:
        raise ValueError(f"r has shape {r.shape}; give one shift a step of one epoch: (j,)")
    if m is None:
        return r, r.shape[0]
    m = checks.static_whole("m", m)
    if m < r.shape[0]:
        raise ValueError(f"m={m} steps an epoch, but r holds {r.shape[0]}; give one epoch at most")
    return r, m


@jax.jit
def bins(r: JaxArray, m: JaxArray) -> JaxArray:
    """`bins_epoch` summed over the epochs of a run of T steps, m of them (traced or not) each."""
    epoch, first = _places(r.shape[0], m)
    close = r * r < 60
    e = jnp.expm1(jnp.where(close, r * r, 0.0))
    chained = _sums(e * (1 + _before(e, first) / m), epoch) / (2 * m * m)
    mixed = jnp.log1p(_sums(e, epoch) / (m * m))
    lost = _sums(jnp.where(close, 0.0, 1.0), epoch) > 0
    closed = jnp.where(lost, jnp.inf, jnp.minimum(chained, mixed))
    cost = jnp.minimum(closed, _sums(r * r, epoch) / (2 * m))
    return up(jnp.sum(cost), r.shape[0] + 32)


@jax.jit
def permutations(r: JaxArray, q: JaxArray, m: JaxArray) -> JaxArray:
    """`shuffled_epoch` summed over the epochs of a run of T steps, m of them (traced or not)."""
    epoch, first = _places(r.shape[0], m)
    opening = first == jnp.arange(r.shape[0])
    close = r <= _LARGEST
    rr = jnp.where(close, r, 0.0)
    s, e = pair_moment(rr), jnp.expm1(4 * rr * rr)
    start = e[first]
    before = _before(jnp.where(opening, 0.0, e), first)
    v = start + (1 + start) * q * before
    fine = jnp.where(opening, s, (root.smooth(s) + root.smooth(e * v)) ** 2)
    plain = jnp.where(opening, e, e * (1 + v))
    closed = q * q / 2 * jnp.minimum(_sums(fine, epoch), _sums(plain, epoch))
    lost = _sums(jnp.where(close, 0.0, 1.0), epoch) > 0
    cost = jnp.minimum(jnp.where(lost, jnp.inf, closed), q * _sums(r * r, epoch) / 2)
    return up(jnp.sum(cost), r.shape[0] + 64)


def epoch_maxima(cost: JaxArray, m: JaxArray) -> JaxArray:
    """Sum over epochs of the largest cost within each."""
    epoch, _ = _places(cost.shape[0], m)
    top = jax.ops.segment_max(cost, epoch, num_segments=cost.shape[0])
    return jnp.sum(jnp.maximum(top, 0.0))


def _places(steps: int, m: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The epoch of every step, and the first step of that epoch."""
    t = jnp.arange(steps)
    whole = jnp.where(jnp.isnan(m), 1.0, jnp.maximum(jnp.floor(m), 1.0)).astype(t.dtype)
    return t // whole, (t // whole) * whole


def _before(terms: JaxArray, first: JaxArray) -> JaxArray:
    """Sum of the terms of earlier steps of the same epoch."""
    total = jnp.cumsum(terms) - terms
    # A difference of running sums may round below zero.
    return jnp.maximum(total - total[first], 0.0)


def _sums(terms: JaxArray, epoch: JaxArray) -> JaxArray:
    return jax.ops.segment_sum(terms, epoch, num_segments=terms.shape[0])

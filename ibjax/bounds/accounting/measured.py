"""Measured gradient norms in place of the clip, batches hidden: what is left, and its limit."""

from dataclasses import replace

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.bounds.accounting.information import (
    _setting,
    name_of,
    per_example_information,
    shifts,
)
from ibjax.bounds.accounting.mixtures import FAR, _mixture
from ibjax.bounds.accounting.monte_carlo import mean_upper_limit
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.subsets import pair_moment
from ibjax.interface import BATCHINGS, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar

_CLOSE = 3.0
"""Shift up to which the moments of a fresh subset are evaluated; they have lost long before."""

_CAPPED = ("full", "without_replacement", "poisson", "epochs", "fixed")


@enforced
def hidden_share(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    clip: Scalar,
    batching: str | Scalar,
    batch_size: int | Scalar,
    n: int | Scalar,
    *,
    smallest_batch: int | Scalar | None = None,
    shared_batches: bool | Scalar = False,
) -> Float[JaxArray, ""]:
    """Share of the measured information of an example that is left where batches are hidden.

    With ``rho_t = eta_t |g_t(i)|/(b s_t) <= r_t`` and q = b/n,

    ``mean_i I(Z_i; W | Z_-i) <= share E sum_t (1/n) sum_{i in B_t} rho_t(i)^2/2``

    poisson:             ``max_t K(q, r_t)/(q r_t^2/2)``
    without_replacement: ``max_t q [(1 - q) S(r_t) + q (e^{r_t^2} - 1)]/r_t^2``, S of `fixed_step`
    anything else:       1; also given batches that replicas share, or that were smaller than b

    and never above 1. The membership of an example in a batch is independent of its gradient there,
    so that the mean over the members is q times that over all examples. What remains is that the
    cost of a step, over rho^2, is largest at the clip: ``K(q, sqrt u) = q u/2 - I(M; Y)`` is convex
    in u, since mutual information is concave in the signal-to-noise ratio; and with |a - b| = rho,
    |b| <= r the moment of two likelihood ratios is at most ``sum_k ((r + rho)^k - r^k)^2/k!``,
    whose every term over rho^2 increases in rho.

    The second form of `fixed_step`, K(q, 2r), has no such version: its reference is off by r,
    however small rho. Neither has `shuffled_epoch`, where the posterior of the example's place
    depends on the past that later norms depend on too.

    Args:
        step_sizes: eta_t, (T,); a step of size 0 costs nothing.
        noise_stds: s_t, (T,); a step that moves the weights without noise costs inf.
        clip: C, a bound on every example's gradient norm; inf gives inf.
        batching: a name, or its position in `interface.BATCHINGS` (also traced); NaN for unknown.
        batch_size: b, the constant normaliser.
        n: number of training examples.
        smallest_batch: fewest examples that a step was averaged over, where not b (or, in
            whole epochs, the remainder).
        shared_batches: whether all replicas saw the same batches; NaN counts as yes.

    Returns:
        A number in [0, 1]; NaN where it needs an input that is missing.

    Raises:
        ValueError: an unknown batching, shapes that do not match, numbers out of range.

    Reference:
        New here.
    """
    given = (step_sizes, noise_stds, clip, batching, batch_size, n)
    s = _setting(*given, None, smallest_batch, None)
    q, r = s.q, jnp.max(s.r)
    name = name_of(batching)
    code = jnp.asarray(BATCHINGS.index(name) if name in BATCHINGS else jnp.nan)
    code = jnp.asarray(batching) if name is None else code
    poisson, subsets = (code == BATCHINGS.index(k) for k in ("poisson", "without_replacement"))
    left = jnp.where(poisson, _poisson(q, r), jnp.where(subsets, _subsets(q, r), 1.0))
    alone = (jnp.asarray(shared_batches) == 0) & ~(s.smallest < s.b)
    left = jnp.where(alone, jnp.minimum(left, 1.0), 1.0)
    return jnp.where((poisson | subsets) & jnp.isnan(q + r), jnp.nan, left)


def _poisson(q: JaxArray, r: JaxArray) -> JaxArray:
    """K over the revealed cost; its limit q for shifts whose square is lost to rounding."""
    tiny = q * r * r / 2 < 1e3 * jnp.finfo(r.dtype).tiny
    rr = jnp.where(tiny | (r > FAR), 1.0, r)
    left = up(_mixture(q, rr) / (q * rr * rr / 2), 8)
    return jnp.where(tiny, up(q, 8), jnp.where(r > FAR, 1.0, left))


def _subsets(q: JaxArray, r: JaxArray) -> JaxArray:
    square = r * r
    usable = (r <= _CLOSE) & (square > 1e3 * jnp.finfo(r.dtype).tiny)
    rr = jnp.where(usable, r, 1.0)
    moments = (1 - q) * pair_moment(rr) + q * jnp.expm1(rr * rr)
    return jnp.where(usable, up(q * moments / (rr * rr), 32), jnp.where(r > 1, 1.0, up(q, 8)))


@enforced
def measured_information(
    values: Float[Array, " R"],
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    clip: Scalar,
    batching: str | Scalar,
    batch_size: int,
    n: int,
    delta: Scalar,
    *,
    shared_batches: bool | Scalar = False,
    method: str = "kl",
) -> Estimate:
    """Upper limit on the mean of I(Z_i; W | Z_-i), from measured gradient norms, in nats.

    ``min{ share U, per_example_information }`` with `hidden_share` and U the `mean_upper_limit` of

    ``X = sum_t eta_t^2/(2 s_t^2) (1/n) sum_{i in B_t} |g_t(i)|^2/b^2 <= cap``

    cap is ``sum_t q r_t^2/2``, without q for Poisson batches, which may hold every example. Between
    the certificate at the clip and the estimate at the measured norms: with mean square norm
    rho C^2 it is worth at most a factor sqrt(rho) of the bound on the gap, and it takes R of some
    tens of independent samples before it is worth anything.

    Args:
        values: X of every run, (R,): the field `sample_information` of the evidence. A diverged run
            counts with the cap. Each run has a sample of its own, independent of the others'; runs
            on one sample, or on one supersample, are averaged first and count once.
        step_sizes: eta_t, (T,).
        noise_stds: s_t, (T,).
        clip: C.
        batching: full, without_replacement, poisson, epochs or fixed.
        batch_size: b.
        n: number of training examples.
        delta: failure probability in (0, 1].
        shared_batches: whether all replicas saw the same batches.
        method: "kl", "bernstein" or "best".

    Returns:
        An exact `Estimate` with bias "up" and confidence 1 - delta.

    Raises:
        ValueError: another batching; values outside [0, cap]; as `mean_upper_limit`.

    Reference:
        New here.
    """
    name = name_of(batching)
    checks.choice("batching (by name, for measured norms)", name or "traced", _CAPPED)
    run = (step_sizes, noise_stds, clip, batching, batch_size, n)
    clipped = per_example_information(*run, None, shared_batches=shared_batches)
    squares = jnp.sum((shifts(step_sizes, noise_stds, clip) / batch_size) ** 2) / 2
    cap = up(squares * (1.0 if name == "poisson" else batch_size / n), len(step_sizes) + 8)
    limit = mean_upper_limit(values, cap, delta, method=method)
    share = hidden_share(*run, shared_batches=shared_batches)
    value = jnp.minimum(up(share * limit.value, 4), clipped.value)
    ok = limit.ok & clipped.ok
    return replace(limit, value=value, ok=ok, name="measured_information", about=clipped.about)

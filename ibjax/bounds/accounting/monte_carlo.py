"""Certificates from independent runs: upper confidence limits of bounded means."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert, outcome
from ibjax.bounds.accounting.mixtures import FAR, _mixture
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.kinds import proved
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar

_METHODS = ("kl", "bernstein", "best")


@enforced
def membership_gain(
    k: Float[Array, "*batch"] | float, y: Float[Array, "*batch"] | float
) -> Float[JaxArray, "*batch"]:
    """Information of one step about which of two candidates a slot holds, given the past.

    ``J(k, y) = I(U; Y)`` for U of probability p = sigmoid(y) and unit Gaussians sqrt(2k) apart,
    ``= p k - K(p, sqrt(2k)) <= p (1 - p) k``

    It averages the increment H(k, y) of the trajectory account over the mask as well, so its
    expectation is the same, its variance smaller, and its largest value k/4 instead of k: the sum
    over steps is capped at a quarter of the largest sum of k, the information a priori.

    Args:
        k: divergence between the candidates' steps, >= 0.
        y: log-likelihood ratio of the candidates before the step, of either sign.

    Returns:
        J in nats, rounded upwards.

    Reference:
        New here; K is `mixture_kl`.
    """
    k, y = checks.real("k", k, 0.0), checks.real("y", y)
    dtype = jnp.result_type(k, y)
    k, y = (a.astype(dtype) for a in jnp.broadcast_arrays(k, y))
    # The two masks are symmetric; the rarer one keeps its digits.
    p = 1 / (1 + jnp.exp(jnp.abs(y)))
    margin = 1e-4 if dtype == jnp.float32 else 1e-11
    r = jnp.sqrt(2 * k)
    # Beyond FAR the mixture is only bounded from above: there the entropy of the mask is the limit.
    exact = jnp.where(r <= FAR, up(p * k, 8) - _mixture(p, r) * (1 - margin), jnp.inf)
    entropy = up(jnp.log1p(jnp.exp(-jnp.abs(y))) + p * jnp.abs(y), 16)
    return jnp.minimum(exact, jnp.minimum(up(p * (1 - p) * k, 8), entropy))


@enforced
def mean_upper_limit(
    values: Float[Array, " R"],
    cap: Scalar,
    delta: Scalar,
    *,
    method: str = "kl",
    runs: Scalar | None = None,
) -> Estimate:
    """Upper confidence limit of the mean of independent values in [0, cap].

    kl:        ``cap kl^-1(x/cap, log(1/delta)/R)`` (Chernoff), x the sample mean
    bernstein: ``x + sd sqrt(2 log(2/delta)/R) + 7 cap log(2/delta)/(3 (R - 1))``
    best:      the smaller of the two at delta/2 each

    Fix the method before looking. At x ~ cap/9 about 80 values bring ``sqrt(2 I)`` below the
    a-priori sqrt(cap/2), and 300 to 15 % above the plug-in; at x > cap/4 none do.

    Args:
        values: one a run, (R,): means over dependent slots are one value.
        cap: the largest value possible, known beforehand.
        delta: failure probability in (0, 1].
        method: "kl", "bernstein" or "best".
        runs: where values come in groups that depend on each other (complementary masks), R over
            the largest number in a group; R by default. For "kl" only: a weighted mean of
            independent group means with weights of at most 1/runs has its Chernoff bound.

    Returns:
        An exact `Estimate` with bias "up" and confidence 1 - delta; not ok where a value is
        missing: a diverged run counts with the cap.

    Raises:
        ValueError: values outside [0, cap], fewer than one (two for Bernstein), unknown methods,
            runs above R or with another method than "kl".

    Reference:
        Maurer, Pontil 2009, "Empirical Bernstein bounds and sample-variance penalization".
    """
    checks.choice("method", method, _METHODS)
    cap = checks.scalar("cap", cap, 0.0, open_low=True)
    x = checks.real("values", values, 0.0)
    if x.ndim != 1 or x.shape[0] < (1 if method == "kl" else 2):
        raise ValueError(f"values has shape {x.shape}; give one a run: (R,), R >= 2 for Bernstein")
    # Sums of terms may round above their cap.
    tolerance = 1 + 100 * jnp.finfo(x.dtype).eps
    above = jnp.any(x > cap * tolerance)
    if checks.concrete(above) and bool(above):
        raise ValueError(f"values holds {float(jnp.max(x)):g}, above cap={float(cap):g}")
    delta = checks.failure("delta", delta)
    count = x.shape[0] if runs is None else _groups(runs, x.shape[0], method)
    share = jnp.minimum(jnp.mean(x) / cap, 1.0)
    each = delta / 2 if method == "best" else delta
    limits = []
    if method != "bernstein":
        limits.append(cap * invert.kl(share, jnp.log(1 / each) / count))
    if method != "kl":
        logs = jnp.log(2 / each)
        spread = jnp.std(x, ddof=1) * jnp.sqrt(2 * logs / count)
        limits.append(jnp.mean(x) + spread + 7 * cap * logs / (3 * (count - 1)))
    value = jnp.minimum(jnp.min(jnp.stack(limits)), cap)
    value = jnp.where(jnp.any(jnp.isnan(x)) | above, jnp.nan, value)
    reason = "a value is missing or above the cap: count a diverged run with the cap"
    confidence, name = jnp.asarray(1 - delta, value.dtype), f"mean_upper_limit_{method}"
    return proved(value, name, "", reason, confidence=confidence)  # of any mean


def _groups(runs: Scalar, most: int, method: str) -> JaxArray:
    if method != "kl":
        raise ValueError(f"runs is given with method={method!r}; only 'kl' knows of groups")
    return checks.scalar("runs", checks.real("runs", runs, 0.0, float(most), open_low=True))


@enforced
def membership_certificate(
    information: Float[Array, " R"],
    cap: Scalar,
    delta: Scalar,
    *,
    method: str = "kl",
    runs: Scalar | None = None,
) -> BoundValue:
    """Bound the gap given a supersample, from runs with independent masks and seeds.

    ``|E[test error - training error | Z]| <= phi^-1(I_up)``, I_up = `mean_upper_limit`

    Given the supersample the masks are fair coins, so the runs are independent and nothing has to
    be assumed of the data. It certifies the mean over masks and seeds given these pairs: not one
    network, and no fresh data.

    Args:
        information: sum over steps of `membership_gain`, mean over slots, one a run, (R,).
        cap: its largest possible value: the a-priori revealed information of an example,
            ``sum_t k_t/4`` at the clip.
        delta: failure probability in (0, 1].
        method: "kl", "bernstein" or "best".
        runs: where values come in groups that depend on each other (complementary masks), R over
            the largest number in a group; R by default. For "kl" only: a weighted mean of
            independent group means with weights of at most 1/runs has its Chernoff bound.

    Returns:
        A certificate with confidence 1 - delta; the note says when the a-priori bound is smaller.

    Raises:
        ValueError: values outside [0, cap], fewer than one (two for Bernstein), unknown methods.

    Reference:
        New here.
    """
    if np.ndim(information) != 1 or not np.size(information):
        raise ValueError(f"information has shape {np.shape(information)}; give one a run: (R,)")
    limit = mean_upper_limit(information, cap, delta, method=method, runs=runs)
    info = jnp.minimum(limit.value, jnp.log(2.0))
    found = outcome.result(
        invert.phi(info),
        name="membership_certificate",
        kind="certificate",
        limit=1.0,
        assumptions=("bounded_loss", "data_independent_batches", "weight_noise", "supersample"),
        information=limit.value,
        about="pair",
        holds=limit.ok,
        note="of the mean over masks and seeds given this supersample",
    )
    return replace(found, confidence=limit.confidence)

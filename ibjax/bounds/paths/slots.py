"""Bounds from what the paths of noisy SGD say of single training slots, run by run.

The inputs are informations or costs in nats, one a run or one a run and tracked slot: measured,
whatever their spread, hence estimates. An `Estimate` or `BoundValue` of their mean may stand in for
them and passes on its kind: `membership_upper` makes a certificate at its confidence. Theorems
put the mean over slots, noise and samples inside the root: `reduction="sqrt_of_mean"`. Published
figures average the roots of single runs, `"mean_of_sqrt"`, which by concavity is smaller and no
bound.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert, outcome, root
from ibjax.bounds.kinds import gap_at, moved_by, proved, with_error
from ibjax.bounds.means import mean_and_error
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, BoundKind, Float, JaxArray, Scalar, Subject

_REDUCTIONS = ("sqrt_of_mean", "mean_of_sqrt")
_PATH = ("iid", "bounded_loss", "data_independent_batches", "weight_noise", "monte_carlo")


@enforced
def path_prior(
    information: Float[Array, " R"] | Float[Array, "R J"] | Estimate | BoundValue,
    *,
    train_error: Scalar | Estimate | None = None,
    sigma: Scalar = 0.5,
    reduction: str = "sqrt_of_mean",
) -> BoundValue:
    """Bound the gap by the divergence of the path from one that knows all examples but one.

    ``gap <= sqrt(2 sigma^2 E KL)``, or with the training error ``kl(E L_S || E L) <= E KL``

    Given the other examples, slot J and its loss at fresh weights of the prior are independent;
    the change of measure costs KL. The mean of others as prediction gives the bound of Negrea et
    al., zero the null-gradient prior.

    Args:
        information: KL of the path from the prior's, (R,) runs or (R, J) runs and slots, or an
            `Estimate` of its mean.
        train_error: mean training loss in [0, 1]: use the binary relative entropy instead. A
            number counts as known.
        sigma: sub-Gaussian parameter of the loss.
        reduction: "sqrt_of_mean" or "mean_of_sqrt".

    Reference:
        Negrea, Haghifam, Dziugaite, Khisti, Roy 2019, "Information-theoretic generalization
        bounds for SGLD via data-dependent estimates".
    """
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    if train_error is None:

        def rooted(_, info: JaxArray) -> JaxArray:
            return root.sub_gaussian(info, sigma)

        return _bound("path_prior", "example", information, rooted, reduction, 2 * sigma)

    def gap(at: JaxArray, info: JaxArray) -> JaxArray:
        return invert.kl(at, info) - at

    return _bound("path_prior", "example", information, gap, reduction, 1.0, train_error)


@enforced
def path_membership(
    information: Float[Array, " R"] | Float[Array, "R J"] | Estimate | BoundValue,
    *,
    candidates: int = 2,
    form: str = "phi",
    train_error: Scalar | Estimate | None = None,
    reduction: str = "sqrt_of_mean",
) -> BoundValue:
    """Bound the gap by the information of the path about which of K candidates a slot holds.

    sqrt:  ``gap <= K/(K - 1) sqrt(I/2)``
    phi:   ``gap <= phi^-1(I)``, K = 2; never above 1
    pair:  ``E L <= sup { R : J(E L_S, R) <= I }``, K = 2, 0-1 loss; see `invert.pair`
    kl:    ``kl(E L_S || (E L_S + (K - 1) E L)/K) <= I``

    Args:
        information: exact or upper, (R,) runs or (R, J) runs and slots; its mean is what counts,
            and may be given as an `Estimate`.
        candidates: K.
        form: "sqrt", "phi", "pair" or "kl"; the last two need `train_error`.
        train_error: mean training error in [0, 1]. A number counts as known.
        reduction: "sqrt_of_mean" or "mean_of_sqrt".

    Reference:
        Haghifam, Negrea, Khisti, Roy, Dziugaite 2020, "Sharpened generalization bounds based on
        conditional mutual information and an application to noisy, iterative algorithms"; for K
        candidates the leave-m-out CMI of Lu, Frey, Kuijper, Zhu 2026, "On unified and sharpened
        CMI bounds for generalization errors"; the exact information of the path and its
        inversions are derived here.
    """
    checks.choice("form", form, ("sqrt", "phi", "pair", "kl"))
    k = checks.static_whole("candidates", candidates, 2)
    if form in ("phi", "pair") and k != 2:
        raise ValueError(f"form={form!r} is for 2 candidates, not {k}; give form='sqrt' or 'kl'")
    if form in ("pair", "kl") and train_error is None:
        raise ValueError(f"train_error=None, but form={form!r} needs the mean training error")

    def gap(at: JaxArray, info: JaxArray) -> JaxArray:
        if form == "sqrt":
            return k / (k - 1) * jnp.sqrt(info / 2)
        if form == "phi":
            return invert.phi(info)
        top = invert.pair(at, info) if form == "pair" else invert.ghost(at, info, k)
        return top - at

    rate = train_error if form in ("pair", "kl") else None
    return _bound("path_membership", "pair", information, gap, reduction, 1.0, rate, k)


@enforced
def membership_upper(
    ratios: Float[Array, "R *slots K_minus_1"], delta: Scalar, *, floor: Scalar | None = None
) -> Estimate:
    """Upper confidence limit of the path information, from independent runs.

    With X = log K - logsumexp(0, Y) and a floor -c fixed beforehand, E X <= E max(X, -c), whose
    terms lie in [-c, log K]; the empirical Bernstein inequality bounds their mean:

    ``I <= mean + sqrt(2 V log(2/delta)/R) + 7 (log K + c) log(2/delta)/(3 (R - 1))``

    with V the unbiased variance over runs. With probability 1 - delta over the runs every
    inversion of it bounds the gap: a certificate up to delta, where each run has a fresh sample.

    Args:
        ratios: final log-likelihood ratios, (R, K - 1), or (R, J, K - 1) with slots averaged
            within each run, R >= 2.
        delta: failure probability in (0, 1].
        floor: c >= 0, chosen before the runs; log K by default.

    Returns:
        The limit, exact in that it is proved, with confidence 1 - delta.

    Reference:
        Maurer, Pontil 2009, "Empirical Bernstein bounds and sample-variance penalization"; the
        use for likelihood ratios is derived here.
    """
    y = checks.real("ratios", ratios)
    if y.ndim not in (2, 3) or y.shape[0] < 2:
        raise ValueError(f"ratios has shape {y.shape}; give (R, K - 1) or (R, J, K - 1), R >= 2")
    delta = checks.failure("delta", delta)
    most = np.log(y.shape[-1] + 1)
    low = most if floor is None else checks.real("floor", floor, 0.0)
    value = _upper(y, delta, low)
    sure = {"confidence": 1 - delta, "candidates": y.shape[-1] + 1}
    return proved(value, "membership_upper", "pair", "a run diverged", **sure)


@jax.jit
def _upper(y: JaxArray, delta: JaxArray, low: Any) -> JaxArray:
    most = np.log(y.shape[-1] + 1)
    each = most - jnp.logaddexp(0.0, jax.nn.logsumexp(y, axis=-1))
    # The path has a density under every candidate: no run that went well ends at +inf.
    each = jnp.where(each > -jnp.inf, jnp.maximum(each, -low), jnp.nan)
    each = each.reshape(y.shape[0], -1).mean(1)
    runs, logs = y.shape[0], jnp.log(2 / delta)
    spread = jnp.sqrt(2 * jnp.var(each, ddof=1) * logs / runs)
    return jnp.mean(each) + spread + 7 * (most + low) * logs / (3 * (runs - 1))


def _bound(
    name: str,
    about: Subject,
    information: Any,
    gap: Callable[[JaxArray, JaxArray], JaxArray],
    reduction: str,
    limit: Any,
    train_error: Any = None,
    candidates: int = 2,
) -> BoundValue:
    """A bound from the information and, unless it is None, the training error."""
    checks.choice("reduction", reduction, _REDUCTIONS)
    legacy = reduction == "mean_of_sqrt"
    rate = checks.rate("train_error", 0.0 if train_error is None else train_error)
    if isinstance(information, (Estimate, BoundValue)):
        if legacy:
            raise ValueError(
                f'reduction={reduction!r} needs single runs; give (R,), or "sqrt_of_mean"'
            )
        given = checks.information(information, about=about, candidates=candidates)
        value, at, error = with_error(gap, rate, given)
    else:
        info = checks.real("information", information)
        if info.ndim not in (1, 2) or info.shape[0] < 1:
            raise ValueError(f"information has shape {info.shape}; give (R,) or (R, J)")
        mean, value, at, error = _of_runs(info, gap, rate, legacy)
        kind: BoundKind = "diagnostic" if legacy else "estimate"
        given = checks.Given(mean, error, kind, about=about, candidates=candidates)
    known = given.kind == "certificate"
    return outcome.result(
        value,
        name=name,
        inputs=(given,) if train_error is None else (given, rate),
        limit=limit if train_error is None else limit - at,
        assumptions=tuple(a for a in _PATH if not (known and a == "monte_carlo")),
        information=given,
        std_error=error,
        note="mean of roots: biased low, no bound" if legacy else "",
    )


def _of_runs(info: JaxArray, gap: Any, rate: checks.Given, legacy: bool):
    """Mean information of the runs, the gap, the training error it was taken at, its error."""
    runs = jnp.where(info > -jnp.inf, info, jnp.nan).reshape(info.shape[0], -1)
    mean = jnp.mean(runs)
    # An unbiased estimate may come out below zero, where the bound is zero.
    positive = jnp.maximum(mean, 0.0)
    value, at = gap_at(lambda at: gap(at, positive), rate)
    if legacy:
        each = gap(at, jnp.maximum(runs, 0.0)).mean(1)
        value, error = mean_and_error(each)
    else:
        slope = jax.grad(lambda i: jnp.sum(gap(at, i)))(positive)
        spread = mean_and_error(runs.mean(1))[1]
        error = jnp.where(mean > 0, slope * spread, spread)
    return mean, value, at, error + moved_by(lambda at: gap(at, positive), rate, at, value)

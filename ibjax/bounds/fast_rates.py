"""Bounds from conditional mutual information and the training error: fast rates and relatives.

All take numbers, not replicas: the information may come from `supersample`, an enumeration or a
likelihood ratio. Values bound the gap, test error minus training error.
"""

import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric
from ibjax.bounds import checks, invert
from ibjax.interface import BoundValue, Estimate
from ibjax.typing import Array, Float, Int, JaxArray, Scalar

_FORMS = ("pair", "kl_half", "linear", "basic", "js")
_ASSUMPTIONS = ("supersample", "bounded_loss")


def steinke_zakynthinou(
    information: Float[Array, "*batch"] | float | Estimate, n: int, *, evaluated: bool = False
) -> BoundValue:
    """Bound the gap by the information of the weights about all mask bits.

    weights:   ``|gap| <= sqrt(2 I(W; U | supersample) / n)``
    evaluated: ``E |ghost loss - training loss| <= sqrt(2 (I(losses; U | supersample) + log 2)/n)``

    Args:
        information: in nats, at most n log 2 where it is exact.
        n: number of pairs.
        evaluated: bound the mean absolute difference from evaluated CMI instead.

    Raises:
        ValueError: negative information or n < 1.

    Reference:
        Steinke, Zakynthinou 2020, "Reasoning about generalization via conditional mutual
        information".
    """
    info, error, kind = checks.information(information)
    n = checks.whole("n", n)
    total = info + jnp.log(2.0).astype(info.dtype) if evaluated else info
    value = jnp.sqrt(2 * total / n)
    return checks.result(
        value,
        name="steinke_zakynthinou",
        kind=kind,
        limit=1.0,
        assumptions=_ASSUMPTIONS,
        information=info,
        std_error=checks.error_of_root(value, total, error),
    )


def fast_rate(
    train_error: Float[Array, "*batch"] | float,
    information: Float[Array, "*batch"] | float | Estimate,
    *,
    form: str = "pair",
    c: Scalar = 1.0,
) -> BoundValue:
    """Bound the gap from the mean information of a pair and the training error.

    pair:    ``invert.pair(l, I)``, the optimum over the basic family in closed form
    kl_half: ``invert.kl_half(l, I)``
    linear:  ``min c l + I/lam`` over ``lam (1 - c) + (e^lam - 1 - lam)(1 + c^2) <= 0``
    basic:   ``(1 + c) l + I/lam`` with ``e^lam + e^(-lam (1 + c)) = 2`` at the given c
    js:      ``invert.js(l, I)``, for single-loss information

    each less the training error l. "pair" is the tightest of the first four.

    Args:
        train_error: mean training error l in [0, 1].
        information: mean over pairs of the pair, difference or (for "js") single-loss
            information, in nats.
        form: one of the names above.
        c: the constant of "basic"; 1 gives 2 l + I/log((1 + sqrt 5)/2).

    Returns:
        The bound on the gap; vacuous where it puts the test error at 1 or above. NaN for the
        root "basic" does not have at c = 0.

    Raises:
        ValueError: rates outside [0, 1], negative information or c, unknown form.

    Reference:
        Wang, Mao 2023, "Tighter information-theoretic generalization bounds from supersamples";
        Hellstrom, Durisi 2022, "A new family of generalization bounds using samplewise evaluated
        CMI"; Dong et al. 2025 for "js". The optimum "pair" is derived here.
    """
    checks.choice("form", form, _FORMS)
    rate = checks.real("train_error", train_error, 0.0, 1.0)
    info, error, kind = checks.information(information)

    def gap(info: JaxArray) -> JaxArray:
        if form == "linear":
            return _linear(rate, info) - rate
        if form == "basic":
            factor = checks.real("c", c, 0.0)
            return factor * rate + info / _basic_rate(factor)
        return getattr(invert, form)(rate, info) - rate

    value = gap(info)
    # Concave in the information: the slope below is the larger one, so this errs upwards.
    below = jnp.maximum(info - error, 0.0)
    return checks.result(
        value,
        name=f"fast_rate_{form}",
        kind=kind,
        limit=1.0 - rate,
        assumptions=_ASSUMPTIONS,
        information=info,
        std_error=jnp.where(error == 0, 0.0, value - gap(below)),
    )


def interpolation(
    train_error: Float[Array, "*batch"] | float,
    information: Float[Array, "*batch"] | float | Estimate,
) -> BoundValue:
    """Test error of an interpolating learner from its loss-difference information.

    ``L = (1/n) sum_i I(L_i1 - L_i0; U_i) / log 2`` when every training loss is zero

    An equality for the unconditional information of 0-1 losses, an upper bound otherwise.

    Args:
        train_error: must be 0; elsewhere the value is NaN and the bound does not hold.
        information: mean over pairs, in nats.

    Reference:
        Wang, Mao 2023, as `fast_rate`.
    """
    rate = checks.real("train_error", train_error, 0.0, 1.0)
    info, error, kind = checks.information(information)
    value = jnp.where(rate == 0, info / jnp.log(2.0), jnp.nan).astype(info.dtype)
    return checks.result(
        value,
        name="interpolation",
        kind=kind,
        limit=1.0,
        assumptions=(*_ASSUMPTIONS, "interpolation"),
        information=info,
        std_error=error / np.log(2),
    )


def binary_js(
    train_error: Float[Array, "*batch"] | float,
    information: Float[Array, "*batch"] | float | Estimate,
) -> BoundValue:
    """Bound the gap by the binary Jensen-Shannon comparison of the two errors.

    ``h((l + L)/2) - h(l)/2 - h(L)/2 <= (1/n) sum_i I(L_ic; U_i)``, an equality for 0-1 losses

    Args:
        train_error: mean training error l.
        information: mean single-loss information, in nats.

    Reference:
        Dong et al. 2025, ICML (binary Jensen-Shannon bounds).
    """
    return fast_rate(train_error, information, form="js")


def leave_one_out(losses: Int[Array, "k1 n_plus_1 n_plus_1"]) -> BoundValue:
    """Bound the gap by what all losses tell about which of n + 1 points was held out.

    ``|gap| <= ((n + 1)/n) sqrt(I(l_1, ..., l_{n+1}; U | points) / 2)``

    The gap is ((n + 1)/n) (E l_U - E mean l): a loss at an independent index has the mean of the
    losses, and a [0, 1] loss is 1/2-sub-Gaussian. With one training a held-out index the loss
    vector is a function of U, and I is log(n + 1) less the mean log number of indices that share
    their vector: exact for a deterministic learner, biased up for a randomised one.

    Args:
        losses: 0-1 losses; ``losses[s, u, j]`` at point j of the learner trained without u.

    Returns:
        The mean over point sets; error over point sets.

    Raises:
        ValueError: not square, n < 1 or values other than 0 and 1.

    Reference:
        Haghifam, Moran, Roy, Dziugaite 2022, "Understanding generalization via leave-one-out
        conditional mutual information"; the constant re-derived.
    """
    losses = numeric("losses", losses)
    if losses.ndim != 3 or losses.shape[1] != losses.shape[2] or losses.shape[1] < 2:
        raise ValueError(f"losses has shape {losses.shape}; give (k1, n + 1, n + 1) with n >= 1")
    legal = (losses == 0) | (losses == 1)
    if checks.concrete(losses) and not np.asarray(legal).all():
        raise ValueError("losses holds other values than 0 and 1; give 0-1 losses")
    size = losses.shape[1]
    x = losses.astype(jnp.result_type(float))
    agreements = jnp.einsum("suj,svj->suv", x, x) + jnp.einsum("suj,svj->suv", 1 - x, 1 - x)
    shared = jnp.sum(agreements > size - 0.5, axis=-1)
    # The ratio inside the logarithm keeps a vector shared by all indices at exactly zero.
    info = jnp.mean(jnp.log(size / shared.astype(x.dtype)), axis=-1)
    info = jnp.where(jnp.all(legal, (1, 2)), info, jnp.nan)
    each = size / (size - 1) * jnp.sqrt(info / 2)
    k1 = losses.shape[0]
    error = jnp.std(each, ddof=1) / np.sqrt(k1) if k1 > 1 else jnp.nan
    return checks.result(
        jnp.mean(each),
        name="leave_one_out",
        kind="estimate",
        limit=1.0,
        assumptions=("iid", "bounded_loss", "plug_in"),
        information=jnp.mean(info),
        std_error=error,
        note="plug-in from one training an index: exact for a deterministic learner, else up",
    )


def _linear(rate: JaxArray, info: JaxArray) -> JaxArray:
    """Best member of the linear family on a grid of lam; every member is a bound."""
    lam = jnp.linspace(0.001, 0.3659, 400, dtype=jnp.result_type(rate, info))
    curve = jnp.expm1(lam) - lam
    c = (lam - jnp.sqrt(jnp.maximum(lam**2 - 4 * curve * jnp.expm1(lam), 0.0))) / (2 * curve)
    # The quadratic has real roots up to lam = 0.37; beyond, the family is empty.
    legal = lam * (1 - c) + curve * (1 + c**2) <= 1e-6 * lam
    members = c * rate[..., None] + info[..., None] / lam
    return jnp.min(jnp.where(legal, members, jnp.inf), axis=-1)


def _basic_rate(c: JaxArray) -> JaxArray:
    """The positive root of e^lam + e^(-lam (1 + c)) = 2, in (0, log 2)."""
    # The left side dips below 2 after 0; bisect between its minimum and log 2.
    low = jnp.log1p(c) / (2 + c)
    high = jnp.full_like(low, np.log(2))
    for _ in range(jnp.finfo(low.dtype).nmant + 2):
        middle = (low + high) / 2
        below = jnp.exp(middle) + jnp.exp(-middle * (1 + c)) <= 2
        low, high = jnp.where(below, middle, low), jnp.where(below, high, middle)
    return jnp.where(c > 0, low, jnp.nan)

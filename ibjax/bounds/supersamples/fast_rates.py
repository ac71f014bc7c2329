"""Bounds from conditional mutual information and the training error: fast rates and relatives.

Values bound the gap, test error minus training error. All take numbers, not replicas: the
information may come from `supersample`, an enumeration or a likelihood ratio, and what it is
decides what the bound is:

BoundValue:      pass what `ld_cmi` and its kind return, as it is; a certificate stays one, an
                 estimate an estimate, and premises and note are kept. The error is unknown (NaN),
                 since that of its value is not that of its information.
Estimate:        a certificate if it says that it is exact, bias "none" or "up"; else an estimate
                 with its error carried over. No spread in a sample is no knowledge.
number or array: an estimate of unknown error. Such information is nearly always measured, on the
                 labels of held-out members; to state one that is known, or bounded by theory,
                 give ``Estimate(value, std_error=0.0, bias="up", exact=True)``.

    fast_rate(train_error, ld_cmi(losses, masks))
"""

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert, outcome, root
from ibjax.bounds.kinds import with_error
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar

_FORMS = ("pair", "kl_half", "linear", "basic", "js")
_ASSUMPTIONS = ("supersample", "bounded_loss")

_Rate = Float[Array, "*batch"] | float | Estimate
_Information = Float[Array, "*batch"] | float | Estimate | BoundValue


@enforced
def steinke_zakynthinou(
    information: _Information, n: int, *, evaluated: bool = False, inversion: str = "sqrt"
) -> BoundValue:
    """Bound the gap by the information of the weights about all mask bits.

    weights:   ``|gap| <= sqrt(2 I(W; U | supersample) / n)``
    evaluated: ``E |ghost loss - training loss| <= sqrt(2 (I(losses; U | supersample) + log 2)/n)``
    phi:       either with ``phi^-1(x)`` in the place of ``sqrt(2 x)``; at most 1, never larger

    The terms (-1)^U_i (L_i1 - L_i0) of n independent fair bits have a mean whose cumulant
    generating function at t is at most n log cosh(t/n), one log 2 more for the absolute value;
    phi is the conjugate of log cosh.

    Args:
        information: about all bits together, in nats, at most n log 2 where it is exact.
        n: number of pairs.
        evaluated: bound the mean absolute difference from evaluated CMI instead.
        inversion: "sqrt" as published, or "phi".

    Raises:
        ValueError: negative information, n < 1, unknown inversion, or a record of information
            about single pairs or examples.

    Reference:
        Steinke, Zakynthinou 2020, "Reasoning about generalization via conditional mutual
        information". The phi form is derived here.
    """
    checks.choice("inversion", inversion, ("sqrt", "phi"))
    given = checks.information(information, "estimate", about=checks.subject_of(n, "pair"))
    info, error = given.value, given.error
    n = checks.whole("n", n)
    total = info + jnp.log(2.0).astype(info.dtype) if evaluated else info
    if inversion == "phi":
        value = invert.phi(total / n)
        # The slope below is the larger one, and not zero where the value has reached 1.
        spread = value - invert.phi(jnp.maximum(total - error, 0.0) / n)
        spread = jnp.where(error == 0, 0.0, spread)
    else:
        value = root.sub_gaussian(total, n=n)
        spread = root.error(value, total, error)
    return outcome.result(
        value,
        name="steinke_zakynthinou",
        inputs=(given,),
        limit=1.0,
        assumptions=_ASSUMPTIONS,
        information=given,
        std_error=spread,
    )


@enforced
def fast_rate(
    train_error: _Rate, information: _Information, *, form: str = "pair", c: Scalar = 1.0
) -> BoundValue:
    """Bound the gap from the mean information of a pair and the training error.

    pair:    ``invert.pair(l, I)``, the optimum over the basic family in closed form
    kl_half: ``invert.kl_half(l, I)``
    linear:  ``min c l + I/lam`` over ``lam (1 - c) + (e^lam - 1 - lam)(1 + c^2) <= 0``
    basic:   ``(1 + c) l + I/lam`` with ``e^lam + e^(-lam (1 + c)) = 2`` at the given c
    js:      ``invert.js(l, I)``, for single-loss information

    each less the training error l. "pair" is the tightest of the first four. For 0-1 losses "js"
    returns the gap itself from exact unconditional information, see `binary_js`.

    Args:
        train_error: mean training error l in [0, 1]. A number counts as known, that of the
            learner and not of one run; for a measured one give an `Estimate`, whose error enters.
            Of an exact upper limit (bias "up") the worst training error below it is taken: the
            gap is concave in l and need not rise.
        information: mean over pairs of the pair, difference or (for "js") single-loss
            information, in nats; best the `BoundValue` it comes with, ``ld_cmi(losses, masks)``.
        form: one of the names above.
        c: the constant of "basic"; 1 gives 2 l + I/log((1 + sqrt 5)/2).

    Returns:
        The bound on the gap; vacuous where it puts the test error at 1 or above. NaN for the
        root "basic" does not have at c = 0. Its error adds up those of both inputs, which may
        share their replicas; NaN where one is unknown. `ld_cmi` with inversion="pair" has a
        jackknife error for the same number.

    Raises:
        ValueError: rates outside [0, 1], negative information or c, unknown form; `single_loss`
            in a form other than "js".

    Reference:
        Wang, Mao 2023, "Tighter information-theoretic generalization bounds from supersamples";
        Hellstrom, Durisi 2022, "A new family of generalization bounds using samplewise evaluated
        CMI"; Dong, Guo, Gong, Wen, Li 2025, "Exactly tight information-theoretic generalization
        bounds via binary Jensen-Shannon divergence", for "js". The optimum "pair" is derived here.
    """
    checks.choice("form", form, _FORMS)
    given_rate = checks.rate("train_error", train_error)
    about = "loss" if form == "js" else "pair"
    given = checks.information(information, "estimate", about=about)

    def gap(rate: JaxArray, info: JaxArray) -> JaxArray:
        if form == "linear":
            return _linear(rate, info) - rate
        if form == "basic":
            factor = checks.real("c", c, 0.0)
            return factor * rate + info / _basic_rate(factor)
        return getattr(invert, form)(rate, info) - rate

    value, rate, spread = with_error(gap, given_rate, given)
    return outcome.result(
        value,
        name=f"fast_rate_{form}",
        inputs=(given, given_rate),
        limit=1.0 - rate,
        assumptions=_ASSUMPTIONS,
        information=given,
        std_error=spread,
    )


@enforced
def interpolation(train_error: _Rate, information: _Information) -> BoundValue:
    """Test error of an interpolating learner from its loss-difference information.

    ``L = (1/n) sum_i I(L_i1 - L_i0; U_i) / log 2`` when every training loss is zero

    An equality for the unconditional information of 0-1 losses where the columns are
    exchangeable (a symmetric learner), an upper bound otherwise.

    Args:
        train_error: must be 0; elsewhere the value is NaN and the bound does not hold.
        information: mean over pairs, in nats; best the `BoundValue` it comes with.

    Returns:
        The bound; its error is unknown (NaN) where that of the training error is not 0.

    Raises:
        ValueError: rates outside [0, 1], negative information; that of `single_loss`.

    Reference:
        Wang, Mao 2023, as `fast_rate`.
    """
    rate = checks.rate("train_error", train_error)
    given = checks.information(information, "estimate", about="pair")
    info = given.value
    value = jnp.where(rate.value == 0, info / jnp.log(2.0), jnp.nan).astype(info.dtype)
    return outcome.result(
        value,
        name="interpolation",
        inputs=(given, rate),
        limit=1.0,
        assumptions=(*_ASSUMPTIONS, "interpolation"),
        information=given,
        std_error=jnp.where(rate.error == 0, given.error / np.log(2), jnp.nan),
    )


@enforced
def binary_js(train_error: _Rate, information: _Information) -> BoundValue:
    """Bound the gap by the binary Jensen-Shannon comparison of the two errors.

    ``h((l + L)/2) - h(l)/2 - h(L)/2 <= (1/n) sum_i I(L_ic; U_i)``

    For 0-1 losses an equality for the unconditional information where the columns are
    exchangeable and the pairs alike (a symmetric learner, or all pairs pooled); information
    given the supersample is larger, and so is the mean over unlike pairs.

    Args:
        train_error: mean training error l.
        information: mean single-loss information, in nats; best the `BoundValue` it comes with.

    Reference:
        Dong, Guo, Gong, Wen, Li 2025, "Exactly tight information-theoretic generalization bounds
        via binary Jensen-Shannon divergence".
    """
    return fast_rate(train_error, information, form="js")


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

"""Path bounds from measured information that are certificates: limits instead of means.

Given the supersamples, masks are fair coins and seeds independent, so that replicas are independent
runs of bounded information, and their mean has an upper confidence limit without any premise about
the data. What is certified is the mean over masks and seeds given these supersamples.
"""

from dataclasses import replace

import jax.numpy as jnp

from ibjax import rounding
from ibjax.bounds import checks, invert, outcome
from ibjax.bounds.accounting import membership_certificate, per_example_information
from ibjax.bounds.evidence import limits
from ibjax.bounds.evidence.rows import account
from ibjax.bounds.kinds import gap_at
from ibjax.interface import BoundValue, Estimate, Moment
from ibjax.typing import JaxArray

HELPFUL = 80
"""Independent runs from about which on a limit can beat the bound known beforehand."""

_ROUNDED = 1e-5
"""More than the sums of a run err by in float32, relatively."""

_VANISHED, _NO_TERM = 1e-24, 1e-37
"""More than underflow takes from |D|^2 (1e8 squares below 1e-38, with room) and from a term."""


def _largest(moment: Moment) -> Estimate:
    """The most a run can tell about a slot, mean over slots: J is at most a quarter of k.

    Of every sequence of batches that can have been drawn, in the linear form: the sums of a run
    stay below no other.
    """
    return account(per_example_information, moment._replace(dim=None), shared_batches=True)


def _values(moment: Moment, cap: JaxArray) -> JaxArray:
    """Information of the runs in [0, cap], (R,): a diverged one counts with the cap.

    So do all of them under a clip whose square float32 does not hold.
    """
    each = jnp.asarray(moment.membership_information)
    gone = jnp.asarray(moment.diverged, bool)
    lost = cap * jnp.minimum(1.0, _VANISHED / jnp.asarray(moment.clip) ** 2)
    lost = jnp.minimum(cap, lost + _NO_TERM * jnp.size(moment.step_sizes))
    each = jnp.where(gone & jnp.isnan(each), cap, each * (1 + _ROUNDED) + lost)
    possible = (each >= 0) & (each - lost <= cap * (1 + 3 * _ROUNDED))
    return jnp.where(possible, jnp.minimum(each, cap), jnp.nan).reshape(-1)


def _certificate(moment: Moment, delta: float) -> BoundValue:
    cap = _largest(moment).value
    usable = jnp.isfinite(cap) & (cap > 0)
    # Nothing moved, nothing told: the limit of what is 0 for certain is 0.
    most = jnp.where(usable, cap, 1.0)
    values = jnp.where(cap == 0, 0.0, _values(moment, most))
    runs = limits.independent_runs(moment.mask)
    found = membership_certificate(values, most, delta, runs=runs)
    value = jnp.where(cap == 0, 0.0, found.value)
    held = found.holds & (usable | (cap == 0))
    return replace(found, value=jnp.where(held, value, jnp.nan), holds=held)


def _said(value: BoundValue) -> BoundValue:
    return replace(value, note="of the mean over masks and seeds given these supersamples")


def advised(value: BoundValue, moment: Moment) -> BoundValue:
    """The value with `remark`, where it is known now: after the premises, for one that holds."""
    if not checks.concrete(value.value, *moment):
        return value
    more = remark(value, facts(moment))
    return replace(value, note="; ".join(filter(None, (value.note, more))))


def facts(moment: Moment) -> tuple[JaxArray, JaxArray]:
    """What `remark` reads: the bound known beforehand, and the independent runs."""
    each = account(per_example_information, moment._replace(dim=None))
    return invert.envelope(each.value), limits.independent_runs(moment.mask)


def remark(value: BoundValue, known: tuple[JaxArray, JaxArray]) -> str:
    """That what was known beforehand is smaller than the value, where it is."""
    beforehand, runs = (float(x) for x in known)
    if not float(value.value) > beforehand:
        return ""
    few = f"about {HELPFUL} are needed" if runs < HELPFUL else "what they tell is too much"
    return (
        f"{runs:g} independent runs do not help, {few}: beforehand the gap was known to be at "
        f"most {rounding.up(beforehand, '.3g')}"
    )


def trajectory(moment: Moment) -> BoundValue:
    """``phi^-1(I_up)``, I_up the upper confidence limit of the mean path information."""
    found = _certificate(moment, 1 - limits.CONFIDENCE)
    return _said(found)


def trajectory_pair(moment: Moment) -> BoundValue:
    """Pair inversion at such limits on information and training error, half of delta each."""
    delta = (1 - limits.CONFIDENCE) / 2
    info, rate = _certificate(moment, delta), limits.given_train_error(moment, delta)
    error = checks.rate("train_error", rate)
    told = jnp.minimum(info.information, jnp.log(2.0))

    def gap(at: JaxArray) -> JaxArray:
        return invert.pair(at, told) - at

    value, at = gap_at(gap, error)
    found = outcome.result(
        value,
        name="trajectory_pair",
        kind=info.kind,
        inputs=(error,),
        limit=1 - at,
        assumptions=info.assumptions,
        information=info.information,
        about=info.about,
        holds=info.holds,
        confidence=info.confidence,
    )
    value = jnp.where(found.holds, found.value, jnp.nan)
    return _said(replace(found, value=value))


MEASURES = (trajectory, trajectory_pair)
"""The rows of this module."""

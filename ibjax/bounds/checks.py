"""Checks of arguments: what a bound is given, and the kind of number it supports."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.arguments import choice as choice
from ibjax.arguments import concrete as concrete
from ibjax.arguments import numeric
from ibjax.bounds.kinds import Given, weakest
from ibjax.bounds.subjects import check_subject
from ibjax.bounds.subjects import subject_of as subject_of
from ibjax.interface import BoundValue, Estimate
from ibjax.typing import BoundKind, JaxArray, Subject

# A count that fixes shapes and must be known at trace time; `whole` below lets traced ones pass.
static_whole = arguments.whole


def flags(name: str, value: Any) -> JaxArray:
    """Booleans, from themselves or from 0 and 1.

    Raises:
        ValueError: any other value that is known now, NaN among them, which counts as true.
    """
    array = numeric(name, value)
    if array.dtype != bool and concrete(array):
        held = np.asarray(array)
        if (wrong := ~np.isin(held, (0, 1))).any():
            raise ValueError(
                f"{name} holds {held[wrong].flat[0]:g}; give True and False, or 1 and 0"
            )
    return array.astype(bool)


def real(
    name: str,
    value: Any,
    low: float | None = None,
    high: float | None = None,
    *,
    open_low: bool = False,
) -> JaxArray:
    """A floating array in its own precision, entries outside [low, high] refused.

    NaN marks a missing input and passes through. A traced entry outside the range becomes NaN.

    Raises:
        ValueError: if a concrete entry lies outside the range.
    """
    array = numeric(name, value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(jnp.result_type(float))
    if low is None and high is None:
        return array
    # A number known now is looked at on the host: inside a trace its comparisons are traced.
    held = np.asarray(array) if concrete(array) else array
    bad = False
    if low is not None:
        bad = (held <= low) if open_low else (held < low)
    if high is not None:
        bad = bad | (held > high)
    if isinstance(held, np.ndarray):
        wrong = np.asarray(bad)
        if wrong.any():
            left = "(" if open_low or low is None else "["
            raise ValueError(
                f"{name} holds {held[wrong].flat[0]:g}; give numbers in "
                f"{left}{'-inf' if low is None else low}, {'inf' if high is None else high}]"
            )
        return array
    return jnp.where(bad, jnp.nan, array)


def whole(name: str, value: Any, low: int = 1) -> Any:
    """A count of at least `low`; a traced or real-valued count passes as a number."""
    if not concrete(value):
        return real(name, value, low)
    array = arguments.host(name, value)
    if array.ndim:
        raise ValueError(f"{name} has shape {array.shape}; give one whole number of at least {low}")
    number = float(array)
    if np.isnan(number):
        return jnp.nan
    if number < low or number != int(number):
        raise ValueError(f"{name}={value!r} must be a whole number of at least {low}")
    return int(number)


def schedule(step_sizes: Any, noise_stds: Any, least: int = 0) -> tuple[JaxArray, JaxArray]:
    """Step sizes and noise of at least so many steps, (T,) each.

    Raises:
        ValueError: for other shapes, or negative numbers.
    """
    steps, noise = real("step_sizes", step_sizes, 0.0), real("noise_stds", noise_stds, 0.0)
    if steps.ndim != 1 or noise.shape != steps.shape or len(steps) < least:
        raise ValueError(
            f"step_sizes has shape {steps.shape} and noise_stds {noise.shape}; "
            "give one of each a step: (T,)"
        )
    return steps, noise


def failure(name: str, value: Any) -> JaxArray:
    """One probability with which a limit may fail, in (0, 1]."""
    return scalar(name, real(name, value, 0.0, 1.0, open_low=True))


def inside(name: str, value: float) -> float:
    """One number strictly between 0 and 1.

    Raises:
        ValueError: for any other.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name}={value} must lie strictly between 0 and 1")
    return value


def scalar(name: str, value: Any, low: float | None = None, *, open_low: bool = False) -> JaxArray:
    """One real number.

    Raises:
        ValueError: for an array of several, or a number outside the range.
    """
    array = real(name, value, low, open_low=open_low)
    if array.ndim:
        raise ValueError(f"{name} has shape {array.shape}; give one number")
    return array


def information(
    value: Any,
    plain: BoundKind = "certificate",
    name: str = "information",
    *,
    about: Subject | None,
    candidates: int = 2,
) -> Given:
    """Nonnegative information, its standard error, and the kind of bound it can support.

    An `Estimate` supports a certificate only if it says that it is exact, of bias "none" or "up";
    a sample without spread does not make it so. A `BoundValue` stands for the information it was
    computed from and passes on its kind and confidence: what is no certificate has an unknown
    error (that of its value is another one) and may lie below zero, where it is taken as zero;
    NaN where it does not hold. The divergence of one trained posterior, however exact, is a single
    draw of the mean over samples that all theorems but those about one sample take: an estimate.

    Args:
        value: a number or array, an `Estimate` or a `BoundValue`.
        plain: what a number or array alone supports: "certificate" counts it as known, error 0;
            "estimate" as measured, error NaN.
        name: of the argument, for messages.
        about: what the theorem takes the information of; records about less are refused, and a
            number is taken for that. None for a theorem about any divergence.
        candidates: those of its slots.

    Raises:
        ValueError: for negative numbers, and records about something else.
    """
    subject: Subject = about or "other"
    if isinstance(value, Estimate | BoundValue):
        if about is not None:
            check_subject(name, value, about, candidates)
        subject = value.about or subject
        candidates = value.candidates if value.about else candidates
    if isinstance(value, BoundValue):
        array = real(f"{name}.information", value.information)
        array = jnp.where(value.holds, jnp.maximum(array, 0.0), jnp.nan)
        given = Given(
            array,
            _flat_error(array, value.kind),
            value.kind,
            value.confidence,
            assumptions=value.assumptions,
            note=value.note,
        )
    else:
        given = quantity(name, value, plain=plain)
    if subject == "posterior" != about:
        error = jnp.where(given.error == 0, jnp.nan, given.error)
        given = given._replace(kind=weakest(given.kind, "estimate"), error=error)
    return given._replace(about=subject, candidates=candidates)


def quantity(
    name: str,
    value: Any,
    low: float | None = 0.0,
    high: float | None = None,
    *,
    plain: BoundKind = "certificate",
    biases: tuple[str, ...] = ("none", "up"),
) -> Given:
    """A number that a bound grows with, its standard error and the kind of bound it supports.

    Distances, variations, losses and whatever else is no information; see `information`.

    Args:
        name: of the argument, for messages.
        value: a number or array, or an `Estimate`.
        low: smallest value allowed.
        high: largest value allowed.
        plain: what a number or array alone supports.
        biases: those of an exact `Estimate` that support a certificate.

    Raises:
        ValueError: for a value out of range, or a `BoundValue`, which bounds a gap.
    """
    if isinstance(value, BoundValue):
        raise ValueError(
            f"{name} is a BoundValue ({value.name}), a bound on the gap; give a number or an "
            "Estimate of the quantity itself"
        )
    if not isinstance(value, Estimate):
        array = real(name, value, low, high)
        return Given(array, _flat_error(array, plain), plain)
    array = real(f"{name}.value", value.value)
    array = real(f"{name}.value", jnp.where(value.ok, array, jnp.nan), low, high)
    error = jnp.broadcast_to(jnp.asarray(value.std_error, array.dtype), array.shape)
    if value.exact:
        error = jnp.where(jnp.isnan(error), 0.0, error)
    known = value.exact and value.bias in biases
    limit = known and value.bias == "up"
    return Given(array, error, "certificate" if known else "estimate", value.confidence, limit)


def rate(name: str, value: Any) -> Given:
    """A mean loss in [0, 1], its standard error, and the kind of bound it can support.

    A number or array alone counts as known. An `Estimate` supports a certificate only if it is
    exact: the rate itself (bias "none") or a proved upper limit on it (bias "up"), of which
    `gap_at` makes what is true for every rate below.
    """
    return quantity(name, value, 0.0, 1.0)


def _flat_error(array: JaxArray, kind: BoundKind) -> JaxArray:
    return jnp.full_like(array, 0.0 if kind == "certificate" else jnp.nan)

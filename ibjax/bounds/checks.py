"""Checks of arguments, and the one place where a `BoundValue` is put together."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ibjax import arguments
from ibjax.arguments import numeric
from ibjax.interface import BoundValue, Estimate
from ibjax.typing import BoundKind, JaxArray

# A count that fixes shapes and must be known at trace time; `whole` below lets traced ones pass.
static_whole = arguments.whole


def concrete(*arrays: Any) -> bool:
    """Whether every array holds numbers now, so that its values can be checked."""
    return not any(isinstance(array, Tracer) for array in arrays)


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
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"{name} has dtype {array.dtype}; give real numbers")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(jnp.result_type(float))
    if low is None and high is None:
        return array
    bad = jnp.zeros(array.shape, bool)
    if low is not None:
        bad |= (array <= low) if open_low else (array < low)
    if high is not None:
        bad |= array > high
    # Within a trace even comparisons of known numbers are traced.
    if concrete(array, bad):
        host, wrong = np.asarray(array), np.asarray(bad)
        if wrong.any():
            left = "(" if open_low or low is None else "["
            raise ValueError(
                f"{name} holds {host[wrong].flat[0]:g}; give numbers in "
                f"{left}{'-inf' if low is None else low}, {'inf' if high is None else high}]"
            )
    return jnp.where(bad, jnp.nan, array)


def whole(name: str, value: Any, low: int = 1) -> Any:
    """A count of at least `low`; a traced or real-valued count passes as a number."""
    if not concrete(value):
        return real(name, value, low)
    array = arguments.host(name, value)
    number = float(array) if array.ndim == 0 else np.nan
    if np.isnan(number) and np.ndim(value) == 0:
        return jnp.nan
    if number < low or number != int(number):
        raise ValueError(f"{name}={value!r} must be a whole number of at least {low}")
    return int(number)


def scalar(name: str, value: Any, low: float | None = None, *, open_low: bool = False) -> JaxArray:
    """One real number.

    Raises:
        ValueError: for an array of several, or a number outside the range.
    """
    array = real(name, value, low, open_low=open_low)
    if array.ndim:
        raise ValueError(f"{name} has shape {array.shape}; give one number")
    return array


def choice(name: str, value: Any, options: tuple[Any, ...]) -> None:
    """Refuse a name that is not one of the options."""
    if value not in options:
        raise ValueError(f"{name}={value!r} is unknown; choose one of {options}")


def information(
    value: Any, plain: BoundKind = "certificate"
) -> tuple[JaxArray, JaxArray, BoundKind]:
    """Nonnegative information, its standard error, and the kind of bound it can support.

    An `Estimate` supports a certificate only if it is exact or an upper bound (bias "none" or
    "up") with standard error zero. A `BoundValue` stands for the information it was computed
    from and passes on its kind: what is no certificate has an unknown error (that of its value
    is another one) and may lie below zero, where it is taken as zero; NaN where it does not hold.

    Args:
        value: a number or array, an `Estimate` or a `BoundValue`.
        plain: what a number or array alone supports: "certificate" counts it as known, error 0;
            "estimate" as measured, error NaN.
    """
    if isinstance(value, BoundValue):
        array = real("information.information", value.information)
        array = jnp.where(value.holds, jnp.maximum(array, 0.0), jnp.nan)
        return array, _flat_error(array, value.kind), value.kind
    if not isinstance(value, Estimate):
        array = real("information", value, 0.0)
        return array, _flat_error(array, plain), plain
    return _estimate("information", value, ("none", "up"))


def rate(name: str, value: Any) -> tuple[JaxArray, JaxArray, BoundKind]:
    """A mean loss in [0, 1], its standard error, and the kind of bound it can support.

    A number or array alone counts as known. An `Estimate` supports a certificate only if it is
    exact: bias "none" and standard error zero.
    """
    if isinstance(value, Estimate):
        return _estimate(name, value, ("none",), 1.0)
    array = real(name, value, 0.0, 1.0)
    return array, jnp.zeros_like(array), "certificate"


def _flat_error(array: JaxArray, kind: BoundKind) -> JaxArray:
    return jnp.full_like(array, 0.0 if kind == "certificate" else jnp.nan)


def _estimate(
    name: str, estimate: Estimate, biases: tuple[str, ...], high: float | None = None
) -> tuple[JaxArray, JaxArray, BoundKind]:
    array = real(f"{name}.value", estimate.value, 0.0, high)
    array = jnp.where(estimate.ok, array, jnp.nan)
    error = jnp.asarray(estimate.std_error, array.dtype)
    known = concrete(error) and not np.asarray(error).any()
    kind: BoundKind = "certificate" if known and estimate.bias in biases else "estimate"
    return array, error, kind


def weakest(*kinds: BoundKind) -> BoundKind:
    """The weakest of the kinds: what follows from several numbers is no better than any."""
    return max(kinds, key=("certificate", "estimate", "diagnostic").index)


def inherited(value: Any, *premises: str) -> tuple[tuple[str, ...], str]:
    """The premises together with those of a `BoundValue` that is used, and its note."""
    if not isinstance(value, BoundValue):
        return premises, ""
    return tuple(dict.fromkeys((*premises, *value.assumptions))), value.note


def result(
    value: JaxArray,
    *,
    name: str,
    kind: BoundKind,
    limit: Any,
    assumptions: tuple[str, ...],
    information: Any = None,
    std_error: Any = 0.0,
    holds: Any = True,
    note: str = "",
) -> BoundValue:
    """A `BoundValue`; vacuous from `limit` on, and not holding where it is NaN."""
    dtype = value.dtype
    info = jnp.full(value.shape, jnp.nan, dtype) if information is None else information
    return BoundValue(
        value=value,
        information=jnp.asarray(info, dtype),
        std_error=jnp.broadcast_to(jnp.asarray(std_error, dtype), value.shape),
        # Inversions with a pole at 1 end one rounding below it.
        vacuous=value >= limit * (1 - 8 * jnp.finfo(dtype).eps),
        holds=jnp.asarray(holds) & ~jnp.isnan(value),
        name=name,
        kind=kind,
        assumptions=assumptions,
        note=note,
    )


def scaled_error(slope: Any, error: Any) -> JaxArray:
    """|slope| times the standard error; 0 where the error is 0, though the slope be infinite."""
    error = jnp.asarray(error)
    return jnp.where(error == 0, 0.0, jnp.abs(slope) * jnp.where(error == 0, 1.0, error))


def error_of_root(value: Any, information: Any, error: Any) -> JaxArray:
    """Delta-method standard error of c sqrt(I): value / (2 I) times the error of I."""
    safe = jnp.where(information > 0, information, 1.0)
    return scaled_error(jnp.where(information > 0, value / (2 * safe), jnp.inf), error)

"""The one place where a `BoundValue` is put together."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ibjax.bounds.kinds import Given, fitted, together, weakest
from ibjax.interface import BoundValue
from ibjax.typing import BoundKind, JaxArray, Subject


def result(
    value: JaxArray,
    *,
    name: str,
    limit: Any,
    assumptions: tuple[str, ...],
    kind: BoundKind | None = None,
    inputs: Sequence[Given] = (),
    information: Given | Any = None,
    about: Subject = "",
    candidates: int = 2,
    std_error: Any = 0.0,
    holds: Any = True,
    note: str = "",
    confidence: Any = 1.0,
) -> BoundValue:
    """A `BoundValue`; vacuous from `limit` on, and not holding where it is NaN.

    Kind and confidence are those that `kind`, `confidence` and all `inputs` leave: the weakest
    kind, and the failure probabilities added up. Premises and notes of bounds among the inputs
    are kept. So is what the information is about, where it is what `information` gave; of a number
    `about` has to say it.

    Raises:
        ValueError: if neither `kind` nor `inputs` say what the value may claim, or nothing what
            the information is about.
    """
    if kind is None and not inputs:
        raise ValueError(f"kind=None for {name} without inputs; state the kind")
    if isinstance(information, Given):
        about, candidates = about or information.about, information.candidates
        information = information.value
    if information is None:
        about = "other"
    elif not about:
        raise ValueError(f"about={about!r} for {name}: state what its information is about")
    dtype = value.dtype
    for given in inputs:
        assumptions = tuple(dict.fromkeys((*assumptions, *given.assumptions)))
        note = note or given.note
    kinds: list[BoundKind] = [kind or "certificate", *(i.kind for i in inputs)]
    confidences = (fitted(c, value.shape) for c in (confidence, *(i.confidence for i in inputs)))
    info = jnp.full(value.shape, jnp.nan, dtype) if information is None else information
    return BoundValue(
        value=value,
        information=jnp.asarray(info, dtype),
        std_error=jnp.broadcast_to(jnp.asarray(std_error, dtype), value.shape),
        vacuous=reaches(value, limit),
        holds=jnp.asarray(holds) & ~jnp.isnan(value),
        name=name,
        kind=weakest(*kinds),
        assumptions=assumptions,
        note=note,
        confidence=together(*confidences).astype(dtype),
        about=about,
        candidates=candidates,
    )


def reaches(value: JaxArray, limit: Any) -> JaxArray:
    """Whether a bound is at its limit; inversions with a pole at 1 end one rounding below it."""
    return value >= limit * (1 - 8 * jnp.finfo(value.dtype).eps)


def scaled_error(slope: Any, error: Any) -> JaxArray:
    """|slope| times the standard error; 0 where the error is 0, though the slope be infinite."""
    error = jnp.asarray(error)
    return jnp.where(error == 0, 0.0, jnp.abs(slope) * jnp.where(error == 0, 1.0, error))

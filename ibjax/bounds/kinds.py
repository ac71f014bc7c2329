"""The algebra of kinds: what a bound may claim, given what its inputs are.

A bound is a certificate if every input is known or proved, at a confidence that loses what each
input may fail by. Nothing here makes a kind better, and all but the numbers is static: a kind is
the same under `jit`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.interface import BoundValue, Estimate
from ibjax.typing import BiasDirection, BoundKind, JaxArray, Subject

_GOLDEN = 0.6180339887498949
_STEPS = 60


class Given(NamedTuple):
    """One input of a bound as a number, with what it lets the bound claim.

    Attributes:
        value: the number; NaN where it must not be used.
        error: its standard error; 0 where it is known, NaN where the error is not.
        kind: the kind of bound it supports.
        confidence: probability with which it is what it says; 1 for what is not left to chance.
        limit: whether it is a proved upper limit rather than the quantity itself.
        assumptions: premises of the bound it was taken from.
        note: the note of that bound.
        about: what it is the information about, as in `Estimate`; "" for what is none.
        candidates: as in `Estimate`.
    """

    value: JaxArray
    error: JaxArray
    kind: BoundKind
    confidence: Any = 1.0
    limit: bool = False
    assumptions: tuple[str, ...] = ()
    note: str = ""
    about: Subject = ""
    candidates: int = 2


def weakest(*kinds: BoundKind) -> BoundKind:
    """The weakest of the kinds: what follows from several numbers is no better than any."""
    return max(kinds, key=("certificate", "estimate", "diagnostic").index)


def together(*confidences: Any) -> JaxArray:
    """Probability with which several statements hold at once: their failures add up."""
    return jnp.maximum(1 - sum(1 - jnp.asarray(c) for c in confidences), 0.0)


def bare_or_estimate(
    value: JaxArray, error: JaxArray, name: str, bare: bool, inputs: Sequence[Given]
) -> Any:
    """A number that is no bound: bare if its inputs were, else an `Estimate` of their kind.

    Args:
        value: an upper bound that follows from the inputs.
        error: its standard error.
        name: of the function.
        bare: whether all inputs were numbers, which are the caller's claim.
        inputs: what it was computed from.
    """
    if bare:
        return value
    kinds: list[BoundKind] = [i.kind for i in inputs]
    return Estimate(
        value,
        jnp.broadcast_to(error, value.shape),
        ~jnp.isnan(value),
        "up",
        name,
        "an input is missing or must not be used",
        weakest(*kinds) == "certificate",
        together(*(fitted(i.confidence, value.shape) for i in inputs)),
        about="other",
    )


def proved(
    value: JaxArray,
    name: str,
    about: Subject,
    reason: str = "",
    *,
    bias: BiasDirection = "up",
    confidence: Any = 1.0,
    candidates: int = 2,
) -> Estimate:
    """An `Estimate` that is proved, without an error; not ok where it is not finite.

    Args:
        value: the quantity, or a bound on it.
        name: of the function.
        about: what it is the information about.
        reason: why it may not be finite.
        bias: "none" for the quantity itself, "up" or "down" for a bound on it.
        confidence: probability with which a bound holds.
        candidates: as in `Estimate`.
    """
    return Estimate(
        value,
        jnp.zeros_like(value),
        jnp.isfinite(value),
        bias,
        name,
        reason,
        exact=True,
        confidence=jnp.asarray(confidence),
        about=about,
        candidates=candidates,
    )


def is_bare(*values: Any) -> bool:
    """Whether all are plain numbers or arrays, with no kind of their own."""
    return not any(isinstance(v, (Estimate, BoundValue)) for v in values)


def fitted(confidence: Any, shape: tuple[int, ...]) -> JaxArray:
    """The confidence with the shape of a value; that of several examples in one value adds up."""
    array = jnp.asarray(confidence)
    while array.ndim > len(shape):
        array = together(*jnp.moveaxis(array, -1, 0))
    return jnp.broadcast_to(array, shape)


def gap_at(gap: Callable[[JaxArray], JaxArray], given: Given) -> tuple[JaxArray, JaxArray]:
    """A gap that is concave in the training error at that error, or its largest up to a limit.

    A bound kl^{-1}(l, I) - l rises in l only up to some l*: where no more is known than l <= u,
    its largest value on [0, u] is the certificate, that at min(u, l*). The search is by golden
    section; l* does not move to first order, so gradients need none of it.

    Args:
        gap: from the training error to the bound on the gap.
        given: the training error.

    Returns:
        The gap and the training error at which it was taken.
    """
    if not given.limit:
        return gap(given.value), given.value
    shape = jnp.shape(gap(given.value))
    most = jnp.broadcast_to(given.value, shape)

    def narrow(_, bracket):
        left, right = bracket
        width = _GOLDEN * (right - left)
        inner, outer = right - width, left + width
        higher = gap(inner) >= gap(outer)
        return jnp.where(higher, left, inner), jnp.where(higher, outer, right)

    ends = jnp.zeros_like(most), jax.lax.stop_gradient(most)
    left, right = jax.lax.fori_loop(0, _STEPS, narrow, ends)
    middle = jax.lax.stop_gradient((left + right) / 2)
    inside, at_most = gap(middle), gap(most)
    return jnp.maximum(inside, at_most), jnp.where(inside > at_most, middle, most)


def with_error(
    gap: Callable[[JaxArray, JaxArray], JaxArray], rate: Given, info: Given
) -> tuple[JaxArray, JaxArray, JaxArray]:
    """A gap from training error and information, with its standard error.

    Args:
        gap: of both, concave in each.
        rate: the training error, or a limit on it; see `gap_at`.
        info: the information.

    Returns:
        The gap, the training error at which it was taken, and the error: those of both inputs
        added up, since they may share their replicas.
    """
    value, at = gap_at(lambda at: gap(at, info.value), rate)
    # Concave in the information: the slope below is the larger one, so this errs upwards.
    below = gap(at, jnp.maximum(info.value - info.error, 0.0))
    spread = jnp.where(info.error == 0, 0.0, value - below)
    return value, at, spread + moved_by(lambda at: gap(at, info.value), rate, at, value)


def moved_by(
    gap: Callable[[JaxArray], JaxArray], rate: Given, at: JaxArray, value: JaxArray
) -> JaxArray:
    """How far the error of the training error can move a gap.

    The gap may rise or fall in it, and be infinitely steep at 0: the larger of both changes.
    """
    if rate.kind == "certificate":
        return jnp.zeros_like(value)
    ends = (jnp.maximum(at - rate.error, 0.0), jnp.minimum(at + rate.error, 1.0))
    moved = jnp.maximum(*(jnp.abs(gap(end) - value) for end in ends))
    return jnp.where(rate.error == 0, 0.0, moved)

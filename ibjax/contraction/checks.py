"""Checks of arguments, and the one place where a `Contraction` is put together."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete as concrete
from ibjax.arguments import numeric
from ibjax.interface import Contraction
from ibjax.typing import CoefficientKind, Divergence, JaxArray, Scope


def real(name: str, value: Any, low: float, high: float, *, open_low: bool = False) -> JaxArray:
    """A floating array in its own precision; entries outside the range, or NaN, are refused.

    Traced entries outside the range become NaN.

    Raises:
        ValueError: if a concrete entry lies outside the range.
    """
    array = numeric(name, value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(jnp.result_type(float))
    # Numbers known now are looked at on the host, where no comparison is a program of XLA.
    held = np.asarray(array) if concrete(array) else array
    bad = ~((held > low) if open_low else (held >= low)) | ~(held <= high)
    if isinstance(held, np.ndarray):
        wrong = np.asarray(bad)
        if wrong.any():
            raise ValueError(
                f"{name} holds {held[wrong].flat[0]:g}; give numbers in "
                f"{'(' if open_low else '['}{low:g}, {high:g}]"
            )
        return array
    return jnp.where(bad, jnp.nan, array)


def law(name: str, value: Any, ndim: int) -> JaxArray:
    """Probabilities whose last axis sums to one, normalised to rounding.

    Raises:
        ValueError: for another number of axes, negative entries or sums away from one.
    """
    array = real(name, value, 0.0, jnp.inf)
    if array.ndim != ndim or 0 in array.shape:
        shape = "(k, m): one row an input" if ndim == 2 else "(k,)"
        raise ValueError(f"{name} has shape {array.shape}; give {shape}")
    total, off, law = _normalised(array)
    if concrete(array) and np.asarray(off).any():
        found = np.asarray(total)[np.asarray(off)].flat[0]
        raise ValueError(f"{name} sums to {found:g} over its last axis; normalise it to one")
    return law


@jax.jit
def _normalised(array: JaxArray) -> tuple[JaxArray, JaxArray, JaxArray]:
    """Sums, which of them are not one, and what is divided by them; NaN where they are not."""
    total = jnp.sum(array, axis=-1, keepdims=True)
    off = ~(jnp.abs(total - 1) < 1e-4)
    return total, off, jnp.where(off, jnp.nan, array / total)


def log1mexp(x: JaxArray) -> JaxArray:
    """log(1 - e^x) for x <= 0, without cancellation; -inf at 0, gradient 0 at both ends."""
    inside = (x < 0) & (x > -jnp.inf)
    safe = jnp.where(inside, x, -1.0)
    near = safe > -0.6931471805599453
    close = jnp.log(-jnp.expm1(jnp.where(near, safe, -0.5)))
    far = jnp.log1p(-jnp.exp(jnp.where(near, -1.0, safe)))
    ends = jnp.where(jnp.isnan(x), jnp.nan, jnp.where(x < 0, 0.0, -jnp.inf))
    return jnp.where(inside, jnp.where(near, close, far), ends)


def log(x: JaxArray) -> JaxArray:
    """Logarithm that is -inf at 0 with gradient 0."""
    safe = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, jnp.log(safe), jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf))


def log_value(coefficient: Contraction) -> JaxArray:
    """log(eta), accurate where eta rounds to 1 and where it is tiny."""
    value = jnp.asarray(coefficient.value)
    near = log1mexp(jnp.where(value > 0.5, jnp.asarray(coefficient.log1m), -1.0))
    return jnp.where(value > 0.5, near, log(jnp.where(value > 0.5, 1.0, value)))


def from_log1m(
    log1m: JaxArray,
    reason: str,
    kind: CoefficientKind = "exact",
    scope: Scope = "channel",
    divergence: Divergence = "kl",
) -> Contraction:
    """The coefficient with this log(1 - eta)."""
    return Contraction(-jnp.expm1(log1m), log1m, kind, scope, reason, divergence)


def from_value(
    value: JaxArray,
    remainder: JaxArray,
    reason: str,
    kind: CoefficientKind = "exact",
    scope: Scope = "channel",
    divergence: Divergence = "kl",
) -> Contraction:
    """The coefficient with this eta and this 1 - eta, each computed without cancellation."""
    return Contraction(value, log(remainder), kind, scope, reason, divergence)

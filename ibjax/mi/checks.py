"""Checks of samples that every estimator shares, and the units they are measured in."""

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete as concrete
from ibjax.arguments import floating as floating
from ibjax.arguments import grain, host, numeric, precision
from ibjax.interface import Estimate
from ibjax.typing import Array, BiasDirection, JaxArray

Scale = Literal["standardise"] | None
"""How coordinates are measured: each in its own standard deviation, or as they are given."""


class Pair(NamedTuple):
    """Two sets of samples of one length.

    Attributes:
        x: (n, dx): NumPy in float64 where the values are known now, else traced.
        y: (n, dy), likewise.
        dtype: floating type of an estimate of them.
        sound: whether all values are finite; may be traced.
    """

    x: Array
    y: Array
    dtype: Any
    sound: JaxArray

    def on_device(self) -> tuple[JaxArray, JaxArray]:
        """Both in the precision of the result."""
        return jnp.asarray(self.x, self.dtype), jnp.asarray(self.y, self.dtype)


def samples(name: str, value: Any, scale: Scale = None) -> Array:
    """Samples as a floating (n, d) array, in float64 on the host where they are known now.

    An offset that would cost digits in a later cast is taken off: no information depends on it.

    Raises:
        ValueError: for other shapes, fewer than two samples, or values that are not finite.
    """
    if scale not in ("standardise", None):
        raise ValueError(f"scale={scale!r} is unknown; give 'standardise' or None")
    known = concrete(value)
    array = host(name, value) if known else numeric(name, value)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] < 1:
        raise ValueError(f"{name} has shape {array.shape}; give (n,) or (n, d)")
    if array.shape[0] < 2:
        raise ValueError(f"{name} holds {array.shape[0]} samples; give at least 2")
    if not known:
        array = jnp.asarray(array, precision(array))
        return _in_units(array, jnp.min(array, 0), jnp.max(array, 0), jnp) if scale else array
    array = _exactly(np.asarray(array))
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values; remove those samples")
    low, high = np.quantile(array, [0.1, 0.9], axis=0)
    return _in_units(array, low, high, np) if scale else array - np.clip(0.0, low, high)


def pair(x: Any, y: Any, scale: Scale = None) -> Pair:
    """Two sets of samples of one length, as `samples` makes them.

    Raises:
        ValueError: as `samples`, and for different lengths.
    """
    a, b = samples("x", x, scale), samples("y", y, scale)
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"x has {a.shape[0]} samples but y {b.shape[0]}; pair them up")
    return Pair(a, b, precision(x, y), sound(a, b))


def sound(*arrays: Array) -> JaxArray:
    """Whether all values are finite, traced where one of the arrays is."""
    traced = [jnp.all(jnp.isfinite(v)) for v in arrays if not concrete(v)]
    return jnp.all(jnp.stack(traced)) if traced else jnp.array(True)


def estimate(
    found: tuple[Any, Any, Any],
    dtype: Any,
    sound: JaxArray,
    bias: BiasDirection,
    name: str,
    reason: str,
) -> Estimate:
    """An estimate from its value, error and flag; NaN and not ok where an input was not finite."""
    value, error = (jnp.where(sound, jnp.asarray(v, dtype), jnp.nan) for v in found[:2])
    ok = jnp.asarray(found[2]) & sound & jnp.isfinite(value)
    return Estimate(value, error, ok, bias, name, f"{reason}, or values that are not finite")


def blur(value: Any, scaled: Array) -> Any:
    """How far rounding may move a distance between samples of `scaled`, made from a value given.

    Samples rounded to a grid have many neighbours at one distance, and the last digits of these
    distances differ: less than this apart they are equal.
    """
    known = concrete(value, scaled)
    xp, raw = (np, host("x", value).astype(float)) if known else (jnp, jnp.asarray(value))
    raw = xp.reshape(raw, (raw.shape[0], -1)).astype(scaled.dtype)
    reach, spread = xp.max(xp.abs(raw), axis=0), xp.max(raw, axis=0) - xp.min(raw, axis=0)
    width = xp.max(scaled, axis=0) - xp.min(scaled, axis=0)
    varies = (spread > 0) & (width > 0)
    unit = xp.where(varies, width / xp.where(varies, spread, 1.0), 0.0)
    own = grain(scaled) * (4 * xp.max(xp.abs(scaled)) + xp.max(unit * reach))
    return own + grain(value) * xp.max(unit * reach)


def missing() -> tuple[Any, Any, Any]:
    """No value, no error, not ok."""
    return jnp.nan, jnp.nan, False


def _exactly(array: np.ndarray) -> np.ndarray:
    """In float64; whole numbers too large for it less the least of their column."""
    if array.dtype.kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > 2**53:
        wrapped = array.astype(np.uint64)  # differences are right modulo 2^64
        return (wrapped - array.min(axis=0).astype(np.uint64)).astype(float)
    return array.astype(float)


def _in_units(array: Any, low: Any, high: Any, xp: Any) -> Any:
    """Each column in its standard deviation; constant ones become zero."""
    array = array - xp.clip(xp.zeros_like(low), low, high)
    largest = xp.max(xp.abs(array), axis=0)
    array = array / xp.where(largest > 0, largest, 1.0)  # squares neither overflow nor vanish
    constant = xp.max(array, axis=0) == xp.min(array, axis=0)
    spread = xp.std(array, axis=0)
    return xp.where(constant, 0.0, array / xp.where(constant | (spread == 0), 1.0, spread))

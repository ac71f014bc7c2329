"""Refusals every package shares: what is no number, and what is no whole number."""

import operator
from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.typing import JaxArray


def numeric(name: str, value: Any) -> JaxArray:
    """An argument as an array.

    Raises:
        ValueError: if it does not hold numbers.
    """
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={_short(value)} holds no numbers; give an array") from None


def host(name: str, value: Any) -> np.ndarray:
    """An argument that is known now, for a look at its values; it stays out of any trace.

    Raises:
        ValueError: if it does not hold numbers.
    """
    array = np.asarray(value)
    if array.dtype.kind in "OUSMm":
        raise ValueError(f"{name}={_short(value)} holds no numbers; give an array")
    return array


def whole(name: str, value: Any, low: int = 1) -> int:
    """An argument that counts something, at least `low`.

    Raises:
        ValueError: if it is no whole number, or too small.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low:
        raise ValueError(f"{name}={_short(value)} must be a whole number of at least {low}")
    return number


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."

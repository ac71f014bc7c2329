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


def labels(name: str, value: Any, num_classes: int) -> np.ndarray:
    """Class numbers of examples, (n,) int32: whole numbers of any type in 0..num_classes-1.

    Raises:
        ValueError: for labels of another shape (one-hot rows, a column), text, real-valued
            targets, NaN, and numbers out of range; also where there are none.
    """
    array = _plain(name, value)
    if array.ndim != 1:
        hint = "give one class number an example, (n,)"
        if array.ndim == 2 and array.shape[1] == 1:
            hint = f"flatten the column: {name}.ravel()"
        elif array.ndim == 2:
            hint = f"turn one-hot rows into class numbers: {name}.argmax(axis=1)"
        raise ValueError(f"{name} has shape {array.shape}; {hint}")
    if not array.size:
        raise ValueError(f"{name} is empty; give one class number an example")
    if array.dtype.kind == "f":
        odd = array[~(np.isfinite(array) & (array == np.floor(array)))]
        if odd.size:
            raise ValueError(
                f"{name} holds {odd[0]}; labels are whole numbers in 0..{num_classes - 1}, for "
                "classification: leave out examples without one, and bin real-valued targets"
            )
    if array.min() < 0 or array.max() >= num_classes:
        raise ValueError(
            f"{name} reaches from {array.min()} to {array.max()}; labels must lie in "
            f"0..{num_classes - 1} (num_classes={num_classes})"
        )
    return array.astype(np.int32, copy=False)


def inputs(name: str, value: Any) -> np.ndarray:
    """Inputs of examples, (n, ...): whole numbers (tokens) as int32, others as float32.

    Raises:
        ValueError: for what is no number, numbers that are not finite in float32 or int32, and
            a single number instead of an array.
    """
    array = _plain(name, value)
    if not array.ndim or not array.size:
        raise ValueError(f"{name} has shape {array.shape}; give one row of numbers an example")
    if array.dtype.kind in "iu":
        limits = np.iinfo(np.int32)
        if array.min() < limits.min or array.max() > limits.max:
            raise ValueError(
                f"{name} reaches from {array.min()} to {array.max()}, beyond int32; scale it and "
                "give floating-point numbers"
            )
        return array.astype(np.int32, copy=False)
    with np.errstate(over="ignore"):
        single = array.astype(np.float32, copy=False)
    if not np.isfinite(single).all():
        raise ValueError(
            f"{name} holds NaN or infinite values (in float32); remove those examples, or scale "
            "them, first"
        )
    return single


def _plain(name: str, value: Any) -> np.ndarray:
    """Real numbers on the host; NumPy's own types as they are, narrow ones widened."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={_short(value)} holds no numbers; give an array") from None
    for kind, plain in ((jnp.floating, np.float32), (jnp.integer, np.int32)):
        if array.dtype.kind == "V" and jnp.issubdtype(array.dtype, kind):
            array = array.astype(plain)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} holds {array.dtype} values, such as {_short(array.ravel()[:2])}; give real "
            "numbers"
        )
    return array

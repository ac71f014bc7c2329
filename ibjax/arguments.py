"""What every package asks of an argument: that it holds real numbers which survive their trip."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Array, JaxArray


def concrete(*values: Any) -> bool:
    """Whether every leaf of every value is known now, so that it can be checked."""
    return not any(isinstance(v, jax.core.Tracer) for v in jax.tree.leaves(values))  # pyright: ignore


def numeric(name: str, value: Any) -> JaxArray:
    """An argument as an array of the precision given.

    Raises:
        ValueError: if it does not hold real numbers, or whole numbers that 32 bits cannot hold
            while JAX has no 64.
    """
    known = concrete(value)
    if known and not isinstance(value, jax.Array):
        array = host(name, value)
        if not _fits(array):
            raise ValueError(
                f"{name} holds whole numbers beyond 32 bits, which would wrap; give floats, or "
                "enable 64 bits"
            )
        plain = array.dtype.kind in "biuf" and array.dtype.itemsize <= 8 and array.dtype.isnative
        if array.ndim and plain:
            # jnp.asarray would compile a program for every shape; a copy, since JAX may go on to
            # read the memory it is given, which is the caller's to write to.
            return jax.device_put(array.copy())
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}={short(value)} holds no numbers; give an array") from None
    refuse_complex(name, array.dtype)
    return array


def floating(name: str, value: Any) -> JaxArray:
    """An argument as an array of float32 or float64: half precision is too coarse to count in.

    Whole numbers of any size take the default precision.

    Raises:
        ValueError: if it does not hold real numbers.
    """
    if concrete(value) and not isinstance(value, jax.Array):
        known = host(name, value)
        if not jnp.issubdtype(known.dtype, jnp.floating):
            return jnp.asarray(known.astype(float))
    return widened(numeric(name, value))


def widened(array: JaxArray) -> JaxArray:
    """float32 for half precision, the default for integers, the array itself otherwise."""
    return array.astype(precision(array))


def precision(*values: Any) -> Any:
    """The floating type of a result: that of the floating arguments, float32 at least."""
    types = []
    for value in values:
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        if jnp.issubdtype(dtype, jnp.floating):
            types.append(jax.dtypes.canonicalize_dtype(np.float64 if dtype.itemsize > 8 else dtype))
    return jnp.result_type(jnp.float32, *types) if types else jnp.result_type(float)


def host(name: str, value: Any) -> np.ndarray:
    """An argument that is known now, for a look at its values; it stays out of any trace.

    Raises:
        ValueError: if it does not hold real numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}={short(value)} is ragged; give an array") from None
    if array.dtype.kind in "OUSMm":
        raise ValueError(f"{name}={short(value)} holds no numbers; give an array")
    refuse_complex(name, array.dtype)
    return array


def codes(name: str, value: Any) -> Array:
    """Classes, (n,), numbered from 0 in the order of their names; in NumPy where known now.

    Names of any integer type are compared whole, before they could wrap to fewer bits. Traced
    names stay as they are.

    Raises:
        ValueError: for names that are neither integers nor booleans, or not one to a sample.
    """
    known = concrete(value)
    array = host(name, value) if known else jnp.asarray(value)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; give (n,), one class a sample")
    if not is_classes(array):
        raise ValueError(f"{name} has dtype {array.dtype}; give integer classes")
    if not known:
        return array.astype(jnp.int32) if array.dtype == bool else jnp.asarray(array)
    return np.unique(array, return_inverse=True)[1].reshape(-1).astype(np.int32)


def is_classes(array: Any) -> bool:
    """Whether an array holds names of classes: integers or booleans."""
    return bool(jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool)


def grain(*values: Any) -> float:
    """The relative rounding of the coarsest floating type that the values were given in."""
    types = [v.dtype if hasattr(v, "dtype") else np.asarray(v).dtype for v in values]
    found = [float(jnp.finfo(t).eps) for t in types if jnp.issubdtype(t, jnp.floating)]
    return max([float(np.finfo(float).eps), *found])


def in_double(
    function: Callable[..., Any], *arrays: Any, dtype: Any, given: tuple[Any, ...] = ()
) -> Any:
    """A function of arrays, evaluated in float64 whatever the flag where they are known now.

    Args:
        function: of the arrays; its result is a pytree of arrays.
        *arrays: arrays, or nested lists of numbers.
        dtype: floating type of the numbers in the result.
        given: what else the function holds; traced, it keeps everything as it is.
    """

    def cast(v):
        return v.astype(dtype) if jnp.issubdtype(v.dtype, jnp.floating) else v

    if not concrete(*arrays, *given):
        return function(*(jnp.asarray(v, dtype) for v in arrays))
    with jax.enable_x64(True):
        double = [jnp.asarray(np.asarray(v), jnp.float64) for v in arrays]
        return jax.tree.map(cast, function(*double))


def sound(array: Any, holds: Any = True) -> Any:
    """A traced array, NaN where it is not finite or not what it must be; a known one as it is.

    What is known was refused by then: under a trace no number may come of it either.

    Args:
        array: floating.
        holds: whether each entry, or all of it, is what it must be.
    """
    if concrete(array, holds):
        return array
    return jnp.where(jnp.isfinite(array) & holds, array, jnp.nan)


def whole(name: str, value: Any, low: int = 1) -> int:
    """An argument that counts something, at least `low`.

    Raises:
        ValueError: if it is no whole number, or too small.
    """
    try:
        # True is no count, though Python takes it for 1.
        number = low - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = low - 1
    if number < low:
        raise ValueError(f"{name}={short(value)} must be a whole number of at least {low}")
    return number


def choice(name: str, value: Any, options: tuple[Any, ...]) -> None:
    """Refuse a name that is not one of the options.

    Raises:
        ValueError: listing them.
    """
    if not any(value is option or value == option for option in options):
        raise ValueError(f"{name}={short(value)} is unknown; choose one of {options}")


def _fits(array: np.ndarray) -> bool:
    """Whether whole numbers keep their value as JAX arrays."""
    if array.dtype.kind not in "iu" or array.size == 0:
        return True
    limits = np.iinfo(jax.dtypes.canonicalize_dtype(array.dtype))
    return bool(array.min() >= limits.min and array.max() <= limits.max)


def check_rate(name: str, value: Any) -> None:
    """Refuse a step size that is not one positive number; a traced one is let through.

    Without it training stays where it began, or climbs; one that is too large diverges, and says
    so itself.

    Raises:
        ValueError: naming it.
    """
    if not concrete(value):
        return
    number = host(name, value)
    if number.ndim or number.dtype.kind not in "iuf" or not float(number) > 0:
        raise ValueError(f"{name}={value!r} is a step size; give one positive number")


def check_spread(name: str, value: float) -> None:
    """Refuse a standard deviation of noise that is negative, or too large for single precision.

    Raises:
        ValueError: naming it.
    """
    if not 0 <= value <= float(np.finfo(np.float32).max):
        raise ValueError(
            f"{name}={value} is a standard deviation; give noise >= 0 that single precision holds"
        )


def refuse_complex(name: str, dtype: Any) -> None:
    """Refuse complex numbers.

    Raises:
        ValueError: for a complex type.
    """
    if jnp.issubdtype(dtype, jnp.complexfloating):
        raise ValueError(f"{name} holds complex numbers; give real ones, for instance both parts")


def short(value: Any) -> str:
    """A value in at most 40 characters of one line, for a message."""
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
        raise ValueError(f"{name}={short(value)} holds no numbers; give an array") from None
    for kind, plain in ((jnp.floating, np.float32), (jnp.integer, np.int32)):
        if array.dtype.kind == "V" and jnp.issubdtype(array.dtype, kind):
            array = array.astype(plain)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} holds {array.dtype} values, such as {short(array.ravel()[:2])}; give real "
            "numbers"
        )
    return array

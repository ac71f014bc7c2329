"""Annotations of public functions that are enforced: what an argument may be is said once.

A call is looked at before any work: text, complex numbers, objects and ragged lists in the place of
numbers, a name that is no choice, a flag that is neither true nor false, an array of too many axes,
something else in the place of a key, a function or a record. Values, which only the function can
judge, are left to it; so are tracers, of whose value nothing is known.
"""

import inspect
import operator
import types
from collections.abc import Callable, Collection, Mapping
from functools import cache, wraps
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import AbstractArray

from ibjax import arguments
from ibjax.typing import Array, Numbers

P = ParamSpec("P")
R = TypeVar("R")


def enforced(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which answers an argument that its annotation excludes by one `ValueError`.

    Nothing is read from a device and nothing is converted, so that values, types and derivatives
    are those of the function. An annotation that cannot be resolved excludes nothing.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        signature, hints = _annotated(function)
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            given = {}  # the function itself says which argument is missing or unknown
        for name, value in given.items():
            if name in hints and value is not signature.parameters[name].default:
                refuse(name, hints[name], value)
        return function(*args, **kwargs)

    return call


def refuse(name: str, hint: Any, value: Any) -> None:
    """Refuse a value that a type excludes.

    Raises:
        ValueError: naming the argument and what to give.
    """
    if fault := _fault(name, hint, value):
        raise ValueError(fault)


@cache
def _annotated(function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
    """The signature of a function, and the annotations that can be resolved."""
    signature = inspect.signature(function)
    hints = {}
    for name, parameter in signature.parameters.items():
        hint = parameter.annotation
        if isinstance(hint, str):
            try:
                hint = eval(hint, inspect.unwrap(function).__globals__)
            except NameError:
                continue  # a type of an optional library, known to type checkers alone
        several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if hint is not parameter.empty and not several:
            hints[name] = hint
    return signature, hints


def _fault(name: str, hint: Any, value: Any) -> str | None:
    """What is wrong with a value, or None."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any or isinstance(hint, TypeVar | ParamSpec):
        return None
    if hint is None or hint is type(None):
        return None if value is None else f"{_shown(name, value)} is not None"
    if origin in (Union, types.UnionType):
        return _union_fault(name, inner, value)
    if hint == Numbers:
        return _number_fault(name, value)
    if origin is Annotated:
        return _fault(name, hint.__origin__, value)
    if origin is Literal:
        return _choice_fault(name, inner, value)
    if origin is not None:
        return _container_fault(name, origin, inner, value)
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return _array_fault(name, hint, value)
    if hint in (float, int, bool, str, complex):
        return _SIMPLE[hint](name, value)
    if hint in get_args(Array):
        return _number_fault(name, value)
    return _record_fault(name, hint, value)


def _union_fault(name: str, members: tuple[Any, ...], value: Any) -> str | None:
    optional = type(None) in members
    if any(_fault("", member, value) is None for member in members):
        return None
    faults = [_fault(name, member, value) for member in members if member is not type(None)]
    if len({_named(member) for member in members if member is not type(None)}) == 1:
        return f"{faults[-1]} or None" if optional else faults[-1]
    if axes := [fault for fault in faults if fault and f"{name} has shape" in fault]:
        return axes[0]  # numbers, of which there are too many axes
    shown = dict.fromkeys(_named(member) for member in members)
    return f"{_shown(name, value)} is none of {', '.join(shown)}; give one of them"


def _shown(name: str, value: Any) -> str:
    """An argument and what it was given; nothing where it is only asked whether a type fits."""
    return f"{name}={arguments.short(value)}" if name else ""


def _named(hint: Any) -> str:
    """A type in the words of a message."""
    if hint == Numbers:
        return "numbers"
    if get_origin(hint) is Literal:
        return ", ".join(repr(option) for option in get_args(hint))
    if get_origin(hint) is Callable:
        return "function"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_named(member) for member in get_args(hint))
    if get_origin(hint) is not None:
        inner = [_named(member) for member in get_args(hint) if member is not Ellipsis]
        return f"{get_origin(hint).__name__.lower()} of {', '.join(inner)}"
    if (isinstance(hint, type) and issubclass(hint, AbstractArray)) or hint in get_args(Array):
        return "array"
    return {None: "None", type(None): "None", float: "number", int: "whole number"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


def _choice_fault(name: str, options: tuple[Any, ...], value: Any) -> str | None:
    plain = value is None or isinstance(value, str | bool | int | np.integer)
    if plain and value in options:
        return None
    shown = ", ".join(repr(option) for option in options)
    return f"{_shown(name, value)} is unknown; choose one of {shown}"


def _container_fault(name: str, origin: Any, inner: tuple[Any, ...], value: Any) -> str | None:
    shown = f"{_shown(name, value)}"
    if origin is Callable:
        return None if callable(value) else f"{shown} cannot be called; give a function"
    if issubclass(origin, Mapping):
        return None if isinstance(value, Mapping) else f"{shown} is no mapping; give a dictionary"
    if not issubclass(origin, Collection):
        return None
    if isinstance(value, Tracer | np.ndarray | jax.Array) and np.ndim(value):
        return _number_fault(name, value)
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        return f"{shown} is no sequence; give a list or a tuple"
    if origin is tuple and inner[-1:] != (Ellipsis,):
        if len(value) != len(inner):
            return f"{shown} has {len(value)} entries; give {len(inner)}"
        pairs = zip(inner, value)
    else:
        pairs = ((inner[0], entry) for entry in value)
    for hint, entry in pairs:
        if fault := _fault(name, hint, entry):
            return fault
    return None


def _array_fault(name: str, hint: Any, value: Any) -> str | None:
    if hint.dtypes == ("prng_key",) or (hint.dtypes == ("uint32",) and len(hint.dims) == 1):
        return _key_fault(name, value)
    if fault := _number_fault(name, value):
        return fault
    variadic = any("Variadic" in type(dim).__name__ for dim in hint.dims if dim is not ...)
    if variadic or hint.index_variadic is not None or np.ndim(value) <= max(len(hint.dims), 1):
        return None
    return f"{name} has shape {np.shape(value)}; give ({hint.dim_str.strip().replace(' ', ', ')})"


def _key_fault(name: str, value: Any) -> str | None:
    dtype = getattr(value, "dtype", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if typed or (dtype == np.uint32 and np.shape(value)[-1:] in ((2,), (4,))):
        return None
    return f"{_shown(name, value)} is no random key; give jax.random.key(0)"


def _number_fault(name: str, value: Any) -> str | None:
    """Text, objects, complex numbers and ragged lists are no real numbers."""
    if type(value) in (bool, int, float):
        return None
    if not isinstance(value, jax.Array) and not arguments.concrete(value):
        return None
    try:
        if isinstance(value, jax.Array):
            arguments.refuse_complex(name, value.dtype)
            if not jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
                return None
            return f"{name} holds random keys; give an array of numbers"
        arguments.host(name, value)
    except ValueError as error:
        return str(error)
    return None


def _whole_fault(name: str, value: Any) -> str | None:
    if isinstance(value, Tracer):
        return _number_fault(name, value)
    wanted = f"{_shown(name, value)} must be a whole number"
    if _number_fault(name, value) or np.ndim(value):
        return wanted
    try:
        operator.index(value)
    except TypeError:
        number = float(np.asarray(value))
        return None if np.isfinite(number) and number == np.floor(number) else wanted
    return None


def _flag_fault(name: str, value: Any) -> str | None:
    if isinstance(value, bool | np.bool_ | Tracer):
        return None
    if _number_fault(name, value) is None and np.ndim(value) == 0 and value in (0, 1):
        return None
    return f"{_shown(name, value)} is neither True nor False; give one of them"


def _text_fault(name: str, value: Any) -> str | None:
    if isinstance(value, str):
        return None
    return f"{_shown(name, value)} is no text; give a name"


_SIMPLE: dict[Any, Callable[[str, Any], str | None]] = {
    float: _number_fault,
    int: _whole_fault,
    bool: _flag_fault,
    str: _text_fault,
    complex: lambda name, value: None,
}


def _record_fault(name: str, hint: Any, value: Any) -> str | None:
    """An instance of a class, or something with the same fields."""
    if not isinstance(hint, type):
        return None
    if isinstance(value, hint) or (issubclass(hint, Path) and isinstance(value, str | PathLike)):
        return None
    names = getattr(hint, "_fields", None) or getattr(hint, "__dataclass_fields__", ())
    if names and all(hasattr(value, field) for field in names):
        return None
    return f"{_shown(name, value)} is no {hint.__name__}; give one"

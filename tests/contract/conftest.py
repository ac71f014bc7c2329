"""One wrong value at a time in the place of every argument of a call, defaults included."""

import inspect
from typing import Any, get_args

import jax
import numpy as np
import pytest


def mistakes(value: Any, hint: Any, paired: bool, loose: bool):
    """Values that an argument like this one must not take in silence.

    Args:
        value: what is right.
        hint: its annotation.
        paired: whether other arrays of the call may have to be as long.
        loose: whether it may nevertheless be of any length and have any axes.
    """
    if isinstance(value, str) and str in (hint, *get_args(hint)):
        yield "text"
    if isinstance(value, np.ndarray):
        yield value.astype(object)
        if value.dtype.kind == "f":
            holed = value.copy()
            holed.flat[0] = np.nan
            yield holed
        if not loose:
            yield from ([value[:-1]] if paired else [])
            yield from (value[None], value[:0])
    elif isinstance(value, list | tuple | dict):
        yield [None]
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (2.5, np.nan, -1, np.ones(7), "text")
    elif isinstance(value, float):
        yield from (np.nan, "text")


def shows(found: Any, lost: Any) -> bool:
    """Whether a result says that something was missing, or has the axis that was added."""
    leaves = [
        np.asarray(leaf)
        for leaf in jax.tree.leaves(found)
        if not jax.dtypes.issubdtype(getattr(leaf, "dtype", float), jax.dtypes.prng_key)
    ]
    if any(leaf.dtype.kind == "f" and np.isnan(leaf).any() for leaf in leaves):
        return True
    if isinstance(lost, np.ndarray) and (lost.shape[:1] == (1,) or not lost.size):
        if any(leaf.shape[:1] == lost.shape[:1] for leaf in leaves):
            return True  # one of a batch, or none
    flags = (getattr(found, name, True) for name in ("ok", "holds"))
    return not all(np.all(flag) for flag in flags)


@pytest.fixture
def answers():
    """A check that each mistake is one clear `ValueError`, or shows in the result.

    An error names the argument, or another array that it does not fit.
    """

    def check(function: Any, arguments: dict[str, Any], loose: tuple[str, ...] = ()) -> None:
        parameters = inspect.signature(function).parameters
        paired = sum(isinstance(value, np.ndarray) for value in arguments.values()) > 1
        for name, parameter in parameters.items():
            value = arguments.get(name, parameter.default)
            if name == "key" or value is parameter.empty:
                continue
            for bad in mistakes(value, parameter.annotation, paired, name in loose):
                try:
                    found = function(**{**arguments, name: bad})
                except ValueError as error:
                    said = str(error)
                    fitting = isinstance(bad, np.ndarray) and any(n in said for n in arguments)
                    assert name in said or fitting, (name, bad, said)
                    assert said.strip() and "\n" not in said and len(said) < 400, (name, bad, said)
                else:
                    assert shows(found, bad), (name, bad, found)

    return check

"""How a bound is fed: its arguments by name, from the exact quantities of a batch of models."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds.falsification.family import Family
from ibjax.interface import BoundValue, Estimate
from ibjax.typing import Array

BLOCK = 128
"""Models that a compiled bound takes at once."""

ROUNDING = 1e-9
"""What float64, quadratures and inversions may err by; the only tolerance of the comparison."""


class Wants(NamedTuple):
    """Names of the arguments a function must be given, and of those it may be given."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]


class Answer(NamedTuple):
    """What a bound says of a batch of models.

    Attributes:
        value: one row a model, NaN where it says nothing.
        kind: what it calls itself: its kind, "upper" for information, "claim" for a number.
    """

    value: np.ndarray
    kind: str


def wants(function: Callable[..., Any]) -> Wants:
    """The named arguments of a function.

    Raises:
        ValueError: if it cannot be called by names alone.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ValueError(f"function={function!r} does not name its arguments; wrap it") from None
    if any(p.kind is p.POSITIONAL_ONLY for p in parameters):
        raise ValueError(f"function={function!r} has arguments without a name; wrap it")
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return Wants(
        tuple(p.name for p in named if p.default is p.empty),
        tuple(p.name for p in named if p.default is not p.empty),
    )


def answers(
    functions: Sequence[Callable[..., Any]], family: Family, fields: Mapping[str, Array]
) -> list[Answer]:
    """What bounds say of every model of a batch.

    They are compiled into one program for a batch; a function that JAX cannot trace is called
    model by model with plain numbers.

    Args:
        functions: called with names alone, each gives a `BoundValue`, an `Estimate`, a number or
            an array.
        family: whose facts are given to them too.
        fields: exact quantities, models first.
    """
    count = len(next(iter(fields.values())))
    asked = [set().union(*wants(f)) for f in functions]
    names = set().union(*asked) & set(fields)
    arrays = {k: np.asarray(fields[k]) for k in sorted(names)}
    with jax.enable_x64(True):
        try:
            return _compiled(tuple(functions), tuple(family.facts.items()), arrays, count)
        except (TypeError, jax.errors.JAXTypeError):
            if len(functions) > 1:
                raise
            each = [_read(_alone(functions[0], family, fields, i)) for i in range(count)]
            return [Answer(np.stack([a.value for a in each]), each[0].kind)]


def _alone(
    function: Callable[..., Any], family: Family, fields: Mapping[str, Array], i: int
) -> Any:
    """What a bound returns for one model, called with plain numbers and arrays."""
    asked = {*wants(function).needed, *wants(function).optional}
    own = {k: np.asarray(v, float)[i] for k, v in fields.items() if k in asked}
    return function(**{k: v for k, v in family.facts.items() if k in asked}, **own)


def _compiled(functions, facts, arrays: dict[str, np.ndarray], count: int) -> list[Answer]:
    call = _batched(functions, facts, BLOCK)
    found: list[list[Answer]] = [[] for _ in functions]
    for start in range(0, count, BLOCK):
        part = {k: v[start : start + BLOCK] for k, v in arrays.items()}
        size = min(BLOCK, count - start)
        part = {k: np.concatenate([v, v[:1].repeat(BLOCK - size, 0)]) for k, v in part.items()}
        for kept, value in zip(found, call(part)):
            read = _read(value)
            kept.append(Answer(read.value[:size], read.kind))
    return [Answer(np.concatenate([a.value for a in kept]), kept[0].kind) for kept in found]


@functools.lru_cache(maxsize=512)
def _batched(functions, facts, size):
    known = dict(facts)

    def one(arrays):
        said = []
        for function in functions:
            names = {*wants(function).needed, *wants(function).optional}
            given = {k: v for k, v in (known | arrays).items() if k in names}
            found = function(**given)
            plain = not isinstance(found, (BoundValue, Estimate))
            said.append(jnp.asarray(found) if plain else found)
        return said

    return jax.jit(jax.vmap(one, axis_size=size))


def _read(found: Any) -> Answer:
    """Value and kind of what a bound returns; NaN where it does not hold."""
    if isinstance(found, BoundValue):
        holds = np.asarray(found.holds)
        return Answer(np.where(holds, np.asarray(found.value, float), np.nan), found.kind)
    if isinstance(found, Estimate):
        ok = np.asarray(found.ok) | np.isposinf(np.asarray(found.value))
        return Answer(np.where(ok, np.asarray(found.value, float), np.nan), "upper")
    try:
        return Answer(np.asarray(found, float), "claim")
    except (TypeError, ValueError):
        raise ValueError(
            f"the function returns {type(found).__name__}; give a number or a BoundValue"
        ) from None


class Scores(NamedTuple):
    """Truth against bound, one number a model: of several of a model the worst.

    Attributes:
        ratio: truth / bound, above 1 exactly where the truth exceeds the bound by more than
            rounding; NaN where the bound says nothing.
        truth: what must not be exceeded.
        value: the bound.
    """

    ratio: np.ndarray
    truth: np.ndarray
    value: np.ndarray


def compare(truth: Array, value: Array) -> Scores:
    """Scores of a batch; both are one row a model, of one number or several."""
    truth, value = np.asarray(truth, float), np.asarray(value, float)
    truth = truth.reshape(*truth.shape, *(1,) * (value.ndim - truth.ndim))
    value = value.reshape(*value.shape, *(1,) * (truth.ndim - value.ndim))
    truth, value = np.broadcast_arrays(truth, value)
    over = np.maximum(truth - ROUNDING, 0.0)
    found = np.where(value > 0, over / np.where(value > 0, value, 1.0), np.inf)
    found = np.where((over == 0) & (value >= -ROUNDING), 0.0, found)
    found = np.where(np.isnan(value) | np.isnan(truth), -np.inf, found)
    flat = [a.reshape(len(a), -1) for a in (found, truth, value)]
    place = np.argmax(flat[0], -1)[:, None]
    ratio, at, bound = (np.take_along_axis(a, place, -1)[:, 0] for a in flat)
    return Scores(np.where(np.isneginf(ratio), np.nan, ratio), at, bound)

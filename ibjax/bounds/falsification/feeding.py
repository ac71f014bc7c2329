"""How a bound is fed: its arguments by name, from the exact quantities of a batch of models."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
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
    """What a bound says: one row a model, NaN where it says nothing; and of what kind it is."""

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


def answer(
    function: Callable[..., Any],
    family: Family,
    fields: Mapping[str, Array],
    static: Collection[str] | None = None,
) -> Answer:
    """The bound of every model of a batch.

    The function is compiled for a batch; one that JAX cannot trace is called model by model with
    plain numbers.

    Args:
        function: called with names alone; a `BoundValue`, an `Estimate`, a number or an array.
        family: whose facts are given to it too.
        fields: exact quantities, models first.
        static: names among the numbers of `facts` that must be known when tracing; all by default.
    """
    needed, optional = wants(function)
    arrays = {k: np.asarray(fields[k]) for k in (*needed, *optional) if k in fields}
    facts = {k: family.facts[k] for k in (*needed, *optional) if k in family.facts}
    count = len(next(iter(fields.values())))
    if static is not None:
        moving = [k for k in facts if k not in static and isinstance(facts[k], (int, float))]
        arrays |= {k: np.full(count, facts.pop(k)) for k in moving}
    with jax.enable_x64(True):
        try:
            return _compiled(function, arrays, facts, count)
        except (TypeError, jax.errors.JAXTypeError):
            return _one_by_one(function, arrays, facts, count)


def _compiled(function, arrays: dict[str, np.ndarray], facts: dict[str, Any], count: int) -> Answer:
    simple = {k: v for k, v in facts.items() if not isinstance(v, np.ndarray)}
    tables = tuple((k, tuple(v.tolist())) for k, v in facts.items() if k not in simple)
    call = _batched(function, tuple(sorted(simple.items())), tables, BLOCK)
    found, kind = [], "claim"
    for start in range(0, count, BLOCK):
        part = {k: v[start : start + BLOCK] for k, v in arrays.items()}
        size = min(BLOCK, count - start)
        part = {k: np.concatenate([v, v[:1].repeat(BLOCK - size, 0)]) for k, v in part.items()}
        value, kind = _read(call(part))
        found.append(value[:size])
    return Answer(np.concatenate(found), kind)


@functools.lru_cache(maxsize=512)
def _batched(function, simple, tables, size):
    known = dict(simple) | {k: np.array(v) for k, v in tables}

    def one(arrays):
        found = function(**arrays, **known)
        return found if isinstance(found, (BoundValue, Estimate)) else jnp.asarray(found)

    return jax.jit(jax.vmap(one, axis_size=size))


def _one_by_one(function, arrays, facts, count: int) -> Answer:
    found, kinds = [], []
    for i in range(count):
        one = {k: v[i] if v.ndim > 1 else v[i].item() for k, v in arrays.items()}
        value, kind = _read(function(**one, **facts))
        found.append(value)
        kinds.append(kind)
    return Answer(np.stack(found), kinds[0])


def _read(found: Any) -> tuple[np.ndarray, str]:
    """Value and kind of what a bound returns; NaN where it does not hold."""
    if isinstance(found, BoundValue):
        holds = np.asarray(found.holds)
        return np.where(holds, np.asarray(found.value, float), np.nan), found.kind
    if isinstance(found, Estimate):
        ok = np.asarray(found.ok) | np.isposinf(np.asarray(found.value))
        return np.where(ok, np.asarray(found.value, float), np.nan), "upper"
    try:
        return np.asarray(found, float), "claim"
    except (TypeError, ValueError):
        raise ValueError(
            f"the function returns {type(found).__name__}; give a number or a BoundValue"
        ) from None


def ratio(truth: Array, value: Array) -> np.ndarray:
    """Truth over bound, above 1 exactly where the truth exceeds it by more than rounding.

    Several truths or values of a model count by the worst; NaN where the bound says nothing.
    """
    truth, value = np.asarray(truth, float), np.asarray(value, float)
    truth = truth.reshape(*truth.shape, *(1,) * (value.ndim - truth.ndim))
    value = value.reshape(*value.shape, *(1,) * (truth.ndim - value.ndim))
    over = np.maximum(truth - ROUNDING, 0.0)
    positive = value > 0
    with np.errstate(invalid="ignore"):
        found = np.where(positive, over / np.where(positive, value, 1.0), np.inf)
    found = np.where((over == 0) & (value >= -ROUNDING), 0.0, found)
    found = np.where(np.isnan(value) | np.isnan(truth), np.nan, found)
    axes = tuple(range(1, found.ndim))
    lost = np.isnan(found).all(axes)
    return np.where(lost, np.nan, np.max(np.where(np.isnan(found), -np.inf, found), axes))

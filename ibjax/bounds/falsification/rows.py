"""What of the library is put against the models: how each bound is fed, and what it must bound."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax.interface import Contraction, Estimate
from ibjax.typing import Array, Divergence


class Row(NamedTuple):
    """One bound of the library.

    Attributes:
        name: for tables and the command line.
        function: the bound with the names of exact quantities as its arguments; it is put against
            every family that has them all.
        truth: what it must not fall below: "gap" (signed), "size" (the gap's absolute value), or
            the name of another exact quantity.
        theorem: whether it is proved. A published form that is known to fail is not.
        only: facts a family must have besides, each with the values that will do.
        compare: in place of `truth`, from (fields, value) to (truth, value).
        note: one line for people.
    """

    name: str
    function: Callable[..., Any]
    truth: str = "size"
    theorem: bool = True
    only: Mapping[str, tuple[Any, ...]] = {}
    compare: Callable[[Mapping[str, Array], np.ndarray], tuple[Array, Array]] | None = None
    note: str = ""


def known(value: Any, name: str = "enumeration") -> Estimate:
    """A quantity computed from known laws: it supports a certificate."""
    zero = np.zeros(np.shape(value))
    return Estimate(value, zero, bias="none", name=name, exact=True, about="")  # pyright: ignore[reportArgumentType]


def coefficient(etas: Any, divergence: Divergence = "kl") -> Contraction:
    """Coefficients of layers that were computed exactly."""
    rest = jnp.log1p(-jnp.minimum(etas, 1.0))
    return Contraction(etas, rest, "exact", "channel", "enumerated", divergence=divergence)


_LAYERS: dict[str, Callable[[Any], Any]] = {
    "etas": coefficient,
    "etas_tv": partial(coefficient, divergence="tv"),
}
"""Quantities that are coefficients of layers, and what bounds take them as."""


def fed(bound: Callable[..., Any], needs: str, **options: Any) -> Callable[..., Any]:
    """A bound as a function of exact quantities by name.

    Args:
        bound: of the library.
        needs: names of quantities, in the order of its arguments; ``argument=name`` where it is
            given by keyword. One that ends in "!" is handed over as `known`.
        **options: of the bound, as they are.
    """
    words = [word.rpartition("=")[::2] for word in needs.split()]

    def value(word: str, fields: Mapping[str, Any]) -> Any:
        name = word.removesuffix("!")
        if name in _LAYERS:
            return _LAYERS[name](fields[name])
        return known(fields[name]) if word != name else fields[name]

    def given(**fields: Any) -> Any:
        placed = [value(word, fields) for argument, word in words if not argument]
        keyed = {argument: value(word, fields) for argument, word in words if argument}
        return bound(*placed, **keyed, **options)

    names = dict.fromkeys(word.removesuffix("!") for _, word in words)
    asked = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    given.__signature__ = inspect.Signature(asked)  # pyright: ignore[reportFunctionMemberAccess]
    return given


def truth_of(row: Row, fields: Mapping[str, Array], value: np.ndarray) -> tuple[Array, Array]:
    """What a row's values must not fall below, and the values to compare."""
    if row.compare is not None:
        return row.compare(fields, value)
    if row.truth == "size":
        return np.abs(fields["gap"]), value
    return fields[row.truth], value


def rows() -> dict[str, Row]:
    """Every row by name, in the order of tables."""
    from ibjax.bounds.falsification import (
        rows_account,
        rows_certified,
        rows_layers,
        rows_paths,
        rows_supersample,
        rows_weights,
    )

    every = (rows_weights, rows_layers, rows_supersample, rows_paths, rows_account, rows_certified)
    return {row.name: row for module in every for row in module.ROWS}

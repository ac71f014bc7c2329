"""A moment as a row of the registry may read it: what was measured, only where the row says so."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.interface import Moment
from ibjax.interface.fields import FIELDS

_MEASURED = frozenset(name for name, field in FIELDS.items() if field.measured)


class _Declared(Moment):
    """A moment some of whose fields are hidden."""

    hidden: frozenset[str] = frozenset()
    row: str = ""

    def __getattribute__(self, name: str) -> Any:
        if name in _MEASURED and name in super().__getattribute__("hidden"):
            raise ValueError(
                f"{self.row} reads {name}, which was measured and is not among its inputs: its "
                "kind would not follow from what it reads; name the field in inputs"
            )
        return super().__getattribute__(name)


def declared(moment: Moment, row: str, inputs: tuple[str, ...]) -> Moment:
    """The moment as a row of the registry reads it, whose kind follows from its inputs.

    Numbers that were measured and are not declared are NaN, since functions of the errors of
    training and test may be called for one of them alone; classes have no such value.

    Args:
        moment: the evidence of one checkpoint.
        row: name of the row that reads it.
        inputs: the fields it says it reads.

    Returns:
        A `Moment` that raises a ValueError where classes are read that were measured and are not
        declared.
    """
    without = {name: _nothing(getattr(moment, name)) for name in _MEASURED - set(inputs)}
    shown = _Declared(*moment._replace(**without))
    numbers = {name for name, array in without.items() if array.dtype.kind == "f"}
    shown.hidden, shown.row = frozenset(without) - numbers, row
    return shown


def _nothing(value: Any) -> np.ndarray:
    """An array of the same form that says nothing: NaN, or no class. One number, seen as many."""
    dtype = np.dtype(jnp.result_type(value))
    fill = np.asarray(np.nan if dtype.kind == "f" else -1, dtype)
    return np.broadcast_to(fill, np.shape(value))

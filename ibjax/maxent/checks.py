"""Shape and value checks shared by the package: one `ValueError` with its remedy, or nothing."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, floating, host, numeric
from ibjax.typing import Array

_CELLS = 2**28


def matrix(name: str, value: Any, minimum: int = 1, *, shift: bool = False) -> Array:
    """A finite float matrix with at least `minimum` rows, in its own precision of 32 bits or 64.

    With `shift`, columns whose values lie on one side of zero lose an offset before a cast to fewer
    bits could cost them their digits: for functions in which no offset of a column means anything.
    """
    array = floating(name, _shifted(name, value) if shift and concrete(value) else value)
    if array.ndim != 2:
        raise ValueError(
            f"{name} has shape {array.shape}; give one row an example: (n, d), "
            "for instance x.reshape(n, -1)"
        )
    if array.shape[0] < minimum or array.shape[1] < 1:
        raise ValueError(
            f"{name} has shape {array.shape}; give at least {minimum} rows and 1 column"
        )
    if concrete(array) and not np.isfinite(np.asarray(array)).all():
        raise ValueError(f"{name} has NaN or infinite entries; drop those rows first")
    return array


def _shifted(name: str, value: Any) -> Any:
    array = host(name, value)
    if array.ndim != 2 or array.size == 0 or isinstance(value, jax.Array):
        return value
    if array.dtype.itemsize <= jax.dtypes.canonicalize_dtype(array.dtype).itemsize:
        return value
    array = array.astype(float)
    low, high = np.quantile(array, [0.1, 0.9], axis=0)
    return array - np.clip(0.0, low, high)


def classes(
    labels: Any, rows: int, num_classes: int | None, name: str = "labels"
) -> tuple[Array, int]:
    """Integer labels of the right length and the number of classes.

    Raises:
        ValueError: if the labels are no integers in 0..num_classes-1, or if the number of
            classes must be read off traced labels.
    """
    known = concrete(labels)
    array = host(name, labels) if known else numeric(name, labels)
    if array.shape != (rows,):
        raise ValueError(f"{name} has shape {array.shape}; give one label a row: ({rows},)")
    if not rows:
        raise ValueError(f"{name} is empty; give at least one label")
    if not jnp.issubdtype(array.dtype, jnp.integer):
        if not concrete(array) or not np.array_equal(np.asarray(array) % 1, np.zeros(rows)):
            raise ValueError(f"{name} has dtype {array.dtype}; give integers 0..num_classes-1")
        array = array.astype(int)
    if num_classes is None:
        if not concrete(array):
            raise ValueError("num_classes=None cannot be read off traced labels; pass it")
        num_classes = max(2, int(np.asarray(array).max()) + 1)
    if known and array.size and 0 <= array.min() and int(array.max()) < num_classes:
        # labels that are names, not places, would make tables of as many columns
        if rows * num_classes > _CELLS:
            raise ValueError(
                f"{name} name {num_classes} classes for {rows} examples; number those that occur: "
                "np.unique(labels, return_inverse=True)[1]"
            )
    if num_classes < 2:
        raise ValueError(f"num_classes={num_classes} leaves nothing to tell apart; give 2 or more")
    if concrete(array):
        low, high = int(np.asarray(array).min()), int(np.asarray(array).max())
        if low < 0 or high >= num_classes:
            raise ValueError(
                f"{name} run from {low} to {high}; relabel them to 0..{num_classes - 1} "
                "or raise num_classes"
            )
    return jnp.asarray(array, jnp.int32) if known else array, num_classes


def nonnegative(name: str, value: Any) -> None:
    """Refuse a concrete number below zero."""
    if concrete(value) and not (np.asarray(value) >= 0).all():
        raise ValueError(f"{name}={value} is a penalty; give {name} >= 0")


def law(name: str, value: Any, rows: int | None = None, minimum: int = 1) -> Array:
    """A joint table of nonnegative numbers, normalised to sum to one."""
    table = matrix(name, value, minimum)
    if rows is not None and table.shape[0] != rows:
        raise ValueError(
            f"{name} has {table.shape[0]} rows for {rows} rows of features; "
            "give one row an input and one column a class"
        )
    if table.shape[1] < 2:
        raise ValueError(f"{name} has shape {table.shape}; give one column a class, 2 or more")
    if concrete(table):
        host = np.asarray(table)
        if (host < 0).any() or not host.sum() > 0:
            raise ValueError(
                f"{name} has negative entries or no mass; give probabilities or counts"
            )
    return table / table.sum()

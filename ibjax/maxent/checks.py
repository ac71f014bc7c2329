"""Shape and value checks shared by the package: one `ValueError` with its remedy, or nothing."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, floating, host, numeric, sound
from ibjax.typing import Array, JaxArray

_CELLS = 2**28


def matrix(name: str, value: Any, minimum: int = 1, *, shift: bool = False) -> Array:
    """A finite float matrix with at least `minimum` rows, in its own precision of 32 bits or 64.

    Traced entries that are not finite are NaN. With `shift`, columns whose values lie on one side
    of zero lose an offset before a cast to fewer bits could cost them their digits: for functions
    in which no offset of a column means anything.
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
    return sound(array)


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


def labelled(array: Any, labels: Any, num_classes: int) -> Any:
    """An array made with labels; NaN where a traced one of them names no class."""
    if concrete(labels):
        return array
    known = jnp.all((labels >= 0) & (labels < num_classes))
    return jnp.where(known, array, jnp.nan)


def columns(
    features: Sequence[Any], labels: Any, num_classes: int | None, which: str = ""
) -> tuple[list[JaxArray], Array, int]:
    """Layers of many replicas, each (R, n, d_l), their labels (R, n) and the number of classes.

    Args:
        features: the layers.
        labels: integers.
        num_classes: read off the labels if None.
        which: of several, for the messages, such as "train ".

    Raises:
        ValueError: if there is no layer, or shapes do not fit; as `classes` for the labels.
    """
    name = f"{which}features"
    layers = [numeric(f"{name}[{i}]", array) for i, array in enumerate(features)]
    shapes = [array.shape for array in layers]
    if not layers:
        raise ValueError(f"{name} is empty; give the outputs of at least one layer")
    if any(len(shape) != 3 for shape in shapes):
        raise ValueError(f"{name} has shapes {shapes}; give (replicas, examples, units) a layer")
    if len({shape[:2] for shape in shapes}) > 1:
        raise ValueError(f"{name} has shapes {shapes}; give every layer the same examples")
    whole = shapes[0][:2]
    array = of_replicas(f"{which}labels", labels, whole)
    flat, num_classes = classes(array.reshape(-1), array.size, num_classes, f"{which}labels")
    layers = [labelled(layer, flat, num_classes) for layer in layers]
    return layers, flat.reshape(whole), num_classes


def of_replicas(name: str, value: Any, shape: tuple[int, ...]) -> JaxArray:
    """An array of this shape, whose first axis counts replicas.

    Raises:
        ValueError: if it has another.
    """
    array = numeric(name, value)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; give {shape}, replicas first")
    return array


def heads(
    head: tuple[Any, Any], replicas: int, units: int, num_classes: int
) -> tuple[JaxArray, JaxArray]:
    """Weights (R, d, K) and biases (R, K) of the softmax of many replicas.

    Raises:
        ValueError: if they have other shapes.
    """
    weights = of_replicas("head weights", head[0], (replicas, units, num_classes))
    return weights, of_replicas("head bias", head[1], (replicas, num_classes))


def intercepts(name: str, value: Any, dtype: Any) -> JaxArray:
    """Finite biases of a softmax in the precision of its weights; the caller knows their shape.

    Raises:
        ValueError: if known ones have NaN or infinite entries.
    """
    array = floating(name, value)
    if concrete(array) and not np.isfinite(np.asarray(array)).all():
        raise ValueError(f"{name} has NaN or infinite entries; give one number a class")
    return sound(array).astype(dtype)


def nonnegative(name: str, value: Any) -> None:
    """Refuse a concrete number below zero."""
    if concrete(value) and not (np.asarray(value) >= 0).all():
        raise ValueError(f"{name}={value} is a penalty; give {name} >= 0")


def law(name: str, value: Any, rows: int | None = None, minimum: int = 1) -> Array:
    """A joint table of nonnegative numbers, normalised to sum to one; NaN for a traced other."""
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
    table = sound(table, jnp.all(table >= 0) & (table.sum() > 0))
    return table / table.sum()

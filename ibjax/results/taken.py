"""Evidence taken out of a data set again, as the engine returned it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax.bounds.evidence.fields import FIELDS
from ibjax.interface import Evidence
from ibjax.results import layout
from ibjax.results.grid import axes

if TYPE_CHECKING:
    import xarray


def evidence(dataset: "xarray.Dataset", depth: int | None = None, **point: Any) -> Evidence:
    """The evidence of one cell of a results file, as the engine returned it.

    Args:
        dataset: a results file, see `read`.
        depth: of the cell; may be left out where there is one.
        **point: the other coordinates, such as ``train_size=60``, of every axis that has several.

    Raises:
        ValueError: if the file has no such cell, several, or lacks a table of it.
    """
    one = cell(dataset, {**({} if depth is None else {"depth": depth}), **point})
    absent = [n for n in FIELDS if layout.stored(n) not in one and n not in one.variables]
    # fields that came later are missing in the evidence of older files, as they are in saved arrays
    missing = [n for n in absent if n not in Evidence._field_defaults]
    if missing:
        raise ValueError(f"the data set lacks {', '.join(missing)}, which evidence holds")
    mask = one["mask"].transpose("supersample", "mask_id", "pair").values
    used = np.isin(mask, (0, 1))
    keep = {
        "pair": used.any((0, 1)),
        "supersample": used.any((1, 2)),
        "mask_id": used.any((0, 2)),
    }
    if not used.any():
        raise ValueError(f"no cell lies at {point}; the grid has none there")
    if "checkpoint" in one.sizes:
        keep["checkpoint"] = one["train_error"].notnull().any(("supersample", "mask_id")).values
    for name, count in (("layer", _count(one, "layers", depth)), ("step", _count(one, "updates"))):
        if count is not None:
            keep[name] = np.arange(one.sizes[name]) < count
    parts = {}
    for name, field in FIELDS.items():
        if name in absent:
            continue
        stored = layout.stored(name)
        value = one[stored if stored in one.variables else name]
        value = value.transpose(*(d for d in field.dims if d in value.dims))
        value = value.isel({d: np.flatnonzero(k) for d, k in keep.items() if d in value.dims})
        array = value.values
        if field.stored and np.array_equal(array, array.astype("int32")):
            array = array.astype("int32")
        parts[name] = array
    return Evidence(**parts)


def cell(dataset: "xarray.Dataset", point: dict[str, Any]) -> "xarray.Dataset":
    """One cell of a data set by its coordinates.

    Raises:
        ValueError: for coordinates there are not, and axes with several that are not chosen.
    """
    for name, wanted in point.items():
        if name not in dataset.coords:
            raise ValueError(f"{name}={wanted} is not in the file; it has {axes(dataset)}")
        there = np.atleast_1d(dataset[name].values)
        near = [v == wanted or (_real(v, wanted) and np.isclose(v, wanted)) for v in there]
        if any(v == wanted for v in there):
            near = [v == wanted for v in there]
        if not any(near):
            raise ValueError(f"{name}={wanted} is not in the file; it has {there.tolist()}")
        if sum(near) > 1:
            raise ValueError(
                f"{name}={wanted} is in the file {sum(near)} times; choose one by dataset.isel"
            )
        if dataset[name].ndim:
            dataset = dataset.isel({name: int(np.argmax(near))})
    for name, there in axes(dataset).items():
        if len(there) > 1:
            raise ValueError(f"{name}: the file has {there}; say which by {name}=")
        dataset = dataset.isel({name: 0})
    return dataset


def _real(*values: Any) -> bool:
    return all(isinstance(v, int | float | np.number) for v in values)


def _count(one: "xarray.Dataset", name: str, otherwise: int | None = None) -> int | None:
    """How many layers or steps a cell has; files of the second layout have as many as its depth."""
    return int(one[name]) if name in one else otherwise

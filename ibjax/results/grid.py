"""Cells put together along the axes of a sweep, and evidence taken out again."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax import pipeline
from ibjax.environment import describe as environment
from ibjax.environment import merged
from ibjax.experiment import AXES
from ibjax.interface import Evidence
from ibjax.interface.fields import FIELDS
from ibjax.results import layout
from ibjax.results.cells import measured

if TYPE_CHECKING:
    import xarray

_PADDED = ("pair", "step", "layer", "supersample", "mask_id")


def axes(dataset: "xarray.Dataset") -> dict[str, list[Any]]:
    """The axes of a sweep that a data set still has, with their coordinates."""
    names = dict.fromkeys(d for v in dataset.data_vars.values() for d in v.dims)
    sweep = [str(name) for name in names if name not in layout.INNER]
    order = [axis.name for axis in AXES]
    sweep.sort(key=lambda name: order.index(name) if name in order else len(order))
    return {name: _values(dataset, name) for name in sweep}


def _values(dataset: "xarray.Dataset", name: str) -> list[Any]:
    if name in dataset.coords:
        return dataset[name].values.tolist()
    return list(range(dataset.sizes[name]))


def combine(
    cells: "Sequence[xarray.Dataset]", grid: Mapping[str, Sequence[Any]] | None = None
) -> "xarray.Dataset":
    """The cells of a sweep along its axes; what they share is stored once.

    Cells with fewer pairs, steps, layers or replicas than others are filled up: with NaN, with -1
    in whole numbers. Checkpoints are those of all cells, in steps. Each cell keeps its provenance;
    the attributes name a device, version or place of the data where all agree, and all of them
    where they do not.

    Args:
        cells: in the order of the grid, the last axis fastest; each with its settings as scalar
            coordinates.
        grid: the axes and their coordinates; by default one, the depth.
    """
    if grid is None:
        grid = {"depth": [int(cell["depth"]) for cell in cells]}
    places = list(itertools.product(*grid.values()))
    together = stacked(cells, [dict(zip(grid, place)) for place in places], grid)
    return together.assign_attrs(_together(cells, grid))


def stacked(
    cells: "Sequence[xarray.Dataset]",
    points: Sequence[Mapping[str, Any]],
    grid: Mapping[str, Sequence[Any]],
) -> "xarray.Dataset":
    """Cells in their places of a grid; a place without one holds nothing.

    Where they have different numbers of replicas, ``supersamples`` and ``masks`` say how many each
    has: an interval is over those and not over the room for them.
    """
    import xarray

    sizes = {d: max(cell.sizes[d] for cell in cells) for d in _PADDED}
    sizes["layer"] = max(sizes["layer"], 1)
    steps = np.unique(np.concatenate([cell["checkpoint"].values for cell in cells]))
    sizes["checkpoint"] = len(steps)
    shape = tuple(len(v) for v in grid.values())
    where = [tuple(list(grid[a]).index(p[a]) for a in grid) for p in points]
    variables: dict[str, Any] = {}
    if any(len({cell.sizes[dim] for cell in cells}) > 1 for dim in layout.COUNTED.values()):
        for name, dim in layout.COUNTED.items():
            table = np.full(shape, -1)
            for cell, place in zip(cells, where):
                table[place] = cell.sizes[dim]
            variables[name] = (tuple(grid), table, {"units": "1"})
    for name in dict.fromkeys(str(n) for cell in cells for n in cell.data_vars):
        if name in grid:
            continue  # its coordinate says the same
        model = next(cell[name] for cell in cells if name in cell)
        inner = tuple(sizes.get(str(d), model.sizes[d]) for d in model.dims)
        dtype = np.result_type(*(cell[name].dtype for cell in cells if name in cell))
        table = np.full((*shape, *inner), layout.blank(dtype), dtype)
        for cell, place in zip(cells, where):
            if name in cell:
                table[place] = _filled(cell[name], inner, cell, steps)
        dims = (*grid, *(str(d) for d in model.dims))
        if name == "checkpoints" and all(
            np.array_equal(cell[name], cell["checkpoint"]) for cell in cells
        ):
            dims, table = ("checkpoint",), steps.astype(model.dtype)
        elif name in layout.SHARED:
            dims, table = _constant(dims, table, len(grid))
        variables[name] = (dims, table, model.attrs)
    scalars = {
        str(k): v.values.item()
        for k, v in cells[0].coords.items()
        if v.ndim == 0
        and k not in grid
        and all(k in c.coords and c[k].values == v.values for c in cells)
    }
    coords: dict[str, Any] = {a: np.asarray(list(v)) for a, v in grid.items()} | scalars
    coords |= {"checkpoint": steps, "pair": np.arange(sizes["pair"])}
    coords |= {"step": np.arange(sizes["step"])}
    coords |= {"bound_name": cells[0]["bound_name"].values}
    merged = {"bound_kind": _weakest, "bound_about": _common, "bound_assumptions": _every}
    for name, merge in merged.items():
        if not all(name in cell.coords for cell in cells):
            continue  # cells that were written before there was such a column
        columns = zip(*(cell[name].values.tolist() for cell in cells))
        coords[name] = ("bound_name", [merge(column) for column in columns])
    return xarray.Dataset(variables, coords)


def _filled(variable: Any, inner: tuple[int, ...], cell: Any, steps: np.ndarray) -> np.ndarray:
    """The values of one cell in an array with room for those of all."""
    room = np.full(inner, layout.blank(variable.dtype), variable.dtype)
    index: list[Any] = [slice(n) for n in variable.shape]
    if "checkpoint" in variable.dims:
        at = variable.dims.index("checkpoint")
        index[at] = np.searchsorted(steps, cell["checkpoint"].values)
    room[tuple(index)] = variable.values
    return room


def _constant(dims: tuple[str, ...], table: np.ndarray, outer: int) -> tuple[Any, np.ndarray]:
    """Without the axes of the sweep along which nothing changes."""
    kept = list(dims)
    for axis in reversed(range(outer)):
        first = np.take(table, [0], axis)
        equal = table == first
        if table.dtype.kind == "f":
            equal = equal | (np.isnan(table) & np.isnan(first))
        if equal.all():
            table = np.take(table, 0, axis)
            del kept[axis]
    return tuple(kept), table


def _weakest(kinds: Sequence[str]) -> str:
    order = [k for k in layout.KINDS if k in kinds]
    return order[-1] if order else kinds[0]


def _common(subjects: Sequence[str]) -> str:
    return subjects[0] if len(set(subjects)) == 1 else ""


def _every(premises: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(word for text in premises for word in text.split()))


def _together(cells: Any, grid: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The attributes of cells that were perhaps made in different places."""
    about = [a for cell in cells for a in json.loads(cell.attrs["provenance"])]
    config = json.loads(cells[0].attrs["config"])
    names = {axis.name: axis.setting for axis in AXES}
    config |= {names[a]: list(v) for a, v in grid.items() if a in names}
    places = {a["data_dir"] for a in about}
    config["data_dir"] = places.pop() if len(places) == 1 else None
    return {
        **cells[0].attrs,
        **{k: merged(about)[k] for k in ("device", "versions")},
        "seed": config["seed"],
        "config": json.dumps(config, sort_keys=True),
        "provenance": json.dumps(about),
        "cells": " ".join(a["cell"] for a in about),
    }


def from_evidence(
    pieces: Evidence | Sequence[Evidence], axes: Mapping[str, Any] | None = None
) -> "xarray.Dataset":
    """Any evidence as a data set with coordinates: gap, bounds and nulls, and all it was made of.

    The same variables as a sweep's, so that `write`, `read` and the tables and pictures of
    `report` take it.

    Args:
        pieces: evidence of one configuration, or of several.
        axes: the coordinates of the pieces by name, such as ``train_size`` or ``learning_rate``:
            for each either one value a piece, or the values of a grid whose product runs over the
            pieces, the last axis fastest. Places of the grid without a piece hold NaN. By default
            ``piece`` numbers several.

    Raises:
        ValueError: for coordinates that do not fit the pieces, two pieces in one place, a name
            that is taken, or a single checkpoint in the place of a run.
    """
    listed = [pieces] if isinstance(pieces, Evidence) else list(pieces)
    if not listed or not all(type(piece) is Evidence for piece in listed):
        raise ValueError("pieces must be Evidence of whole runs, one or several of them")
    if axes is None:
        axes = {} if len(listed) == 1 else {"piece": range(len(listed))}
    points, grid = _placed(axes, len(listed))
    cells = [measured(pipeline.bounded(piece)) for piece in listed]
    found = stacked(cells, points, grid)
    known = {a: np.asarray(v).tolist() for a, v in grid.items()}
    for place, name in enumerate(("supersamples", "masks")):
        counts = {int(np.shape(piece.mask)[place]) for piece in listed}
        if len(counts) == 1 and name not in known:
            known[name] = counts.pop()
    made = environment()
    return found.assign_attrs(
        {
            "ibjax_format": layout.FORMAT,
            "config": json.dumps({"source": "evidence", **known}, sort_keys=True),
            **made,
            "seed": "",
            "provenance": json.dumps([{"pieces": len(listed), **made}]),
            "cells": "",
        }
    )


def _placed(axes: Mapping[str, Any], count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The point of each piece, and the grid of all."""
    taken = {*layout.INNER, *(layout.stored(n) for n in FIELDS), "gap"} - set(layout.AS_FIELDS)
    for name in axes:
        if name in taken or str(name).startswith(("bound_", "maxent_", "gap_", "layer_floor")):
            raise ValueError(f"axes names {name!r}, which is a part of every file; choose another")
    values = {str(k): np.atleast_1d(np.asarray(v)).tolist() for k, v in axes.items()}
    sizes = [len(v) for v in values.values()]
    if all(size == count for size in sizes):
        points = [dict(zip(values, one)) for one in zip(*values.values())] or [{}] * count
    elif int(np.prod(sizes)) == count:
        points = [dict(zip(values, one)) for one in itertools.product(*values.values())]
    else:
        raise ValueError(
            f"axes has {dict(zip(values, sizes))} values for {count} pieces; give one value a "
            "piece, or values whose product runs over the pieces"
        )
    if len({tuple(p.values()) for p in points}) < count:
        raise ValueError("axes puts two pieces in one place; name an axis that tells them apart")
    return points, {name: list(dict.fromkeys(v)) for name, v in values.items()}

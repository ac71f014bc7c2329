"""Results on disk: a summary across the axes, and below it a group of raw tables for each cell.

A file is there whole or not at all, with a checksum, see `files`. No code is run to read it.
"""

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax import files
from ibjax.environment import expanded
from ibjax.interface.fields import FIELDS
from ibjax.results import layout
from ibjax.results.grid import axes, stacked

if TYPE_CHECKING:
    import xarray

_CELLS = "/cells/"


def write(dataset: "xarray.Dataset | xarray.DataTree", path: str | os.PathLike) -> None:
    """Write a data set as netCDF with its checksum, whole or not at all.

    Results of a sweep become the tree of `tree`; any other data set is stored as it is.

    Args:
        dataset: what to store.
        path: the file; one that is there is replaced. Its folder is made if need be.

    Raises:
        OSError: if the place cannot be written; what was there is as it was.
    """
    files.write(_split(dataset), expanded(path))


def tree(dataset: "xarray.Dataset") -> "xarray.DataTree":
    """Results as they lie in a file: the summary at the root, the raw tables of each cell below.

    A group ``cells/depth=1,train_size=60`` holds pairs, masks, labels, predictions, and sizes and
    noises of the steps.
    """
    import xarray

    split: Any = _split(dataset)
    return split if isinstance(split, xarray.DataTree) else xarray.DataTree(dataset)


def _split(dataset: Any) -> Any:
    import xarray

    if not isinstance(dataset, xarray.Dataset) or "ibjax_format" not in dataset.attrs:
        return dataset
    grid = axes(dataset)
    if not _whole(dataset, grid):
        return dataset  # what a user made of it stays as it is
    groups = {}
    for place in itertools.product(*grid.values()):
        point = dict(zip(grid, place))
        chosen = {a: grid[a].index(v) for a, v in point.items()}
        raw = dataset[list(layout.RAW)].isel(chosen, missing_dims="ignore").reset_coords(drop=True)
        pairs = int(np.isin(raw["mask"].values, (0, 1)).any((0, 1)).sum())
        steps = float(dataset["updates"].isel(chosen, missing_dims="ignore"))
        if not pairs or not np.isfinite(steps):
            continue  # a place of the grid without a cell
        raw = raw.isel(pair=slice(pairs), step=slice(int(steps))).drop_vars(["pair", "step"])
        raw = raw.drop_vars("checkpoint").assign_attrs(point=json.dumps(point))
        groups[_CELLS + (",".join(f"{a}={v}" for a, v in point.items()) or "cell")] = raw
    summary = dataset.drop_vars([*layout.RAW, "pair", "step"])
    return xarray.DataTree.from_dict({"/": summary, **groups})


def _whole(dataset: "xarray.Dataset", grid: dict[str, Any]) -> bool:
    """Whether every raw table is there, with the axes it had."""
    if not all(name in dataset for name in (*layout.RAW, "updates")):
        return False
    dims = {name: tuple(d for d in dataset[name].dims if d not in grid) for name in layout.RAW}
    plain = all(
        isinstance(v, int | float | str) and "/" not in str(v) for a in grid.values() for v in a
    )
    apart = all(len(set(a)) == len(a) and all(v == v for v in a) for a in grid.values())
    indexed = {"pair", "step", *layout.TABLE, *grid} <= set(dataset.indexes)
    return (
        plain and apart and indexed and all(dims[name] == FIELDS[name].dims for name in layout.RAW)
    )


def _joined(groups: "dict[str, xarray.Dataset]") -> "xarray.Dataset":
    """The summary with the raw tables of all cells along its axes."""
    summary = groups["/"]
    raw = [part for name, part in groups.items() if name.startswith(_CELLS) and part.data_vars]
    grid = axes(summary)
    try:
        points = [json.loads(part.attrs["point"]) for part in raw]
        placed = all(p.keys() == grid.keys() and all(p[a] in grid[a] for a in grid) for p in points)
    except (KeyError, TypeError, ValueError):
        return summary
    if not raw or not placed or "checkpoint" not in summary.indexes:
        return summary
    none: dict[str, Any] = {name: ("bound_name", []) for name in layout.TEXT - {layout.NOTE}}
    own = [
        part.assign_coords(checkpoint=summary["checkpoint"].values, layer=[0], **none)
        for part in raw
    ]
    tables = stacked(own, points, grid)
    return summary.assign_coords(tables[["pair", "step"]].coords).assign(
        {name: tables[name] for name in layout.RAW}
    )


def read(path: str | os.PathLike) -> "xarray.Dataset":
    """A results file, checked: the summary, and the raw tables of its cells along its axes.

    A file that another program wrote from one of ours, with an axis chosen or a variable left
    out, is read as well.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged, or no results file of this layout.
    """
    path = expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such results file; `ibjax run` writes one")
    return of_groups(path, files.read_groups(path, foreign=True))


def of_groups(path: str | os.PathLike, groups: "dict[str, xarray.Dataset]") -> "xarray.Dataset":
    """The results file whose groups `files.read_groups` gave; see `read`.

    Args:
        path: the file, for what is said of it.
        groups: its groups by their paths.

    Raises:
        ValueError: if they are no results file of this layout.
    """
    attributes = groups["/"].attrs
    if "ibjax_format" not in attributes:
        raise ValueError(
            f"{path}: not a results file of `ibjax run` or results.from_evidence; give one of them"
        )
    if attributes["ibjax_format"] not in layout.READABLE:
        raise ValueError(
            f"{path}: written in layout {attributes['ibjax_format']}, this version reads "
            f"{layout.FORMAT}; run again"
        )
    found = _joined(groups)
    _check(path, found)
    return found


def _check(path: Any, dataset: "xarray.Dataset") -> None:
    if not dataset.data_vars:
        raise ValueError(f"{path}: holds no variable; run again")
    empty = [str(d) for d, n in dataset.sizes.items() if not n]
    if empty and set(empty) - {"bound_name"}:
        raise ValueError(f"{path}: has nothing along {', '.join(empty)}; run again")
    for name in dataset.data_vars:
        if name not in layout.TEXT and dataset[name].dtype.kind not in "biuf":
            raise ValueError(f"{path}: {name} holds {dataset[name].dtype}, not numbers; run again")
    try:
        config = json.loads(dataset.attrs["config"])
        wrong = [k for k, kind in layout.REPORTED.items() if not _fits(config.get(k), kind)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its configuration cannot be read ({error}); run again") from None
    if wrong:
        raise ValueError(f"{path}: its configuration has no usable {', '.join(wrong)}; run again")


def _fits(value: Any, kind: Any) -> bool:
    """Whether an entry is of its kind, several of them, or not there."""
    swept = isinstance(value, list) and all(isinstance(v, kind) for v in value)
    return value is None or isinstance(value, kind) or swept

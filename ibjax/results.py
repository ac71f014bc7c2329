"""Cells of a sweep as `xarray.Dataset`s, on disk and back.

A file is there whole or not at all, with a checksum, see `files`. It carries the configuration,
versions, device, seed and units, and no code is run to read it.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax import bounds, files, maxent
from ibjax.bounds import Null
from ibjax.bounds.evidence.fields import FIELDS, named
from ibjax.environment import describe as environment
from ibjax.environment import expanded, merged
from ibjax.environment import version as version
from ibjax.files import write as write
from ibjax.interface import Dataset, Evidence
from ibjax.pipeline import Cell, Experiment

if TYPE_CHECKING:
    import xarray

FORMAT = 2
"""Version of the layout of a results file."""

_PARTS = ("value", "information", "std_error", "vacuous", "holds", "confidence")
_NULL = {"mean": "bound_null", "spread": "bound_null_spread"}
_NOTE = "bound_note"
_TEXT = {"bound_name", "bound_kind", "bound_assumptions", _NOTE}
_TABLE = ("depth", "checkpoint", "bound_name")
_REPORTED = {
    "dataset": str,
    "classes": list,
    "train_size": int,
    "inverse_temperature": int | float,
    "layer_noise": int | float,
}
"""Parts of the configuration that tables and pictures name."""

_SHARED = {name for name, field in FIELDS.items() if not field.measured} - {
    "diverged",
    "dim",
    *named("layer"),
}
"""What the depths of a sweep have in common, stored once."""

_UNITS = {
    "bound_value": "loss (0-1)",
    "bound_information": "nat",
    "bound_std_error": "loss (0-1)",
    "bound_null": "loss (0-1)",
    "bound_null_spread": "loss (0-1)",
    "gap": "loss (0-1)",
    "gap_std_error": "loss (0-1)",
    "layer_floor": "1",
    "layer_floor_std_error": "1",
}
_REPLICAS = ("depth", "supersample", "mask_id")
_MEASURED = {"gap": "gap", "floor": "layer_floor"}

CONDITIONS = {
    "moment_residual": "correlation",
    "duality_gap": "nat",
    "linear_gap": "nat",
    "total_correlation": "nat",
}
"""Maximum-entropy conditions a file may hold as ``maxent_<name>``, and their units."""

COLLAPSE = ("nc1", "vci", "angles", "duality", "nearest_mean")
"""Measures of neural collapse a file may hold beside them, likewise; plain numbers."""


def fingerprint(experiment: Experiment, depth: int, data: str = "") -> str:
    """Hash of everything that decides the numbers of one cell.

    The sweep's other depths and the place of the data do not; the data themselves do.

    Args:
        experiment: the sweep.
        depth: of the cell.
        data: hash of the loaded pool, see `pool_digest`.
    """
    config = asdict(experiment) | {"depths": [depth], "data_dir": None, "download": False}
    if not experiment.maxent:
        del config["maxent"]  # cells of versions without it stay usable
    what = {"format": FORMAT, "ibjax": version("ibjax"), "jax": version("jax"), "config": config}
    if experiment.maxent:
        what["maxent"] = [*CONDITIONS, *COLLAPSE]
    what["data"] = data
    # Cells with other rows of bounds cannot stand beside each other in one file.
    what["bounds"] = [[b.name, b.kind, *b.assumptions] for b in bounds.registry().values()]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def pool_digest(pool: Dataset) -> str:
    """Hash of the examples themselves: one name may stand for other data in another place."""
    return files.digest(pool.x, pool.y, pool.num_classes)


def to_dataset(cell: Cell, experiment: Experiment, depth: int, data: str = "") -> "xarray.Dataset":
    """One cell as a data set with a depth axis of length one.

    Layers beyond this depth are NaN, up to the deepest of the sweep. `data` is the hash of the
    pool, see `fingerprint`.
    """
    import xarray

    deepest = max(experiment.depths)
    variables = {}
    for name, field in FIELDS.items():
        value, dims = np.asarray(getattr(cell.evidence, name)), field.dims
        if field.stored:
            value = value.astype(field.stored)
        if "layer" in dims:
            value = np.pad(value, (0, deepest - len(value)), constant_values=np.nan)
        if name not in _SHARED:
            value, dims = value[None], ("depth", *dims)
        variables[name] = (dims, value, {"units": field.unit})
    names = list(cell.bounds[0])
    for part in _PARTS:
        table = np.array([[np.asarray(getattr(b[k], part)) for k in names] for b in cell.bounds])
        key = f"bound_{part}"
        variables[key] = (_TABLE, table[None], {"units": _UNITS.get(key, "1")})
    for part, key in _NULL.items():
        table = np.array([[_part_of(b.get(k), part) for k in names] for b in cell.nulls])
        variables[key] = (_TABLE, table[None], {"units": _UNITS[key]})
    notes = np.array([[b[k].note for k in names] for b in cell.bounds], dtype=object)
    variables[_NOTE] = (_TABLE, notes[None], {})
    for name, key in _MEASURED.items():
        for part, ending in (("value", ""), ("std_error", "_std_error")):
            row = np.array([[float(getattr(e, part)) for e in getattr(cell, name)]])
            units = {"units": _UNITS[key + ending]}
            variables[key + ending] = (("depth", "checkpoint"), row, units)
    if cell.conditions is not None:
        for name, units in CONDITIONS.items():
            part = getattr(cell.conditions, name)
            usable = np.where(part.ok, part.value, np.nan)[None]
            notes = {
                "units": units,
                "kind": "diagnostic",
                "bias": part.bias,
                "estimator": part.name,
            }
            variables[f"maxent_{name}"] = (_REPLICAS, usable, notes)
    if cell.collapse is not None:
        for name in COLLAPSE:
            usable = np.where(cell.collapse.ok, getattr(cell.collapse, name), np.nan)[None]
            notes = {"units": "1", "kind": "diagnostic", "estimator": maxent.FORMULAS[name]}
            variables[f"maxent_{name}"] = (_REPLICAS, usable, notes)
    coords = {
        "depth": [depth],
        "bound_name": names,
        "bound_kind": ("bound_name", [cell.bounds[0][k].kind for k in names]),
        "bound_assumptions": (
            "bound_name",
            [" ".join(cell.bounds[0][k].assumptions) for k in names],
        ),
    }
    attributes = provenance(experiment, fingerprint(experiment, depth, data))
    return xarray.Dataset(variables, coords, attributes)


def _part_of(null: Null | None, part: str) -> float:
    return float("nan") if null is None else float(getattr(null, part))


def combine(cells: "list[xarray.Dataset]") -> "xarray.Dataset":
    """The cells of a sweep along depth; what they share is stored once.

    Each keeps its provenance; the attributes name a device, version or place of the data where
    all agree, and all of them where they do not.
    """
    import xarray

    together = xarray.concat(
        cells,
        dim="depth",
        data_vars="minimal",
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="override",
    )
    return together.assign_attrs(_together(cells))


def evidence(dataset: "xarray.Dataset", depth: int) -> Evidence:
    """The evidence of one depth of a results file, as the engine returned it.

    Raises:
        ValueError: if the file has no such depth.
    """
    depths = dataset["depth"].values.tolist()
    if depth not in depths:
        raise ValueError(f"depth={depth} is not in the file; it has {depths}")
    one = dataset.sel(depth=depth)
    parts = {}
    for name, field in FIELDS.items():
        value = one[name].values
        if "layer" in field.dims:
            value = value[:depth]
        parts[name] = value.astype("int32") if field.stored else value
    return Evidence(**parts)


def read(path: Path) -> "xarray.Dataset":
    """A results file, checked.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged, or not a whole results file of this layout.
    """
    path = expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such results file; `ibjax run` writes one")
    dataset = files.read(path)
    if "ibjax_format" not in dataset.attrs:
        raise ValueError(f"{path}: not a results file of `ibjax run`; give one that it wrote")
    if dataset.attrs["ibjax_format"] != FORMAT:
        raise ValueError(
            f"{path}: written in layout {dataset.attrs['ibjax_format']}, this version reads "
            f"{FORMAT}; run again"
        )
    expected = {k: f.dims if k in _SHARED else ("depth", *f.dims) for k, f in FIELDS.items()}
    expected |= {f"bound_{part}": _TABLE for part in _PARTS}
    expected |= {key: _TABLE for key in (*_NULL.values(), _NOTE)}
    for key in _MEASURED.values():
        expected |= {key: ("depth", "checkpoint"), f"{key}_std_error": ("depth", "checkpoint")}
    expected |= {k: ("bound_name",) for k in ("bound_name", "bound_kind", "bound_assumptions")}
    expected["depth"] = ("depth",)
    missing = [k for k in expected if k not in dataset.variables]
    missing += [k for k in (*_attributes(), "cells") if k not in dataset.attrs]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; run again")
    for name, dims in expected.items():
        found = dataset[name]
        if found.dims != dims or not found.size:
            raise ValueError(
                f"{path}: {name} has axes {dict(found.sizes)}, not {dims} of at least one place "
                "each; run again"
            )
        if name not in _TEXT and found.dtype.kind not in "biuf":
            raise ValueError(f"{path}: {name} holds {found.dtype}, not numbers; run again")
    try:
        config = json.loads(dataset.attrs["config"])
        wrong = [k for k, kind in _REPORTED.items() if not isinstance(config.get(k), kind)]
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its configuration cannot be read ({error}); run again") from None
    if wrong:
        raise ValueError(f"{path}: its configuration lacks {', '.join(wrong)}; run again")
    return dataset


def provenance(experiment: Experiment, cell: str) -> dict[str, Any]:
    """Attributes every results file carries: configuration, versions, device, seed, units.

    `provenance` says once more, a cell each, what can differ between the cells of one file.
    """
    made = environment()
    about = {"cell": cell, "data_dir": experiment.data_dir}
    about |= {k: made[k] for k in ("device", "versions")}
    return {
        "ibjax_format": FORMAT,
        "config": json.dumps(asdict(experiment), sort_keys=True),
        **made,
        "seed": experiment.seed,
        "provenance": json.dumps([about]),
        "cells": cell,
    }


def _together(cells: "list[xarray.Dataset]") -> dict[str, Any]:
    """The attributes of cells that were perhaps made in different places."""
    about = [a for cell in cells for a in json.loads(cell.attrs["provenance"])]
    config = json.loads(cells[0].attrs["config"])
    config["depths"] = [int(d) for cell in cells for d in cell["depth"].values]
    places = {a["data_dir"] for a in about}
    config["data_dir"] = places.pop() if len(places) == 1 else None
    return {
        **cells[0].attrs,
        **{k: merged(about)[k] for k in ("device", "versions")},
        "config": json.dumps(config, sort_keys=True),
        "provenance": json.dumps(about),
        "cells": " ".join(a["cell"] for a in about),
    }


def _attributes() -> tuple[str, ...]:
    return ("config", "device", "versions", "seed", "provenance")

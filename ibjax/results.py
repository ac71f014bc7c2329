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

from ibjax import bounds, files
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

_PARTS = ("value", "information", "std_error", "vacuous", "holds")
_REPORTED = {
    "dataset": str,
    "classes": list,
    "train_size": int,
    "inverse_temperature": int | float,
    "layer_noise": int | float,
}
"""Parts of the configuration that tables and pictures name."""
_TEXT = {"bound_name", "bound_kind", "bound_assumptions"}

_DIMS: dict[str, tuple[str, ...]] = {
    "index": ("supersample", "pair", "column"),
    "mask": ("supersample", "mask_id", "pair"),
    "labels": ("supersample", "pair", "column"),
    "predictions": ("supersample", "mask_id", "checkpoint", "pair", "column"),
    "train_error": ("supersample", "mask_id", "checkpoint"),
    "test_error": ("supersample", "mask_id", "checkpoint"),
    "train_loss": ("supersample", "mask_id", "checkpoint"),
    "diverged": ("supersample", "mask_id"),
    "checkpoints": ("checkpoint",),
    "step_sizes": ("step",),
    "noise_stds": ("step",),
    "clip": (),
    "gradient_norm": (),
    "batch_size": (),
    "dim": (),
    "gradient_information": ("supersample", "mask_id", "checkpoint"),
    "sample_information": ("supersample", "mask_id", "checkpoint"),
    "incoherence_information": ("supersample", "mask_id", "checkpoint"),
    "trajectory_cmi": ("supersample", "mask_id", "checkpoint"),
    "trajectory_cmi_llr": ("supersample", "mask_id", "checkpoint"),
    "test_prior_information": ("supersample", "mask_id", "checkpoint"),
    "likelihood_ratio": ("supersample", "mask_id", "checkpoint"),
    "layer_diameter": ("layer",),
    "layer_noise": ("layer",),
    "layer_log1m": ("layer",),
    "num_classes": (),
    "exchangeable": (),
}
_STORED = {"index": "int32", "mask": "int8", "labels": "int16", "predictions": "int16"}
_SHARED = {"index", "mask", "labels", "checkpoints", "num_classes", "exchangeable", "clip"} | {
    "gradient_norm",
    "batch_size",
    "step_sizes",
    "noise_stds",
}
"""What the depths of a sweep have in common, stored once."""

_UNITS = {
    "train_error": "probability",
    "test_error": "probability",
    "train_loss": "nat",
    "gradient_information": "nat",
    "sample_information": "nat",
    "incoherence_information": "nat",
    "trajectory_cmi": "nat",
    "trajectory_cmi_llr": "nat",
    "test_prior_information": "nat",
    "bound_value": "loss (0-1)",
    "bound_information": "nat",
    "bound_std_error": "loss (0-1)",
    "gap": "loss (0-1)",
    "gap_std_error": "loss (0-1)",
}

CONDITIONS = {
    "moment_residual": "correlation",
    "duality_gap": "nat",
    "linear_gap": "nat",
    "total_correlation": "nat",
}
"""Maximum-entropy conditions a file may hold as ``maxent_<name>``, and their units."""


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
    for name, dims in _DIMS.items():
        value = np.asarray(getattr(cell.evidence, name))
        if name in _STORED:
            value = value.astype(_STORED[name])
        if "layer" in dims:
            value = np.pad(value, (0, deepest - len(value)), constant_values=np.nan)
        if name not in _SHARED:
            value, dims = value[None], ("depth", *dims)
        variables[name] = (dims, value, {"units": _UNITS.get(name, "1")})
    names = list(cell.bounds[0])
    for part in _PARTS:
        table = np.array([[np.asarray(getattr(b[k], part)) for k in names] for b in cell.bounds])
        key = f"bound_{part}"
        dims = ("depth", "checkpoint", "bound_name")
        variables[key] = (dims, table[None], {"units": _UNITS.get(key, "1")})
    for part, key in (("value", "gap"), ("std_error", "gap_std_error")):
        row = np.array([[float(getattr(g, part)) for g in cell.gap]])
        variables[key] = (("depth", "checkpoint"), row, {"units": _UNITS[key]})
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
            variables[f"maxent_{name}"] = (("depth", "supersample", "mask_id"), usable, notes)
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
    for name, dims in _DIMS.items():
        value = one[name].values
        if "layer" in dims:
            value = value[:depth]
        parts[name] = value.astype("int32") if name in _STORED else value
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
    expected = {k: d if k in _SHARED else ("depth", *d) for k, d in _DIMS.items()}
    expected |= {f"bound_{part}": ("depth", "checkpoint", "bound_name") for part in _PARTS}
    expected |= {k: ("depth", "checkpoint") for k in ("gap", "gap_std_error")}
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

"""Cells of a sweep as `xarray.Dataset`s, on disk and back.

A file is written beside its place and renamed into it, so it is there whole or not at all. It
carries the configuration, versions, device, seed and units, and no code is run to read it.
"""

import hashlib
import importlib.metadata
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax import bounds
from ibjax.interface import Evidence
from ibjax.pipeline import Cell, Experiment

if TYPE_CHECKING:
    import xarray

FORMAT = 1
"""Version of the layout of a results file."""

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


def fingerprint(experiment: Experiment, depth: int) -> str:
    """Hash of everything that decides the numbers of one cell.

    The sweep's other depths and the place of the data do not.
    """
    config = asdict(experiment) | {"depths": [depth], "data_dir": None, "download": False}
    if not experiment.maxent:
        del config["maxent"]  # cells of versions without it stay usable
    what = {"format": FORMAT, "ibjax": version("ibjax"), "jax": version("jax"), "config": config}
    # Cells with other rows of bounds cannot stand beside each other in one file.
    what["bounds"] = [[b.name, b.kind, *b.assumptions] for b in bounds.registry().values()]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def to_dataset(cell: Cell, experiment: Experiment, depth: int) -> "xarray.Dataset":
    """One cell as a data set with a depth axis of length one.

    Layers beyond this depth are NaN, up to the deepest of the sweep.
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
    for part in ("value", "information", "std_error", "vacuous", "holds"):
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
    attributes = provenance(experiment) | {"cells": fingerprint(experiment, depth)}
    return xarray.Dataset(variables, coords, attributes)


def combine(cells: "list[xarray.Dataset]") -> "xarray.Dataset":
    """The cells of a sweep along depth; what they share is stored once."""
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
    together.attrs["cells"] = " ".join(cell.attrs["cells"] for cell in cells)
    return together


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


def write(dataset: "xarray.Dataset", path: Path) -> None:
    """Write a data set as netCDF, whole or not at all.

    What a killed process left half-written beside it is removed, once it is a minute old.

    Raises:
        OSError: if the place cannot be written; nothing half-written is left there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    compress = {k: {"zlib": True, "complevel": 3} for k, v in dataset.items() if v.size > 1000}
    put(path, lambda part: dataset.to_netcdf(part, engine="h5netcdf", encoding=compress))


def check_writable(folder: Path) -> None:
    """Find out before training whether results can be stored in a folder; it is made if need be.

    Raises:
        OSError: if not.
    """
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{folder}: cannot be written ({error.strerror}); choose another place with --out"
        ) from error


def put(path: Path, fill: Callable[[Path], object]) -> None:
    """A file that is there whole or not at all: filled beside its place, then renamed into it.

    What a killed process left half-written beside it is removed, once it is a minute old.

    Args:
        path: the file; one that is there already is replaced.
        fill: writes to the path it is given, which has the same ending.

    Raises:
        OSError: if the place cannot be written; nothing half-written is left there.
    """
    for left in path.parent.glob(f".{path.name}.*.part*"):
        if time.time() - left.stat().st_mtime > 60:
            left.unlink(missing_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        with open(part, "wb"):
            pass  # an unwritable place is named here, whatever library fills the file
        fill(part)
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> "xarray.Dataset":
    """A results file, checked.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not a whole results file of this layout.
    """
    import xarray

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such results file; `ibjax run` writes one")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as stored:
            dataset = stored.load()
    except Exception as error:
        raise ValueError(f"{path}: not a whole netCDF file ({error}); run again") from error
    if "ibjax_format" not in dataset.attrs:
        raise ValueError(f"{path}: not a results file of `ibjax run`; give one that it wrote")
    if dataset.attrs["ibjax_format"] != FORMAT:
        raise ValueError(
            f"{path}: written in layout {dataset.attrs['ibjax_format']}, this version reads "
            f"{FORMAT}; run again"
        )
    missing = [k for k in (*_DIMS, "bound_value", "gap") if k not in dataset]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; run again")
    return dataset


def provenance(experiment: Experiment) -> dict[str, Any]:
    """Attributes every results file carries: configuration, versions, device, seed, units."""
    return {
        "ibjax_format": FORMAT,
        "config": json.dumps(asdict(experiment), sort_keys=True),
        **environment(),
        "seed": experiment.seed,
    }


def environment() -> dict[str, str]:
    """What the numbers of any file were made with: versions, device, unit of information."""
    import jax

    device = jax.devices()[0]
    packages = ("ibjax", "jax", "jaxlib", "flax", "optax", "numpy", "xarray")
    return {
        "versions": json.dumps({name: version(name) for name in packages}),
        "device": f"{device.platform}: {device.device_kind} x {jax.local_device_count()}",
        "information_units": "nat",
    }


def version(package: str) -> str:
    """Version of an installed package."""
    return importlib.metadata.version(package)

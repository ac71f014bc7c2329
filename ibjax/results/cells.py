"""One cell of a sweep as a data set, with what its numbers were made with."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax import bounds, experiment, files, maxent
from ibjax.environment import describe as environment
from ibjax.environment import version
from ibjax.experiment import Experiment
from ibjax.interface import Dataset
from ibjax.interface.fields import FIELDS
from ibjax.pipeline import Cell
from ibjax.results import layout

if TYPE_CHECKING:
    import xarray


def fingerprint(
    settings: Experiment, depth: int | None, data: str = "", network: dict[str, Any] | None = None
) -> str:
    """Hash of everything that decides the numbers of one cell.

    The sweep's other cells and the place of the data do not; the data themselves do.

    Args:
        settings: of one value each, but for the depths.
        depth: of the cell; None with another network than the built-in one.
        data: hash of the loaded pool, see `pool_digest`.
        network: what is recorded of a network of one's own, see `recorded`.
    """
    config = experiment.settings(settings) | (network or {})
    config |= {"depths": None if depth is None else [depth], "data_dir": None, "download": False}
    what = {"format": layout.FORMAT, "config": config, "data": data}
    what |= {name: version(name) for name in ("ibjax", "jax")}
    # Cells with other rows of bounds cannot stand beside each other in one file.
    if settings.maxent:
        what["maxent"] = [*layout.CONDITIONS, *layout.COLLAPSE]
    what["bounds"] = [[b.name, b.kind, *b.assumptions] for b in bounds.registry().values()]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def pool_digest(pool: Dataset) -> str:
    """Hash of the examples themselves: one name may stand for other data in another place."""
    return files.digest(pool.x, pool.y, pool.num_classes)


def recorded(network: Any, digest: str, given: Any) -> dict[str, Any]:
    """What a configuration says of a network of one's own.

    Args:
        network: as it is trained; None for the built-in one.
        digest: hash of what it computes.
        given: what was asked for, a name or the object.
    """
    if network is None:
        return {}
    words = given if isinstance(given, str) else experiment.described(given)
    found: dict[str, Any] = {"network": words, "network_digest": digest}
    if getattr(network, "batch_statistics", None) is not None:
        found["clip"] = None
    return found


def to_dataset(
    cell: Cell,
    settings: Experiment,
    depth: int | None,
    data: str = "",
    network: dict[str, Any] | None = None,
) -> "xarray.Dataset":
    """One cell as a data set whose coordinates are the settings it was made with.

    Args:
        cell: what the pipeline gave.
        settings: of one value each, but for the depths.
        depth: hidden layers of the built-in network, or None.
        data: hash of the pool, see `fingerprint`.
        network: see `fingerprint`.
    """
    one = settings if depth is None else experiment.at(settings, {"depth": depth})
    # a field of the same name and value is a variable already
    point = {k: v for k, v in experiment.coordinates(one).items() if k not in layout.AS_FIELDS}
    found = measured(cell).assign_coords(point)
    name = fingerprint(settings, depth, data, network)
    return found.assign_attrs(provenance(one, name, network, data))


def measured(cell: Cell) -> "xarray.Dataset":
    """What one cell measured, without its settings: evidence, gap, bounds, nulls, conditions."""
    import xarray

    variables: dict[str, Any] = {}
    for name, field in FIELDS.items():
        value = np.asarray(getattr(cell.evidence, name))
        if field.stored and np.array_equal(kept := value.astype(field.stored), value):
            value = kept  # fractions in the place of predictions stay as they are
        about = {"units": field.unit, "long_name": field.what}
        variables[layout.stored(name)] = (field.dims, value, about)
    counts = {"layers": cell.evidence.layer_log1m, "updates": cell.evidence.step_sizes}
    for name, listed in counts.items():
        variables[name] = ((), np.asarray(np.size(listed)), {"units": "1"})
    names = list(cell.bounds[0])
    for part in layout.PARTS:
        table = np.array([[np.asarray(getattr(b[k], part)) for k in names] for b in cell.bounds])
        key = f"bound_{part}"
        variables[key] = (layout.TABLE, table, {"units": layout.UNITS.get(key, "1")})
    for part, key in layout.NULL.items():
        table = np.array([[_part_of(b.get(k), part) for k in names] for b in cell.nulls])
        variables[key] = (layout.TABLE, table, {"units": layout.UNITS[key]})
    notes = np.array([[b[k].note for k in names] for b in cell.bounds], dtype=object)
    variables[layout.NOTE] = (layout.TABLE, notes, {})
    for name, key in layout.MEASURED.items():
        for part, ending in (("value", ""), ("std_error", "_std_error")):
            row = np.array([float(getattr(e, part)) for e in getattr(cell, name)])
            variables[key + ending] = (("checkpoint",), row, {"units": layout.UNITS[key + ending]})
    if cell.conditions is not None:
        variables |= _conditions(cell.conditions)
    if cell.collapse is not None:
        for name in layout.COLLAPSE:
            usable = np.where(cell.collapse.ok, getattr(cell.collapse, name), np.nan)
            about = {"units": "1", "kind": "diagnostic", "estimator": maxent.FORMULAS[name]}
            variables[f"maxent_{name}"] = (("supersample", "mask_id"), usable, about)
    last = cell.bounds[0]
    coords = {
        "checkpoint": _places(cell.evidence.checkpoints),
        "pair": np.arange(np.shape(cell.evidence.index)[1]),
        "step": np.arange(np.size(cell.evidence.step_sizes)),
        "bound_name": names,
        "bound_kind": ("bound_name", [last[k].kind for k in names]),
        "bound_about": ("bound_name", [last[k].about for k in names]),
        "bound_assumptions": ("bound_name", [" ".join(last[k].assumptions) for k in names]),
    }
    return xarray.Dataset(variables, coords)


def _places(checkpoints: Any) -> np.ndarray:
    """Steps done at each checkpoint, or their numbers where those are not known."""
    steps = np.asarray(checkpoints, float).reshape(-1)
    known = np.isfinite(steps).all() and len(set(steps)) == len(steps)
    return steps.astype(int) if known else np.arange(len(steps))


def _conditions(conditions: Any) -> dict[str, Any]:
    found = {}
    for name, units in layout.CONDITIONS.items():
        part = getattr(conditions, name)
        usable = np.where(part.ok, part.value, np.nan)
        notes = {"units": units, "kind": "diagnostic", "bias": part.bias, "estimator": part.name}
        found[f"maxent_{name}"] = (("supersample", "mask_id"), usable, notes)
    return found


def _part_of(null: Any, part: str) -> float:
    return float("nan") if null is None else float(getattr(null, part))


def provenance(
    settings: Experiment, cell: str, network: dict[str, Any] | None = None, data: str = ""
) -> dict[str, Any]:
    """Attributes every results file carries: configuration, versions, device, seed, units.

    `provenance` says once more, a cell each, what can differ between the cells of one file.
    """
    made = environment()
    about = {"cell": cell, "data_dir": settings.data_dir} | ({"data": data} if data else {})
    about |= {k: made[k] for k in ("device", "versions")}
    return {
        "ibjax_format": layout.FORMAT,
        "config": json.dumps(experiment.settings(settings) | (network or {}), sort_keys=True),
        **made,
        "seed": settings.seed,
        "provenance": json.dumps([about]),
        "cells": cell,
    }

"""The numbers of one cell of a results file at one checkpoint, of whatever the file has left."""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import xarray

from ibjax.bounds.evidence.registry import Bound, registry
from ibjax.bounds.kinds import weakest
from ibjax.experiment import AXES
from ibjax.intervals import t_quantile
from ibjax.results import layout

LOSS_RANGE = 1.0
"""Range of the 0-1 loss: a bound at or above it is vacuous."""

_CONDITIONS = {
    "maxent_moment_residual": "moment residual",
    "maxent_duality_gap": "duality gap, nats",
    "maxent_linear_gap": "linear gap, nats",
    "maxent_total_correlation": "TC(T|Y), nats",
    "maxent_nc1": "NC1 tr(S_W S_B+)/K",
    "maxent_vci": "collapse index VCI",
    "maxent_angles": "NC2 angles off simplex",
    "maxent_duality": "NC3 head off means",
    "maxent_nearest_mean": "NC4 not nearest mean",
}


class Moment(NamedTuple):
    """One point: numbers by row, what else is told of it, its supersamples and masks of each."""

    rows: dict[str, dict[str, Any]]
    conditions: dict[str, dict[str, Any]]
    step: int
    diverged: int
    contracted: float
    floor: float
    shared: bool
    replicas: tuple[int, int]


def usable(cell: xarray.Dataset) -> np.ndarray:
    """Places of the checkpoints that one cell has: others belong to cells of other lengths."""
    if "checkpoint" not in cell.sizes:
        return np.zeros(1, int)
    for name in ("gap", "train_error", "test_error", "bound_value"):
        if name in cell and "checkpoint" in cell[name].dims:
            known = cell[name].notnull()
            there = known.any([d for d in known.dims if d != "checkpoint"]).values
            return np.flatnonzero(there) if there.any() else np.arange(len(there))
    return np.arange(cell.sizes["checkpoint"])


def moment(cell: xarray.Dataset, checkpoint: int, names: list[str]) -> Moment:
    """Everything a table shows of one cell.

    Args:
        cell: one place on every axis of the sweep.
        checkpoint: which of the checkpoints that the cell has; numbers are NaN beyond them.
        names: which bounds.
    """
    places = usable(cell)
    now, last = cell, checkpoint in (-1, len(places) - 1)
    if "checkpoint" in cell.sizes:
        there = -len(places) <= checkpoint < len(places)
        now = cell.isel(checkpoint=int(places[checkpoint if there else -1]))
        if not there:
            now = now.where(False)
    here = present(now)
    quantile, before = (_quantile(*counted) for counted in (here, layout.units(now)))
    rows = {}
    for name, label in (("train_error", "train error"), ("test_error", "test error")):
        if name in now:
            mean, error = _cluster_mean(now[name])
            rows[label] = {"kind": "measured", "value": mean, "error": quantile * error}
    if "gap" in now:
        error = before * _number(now, "gap_std_error")
        rows["gap"] = {"kind": "measured", "value": _number(now, "gap"), "error": error}
    if "bound_value" in now and names:
        rows |= _bounds(now, names, before)
    conditions = {}
    for name, label in _CONDITIONS.items():
        if name in now and last:
            mean, error = _cluster_mean(now[name])
            kind = str(now[name].attrs.get("kind", "diagnostic"))
            conditions[label] = {"kind": kind, "value": mean, "error": quantile * error}
    step = now["checkpoint"] if "checkpoint" in now.coords else now.get("checkpoints")
    return Moment(
        rows,
        conditions,
        0 if step is None or step.ndim or not np.isfinite(step) else int(step),
        int(np.nansum(now["diverged"].values)) if "diverged" in now else 0,
        _contracted(now),
        _number(now, "layer_floor"),
        "shared_batches" in now and bool((now["shared_batches"].values == 1).any()),
        here,
    )


def present(now: xarray.Dataset) -> tuple[int, int]:
    """Supersamples, and masks of each, that a data set holds: less than its room where it shares
    this with places of more.
    """
    room = now.sizes.get("supersample", 0), now.sizes.get("mask_id", 0)
    if not all(name in now.data_vars for name in layout.COUNTED):
        return room
    supersamples, masks = layout.units(now)
    return min(room[0], supersamples), min(room[1], masks)


def _quantile(supersamples: int, masks: int) -> float:
    return t_quantile(supersamples if supersamples > 1 else masks)


def check_numbers(dataset: xarray.Dataset) -> None:
    """Refuse what is no number where a table needs one.

    Raises:
        ValueError: naming the variable.
    """
    shown = ("gap", "gap_std_error", "train_error", "test_error", "diverged", "layer_floor")
    for name in map(str, dataset.data_vars):
        wanted = name in shown or (name.startswith("bound_") and name not in layout.TEXT)
        if wanted and dataset[name].dtype.kind not in "biuf":
            raise ValueError(
                f"{name} holds {dataset[name].dtype}, not real numbers; leave it out or convert it"
            )


def _bounds(now: xarray.Dataset, names: list[str], quantile: float) -> dict[str, dict[str, Any]]:
    there = stored(now)

    def column(name: str, missing: Any) -> list[Any]:
        values = now[name].values.reshape(-1) if name in now.variables else None
        listed = [missing] * len(there) if values is None else values.tolist()
        return listed if len(listed) == len(there) else [missing] * len(there)

    parts = {
        "kind": column("bound_kind", "unknown"),
        "value": column("bound_value", math.nan),
        "error": column("bound_std_error", math.nan),
        "vacuous": column("bound_vacuous", None),
        "null": column("bound_null", math.nan),
        "null_spread": column("bound_null_spread", math.nan),
        "confidence": column("bound_confidence", 1.0),
        "holds": [bool(value == 1) for value in column("bound_holds", 1)],
    }
    found = {name: {k: v[i] for k, v in parts.items()} for i, name in enumerate(there)}
    known, places = registry(), _averaged(now)
    for name, row in found.items():
        if name in known:
            row["kind"] = _allowed(row["kind"], known[name], "bound_confidence" in now.variables)
        # A mean of statements holds where all of them do; a place without a cell states nothing.
        row["confidence"] = float(np.maximum(0.0, 1 - places * (1 - row["confidence"])))
        row["error"] = quantile * row["error"]
        # A mean over places of which it holds at some alone bounds no mean over all of them.
        if not row.pop("holds"):
            row |= {"value": math.nan, "error": math.nan}
        if row["vacuous"] is None or row["vacuous"] not in (0, 1):
            row["vacuous"] = row["value"] >= LOSS_RANGE
    return {name: found[name] for name in names}


def _allowed(kind: Any, row: Bound, sure: bool) -> str:
    """What a file may say of a bound: a kind is never better than what the bound reads allows."""
    if row.limits and not sure:
        return "unknown"  # a limit whose confidence is lost
    return weakest(kind, row.kind) if kind in layout.KINDS else str(kind)


def _averaged(dataset: xarray.Dataset) -> int:
    """Places of the run's grid that a user took a mean over: their axes left no coordinate."""
    config = layout.configuration(dataset)
    mine = [a for a in AXES if not (a.own and config.get("network"))]
    listed = {a.name: config.get(a.setting) for a in mine} if "source" not in config else config
    lost = [v for k, v in listed.items() if isinstance(v, list) and k not in dataset.coords]
    return math.prod(max(len(v), 1) for v in lost)


def _contracted(now: xarray.Dataset) -> float:
    if "layer_log1m" not in now:
        return math.nan
    # log eta = log(1 - e^log1m) keeps what lies far below the rounding of 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        log_eta = np.log1p(-np.exp(now["layer_log1m"].values))
    known = bool(np.isfinite(log_eta).any() or np.isinf(log_eta).any())
    return float(-np.expm1(0.5 * np.nansum(log_eta))) if known else math.nan


def _number(now: xarray.Dataset, name: str) -> float:
    return float(now[name]) if name in now and not now[name].ndim else math.nan


def stored(dataset: xarray.Dataset) -> list[str]:
    """The bounds that a data set has, in its order."""
    if "bound_name" not in dataset.coords:
        return []
    return np.atleast_1d(dataset["bound_name"].values).tolist()


def _cluster_mean(values: xarray.DataArray) -> tuple[float, float]:
    """Mean and standard error over supersamples of (supersample, mask) values."""
    array = values.transpose(*(d for d in ("supersample", "mask_id") if d in values.dims)).values
    array = np.asarray(array, float)
    if not array.ndim:
        return float(array), math.nan
    table = array if array.ndim == 2 else array[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        units = np.nanmean(table, axis=1 if len(table) > 1 else 0)
        count = np.sum(np.isfinite(units))
        error = np.nanstd(units, ddof=1) / np.sqrt(count)
        return float(np.nanmean(units)), float(error)

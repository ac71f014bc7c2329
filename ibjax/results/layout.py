"""The names of a results file: its variables, their axes and units, and what stands for nothing."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax.interface.fields import FIELDS, named

if TYPE_CHECKING:
    import xarray

FORMAT = 3
"""Version of the layout of a results file."""

READABLE = (2, FORMAT)
"""Layouts that are read: the second had neither groups nor coordinates but the depth."""

INNER = (
    "checkpoint",
    "supersample",
    "mask_id",
    "pair",
    "column",
    "step",
    "layer",
    "bound_name",
)
"""Axes inside a cell; every other one is an axis of the sweep."""

PARTS = ("value", "information", "std_error", "vacuous", "holds", "confidence")
NULL = {"mean": "bound_null", "spread": "bound_null_spread"}
NOTE = "bound_note"
TEXT = {"bound_name", "bound_kind", "bound_about", "bound_assumptions", NOTE}
TABLE = ("checkpoint", "bound_name")
MEASURED = {"gap": "gap", "floor": "layer_floor"}

STORED = {"layer_noise": "layer_noise_std"}
"""Fields of evidence under another name: ``layer_noise`` is a coordinate."""

AS_FIELDS = ("clip", "batch_size", "radius")
"""Coordinates that are fields of evidence too; swept, the coordinate takes the field's place."""

RAW = tuple(n for n, f in FIELDS.items() if {"pair", "column", "step"} & set(f.dims))
"""Tables of the pairs and the steps; on disk they lie in a group for each cell."""

SHARED = {name for name, field in FIELDS.items() if not field.measured} - {
    "diverged",
    "dim",
    *named("layer"),
}
"""Fields stored without the axes along which they do not change."""

UNITS = {
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

CONDITIONS = {
    "moment_residual": "correlation",
    "duality_gap": "nat",
    "linear_gap": "nat",
    "total_correlation": "nat",
}
"""Maximum-entropy conditions a file may hold as ``maxent_<name>``, and their units."""

COLLAPSE = ("nc1", "vci", "angles", "duality", "nearest_mean")
"""Measures of neural collapse a file may hold beside them, likewise; plain numbers."""

REPORTED = {
    "dataset": str,
    "classes": list,
    "train_size": int,
    "inverse_temperature": int | float,
    "layer_noise": int | float,
}
"""Parts of the configuration that tables and pictures name."""

KINDS = ("certificate", "estimate", "diagnostic")
"""From the strongest to the weakest."""


def stored(name: str) -> str:
    """The name of a field of evidence in a file."""
    return STORED.get(name, name)


def configuration(dataset: "xarray.Dataset") -> dict[str, Any]:
    """What a data set says of the run it is of; empty where it has lost that."""
    try:
        found = json.loads(dataset.attrs.get("config", "{}"))
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


COUNTED = {"supersamples": "supersample", "masks": "mask_id"}
"""Variables that say how many replicas each place has, where places have different numbers."""


def units(dataset: "xarray.Dataset") -> tuple[int, int]:
    """Supersamples, and masks of each, that gap and bounds were measured on; the most of any place.

    A user may have chosen or averaged some of them since; what was stored stays that of all.
    """
    if all(name in dataset.data_vars for name in COUNTED):
        supersamples, masks = (int(np.nanmax(dataset[name].values)) for name in COUNTED)
        return max(supersamples, 0), max(masks, 0)
    supersamples, masks = (configuration(dataset).get(name) for name in COUNTED)
    if type(supersamples) is int and type(masks) is int and supersamples > 0 and masks > 0:
        return supersamples, masks
    return dataset.sizes.get("supersample", 0), dataset.sizes.get("mask_id", 0)


def blank(dtype: Any) -> Any:
    """What stands where there is nothing, in an array of a type."""
    return {"f": np.nan, "i": -1, "b": False}.get(np.dtype(dtype).kind, "")

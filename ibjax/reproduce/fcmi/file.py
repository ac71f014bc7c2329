"""Rows of the f-CMI experiment as a data set, and back."""

import json
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import xarray

from ibjax import environment
from ibjax.reproduce.fcmi.rows import BOUNDS, Beside, Row
from ibjax.reproduce.outcome import MARK, jsoned

T = TypeVar("T")

_BESIDE = {
    "null": "mean of the plug-in bound under masks dealt anew",
    "null_spread": "standard deviation of the plug-in bound under masks dealt anew",
    "corrected": "bound from tables of little bias, mean first and root last",
    "corrected_error": "standard error of the corrected bound, its largest bias included",
    "corrected_null": "mean of the corrected bound under masks dealt anew",
    "corrected_null_spread": "standard deviation of the corrected bound under masks dealt anew",
    "above": "whether the corrected information is above its null",
}


def dataset(rows: list[Row], options: dict[str, Any], name: str) -> xarray.Dataset:
    """The rows with their axes; checkpoints of one size beyond those of another are NaN.

    Args:
        rows: one a variant and size.
        options: of the reproduction, as JSON.
        name: what `ibjax reproduce` calls it.
    """
    axes, along = ("supersample", "checkpoint"), ("bound", "checkpoint")
    each = []
    for r in rows:
        numbers = {"gap": (r.gap, "measured"), "train_error": (r.train_error, "measured")}
        numbers |= {name: (values, "plug-in estimate") for name, values in r.bounds.items()}
        variables: dict[str, Any] = {
            _variable(name): (
                axes,
                values,
                {"units": "loss (0-1)", "kind": kind, "long_name": name},
            )
            for name, (values, kind) in numbers.items()
        }
        for part, what in _BESIDE.items() if r.beside else ():
            values = np.stack([getattr(r.beside[bound], part) for bound in BOUNDS])
            units = "1" if part == "above" else "loss (0-1)"
            variables[part] = (along, values, {"units": units, "kind": "estimate", "what": what})
        variables |= {
            "epoch": (("checkpoint",), r.epochs, {"units": "1"}),
            "replicas": ((), r.replicas, {"units": "1"}),
            "diverged": ((), r.diverged, {"units": "1"}),
            "seconds": ((), r.seconds, {"units": "s"}),
        }
        coordinates = {"bound": list(BOUNDS)} if r.beside else {}
        place = {"variant": [r.variant], "n": [r.n]}
        each.append(xarray.Dataset(variables, coordinates).expand_dims(place))
    found = xarray.combine_by_coords(each) if len(each) > 1 else each[0]
    assert isinstance(found, xarray.Dataset)
    text = json.dumps(options, sort_keys=True)
    found.attrs = {**environment.describe(), MARK: name, "options": text}
    return found


def rows(found: xarray.Dataset) -> list[Row]:
    """The rows of a stored data set; without what stands beside bounds where it has none.

    Raises:
        ValueError: if a variable is missing.
    """
    needed = [*map(_variable, ("gap", "train_error", *BOUNDS)), "epoch", "replicas", "diverged"]
    missing = [name for name in (*needed, "variant", "n") if name not in found.variables]
    if missing:
        raise ValueError(f"the file lacks {', '.join(missing)}; reproduce it again")
    out = []
    for variant in found.variant.values.tolist():
        for n in found.n.values.tolist():
            one = found.sel(variant=variant, n=n)
            here = np.isfinite(one.epoch.values.astype(float))
            if not here.any():
                continue
            one = one.isel(checkpoint=here).transpose(
                "supersample", "bound", ..., "checkpoint", missing_dims="ignore"
            )
            out.append(
                Row(
                    str(variant),
                    int(n),
                    one.epoch.values,
                    one.gap.values,
                    one.train_error.values,
                    {name: one[_variable(name)].values for name in BOUNDS},
                    float(one["seconds"]) if "seconds" in one else 0.0,
                    int(one.replicas),
                    int(one.diverged),
                    _stored_beside(one),
                )
            )
    return out


def _stored_beside(one: xarray.Dataset) -> dict[str, Beside]:
    if "bound" not in one.dims or any(part not in one for part in _BESIDE):
        return {}
    return {
        name: Beside(*(one[part].sel(bound=name).values for part in _BESIDE)) for name in BOUNDS
    }


def options(found: xarray.Dataset, of: type[T]) -> T:
    """The options that a stored data set was made with; those it does not name at their default.

    Raises:
        ValueError: if they cannot be read.
    """
    given = jsoned(found.attrs, "options")
    known: Any = of
    names = {f.name for f in fields(known)}
    chosen = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if k in names}
    try:
        return of(**chosen)
    except TypeError as error:
        raise ValueError(f"the options of the file cannot be read ({error})") from None


def _variable(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")

"""Several results side by side, with what tells them apart."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ibjax.environment import merged
from ibjax.experiment import AXES
from ibjax.results import layout
from ibjax.results.grid import axes

if TYPE_CHECKING:
    import xarray

_PLACES = ("data_dir", "download", "source")
"""Settings that decide no number."""


def compared(files: "Mapping[str, xarray.Dataset]", axis: str | None = None) -> "xarray.Dataset":
    """Several results side by side along an axis ``run``: what tables and pictures show of them.

    A setting that one file has as an axis and another as one value becomes an axis of both. Places,
    replicas, layers and bounds that a file does not have hold nothing: NaN, or -1 in whole numbers.
    Raw tables stay in the files. The configuration is what the files have in common; the attribute
    ``differing`` lists the other settings that no axis shows, by name, a value a file of ``runs``.

    Args:
        files: results by the name of the run.
        axis: a setting that may have one value in every file. Where no two files have a place in
            common along it, it joins them in the place of ``run``.

    Raises:
        ValueError: where one file has an axis that says nothing of another.
    """
    import xarray

    raw = {*layout.RAW, "pair", "step"}
    bare = {name: one.drop_vars(raw & set(one.variables)) for name, one in files.items()}
    several = {a for one in bare.values() for a in axes(one)}
    if axis is not None and all(axis in one.coords for one in bare.values()):
        several |= {axis} - set(layout.INNER)
    for name, one in bare.items():
        for missing in several - set(axes(one)):
            if missing not in one.coords:
                words = missing.replace("_", " ")
                raise ValueError(f"{name} has no {words}, which another file has")
            bare[name] = one = one.expand_dims(missing)
    listed = _roomy(list(bare.values()))
    joined = axis if axis in several and _disjoint(listed, str(axis)) else None
    together = xarray.concat(
        listed,
        dim=joined or xarray.DataArray(list(bare), dims="run", name="run"),
        data_vars="all",
        coords="different",
        compat="equals",
        join="outer",
        fill_value=_blanks(listed),
        combine_attrs="override",
    )
    if joined:
        whose = [name for name, one in zip(bare, listed) for _ in range(one.sizes[joined])]
        together = together.assign_coords(run=(joined, whose)).sortby(joined)
    configs = [layout.configuration(one) for one in files.values()]
    common = {k: v for k, v in configs[0].items() if all(c.get(k) == v for c in configs)}
    return together.assign_attrs(
        _origin(list(files.values())),
        config=json.dumps(common, sort_keys=True),
        runs=json.dumps(list(files)),
        differing=json.dumps(_differing(list(files.values()), configs, axes(together))),
    )


def _disjoint(listed: "list[xarray.Dataset]", axis: str) -> bool:
    """Whether no two data sets have a place in common along an axis."""
    places = [value for one in listed for value in one[axis].values.tolist()]
    return len(set(places)) == len(places)


def _roomy(listed: "list[xarray.Dataset]") -> "list[xarray.Dataset]":
    """The data sets with room for the replicas and layers of all, and their counts of replicas."""
    counts = [layout.units(one) for one in listed]
    if len(set(counts)) > 1 or any(n in one for n in layout.COUNTED for one in listed):
        known = [all(n in one for n in layout.COUNTED) for one in listed]
        listed = [
            one if stated else one.assign(dict(zip(layout.COUNTED, count)))
            for one, count, stated in zip(listed, counts, known)
        ]
    inner = [d for d in layout.INNER if not any(d in one.indexes for one in listed)]
    room = {d: max(one.sizes.get(d, 0) for one in listed) for d in inner}
    return [one.map(_padded, keep_attrs=True, args=(room,)) for one in listed]


def _padded(variable: "xarray.DataArray", room: Mapping[str, int]) -> "xarray.DataArray":
    """A variable with so much room along its axes."""
    more = {d: (0, room[str(d)] - n) for d, n in variable.sizes.items() if room.get(str(d), 0) > n}
    if not more:
        return variable
    return variable.pad(more, constant_values=layout.blank(variable.dtype))


def _blanks(listed: "list[xarray.Dataset]") -> dict[str, Any]:
    """What stands where a file has nothing, by variable."""
    kinds: dict[str, Any] = {}
    for one in listed:
        for name, variable in one.variables.items():
            kinds.setdefault(str(name), variable.dtype)
    return {name: layout.blank(kind) for name, kind in kinds.items()}


def _origin(listed: "list[xarray.Dataset]") -> dict[str, Any]:
    """The attributes that say where the numbers come from, those of all files."""
    try:
        about = [a for one in listed for a in json.loads(one.attrs["provenance"])]
        made = {k: merged(about)[k] for k in ("device", "versions")}
    except (KeyError, TypeError, ValueError):
        return {}
    cells = " ".join(str(one.attrs.get("cells", "")) for one in listed).strip()
    return made | {"provenance": json.dumps(about), "cells": cells}


def _differing(
    listed: "list[xarray.Dataset]", configs: list[dict[str, Any]], shown: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """The settings that are not the same in all files and no axis of theirs, a value a file."""
    names = {axis.setting: axis.name for axis in AXES}
    known = dict.fromkeys(name for config in configs for name in config)
    found = {}
    for name in known:
        values = [config.get(name) for config in configs]
        alike = all(value == values[0] for value in values)
        if not alike and name not in _PLACES and names.get(name, name) not in shown:
            found[name] = values
    for name in layout.COUNTED:
        values = [layout.units(one)[list(layout.COUNTED).index(name)] for one in listed]
        if name not in found and len(set(values)) > 1:
            found[name] = values
    data = [_data(one) for one in listed]
    if "dataset" not in found and None not in data and len(set(map(str, data))) > 1:
        found["examples"] = data
    return found


def _data(one: "xarray.Dataset") -> Any:
    """Hashes of the examples that a file's cells were made with; None where it does not say."""
    try:
        hashes = {a["data"] for a in json.loads(one.attrs["provenance"])}
    except (KeyError, TypeError, ValueError):
        return None
    return " ".join(sorted(map(str, hashes))) or None

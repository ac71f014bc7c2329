"""The axes of a results file, and words for them in heads, labels and titles."""

import itertools
import json
from typing import Any

import numpy as np
import xarray

from ibjax import results
from ibjax.results.layout import configuration

_SHORT = {
    "depth": "depth",
    "train_size": "n =",
    "learning_rate": "eta",
    "inverse_temperature": "beta",
    "layer_noise": "noise",
    "batch_size": "batch",
    "checkpoint": "step",
    "run": "",
}
_LONG = {
    "depth": "hidden layers",
    "train_size": "training examples n",
    "learning_rate": "learning rate eta",
    "inverse_temperature": "inverse temperature beta",
    "layer_noise": "standard deviation of the layer noise",
    "checkpoint": "updates",
    "run": "",
}
_SCALES = ("train_size", "learning_rate", "inverse_temperature", "clip", "width", "batch_size")
_SCALES += ("radius",)


def check_axis(dataset: xarray.Dataset, axis: str | None) -> str | None:
    """The axis to show: the one asked for, or the first with several values.

    Returns:
        Its name, or None where the data set has no axis left.

    Raises:
        ValueError: for one that the data set does not have, naming those it has.
    """
    there = results.axes(dataset)
    if axis is not None:
        if axis in there or (axis == "checkpoint" and axis in dataset.dims):
            return axis
        known = [*there, *(["checkpoint"] if "checkpoint" in dataset.dims else [])]
        raise ValueError(f"axis={axis!r}: the file has {', '.join(known) or 'none'}")
    several = [name for name, values in there.items() if len(values) > 1]
    ordered = [name for name in several if name != "run"] or several or list(there)
    return ordered[0] if ordered else None


def panels(dataset: xarray.Dataset, axis: str | None) -> list[dict[str, int]]:
    """Every place on the other axes, those with one value included.

    Places are counted and not named by their coordinates, two of which may be equal, or NaN.
    """
    there = {k: range(len(v)) for k, v in results.axes(dataset).items() if k != axis}
    return [dict(zip(there, place)) for place in itertools.product(*there.values())]


def coordinates(dataset: xarray.Dataset, place: dict[str, int]) -> dict[str, Any]:
    """The coordinates of a place of `panels`."""
    there = results.axes(dataset)
    return {name: there[name][at] for name, at in place.items()}


def value(name: str, at: Any) -> str:
    """A coordinate in the head of a column: ``depth 2``, ``n = 60``, ``eta 0.1``."""
    words = _SHORT.get(name, name.replace("_", " "))
    return f"{words} {number(at)}".strip()


def number(at: Any) -> str:
    """A coordinate as people write it."""
    return f"{at:.4g}" if isinstance(at, float) else str(at)


def title(name: str | None) -> str:
    """What stands along an axis of a picture."""
    return "" if name is None else _LONG.get(name, name.replace("_", " "))


def logarithmic(name: str | None, values: list[Any]) -> bool:
    """Whether an axis is read by ratios: a scale whose values span a factor of four."""
    numbers = [v for v in values if isinstance(v, int | float)]
    if name not in _SCALES or len(numbers) < max(len(values), 2):
        return False
    finite = bool(np.isfinite(numbers).all())
    return finite and min(numbers) > 0 and max(numbers) >= 4 * min(numbers)


def heading(dataset: xarray.Dataset, axis: str | None = None, step: int | None = None) -> str:
    """What the numbers are of: data, classes, network, and the settings that have one value."""
    config = configuration(dataset)
    named, several = config.get("dataset"), differing(dataset)
    words = [str(named) if named else "several data sets" if "dataset" in several else "evidence"]
    classes = config.get("classes")
    if isinstance(classes, list) and classes:
        words.append(" versus ".join(label(c) for c in classes))
    network = config.get("network")
    if network:
        words.append(str(network) if len(str(network)) <= 40 else f"{str(network)[:37]}...")
    single = []
    size = config.get("train_size")
    if isinstance(size, int | float) and axis != "train_size":
        single.append(f"n = {size}")
    if step and axis not in ("steps", "checkpoint"):
        single.append(f"{step} steps")
    return ", ".join(words) + (f": {', '.join(single)}" if single else "")


def differing(dataset: xarray.Dataset) -> dict[str, list[Any]]:
    """The settings in which results put side by side differ, a value a run; empty for one."""
    try:
        found = json.loads(dataset.attrs.get("differing", "{}"))
    except (TypeError, ValueError):
        return {}
    known = found.items() if isinstance(found, dict) else ()
    return {str(name): list(v) for name, v in known if isinstance(v, list)}


def runs(dataset: xarray.Dataset) -> list[str]:
    """Names of the results put side by side, empty for one."""
    try:
        found = json.loads(dataset.attrs.get("runs", "[]"))
    except (TypeError, ValueError):
        return []
    return list(map(str, found)) if isinstance(found, list) else []


def setting(name: str, value: Any) -> str:
    """A setting of a configuration as text."""
    if name == "classes" and isinstance(value, list):
        return " versus ".join(map(label, value))
    if isinstance(value, list):
        return " and ".join(map(number, value))
    return "not set" if value is None else number(value)


def label(entry: Any) -> str:
    """A class of the configuration as text: one label, or the labels of a group."""
    return ",".join(map(str, entry)) if isinstance(entry, list | tuple) else str(entry)


def fixed(place: dict[str, Any], dataset: xarray.Dataset) -> str:
    """The place on the axes that are not shown, where they have several values."""
    there = results.axes(dataset)
    return ", ".join(value(k, v) for k, v in place.items() if len(there[k]) > 1)

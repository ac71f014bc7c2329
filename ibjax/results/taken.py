"""Evidence taken out of a data set again, as the engine returned it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax.interface import Evidence
from ibjax.interface.fields import FIELDS
from ibjax.results import layout
from ibjax.results.grid import axes

if TYPE_CHECKING:
    import xarray


def evidence(dataset: "xarray.Dataset", depth: int | None = None, **point: Any) -> Evidence:
    """The evidence of one cell of a results file, as the engine returned it.

    Of some of the replicas only, what has a confidence limit is left out (`index` is -1 and
    `membership_information` NaN): a limit on their mean is none where they were chosen.

    Args:
        dataset: a results file, see `read`.
        depth: of the cell; may be left out where there is one.
        **point: the other coordinates, such as ``train_size=60``, of every axis that has several.

    Raises:
        ValueError: if the file has no such cell, several, or lacks a table of it; for one of more
            replicas, or of other settings, than its configuration has.
    """
    one = cell(dataset, {**({} if depth is None else {"depth": depth}), **point})
    absent = [n for n in FIELDS if layout.stored(n) not in one and n not in one.variables]
    # fields that came later are missing in the evidence of older files, as they are in saved arrays
    missing = [n for n in absent if n not in Evidence._field_defaults]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ValueError(
            f"the data set lacks {', '.join(missing[:3])}{more}, which evidence holds; take it "
            "from the file as it was written"
        )
    _check_axes(one)
    mask = _whole(one["mask"], "mask", one).values
    used = np.isin(mask, (0, 1))
    if not (used | np.isnan(mask) | (mask == -1)).all():
        raise ValueError(
            "mask holds other numbers than 0 and 1, as means over replicas do; evidence is of "
            "single replicas: take it from the file as it was written"
        )
    keep = {
        "pair": used.any((0, 1)),
        "supersample": used.any((1, 2)),
        "mask_id": used.any((0, 2)),
    }
    if not used.any():
        raise ValueError(f"no cell lies at {point}; the grid has none there")
    for name in ("step", "pair"):
        if name in one.coords and len(np.unique(one[name])) < one.sizes.get(name, 0):
            raise ValueError(f"the data set lists a {name} twice; take evidence before it does")
    if "train_size" in one and one["train_size"].size == 1:
        n, found = one["train_size"].item(), int(keep["pair"].sum())
        if found < n:
            raise ValueError(
                f"the data set holds {found} of the {n:g} pairs of the run, and the bounds are on "
                "the whole sample; take evidence before pairs are chosen"
            )
    if "checkpoint" in one.sizes:
        known = one["train_error"].notnull()
        keep["checkpoint"] = known.any([d for d in known.dims if d != "checkpoint"]).values
    for name, count in (("layer", _count(one, "layers", depth)), ("step", _count(one, "updates"))):
        if count is not None:
            if name == "step" and one.sizes.get(name, 0) < count:
                raise ValueError(
                    f"the data set holds {one.sizes.get(name, 0)} of the {count} steps of the run, "
                    "and the bounds count each; take evidence before steps are chosen"
                )
            keep[name] = np.arange(one.sizes[name]) < count
    parts = {}
    for name, field in FIELDS.items():
        if name in absent:
            continue
        stored = layout.stored(name)
        value = _whole(one[stored if stored in one.variables else name], name, one)
        value = value.isel({d: np.flatnonzero(k) for d, k in keep.items() if d in value.dims})
        array = value.values
        if field.stored and np.array_equal(array, array.astype("int32")):
            array = array.astype("int32")
        parts[name] = array
    written = layout.configuration(dataset)
    written |= {n: int(one[n]) for n in layout.COUNTED if n in one.data_vars and not one[n].ndim}
    _check_settings(written, one, parts)
    if _some(written, parts["mask"].shape):
        parts["index"] = np.full_like(parts["index"], -1)
        if "membership_information" in parts:
            parts["membership_information"] = np.full(parts["train_error"].shape, np.nan)
    return Evidence(**parts)


def _check_axes(one: "xarray.Dataset") -> None:
    """Refuse a field with an axis that it has not in evidence, as runs put side by side have.

    Raises:
        ValueError: naming it.
    """
    counts: dict[str, tuple[str, ...]] = {"updates": (), "layers": ()}
    for name, dims in (counts | {layout.stored(n): f.dims for n, f in FIELDS.items()}).items():
        others = sorted({str(d) for d in one[name].dims} - {*dims}) if name in one else []
        if others:
            raise ValueError(
                f"{name} has values along {', '.join(others)}, where a run has one: the data set "
                "joins several runs; take the evidence of each from its file"
            )


def _some(written: dict[str, Any], shape: tuple[int, ...]) -> bool:
    """Whether only some of the replicas of the run are there.

    Raises:
        ValueError: if there are more.
    """
    some = False
    for name, words, there in zip(("supersamples", "masks"), ("", " a supersample"), shape):
        trained = written.get(name)
        if type(trained) is not int:
            continue
        if there > trained:
            raise ValueError(
                f"the data set holds {there} {name}{words}, and its run had {trained}: it joins "
                "several files or lists one twice; take the evidence of each from its file"
            )
        some = some or there < trained
    return some


def _check_settings(written: dict[str, Any], one: "xarray.Dataset", parts: dict[str, Any]) -> None:
    """Refuse numbers that are not those of the configuration they came with.

    Raises:
        ValueError: naming the setting and both.
    """
    if "source" in written:  # evidence from elsewhere, whose axes may be called anything
        return
    found: dict[str, Any] = {"clip": parts["clip"], "learning_rate": parts["step_sizes"]}
    with np.errstate(all="ignore"):
        found["inverse_temperature"] = 2 * parts["step_sizes"] / parts["noise_stds"] ** 2
    for name, values in found.items():
        # runs of several files may lie along an axis that the configuration of one does not have
        wanted: Any = one[name].values.tolist() if name in one.coords else written.get(name)
        if not _real(wanted) or not np.isfinite(wanted):
            continue
        there = np.ravel(np.asarray(values, float))
        odd = there[~np.isclose(there, wanted, rtol=2e-3)]
        if odd.size:
            raise ValueError(
                f"{name} is {odd[0]:g} in the data set and {wanted:g} in the configuration of its "
                "run; take evidence from the file as it was written"
            )


def cell(dataset: "xarray.Dataset", point: dict[str, Any]) -> "xarray.Dataset":
    """One cell of a data set by its coordinates.

    Raises:
        ValueError: for coordinates there are not, and axes with several that are not chosen.
    """
    for name, wanted in point.items():
        if name not in dataset.coords:
            raise ValueError(f"{name}={wanted} is not in the file; it has {axes(dataset)}")
        there = np.atleast_1d(dataset[name].values)
        near = [v == wanted or (_real(v, wanted) and np.isclose(v, wanted)) for v in there]
        if any(v == wanted for v in there):
            near = [v == wanted for v in there]
        if not any(near):
            raise ValueError(f"{name}={wanted} is not in the file; it has {there.tolist()}")
        if sum(near) > 1:
            raise ValueError(
                f"{name}={wanted} is in the file {sum(near)} times; choose one by dataset.isel"
            )
        if dataset[name].ndim:
            dataset = dataset.isel({name: int(np.argmax(near))})
    for name, there in axes(dataset).items():
        if len(there) > 1:
            raise ValueError(f"{name}: the file has {there}; say which by {name}=")
        dataset = dataset.isel({name: 0})
    return dataset


def _whole(value: Any, name: str, one: "xarray.Dataset") -> Any:
    """A field with the axes it has in evidence; one that a user chose a place on has length 1."""
    for dim in FIELDS[name].dims:
        if dim not in value.dims and dim not in one.sizes:
            value = value.expand_dims(dim)
    return value.transpose(*(d for d in FIELDS[name].dims if d in value.dims))


def _real(*values: Any) -> bool:
    return all(isinstance(v, int | float | np.number) for v in values)


def _count(one: "xarray.Dataset", name: str, otherwise: int | None = None) -> int | None:
    """How many layers or steps a cell has; files of the second layout have as many as its depth."""
    return int(one[name]) if name in one else otherwise

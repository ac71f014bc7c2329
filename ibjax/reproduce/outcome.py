"""What a reproduction is and what it gives."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import xarray

from ibjax import environment, files, rounding
from ibjax.randomness import check_seed

Log = Callable[[str], None]
T = TypeVar("T")


class View(NamedTuple):
    """A table for the terminal and a picture."""

    table: Any
    figure: Any


class Outcome(NamedTuple):
    """A table for the terminal and the files that were written."""

    table: Any
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Reproduction:
    """A named experiment.

    Attributes:
        name: what `ibjax reproduce` calls it.
        summary: one line for people.
        run: ``(folder, quick, log) -> Outcome``; where it has options, they come fourth.
        options: a frozen dataclass of its own options, all with defaults, or None.
        view: table and picture of any results file that it writes; None if it writes none.
    """

    name: str
    summary: str
    run: Callable[..., Outcome]
    options: type | None = None
    view: Callable[[xarray.Dataset], View] | None = None


def viewer(
    table: Callable[[xarray.Dataset], Any], figure: Callable[[xarray.Dataset], Any]
) -> Callable[[xarray.Dataset], View]:
    """The view that a table and a picture make."""
    return lambda found: View(table(found), figure(found))


def record(
    found: xarray.Dataset,
    path: Path,
    name: str,
    view: Callable[[xarray.Dataset], View],
    others: tuple[Path, ...] = (),
) -> Outcome:
    """Store what an experiment found, and show what is stored: nothing else can be shown later.

    Args:
        found: all that the table and the picture are made of.
        path: of the results file; the picture lies beside it.
        name: of the reproduction.
        view: makes table and picture of the stored data set.
        others: files written before.

    Returns:
        The table, and the files: others, results, picture.

    Raises:
        OSError: if a file cannot be written.
    """
    attributes = {**environment.describe(), **found.attrs, MARK: name}
    files.write(found.assign_attrs(attributes), path)
    shown = view(files.read(path))
    picture = files.save_figure(shown.figure, path.with_suffix(".png"))
    return Outcome(shown.table, (*others, path, picture))


MARK = "reproduction"
"""Attribute of a file that names the reproduction which wrote it."""


def jsoned(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a file holds of its options or settings; nothing where it holds none.

    Raises:
        ValueError: if they cannot be read.
    """
    try:
        given = json.loads(attributes.get(name, "{}"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the {name} of the file cannot be read ({error})") from None
    return given if isinstance(given, dict) else {}


def quickened(options: T, small: T) -> T:
    """Options with the values of `small` wherever the user left the default."""
    chosen: Any = options
    fresh = type(chosen)()
    names = [f.name for f in fields(chosen)]
    left = [name for name in names if getattr(chosen, name) == getattr(fresh, name)]
    return replace(chosen, **{name: getattr(small, name) for name in left})


def settled(options: T | None, quick: bool, small: T) -> T:
    """Options, those of the defaults where none are given, checked; `quickened` where wanted.

    Raises:
        ValueError: as `check`.
    """
    chosen = type(small)() if options is None else options
    check(chosen)
    return quickened(chosen, small) if quick else chosen


def check(options: Any) -> None:
    """Refuse options that no experiment has: counts below 1, seeds out of range, empty grids.

    Raises:
        ValueError: naming the option, its value and what to give instead.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        if isinstance(value, tuple) and not value:
            raise ValueError(f"{field.name}={value} is empty; give at least one")
        for entry in value if isinstance(value, tuple) else (value,):
            if field.name == "seed":
                check_seed(entry)
            elif isinstance(entry, float) and not math.isfinite(entry):
                raise ValueError(f"{field.name}={entry} must be finite")
            elif type(entry) is int and entry < 1 and field.name != "classes":
                raise ValueError(f"{field.name}={entry} must be at least 1")


def in_names(dataset: str) -> str:
    """The name of a data set as a part of a file's or variable's, which has no slash."""
    return dataset.replace("/", "-").replace(":", "-")


def given(value: T | None, otherwise: T) -> T:
    """An option, or what stands in for one that was not given."""
    return otherwise if value is None else value


def refuse_repeats(name: str, values: tuple[Any, ...]) -> None:
    """An error for a grid that names a place twice."""
    if len(set(values)) < len(values):
        raise ValueError(f"{name}={values} names one twice; give each once")


def sample_size(name: str, ratio: float, dimension: int, least: int) -> int:
    """How many samples a number of them per dimension is, beside theory at that very number.

    Raises:
        ValueError: where it is fewer than `least`, or no whole number to a hundredth.
    """
    n = round(ratio * dimension) if math.isfinite(ratio) else 0
    if n < least or abs(n - ratio * dimension) > 0.01 * n:
        raise ValueError(
            f"{name} holds {ratio:g}, {ratio * dimension:.4g} samples for {dimension} dimensions; "
            f"give a whole number of {least} or more: {max(n, least) / dimension:.6g}, say"
        )
    return n


def stretches(log: Log, name: str, every: float = 60.0) -> Callable[[int, int], None]:
    """A progress function that says how much is done, at most once in so many seconds."""
    start = said = time.monotonic()

    def progress(done: int, whole: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= every and done < whole:
            said = now
            left = (now - start) * (whole - done) / done
            log(f"{name}: {done / whole:.0%} of these replicas trained, {left:.0f} s to go")

    return progress


def bound_text(
    value: float,
    error: float = math.nan,
    digits: int = 3,
    limit: float = 1.0,
    kind: str = "estimate",
) -> str:
    """A bound on a gap as text, with its error where known; vacuous ones say so.

    A certificate is rounded up.
    """
    text = rounding.by_kind(value, f".{digits}f", kind)
    if not math.isnan(error):
        text += f"±{error:.{digits}f}"
    return or_vacuous(text, value, limit)


def or_vacuous(text: str, bound: float, limit: float = 1.0) -> str:
    """The text of a bound, with the word where it rules out no gap."""
    return f"{text} vacuous" if bound >= limit else text

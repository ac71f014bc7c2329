"""`ibjax falsify`: bounds against exactly solved random learners, and an adversary."""

import importlib
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ibjax.cli import exporting
from ibjax.cli.terminal import console, prepare_devices, print_whole, write_rows

if TYPE_CHECKING:
    from ibjax.bounds.falsification import Verdict

COLUMNS = ("bound", "kind", "bounds", "models", "violations", "largest ratio", "family")


@dataclass(frozen=True)
class Falsify:
    """Try to break bounds on learners whose gap and informations are known exactly.

    Exit status 1 if a bound that claims to hold was broken; published forms that are known to
    fail are shown as diagnostics and do not count.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Bounds of the library; all of them by default (minutes), none beside --function."""
    models: int = 1000
    """Random models of each family."""
    search: bool = True
    """Let the adversary go on from the worst random models."""
    steps: int = 100
    """Steps of the adversary."""
    function: str | None = None
    """A bound of your own as module:name, for instance mine:bound for bound() in mine.py here. Its
    arguments are filled by name (information, n, sigma, etas, train_error, ...)."""
    truth: Literal["gap", "size", "absolute_gap", "test_error"] = "gap"
    """What --function bounds: the signed gap, its absolute value, E|L - L_S|, the test error."""
    seed: int = 0
    """Source of all randomness."""
    table: Path | None = None
    """Write the table to a file too: .md, .tex or .csv."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""


def execute(command: Falsify) -> int:
    """Print one row a bound; 1 if one that claims to hold was broken, else 0."""
    _check(command)
    own = None if command.function is None else load(command.function)
    prepare_devices(command.cache)
    import jax

    from ibjax.bounds import falsify

    options: dict[str, Any] = {
        "models": command.models,
        "search": command.steps if command.search else 0,
        "key": jax.random.key(command.seed),
    }
    found: list[Verdict] = []
    if own is not None:
        found.append(falsify(own, truth=command.truth, **options))
    if own is None or command.names:
        found += falsify(command.names or None, **options).values()
    out = console()
    print_whole(out, table(found))
    for verdict in found:
        if verdict.broken:
            out.print(_story(verdict), soft_wrap=True)
    if own is not None and found[0].silent:
        out.print(
            f"{found[0].name} gave no number for {found[0].silent} of "
            f"{found[0].silent + found[0].models} models, on which it was not tried.",
            soft_wrap=True,
        )
    if command.table is not None:
        write_rows(command.table, COLUMNS, [cells(v) for v in found], disable_numparse=True)
        out.print(f"table: {command.table}", soft_wrap=True)
    return int(any(v.broken and v.theorem for v in found))


def _check(command: Falsify) -> None:
    if command.models < 1:
        raise ValueError(f"models={command.models} must be at least 1")
    if command.steps < 0:
        raise ValueError(f"steps={command.steps} must be at least 0")
    exporting.check_ending(command.table, exporting.TABLES, "--table")
    if command.table is not None and not command.table.parent.is_dir():
        raise OSError(f"{command.table.parent}: no such folder for the table; make it")


def load(place: str) -> Callable[..., Any]:
    """A function by module:name; modules of the working directory are found too.

    Raises:
        ValueError: if there is no such module or function.
    """
    module, colon, name = place.partition(":")
    if not (module and colon and name):
        raise ValueError(f"function={place!r} must read module:name, such as mine:bound")
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"function={place!r}: cannot import {module} ({error})") from None
    finally:
        sys.path.remove(here)
    function = getattr(found, name, None)
    if not callable(function):
        raise ValueError(f"function={place!r}: {module} has no function {name}")
    return function


def cells(verdict: "Verdict") -> tuple[str, ...]:
    """One row of the table, a string for each of `COLUMNS`."""
    ratio = "inf" if math.isinf(verdict.ratio) else f"{verdict.ratio:.4f}"
    if 10 <= verdict.ratio < math.inf:
        ratio = f"{verdict.ratio:.3g}"
    words = "size of gap" if verdict.truth == "size" else verdict.truth.replace("_", " ")
    counts = (str(verdict.models), str(verdict.violations))
    return (verdict.name, verdict.kind, words, *counts, ratio, verdict.family)


def table(verdicts: Sequence["Verdict"]) -> Any:
    """The table for the terminal."""
    from rich import box
    from rich.table import Table

    made = Table(
        title="Bounds against exactly solved learners",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="largest ratio: truth / bound; above 1 the bound is broken",
        caption_justify="left",
    )
    for column in COLUMNS:
        right = column in ("models", "violations", "largest ratio")
        made.add_column(column, justify="right" if right else "left", no_wrap=True)
    for verdict in verdicts:
        style = None
        if verdict.broken:
            style = "bold red" if verdict.theorem else "yellow"
        made.add_row(*cells(verdict), style=style)
    return made


def _story(verdict: "Verdict") -> str:
    """Which model broke a bound, in one line."""
    said = "BROKEN" if verdict.theorem else "fails, as is known"
    why = f" ({verdict.note})" if verdict.note and not verdict.theorem else ""
    return (
        f"{verdict.name} {said}: {verdict.target:.6g} over a bound of {verdict.value:.6g} in "
        f"{verdict.family}{why}"
    )

"""`ibjax why`: each bound of a results file taken apart into what it pays for."""

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ibjax import archives, rounding
from ibjax.cli import exporting
from ibjax.cli.terminal import chosen, console, print_whole

if TYPE_CHECKING:
    from ibjax.interface import Evidence
    from ibjax.report import Reasons

NOTE = (
    "bound = root + inversion + layers; root: sqrt(2 sigma^2 I) at the information I about one "
    "example; x rule: I in units of T eta beta C^2 / (4 n^2), or of its sum along a schedule."
)


@dataclass(frozen=True)
class Why:
    """Say what each bound pays for, and which one setting would make it smaller."""

    file: Annotated[Path, tyro.conf.Positional]
    """Results file written by `ibjax run`, or a .npz archive as `ibjax bounds` reads it."""
    depth: tuple[int, ...] = ()
    """Which depths of the file; all by default."""
    checkpoint: int = -1
    """Which evaluation along training, from 0; the last by default."""
    bounds: tuple[str, ...] = ()
    """Which bounds; the main ones by default."""
    all_bounds: bool = False
    """Every bound that holds."""
    table: Path | None = None
    """Where to write the parts as well: .csv, .md or .tex."""


def execute(command: Why) -> None:
    """Print one table a depth, and what it says in sentences."""
    from ibjax import report

    exporting.check_table(command.table, command.file)
    pieces, names = _pieces(command)
    out = console()
    heads: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = []
    told: set[str] = set()  # what holds at every depth is said once
    for title, evidence in pieces.items():
        found = report.why(evidence, command.checkpoint, names)
        print_whole(out, _table(title, found))
        for sentence in found.sentences:
            if sentence not in told:
                out.print(sentence, soft_wrap=True)
        told |= set(found.sentences)
        out.print()
        heads = found.heads
        rows += [(title, *row) for row in found.rows]
    out.print(NOTE, soft_wrap=True)
    exporting.write_table(command.table, ("of", *heads), rows)


def _pieces(command: Why) -> "tuple[dict[str, Evidence], list[str] | None]":
    """The evidence by its place in the file, and the bounds to show."""
    from ibjax import bounds, report, results
    from ibjax.experiment import named

    if command.file.suffix == ".npz":
        if command.depth:
            raise ValueError(f"--depth {command.depth[0]}: an archive holds one run; leave it out")
        names = list(command.bounds) or None
        return {command.file.name: bounds.from_arrays(archives.archive(command.file))}, names
    dataset = results.read(command.file)
    count = report.checkpoints(dataset)
    if not -count <= command.checkpoint < count:
        raise ValueError(
            f"--checkpoint {command.checkpoint}: the file has {count}, 0 to {count - 1}"
        )
    grid = results.axes(dataset)
    if command.depth:
        grid["depth"] = list(command.depth)  # one that is not there is refused by `evidence`
    points = [dict(zip(grid, place)) for place in itertools.product(*grid.values())]
    pieces = {named(point): results.evidence(dataset, **point) for point in points}
    every = command.all_bounds and not command.bounds
    return pieces, None if every else chosen(dataset, command.bounds, command.all_bounds)


def _table(title: str, found: "Reasons") -> Any:
    from ibjax import blank

    made = blank.table(found.heads, title, left=found.heads[:2], padding=(0, 1, 0, 0))
    for name, kind, *numbers in found.rows:
        values = [float(v) for v in numbers]
        cells = ["" if math.isnan(v) else rounding.by_kind(v, ".3g", str(kind)) for v in values]
        made.add_row(str(name), str(kind), *cells)
    return made

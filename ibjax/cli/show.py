"""`ibjax show`: the table and the picture of a results file."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ibjax.cli.terminal import PICTURES, chosen, console, present, print_whole


@dataclass(frozen=True)
class Show:
    """Print the table and redraw the picture of a results file."""

    file: Annotated[Path, tyro.conf.Positional]
    """Results file written by `ibjax run`, or by `ibjax reproduce fcmi-mnist` and its siblings."""
    checkpoint: int = -1
    """Which evaluation along training, from 0; the last by default."""
    format: Literal["terminal", "markdown", "latex", "csv", "bibtex"] = "terminal"
    """How to print: the table for people or documents, every number as CSV, or the papers the
    bounds are from as BibTeX. Only "terminal" draws the picture."""
    bounds: tuple[str, ...] = ()
    """Which bounds to show; the main ones by default. CSV and Parquet hold every one."""
    all_bounds: bool = False
    """Show every bound of the file."""
    table: Path | None = None
    """Where to write the table as well: .md, .tex, .csv or .parquet."""
    picture: Path | None = None
    """Where to draw the picture: .png, .pdf or .svg; beside the results file by default."""


def execute(command: Show) -> None:
    """Read a results file and show it."""
    from ibjax import files, report, results

    if command.picture is not None and command.picture.suffix not in PICTURES:
        raise ValueError(f"picture={command.picture} must end in {', '.join(PICTURES)}")
    for name in ("table", "picture"):
        if (place := getattr(command, name)) is not None:
            files.check_apart(place, command.file, f"--{name}")
    if command.file.is_file() and _reproduction(command):
        return
    dataset = results.read(command.file)
    count = dataset.sizes["checkpoint"]
    if not -count <= command.checkpoint < count:
        raise ValueError(f"checkpoint={command.checkpoint}: the file has {count}, 0 to {count - 1}")
    names = chosen(dataset, command.bounds, command.all_bounds)
    if command.table is not None:
        report.write_table(dataset, command.table, command.checkpoint, names)
    if command.format == "terminal":
        present(dataset, command.file, command.checkpoint, command.picture, names)
    elif command.format == "bibtex":
        print(report.bibliography(dataset), end="")
    elif command.format == "csv":
        print(report.csv(dataset, command.checkpoint), end="")
    else:
        print(getattr(report, command.format)(dataset, command.checkpoint, names), end="")


def _reproduction(command: Show) -> bool:
    """Show the file of a reproduction as a whole; False if it is none.

    Raises:
        ValueError: for an option that means nothing there.
    """
    from ibjax import files
    from ibjax.reproduce import stored

    view = stored.view(files.read(command.file))
    if view is None:
        return False
    for field in fields(command):
        known = field.name in ("file", "picture")
        if not known and getattr(command, field.name) != field.default:
            option = field.name.replace("_", "-")
            raise ValueError(f"--{option} is for files of `ibjax run`; this is of a reproduction")
    place = command.picture or command.file.with_suffix(".png")
    files.check_apart(place, command.file, "--picture")
    out = console()
    print_whole(out, view.table)
    files.check_place(place, "--picture")
    files.save_figure(view.figure, place)
    out.print(f"picture: {place}", soft_wrap=True)
    return True

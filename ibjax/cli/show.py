"""`ibjax show`: the table and the picture of results files."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ibjax.cli import exporting
from ibjax.cli.terminal import chosen, console, present, print_whole

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Show:
    """Print the table and redraw the picture of a results file, or compare several."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Results files written by `ibjax run`, `results.from_evidence`, any `ibjax reproduce`, or
    `ibjax limits`; several of the first two kinds are compared."""
    axis: str | None = None
    """What the columns are and what runs to the right in the picture: depth, train_size,
    learning_rate, ..., run for files compared, or checkpoint for steps along training."""
    checkpoint: int = -1
    """Which evaluation along training, from 0; the last by default."""
    format: Literal["terminal", "markdown", "latex", "csv", "bibtex"] = "terminal"
    """How to print: the table for people or documents, every number as CSV, or the papers the
    bounds are from as BibTeX. Only "terminal" draws the picture."""
    bounds: tuple[str, ...] = ()
    """Which bounds to show; the main ones by default. CSV and Parquet hold every one, and BibTeX
    has the papers of every one unless some are named."""
    all_bounds: bool = False
    """Show every bound of the file."""
    table: Path | None = None
    """Where to write the table as well: .md, .tex, .csv or .parquet."""
    picture: Path | None = None
    """Where to draw the picture, with --format terminal: .png, .pdf or .svg; beside the results
    file by default."""


def execute(command: Show) -> None:
    """Read results files and show them."""
    from ibjax import files, report

    if not command.files:
        raise ValueError("show needs a results file; see ibjax show --help")
    exporting.check_ending(command.picture, exporting.PICTURES, "--picture")
    if command.picture is not None and command.format != "terminal":
        raise ValueError(
            f"--picture {command.picture} is drawn with --format terminal alone, and --format is "
            f"{command.format}; leave one of them out"
        )
    for name in ("table", "picture"):
        if (place := getattr(command, name)) is not None:
            for file in command.files:
                files.check_apart(place, file, f"--{name}")
    groups = None
    if len(command.files) == 1 and command.files[0].is_file():
        groups = files.read_groups(command.files[0], foreign=True)
        if _whole(command, groups["/"]):
            return
    dataset = _read(command.files, groups, command.axis)
    count = report.checkpoints(dataset)
    if not -count <= command.checkpoint < count:
        raise ValueError(f"checkpoint={command.checkpoint}: the file has {count}, 0 to {count - 1}")
    report.check_axis(dataset, command.axis)
    names = chosen(dataset, command.bounds, command.all_bounds)
    at = command.checkpoint
    if command.table is not None:
        report.write_table(dataset, command.table, at, names, command.axis)
    if command.format == "terminal":
        path = command.files[0]
        if len(command.files) > 1:
            path = path.with_name("-".join(f.stem for f in command.files[:3]) + path.suffix)
        present(dataset, path, at, command.picture, names, command.axis, command.files)
    elif command.format == "bibtex":
        print(report.bibliography(dataset, command.bounds or None), end="")
    elif command.format == "csv":
        print(report.csv(dataset, at), end="")
    else:
        print(getattr(report, command.format)(dataset, at, names, command.axis), end="")


def _read(
    paths: tuple[Path, ...],
    groups: "dict[str, xarray.Dataset] | None",
    axis: str | None,
) -> "xarray.Dataset":
    """One file, whose groups may be known, or several side by side along an axis or ``run``."""
    from ibjax import results
    from ibjax.results import store

    if groups is not None:
        return store.of_groups(paths[0], groups)
    if len(paths) == 1:
        return results.read(paths[0])
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(f"files lists {paths[0]} twice; give each once")
    return results.compared(dict(zip(names, map(results.read, paths))), axis)


def _whole(command: Show, found: "xarray.Dataset") -> bool:
    """Show a file that is no sweep as a whole: limits, or a reproduction; False if it is none.

    Args:
        command: what was asked for.
        found: the root of the file.

    Raises:
        ValueError: for an option that means nothing there.
    """
    from ibjax import files
    from ibjax.report import limits
    from ibjax.reproduce import stored

    (file,) = command.files
    view = limits.view(found) or stored.view(found)
    if view is None:
        return False
    for field in fields(command):
        known = field.name in ("files", "picture")
        if not known and getattr(command, field.name) != field.default:
            option = field.name.replace("_", "-")
            raise ValueError(f"--{option} is for files of `ibjax run`; this is of something else")
    place = command.picture or file.with_suffix(".png")
    files.check_apart(place, file, "--picture")
    out = console()
    table, figure = view
    print_whole(out, table)
    files.check_place(place, "--picture")
    files.save_figure(figure, place)
    out.print(f"picture: {place}", soft_wrap=True)
    return True

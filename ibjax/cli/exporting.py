"""What a command prints, written as well: a table for documents, numbers for programs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ibjax import files
from ibjax.cli.terminal import console, rows_text, write_rows

TABLES = (".csv", ".md", ".tex")
"""What a table can be written as."""

PICTURES = (".png", ".pdf", ".svg")
"""What pictures can be drawn as."""

BOUNDS = (
    "quantity",
    "kind",
    "value",
    "std_error",
    "information (nat)",
    "null",
    "null_spread",
    "confidence",
    "note",
)
"""Columns of a table of bounds."""


def check_table(place: Path | None, *taken: Path, option: str = "--table") -> None:
    """Refuse a place for a table before any work is done; its folder is made if need be.

    Args:
        place: where the table shall go; None for nowhere.
        taken: files that are read or written besides.
        option: what asked for it.

    Raises:
        ValueError: for an ending of no table, or a file that is taken.
        OSError: if its folder cannot be made or written.
    """
    check_ending(place, TABLES, option)
    _check_place(place, taken, option)


def check_picture(place: Path | None, *taken: Path) -> None:
    """The same of the place of a picture."""
    check_ending(place, PICTURES, "--picture")
    _check_place(place, taken, "--picture")


def check_ending(place: Path | None, endings: tuple[str, ...], option: str) -> None:
    """Refuse a file, where one is given, whose ending is none of these."""
    if place is not None and place.suffix not in endings:
        raise ValueError(f"{option} {place} must end in {', '.join(endings)}")


def _check_place(place: Path | None, taken: tuple[Path, ...], option: str) -> None:
    if place is not None:
        for other in taken:
            files.check_apart(place, other, option)
        files.check_place(place, option)


def write_table(place: Path | None, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write the rows of a table where one was asked for, and say so.

    Numbers are in full precision in .csv and to six digits elsewhere; a missing one is empty.
    """
    if place is None:
        return
    write_rows(place, heads, [[_cell(c) for c in row] for row in rows], floatfmt=".6g")
    console().print(f"table: {place}", soft_wrap=True)


def write_printed(place: Path | None, shown: Any) -> None:
    """Write what was printed where a file was asked for, and say so.

    A single table is written as it is. Of several tables and sentences each table has its title
    above it and its caption below, and an empty line stands between them.
    """
    if place is None:
        return
    parts = list(getattr(shown, "renderables", [shown]))
    if len(parts) == 1:
        text = _cells(place.suffix, parts[0])
    else:
        text = "\n".join(_part(place.suffix, part) for part in parts)
    files.put(place, text.encode())
    console().print(f"table: {place}", soft_wrap=True)


def _part(suffix: str, part: Any) -> str:
    """A table with what stands above and below it, or sentences, as text of a format."""
    if not hasattr(part, "columns"):
        return _sentences(suffix, str(part))
    above, below = (_sentences(suffix, str(text or "")) for text in (part.title, part.caption))
    gap = "" if suffix == ".csv" else "\n"
    return gap.join(filter(None, (above, _cells(suffix, part), below)))


def _cells(suffix: str, table: Any) -> str:
    """The cells of a table to the last digit that was printed, never read as numbers again."""
    sides = ["left" if c.justify == "left" else "right" for c in table.columns]
    style = {"colalign": sides, "disable_numparse": True} if table.row_count else {}
    return rows_text(suffix, *printed(table), **style)


def _sentences(suffix: str, text: str) -> str:
    """Lines of words: a cell each in .csv, paragraphs elsewhere."""
    lines = text.splitlines()
    if not lines:
        return ""
    if suffix == ".csv":
        return rows_text(suffix, lines[:1], [[line] for line in lines[1:]])
    if suffix == ".tex":
        from tabulate import LATEX_ESCAPE_RULES

        lines = ["".join(LATEX_ESCAPE_RULES.get(c, c) for c in line) for line in lines]
    return "\n\n".join(lines) + "\n"


def printed(table: Any) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a table made for the terminal, as they are printed."""
    heads = [str(column.header).replace("\n", " ").strip() for column in table.columns]
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return heads, [list(row) for row in zip(*columns)]


def numbers(dataset: Any, dim: str) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows of every variable along one axis of a data set, units in the heads."""
    names = [name for name in dataset.data_vars if dataset[name].dims == (dim,)]
    units = {name: dataset[name].attrs.get("units", "1") for name in names}
    heads = [dim, *(n if u == "1" else f"{n} ({u})" for n, u in units.items())]
    columns = [dataset[dim].values.tolist(), *(dataset[n].values.tolist() for n in names)]
    return heads, [list(row) for row in zip(*columns)]


def bounds(
    errors: Any, values: Any, nulls: Any, about: str, limit: Any = None
) -> list[tuple[Any, ...]]:
    """Errors, then bounds; one that does not apply has its reason in the place of numbers.

    Args:
        errors: measured quantities by name.
        values: bounds by name.
        nulls: what some of them read where masks mean nothing.
        about: what was measured, the remark beside the errors.
        limit: the bound at the largest information that there may be, where it is known.
    """
    none = math.nan
    rows: list[tuple[Any, ...]] = [
        (name, "measured", float(e.value), float(e.std_error), none, none, none, 1.0, about)
        for name, e in errors
    ]
    if limit is not None and bool(limit.holds):
        number = (float(limit.value), none, float(limit.information), none, none)
        what = "upper limit of the information in loss differences"
        rows.append(("ld_cmi, upper limit", limit.kind, *number, float(limit.confidence), what))
    for name, b in values.items():
        null = nulls.get(name)
        law = (float(null.mean), float(null.spread)) if null else (math.nan, math.nan)
        number = (float(b.value), float(b.std_error), float(b.information))
        if not bool(b.holds):
            number, law = (math.nan,) * 3, (math.nan,) * 2
        rows.append((name, b.kind, *number, *law, float(b.confidence), b.note))
    return rows


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and value != value else value

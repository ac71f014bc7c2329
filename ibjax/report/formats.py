"""The table of a sweep for documents (Markdown, LaTeX) and for programs (CSV, Parquet)."""

import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray

from ibjax import files, results
from ibjax.environment import expanded
from ibjax.report import axes
from ibjax.report.summary import headlines, summaries
from ibjax.report.table import GIVEN, cell, heads, kind, layers, null, remarks

if TYPE_CHECKING:
    import pandas

TABLES = (".md", ".tex", ".csv", ".parquet")
"""What tables can be written as."""

_COLUMNS = ("step", "name", "kind", "value", "half_width_95", "vacuous", "confidence")
_COLUMNS += ("null", "null_spread", "given")


def markdown(
    dataset: xarray.Dataset,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
    axis: str | None = None,
) -> str:
    """The table in Markdown: a row a quantity with its kind, a column a point of the axis.

    Below it stands what it is of and what is remarked on it.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
        names: which bounds; those of `report.headlines` by default.
        axis: the columns; see `report.summarise`.
    """
    rows, said = _tabulated(dataset, checkpoint, names, axis, "github")
    return rows + "\n" + "\n".join(f"{_plain(line)}  " for line in said) + "\n"


def _plain(line: str) -> str:
    """A line of text of which Markdown makes no mark-up."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", " ".join(line.split()))


def latex(
    dataset: xarray.Dataset,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
    axis: str | None = None,
) -> str:
    """The table as a LaTeX `tabular` with booktabs rules; arguments as `markdown`.

    What it is of and what is remarked on it follow as comments.
    """
    rows, said = _tabulated(dataset, checkpoint, names, axis, "latex_booktabs")
    comments = (f"% {' '.join(line.split())}\n" for line in said)
    return rows.replace("±", r"$\pm$") + "".join(comments)


def csv(dataset: xarray.Dataset, checkpoint: int | None = -1) -> str:
    """Every number at full precision: a line a cell and quantity, as in `frame`.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training; None for all.
    """
    return frame(dataset, checkpoint).to_csv(index=False)


def frame(dataset: xarray.Dataset, checkpoint: int | None = -1) -> "pandas.DataFrame":
    """Every number at full precision, a row a cell and quantity.

    Columns: the axes of the sweep, the settings in which runs put side by side differ, step, name,
    kind, value, half_width_95, vacuous, confidence (of a certificate), null and null_spread (mean
    and standard deviation of the reading where masks mean nothing), and given (what errors and gap
    are conditional on: batches or noise that all replicas share). A missing value is NaN.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training; None for all.
    """
    import pandas

    axis = "checkpoint" if checkpoint is None and "checkpoint" in dataset.dims else None
    found = summaries(dataset, -1 if checkpoint is None else checkpoint, axis=axis)
    order = list(results.axes(dataset))
    along, apart = _apart(dataset)
    lines = []
    for summary in found:
        for i, point in enumerate(summary.points):
            own = {} if summary.axis in (None, "checkpoint") else {summary.axis: point}
            place = {**summary.fixed, **own}
            lines += [
                {
                    **{name: place[name] for name in order},
                    **{name: each[place[along]] for name, each in apart.items()},
                    "step": summary.steps[i],
                    "name": row.name,
                    "kind": row.kind,
                    "value": row.values[i],
                    "half_width_95": row.errors[i],
                    "vacuous": bool(row.vacuous[i]),
                    "confidence": row.confidence if row.kind == "certificate" else math.nan,
                    "null": math.nan if row.null is None else row.null[i],
                    "null_spread": math.nan if row.null_spread is None else row.null_spread[i],
                    "given": GIVEN
                    if row.kind == "measured" and bool(summary.shared[i])
                    else math.nan,
                }
                for row in (*summary.rows, *summary.conditions)
            ]
    return pandas.DataFrame(lines, columns=[*order, *apart, *_COLUMNS])


def _apart(dataset: xarray.Dataset) -> tuple[str, dict[str, dict[Any, Any]]]:
    """The axis along which results stand side by side, and by name, at each of its places, the
    settings in which they differ.
    """
    runs, differing = axes.runs(dataset), axes.differing(dataset)
    if "run" not in dataset.coords or dataset["run"].ndim != 1:
        return "", {}
    along = str(dataset["run"].dims[0])
    places = dict(zip(results.axes(dataset)[along], dataset["run"].values.tolist()))
    taken = {*results.axes(dataset), *_COLUMNS}
    found = {}
    for name, values in differing.items():
        each = {
            run: v if isinstance(v, int | float | None) else axes.setting(name, v)
            for run, v in zip(runs, values)
        }
        if name not in taken:
            found[name] = {place: each.get(run) for place, run in places.items()}
    return along, found


def write_table(
    dataset: xarray.Dataset,
    path: str | Path,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
    axis: str | None = None,
) -> None:
    """Write the table to a file, whole or not at all, in the format of its ending.

    Args:
        dataset: a results file.
        path: .md, .tex, .csv or .parquet; an existing file is replaced.
        checkpoint: which evaluation along training.
        names: which bounds in .md and .tex, as in `markdown`; the others hold every one.
        axis: the columns in .md and .tex.

    Raises:
        ValueError: another ending.
        ImportError: Parquet without pyarrow.
        OSError: no such folder, or the file cannot be written.
    """
    path = expanded(path)
    if path.suffix not in TABLES:
        raise ValueError(f"table={path} must end in {', '.join(TABLES)}")
    if not path.parent.is_dir():
        raise OSError(f"{path.parent}: no such folder for the table; make it or choose another")
    if path.suffix == ".parquet":
        content = _parquet(frame(dataset, checkpoint))
    else:
        text = csv(dataset, checkpoint) if path.suffix == ".csv" else ""
        if not text:
            text = (markdown if path.suffix == ".md" else latex)(dataset, checkpoint, names, axis)
        content = text.encode()
    files.put(path, content)


def _parquet(table: "pandas.DataFrame") -> bytes:
    stream = io.BytesIO()
    try:
        table.to_parquet(stream, index=False)
        return stream.getvalue()
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install pyarrow, or choose .csv") from error


def _tabulated(
    dataset: xarray.Dataset,
    checkpoint: int,
    names: Sequence[str] | None,
    axis: str | None,
    style: str,
) -> tuple[str, list[str]]:
    """The rows, and what is said beside them."""
    from tabulate import tabulate

    found = summaries(dataset, checkpoint, headlines(dataset) if names is None else names, axis)
    others = [k for k, v in results.axes(dataset).items() if len(v) > 1 and k != found[0].axis]
    rows = []
    for summary in found:
        place = [axes.number(summary.fixed[name]) for name in others if name in summary.fixed]
        points = range(len(summary.points))
        for row in summary.rows:
            rows.append([*place, row.name, kind(row), *(cell(row, i) for i in points)])
            if row.has_null:
                nulls = (null(row, i) for i in points)
                rows.append([*place, f"{row.name} without memory", "null", *nulls])
        rows += [[*place, *texts] for texts in layers(summary)]
        for row in summary.conditions:
            rows.append([*place, row.name, kind(row), *(cell(row, i) for i in points)])
    width = max(map(len, rows), default=len(others) + 2)
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    columns = max((heads(summary) for summary in found), key=len)
    head = [*(name.replace("_", " ") for name in others), "0-1 loss", "kind", *columns]
    aligned = (*("right" for _ in others), "left", "left", *("right" for _ in columns))
    made = tabulate(rows, head, style, colalign=aligned, disable_numparse=True) + "\n"
    return made, remarks(dataset, found)

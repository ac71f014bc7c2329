"""The table of a sweep for documents (Markdown, LaTeX) and for programs (CSV, Parquet)."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ibjax import files
from ibjax.environment import expanded
from ibjax.report.summary import headlines, summarise
from ibjax.report.table import cell, kind, null

if TYPE_CHECKING:
    import pandas
    import xarray

TABLES = (".md", ".tex", ".csv", ".parquet")
"""What tables can be written as."""


def markdown(
    dataset: "xarray.Dataset", checkpoint: int = -1, names: Sequence[str] | None = None
) -> str:
    """The table in Markdown: a row a quantity with its kind, a column a depth.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
        names: which bounds; those of `report.headlines` by default.
    """
    return _tabulated(dataset, checkpoint, names, "github")


def latex(
    dataset: "xarray.Dataset", checkpoint: int = -1, names: Sequence[str] | None = None
) -> str:
    """The table as a LaTeX `tabular` with booktabs rules.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
        names: which bounds; those of `report.headlines` by default.
    """
    return _tabulated(dataset, checkpoint, names, "latex_booktabs").replace("±", r"$\pm$")


def csv(dataset: "xarray.Dataset", checkpoint: int = -1) -> str:
    """Every number at full precision: a line a depth and quantity, as in `frame`.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
    """
    return frame(dataset, checkpoint).to_csv(index=False)


def frame(dataset: "xarray.Dataset", checkpoint: int = -1) -> "pandas.DataFrame":
    """Every number at full precision, a row a depth and quantity.

    Columns: depth, step, name, kind, value, half_width_95, vacuous, confidence (of a certificate),
    null and null_spread (mean and standard deviation of the reading where masks mean nothing). A
    missing value is NaN.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
    """
    import pandas

    summary = summarise(dataset, checkpoint)
    lines = [
        {
            "depth": depth,
            "step": summary.step,
            "name": row.name,
            "kind": row.kind,
            "value": row.values[i],
            "half_width_95": row.errors[i],
            "vacuous": bool(row.vacuous[i]),
            "confidence": row.confidence if row.kind == "certificate" else math.nan,
            "null": math.nan if row.null is None else row.null[i],
            "null_spread": math.nan if row.null_spread is None else row.null_spread[i],
        }
        for i, depth in enumerate(summary.depths)
        for row in (*summary.rows, *summary.conditions)
    ]
    return pandas.DataFrame(lines)


def write_table(
    dataset: "xarray.Dataset",
    path: Path,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
) -> None:
    """Write the table to a file, whole or not at all, in the format of its ending.

    Args:
        dataset: a results file.
        path: .md, .tex, .csv or .parquet; an existing file is replaced.
        checkpoint: which evaluation along training.
        names: which bounds in .md and .tex, as in `markdown`; the others hold every one.

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
            text = (markdown if path.suffix == ".md" else latex)(dataset, checkpoint, names)
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
    dataset: "xarray.Dataset", checkpoint: int, names: Sequence[str] | None, style: str
) -> str:
    from tabulate import tabulate

    summary = summarise(dataset, checkpoint, headlines(dataset) if names is None else names)
    depths = range(len(summary.depths))
    rows = []
    for row in (*summary.rows, *summary.conditions):
        rows.append([row.name, kind(row), *(cell(row, i) for i in depths)])
        if row.has_null:
            rows.append([f"{row.name} without memory", "null", *(null(row, i) for i in depths)])
    aligned = ("left", "left", *("right" for _ in depths))
    head = ["0-1 loss", "kind", *(f"depth {d}" for d in summary.depths)]
    return tabulate(rows, head, style, colalign=aligned, disable_numparse=True) + "\n"

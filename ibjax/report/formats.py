"""The table of a sweep for documents (Markdown, LaTeX) and for programs (CSV, Parquet)."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ibjax import files
from ibjax.environment import expanded
from ibjax.report.summary import Summary, summarise
from ibjax.report.table import cell

if TYPE_CHECKING:
    import pandas
    import xarray

TABLES = (".md", ".tex", ".csv", ".parquet")
"""What tables can be written as."""


def markdown(dataset: "xarray.Dataset", checkpoint: int = -1) -> str:
    """The table in Markdown: a row a quantity with its kind, a column a depth.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
    """
    return _tabulated(summarise(dataset, checkpoint), "github")


def latex(dataset: "xarray.Dataset", checkpoint: int = -1) -> str:
    """The table as a LaTeX `tabular` with booktabs rules.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
    """
    return _tabulated(summarise(dataset, checkpoint), "latex_booktabs").replace("±", r"$\pm$")


def csv(dataset: "xarray.Dataset", checkpoint: int = -1) -> str:
    """Every number at full precision: a line a depth and quantity, as in `frame`.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
    """
    return frame(dataset, checkpoint).to_csv(index=False)


def frame(dataset: "xarray.Dataset", checkpoint: int = -1) -> "pandas.DataFrame":
    """Every number at full precision, a row a depth and quantity.

    Columns: depth, step, name, kind, value, half_width_95, vacuous. A missing value is NaN.

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
        }
        for i, depth in enumerate(summary.depths)
        for row in (*summary.rows, *summary.conditions)
    ]
    return pandas.DataFrame(lines)


def write_table(dataset: "xarray.Dataset", path: Path, checkpoint: int = -1) -> None:
    """Write the table to a file, whole or not at all, in the format of its ending.

    Args:
        dataset: a results file.
        path: .md, .tex, .csv or .parquet; an existing file is replaced.
        checkpoint: which evaluation along training.

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
        text = {".md": markdown, ".tex": latex, ".csv": csv}[path.suffix](dataset, checkpoint)
        content = text.encode()
    files.put(path, content)


def _parquet(table: "pandas.DataFrame") -> bytes:
    stream = io.BytesIO()
    try:
        table.to_parquet(stream, index=False)
        return stream.getvalue()
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install pyarrow, or choose .csv") from error


def _tabulated(summary: Summary, style: str) -> str:
    from tabulate import tabulate

    head = ["0-1 loss", "kind", *(f"depth {d}" for d in summary.depths)]
    rows = [
        [row.name, row.kind, *(cell(row, i) for i in range(len(summary.depths)))]
        for row in (*summary.rows, *summary.conditions)
    ]
    aligned = ("left", "left", *("right" for _ in summary.depths))
    return tabulate(rows, head, tablefmt=style, colalign=aligned, disable_numparse=True) + "\n"

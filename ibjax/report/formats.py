"""The table of a sweep for documents (Markdown, LaTeX) and for programs (CSV)."""

from typing import TYPE_CHECKING

from ibjax.report.summary import Summary, summarise
from ibjax.report.table import cell

if TYPE_CHECKING:
    import xarray


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
    """Every number at full precision: a line a depth and quantity.

    Columns: depth, step, name, kind, value, half_width_95, vacuous. A missing value is empty.

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
    return pandas.DataFrame(lines).to_csv(index=False)


def _tabulated(summary: Summary, style: str) -> str:
    from tabulate import tabulate

    head = ["0-1 loss", "kind", *(f"depth {d}" for d in summary.depths)]
    rows = [
        [row.name, row.kind, *(cell(row, i) for i in range(len(summary.depths)))]
        for row in (*summary.rows, *summary.conditions)
    ]
    aligned = ("left", "left", *("right" for _ in summary.depths))
    return tabulate(rows, head, tablefmt=style, colalign=aligned, disable_numparse=True) + "\n"

"""The table of a depth sweep for a terminal."""

import math
from typing import TYPE_CHECKING

from ibjax.report.summary import Row, Summary, configuration, summarise

if TYPE_CHECKING:
    import xarray
    from rich.console import RenderableType

_STYLE = {"measured": "bold", "certificate": "green", "estimate": "", "diagnostic": "dim"}


def table(dataset: "xarray.Dataset", checkpoint: int = -1) -> "RenderableType":
    """Errors, gap and every bound with its kind, a column a depth.

    A bound at or above the range of the loss is followed by "vacuous"; one whose premises fail,
    or whose inputs are missing, is "-".

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table

    summary = summarise(dataset, checkpoint)
    config = configuration(dataset)
    classes = " versus ".join(str(c) for c in config["classes"])
    title = f"{config['dataset']}, {classes}: n = {config['train_size']}, {summary.step} steps"
    out = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
    )
    out.add_column("0-1 loss", no_wrap=True)
    out.add_column("kind", no_wrap=True)
    for depth in summary.depths:
        out.add_column(f"depth {depth}", justify="right", no_wrap=len(summary.depths) <= 4)
    for row in summary.rows:
        cells = [cell(row, i) for i in range(len(summary.depths))]
        out.add_row(row.name, row.kind, *cells, style=_STYLE[row.kind])
        if row.name == "gap":
            out.add_section()
    out.add_section()
    out.add_row("eta^(L/2)", "upper", *(_factor(c) for c in summary.contracted))
    if summary.conditions:
        out.add_section()
    for row in summary.conditions:
        cells = [cell(row, i) for i in range(len(summary.depths))]
        out.add_row(row.name, row.kind, *cells, style=_STYLE[row.kind])
    return Group(out, *_notes(summary))


def cell(row: Row, i: int) -> str:
    """One number as people read it: with its interval, "vacuous" where it is, "-" if missing."""
    value, error = float(row.values[i]), float(row.errors[i])
    if not math.isfinite(value):
        return "-"
    if row.vacuous[i]:
        return f"{value:.3g} vacuous"
    known = math.isfinite(error) and error > 0
    interval = f"±{error:.3f}".replace("±0.", "±.") if known else ""
    return f"{value:.3f}{interval}"


def _factor(contracted: float) -> str:
    if contracted >= 5e-5:
        return f"{1 - contracted:.4f}"
    return f"1 - {contracted:.0e}" if contracted > 0 else "1"


def _notes(summary: Summary) -> list[str]:
    units = (
        f"{summary.supersamples} supersamples" if summary.supersamples > 1 else "masks (one sample)"
    )
    notes = [
        f"{summary.replicas} replicas a depth; ± is a 95 % interval over {units}.",
        "certificate: an upper bound under its checked premises",
        "estimate:    a bound evaluated at measured quantities",
        "diagnostic:  shown for comparison; no bound is claimed",
    ]
    if summary.conditions:
        notes += [
            "Last lines: the softmax on the last layer T, on held-out examples.",
            "Moment residual: rms correlation of T with its errors (noise: 1/sqrt(examples)).",
            "Duality gap: its loss less the loss it expects; positive is overconfident.",
        ]
    if summary.diverged.sum():
        counts = ", ".join(f"depth {d}: {int(c)}" for d, c in zip(summary.depths, summary.diverged))
        notes.append(f"Diverged replicas, left out of every mean: {counts}.")
    return notes

"""The table of a depth sweep for a terminal."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ibjax.report.summary import Row, Summary, configuration, headlines, label, summarise

if TYPE_CHECKING:
    import xarray
    from rich.console import RenderableType

_STYLE = {"measured": "bold", "certificate": "green", "estimate": "", "diagnostic": "dim"}


def table(
    dataset: "xarray.Dataset", checkpoint: int = -1, names: Sequence[str] | None = None
) -> "RenderableType":
    """Errors, gap and the bounds with their kinds, a column a depth.

    A bound at or above the range of the loss is followed by "vacuous"; one whose premises fail,
    or whose inputs are missing, is "-". Below a bound from masks stands its null, what it reads
    where there is nothing to remember.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
        names: which bounds; those of `report.headlines` by default.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    summary = summarise(dataset, checkpoint, headlines(dataset) if names is None else names)
    config = configuration(dataset)
    classes = " versus ".join(label(c) for c in config["classes"])
    title = f"{config['dataset']}, {classes}: n = {config['train_size']}, {summary.step} steps"
    out = Table(
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
        out.add_row(row.name, kind(row), *cells, style=_STYLE[row.kind])
        if row.has_null:
            nulls = [null(row, i) for i in range(len(summary.depths))]
            out.add_row("  without memory", "null", *nulls, style="dim")
        if row.name == "gap":
            out.add_section()
    out.add_section()
    out.add_row("eta^(L/2)", "upper", *(_factor(c) for c in summary.contracted))
    if np.isfinite(summary.floor).any():
        least = ["-" if math.isnan(f) else f"{f:.3f}" for f in summary.floor]
        out.add_row("  least possible", "estimate", *least)
    if summary.conditions:
        out.add_section()
    for row in summary.conditions:
        cells = [cell(row, i) for i in range(len(summary.depths))]
        out.add_row(row.name, row.kind, *cells, style=_STYLE[row.kind])
    # Of its own, since a title is broken at the width of its table.
    return Group(Text(title, style="bold"), out, *_notes(summary))


def kind(row: Row) -> str:
    """The kind as people read it, with the confidence of a certificate that needs one."""
    return row.kind if row.confidence >= 1 else f"{row.kind}, {100 * row.confidence:g} %"


def null(row: Row, i: int) -> str:
    """What a bound reads where masks mean nothing, with two standard deviations of one reading."""
    mean, spread = (math.nan if a is None else float(a[i]) for a in (row.null, row.null_spread))
    return "-" if math.isnan(mean) else f"{mean:.3f}±{2 * spread:.3f}".replace("±0.", "±.")


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


def _above(row: Row) -> np.ndarray:
    """Where a bound lies more than two standard deviations above its null."""
    if row.null is None or row.null_spread is None:
        return np.ones(row.values.shape, bool)
    return ~(row.values <= row.null + 2 * row.null_spread)


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
    unseen = [
        f"{row.name} at depth {', '.join(str(d) for d, a in zip(summary.depths, above) if not a)}"
        for row in summary.rows
        if row.has_null and not (above := _above(row)).all()
    ]
    if unseen:
        notes.append(f"No memory seen with {summary.masks} masks: {'; '.join(unseen)}.")
    if np.isfinite(summary.floor).any():
        notes.append("least possible: what the layers must let through at this training error.")
    if summary.diverged.sum():
        counts = ", ".join(
            f"depth {d}: {int(c)} (P(ok) = {1 - c / summary.replicas:.3f})"
            for d, c in zip(summary.depths, summary.diverged)
        )
        notes.append(f"Diverged replicas, counted as wrong everywhere: {counts}.")
    return notes

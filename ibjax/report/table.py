"""The table of a sweep for a terminal."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from ibjax import rounding
from ibjax.report import axes
from ibjax.report.summary import Row, Summary, headlines, summaries

if TYPE_CHECKING:
    from rich.console import RenderableType

GIVEN = "given the batches or noise that all replicas share"
"""What a measured number is conditional on, where replicas do not draw their own."""

_STYLE = {"measured": "bold", "certificate": "green", "estimate": "", "diagnostic": "dim"}


def table(
    dataset: xarray.Dataset,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
    axis: str | None = None,
) -> "RenderableType":
    """Errors, gap and the bounds with their kinds, a column a point of the axis.

    Every place on the other axes has a table of its own. A bound at or above the range of the loss
    is followed by "vacuous"; one whose premises fail, or whose inputs are missing, is "-". Below
    a bound from masks stands its null, what it reads where there is nothing to remember.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
        names: which bounds; those of `report.headlines` by default.
        axis: the columns; see `report.summarise`.
    """
    from rich.console import Group
    from rich.text import Text

    shown = headlines(dataset) if names is None else names
    found = summaries(dataset, checkpoint, shown, axis)
    parts: list[Any] = []
    for summary in found:
        # Of its own, since a title is broken at the width of its table.
        parts += [Text(title(dataset, summary), style="bold"), _columns(summary)]
        parts += [*_particular(summary), *([""] if len(found) > 1 else [])]
    return Group(*parts, *_notes(dataset, found))


def title(dataset: xarray.Dataset, summary: Summary) -> str:
    """What the numbers of one table are of."""
    step = summary.steps[-1] if len(set(summary.steps)) == 1 else None
    place = axes.fixed(summary.fixed, dataset)
    return "; ".join(filter(None, (axes.heading(dataset, summary.axis, step), place)))


def remarks(dataset: xarray.Dataset, found: Sequence[Summary]) -> list[str]:
    """What is said beside the tables of a data set, a line each, where they are one table."""
    titles = [title(dataset, summary) for summary in found]
    said = titles if len(found) == 1 else [axes.heading(dataset, found[0].axis)]
    for summary, name in zip(found, titles):
        place = "" if len(found) == 1 else f"{axes.fixed(summary.fixed, dataset) or name}: "
        said += [place + note for note in _particular(summary)]
    return [*said, *_notes(dataset, found)]


def _columns(summary: Summary) -> "RenderableType":
    from rich import box
    from rich.table import Table

    places = range(len(summary.points))
    out = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    out.add_column("0-1 loss", no_wrap=True)
    out.add_column("kind", no_wrap=True)
    for head in heads(summary):
        out.add_column(head, justify="right", no_wrap=len(places) <= 4)
    for row in summary.rows:
        out.add_row(row.name, kind(row), *(cell(row, i) for i in places), style=_style(row))
        if row.has_null:
            nulls = [null(row, i) for i in places]
            out.add_row("  without memory", "null", *nulls, style="dim")
        if row.name == "gap":
            out.add_section()
    out.add_section()
    for name, which, *texts in layers(summary):
        out.add_row(f"  {name}" if name == _LEAST else name, which, *texts)
    if summary.conditions:
        out.add_section()
    for row in summary.conditions:
        out.add_row(row.name, row.kind, *(cell(row, i) for i in places), style=_style(row))
    return out


_LEAST = "least possible"


def layers(summary: Summary) -> list[list[str]]:
    """What the layers leave of the information and must leave: name, kind and a text a point."""
    rows = []
    if np.isfinite(summary.contracted).any():
        rows.append(["eta^(L/2)", "upper", *map(_factor, summary.contracted)])
    if np.isfinite(summary.floor).any():
        least = ["-" if math.isnan(f) else rounding.down(f) for f in summary.floor]
        rows.append([_LEAST, "estimate", *least])
    return rows


def heads(summary: Summary) -> list[str]:
    """What stands above the columns: the coordinate, or "value" where there is no axis."""
    if summary.axis is None:
        return ["value"]
    return [axes.value(summary.axis, point) for point in summary.points]


def _style(row: Row) -> str:
    return _STYLE.get(row.kind, "dim")


def kind(row: Row) -> str:
    """The kind as people read it, with the confidence of a certificate that needs one."""
    if row.shared:
        return f"{row.kind}, shared noise"
    return rounding.kind(row.kind, row.confidence)


def null(row: Row, i: int) -> str:
    """What a bound reads where masks mean nothing, with two standard deviations of one reading."""
    mean, spread = (math.nan if a is None else float(a[i]) for a in (row.null, row.null_spread))
    return "-" if math.isnan(mean) else f"{mean:.3f}±{2 * spread:.3f}".replace("±0.", "±.")


def cell(row: Row, i: int) -> str:
    """One number as people read it: with its interval, "vacuous" where it is, "-" if missing.

    A certificate is rounded up.
    """
    value, error = float(row.values[i]), float(row.errors[i])
    if not math.isfinite(value):
        return "-"
    if row.vacuous[i]:
        return f"{rounding.by_kind(value, '.3g', row.kind)} vacuous"
    known = math.isfinite(error) and error > 0
    interval = f"±{error:.3f}".replace("±0.", "±.") if known else ""
    # A bound that is not zero does not read as zero.
    small = row.kind != "measured" and 0 < abs(value) < 5e-4
    return rounding.by_kind(value, ".1g" if small else ".3f", row.kind) + interval


def _above(row: Row) -> np.ndarray:
    """Where a bound lies more than two standard deviations above its null."""
    if row.null is None or row.null_spread is None:
        return np.ones(row.values.shape, bool)
    return ~(row.values <= row.null + 2 * row.null_spread)


def _factor(contracted: float) -> str:
    if math.isnan(contracted):
        return "-"
    # Of an upper factor no more is taken away than is proved.
    if contracted >= 1e-4:
        return f"{1 - float(rounding.down(contracted, '.4f')):.4f}"
    return f"1 - {rounding.down(contracted, '.0e')}" if contracted > 0 else "1"


def _particular(summary: Summary) -> list[str]:
    """Remarks on the numbers of one table."""
    notes = []
    points = heads(summary) if summary.axis else ["the run"]
    unseen = [
        f"{row.name} at {_listed([p for p, a in zip(points, above) if not a])}"
        for row in summary.rows
        if row.has_null and not (above := _above(row)).all()
    ]
    if unseen:
        masks = _range([k2 for _, k2 in summary.counts])
        notes.append(f"No memory seen with {masks} masks: {'; '.join(unseen)}.")
    if summary.shared.any():
        places = _listed([p for p, s in zip(points, summary.shared) if s])
        notes.append(f"Errors and gap, with their ±, at {places}: {GIVEN}.")
    if summary.diverged.sum():
        counts = ", ".join(
            f"{p}: {int(c)} (P(ok) = {1 - c / max(k1 * k2, 1):.3f})"
            for p, c, (k1, k2) in zip(points, summary.diverged, summary.counts)
        )
        notes.append(f"Diverged replicas, counted as wrong everywhere: {counts}.")
    return notes


def _listed(points: list[str]) -> str:
    """Several heads of columns with their word once: ``depth 1, 2``."""
    words = {point.rpartition(" ")[0] for point in points}
    if len(words) > 1 or not words or "" in words:
        return ", ".join(points)
    return f"{words.pop()} {', '.join(point.rpartition(' ')[2] for point in points)}"


def _range(counts: Sequence[int]) -> str:
    """Counts as one, or the least and the most of them."""
    known = sorted({count for count in counts if count}) or [0]
    return str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _notes(dataset: xarray.Dataset, found: Sequence[Summary]) -> list[str]:
    summary, counts = found[-1], [count for s in found for count in s.counts]
    several = [k1 for k1, _ in counts if k1 > 1]
    units = f"{_range(several)} supersamples" if several else "masks (one sample)"
    if len(set(counts)) > 1 and any(k1 == 1 for k1, _ in counts) and several:
        units += ", over masks where there is one"
    each = {"depth": "a depth", None: "in all"}.get(summary.axis, "a column")
    kinds = {
        "certificate": "certificate: an upper bound under its checked premises, rounded up",
        "estimate": "estimate:    a bound evaluated at measured quantities",
        "diagnostic": "diagnostic:  shown for comparison; no bound is claimed",
    }
    shown = {row.kind for s in found for row in s.rows}
    notes = [text for name, text in kinds.items() if name in shown]
    if summary.replicas:
        replicas = _range([k1 * k2 for k1, k2 in counts])
        notes.insert(0, f"{replicas} replicas {each}; ± is a 95 % interval over {units}.")
    if summary.measured_on is not None and summary.replicas:
        replicas, supersamples = summary.measured_on
        notes.insert(
            1,
            f"Gap and bounds are those of all {replicas} replicas of {supersamples} supersamples "
            "that were trained.",
        )
    if not any((s.rows, s.conditions) != ([], []) for s in found):
        notes.insert(0, "Nothing to show: the file holds neither errors nor gap nor bounds.")
    if any(s.conditions for s in found):
        notes += [
            "Last lines: the softmax on the last layer T, on held-out examples.",
            "Moment residual: rms correlation of T with its errors (noise: 1/sqrt(examples)).",
            "Duality gap: its loss less the loss it expects; positive is overconfident.",
        ]
    if any(np.isfinite(s.floor).any() for s in found):
        notes.append("least possible: what the layers must let through at this training error.")
    return [*_apart(dataset), *notes]


def _apart(dataset: xarray.Dataset) -> list[str]:
    """What tells runs apart that are put side by side, where no axis says it."""
    differing = axes.differing(dataset)
    runs = axes.runs(dataset)
    lines = []
    for name, values in differing.items():
        each = [axes.setting(name, value) for value in values]
        if len(values) == len(runs):
            each = [f"{value} ({run})" for value, run in zip(each, runs)]
        lines.append(f"{name.replace('_', ' ')}: {', '.join(each)}.")
    return [f"The runs differ in {line}" for line in lines]

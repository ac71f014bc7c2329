"""Pictures of a sweep along any of its axes: functions of a data set and `ax`, no global style."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from ibjax import blank
from ibjax.report import axes
from ibjax.report.summary import LOSS_RANGE, Row, Summary, headlines, summaries, summarise
from ibjax.report.table import kind
from ibjax.results.layout import configuration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#555555")
_LOOK: dict[str, dict[str, Any]] = {
    "certificate": {"linestyle": "-", "linewidth": 1.8},
    "estimate": {"linestyle": "--", "markerfacecolor": "white"},
    "diagnostic": {"linestyle": ":"},
    "unknown": {"linestyle": ":", "linewidth": 0.8},
}
# The second of each kind tells bounds apart when the colours are used up.
_MARKERS = {"certificate": "sD", "estimate": "o^", "diagnostic": "x+", "unknown": ".,"}
_SMALLEST = 1e-4
_CURVES = 12
"""Most bounds in a picture unless they are named."""

MOST_PANELS = 12
"""Most places on the other axes in one figure."""


def bounds_against(
    dataset: xarray.Dataset,
    axis: str | None = None,
    ax: "Axes | None" = None,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
) -> "Axes":
    """Measured gap with its 95 % interval, and the bounds, along an axis (log scale upwards).

    Filled markers and full lines are certificates, open ones and dashes estimates, crosses and
    dots diagnostics; what lies in the shaded region is vacuous. A band in the colour of a bound
    from masks is its null, two standard deviations wide to each side: what it reads where there is
    nothing to remember.

    Args:
        dataset: a results file with one place on its other axes.
        axis: what runs to the right, ``checkpoint`` for steps along training; by default the
            first with several values.
        ax: where to draw; a figure of its own by default.
        checkpoint: which evaluation along training.
        names: which bounds; by default those of `report.headlines`, a dozen at most.
    """
    shown = names if names is not None else headlines(dataset)[:_CURVES]
    summary = summarise(dataset, checkpoint, shown, axis)
    return _draw_bounds(blank.axes(ax), summary, _range([summary]))


def errors_against(
    dataset: xarray.Dataset,
    axis: str | None = None,
    ax: "Axes | None" = None,
    checkpoint: int = -1,
) -> "Axes":
    """Training and test error with 95 % intervals along an axis; arguments as `bounds_against`."""
    ax = _draw_errors(blank.axes(ax), summarise(dataset, checkpoint, (), axis))
    ax.legend(frameon=False)
    return ax


def bounds_against_depth(
    dataset: xarray.Dataset,
    ax: "Axes | None" = None,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
) -> "Axes":
    """`bounds_against` the number of hidden layers."""
    return bounds_against(dataset, "depth", ax, checkpoint, names)


def errors_against_depth(
    dataset: xarray.Dataset, ax: "Axes | None" = None, checkpoint: int = -1
) -> "Axes":
    """`errors_against` the number of hidden layers."""
    return errors_against(dataset, "depth", ax, checkpoint)


def figure(
    dataset: xarray.Dataset,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
    axis: str | None = None,
) -> "Figure":
    """Bounds and errors of a sweep in one figure: a column for every place on the other axes.

    Args:
        dataset: a results file.
        checkpoint: which evaluation along training.
        names: which bounds; by default those of `report.headlines`.
        axis: what runs to the right; see `bounds_against`.

    Raises:
        ValueError: for more than a dozen places on the other axes.
    """
    shown = names if names is not None else headlines(dataset)[:_CURVES]
    found = summaries(dataset, checkpoint, shown, axis)
    if len(found) > MOST_PANELS:
        raise ValueError(
            f"the file has {len(found)} places beside the axis {found[0].axis}, more than "
            f"{MOST_PANELS} panels; choose some by dataset.sel or another axis"
        )
    step = found[0].step if len({s for f in found for s in f.steps}) == 1 else None
    count, span = len(found), _range(found)
    if count == 1:
        out, (left, right) = blank.figure((11, 4.6), 1, 2, width_ratios=(1.5, 1))
        _draw_bounds(left, found[0], span)
        left.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        _draw_errors(right, found[0]).legend(frameon=False)
    else:
        across = min(count, 4)
        down = -(-count // across)
        size = (max(3.1 * across + 2.2, 9.5), 5.2 * down)
        out, grid = blank.figure(size, 2 * down, across, squeeze=False, sharey="row")
        for place, summary in enumerate(found):
            upper = grid[2 * (place // across), place % across]
            lower = grid[2 * (place // across) + 1, place % across]
            _draw_bounds(upper, summary, span, label=place % across == 0)
            upper.set_title(axes.fixed(summary.fixed, dataset), fontsize=9)
            upper.set_xlabel("")
            _draw_errors(lower, summary, label=place % across == 0)
        for place in range(count, across * down):
            for row in (0, 1):
                grid[2 * (place // across) + row, place % across].remove()
        pairs = [p for a in (grid[0, 0], grid[1, 0]) for p in zip(*a.get_legend_handles_labels())]
        out.legend(*zip(*pairs), frameon=False, fontsize=8, loc="outside right upper")
    out.suptitle(_title(dataset, found[0], step), fontsize=10)
    return out


def panels(dataset: xarray.Dataset, axis: str | None = None) -> int:
    """How many places there are beside an axis: the panels of a figure."""
    return len(axes.panels(dataset, axes.check_axis(dataset, axis)))


def _title(dataset: xarray.Dataset, summary: Summary, step: int | None) -> str:
    config = configuration(dataset)
    words = [axes.heading(dataset, summary.axis, step)]
    for setting, symbol in (("inverse_temperature", "beta ="), ("layer_noise", "layer noise")):
        if isinstance(config.get(setting), int | float) and summary.axis != setting:
            words.append(f"{symbol} {config[setting]:g}")
    return ", ".join(words)


def _range(found: Sequence[Summary]) -> tuple[float, float]:
    """Least and largest gap or bound to draw, with their intervals; the vacuous ones from 1 on."""
    rows = [r for s in found for r in s.rows if r.name == "gap" or r.kind in _LOOK]
    ends = [row.values + sign * bar for row in rows for sign, bar in zip((-1, 1), _within(row))]
    values = np.concatenate([np.zeros(0), *ends])
    values = values[np.isfinite(values) & (values > 0)]
    high = max(1.3 * values.max(initial=0.0), 1.5 * LOSS_RANGE)
    return max(values.min(initial=LOSS_RANGE) / 1.3, 1e-6 * high), high


def _draw_bounds(
    ax: "Axes", summary: Summary, span: tuple[float, float], label: bool = True
) -> "Axes":
    at, log = _places(summary)
    gaps = [row for row in summary.rows if row.name == "gap"]
    for row in gaps:
        style = {"color": "black", "marker": "D", "linewidth": 2, "capsize": 3}
        ax.errorbar(at, row.values, _within(row), label="gap", zorder=3, **style)
    bounds = [r for r in summary.rows if r.kind in _LOOK and np.isfinite(r.values).any()]
    for i, row in enumerate(bounds):
        again, place = divmod(i, len(_COLOURS))
        ax.errorbar(
            at,
            row.values,
            _within(row),
            color=_COLOURS[place],
            marker=_MARKERS[row.kind][again % 2],
            label=f"{row.name} ({kind(row)})",
            capsize=2,
            **_LOOK[row.kind],
        )
        _band(ax, at, log, row, _COLOURS[place])
    ax.set_yscale("log")
    ax.axhspan(LOSS_RANGE, span[1], color="0.92", zorder=0)
    ax.text(at[0], LOSS_RANGE * 1.05, "vacuous", color="0.35", va="bottom", fontsize=8)
    ax.set_ylim(*span)
    _along(ax, summary, at, log)
    if label:
        ax.set_ylabel("generalization gap, 0-1 loss")
    return ax


def _band(ax: "Axes", at: np.ndarray, log: bool, row: Row, colour: str) -> None:
    """The null of a bound, two standard deviations to each side."""
    if row.null is None or row.null_spread is None or not row.has_null:
        return
    low, high = row.null - 2 * row.null_spread, row.null + 2 * row.null_spread
    low, high = np.maximum(low, _SMALLEST), np.maximum(high, _SMALLEST)
    if len(at) == 1:  # a band needs a width
        at = at * np.array([0.9, 1.1]) if log else at + np.array([-0.2, 0.2])
        low, high = np.repeat(low, 2), np.repeat(high, 2)
    words = f"{row.name} without memory"
    ax.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0, label=words)


def _draw_errors(ax: "Axes", summary: Summary, label: bool = True) -> "Axes":
    at, log = _places(summary)
    for name, colour, marker in (("train error", "#0072B2", "o"), ("test error", "#D55E00", "s")):
        for row in (row for row in summary.rows if row.name == name):
            style = {"color": colour, "marker": marker, "capsize": 3}
            ax.errorbar(at, row.values, _within(row), label=name, **style)
    ax.set_ylim(0, min(ax.get_ylim()[1], 1.05))
    _along(ax, summary, at, log)
    if label:
        ax.set_ylabel("error, 0-1 loss")
    return ax


def _places(summary: Summary) -> tuple[np.ndarray, bool]:
    """Where the points lie, at their own values, and whether on a logarithmic axis."""
    numbers = [p for p in summary.points if isinstance(p, int | float) and np.isfinite(p)]
    if len(numbers) < len(summary.points):
        return np.arange(len(summary.points), dtype=float), False
    return np.array(numbers, float), axes.logarithmic(summary.axis, summary.points)


def _within(row: Row) -> np.ndarray:
    """Error bars down and up; none where none is known, and short of zero on a log axis."""
    known = np.nan_to_num(row.errors)
    return np.stack([np.minimum(known, 0.7 * np.abs(row.values)), known])


def _along(ax: "Axes", summary: Summary, at: np.ndarray, log: bool) -> None:
    if log:
        ax.set_xscale("log")
    words = [axes.number(p) for p in summary.points if p is not None]
    few = len(at) <= 8
    if few or not words:
        ax.set_xticks(at, words or [""] * len(at), fontsize=None if few else 7)
        ax.minorticks_off() if log else None
    ax.set_xlabel(axes.title(summary.axis))

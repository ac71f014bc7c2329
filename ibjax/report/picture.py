"""Pictures of a depth sweep: functions of a data set and an axis, no global style."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ibjax.report.summary import LOSS_RANGE, Row, configuration, headlines, summarise
from ibjax.report.summary import label as class_label
from ibjax.report.table import kind

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#555555")
_LOOK = {
    "certificate": {"linestyle": "-", "linewidth": 1.8},
    "estimate": {"linestyle": "--", "markerfacecolor": "white"},
    "diagnostic": {"linestyle": ":"},
}
# The second of each kind tells bounds apart when the colours are used up.
_MARKERS = {"certificate": "sD", "estimate": "o^", "diagnostic": "x+"}


def bounds_against_depth(
    dataset: "xarray.Dataset",
    ax: "Axes | None" = None,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
) -> "Axes":
    """Measured gap with its 95 % interval, and the bounds, against depth (log scale).

    Filled markers are certificates, open ones estimates, crosses diagnostics; what lies in the
    shaded region is vacuous. A band in the colour of a bound from masks is its null, two standard
    deviations wide to each side: what it reads where there is nothing to remember.
    """
    ax = _axes(ax)
    summary = summarise(dataset, checkpoint, headlines(dataset) if names is None else names)
    depths = np.asarray(summary.depths, float)
    gap = summary.row("gap")
    ax.errorbar(
        depths,
        gap.values,
        _within(gap),
        color="black",
        marker="D",
        linewidth=2,
        label="gap",
        capsize=3,
    )
    bounds = [r for r in summary.rows if r.kind in _LOOK and np.isfinite(r.values).any()]
    for i, row in enumerate(bounds):
        again, place = divmod(i, len(_COLOURS))
        ax.errorbar(
            depths,
            row.values,
            _within(row),
            color=_COLOURS[place],
            marker=_MARKERS[row.kind][again % 2],
            label=f"{row.name} ({kind(row)})",
            capsize=2,
            **_LOOK[row.kind],
        )
        if row.null is not None and row.null_spread is not None and row.has_null:
            low, high = row.null - 2 * row.null_spread, row.null + 2 * row.null_spread
            label = f"{row.name} without memory"
            ax.fill_between(
                depths, np.maximum(low, 1e-4), high, color=_COLOURS[place], alpha=0.15, label=label
            )
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    high = max(high, 1.5 * LOSS_RANGE)
    ax.axhspan(LOSS_RANGE, high, color="0.92", zorder=0)
    ax.text(depths[0], LOSS_RANGE * 1.05, "vacuous", color="0.35", va="bottom", fontsize=8)
    ax.set_ylim(low, high)
    _depth_axis(ax, summary.depths)
    ax.set_ylabel("generalization gap, 0-1 loss")
    return ax


def errors_against_depth(
    dataset: "xarray.Dataset", ax: "Axes | None" = None, checkpoint: int = -1
) -> "Axes":
    """Training and test error with 95 % intervals against depth."""
    ax = _axes(ax)
    summary = summarise(dataset, checkpoint)
    for name, colour, marker in (("train error", "#0072B2", "o"), ("test error", "#D55E00", "s")):
        row = summary.row(name)
        ax.errorbar(
            summary.depths,
            row.values,
            _within(row),
            color=colour,
            marker=marker,
            label=name,
            capsize=3,
        )
    ax.set_ylim(bottom=0)
    _depth_axis(ax, summary.depths)
    ax.set_ylabel("error, 0-1 loss")
    ax.legend(frameon=False)
    return ax


def figure(
    dataset: "xarray.Dataset", checkpoint: int = -1, names: Sequence[str] | None = None
) -> "Figure":
    """Both panels of a sweep in one figure; `names` chooses the bounds."""
    from matplotlib.figure import Figure

    out = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = out.subplots(1, 2, width_ratios=(1.5, 1))
    bounds_against_depth(dataset, left, checkpoint, names)
    left.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    errors_against_depth(dataset, right, checkpoint)
    config = configuration(dataset)
    out.suptitle(
        f"{config['dataset']}, {' versus '.join(map(class_label, config['classes']))}: "
        f"n = {config['train_size']}, "
        f"beta = {config['inverse_temperature']:g}, layer noise {config['layer_noise']:g}",
        fontsize=10,
    )
    return out


def _within(row: Row) -> np.ndarray:
    """Error bars down and up; none where none is known, and short of zero on a log axis."""
    known = np.nan_to_num(row.errors)
    return np.stack([np.minimum(known, 0.7 * np.abs(row.values)), known])


def _depth_axis(ax: "Axes", depths: list[int]) -> None:
    ax.set_xticks(depths)
    ax.set_xlabel("hidden layers")


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(layout="constrained").subplots()

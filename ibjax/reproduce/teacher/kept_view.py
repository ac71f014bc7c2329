"""Table and picture of information in the data, information kept, and the certified gap."""

from typing import Any

import numpy as np
import xarray

from ibjax import blank, rounding
from ibjax.intervals import t_quantile
from ibjax.reproduce.outcome import bound_text, viewer

REGIMES = {"linear": "n/d", "quadratic": "n/d$^2$"}
INFORMATION = {
    "information": ("in the data, about the teacher", "-", "#000000"),
    "passing_rate": ("message passing needs (estimate)", "^--", "#009E73"),
    "student_rate": ("the students need (estimate)", "o--", "#0072B2"),
    "kept_at_most": ("students keep at most (certificate)", "s-", "#D55E00"),
    "kept_seen": ("seen of it in their losses (estimate)", "v:", "#CC79A7"),
}
GAP = {
    "certificate": ("certificate", "s-", "#D55E00"),
    "estimate": ("ld_cmi (estimate)", "v:", "#CC79A7"),
}


def table(dataset: xarray.Dataset) -> Any:
    """One column a number of samples, information above gaps, both regimes."""
    places = [(r, a) for r in REGIMES for a in dataset[f"{r}_alpha"].values]
    heads = (f"{REGIMES[regime].replace('$', '')}\n{alpha:g}" for regime, alpha in places)
    made = blank.table(
        ("", "kind", *heads),
        "from the information in the data to the certified gap, of the same runs",
        caption="nats a sample: what a label says about the teacher (exact at n ~ d, conjectured "
        "at n ~ d^2, there of noisy outputs whose signs are the labels); what an error needs of "
        "it, at least; what the weights kept of the samples, at most. Gap ± 95 % over teachers. "
        "Floor: Bayes, exact in the limit, less the measured training error; no bound on the "
        "expected gap lies below it.",
        left=("", "kind"),
        wrap=("", "kind"),
        padding=0,
    )
    names = [("n", "n", 0), *((k, v[0].split(" (")[0], 3) for k, v in INFORMATION.items())]
    names += [("train_error", "training error", 3), ("test_error", "test error", 3)]
    for name, label, digits in names:
        made.add_row(label, _kind(dataset, name), *_row(dataset, places, name, digits))
    made.add_section()
    gaps = [_interval(dataset, r, a) for r, a in places]
    made.add_row("gap", "measured", *(f"{m:.3f}±{h:.3f}" for m, h in gaps))
    floors = [_floor(dataset, r, a) for r, a in places]
    made.add_row(
        "floor under the gap",
        "estimate",
        *("-" if np.isnan(f) else rounding.down(f) for f in floors),
    )
    for name, (label, *_) in GAP.items():
        kind = _kind(dataset, name)
        values = [_at(dataset, r, a, name) for r, a in places]
        cells = ("-" if np.isnan(v) else bound_text(v, kind=kind) for v in values)
        made.add_row(label.split(" (")[0], kind, *cells)
    return made


def _kind(dataset: xarray.Dataset, name: str) -> str:
    if name == "information":
        return "exact | conj."
    return str(dataset[f"linear_{name}"].attrs["kind"])


def _at(dataset: xarray.Dataset, regime: str, alpha: float, name: str) -> float:
    if f"{regime}_{name}" not in dataset:
        return float("nan")
    return float(dataset[f"{regime}_{name}"].sel({f"{regime}_alpha": alpha}).mean())


def _row(dataset: xarray.Dataset, places: Any, name: str, digits: int) -> list[str]:
    values = [_at(dataset, r, a, name) for r, a in places]
    kind = _kind(dataset, name)
    return ["-" if np.isnan(v) else rounding.by_kind(v, f".{digits}f", kind) for v in values]


def _interval(dataset: xarray.Dataset, regime: str, alpha: float) -> tuple[float, float]:
    quantile = t_quantile(dataset.sizes["teacher"])
    return _at(dataset, regime, alpha, "gap"), quantile * _at(
        dataset, regime, alpha, "gap_std_error"
    )


def _floor(dataset: xarray.Dataset, regime: str, alpha: float) -> float:
    return _at(dataset, regime, alpha, "bayes_error") - _at(dataset, regime, alpha, "train_error")


def figure(dataset: xarray.Dataset) -> Any:
    """Information above, gaps below; n ~ d on the left, n ~ d^2 on the right."""
    made, axes = blank.figure((11, 7), 2, 2, sharex="col", sharey="row")
    for column, regime in enumerate(REGIMES):
        draw_information(dataset, regime, axes[0, column])
        draw_gap(dataset, regime, axes[1, column])
    return made


def draw_information(dataset: xarray.Dataset, regime: str, ax: Any = None) -> Any:
    """Draw nats a sample over the number of samples: in the data, needed, kept."""
    ax = blank.axes(ax)
    alpha = dataset[f"{regime}_alpha"]
    for name, (label, look, colour) in INFORMATION.items():
        if f"{regime}_{name}" in dataset:
            text = label
            if name == "information":
                kind = dataset[f"{regime}_{name}"].attrs["kind"]
                text = f"{label} ({kind})"
            values = dataset[f"{regime}_{name}"].values
            ax.plot(alpha, np.where(values > 0, values, np.nan), look, color=colour, label=text)
    ax.set(xscale="log", yscale="log", ylabel="information (nats a sample)")
    teacher = "tanh network, signs" if regime == "linear" else "two-layer rectifier, signs"
    ax.set_title(f"n ~ {'d' if regime == 'linear' else 'd$^2$'}: {teacher}", fontsize=10)
    low, high = ax.get_ylim()
    ax.set_ylim(bottom=min(low, high / 1e4))  # room for the legend below the curves
    ax.legend(frameon=False, fontsize=8, loc="lower left")
    return ax


def draw_gap(dataset: xarray.Dataset, regime: str, ax: Any = None) -> Any:
    """Draw the gap of the same runs, the floor under it and the bounds above it."""
    ax = blank.axes(ax)
    alpha = dataset[f"{regime}_alpha"].values
    for name, (label, look, colour) in GAP.items():
        ax.plot(alpha, dataset[f"{regime}_{name}"], look, color=colour, label=label)
    middle, half = (np.array(v) for v in zip(*(_interval(dataset, regime, a) for a in alpha)))
    down = np.minimum(half, 0.7 * np.abs(middle))
    ax.errorbar(alpha, middle, [down, half], fmt="D-", color="black", capsize=3, label="gap, 95 %")
    floor = np.array([_floor(dataset, regime, a) for a in alpha])
    if (floor > 0).any():
        ax.plot(
            alpha, np.where(floor > 0, floor, np.nan), ":", color="0.5", label="floor under the gap"
        )
    ax.set(xscale="log", yscale="log", xlabel=f"samples, {REGIMES[regime]}")
    ax.set_ylabel("gap (0-1 loss)")
    ax.legend(frameon=False, fontsize=8)
    return ax


view = viewer(table, figure)
"""Table and picture of what was stored."""

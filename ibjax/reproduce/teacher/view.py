"""The table and the picture of the teacher-student experiment."""

from typing import Any

import numpy as np
import xarray

from ibjax import blank
from ibjax.intervals import t_quantile
from ibjax.report.summary import headlines
from ibjax.reproduce.outcome import bound_text, viewer

COLOURS = {"certificate": "#D55E00", "estimate": "#CC79A7", "diagnostic": "#E69F00"}
MARKERS = {"certificate": "s", "estimate": "^", "diagnostic": "x"}


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and half-width of the 95 % Student interval over the last axis."""
    count = values.shape[-1]
    half = t_quantile(count) * np.std(values, axis=-1, ddof=1) / np.sqrt(count)
    return np.mean(values, axis=-1), half


def deviations(dataset: xarray.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """How many standard errors message passing lies off state evolution.

    Returns:
        (alpha,) of the last step's test error, and (alpha, step) of the overlap.
    """
    error, overlap = dataset["passing_error"].values, dataset["passing_overlap"].values
    root = np.sqrt(error.shape[1])
    off = (np.mean(error, 1) - dataset["evolved_error"].values) * root / np.std(error, 1, ddof=1)
    path = np.mean(overlap, 1) - dataset["evolved_overlap"].values
    return off, path * root / np.std(overlap, axis=1, ddof=1)


def table(dataset: xarray.Dataset) -> Any:
    """One column an alpha, one row a quantity with the kind of its numbers."""
    about = dataset.attrs
    made = blank.table(
        ("n/d", "kind", *(f"{alpha:g}" for alpha in dataset["alpha"].values)),
        f"sign of a tanh teacher, d = {about['dimension']}, p = {about['teacher_width']}; "
        f"student of width {about['width']}",
        caption=f"{verdict(dataset)} ± is a 95 % interval over teachers, one standard error for "
        "GAMP, whose distance from state evolution (se) is in those. Exact: in the limit of "
        "large d. Floor: Bayes minus training error; in the limit, a bound on the gap below it by "
        "more than its interval is wrong.",
        left=("n/d", "kind"),
        wrap=("n/d", "kind"),
        padding=0,
    )
    for label, kind, cells in _rows(dataset):
        made.add_row(label, kind, *cells)
    return made


def verdict(dataset: xarray.Dataset) -> str:
    """Whether a student's test error lies below the Bayes line by more than its interval."""
    if dataset.sizes["teacher"] < 2:
        return "One teacher has no interval: nothing is said of the Bayes line."
    mean, half = interval(dataset["student_error"].values)
    beaten = mean + half < dataset["bayes_error"].values
    if not beaten.any():
        return "No student beats the Bayes line beyond its interval."
    where = ", ".join(f"{a:g}" for a in dataset["alpha"].values[beaten])
    return f"BELOW THE BAYES LINE at n/d = {where}: the data or the limit must be wrong."


def _rows(dataset: xarray.Dataset):
    passing = dataset["passing_error"].values
    spread = np.std(passing, axis=1, ddof=1) / np.sqrt(passing.shape[1])
    student, half = interval(dataset["student_error"].values)
    bayes = dataset["bayes_error"].values
    large = f"GAMP error, d = {dataset.attrs['passing_dimension']}"
    yield "Bayes-optimal error", "exact", [f"{b:.4f}" for b in bayes]
    yield large, "estimate", _cells(np.mean(passing, 1), spread, 4)
    yield "  off state evolution, se", "estimate", [f"{z:+.1f}" for z in deviations(dataset)[0]]
    yield "GAMP error, same data", "estimate", _cells(*interval(dataset["gamp_error"].values))
    yield "ridge error, same data", "estimate", _cells(*interval(dataset["ridge_error"].values))
    yield "ridge error", "exact", [f"{r:.4f}" for r in dataset["ridge_limit"].values]
    yield "student error", "estimate", _cells(student, half)
    yield "  above the Bayes line", "estimate", _cells(student - bayes, half)
    yield "student training error", "estimate", _cells(*interval(dataset["train_error"].values))
    gap, error = dataset["gap"].values, 1.96 * dataset["gap_std_error"].values
    yield "student gap", "estimate", _cells(gap, error)
    around = interval(dataset["train_error"].values)[1]
    yield "  floor of the gap", "estimate", _cells(floor(dataset), around)
    for i, name in enumerate(dataset["bound_name"].values):
        values = dataset["bound_value"].values[:, i]
        if np.isfinite(values).any():
            kind = str(dataset["bound_kind"].values[i])
            yield f"bound {name}", kind, [bound_text(v, kind=kind) for v in values]
    scale = [f"{s:.1f}" for s in dataset["rate_scale"].values]
    yield "scale of finite n, d, p", "diagnostic", scale


def floor(dataset: xarray.Dataset) -> np.ndarray:
    """Bayes error minus mean training error, (alpha,): no gap lies below it."""
    return dataset["bayes_error"].values - dataset["train_error"].values.mean(axis=1)


def _cells(means: np.ndarray, halves: np.ndarray, digits: int = 3) -> list[str]:
    pairs = zip(means, halves)
    return [f"{m:.{digits}f}±{h:.{digits}f}".replace("±0.", "±.") for m, h in pairs]


def figure(dataset: xarray.Dataset) -> Any:
    """Errors against the Bayes line, and the gap between its floor and its bounds."""
    made, (left, right) = blank.figure((10.5, 4.2), 1, 2)
    draw_errors(dataset, left)
    draw_bounds(dataset, right)
    return made


def draw_errors(dataset: xarray.Dataset, ax: Any = None) -> Any:
    """Draw test errors over n/d: the Bayes line, message passing, ridge, the student."""
    ax = blank.axes(ax)
    alpha = dataset["alpha"].values
    ax.plot(alpha, dataset["bayes_error"], color="k", label="Bayes-optimal (exact)")
    ax.plot(alpha, dataset["ridge_limit"], "--", color="#E69F00", label="ridge (exact)")
    passing = dataset["passing_error"].values
    spread = np.std(passing, axis=1, ddof=1) / np.sqrt(passing.shape[1])
    d = dataset.attrs["passing_dimension"]
    ax.errorbar(
        alpha, np.mean(passing, 1), spread, fmt="D", ms=4, color="#009E73", label=f"GAMP, d = {d}"
    )
    # Shifted a little, so that intervals at the same place do not hide each other.
    rows = (
        ("gamp_error", "GAMP, students' data", "#56B4E9", "v", 0.96),
        ("ridge_error", "ridge, students' data", "#E69F00", "o", 1.0),
        ("student_error", "student, noisy SGD", "#0072B2", "s", 1.04),
    )
    for name, label, colour, marker, shift in rows:
        mean, half = interval(dataset[name].values)
        ax.errorbar(alpha * shift, mean, half, fmt=marker, ms=5, color=colour, label=label)
    ax.set_xscale("log", base=2)
    ax.set_xticks(alpha, [f"{a:g}" for a in alpha])
    ax.set_xlabel("samples per input dimension, n/d")
    ax.set_ylabel("test error (probability)")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=8, loc="lower left")
    return ax


def draw_bounds(dataset: xarray.Dataset, ax: Any = None) -> Any:
    """Draw the student's gap, the floor under it, and the bounds of a table that have a value."""
    ax = blank.axes(ax)
    alpha = dataset["alpha"].values
    names, ends = [], []
    shown = headlines(dataset)
    for i, name in enumerate(dataset["bound_name"].values):
        if name not in shown:
            continue
        values = dataset["bound_value"].values[:, i]
        kind = str(dataset["bound_kind"].values[i])
        if np.isfinite(values).any():
            ax.plot(alpha, values, MARKERS[kind] + ":", color=COLOURS[kind], ms=5, lw=0.8)
            names.append((str(name), COLOURS[kind]))
            ends.append(values[np.isfinite(values)][-1])
    half = 1.96 * dataset["gap_std_error"].values
    ax.errorbar(alpha, dataset["gap"], half, fmt="o-", color="#0072B2", label="measured gap")
    ax.plot(alpha, floor(dataset), "k--", label="floor: Bayes - training error")
    for kind, colour in COLOURS.items():
        ax.plot([], [], MARKERS[kind] + ":", color=colour, ms=5, lw=0.8, label=f"bound, {kind}")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(alpha, [f"{a:g}" for a in alpha])
    low = min(floor(dataset).min(), dataset["gap"].values.min())
    high = np.nanmax(dataset["bound_value"].values, initial=1.0)
    if low > 0:
        ax.set_ylim(low / (high / low) ** 0.45, high * 1.5)
    span = alpha[-1] / alpha[0]
    ax.set_xlim(right=alpha[-1] * max(span, 2.0) ** 0.5)
    # Names stand beside the last points, moved apart where they would overlap.
    order, place = np.argsort(ends), -np.inf
    step = np.ptp(np.log10(ax.get_ylim())) / 26
    for k in order:
        place = max(np.log10(ends[k]), place + step)
        text, colour = names[k]
        ax.text(alpha[-1] * span**0.05, 10**place, text, fontsize=8, va="center", color=colour)
    ax.set_xlabel("samples per input dimension, n/d")
    ax.set_ylabel("generalization gap (probability)")
    ax.legend(frameon=False, fontsize=8, loc="lower left", ncols=2)
    return ax


view = viewer(table, figure)
"""Table and picture of what was stored."""

"""Table and picture of the f-CMI experiment."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax.reproduce.fcmi_rows import (
    BOUNDS,
    PUBLISHED,
    Published,
    Row,
    caveat,
    centre,
    losses,
)
from ibjax.reproduce.outcome import bound_text

if TYPE_CHECKING:
    from ibjax.reproduce.fcmi_mnist import Options


PUBLISHED_GRID = {"supersamples": 5, "masks": 30, "epochs": 200}


def table(rows: list[Row], options: "Options") -> Any:
    """Ours beside the published numbers, mean ± standard deviation over supersamples."""
    from rich import box
    from rich.table import Table

    same = all(getattr(options, name) == value for name, value in PUBLISHED_GRID.items())
    advice = (
        " difference: of the means ± its standard error; sd: published standard deviations."
        if same
        else " The published numbers are of 5 x 30 networks and 200 epochs: not to be compared."
    )
    out = Table(
        box=box.SIMPLE_HEAD,
        title=f"MNIST 4 versus 9, {options.supersamples} x {options.masks} networks, "
        f"{options.epochs} epochs, {options.precision}; ± standard deviation over supersamples",
        title_justify="left",
        caption=caveat(options.masks) + advice + losses(rows),
        caption_justify="left",
    )
    out.add_column("variant", no_wrap=True)
    for column in ("n", "quantity", "ours", "published", "difference"):
        out.add_column(column, justify="right", no_wrap=True)
    for r in rows:
        known = PUBLISHED[r.variant].get(r.n, Published(math.nan, math.nan))
        lines = [("gap", r.gap, known.gap, known.gap_spread)]
        lines += [("f-CMI", r.bounds["f-CMI"], known.f_cmi, known.f_cmi_spread)]
        lines += [(name, r.bounds[name], math.nan, math.nan) for name in BOUNDS[1:]]
        for i, (name, values, value, spread) in enumerate(lines):
            first = (r.variant, str(r.n)) if i == 0 else ("", "")
            away = _difference(values[:, -1], value, spread) if same else ""
            out.add_row(*first, name, spread_text(values[:, -1]), _number(value, spread), away)
    return out


def spread_text(values: np.ndarray) -> str:
    """Mean over supersamples with their standard deviation, if there are two; vacuous said."""
    mean, deviation = centre(values)
    return bound_text(float(mean), float(deviation), digits=4)


def _difference(values: np.ndarray, value: float, spread: float) -> str:
    """Ours minus the published mean; its error counts both spreads, where both are known."""
    mean, deviation = centre(values)
    if math.isnan(value) or math.isnan(mean):
        return ""
    text = f"{mean - value:+.4f}"
    if math.isnan(spread):
        return text
    count = int(np.isfinite(values).sum())
    error = math.sqrt(deviation**2 / count + spread**2 / PUBLISHED_GRID["supersamples"])
    return f"{text}±{error:.4f} = {(mean - value) / spread:+.1f} sd"


def _number(value: float, spread: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.4f}" if math.isnan(spread) else f"{value:.4f}±{spread:.3f}"


COLOURS = {"gap": "#000000"} | dict(
    zip(BOUNDS, ("#D55E00", "#E69F00", "#0072B2", "#009E73", "#CC79A7"))
)
MARKERS = dict(zip(COLOURS, "osDv^P"))


def figure(rows: list[Row]) -> Any:
    """Gap and bounds against n with the published points, and along training."""
    from matplotlib.figure import Figure

    variants = list(dict.fromkeys(r.variant for r in rows))
    out = Figure(figsize=(4.5 * len(variants) + 6, 4.2), layout="constrained")
    *panels, right = out.subplots(1, len(variants) + 1)
    for ax, variant in zip(panels, variants):
        against_n(ax, [r for r in rows if r.variant == variant])
    along_training(right, rows[0])
    right.set_ylim(min(0.0, right.get_ylim()[0]), None)
    right.set_title(f"{rows[0].variant}, n = {rows[0].n}")
    out.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return out


def against_n(ax: Any, rows: list[Row]) -> None:
    """Gap and bounds of one variant against n, the published ones as crosses.

    Equal values are drawn side by side: positions are spread a little by name.
    """
    sizes = np.array([r.n for r in rows])
    for k, (name, colour) in enumerate(COLOURS.items()):
        values = [r.gap if name == "gap" else r.bounds[name] for r in rows]
        mean, error = zip(*(centre(v[:, -1]) for v in values))
        error = np.nan_to_num(error)
        style = {"color": colour, "label": name, "markersize": 5, "linewidth": 1}
        ax.errorbar(sizes * 1.04**k, mean, error, fmt=MARKERS[name] + "-", **style)
    known = PUBLISHED.get(rows[0].variant, {})
    published = np.array([known.get(n, Published(np.nan, np.nan)) for n in sizes])
    for column, name in enumerate(("gap", "f-CMI")):
        ax.errorbar(
            sizes * 0.94,
            published[:, column],
            np.nan_to_num(published[:, column + 2]),
            fmt="x",
            color=COLOURS[name],
            label=f"{name}, published",
            markersize=7,
        )
    ax.set(xscale="log", xlabel="training examples n", title=rows[0].variant)
    ax.set_ylabel("test minus training error")
    ax.set_xlim(0.75 * sizes.min(), 1.6 * sizes.max())
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    if len(sizes) > 1:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, None)


def along_training(ax: Any, r: Row) -> None:
    """Gap and bounds of one row against the epoch, spread a little by name."""
    gap = r.epochs[-1] / len(r.epochs)
    for k, (name, colour) in enumerate(COLOURS.items()):
        values = r.gap if name == "gap" else r.bounds[name]
        mean, error = centre(values)
        style = {"color": colour, "label": name, "markersize": 4, "linewidth": 1}
        at = r.epochs + gap * 0.12 * (k - 2)
        ax.errorbar(at, mean, np.nan_to_num(error), fmt=MARKERS[name] + "-", **style)
    ax.set_xlabel("epoch")
    ax.set_ylabel("test minus training error")

"""Table and picture of the f-CMI experiment."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax import blank
from ibjax.reproduce.fcmi.rows import BOUNDS, PUBLISHED, Beside, Published, Row, centre, lost
from ibjax.reproduce.outcome import bound_text

if TYPE_CHECKING:
    from ibjax.reproduce.fcmi.mnist import Options


PUBLISHED_GRID = {"supersamples": 5, "masks": 30, "epochs": 200}


def table(rows: list[Row], options: "Options") -> Any:
    """Ours beside the published numbers and their nulls, mean ± deviation over supersamples."""
    same = all(getattr(options, name) == value for name, value in PUBLISHED_GRID.items())
    advice = (
        " difference: of the means ± its standard error; sd: published standard deviations."
        if same
        else " The published numbers are of 5 x 30 networks and 200 epochs: not to be compared."
    )
    out = blank.table(
        ("variant", "n", "quantity", "ours", "null", "published", "difference"),
        f"MNIST 4 versus 9, {options.supersamples} x {options.masks} networks, "
        f"{options.epochs} epochs, {options.precision}; ± standard deviation over supersamples",
        caption=caveat(options.masks, rows) + advice + lost(rows),
        left=("variant",),
    )
    for r in rows:
        known = PUBLISHED[r.variant].get(r.n, Published(math.nan, math.nan))
        lines = [("gap", r.gap, known.gap, known.gap_spread)]
        lines += [("f-CMI", r.bounds["f-CMI"], known.f_cmi, known.f_cmi_spread)]
        lines += [(name, r.bounds[name], math.nan, math.nan) for name in BOUNDS[1:]]
        for i, (name, values, value, spread) in enumerate(lines):
            first = (r.variant, str(r.n)) if i == 0 else ("", "")
            away = _difference(values[:, -1], value, spread) if same else ""
            ours, beside = spread_text(values[:, -1]), r.beside.get(name)
            null = "" if beside is None else null_text(beside)
            out.add_row(*first, name, ours, null, _number(value, spread), away)
            if beside is not None:
                corrected = (corrected_text(beside), null_text(beside, "corrected_null"))
                out.add_row("", "", "corrected", *corrected, "", "")
    return out


def caveat(masks: int, rows: list[Row]) -> str:
    """What the numbers of rows are, and which of them see no memory."""
    ceiling = math.log(2) - 1 / (2 * masks)
    text = (
        "gap: measured test minus training error. Bounds are plug-in estimates over "
        f"{masks} masks: biased up where predictions hardly depend on the masks, down where they "
        f"say nearly all (no more than about {ceiling:.3f} of log 2 = 0.693 nats can be seen). "
        "They use the test labels and certify nothing."
    )
    if not any(r.beside for r in rows):
        return text
    text += (
        " null: the same bound with the masks dealt anew, so that nothing is known, ± two standard "
        "deviations. corrected: tables of little bias, mean information first and root last, their "
        "largest bias added, ± standard error; in parentheses where it is not above its null."
    )
    silent = [
        f"{r.variant} n = {r.n}: {', '.join(names)}"
        for r in rows
        if (names := [name for name, b in r.beside.items() if b.above[-1] == 0])
    ]
    if silent:
        text += f" No memory seen with {masks} masks in {'; '.join(silent)}."
    return text


def null_text(beside: Beside, name: str = "null", at: int = -1) -> str:
    """A null with two standard deviations; empty where there is none."""
    mean, spread = getattr(beside, name)[at], getattr(beside, f"{name}_spread")[at]
    return "" if math.isnan(mean) else f"{mean:.4f}±{2 * spread:.4f}"


def corrected_text(beside: Beside, at: int = -1) -> str:
    """The corrected bound with its standard error, in parentheses where no memory is seen."""
    text = bound_text(float(beside.corrected[at]), float(beside.corrected_error[at]), digits=4)
    return f"({text})" if beside.above[at] == 0 else text


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
    """Gap and bounds against n with the published points, corrected, and along training."""
    variants = list(dict.fromkeys(r.variant for r in rows))
    both = all(r.beside for r in rows)
    size = (4.5 * len(variants) + 6 + 4 * both, 4.2)
    out, (*panels, right) = blank.figure(size, 1, len(variants) + 1 + both)
    if both:
        *panels, middle = panels
        first = [r for r in rows if r.variant == variants[0]]
        corrected(middle, first, np.array([r.n for r in first], float))
        _sizes(middle, np.array([r.n for r in first]))
    for ax, variant in zip(panels, variants):
        against_n(ax, [r for r in rows if r.variant == variant])
    along_training(right, rows[0])
    right.set_ylim(min(0.0, right.get_ylim()[0]), None)
    right.set_title(f"{rows[0].variant}, n = {rows[0].n}")
    out.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return out


def against_n(ax: Any, rows: list[Row]) -> None:
    """Gap and bounds of one variant against n, the published ones as crosses.

    Equal values are drawn side by side: positions are spread a little by name. A band is the null
    of the plug-in of its colour, two standard deviations to each side.
    """
    sizes = np.array([r.n for r in rows])
    for k, (name, colour) in enumerate(COLOURS.items()):
        values = [r.gap if name == "gap" else r.bounds[name] for r in rows]
        mean, error = zip(*(centre(v[:, -1]) for v in values))
        error = np.nan_to_num(error)
        style = {"color": colour, "label": name, "markersize": 5, "linewidth": 1}
        ax.errorbar(sizes * 1.04**k, mean, error, fmt=MARKERS[name] + "-", **style)
        if beside := [r.beside[name] for r in rows if name in r.beside]:
            last = [Beside(*(part[-1:] for part in b)) for b in beside]
            _nulls(ax, sizes * 1.04**k, Beside(*map(np.concatenate, zip(*last))), colour)
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
    ax.set_title(rows[0].variant)
    ax.set_ylabel("test minus training error")
    _sizes(ax, sizes)
    if len(sizes) > 1:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, None)


def _sizes(ax: Any, sizes: np.ndarray) -> None:
    ax.set(xscale="log", xlabel="training examples n")
    ax.set_xlim(0.75 * sizes.min(), 1.6 * sizes.max())
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()


def along_training(ax: Any, r: Row) -> None:
    """Gap, bounds and bands of their nulls of one row against the epoch, spread by name."""
    gap = r.epochs[-1] / len(r.epochs)
    for k, (name, colour) in enumerate(COLOURS.items()):
        values = r.gap if name == "gap" else r.bounds[name]
        mean, error = centre(values)
        style = {"color": colour, "label": name, "markersize": 4, "linewidth": 1}
        at = r.epochs + gap * 0.12 * (k - 2)
        ax.errorbar(at, mean, np.nan_to_num(error), fmt=MARKERS[name] + "-", **style)
        if name in r.beside:
            _nulls(ax, at, r.beside[name], colour)
    ax.set_xlabel("epoch")
    ax.set_ylabel("test minus training error")


def _nulls(ax: Any, at: np.ndarray, beside: Beside, colour: str) -> None:
    """A band of two standard deviations about the null; a short one where it is a single point."""
    if len(at) == 1:
        at, beside = at * np.array([0.98, 1.02]), Beside(*(np.repeat(part, 2) for part in beside))
    low, high = (beside.null + side * 2 * beside.null_spread for side in (-1, 1))
    ax.fill_between(at, np.maximum(low, 0.0), high, color=colour, alpha=0.2, linewidth=0)


def corrected(ax: Any, rows: list[Row], at: np.ndarray, last: bool = True) -> None:
    """Gap and corrected bounds of rows that have them, against n or, of one row, the epoch.

    Args:
        ax: to draw on.
        rows: each a point of its last checkpoint, or one row with a point a checkpoint.
        at: places on the axis.
        last: whether each row is a point.
    """
    pick = slice(-1, None) if last else slice(None)
    gap, error = centre(np.concatenate([r.gap[:, pick] for r in rows], 1))
    ax.errorbar(at, gap, np.nan_to_num(error), fmt="o-", color="black", markersize=4, linewidth=1)
    for name in BOUNDS:
        parts = [Beside(*(part[pick] for part in r.beside[name])) for r in rows]
        b = Beside(*map(np.concatenate, zip(*parts)))
        style = {"color": COLOURS[name], "markersize": 5, "linewidth": 1}
        ax.errorbar(
            at, b.corrected, np.nan_to_num(b.corrected_error), fmt=MARKERS[name] + "--", **style
        )
        unseen = np.where(b.above == 0, b.corrected, np.nan)
        ax.plot(at, unseen, MARKERS[name], **style, markerfacecolor="white", zorder=3)
    ax.set_title("corrected; open: no memory seen")
    ax.set_ylim(0, None)

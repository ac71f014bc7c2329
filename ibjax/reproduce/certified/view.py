"""Tables and picture of the certificates on MNIST."""

from typing import Any

import numpy as np

from ibjax import blank, rounding
from ibjax.reproduce.certified.points import BOUNDS, Point
from ibjax.reproduce.outcome import bound_text

_COLOURS = {
    "individual": "#0072B2",
    "individual_at_error": "#56B4E9",
    "revealed": "#009E73",
    "whole_batch": "#D55E00",
    "incoherence": "#999999",
    "trajectory_cmi": "#E69F00",
    "ld_cmi": "#CC79A7",
}


def tables(sizes: list[Point], grid: list[Point], name: str) -> Any:
    """The two tables: against n, and every bound at its best settings."""
    from rich.console import Group

    return Group(size_table(sizes, name), best_table(grid))


def size_table(sizes: list[Point], name: str) -> Any:
    """Certificate and gap against n."""
    first = sizes[0].setting
    columns = ("n", "replicas", "train", "test", "gap", "certificate", "at error", "ratio")
    table = blank.table(
        (*columns, "revealed", "whole batch", "path", "ld_cmi", "its null"),
        f"{name}, 4 versus 9: certificate and gap; T = {first.steps}, learning rate "
        f"{first.learning_rate:g}, budget I n^2 = {first.budget:g} nats",
        caption="certificate: I(Z;W) with batches hidden, tight form of Pinsker's inequality; at "
        "error: the same information at the measured training error, an estimate; ratio: "
        "certificate over gap, and over the ends of its interval; revealed, whole batch: "
        "certificates of the literature; path: information of the path about the masks, an "
        "estimate; ±: 95 % over supersamples, which share one pool.",
    )
    for p in sizes:
        low, high = (p.bounds["individual"] / (p.gap + s * p.half_width) for s in (1, -1))
        between = f"{low:.1f}–{high:.1f}" if high > 0 else f"> {rounding.down(low, '.1f')}"
        table.add_row(
            str(p.setting.n),
            str(p.setting.supersamples * p.setting.masks),
            f"{p.train:.3f}",
            f"{p.test:.3f}",
            f"{p.gap:.5f}±{p.half_width:.5f}",
            *_texts(p, 5, "individual", "individual_at_error"),
            f"{p.ratio():.1f} ({between})",
            *_texts(p, 4, "revealed", "whole_batch"),
            *_texts(p, 3, "trajectory_cmi", "ld_cmi"),
            f"{p.null:.3f}",
        )
    return table


def best_table(grid: list[Point]) -> Any:
    """Every bound at the settings with the smallest training error plus bound, and ratio."""
    columns = ("n", "bound", "kind", "budget", "eta", "train", "train + bound")
    table = blank.table(
        (*columns, "budget", "eta", "train", "bound / gap"),
        "each bound at its best settings",
        caption="left: least training error plus bound on the gap; right: least bound over gap. "
        "The kind is that of the bound; training errors are measured, so that their sum with a "
        "certificate is an estimate. Ratios only where the gap is above its interval at every "
        "setting that is compared.",
        left=("bound", "kind"),
    )
    for n in sizes_of(grid):
        points = [p for p in grid if p.setting.n == n]
        clear = measurable(points)
        for name, words in BOUNDS.items():
            low = lowest(points, name)
            near = nearest(clear, name)
            ratio = ("-",) * 4 if near is None else (*_where(near), f"{near.ratio(name):.1f}")
            kind = low.kinds[name]
            total = bound_text(low.test_bound(name), kind=kind)
            table.add_row(str(n), words, kind, *_where(low), total, *ratio)
    return table


def sizes_of(grid: list[Point]) -> list[int]:
    """The numbers of examples in the grid, in its order."""
    return list(dict.fromkeys(p.setting.n for p in grid))


def lowest(points: list[Point], name: str) -> Point:
    """The settings with the lowest training error plus bound."""
    return min(points, key=lambda p: p.test_bound(name))


def measurable(points: list[Point]) -> list[Point]:
    """The points whose gap lies clearly above zero: twice its half width."""
    return [p for p in points if p.gap > 2 * p.half_width]


def nearest(points: list[Point], name: str) -> Point | None:
    """The settings with the smallest bound over the gap, or None where no gap is measurable."""
    return min(points, key=lambda p: p.ratio(name), default=None)


def _texts(p: Point, digits: int, *names: str) -> list[str]:
    return [bound_text(p.bounds[k], digits=digits, kind=p.kinds[k]) for k in names]


def _where(p: Point) -> tuple[str, str, str]:
    return f"{p.setting.budget:g}", f"{p.setting.learning_rate:g}", f"{p.train:.3f}"


def figure(sizes: list[Point], grid: list[Point], name: str):
    """Bounds and gap against n; by the budget the error plus bound, and certificate over gap."""
    out, (left, middle, right) = blank.figure((13, 4.6), 1, 3)
    _against_size(left, sizes, name)
    _against_budget(middle, right, grid)
    return out


def _against_size(ax: Any, sizes: list[Point], name: str) -> None:
    n = [p.setting.n for p in sizes]
    gaps = np.array([p.gap for p in sizes])
    away = np.nan_to_num(np.array([p.half_width for p in sizes]))
    for key in ("whole_batch", "ld_cmi", "trajectory_cmi", "revealed", "individual"):
        estimate = sizes[0].kinds[key] == "estimate"
        look = "o--" if estimate else "s-"
        label = BOUNDS[key] + (" (estimate)" if estimate else "")
        ax.plot(n, [p.bounds[key] for p in sizes], look, color=_COLOURS[key], label=label)
    down = np.minimum(away, 0.7 * np.abs(gaps))
    ax.errorbar(n, gaps, [down, away], color="black", marker="D", capsize=3, label="measured gap")
    ax.axhline(1, color="0.6", lw=1)
    ax.set(xscale="log", yscale="log", xlabel="training examples n", ylabel="gap, 0-1 loss")
    ax.set_xticks(n, [str(v) for v in n])
    ax.minorticks_off()
    ax.set_title(f"{name}, 4 versus 9, budget {sizes[0].setting.budget:g}", fontsize=10)
    ax.legend(frameon=False, fontsize=8, loc="lower left")


def _against_budget(middle: Any, right: Any, grid: list[Point]) -> None:
    marks = dict(zip(sizes_of(grid), ("s-", "o--", "^:", "v-.")))
    for n, look in marks.items():
        points = [p for p in grid if p.setting.n == n]
        budgets = sorted({p.setting.budget for p in points})
        best = [lowest([p for p in points if p.setting.budget == b], _AT) for b in budgets]
        middle.plot(
            budgets, [p.test_bound(_AT) for p in best], look, color="#0072B2",
            label=f"train + bound at it (estimate), n = {n}",
        )  # fmt: skip
        middle.plot(budgets, [p.train for p in best], look, color="0.5", label=f"train, n = {n}")
        clear = measurable(best)
        if clear:
            spent = [p.setting.budget for p in clear]
            ratios = [p.ratio() for p in clear]
            ends = [p.bounds["individual"] / (p.gap + p.half_width) for p in clear]
            tops = [p.bounds["individual"] / (p.gap - p.half_width) for p in clear]
            away = [np.subtract(ratios, ends), np.subtract(tops, ratios)]
            right.errorbar(
                spent, ratios, away, fmt=look, color="#0072B2", capsize=3, label=f"n = {n}"
            )
    middle.set(xscale="log", xlabel="budget T eta beta C^2/4, nats n^2", ylabel="0-1 error")
    middle.set_ylim(bottom=0)
    middle.set_title("what the budget buys", fontsize=10)
    middle.legend(frameon=False, fontsize=8)
    right.set(xscale="log", yscale="log", xlabel="budget T eta beta C^2/4, nats n^2")
    right.set_title("certificate over measured gap", fontsize=10)
    right.set_yticks((1, 2, 4, 10, 20, 50, 100), ("1", "2", "4", "10", "20", "50", "100"))
    right.minorticks_off()
    right.axhline(4, color="0.6", lw=1, label="four times")
    right.legend(frameon=False, fontsize=8)


_AT = "individual_at_error"
"""The information of the certificate at the measured training error: an estimate."""

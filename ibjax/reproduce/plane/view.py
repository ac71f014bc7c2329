"""Table and picture of the information plane of the 12-bit symmetric rule."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray

from ibjax import blank, rounding
from ibjax.reproduce.plane.narrowing import NAMES
from ibjax.reproduce.plane.verdicts import ACTIVATIONS, Verdict

_NO = math.nan
# (activation, measure): epoch: bits of T1 to T5 and softmax, means of eight replicas
KNOWN: dict[tuple[str, str], dict[int, tuple[float, ...]]] = {
    ("tanh", "cells"): {
        0: (12.00, 12.00, 11.43, 9.05, 6.37, 1.86),
        30: (12.00, 12.00, 11.51, 9.58, 7.24, 3.08),
        100: (12.00, 12.00, 11.47, 8.98, 6.55, 3.80),
        400: (12.00, 12.00, 11.62, 9.34, 6.53, 2.97),
        1000: (12.00, 12.00, 11.65, 9.46, 5.68, 2.09),
        3000: (12.00, 11.99, 11.63, 9.43, 4.32, 1.63),
        8000: (12.00, 11.98, 11.65, 8.75, 3.29, 1.36),
    },
    ("tanh", "noise"): {
        0: (_NO, _NO, _NO, _NO, 6.03, _NO),
        100: (_NO, _NO, _NO, _NO, 5.92, _NO),
        400: (_NO, _NO, _NO, _NO, 5.78, _NO),
        1000: (_NO, _NO, _NO, _NO, 5.46, _NO),
        3000: (_NO, _NO, _NO, _NO, 3.96, _NO),
        8000: (_NO, _NO, _NO, _NO, 2.50, _NO),
    },
    ("relu", "noise"): {
        0: (_NO, _NO, 5.2, 2.9, 1.2, 0.12),
        100: (_NO, _NO, 10.9, 9.6, 8.3, 3.54),
        1000: (_NO, _NO, _NO, _NO, 10.0, _NO),
        8000: (_NO, _NO, 11.5, 10.9, 9.0, 1.80),
    },
    ("relu", "edges"): {
        0: (_NO, _NO, 5.65, _NO, 1.56, _NO),
        30: (_NO, _NO, 7.37, _NO, 3.95, _NO),
        8000: (_NO, _NO, 5.39, _NO, 2.82, _NO),
    },
}
SHOWN = (
    ("tanh", "cells"),
    ("tanh", "noise"),
    ("relu", "cells"),
    ("relu", "edges"),
    ("relu", "noise"),
    ("linear", "cells"),
    ("linear", "noise"),
)
KINDS = {"cells": "diagnostic", "edges": "diagnostic", "noise": "upper bound"}
COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7")


def tables(found: xarray.Dataset, judged: Sequence[Verdict], epochs: int) -> Any:
    """Bits of every network, measure and checkpoint beside known ones; the acceptance tests."""
    from rich.console import Group

    return Group(_numbers(found), _tests(judged, epochs))


def _numbers(found: xarray.Dataset) -> Any:
    replicas = found.sizes["replica"]
    table = blank.table(
        ("network", "by", "kind", "epoch", "acc.", *NAMES[:5], "out"),
        f"I(X;T)-like numbers in bits, mean of {replicas} replicas; known: of eight",
        caption="cells: entropy of cells (30 edges on (-1, 1) for tanh, else 30 over the layer's "
        "range); edges: the edges for tanh where they do not belong, blind to what leaves (-1, 1); "
        f"noise: upper bound on I(X; T + N(0, {found.attrs['noise_std'] ** 2:g})), for noise the "
        "network does not have. None estimates I(X;T): of a network without noise it is 12 bits or "
        "as many as T keeps.",
        padding=0,
    )
    mean = found.mean("replica")
    for activation, measure in SHOWN:
        known = KNOWN.get((activation, measure), {})
        for epoch in found.epoch.values:
            row = mean.sel(activation=activation, epoch=epoch)
            start = (activation, measure, KINDS[measure], str(epoch))
            values = (_bits(v, measure) for v in row[f"{measure}_x"].values)
            table.add_row(*start, f"{float(row.train_accuracy):.3f}", *values)
            if int(epoch) in known:
                values = ("" if math.isnan(v) else f"{v:.2f}" for v in known[int(epoch)])
                table.add_row("", "", "known", str(epoch), "", *values, style="dim")
        if replicas > 1:
            last = found[f"{measure}_x"].sel(activation=activation).isel(epoch=-1)
            error = (last.std("replica", ddof=1) / replicas**0.5).values
            cells = (f"{e:.2f}" for e in error)
            table.add_row("", "", "+- s.e.", str(found.epoch.values[-1]), "", *cells)
        table.add_section()
    return table


def _bits(value: float, measure: str) -> str:
    return rounding.by_kind(value, ".2f", "upper" if KINDS[measure] == "upper bound" else "")


def _tests(judged: Sequence[Verdict], epochs: int) -> Any:
    columns = ("", "statement, of means over replicas", "measured", "")
    table = blank.table(columns, "tests", left=columns, wrap=True, pad_edge=False)
    for v in judged:
        early = "fails: needs more epochs" if epochs < 1000 else "fails"
        table.add_row(v.name, v.statement, v.measured, "holds" if v.holds else early)
    return table


def figure(found: xarray.Dataset) -> Any:
    """I(X;T)-like numbers along training, the plane with noise, and the saturation of tanh."""
    canvas, axes = blank.figure((11, 9.4), 3, 3)
    rows = (("cells_x", "entropy of cells [bits]"), ("noise_x", "bound on I(X; T + noise) [bits]"))
    for j, activation in enumerate(ACTIVATIONS):
        for i, (name, label) in enumerate(rows):
            ax = axes[i, j]
            for colour, layer in zip(COLOURS, NAMES):
                values = found[name].sel(activation=activation, layer=layer).values
                _line(ax, found.epoch.values, values, color=colour, label=layer)
            ax.set_ylim(-0.3, 12.5)
            _epochs(ax, found.epoch.values)
            if j == 0:
                ax.set_ylabel(label)
        cells = "30 edges on (-1, 1)" if activation == "tanh" else "30 over the layer's range"
        axes[0, j].set_title(f"{activation}; cells: {cells}", fontsize=10)
    for ax, activation in zip(axes[2], ACTIVATIONS):
        if activation != "linear":
            _plane(ax, found.sel(activation=activation).mean("replica"), activation)
    axes[2, 0].set_ylabel("I(T;Y) with noise [bits]")
    _accuracy(axes[2, 2], found)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=6, frameon=False)
    return canvas


def _line(ax: Any, epochs: np.ndarray, values: np.ndarray, **look: Any) -> None:
    """Mean and standard error of (replica, epoch) along training."""
    error = values.std(0, ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
    ax.errorbar(epochs, values.mean(0), error, marker="o", ms=3, capsize=2, **look)


def _epochs(ax: Any, epochs: np.ndarray) -> None:
    """An axis that shows epoch 0 beside powers of ten."""
    ax.set_xscale("symlog", linthresh=30, linscale=0.5)
    ax.set_xticks(epochs, [str(e) for e in epochs], fontsize=8)
    ax.set_xticks([], minor=True)
    ax.set_xlim(-5, 1.3 * epochs[-1])
    ax.set_xlabel("epoch")


def _plane(ax: Any, mean: xarray.Dataset, activation: str) -> None:
    """Ways of the layers through the plane, a ring where they end."""
    for colour, layer in zip(COLOURS, NAMES):
        x, y = (mean[n].sel(layer=layer).values for n in ("noise_x", "noise_y"))
        ax.plot(x, y, color=colour, marker="o", ms=3, linewidth=1)
        ax.plot(x[-1], y[-1], "o", color=colour, ms=9, markerfacecolor="none")
    ax.set(xlim=(-0.3, 12.5), ylim=(-0.03, 1.05))
    ax.set_xlabel("bound on I(X; T + noise) [bits]")
    ax.set_title(f"{activation}: the plane, rings at the end", fontsize=10)


def _accuracy(ax: Any, found: xarray.Dataset) -> None:
    looks = zip(ACTIVATIONS, ("#0072B2", "#D55E00", "#009E73"), ("--", "-.", ":"))
    for activation, colour, style in looks:
        values = found.test_accuracy.sel(activation=activation).values
        label = f"accuracy, {activation}"
        _line(ax, found.epoch.values, values, color=colour, linestyle=style, label=label)
    share = found.saturated.sel(activation="tanh").values
    _line(ax, found.epoch.values, share, color="black", label="share of |T5| > 0.9")
    ax.set_ylim(-0.35, 1.05)
    ax.set_title("test accuracy, and saturation of tanh", fontsize=10)
    ax.legend(frameon=False, fontsize=8, loc="lower center", ncols=2)
    _epochs(ax, found.epoch.values)

"""The information plane of the 12-bit symmetric rule: tanh, ReLU and linear networks.

Measured with the published cells and with added noise, beside the course known for this network
(batch 512, Adam 4e-4, eight replicas of our own): the compression of the tanh network follows the
saturation of its units, and the hidden layers of the others do not compress.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ibjax import bottleneck
from ibjax.reproduce.narrowing import EDGES, NAMES, Course, train
from ibjax.reproduce.outcome import Log, Outcome, save

if TYPE_CHECKING:
    import xarray

ACTIVATIONS = ("tanh", "relu", "linear")
NOISE = 1e-3**0.5
CHECKPOINTS = (0, 30, 100, 400, 1000, 3000, 8000)
# epoch: bits of the tanh network in the published cells, T1 to T5 and softmax; eight replicas
KNOWN_TANH = {
    0: (12.00, 12.00, 11.43, 9.05, 6.37, 1.86),
    30: (12.00, 12.00, 11.51, 9.58, 7.24, 3.08),
    100: (12.00, 12.00, 11.47, 8.98, 6.55, 3.80),
    400: (12.00, 12.00, 11.62, 9.34, 6.53, 2.97),
    1000: (12.00, 12.00, 11.65, 9.46, 5.68, 2.09),
    3000: (12.00, 11.99, 11.63, 9.43, 4.32, 1.63),
    8000: (12.00, 11.98, 11.65, 8.75, 3.29, 1.36),
}


@dataclass(frozen=True)
class Options:
    """Size of the experiment."""

    epochs: int = 3000
    """Epochs of training; 8000 were published, the compression shows from 1000 on."""
    replicas: int = 4
    """Networks of each kind, with their own weights and splits."""


class Verdict(NamedTuple):
    """One statement about the course, what was measured and whether it holds."""

    name: str
    statement: str
    measured: str
    holds: bool


def measure(course: Course, labels: Any, activation: str) -> dict[str, np.ndarray]:
    """Coordinates in bits, (layer, replica, checkpoint), by cells and by noise."""
    method = "edges" if activation == "tanh" else "adaptive"
    cells = bottleneck.plane(course.layers, labels, method=method, bins=EDGES)
    noise = bottleneck.plane(course.layers, labels, method="kde", std=NOISE)
    bits = {
        "cells_x": cells.i_tx,
        "cells_y": cells.i_ty,
        "noise_x": noise.i_tx,
        "noise_y": noise.i_ty,
    }
    return {k: np.asarray(v) / math.log(2) for k, v in bits.items()}


def verdicts(found: "xarray.Dataset") -> list[Verdict]:
    """The acceptance tests of the experiment, on means over replicas."""
    mean = found.mean("replica")
    epochs = found.epoch.values
    accuracy = mean.train_accuracy

    def fall(values: np.ndarray) -> np.ndarray:
        """Largest fall below the running maximum along the last axis."""
        return (np.maximum.accumulate(values, -1) - values).max(-1)

    hidden = list(NAMES[:5])
    t5 = mean.cells_x.sel(activation="tanh", layer="T5").values
    peak = epochs[int(t5.argmax())]
    wanted = 2.5 if epochs[-1] >= 3000 else 1.0
    late = [
        float(
            fall(
                mean.noise_x.sel(activation="relu", layer=n).values[
                    accuracy.sel(activation="relu").values >= 0.9
                ]
            )
        )
        if (accuracy.sel(activation="relu") >= 0.9).any()
        else 0.0
        for n in ("T3", "T4")
    ]
    plain = {a: fall(mean.noise_x.sel(activation=a, layer=hidden).values) for a in ACTIVATIONS[1:]}
    out = {
        a: float(fall(mean.cells_x.sel(activation=a, layer="softmax").values))
        for a in ACTIVATIONS[:2]
    }
    about_y = max(float(fall(mean[m].values).max()) for m in ("cells_y", "noise_y"))
    first = float(mean.cells_x.sel(activation="tanh", layer="T1").min())
    return [
        Verdict(
            "a",
            f"tanh T5 in cells peaks by epoch 100, then falls by {wanted} bits",
            f"peak at {peak}, fall {t5.max() - t5[-1]:.2f}",
            bool(peak <= 100 and t5.max() - t5[-1] >= wanted),
        ),
        Verdict(
            "b",
            "relu T3, T4 with noise stay within 1 bit of their running maximum",
            f"falls {late[0]:.2f}, {late[1]:.2f}",
            max(late) <= 1,
        ),
        Verdict(
            "c",
            "no hidden relu or linear layer falls by more than 1 bit with noise",
            f"relu {plain['relu'].max():.2f}, linear {plain['linear'].max():.2f}",
            bool(max(v.max() for v in plain.values()) <= 1),
        ),
        Verdict(
            "d",
            "the softmax compresses in both tanh and relu (by 0.5 bits)",
            f"falls {out['tanh']:.2f}, {out['relu']:.2f}",
            min(out.values()) >= 0.5,
        ),
        Verdict(
            "e",
            "I(T;Y) falls nowhere by more than 0.1 bits",
            f"largest fall {about_y:.3f}",
            about_y <= 0.1,
        ),
        Verdict(
            "f",
            "tanh T1 keeps all 12 bits throughout",
            f"least {first:.3f}",
            first >= 11.99,
        ),
    ]


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train, measure, judge; a table, a results file and a picture."""
    from rich import box
    from rich.table import Table

    options = options or Options()
    if options.epochs < 1 or options.replicas < 1:
        raise ValueError(
            f"epochs={options.epochs}, replicas={options.replicas}: give at least 1 of each"
        )
    epochs, replicas = (100, 1) if quick else (options.epochs, options.replicas)
    found = experiment(epochs, replicas, log)
    path = _write(found, folder / "information-plane.nc")
    judged = verdicts(found)
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"bits, mean of {replicas} replicas; known: eight tanh replicas",
        title_justify="left",
    )
    for column in ("", "epoch", "accuracy", *NAMES):
        table.add_column(column, justify="right", no_wrap=True)
    mean = found.mean("replica")
    for activation in ACTIVATIONS:
        for method, label in (("cells_x", "cells"), ("noise_x", "noise")):
            for epoch in found.epoch.values:
                row = mean.sel(activation=activation, epoch=epoch)
                table.add_row(
                    f"{activation} {label}",
                    str(epoch),
                    f"{float(row.train_accuracy):.3f}",
                    *(f"{v:.2f}" for v in row[method].values),
                )
                if method == "cells_x" and activation == "tanh" and int(epoch) in KNOWN_TANH:
                    known = (f"{v:.2f}" for v in KNOWN_TANH[int(epoch)])
                    table.add_row("known", str(epoch), "", *known, style="dim")
    for v in judged:
        holds = "holds" if v.holds else "fails"
        early = " (needs more epochs)" if not v.holds and epochs < 1000 else ""
        log(f"({v.name}) {v.statement}: {v.measured}: {holds}{early}")
    log("cells: entropy of cells (30 edges on (-1, 1) for tanh, the layer's range else); noise:")
    log(f"upper bound on I(X; T + N(0, {NOISE**2:g})). Neither is I(X;T), which is 12 bits here.")
    picture = save(figure(found), folder / "information-plane.png")
    return Outcome(table, (path, picture))


def experiment(epochs: int, replicas: int, log: Log) -> "xarray.Dataset":
    """Train and measure every kind of network."""
    import xarray as xr

    rule = bottleneck.symmetric_rule()
    checkpoints = sorted({e for e in CHECKPOINTS if e < epochs} | {epochs})
    parts: dict[str, list[np.ndarray]] = {}
    for i, activation in enumerate(ACTIVATIONS):
        course = train(
            jax.random.key(i), rule.x, rule.y, activation, checkpoints, replicas=replicas, log=log
        )
        got = measure(course, rule.y, activation)
        t5 = np.abs(course.layers["T5"])
        got["saturated"] = (
            np.mean(t5 > 0.9, axis=(2, 3))
            if activation == "tanh"
            else (np.full(t5.shape[:2], np.nan))
        )
        got["train_accuracy"] = np.asarray(course.train_accuracy)
        got["test_accuracy"] = np.asarray(course.test_accuracy)
        for name, values in got.items():
            parts.setdefault(name, []).append(values)
    whole = ("activation", "replica", "epoch")
    layered = ("activation", "layer", "replica", "epoch")
    variables = {k: (layered if v[0].ndim == 3 else whole, np.stack(v)) for k, v in parts.items()}
    coords = {"activation": list(ACTIVATIONS), "layer": list(NAMES), "epoch": checkpoints}
    return xr.Dataset(
        variables,
        coords,
        {"units": "bits", "noise_std": NOISE, "edges": EDGES, "rule": "12-bit symmetric rule"},
    )


def figure(found: "xarray.Dataset") -> Any:
    """I(X;T) along training by cells and by noise, and saturation of tanh."""
    from matplotlib.figure import Figure

    colours = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7")
    canvas = Figure(figsize=(11, 6.4), layout="constrained")
    axes = canvas.subplots(2, 3, sharex=True, sharey="row")
    x = np.maximum(found.epoch.values, 10)
    rows = (("cells_x", "entropy of cells [bits]"), ("noise_x", "I(X; T + noise) bound [bits]"))
    for j, activation in enumerate(ACTIVATIONS):
        for i, (name, label) in enumerate(rows):
            ax = axes[i, j]
            for colour, layer in zip(colours, NAMES):
                values = found[name].sel(activation=activation, layer=layer).values
                mean = values.mean(0)
                error = values.std(0, ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
                ax.errorbar(x, mean, error, color=colour, marker="o", ms=3, label=layer, capsize=2)
            ax.set_xscale("log")
            if j == 0:
                ax.set_ylabel(label)
            if i == 1:
                ax.set_xlabel("epoch (0 drawn at 10)")
        axes[0, j].set_title(activation)
    share = found.saturated.sel(activation="tanh").mean("replica").values
    other = axes[1, 0].twinx()
    other.plot(x, share, color="black", linestyle=":", marker="s", ms=3)
    other.set_ylim(0, 1.05)
    other.set_ylabel("share of |T5| > 0.9 (dotted)")
    axes[0, 0].legend(frameon=False, fontsize=8, ncols=2, loc="lower left")
    return canvas


def _write(found: "xarray.Dataset", path: Path) -> Path:
    import os

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.part.nc")
    try:
        found.to_netcdf(partial, engine="h5netcdf")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path

"""What the contraction of noisy layers buys and what it costs: layer noise times depth.

The factor eta^(L/2) falls with noise and depth, and so does the certified bound on the gap; the
training error rises. Their sum, which bounds the test error, tells whether it was worth it. Both
errors are means over 32 fresh draws of the layer noise, the network the bound is about. Under the
factor stands the least one that the training predictions allow (`bounds.depth_floor`): whatever the
layers are, they cannot contract more and still tell the classes apart as well.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from ibjax import blank, contraction, rounding, sweep
from ibjax.interface import Contraction
from ibjax.pipeline import Experiment
from ibjax.report import summarise
from ibjax.reproduce.outcome import Log, Outcome, View, bound_text, record, settled

BASE = Experiment(
    classes=(4, 9),
    width=8,
    depths=(1, 2, 4),
    train_size=120,
    batch_size=120,
    supersamples=5,
    masks=30,
    inverse_temperature=500.0,
)
NOISES = (0.25, 0.5, 1.0, 2.0, 4.0)
FEW_NOISES = (0.25, 1.0, 4.0)


@dataclass(frozen=True)
class Options:
    """What to sweep besides the embedded digits."""

    mnist: bool = True
    """Also MNIST, where a prepared TFDS directory holds it."""
    mnist_train_size: int = 200
    """Training examples n of each replica on MNIST."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Sweep layer noise and depth; one results file a data set and noise, resumable."""
    options = settled(options, False, Options())
    files, curves = [], []
    grid, left_out = _experiments(quick, options)
    for words in left_out:
        log(words)
    for base, noises in grid:
        for noise in noises:
            log(f"{base.dataset}, n = {base.train_size}: layer noise {noise:g}")
            path = folder / "depth-trade-off" / f"{base.dataset}-noise-{noise:g}.nc"
            files.append(path)
            curves.append(_curve(replace(base, layer_noise=noise), path))
    exact: dict[str, Any] = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
    found = xarray.concat(curves, "curve", join="exact", combine_attrs="override", **exact)
    found.attrs["left_out"] = "; ".join(left_out)
    return record(found, folder / "depth-trade-off.nc", "depth-trade-off", view, tuple(files))


def _curve(experiment: Experiment, path: Path) -> xarray.Dataset:
    """What one data set and noise gave, by depth."""
    swept = sweep.run(experiment, path)
    s = summarise(swept)
    columns = {
        "effective": [_effective(row) for row in swept["layer_log1m"].values],
        "factor": [1 - c for c in s.contracted],
        "least": s.floor,
    }
    for name in ("train error", "test error", "gap", "depth"):
        key = "bound" if name == "depth" else name.replace(" ", "_")
        columns |= {key: s.row(name).values, f"{key}_half_width": s.row(name).errors}
    return xarray.Dataset(
        {name: (("curve", "depth"), np.array([v], float)) for name, v in columns.items()},
        {
            "depth": list(s.depths),
            "dataset": ("curve", [str(experiment.dataset)]),
            "train_size": ("curve", [experiment.train_size]),
            "layer_noise": ("curve", [experiment.layer_noise]),
        },
        {"width": experiment.width},
    )


def view(found: xarray.Dataset) -> View:
    """One row a data set, noise and depth, and what noise buys and costs."""
    columns = ("data", "n", "noise", "depth", "L eff.", "eta^(L/2)", "least")
    table = blank.table(
        (*columns, "train", "test", "gap", "bound", "train + bound"),
        f"4 versus 9, width {found.width}, tanh; errors over 32 fresh draws of layer noise",
        caption="bound: the repaired depth bound on the gap, a certificate; train + bound: what "
        "it says of the test error, an estimate, since the training error is measured; ±: 95 %; L "
        "eff.: how many layers like the one that contracts most would contract as much; least: the "
        "smallest eta^(L/2) that predictions as good as those on the training examples allow; "
        "vacuous: nothing is said of the gap, or of the test error, of any network.",
    )
    if left_out := found.attrs.get("left_out"):
        table.caption = f"{table.caption} {left_out}."
    for curve, depth in product(range(found.sizes["curve"]), found.depth.values):
        at = found.isel(curve=curve).sel(depth=depth)
        v = {str(name): float(value) for name, value in at.items()}
        table.add_row(
            str(at.dataset.values),
            str(int(at.train_size)),
            f"{float(at.layer_noise):g}",
            str(depth),
            f"{v['effective']:.2f}",
            rounding.up(v["factor"], ".4f"),
            "-" if np.isnan(v["least"]) else rounding.down(v["least"], ".4f"),
            f"{v['train_error']:.3f}",
            f"{v['test_error']:.3f}",
            f"{v['gap']:.3f}±{v['gap_half_width']:.3f}",
            bound_text(v["bound"], kind="certificate"),
            # An estimate, as the caption says, but rounded up as its bound is.
            bound_text(v["train_error"] + v["bound"], kind="certificate"),
        )
    return View(table, _figure(found))


def _experiments(quick: bool, options: Options):
    """What is swept, and what is left out and why."""
    if quick:
        return [(replace(BASE, depths=(1, 2), supersamples=3, masks=4, steps=60), (0.5, 4.0))], []
    grid: list[tuple[Experiment, tuple[float, ...]]] = [(BASE, NOISES)]
    mnist = replace(
        BASE,
        dataset="mnist",
        train_size=options.mnist_train_size,
        supersamples=3,
        masks=6,
        data_dir=options.data_dir,
    )
    missing = _missing(mnist) if options.mnist else []
    if options.mnist and not missing:
        grid.append((mnist, FEW_NOISES))
    return grid, missing


def _missing(experiment: Experiment) -> list[str]:
    """Why the data set cannot be read here without fetching anything, if so."""
    from ibjax import data

    try:
        data.load(str(experiment.dataset), classes=experiment.classes, data_dir=experiment.data_dir)
    except (ValueError, OSError, ImportError) as error:
        return [f"{experiment.dataset} is left out: {error}"]
    return []


def _effective(log1m: np.ndarray) -> float:
    """Equivalent number of contracting layers from log(1 - eta) of the layers that exist."""
    layers = [
        Contraction(-np.expm1(v), np.asarray(v), "upper", "channel", "stored")
        for v in log1m[~np.isnan(log1m)]
    ]
    return float(contraction.effective_depth(layers).equivalent)


def _figure(found: xarray.Dataset) -> Any:
    names = list(dict.fromkeys(found["dataset"].values.tolist()))
    figure, grid = blank.figure((11, 3.5 * len(names)), len(names), 3, squeeze=False)
    titles = ("contraction factor eta^(L/2)", "training error", "training error + depth bound")
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    for axes, name in zip(grid, names):
        mine = found.isel(curve=found["dataset"].values == name)
        noises = mine["layer_noise"].values
        for i, depth in enumerate(found.depth.values):
            at = mine.sel(depth=depth)
            train, half = at["train_error"].values, at["train_error_half_width"].values
            shapes = (at["factor"].values, None), (train, half), (train + at["bound"].values, half)
            look = {"color": colours[i % 4]}
            for ax, (values, error) in zip(axes, shapes):
                ax.errorbar(noises, values, error, fmt="o-", **look, label=f"depth {depth}")
            label = "least possible" if i == 0 else None
            axes[0].plot(noises, at["least"].values, ":", **look, label=label)
        size = int(mine["train_size"][0])
        for ax, title in zip(axes, titles):
            ax.set_xscale("log")
            ax.set_xlabel("standard deviation of the layer noise")
            ax.set_title(f"{name}, n = {size}: {title}", fontsize=9)
            ax.set_ylim(bottom=0)
        axes[2].axhspan(1, max(1.05, axes[2].get_ylim()[1]), color="0.9", zorder=0)
        axes[2].set_ylabel("above 1: says nothing", fontsize=8)
    grid[0, 0].legend(frameon=False)
    return figure

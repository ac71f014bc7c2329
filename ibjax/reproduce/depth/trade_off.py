"""What the contraction of noisy layers buys and what it costs: layer noise times depth.

The factor eta^(L/2) falls with noise and depth, and so does the certified bound on the gap; the
training error rises. Their sum, which bounds the test error, tells whether it was worth it. Both
errors are means over 32 fresh draws of the layer noise, the network the bound is about. Under the
factor stands the least one that the training predictions allow (`bounds.depth_floor`): whatever the
layers are, they cannot contract more and still tell the classes apart as well.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ibjax import contraction, sweep
from ibjax.interface import Contraction
from ibjax.pipeline import Experiment
from ibjax.report import summarise
from ibjax.reproduce.outcome import Log, Outcome, bound_text, save

if TYPE_CHECKING:
    from ibjax.report import Summary

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


class Curve(NamedTuple):
    """One data set at one layer noise."""

    experiment: Experiment
    summary: "Summary"
    effective: np.ndarray


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Sweep layer noise and depth; one results file a data set and noise, resumable."""
    from rich import box
    from rich.table import Table

    options = Options() if options is None else options
    files, curves = [], []
    for base, noises in _experiments(quick, log, options):
        for noise in noises:
            log(f"{base.dataset}, n = {base.train_size}: layer noise {noise:g}")
            path = folder / "depth-trade-off" / f"{base.dataset}-noise-{noise:g}.nc"
            experiment = replace(base, layer_noise=noise)
            dataset = sweep.run(experiment, path)
            files.append(path)
            effective = np.array([_effective(row) for row in dataset["layer_log1m"].values])
            curves.append(Curve(experiment, summarise(dataset), effective))
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"4 versus 9, width {BASE.width}, tanh; errors over 32 fresh draws of layer noise",
        title_justify="left",
        caption="bound: the repaired depth bound on the gap, a certificate; train + bound: an "
        "upper bound on the test error; ±: 95 %; L eff.: how many layers like the one that "
        "contracts most would contract as much; least: the smallest eta^(L/2) that predictions as "
        "good as those on the training examples allow.",
        caption_justify="left",
    )
    columns = ("data", "n", "noise", "depth", "L eff.", "eta^(L/2)", "least")
    for column in (*columns, "train", "test", "gap", "bound", "train + bound"):
        table.add_column(column, justify="right", no_wrap=True)
    for curve in curves:
        e, s = curve.experiment, curve.summary
        names = ("train error", "test error", "gap", "depth")
        train, test, gap, bound = (s.row(r).values for r in names)
        for i, depth in enumerate(s.depths):
            table.add_row(
                e.dataset,
                str(e.train_size),
                f"{e.layer_noise:g}",
                str(depth),
                f"{curve.effective[i]:.2f}",
                f"{1 - s.contracted[i]:.4f}",
                "-" if np.isnan(s.floor[i]) else f"{s.floor[i]:.4f}",
                f"{train[i]:.3f}",
                f"{test[i]:.3f}",
                f"{gap[i]:.3f}±{s.row('gap').errors[i]:.3f}",
                bound_text(bound[i]),
                f"{train[i] + bound[i]:.3f}",
            )
    picture = save(_figure(curves), folder / "depth-trade-off.png")
    return Outcome(table, (*files, picture))


def _experiments(quick: bool, log: Log, options: Options):
    if quick:
        return [(replace(BASE, depths=(1, 2), supersamples=3, masks=4, steps=60), (0.5, 4.0))]
    grid: list[tuple[Experiment, tuple[float, ...]]] = [(BASE, NOISES)]
    mnist = replace(
        BASE,
        dataset="mnist",
        train_size=options.mnist_train_size,
        supersamples=3,
        masks=6,
        data_dir=options.data_dir,
    )
    if options.mnist and _present(mnist, log):
        grid.append((mnist, FEW_NOISES))
    return grid


def _present(experiment: Experiment, log: Log) -> bool:
    """Whether the data set can be read here, without fetching anything."""
    from ibjax import data

    try:
        data.load(str(experiment.dataset), classes=experiment.classes, data_dir=experiment.data_dir)
    except (ValueError, OSError, ImportError) as error:
        log(f"{experiment.dataset} is left out: {error}")
        return False
    return True


def _effective(log1m: np.ndarray) -> float:
    """Equivalent number of contracting layers from log(1 - eta) of the layers that exist."""
    layers = [
        Contraction(-np.expm1(v), np.asarray(v), "upper", "channel", "stored")
        for v in log1m[~np.isnan(log1m)]
    ]
    return float(contraction.effective_depth(layers).equivalent)


def _figure(curves: list[Curve]):
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(c.experiment.dataset for c in curves))
    figure = Figure(figsize=(11, 3.5 * len(names)), layout="constrained")
    grid = figure.subplots(len(names), 3, squeeze=False)
    titles = ("contraction factor eta^(L/2)", "training error", "training error + depth bound")
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    for axes, name in zip(grid, names):
        mine = [c for c in curves if c.experiment.dataset == name]
        noises = [c.experiment.layer_noise for c in mine]
        for i, depth in enumerate(mine[0].summary.depths):
            factor = np.array([1 - c.summary.contracted[i] for c in mine])
            rows = [(c.summary.row("train error"), c.summary.row("depth")) for c in mine]
            train = np.array([r[0].values[i] for r in rows])
            error = np.array([r[0].errors[i] for r in rows])
            bound = np.array([r[1].values[i] for r in rows])
            shapes = ((factor, None), (train, error), (train + bound, error))
            for ax, (values, half) in zip(axes, shapes):
                ax.errorbar(
                    noises, values, half, fmt="o-", color=colours[i % 4], label=f"depth {depth}"
                )
            least = [c.summary.floor[i] for c in mine]
            axes[0].plot(
                noises, least, ":", color=colours[i % 4], label="least possible" if i == 0 else None
            )
        size = mine[0].experiment.train_size
        for ax, title in zip(axes, titles):
            ax.set_xscale("log")
            ax.set_xlabel("standard deviation of the layer noise")
            ax.set_title(f"{name}, n = {size}: {title}", fontsize=9)
            ax.set_ylim(bottom=0)
        axes[2].axhspan(1, max(1.05, axes[2].get_ylim()[1]), color="0.9", zorder=0)
        axes[2].set_ylabel("above 1: says nothing", fontsize=8)
    grid[0, 0].legend(frameon=False)
    return figure

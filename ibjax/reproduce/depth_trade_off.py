"""What the contraction of noisy layers buys and what it costs: layer noise times depth.

The factor eta^(L/2) falls with noise and depth, and so does the certified bound on the gap; the
training error rises. Their sum, which bounds the test error, tells whether it was worth it.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ibjax import sweep
from ibjax.pipeline import Experiment
from ibjax.report import summarise
from ibjax.reproduce.outcome import Log, Outcome, save

if TYPE_CHECKING:
    from ibjax.report import Summary

BASE = Experiment(width=8, depths=(1, 2, 4))
NOISES = (0.25, 0.5, 1.0, 2.0, 4.0)


def run(folder: Path, quick: bool, log: Log) -> Outcome:
    """Sweep layer noise and depth on the digits; one results file a noise, resumable."""
    from rich import box
    from rich.table import Table

    base, noises = BASE, NOISES
    if quick:
        base, noises = replace(BASE, depths=(1, 2), masks=6, steps=60), (0.5, 4.0)
    files, found = [], {}
    for noise in noises:
        log(f"layer noise {noise:g}")
        path = folder / "depth-trade-off" / f"noise-{noise:g}.nc"
        dataset = sweep.run(replace(base, layer_noise=noise), path)
        files.append(path)
        found[noise] = summarise(dataset)
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"digits 4 versus 9, n = {base.train_size}, width {base.width}, tanh",
        title_justify="left",
    )
    columns = ("noise", "depth", "eta^(L/2)", "train", "gap", "bound", "train + bound")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for noise, s in found.items():
        train, gap, bound = (s.row(r).values for r in ("train error", "gap", "depth"))
        for i, depth in enumerate(s.depths):
            table.add_row(
                f"{noise:g}",
                str(depth),
                f"{1 - s.contracted[i]:.4f}",
                f"{train[i]:.3f}",
                f"{gap[i]:.3f}±{s.row('gap').errors[i]:.3f}",
                f"{bound[i]:.3f}",
                f"{train[i] + bound[i]:.3f}",
            )
    picture = save(_figure(found), folder / "depth-trade-off.png")
    return Outcome(table, (*files, picture))


def _figure(found: "dict[float, Summary]"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes = figure.subplots(1, 3)
    noises = list(found)
    depths = next(iter(found.values())).depths
    titles = ("contraction factor eta^(L/2)", "training error", "training error + depth bound")
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    for i, depth in enumerate(depths):
        factor = np.array([1 - s.contracted[i] for s in found.values()])
        train = np.array([s.row("train error").values[i] for s in found.values()])
        bound = np.array([s.row("depth").values[i] for s in found.values()])
        for ax, values in zip(axes, (factor, train, train + bound)):
            label = f"depth {depth}"
            ax.plot(noises, values, "o-", color=colours[i % 4], label=label)
    for ax, title in zip(axes, titles):
        ax.set_xscale("log")
        ax.set_xlabel("layer noise")
        ax.set_title(title, fontsize=10)
        ax.set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    return figure

"""Table and picture of networks of finite width, from their file."""

from typing import Any

import xarray

from ibjax import blank
from ibjax.reproduce.outcome import bound_text, viewer

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def table(dataset: xarray.Dataset) -> Any:
    """One row a width and data set: theories, sampled networks, and the certificate."""
    about = dataset.attrs
    headings = (
        "labels x\n",
        "surprise\nexact",
        "width\n",
        "variance\nexact",
        "saddle\nestimate",
        "infinite\nexact",
        "Langevin\nestimate",
        "z\n",
        "KL\nexact",
        "gap\nexact",
        "bound\ncertif.",
    )
    made = blank.table(
        headings,
        f"two-layer linear networks on two digits, n = {about['train_size']}, "
        f"d = {about['components']}, noise {about['noise']:g}",
        caption="Variance: mean predictive variance on test inputs; Langevin ± one standard error, "
        "z its distance from the exact theory. KL: of the posterior from the prior, nats. Gap: of "
        "the sign of one posterior draw; certificate: PAC-Bayes from the exact KL, at "
        f"delta = {about['delta']:g}. Surprise below 1 (above): narrow networks have the smaller "
        "(larger) variance.",
        padding=0,
    )
    for i, factor in enumerate(dataset["scale_of_labels"].values):
        for j, width in enumerate(dataset["width"].values):
            at = {name: float(dataset[name][i, j]) for name in dataset if dataset[name].ndim == 2}
            error = at["langevin_variance_se"]
            made.add_row(
                f"{factor:g}",
                f"{float(dataset['infinite_surprise'][i]):.3f}",
                f"{width}",
                f"{at['exact_variance']:.4f}",
                f"{at['saddle_variance']:.4f}",
                f"{float(dataset['infinite_variance'][i]):.4f}",
                f"{at['langevin_variance']:.4f}±{error:.4f}",
                f"{(at['langevin_variance'] - at['exact_variance']) / error:+.1f}",
                f"{at['divergence']:.2f}",
                f"{at['test_error'] - at['train_error']:+.3f}",
                bound_text(
                    at["certificate"],
                    limit=(1 - 1e-9) * (1 - at["train_error"]),
                    kind="certificate",
                ),
            )
    return made


def figure(dataset: xarray.Dataset) -> Any:
    """Predictive variance over width, and below it KL, gap and certificate."""
    count = len(dataset["scale_of_labels"])
    made, axes = blank.figure((4.6 * count, 6.4), 2, count, sharex=True, squeeze=False)
    for i in range(count):
        draw_variance(dataset, i, axes[0, i])
        draw_certificate(dataset, i, axes[1, i])
    return made


def draw_variance(dataset: xarray.Dataset, index: int, ax: Any = None) -> Any:
    """Draw the predictive variance of one data set over width."""
    ax = blank.axes(ax)
    width = dataset["width"].values
    at = dataset.isel(scale_of_labels=index)
    ax.plot(width, at["exact_variance"], color=COLOURS[0], label="exact mixture")
    ax.plot(width, at["saddle_variance"], "--", color=COLOURS[1], label="saddle point (estimate)")
    ax.axhline(float(at["infinite_variance"]), color="0.5", label="infinite width")
    ax.errorbar(
        width,
        at["langevin_variance"],
        1.96 * at["langevin_variance_se"],
        fmt="o",
        color=COLOURS[2],
        markerfacecolor="white",
        label="Langevin replicas, 95 %",
    )
    ax.set_xscale("log", base=2)
    ax.set_ylabel("predictive variance (squared output)")
    factor = float(dataset["scale_of_labels"][index])
    ax.set_title(f"labels x {factor:g}: surprise {float(at['infinite_surprise']):.2f}", fontsize=10)
    ax.legend(frameon=False, fontsize=8)
    return ax


def draw_certificate(dataset: xarray.Dataset, index: int, ax: Any = None) -> Any:
    """Draw KL per example, the certificate and the gap of one data set over width."""
    ax = blank.axes(ax)
    width = dataset["width"].values
    at = dataset.isel(scale_of_labels=index)
    n = dataset.attrs["train_size"]
    ax.plot(width, at["certificate"], "s-", color=COLOURS[1], label="PAC-Bayes (certificate)")
    ax.plot(width, at["divergence"] / n, "-", color=COLOURS[3], label="KL / n (nats)")
    gap = at["test_error"] - at["train_error"]
    ax.plot(width, gap, "k-", label="gap of a posterior draw (exact)")
    ax.axhline(0, color="0.8", linewidth=0.8)
    ax.set_xscale("log", base=2)
    ax.set_xlabel("hidden width N")
    ax.set_ylabel("gap (probability), KL / n")
    ax.legend(frameon=False, fontsize=8)
    return ax


view = viewer(table, figure)
"""Table and picture of what was stored."""

"""The linear network on two Gaussian classes: every layered bound beside the exact truth.

``X | Y ~ N(Y mu, std^2 I)`` in d dimensions; hidden layers fixed beforehand project onto
``rank`` coordinates that hold mu; the head is the mean of Y_i T_i over n examples. Given the
weights every layer's training and test laws are Gaussian, so the divergence bounds of the hidden
layers and of the output, the Wasserstein bounds and the gap are integrals of two variables.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray

from ibjax import blank, rounding
from ibjax.bounds.weights.hierarchical import BinaryGaussian, binary_gaussian
from ibjax.reproduce.outcome import Log, Outcome, View, record


class Setting(NamedTuple):
    """One model: sample size, input dimension, rank of the hidden layers, noise, size of mu."""

    n: int
    dim: int
    rank: int
    std: float
    mean: float


class Row(NamedTuple):
    """Exact quantities of one model, and the gaps simulated with their standard errors."""

    setting: Setting
    exact: BinaryGaussian
    gap: float
    gap_error: float
    linear_gap: float
    linear_error: float


SETTINGS = (
    Setting(50, 10, 10, 1.0, 1.0),
    Setting(50, 10, 5, 1.0, 1.0),
    Setting(50, 10, 2, 1.0, 1.0),
    Setting(50, 10, 1, 1.0, 1.0),
    Setting(50, 10, 10, 1.0, 0.0),
    Setting(200, 10, 10, 1.0, 1.0),
    Setting(200, 20, 20, 1.0, 0.5),
    Setting(20, 1, 1, 1.0, 1.0),
)


def simulate(setting: Setting, runs: int, seed: int = 0) -> tuple[float, float, float, float]:
    """Gap of the 0-1 loss and of the loss -y t with standard errors, by training networks.

    Every run draws a sample, sends it through the fixed hidden layers, learns the head and
    measures its training error; the error on new points is known given the head.
    """
    from scipy.special import ndtr

    rng = np.random.default_rng(seed)
    n, dim, rank, std, mean = setting
    first = np.linalg.qr(rng.normal(size=(dim, dim)))[0][:rank]
    mu = mean * first[0]
    zero_one, linear = [], []
    for _ in range(-(-runs // 500)):
        x = mu + std * rng.normal(size=(500, n, dim))  # y_i x_i, all the network depends on
        features = x @ first.T
        head = features.mean(1)
        size = np.linalg.norm(head, axis=1)
        margin = np.einsum("rnk,rk->rn", features, head)
        shift = head @ (first @ mu)
        zero_one.append(ndtr(-shift / (std * size)) - np.mean(margin < 0, 1))
        linear.append(margin.mean(1) - shift)
    out = []
    for values in (np.concatenate(zero_one), np.concatenate(linear)):
        out += [float(values.mean()), float(values.std() / math.sqrt(len(values)))]
    return out[0], out[1], out[2], out[3]


def row(setting: Setting, runs: int) -> Row:
    """One line of the table: with orthonormal layers all is as in `rank` dimensions."""
    exact = binary_gaussian(setting.n, setting.rank, setting.std, setting.mean)
    return Row(setting, exact, *simulate(setting, runs))


def run(folder: Path, quick: bool, log: Log) -> Outcome:
    """The table of exact and simulated quantities, a results file and the picture."""
    settings = SETTINGS[:4] if quick else SETTINGS
    runs = 2_000 if quick else 20_000
    log(f"linear network on two Gaussian classes: {len(settings)} models, {runs} runs each")
    found = dataset([row(s, runs) for s in settings], quick)
    return record(found, folder / "binary-gaussian.nc", "binary-gaussian", view)


def dataset(rows: list[Row], quick: bool = False) -> xarray.Dataset:
    """The rows, and the exact quantities along the sample size and along the rank."""
    sizes = [10, 20, 50, 100] if quick else [5, 10, 20, 50, 100, 200, 500]
    ranks = [2, 5, 10] if quick else [2, 3, 5, 7, 10, 15, 20]
    curves = {
        "by_size": [binary_gaussian(n, 10, 1.0, 1.0) for n in sizes],
        "by_rank": [binary_gaussian(50, r, 1.0, 1.0) for r in ranks],
    }
    columns: dict[str, Any] = {}
    for name in BinaryGaussian._fields:
        columns[f"exact_{name}"] = ("setting", [getattr(r.exact, name) for r in rows])
        for axis, found in curves.items():
            columns[f"{axis}_{name}"] = (axis, [getattr(f, name) for f in found])
    for name in ("gap", "gap_error", "linear_gap", "linear_error"):
        columns[f"simulated_{name}"] = ("setting", [getattr(r, name) for r in rows])
    for name in Setting._fields:
        columns[name] = ("setting", [float(getattr(r.setting, name)) for r in rows])
    about = {"units": "losses; divergence and information in nats"}
    return xarray.Dataset(columns, {"by_size": sizes, "by_rank": ranks}, about)


def view(found: xarray.Dataset) -> View:
    """The rows as a table; gap and bounds along the sample size and along the rank."""
    columns = ("n", "d", "rank", "mu", "gap", "simulated", "KL output", "KL hidden")
    table = blank.table(
        (*columns, "linear gap", "simulated", "W1 output", "W2 input"),
        "0-1 loss: gap <= output <= hidden = input; loss -yt: gap <= W1 output <= W2 input",
    )
    for i in range(found.sizes["setting"]):
        r = {name: float(value[i]) for name, value in found.items() if value.dims == ("setting",)}
        table.add_row(
            *(f"{r[name]:.0f}" for name in ("n", "dim", "rank")),
            f"{r['mean']:g}",
            f"{r['exact_gap']:.7f}",
            f"{r['simulated_gap']:.4f}±{1.96 * r['simulated_gap_error']:.4f}",
            rounding.up(r["exact_output_bound"], ".7f"),
            rounding.up(r["exact_input_bound"], ".7f"),
            f"{r['exact_linear_gap']:.4f}",
            f"{r['simulated_linear_gap']:.4f}±{1.96 * r['simulated_linear_error']:.4f}",
            rounding.up(r["exact_output_wasserstein"], ".4f"),
            rounding.up(r["exact_input_wasserstein"], ".4f"),
        )
    return View(table, figure(found))


def figure(found: xarray.Dataset) -> Any:
    """Gap and bounds against the sample size and against the rank of the hidden layers."""
    out, (left, middle, right) = blank.figure((11, 3.6), 1, 3)
    ranks = found["by_rank"].values
    for ax, axis in ((left, "by_size"), (middle, "by_rank")):
        for name, colour, label in (
            ("input_bound", "#E69F00", "hidden layers"),
            ("output_bound", "#D55E00", "output"),
        ):
            values = found[f"{axis}_{name}"]
            ax.loglog(found[axis], values, "s-", color=colour, label=f"divergence bound, {label}")
        ax.loglog(found[axis], found[f"{axis}_gap"], "kD-", label="exact gap")
        ax.set_ylabel("0-1 loss")
    for name, colour, label in (
        ("input_wasserstein", "#56B4E9", "Wasserstein bound, input"),
        ("output_wasserstein", "#0072B2", "Wasserstein bound, output"),
    ):
        right.loglog(ranks, found[f"by_rank_{name}"], "s-", color=colour, label=label)
    right.loglog(ranks, found["by_rank_linear_gap"], "kD-", label="exact gap")
    right.set_ylabel("loss -y t")
    for ax in (middle, right):
        ax.set_xticks(ranks, [str(r) for r in ranks])
        ax.minorticks_off()
    left.set_xlabel("examples n (rank 10)")
    middle.set_xlabel("rank of the hidden layers (n = 50)")
    right.set_xlabel("rank of the hidden layers (n = 50)")
    middle.legend(frameon=False, fontsize=8)
    right.legend(frameon=False, fontsize=8)
    return out

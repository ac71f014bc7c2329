"""Information in infinite ensembles of infinitely wide networks, on jointly Gaussian data.

x ~ N(0, 1) in 30 dimensions and y = w . x + noise, so that the best any representation can do,
the Gaussian bottleneck, is in closed form. Ensembles of three-layer networks under gradient flow
are swept over the activation, the variance of the weights and the time. The original paper gives
pictures; the numbers beside ours come from a NumPy program written apart from this library, on
the same draws.

Reference: Shwartz-Ziv and Alemi (2020), Information in infinite ensembles of infinitely-wide
neural networks.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from ibjax import blank, bottleneck, infinite, rounding
from ibjax.reproduce.outcome import Log, Outcome, View, record

NOISE = 0.15
"""Variance of y given x; I(X; Y) = 1/2 log(1 + 1 / NOISE) nats."""

EXAMPLES, TESTS, INPUTS = 256, 1000, 30
BIAS_STD, DEPTH = 0.1, 3
VARIANCES = (0.5, 2.0, 8.0)
TIMES = (1e-1, 1.0, 3.0, 10.0, 30.0, 1e2, 3e2, 1e3, 3e3, 1e4, 1e6, np.inf)


class Known(NamedTuple):
    """What the program beside this library gave, rounded to its last digit."""

    mse: float
    input_lower: float
    input_upper: float
    label: float


# (activation, weight variance) -> time of the mean loss -> numbers; the sandwich had one draw of
# z an input there, hence a standard error of about 0.02.
KNOWN: dict[tuple[str, float], dict[float, Known]] = {
    ("erf", 0.5): {
        1e2: Known(0.4555, 1.155, 1.161, 0.604),
        1e3: Known(0.1878, 2.589, 2.669, 0.867),
        np.inf: Known(0.2023, 2.596, 2.675, 0.831),
    },
    ("erf", 2.0): {
        10.0: Known(0.4477, 0.186, 0.186, 0.154),
        1e2: Known(0.2101, 0.710, 0.710, 0.480),
        np.inf: Known(0.2145, 0.722, 0.722, 0.475),
    },
    ("erf", 8.0): {
        1.0: Known(0.6770, 0.003, 0.003, 0.006),
        10.0: Known(0.2945, 0.073, 0.073, 0.056),
        np.inf: Known(0.2907, 0.078, 0.078, 0.057),
    },
    ("relu", 0.5): {
        1e2: Known(0.9325, 0.219, 0.219, 0.157),
        1e3: Known(0.3697, 1.850, 1.872, 0.750),
        np.inf: Known(0.2173, 2.383, 2.450, 0.816),
    },
    ("relu", 2.0): {
        10.0: Known(0.5051, 0.125, 0.125, 0.093),
        1e2: Known(0.2082, 0.506, 0.506, 0.370),
        np.inf: Known(0.2183, 0.556, 0.556, 0.378),
    },
    ("relu", 8.0): {
        1.0: Known(0.2129, 0.031, 0.031, 0.010),
        10.0: Known(0.2179, 0.023, 0.023, 0.012),
        np.inf: Known(0.2184, 0.021, 0.021, 0.012),
    },
}


def draws(examples: int = EXAMPLES, tests: int = TESTS) -> tuple[np.ndarray, ...]:
    """(x, y, x_test, y_test): the same numbers in every run, a prefix when fewer are asked for."""
    stream = np.random.RandomState(0)  # the generator of the program compared with
    teacher = stream.randn(INPUTS)
    x = stream.randn(EXAMPLES + TESTS, INPUTS)
    y = x @ (teacher / np.linalg.norm(teacher)) + NOISE**0.5 * stream.randn(EXAMPLES + TESTS)
    rest = slice(EXAMPLES, EXAMPLES + tests)
    return x[:examples], y[:examples], x[rest], y[rest]


def frontier(information: Any) -> tuple[np.ndarray, np.ndarray]:
    """The largest I(Z; Y) at each I(X; Z), in nats, and its slope there, from the bottleneck.

    With one canonical correlation, I(X; Z) = 1/2 log((beta - 1) / NOISE); the slope is 1 / beta.
    """
    beta = 1 + NOISE * np.exp(2 * np.maximum(np.asarray(information, float), 0.0))
    cov = jnp.array([[1.0, 1.0], [1.0, 1.0 + NOISE]])
    best = jax.vmap(lambda b: bottleneck.gaussian_ib(cov, b).i_ty)(jnp.asarray(beta.ravel()))
    return np.asarray(best).reshape(beta.shape), 1 / beta


def measure(
    activation: str, variance: float, times: Any, examples: int = EXAMPLES, tests: int = TESTS
) -> infinite.EnsembleInformation:
    """Every information quantity of one ensemble; `times` are those of the mean loss."""
    x, y, x_test, y_test = draws(examples, tests)
    net = {"depth": DEPTH, "activation": activation, "w_std": variance**0.5, "b_std": BIAS_STD}
    return infinite.ensemble_information(
        infinite.mlp_kernels(x, **net),
        y,
        infinite.flow_time(1.0, np.asarray(times, float), entries=examples),
        test_train=infinite.mlp_kernels(x_test, x, **net),
        test=infinite.mlp_kernels(x_test, **net),
        y_test=y_test,
        nngp_rate=infinite.mlp_nngp_rate(x, **net),
    )


QUANTITIES = {
    "train_loss": "squared target units",
    "test_loss": "squared target units",
    "mean_test_loss": "squared target units",
    "gibbs": "nats",
    "bayes": "nats",
    "input_lower": "nats",
    "input_upper": "nats",
    "label_lower": "nats",
    "data_train": "nats",
    "data_test": "nats",
    "fisher_train": "squared target units",
    "displacement": "squared parameter units",
    "path": "squared target units",
    "function_path": "squared target units times 1/time",
    "parameter_information": "nats (linearised)",
}


def experiment(
    variances: tuple[float, ...],
    times: tuple[float, ...],
    examples: int = EXAMPLES,
    tests: int = TESTS,
    log: Log = lambda _: None,
) -> xarray.Dataset:
    """All quantities over (activation, weight variance, time), with the frontier beside them."""
    activations = ("erf", "relu")
    dims = ("activation", "weight_variance", "time")
    shape = (len(activations), len(variances), len(times))
    found = {name: np.full(shape, np.nan) for name in (*QUANTITIES, "input_error", "mse")}
    for i, activation in enumerate(activations):
        for j, variance in enumerate(variances):
            log(f"{activation}, weight variance {variance:g}")
            out = measure(activation, variance, times, examples, tests)
            for name in QUANTITIES:
                found[name][i, j] = getattr(out, name).value
            found["input_error"][i, j] = out.input_upper.std_error
            found["mse"][i, j] = 2 * np.asarray(out.mean_test_loss.value) / tests
    best, slope = frontier(found["input_upper"])
    found["frontier"] = best
    # Sampling errors: of the upper end of I(X; Z), through the slope of the frontier, and of a
    # correlation rho from the test inputs, d/drho of -1/2 log(1 - rho^2) times (1 - rho^2).
    rho = np.sqrt(-np.expm1(-2 * np.maximum(found["label_lower"], 0.0)))
    found["frontier_error"] = np.hypot(slope * found["input_error"], rho / np.sqrt(tests))
    data = xarray.Dataset(
        {name: (dims, value) for name, value in found.items()},
        coords={
            "activation": list(activations),
            "weight_variance": list(variances),
            "time": list(times),
        },
        attrs={
            "time_unit": "gradient flow on the mean of 1/2 (z - y)^2: learning rate x steps",
            "information_x_y": 0.5 * np.log1p(1 / NOISE),
            "examples": examples,
            "tests": tests,
        },
    )
    for name, unit in QUANTITIES.items():
        data[name].attrs["units"] = unit
    return data


def below(data: xarray.Dataset) -> np.ndarray:
    """Whether each point lies below the frontier within 1.96 standard errors."""
    excess = data["label_lower"] - data["frontier"]
    return np.asarray(excess <= 1.96 * data["frontier_error"])


def claims(data: xarray.Dataset) -> dict[str, bool]:
    """What the paper says of its pictures, as statements about the numbers."""
    late, mse = data["input_upper"].isel(time=-1), data["mse"]
    overfit = mse.isel(time=-1) / mse.min("time")
    return {
        "I(X;Z|D) stays finite though every trained network is deterministic": bool(
            np.all(np.isfinite(late))
        ),
        "larger weight variance, less information at the end of training": bool(
            np.all(late.diff("weight_variance") < 0)
        ),
        "at the smallest variance overfitting is worse for erf than at the largest": bool(
            overfit.sel(activation="erf")[0] > overfit.sel(activation="erf")[-1]
        ),
        "every point lies below the frontier within 1.96 standard errors": bool(
            np.all(below(data))
        ),
    }


def run(folder: Path, quick: bool, log: Log) -> Outcome:
    """Sweep activation, weight variance and time; a table, a results file and a picture."""
    variances = VARIANCES[:2] if quick else VARIANCES
    times = (10.0, 1e2, 1e3, np.inf) if quick else TIMES
    with jax.enable_x64(True):
        data = experiment(variances, times, log=log)
    return record(data, folder / "infinite-ensembles.nc", "infinite-ensembles", view)


def view(data: xarray.Dataset) -> View:
    """Ours beside the other program, what the paper says of its pictures, and ours of them."""
    from rich.console import Group
    from rich.text import Text

    said = [f"{'yes' if holds else 'NO '}  {claim}" for claim, holds in claims(data).items()]
    return View(Group(table(data), Text("\n".join(said))), figure(data))


def table(data: xarray.Dataset) -> Any:
    """Ours beside the other program wherever it has numbers; everything in nats but the error."""
    columns = ("network", "time", "error", "known", "I(X;Z|D)", "known", "I(Y;Z|D)", "known")
    out = blank.table(
        (*columns, "frontier"),
        "error of the mean; lower and upper ends of I(X;Z|D) ± 1.96 s.e.; lower bound on "
        "I(Y;Z|D); frontier at the upper end. 'known': another program",
    )
    for (activation, variance), rows in KNOWN.items():
        for time, known in rows.items():
            if variance not in data.weight_variance or time not in data.time:
                continue
            at = data.sel(activation=activation, weight_variance=variance, time=time)
            out.add_row(
                f"{activation} {variance:g}",
                f"{time:g}",
                f"{float(at.mse):.4f}",
                f"{known.mse:.4f}",
                f"{rounding.down(float(at.input_lower))}-{rounding.up(float(at.input_upper))}"
                f"±{1.96 * float(at.input_error):.3f}",
                f"{known.input_lower:.3f}-{known.input_upper:.3f}",
                rounding.down(float(at.label_lower)),
                f"{known.label:.3f}",
                f"{float(at.frontier):.3f}±{1.96 * float(at.frontier_error):.3f}",
            )
    return out


def figure(data: xarray.Dataset) -> Any:
    """Information plane with the frontier, and the error of the mean against time."""
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
    picture, axes = blank.figure((9.5, 7), 2, 2, sharey="row")
    line = np.linspace(0, 1.05 * float(data["input_upper"].max()), 200)
    with jax.enable_x64(True):
        best, _ = frontier(line)
    finite = [t for t in data.time.values if np.isfinite(t)]
    for column, activation in enumerate(data.activation.values):
        plane, error = axes[:, column]
        plane.plot(line, best, "k-", label="frontier (Gaussian bottleneck)")
        for colour, variance in zip(colours, data.weight_variance.values):
            at = data.sel(activation=activation, weight_variance=variance)
            plane.errorbar(
                at["input_upper"],
                at["label_lower"],
                1.96 * at["frontier_error"],
                1.96 * at["input_error"],
                fmt="o-",
                markersize=4,
                linewidth=1,
                color=colour,
                label=f"weight variance {variance:g}",
            )
            end = at.isel(time=-1)
            plane.plot(end["input_upper"], end["label_lower"], "s", color=colour, markersize=8)
            error.plot(finite, at["mse"].sel(time=finite), "o-", color=colour, markersize=4)
        plane.set(title=activation, xlabel="I(X;Z|D), upper end [nats]")
        error.axhline(NOISE, color="k", linestyle=":")
        error.set(xscale="log", xlabel="time (mean loss)", ylim=(0, 1.25))
    axes[0, 0].set_ylabel("I(Y;Z|D), lower bound [nats]")
    axes[1, 0].set_ylabel("test error of the mean (dotted: noise)")
    axes[0, 1].legend(frameon=False, fontsize=8, loc="lower right", title="square: end of training")
    return picture

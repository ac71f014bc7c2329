"""`ibjax limits`: what no learning procedure can beat on the data of a teacher network."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ibjax.cli import exporting
from ibjax.cli.terminal import console, prepare_devices, print_whole

if TYPE_CHECKING:
    import xarray

SMOOTH = ("tanh", "erf", "sin", "sigmoid")
"""Bounded smooth readouts that have a name."""

_POINTS, _DEPTH = 100_000, 1000
"""Most points of a curve and layers of a teacher: what takes a minute to solve."""


@dataclass(frozen=True)
class Limits:
    """Bayes-optimal limits of teacher networks: both branches, informations and errors."""

    activation: str = "tanh"
    """The teacher's activation: linear, tanh, erf, scaled_erf, sin, sign, relu, sigmoid, gelu,
    softplus. One that is not odd is taken centred."""
    readout: Literal["identity", "sign", "abs", "tanh", "erf", "sin", "sigmoid"] = "sign"
    """What is observed of the teacher's output."""
    noise: float = 0.0
    """Variance of the noise: added to the output, or inside the sign. Smooth readouts need
    some, and the information of a continuous output is infinite without."""
    alpha: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    """Samples per input dimension, n/d: the rows of the table and the ends of the curve."""
    points: int = 200
    """Points of the curve, evenly spaced in log alpha."""
    depth: int = 1
    """Hidden layers of the teacher."""
    prior: Literal["gaussian", "rademacher"] = "gaussian"
    """Law of the entries of the linear vector that is learnt; networks have the Gaussian one."""
    dimension: int | None = None
    """Input dimension d of a network in hand, to say how far it may be from the limit."""
    width: int | None = None
    """Its hidden units p; as many as you like by default."""
    regime: Literal["linear", "quadratic"] = "linear"
    """linear: n = alpha d. quadratic: n = alpha d^2 and k = width-ratio d hidden units, the output
    observed with noise; activations also elu and quadratic. The latter is conjectured."""
    width_ratio: float = 0.5
    """Hidden units by input dimension, k/d (quadratic regime)."""
    rows: Literal["ones", "signed"] = "ones"
    """Weights of the hidden units in the output: 1, or 1 and -1 (quadratic regime)."""
    out: Path = Path("ibjax-results/limits.nc")
    """Results file (netCDF); the picture lies beside it."""
    table: Path | None = None
    """Where to write the table as well: .csv, .md or .tex."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""


def execute(command: Limits) -> None:
    """Solve, print the table, write the results and the picture."""
    from ibjax import files

    _check(command)
    places = (command.out, command.out.with_suffix(".png"))
    for place in places:
        files.check_place(place)
    exporting.check_table(command.table, *places)
    if command.regime == "quadratic":
        from ibjax.cli import limits_quadratic

        limits_quadratic.execute(command)
        return
    prepare_devices(command.cache)
    dataset = solve(command)
    out = console()
    print_whole(out, table(dataset))
    exporting.write_table(command.table, *exporting.numbers(dataset, "alpha"))
    files.write(dataset, command.out)
    picture = files.save_figure(figure(dataset), command.out.with_suffix(".png"))
    out.print(f"results: {command.out}", soft_wrap=True)
    out.print(f"picture: {picture}", soft_wrap=True)


def _check(command: Limits) -> None:
    if not command.alpha or not all(0 < a < float("inf") for a in command.alpha):
        raise ValueError(f"alpha={command.alpha} must list positive numbers of samples per input")
    for name, least, most in (("points", 2, _POINTS), ("depth", 1, _DEPTH)):
        value = getattr(command, name)
        if not least <= value <= most:
            limit = f"at least {least}" if value < least else f"at most {most}"
            raise ValueError(f"{name}={value} must be {limit}")
    if command.out.suffix != ".nc":
        raise ValueError(f"out={command.out} must end in .nc")
    for name in ("dimension", "width"):
        value = getattr(command, name)
        if value is not None and value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if command.width is not None and command.dimension is None:
        raise ValueError(f"width={command.width} says nothing without --dimension; give both")


def solve(command: Limits) -> "xarray.Dataset":
    """Limits at the table's alphas and along the curve, with units and kinds."""
    import jax
    import numpy as np
    import xarray

    from ibjax import teacher
    from ibjax.teacher.constants import activation_function

    rows = np.unique(np.asarray(command.alpha, float))
    ends = (rows[0], rows[-1]) if len(rows) > 1 else (rows[0] / 10, rows[0] * 10)
    curve = np.geomspace(*ends, command.points)
    with jax.enable_x64(True):
        readout = command.readout
        readout = activation_function(readout) if readout in SMOOTH else readout
        rho, eps, bias = teacher.activation_constants(command.activation, depth=command.depth)
        model: Any = {"rho": rho, "eps": eps, "noise": command.noise, "prior": command.prior}
        found = teacher.bayes_limits(readout, np.concatenate([rows, curve]), **model)
        marks = teacher.thresholds(readout, **model)
        d, p = command.dimension or np.nan, command.width or np.inf
        scale = teacher.rate_scale(rows * d, d, p).value if command.dimension else rows * np.nan
    error = "probability" if command.readout == "sign" else "squared output"
    units = {"q": "1", "q_algorithmic": "1", "mmse": "1", "snr": "1", "hard": "1"}
    units |= {k: "nat" for k in ("mi_per_sample", "vector_mi_per_sample", "next_sample_mi")}
    units["free_entropy"] = "nat"
    variables: dict[str, Any] = {}
    for name, values in found._asdict().items():
        about = {"units": units.get(name, error), "kind": "exact"}
        values = np.asarray(values).astype("int8" if name == "hard" else float)
        variables[name] = ("alpha", values[: len(rows)], about)
        variables[f"curve_{name}"] = ("curve_alpha", values[len(rows) :], about)
    variables["rate_scale"] = ("alpha", np.asarray(scale), {"units": "nat", "kind": "diagnostic"})
    for name in ("weak_recovery", "information_theoretic", "algorithmic"):
        about = {"units": "samples per dimension", "kind": "exact"}
        variables[f"threshold_{name}"] = ((), float(getattr(marks, name)), about)
    shown = {k: str(v) for k, v in asdict(command).items() if k not in ("out", "table", "cache")}
    constants = {"rho": float(rho), "eps": float(eps), "bias": float(bias)}
    exact = "of the equivalent linear model as d grows at fixed n/d; no certificate at finite size"
    return xarray.Dataset(
        variables,
        {"alpha": rows, "curve_alpha": curve},
        {"what": "bayes limits", "exact": exact} | shown | constants,
    )


def table(dataset: "xarray.Dataset") -> Any:
    """The table for the terminal; the second line of a heading is the kind of its numbers."""
    from rich import box
    from rich.table import Table

    about = dataset.attrs
    title = (
        f"{about['activation']} teacher, depth {about['depth']}, readout {about['readout']}, "
        f"noise {about['noise']}, {about['prior']} prior\n"
        f"rho = {about['rho']:.12f}, eps = {about['eps']:.12f}"
    )
    marks = []
    for name, words in (
        ("weak_recovery", "nothing is learnt below alpha ="),
        ("information_theoretic", "the optimum jumps at alpha ="),
        ("algorithmic", "message passing follows at alpha ="),
    ):
        value = float(dataset[f"threshold_{name}"])
        if value > 0:
            marks.append(f"{words} {value:.6f}")
    words = {
        "q": ("q", "overlap with the linear vector"),
        "q_algorithmic": ("q alg", ""),
        "mi_per_sample": ("I net", "information of network and data a sample, nats"),
        "vector_mi_per_sample": ("I vec", "of the linear vector and the data"),
        "generalization_error": ("Bayes", "optimal error on a fresh output"),
        "generalization_error_algorithmic": ("alg", "reached by message passing"),
        "gibbs_error": ("Gibbs", "drawn from the posterior"),
        "clean_error": ("clean", "optimal, output without noise"),
        "rate_scale": (
            "size",
            "order of the distance of a network of this size, without constants",
        ),
    }
    if not bool(dataset["rate_scale"].notnull().any()):
        del words["rate_scale"]
    legend = ", ".join(f"{short}: {text}" for short, text in words.values() if text)
    caption = "; ".join([*marks, legend]) + f". Exact: {about['exact']}."
    made = Table(box=box.SIMPLE_HEAD, title=title, caption=caption, title_justify="left", padding=0)
    made.caption_justify = "left"
    made.add_column("n/d\n", justify="right", no_wrap=True)
    for name, (short, _) in words.items():
        kind = dataset[name].attrs["kind"].replace("diagnostic", "diagn.")
        made.add_column(f"{short}\n{kind}", justify="right", no_wrap=True)
    places = 4 if "rate_scale" in words else 5
    digits = {"rate_scale": 1}
    for i, alpha in enumerate(dataset["alpha"].values):
        cells = [f"{float(dataset[name][i]):.{digits.get(name, places)}f}" for name in words]
        made.add_row(f"{alpha:g}" + (" hard" if dataset["hard"][i] else ""), *cells)
    return made


def figure(dataset: "xarray.Dataset") -> Any:
    """Errors and informations along the curve."""
    from ibjax.report import blank

    made, (left, right) = blank.figure((9, 3.8), 1, 2)
    draw_errors(dataset, left)
    draw_information(dataset, right)
    return made


def draw_errors(dataset: "xarray.Dataset", ax: Any = None) -> Any:
    """Draw the errors along the curve: optimal, algorithmic, Gibbs."""
    lines = (
        ("gibbs_error", "Gibbs", "#E69F00", "-"),
        ("generalization_error", "Bayes-optimal", "#0072B2", "-"),
        ("generalization_error_algorithmic", "message passing", "#D55E00", "--"),
    )
    unit = dataset["generalization_error"].attrs["units"]
    return _draw(dataset, ax, lines, f"error on a fresh output ({unit})")


def draw_information(dataset: "xarray.Dataset", ax: Any = None) -> Any:
    """Draw the informations per sample along the curve."""
    lines = (
        ("mi_per_sample", "network", "#0072B2", "-"),
        ("vector_mi_per_sample", "linear vector", "#009E73", "--"),
        ("next_sample_mi", "next sample", "#CC79A7", ":"),
    )
    return _draw(dataset, ax, lines, "information per sample (nats)")


def log_axis(ax: Any) -> None:
    """Make the x axis logarithmic, with plain labels that keep apart however long it is."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    short = high / low < 10**2.5
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _draw(dataset, ax, lines, label):
    from ibjax.report import blank

    ax = blank.axes(ax)
    for name, words, colour, style in lines:
        values = dataset[f"curve_{name}"].values
        ax.plot(dataset["curve_alpha"], values, style, color=colour, label=words)
    for name in ("information_theoretic", "algorithmic"):
        place = float(dataset[f"threshold_{name}"])
        if dataset["curve_alpha"][0] < place < dataset["curve_alpha"][-1]:
            ax.axvline(place, color="0.6", linewidth=0.8, linestyle=":")
    log_axis(ax)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("samples per input dimension, n/d")
    ax.set_ylabel(label)
    ax.legend(frameon=False)
    return ax

"""Tables and pictures of the limits of teacher networks, from their file."""

from typing import Any

import xarray

from ibjax import blank, files


def view(dataset: xarray.Dataset) -> tuple[Any, Any] | None:
    """Table and picture of limits at n ~ d or n ~ d^2; None for a data set of something else.

    Raises:
        ValueError: if the data set lacks what limits hold, or holds something else.
    """
    shown = _VIEWS.get(str(dataset.attrs.get("what")))
    if shown is None:
        return None
    with files.shown_from("limits", "run `ibjax limits` again"):
        return shown[0](dataset), shown[1](dataset)


def linear_table(dataset: xarray.Dataset) -> Any:
    """The table for the terminal; the second line of a heading is the kind of its numbers."""
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
    kinds = {name: dataset[name].attrs["kind"].replace("diagnostic", "diagn.") for name in words}
    heads = ("n/d\n", *(f"{short}\n{kinds[name]}" for name, (short, _) in words.items()))
    made = blank.table(heads, title, caption=caption, padding=0)
    places = 4 if "rate_scale" in words else 5
    digits = {"rate_scale": 1}
    for i, alpha in enumerate(dataset["alpha"].values):
        cells = [f"{float(dataset[name][i]):.{digits.get(name, places)}f}" for name in words]
        made.add_row(f"{alpha:g}" + (" hard" if dataset["hard"][i] else ""), *cells)
    return made


def linear_figure(dataset: xarray.Dataset) -> Any:
    """Errors and informations along the curve."""
    made, (left, right) = blank.figure((9, 3.8), 1, 2)
    draw_errors(dataset, left)
    draw_information(dataset, right)
    return made


def draw_errors(dataset: xarray.Dataset, ax: Any = None) -> Any:
    """Draw the errors along the curve: optimal, algorithmic, Gibbs."""
    lines = (
        ("gibbs_error", "Gibbs", "#E69F00", "-"),
        ("generalization_error", "Bayes-optimal", "#0072B2", "-"),
        ("generalization_error_algorithmic", "message passing", "#D55E00", "--"),
    )
    unit = dataset["generalization_error"].attrs["units"]
    return _draw(dataset, ax, lines, f"error on a fresh output ({unit})")


def draw_information(dataset: xarray.Dataset, ax: Any = None) -> Any:
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


def quadratic_table(dataset: xarray.Dataset) -> Any:
    """The table for the terminal; everything in it is conjectured."""
    about = dataset.attrs
    made = blank.table(
        ("n/d^2", "branch", "q2", "qw", "Bayes", "rows not found", "I/(kd)", "I/n"),
        f"two-layer {about['activation']} teacher, k/d = {about['width_ratio']}, "
        f"noise {about['noise']}, v = {about['rows']}, {about['prior']} rows",
        caption="q2: overlap with the quadratic part; qw: with the rows of the first layer; Bayes: "
        "optimal error on a fresh noisy output; rows not found: what known algorithms reach; I: "
        f"information of network and data, nats. {about['status']}.",
        padding=0,
    )
    noise = float(about["noise"])
    for i, alpha in enumerate(dataset["alpha"].values):
        at = {k: float(v[i]) for k, v in dataset.items() if v.dims == ("alpha",)}
        made.add_row(
            f"{alpha:g}",
            "specialised" if at["branch"] else "universal",
            f"{at['q2']:.5f}",
            f"{at['q_w']:.5f}",
            f"{at['generalization_error']:.5f}",
            f"{at['mmse_universal'] + noise:.5f}",
            f"{at['mi_per_parameter']:.5f}",
            f"{at['mi_per_sample']:.5f}",
        )
    return made


def quadratic_figure(dataset: xarray.Dataset) -> Any:
    """Error and information along the curve."""
    made, (left, right) = blank.figure((9, 3.8), 1, 2)
    alpha, noise = dataset["curve_alpha"], float(dataset.attrs["noise"])
    left.plot(alpha, dataset["curve_generalization_error"], color="#0072B2", label="Bayes-optimal")
    left.plot(
        alpha,
        dataset["curve_mmse_universal"] + noise,
        "--",
        color="#D55E00",
        label="rows not found",
    )
    left.set_ylabel("error on a fresh output (squared output)")
    right.plot(alpha, dataset["curve_mi_per_parameter"], color="#0072B2", label="a parameter")
    right.plot(alpha, dataset["curve_mi_per_sample"], "--", color="#009E73", label="a sample")
    right.set_ylabel("information of network and data (nats)")
    for ax in (left, right):
        log_axis(ax)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("samples per squared dimension, n/d$^2$ (conjectured)")
        ax.legend(frameon=False)
    return made


_VIEWS = {
    "bayes limits": (linear_table, linear_figure),
    "quadratic limits": (quadratic_table, quadratic_figure),
}

"""`ibjax limits --regime quadratic`: limits of two-layer teachers at n = alpha d^2."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ibjax.cli import exporting
from ibjax.cli.terminal import console, prepare_devices, print_whole

if TYPE_CHECKING:
    import xarray

    from ibjax.cli.limits import Limits


def execute(command: "Limits") -> None:
    """Solve, print the table, write the results and the picture."""
    from ibjax import files

    check(command)
    prepare_devices(command.cache)
    dataset = solve(command)
    out = console()
    print_whole(out, table(dataset))
    exporting.write_table(command.table, *exporting.numbers(dataset, "alpha"))
    files.write(dataset, command.out)
    picture = command.out.with_suffix(".png")
    files.save_figure(figure(dataset), picture)
    out.print(f"results: {command.out}", soft_wrap=True)
    out.print(f"picture: {picture}", soft_wrap=True)


def check(command: "Limits") -> None:
    """Refuse options that mean nothing at n ~ d^2, and a noise of zero."""
    if command.readout not in ("sign", "identity"):
        raise ValueError(
            f"readout={command.readout} has no limit at n ~ d^2: the output is observed with "
            "noise; leave --readout out"
        )
    if command.depth != 1:
        raise ValueError(f"depth={command.depth}: the quadratic regime has one hidden layer")
    for name in ("dimension", "width"):
        if getattr(command, name) is not None:
            raise ValueError(f"{name} says nothing in the quadratic regime; give --width-ratio")
    if not command.noise > 0:
        raise ValueError(f"noise={command.noise} must be positive in the quadratic regime")
    if not 0 < command.width_ratio < float("inf"):
        raise ValueError(f"width_ratio={command.width_ratio} must be a positive number, k/d")


def solve(command: "Limits") -> "xarray.Dataset":
    """Limits at the table's alphas and along the curve, with units and kinds."""
    import jax
    import numpy as np
    import xarray

    from ibjax import teacher

    rows = np.unique(np.asarray(command.alpha, float))
    ends = (rows[0], rows[-1]) if len(rows) > 1 else (rows[0] / 10, rows[0] * 10)
    curve = np.geomspace(*ends, command.points)
    with jax.enable_x64(True):
        found = teacher.quadratic_limits(
            command.activation,
            np.concatenate([rows, curve]),
            width_ratio=command.width_ratio,
            noise=command.noise,
            readout=command.rows,
            prior=command.prior,
        )
    variables: dict[str, Any] = {}
    for name in UNITS:
        about = {"units": UNITS[name], "kind": "conjectured"}
        values = np.asarray(getattr(found, name))
        variables[name] = ("alpha", values[: len(rows)], about)
        variables[f"curve_{name}"] = ("curve_alpha", values[len(rows) :], about)
    shown = {k: str(v) for k, v in asdict(command).items() if k not in ("out", "table", "cache")}
    return xarray.Dataset(
        variables,
        {"alpha": rows, "curve_alpha": curve},
        {"what": "quadratic limits", "status": found.status} | shown,
    )


UNITS = {
    "q2": "1",
    "q_w": "1",
    "generalization_error": "squared output",
    "mi_per_parameter": "nat",
    "mi_per_sample": "nat",
    "branch": "1",
    "mmse": "squared output",
    "mmse_universal": "squared output",
    "mmse_specialised": "squared output",
    "mi_universal": "nat",
    "mi_specialised": "nat",
}
"""What is stored, and its units."""


def table(dataset: "xarray.Dataset") -> Any:
    """The table for the terminal; everything in it is conjectured."""
    from rich import box
    from rich.table import Table

    about = dataset.attrs
    made = Table(
        box=box.SIMPLE_HEAD,
        title=f"two-layer {about['activation']} teacher, k/d = {about['width_ratio']}, "
        f"noise {about['noise']}, v = {about['rows']}, {about['prior']} rows",
        caption="q2: overlap with the quadratic part; qw: with the rows of the first layer; Bayes: "
        "optimal error on a fresh noisy output; rows not found: what known algorithms reach; I: "
        f"information of network and data, nats. {about['status']}.",
        title_justify="left",
        caption_justify="left",
        padding=0,
    )
    headings = ("n/d^2", "branch", "q2", "qw", "Bayes", "rows not found", "I/(kd)", "I/n")
    for heading in headings:
        made.add_column(heading, justify="right", no_wrap=True)
    noise = float(about["noise"])
    for i, alpha in enumerate(dataset["alpha"].values):
        at = {name: float(dataset[name][i]) for name in UNITS}
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


def figure(dataset: "xarray.Dataset") -> Any:
    """Error and information along the curve."""
    from ibjax.cli.limits import log_axis
    from ibjax.report import blank

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

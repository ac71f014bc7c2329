"""Bayes-optimal limits from n ~ d to n ~ d^2: what no learner of a two-layer teacher can beat.

Known values of the quadratic regime are recomputed: those of the authors' code for polynomial
activations, and thresholds where rows of the teacher can be found. The picture joins the limit at
n ~ d, where the linear part is learnt, to that at n ~ d^2 on one axis.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray

from ibjax import blank, teacher
from ibjax.reproduce.outcome import Log, Outcome, record, viewer

HE2, HE23 = (0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 6**-0.5)
RATIO, NOISE = 0.5, 0.1


class Known(NamedTuple):
    """A value of the quadratic regime, and where it is from."""

    what: str
    value: float
    source: str
    digits: int


class Row(NamedTuple):
    """Ours beside it."""

    known: Known
    ours: float


def points(quick: bool) -> list[Row]:
    """Recompute the known values, float64."""
    code = "authors' code"
    with jax.enable_x64(True):
        he2 = teacher.quadratic_limits(HE2, 0.560086, width_ratio=RATIO, noise=1.25)
        signed = teacher.quadratic_limits(
            HE23, [0.2, 0.4], width_ratio=RATIO, noise=1.25, readout="signed"
        )
        relu = teacher.quadratic_limits("relu", 7.92, width_ratio=RATIO, noise=NOISE)
        rows = [
            Row(Known("He2, q2, n/d^2 = 0.560086", 0.4877720060, code, 6), float(he2.q2)),
            Row(Known("He2, error", 0.5122279940, code, 6), float(he2.mmse)),
            Row(
                Known("He2, information a parameter", 0.2567415740, code, 6),
                float(he2.mi_per_parameter),
            ),
            Row(Known("He2 + He3/6, v = +-1, q2, 0.2", 0.159651170, code, 5), float(signed.q2[0])),
            Row(Known("the same, 0.4", 0.307181997, code, 5), float(signed.q2[1])),
            Row(Known("relu, error, 7.92", 0.007283014, "own, independent", 8), float(relu.mmse)),
            Row(Known("relu, row overlap", 0.942128264, "own, independent", 8), float(relu.q_w)),
        ]
        found = [("He2 + He3/6", HE23, 1.25, 3.47354)]
        if not quick:
            found += [("relu", "relu", NOISE, 5.53608), ("tanh", "tanh", NOISE, 3.73148)]
        for name, activation, noise, value in found:
            ours = teacher.quadratic_threshold(activation, width_ratio=RATIO, noise=noise)
            known = Known(f"{name}, rows found above n/d^2 =", value, "own, independent", 5)
            rows.append(Row(known, float(ours)))
    return rows


def curves(quick: bool) -> xarray.Dataset:
    """Both regimes for the rectifier: Bayes error and information a sample."""
    count = 9 if quick else 60
    linear = np.geomspace(0.1, 300, 4 * count)
    quadratic = np.geomspace(0.02, 20, count)
    with jax.enable_x64(True):
        first = teacher.bayes_limits("identity", linear, activation="relu", noise=NOISE)
        second = teacher.quadratic_limits("relu", quadratic, width_ratio=RATIO, noise=NOISE)
    exact, guess = {"kind": "exact"}, {"kind": "conjectured"}
    variables: dict[str, Any] = {
        "linear_error": ("linear_alpha", np.asarray(first.generalization_error), exact),
        "linear_information": ("linear_alpha", np.asarray(first.mi_per_sample), exact),
    }
    for name in ("mmse", "mmse_universal", "mmse_specialised"):
        values = np.asarray(getattr(second, name)) + NOISE
        variables[f"quadratic_{name}"] = ("alpha", values, guess)
    for name in ("mi_per_sample", "mi_per_parameter", "q2", "q_w", "branch"):
        variables[f"quadratic_{name}"] = ("alpha", np.asarray(getattr(second, name)), guess)
    return xarray.Dataset(
        variables,
        {"linear_alpha": linear, "alpha": quadratic},
        {"status": second.status, "noise": NOISE, "width_ratio": RATIO}
        | {"floor": float(teacher.activation_constants("relu").eps) + NOISE},
    )


def run(folder: Path, quick: bool, log: Log) -> Outcome:
    """The table of known values and the picture of both regimes."""
    log(f"two-layer teachers, k/d = {RATIO}: known values of the limit n ~ d^2")
    rows = points(quick)
    dataset = curves(quick).assign_coords(quantity=[row.known.what for row in rows])
    dataset["ours"] = ("quantity", [row.ours for row in rows])
    dataset["known"] = ("quantity", [row.known.value for row in rows])
    dataset["known_digits"] = ("quantity", [row.known.digits for row in rows])
    dataset["known_source"] = ("quantity", [row.known.source for row in rows])
    return record(dataset, folder / "extensive-width.nc", "extensive-width", view)


def table(dataset: xarray.Dataset) -> Any:
    """Ours beside the known values."""
    made = blank.table(
        ("quantity", "ours", "known", "source"),
        "Bayes-optimal limits at n ~ d^2 (conjectured)",
        caption="authors' code: spline tables, five to six digits. Own, independent: another "
        "program and method of ours.",
        left=("quantity", "source"),
        wrap=True,
    )
    for name in dataset["quantity"].values:
        row = dataset.sel(quantity=name)
        digits = int(row["known_digits"]) + 1
        ours, known = (f"{float(row[k]):.{digits}f}" for k in ("ours", "known"))
        made.add_row(str(name), ours, known, str(row["known_source"].values))
    return made


def figure(dataset: xarray.Dataset) -> Any:
    """Bayes error over n/d, then over n/d^2 from the floor on which the first ends."""
    made, (left, right) = blank.figure((10, 4), 1, 2, sharey=True)
    draw_linear(dataset, left)
    draw_quadratic(dataset, right)
    return made


def draw_linear(dataset: xarray.Dataset, ax: Any = None) -> Any:
    """Draw the Bayes error at n ~ d."""
    ax = blank.axes(ax)
    ax.semilogx(dataset["linear_alpha"], dataset["linear_error"], color="#0072B2", label="exact")
    ax.axhline(dataset.attrs["floor"], color="0.5", linestyle=":", label="where n ~ d$^2$ begins")
    ax.set_xlabel("samples per input dimension, n/d")
    ax.set_ylabel("Bayes error on a fresh output")
    ax.legend(frameon=False)
    return ax


def draw_quadratic(dataset: xarray.Dataset, ax: Any = None) -> Any:
    """Draw the Bayes error at n ~ d^2 and both branches."""
    ax = blank.axes(ax)
    alpha = dataset["alpha"]
    ax.semilogx(alpha, dataset["quadratic_mmse"], color="#0072B2", label="optimum (conjectured)")
    ax.semilogx(
        alpha,
        dataset["quadratic_mmse_universal"],
        "--",
        color="#D55E00",
        label="rows not found: what algorithms reach",
    )
    ax.axhline(dataset.attrs["floor"], color="0.5", linestyle=":")
    ax.axhline(dataset.attrs["noise"], color="0.8", linewidth=0.8)
    ax.set_xlabel("samples per squared dimension, n/d$^2$")
    ax.legend(frameon=False)
    return ax


view = viewer(table, figure)
"""Table and picture of what was stored."""

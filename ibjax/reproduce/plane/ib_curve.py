"""Known points of the bottleneck curve and of its dual, and the curve of the noisy symmetric rule.

Ours beside values known in closed form or computed independently: a 5 x 3 joint, a binary symmetric
channel (Mrs Gerber's lemma), a Gaussian pair with canonical correlations 0.9, 0.6, 0.3.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray

from ibjax import blank, bottleneck
from ibjax.reproduce.outcome import Log, Outcome, View, record

P_X = np.array([0.15, 0.25, 0.20, 0.25, 0.15])
ROWS = np.array(
    [[0.8, 0.15, 0.05], [0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.1, 0.3, 0.6], [0.05, 0.15, 0.8]]
)
JOINT = P_X[:, None] * ROWS
BSC = np.array([[0.45, 0.05], [0.05, 0.45]])
GAUSSIAN = np.block([[np.eye(3), np.diag([0.9, 0.6, 0.3])], [np.diag([0.9, 0.6, 0.3]), np.eye(3)]])
# beta as a multiple of the local critical one: I(X;T), I(T;Y)
IB = {
    1.1: (0.1573354503, 0.0665437321),
    1.5: (0.4164353953, 0.1582115502),
    2.0: (0.5198651014, 0.1851039752),
    3.0: (0.7800209749, 0.2308661790),
    5.0: (1.0000101898, 0.2573811732),
    100.0: (1.5808051255, 0.2731229520),
}
DUAL = {
    1.1: (0.0727701504, 0.0314821010),
    1.5: (0.2787343524, 0.1126489197),
    2.0: (0.4192614287, 0.1588565323),
    5.0: (0.8606410164, 0.2419068011),
    100.0: (1.5614020997, 0.2730078917),
}
BINARY = {2.0: (0.4827303826, 0.2822729836), 3.0: (0.6577625913, 0.3580764777)}
NORMAL = {
    2.0: (0.7250050878, 0.4837920131),
    5.0: (1.8236173764, 0.8303656034),
    50.0: (5.1182359979, 1.0703604335),
}


TABLES: dict[bottleneck.Form, dict[float, tuple[float, float]]] = {"ib": IB, "dual": DUAL}


class Row(NamedTuple):
    """One point: ours beside the known one, nats."""

    problem: str
    beta: float
    ours: tuple[float, float]
    known: tuple[float, float]


def points() -> list[Row]:
    """Every known point, recomputed in float64."""
    out = []
    with jax.enable_x64(True):
        for form, known in TABLES.items():
            critical = float(bottleneck.critical_beta(JOINT, form=form))
            betas = critical * np.array(list(known))
            got = bottleneck.curve(JOINT, betas, form=form, max_iterations=20_000)
            name = "5 x 3" + (", dual" if form == "dual" else "")
            for i, (beta, point) in enumerate(zip(betas, known.values())):
                out.append(Row(name, beta, (float(got.i_tx[i]), float(got.i_ty[i])), point))
        got = bottleneck.curve(BSC, np.array(list(BINARY)), 2)
        for i, (beta, point) in enumerate(BINARY.items()):
            ours = float(got.i_tx[i]), float(got.i_ty[i])
            out.append(Row("binary 0.1", beta, ours, point))
        for beta, point in NORMAL.items():
            found = bottleneck.gaussian_ib(GAUSSIAN, beta)
            out.append(Row("Gaussian", beta, (float(found.i_tx), float(found.i_ty)), point))
    return out


def noisy_rule(sharpness: float, betas: np.ndarray, restarts: int) -> Any:
    """Curves of the IB and its dual on the noisy 12-bit symmetric rule, and their crossings."""
    with jax.enable_x64(True):
        joint = bottleneck.symmetric_rule_joint(sharpness)
        return {
            form: bottleneck.curve(joint, betas, 16, form=form, restarts=restarts, tolerance=1e-8)
            for form in TABLES
        }


def run(folder: Path, quick: bool, log: Log) -> Outcome:
    """The table of known points; curves of the noisy symmetric rule in the picture."""
    log("known points of the curve, by alternating minimisation and in closed form")
    rows = points()
    sharpness = 0.5
    log(f"curves of the 12-bit symmetric rule with p(y=1|x) = sigmoid({sharpness} (score - 98.5))")
    with jax.enable_x64(True):
        joint = bottleneck.symmetric_rule_joint(sharpness)
        critical = {f: float(bottleneck.critical_beta(joint, form=f)) for f in TABLES}
    betas = np.geomspace(0.05, 200, 16 if quick else 70)
    curves = noisy_rule(sharpness, betas, 2 if quick else 4)
    known = ("point", "coordinate")
    columns: dict[str, Any] = {
        "problem": ("point", [r.problem for r in rows]),
        "known_beta": ("point", [r.beta for r in rows]),
        "ours": (known, [r.ours for r in rows]),
        "known": (known, [r.known for r in rows]),
        "critical_beta": ("form", [critical[form] for form in TABLES]),
    }
    for name in ("i_tx", "i_ty", "i_ty_decoder"):
        values = [np.asarray(getattr(curves[form], name), float) for form in TABLES]
        columns[name] = (("form", "beta"), np.stack(values))
    axes = {"beta": betas, "form": list(TABLES), "coordinate": ["I(X;T)", "I(T;Y)"]}
    found = xarray.Dataset(columns, axes, {"units": "nats", "sharpness": sharpness})
    return record(found, folder / "ib-curve.nc", "ib-curve", view)


def view(found: xarray.Dataset) -> View:
    """Ours beside the known points; both curves in the plane and against beta."""
    critical = {form: float(found.critical_beta.sel(form=form)) for form in TABLES}
    table = blank.table(
        ("problem", "beta", "I(X;T)", "known", "I(T;Y)", "known", "differ"),
        "nats; best of several starts, the Gaussian in closed form",
        caption="picture: the 12-bit symmetric rule with p(y=1|x) = sigmoid("
        f"{found.attrs['sharpness']:g} (score - 98.5)); critical beta {critical['ib']:.4f}, of the "
        f"dual {critical['dual']:.4f}; dashed: Y' is drawn from T by the dual's own decoder, so "
        "I(T;Y') may exceed the curve.",
        padding=0,
    )
    parts = (found[name].values for name in ("problem", "known_beta", "ours", "known"))
    for problem, beta, ours, known in zip(*parts):
        cells = (f"{c:.9f}" for pair in zip(ours, known) for c in pair)
        gap = np.abs(ours - known).max()
        table.add_row(str(problem), f"{beta:.5g}", *cells, f"{gap:.1e}")
    figure, (plane, against) = blank.figure((10, 4), 1, 2)
    looks = {"ib": ("#0072B2", "o", "IB"), "dual": ("#D55E00", "", "dual, Bayes decoder")}
    for form, (colour, marker, label) in looks.items():
        f = found.sel(form=form)
        plane.plot(f.i_tx, f.i_ty, color=colour, marker=marker, ms=3, label=label)
        against.semilogx(f.beta, f.i_ty, color=colour, marker=marker, ms=3, label=label)
        against.axvline(float(f.critical_beta), color=colour, linestyle=":")
    dual = found.sel(form="dual")
    look = {"color": "#009E73", "linestyle": "--"}
    plane.plot(dual.i_tx, dual.i_ty_decoder, **look, label="dual, its own decoder")
    plane.set_xlabel("I(X;T) [nats]")
    plane.set_ylabel("I(T;Y) [nats]")
    against.set_xlabel("beta (dotted: local critical values)")
    against.set_ylabel("I(T;Y) [nats]")
    plane.legend(frameon=False)
    return View(table, figure)

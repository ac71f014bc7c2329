"""Bayes-optimal limits of teacher networks as data sets: at some sizes, and along a curve."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import xarray

from ibjax import teacher
from ibjax.teacher.constants import activation_function
from ibjax.teacher.free_convolution import RowReadout
from ibjax.teacher.priors import PriorName

SMOOTH = ("tanh", "erf", "sin", "sigmoid")
"""Bounded smooth readouts that have a name."""

_QUADRATIC = {
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
"""What is stored at n ~ d^2, and its units."""


def linear(
    alpha: Sequence[float],
    points: int,
    *,
    activation: str,
    readout: str,
    noise: float,
    depth: int,
    prior: str,
    dimension: int | None,
    width: int | None,
) -> xarray.Dataset:
    """Limits at n = alpha d, with units and kinds; see `teacher.bayes_limits`.

    Args:
        alpha: samples per input dimension, the rows of the table and the ends of the curve.
        points: of the curve, evenly spaced in log alpha.
        activation: of the teacher.
        readout: what is observed of its output.
        noise: added to the output, or inside the sign.
        depth: hidden layers of the teacher.
        prior: law of the linear vector.
        dimension: input dimension of a network in hand, for the scale of its distance.
        width: its hidden units; infinitely many if None.
    """
    rows, curve = _grid(alpha, points)
    with jax.enable_x64(True):
        rho, eps, bias = teacher.activation_constants(activation, depth=depth)
        model: Any = {"rho": rho, "eps": eps, "noise": noise, "prior": prior}
        seen = activation_function(readout) if readout in SMOOTH else readout
        found = teacher.bayes_limits(seen, np.concatenate([rows, curve]), **model)
        marks = teacher.thresholds(seen, **model)
        d, p = dimension or np.nan, width or np.inf
        scale = teacher.rate_scale(rows * d, d, p).value if dimension else rows * np.nan
    error = "probability" if readout == "sign" else "squared output"
    units = {"q": "1", "q_algorithmic": "1", "mmse": "1", "snr": "1", "hard": "1"}
    units |= {k: "nat" for k in ("mi_per_sample", "vector_mi_per_sample", "next_sample_mi")}
    units["free_entropy"] = "nat"
    variables: dict[str, Any] = {}
    for name, values in found._asdict().items():
        values = np.asarray(values).astype("int8" if name == "hard" else float)
        about = {"units": units.get(name, error), "kind": "exact"}
        variables |= _both(name, values, len(rows), about)
    variables["rate_scale"] = ("alpha", np.asarray(scale), {"units": "nat", "kind": "diagnostic"})
    for name in ("weak_recovery", "information_theoretic", "algorithmic"):
        about = {"units": "samples per dimension", "kind": "exact"}
        variables[f"threshold_{name}"] = ((), float(getattr(marks, name)), about)
    constants = {"rho": float(rho), "eps": float(eps), "bias": float(bias)}
    exact = "of the equivalent linear model as d grows at fixed n/d; no certificate at finite size"
    attributes = {"what": "bayes limits", "exact": exact} | constants
    return xarray.Dataset(variables, {"alpha": rows, "curve_alpha": curve}, attributes)


def quadratic(
    alpha: Sequence[float],
    points: int,
    *,
    activation: str,
    noise: float,
    width_ratio: float,
    rows: RowReadout,
    prior: PriorName,
) -> xarray.Dataset:
    """Limits at n = alpha d^2, all conjectured; see `teacher.quadratic_limits`.

    Args:
        alpha: as in `linear`, by the square of the dimension.
        points: of the curve.
        activation: of the teacher.
        noise: of its output.
        width_ratio: hidden units by input dimension.
        rows: weights of the hidden units, "ones" or "signed".
        prior: law of the rows of the first layer.
    """
    places, curve = _grid(alpha, points)
    with jax.enable_x64(True):
        found = teacher.quadratic_limits(
            activation,
            np.concatenate([places, curve]),
            width_ratio=width_ratio,
            noise=noise,
            readout=rows,
            prior=prior,
        )
    variables: dict[str, Any] = {}
    for name, units in _QUADRATIC.items():
        about = {"units": units, "kind": "conjectured"}
        variables |= _both(name, np.asarray(getattr(found, name)), len(places), about)
    attributes = {"what": "quadratic limits", "status": found.status}
    return xarray.Dataset(variables, {"alpha": places, "curve_alpha": curve}, attributes)


def _grid(alpha: Sequence[float], points: int) -> tuple[np.ndarray, np.ndarray]:
    """The sizes asked for, each once, and a curve between the ends or around the only one."""
    rows = np.unique(np.asarray(alpha, float))
    ends = (rows[0], rows[-1]) if len(rows) > 1 else (rows[0] / 10, rows[0] * 10)
    return rows, np.geomspace(*ends, points)


def _both(name: str, values: np.ndarray, count: int, about: dict[str, str]) -> dict[str, Any]:
    """A quantity at the sizes asked for, and along the curve."""
    return {
        name: ("alpha", values[:count], about),
        f"curve_{name}": ("curve_alpha", values[count:], about),
    }

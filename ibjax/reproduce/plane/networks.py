"""The information plane of the 12-bit symmetric rule: tanh, ReLU and linear networks.

Measured with the published cells and with added noise, beside the course known for this network
(batch 512, Adam 4e-4, eight replicas of our own): the compression of the tanh network follows the
saturation of its units, and the hidden layers of the others do not compress.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray

from ibjax import bottleneck
from ibjax.reproduce.outcome import Log, Outcome, View, record, settled
from ibjax.reproduce.plane.narrowing import EDGES, NAMES, Course, train
from ibjax.reproduce.plane.verdicts import ACTIVATIONS, verdicts
from ibjax.reproduce.plane.view import figure, tables

NOISE = 1e-3**0.5
CHECKPOINTS = (0, 30, 100, 400, 1000, 3000, 8000)


@dataclass(frozen=True)
class Options:
    """Size of the experiment."""

    epochs: int = 3000
    """Epochs of training; 8000 were published, the compression shows from 1000 on."""
    replicas: int = 4
    """Networks of each kind, with their own weights and splits."""


def measure(course: Course, labels: Any, activation: str) -> dict[str, np.ndarray]:
    """Coordinates in bits, (layer, replica, checkpoint), by cells and by noise.

    The cells are the published ones for tanh; else they follow the range of the layer, and those
    between the published edges are kept apart.
    """
    edges = bottleneck.plane(course.layers, labels, method="edges", bins=EDGES)
    cells = edges
    if activation != "tanh":
        cells = bottleneck.plane(course.layers, labels, method="adaptive", bins=EDGES)
    noise = bottleneck.plane(course.layers, labels, method="kde", std=NOISE)
    bits = {
        "cells_x": cells.i_tx,
        "cells_y": cells.i_ty,
        "edges_x": edges.i_tx,
        "noise_x": noise.i_tx,
        "noise_y": noise.i_ty,
    }
    return {k: np.asarray(v) / math.log(2) for k, v in bits.items()}


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train, measure, judge; a table, a results file and a picture."""
    options = settled(options, quick, Options(epochs=100, replicas=1))
    found = experiment(options.epochs, options.replicas, log)
    return record(found, folder / "information-plane.nc", "information-plane", view)


def view(found: xarray.Dataset) -> View:
    """Numbers and acceptance tests; courses through the plane."""
    return View(tables(found, verdicts(found), int(found.epoch[-1])), figure(found))


def experiment(epochs: int, replicas: int, log: Log) -> xarray.Dataset:
    """Train and measure every kind of network."""
    rule = bottleneck.symmetric_rule()
    checkpoints = sorted({e for e in CHECKPOINTS if e < epochs} | {epochs})
    parts: dict[str, list[np.ndarray]] = {}
    for i, activation in enumerate(ACTIVATIONS):
        course = train(
            jax.random.key(i), rule.x, rule.y, activation, checkpoints, replicas=replicas, log=log
        )
        got = measure(course, rule.y, activation)
        t5 = np.abs(course.layers["T5"])
        got["saturated"] = (
            np.mean(t5 > 0.9, axis=(2, 3))
            if activation == "tanh"
            else (np.full(t5.shape[:2], np.nan))
        )
        got["train_accuracy"] = np.asarray(course.train_accuracy)
        got["test_accuracy"] = np.asarray(course.test_accuracy)
        for name, values in got.items():
            parts.setdefault(name, []).append(values)
    whole = ("activation", "replica", "epoch")
    layered = ("activation", "layer", "replica", "epoch")
    variables = {k: (layered if v[0].ndim == 3 else whole, np.stack(v)) for k, v in parts.items()}
    coords = {"activation": list(ACTIVATIONS), "layer": list(NAMES), "epoch": checkpoints}
    return xarray.Dataset(
        variables,
        coords,
        {"units": "bits", "noise_std": NOISE, "edges": EDGES, "rule": "12-bit symmetric rule"},
    )

"""Whether the course of a network through the information plane is the expected one."""

from typing import NamedTuple

import numpy as np
import xarray

from ibjax.reproduce.plane.narrowing import NAMES

ACTIVATIONS = ("tanh", "relu", "linear")


class Verdict(NamedTuple):
    """One statement about the course, what was measured and whether it holds."""

    name: str
    statement: str
    measured: str
    holds: bool


def verdicts(found: xarray.Dataset) -> list[Verdict]:
    """The acceptance tests of the experiment, on means over replicas."""
    mean = found.mean("replica")
    epochs = found.epoch.values

    def below(values: np.ndarray) -> np.ndarray:
        """How far below the running maximum along the last axis."""
        return np.maximum.accumulate(values, -1) - values

    def fall(values: np.ndarray) -> np.ndarray:
        return below(values).max(-1)

    hidden = list(NAMES[:5])
    t5 = mean.cells_x.sel(activation="tanh", layer="T5").values
    peak = epochs[int(t5.argmax())]
    wanted = 2.5 if epochs[-1] >= 3000 else 1.0
    learnt = mean.train_accuracy.sel(activation="relu").values >= 0.9
    middle = below(mean.noise_x.sel(activation="relu", layer=["T3", "T4"]).values)[:, learnt]
    plain = {a: fall(mean.noise_x.sel(activation=a, layer=hidden).values) for a in ACTIVATIONS[1:]}
    cut = {
        a: float(fall(mean.cells_x.sel(activation=a, layer=hidden).values).max())
        for a in ACTIVATIONS[1:]
    }
    out = {
        a: float(fall(mean.cells_x.sel(activation=a, layer="softmax").values))
        for a in ACTIVATIONS[:2]
    }
    about_y = {
        a: max(float(fall(mean[m].sel(activation=a).values).max()) for m in ("cells_y", "noise_y"))
        for a in ACTIVATIONS
    }
    first = float(mean.cells_x.sel(activation="tanh", layer="T1").min())
    return [
        Verdict(
            "a",
            f"tanh T5 in cells peaks by epoch 100, then falls by {wanted} bits",
            f"peak at {peak}, fall {t5.max() - t5[-1]:.2f}",
            bool(peak <= 100 and t5.max() - t5[-1] >= wanted),
        ),
        Verdict(
            "b",
            "relu T3, T4 with noise, from accuracy 0.9 on, stay within 1 bit of their maximum",
            f"falls {middle[0].max():.2f}, {middle[1].max():.2f}" if learnt.any() else "not yet",
            bool(learnt.any() and middle.max() <= 1),
        ),
        Verdict(
            "c",
            "no hidden relu or linear layer falls by more than 1 bit with noise",
            f"relu {plain['relu'].max():.2f}, linear {plain['linear'].max():.2f}"
            f" (in cells {cut['relu']:.2f}, {cut['linear']:.2f})",
            bool(max(v.max() for v in plain.values()) <= 1),
        ),
        Verdict(
            "d",
            "the softmax compresses in both tanh and relu (by 0.5 bits)",
            f"falls {out['tanh']:.2f}, {out['relu']:.2f}",
            min(out.values()) >= 0.5,
        ),
        Verdict(
            "e",
            "I(T;Y) of no tanh or relu layer falls by more than 0.1 bits",
            f"tanh {about_y['tanh']:.2f}, relu {about_y['relu']:.2f}"
            f" (linear {about_y['linear']:.2f})",
            max(about_y["tanh"], about_y["relu"]) <= 0.1,
        ),
        Verdict(
            "f",
            "tanh T1 keeps all 12 bits throughout",
            f"least {first:.3f}",
            first >= 11.99,
        ),
    ]

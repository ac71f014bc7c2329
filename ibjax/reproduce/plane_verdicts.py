"""Whether the course of a network through the information plane is the expected one."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ibjax.reproduce.narrowing import NAMES

if TYPE_CHECKING:
    import xarray

ACTIVATIONS = ("tanh", "relu", "linear")


class Verdict(NamedTuple):
    """One statement about the course, what was measured and whether it holds."""

    name: str
    statement: str
    measured: str
    holds: bool


def verdicts(found: "xarray.Dataset") -> list[Verdict]:
    """The acceptance tests of the experiment, on means over replicas."""
    mean = found.mean("replica")
    epochs = found.epoch.values
    accuracy = mean.train_accuracy

    def fall(values: np.ndarray) -> np.ndarray:
        """Largest fall below the running maximum along the last axis."""
        return (np.maximum.accumulate(values, -1) - values).max(-1)

    hidden = list(NAMES[:5])
    t5 = mean.cells_x.sel(activation="tanh", layer="T5").values
    peak = epochs[int(t5.argmax())]
    wanted = 2.5 if epochs[-1] >= 3000 else 1.0
    late = [
        float(
            fall(
                mean.noise_x.sel(activation="relu", layer=n).values[
                    accuracy.sel(activation="relu").values >= 0.9
                ]
            )
        )
        if (accuracy.sel(activation="relu") >= 0.9).any()
        else 0.0
        for n in ("T3", "T4")
    ]
    plain = {a: fall(mean.noise_x.sel(activation=a, layer=hidden).values) for a in ACTIVATIONS[1:]}
    cut = {
        a: float(fall(mean.cells_x.sel(activation=a, layer=hidden).values).max())
        for a in ACTIVATIONS[1:]
    }
    out = {
        a: float(fall(mean.cells_x.sel(activation=a, layer="softmax").values))
        for a in ACTIVATIONS[:2]
    }
    about_y = max(float(fall(mean[m].values).max()) for m in ("cells_y", "noise_y"))
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
            "relu T3, T4 with noise stay within 1 bit of their running maximum",
            f"falls {late[0]:.2f}, {late[1]:.2f}",
            max(late) <= 1,
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
            "I(T;Y) falls nowhere by more than 0.1 bits",
            f"largest fall {about_y:.3f}",
            about_y <= 0.1,
        ),
        Verdict(
            "f",
            "tanh T1 keeps all 12 bits throughout",
            f"least {first:.3f}",
            first >= 11.99,
        ),
    ]

"""Pictures of the information plane."""

from typing import TYPE_CHECKING

import numpy as np

from ibjax.bottleneck.kernel_entropies import MEASURES
from ibjax.bottleneck.record import Plane
from ibjax.signatures import enforced

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SATURATED = 0.01
"""Share of log n within which a layer counts as telling every input from the others."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#555555")


@enforced
def draw(plane: Plane, ax: "Axes | None" = None) -> "Axes":
    """Each layer's way through the plane, nats: the mean over replicas, a ring where it ends.

    Dashed lines mark what neither axis can pass, log n and H(Y). Where every layer lies on the
    first at all times the picture says so: every input is told from the others, and the place
    on the axis says nothing of the network.

    The last axis of the fields is taken for checkpoints, those before it for replicas. What the
    horizontal axis measures is its label; for "kde" a line runs to the lower bound.

    Args:
        plane: coordinates, (layers,), (layers, checkpoints) or (layers, ..., checkpoints).
        ax: where to draw; a new figure's by default.

    Returns:
        The axes.
    """
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(5.5, 4), layout="constrained").subplots()
    for i, name in enumerate(plane.names):
        x, low, y = (_course(v[i]) for v in (plane.i_tx, plane.i_tx_lower, plane.i_ty))
        colour = _COLOURS[i % len(_COLOURS)]
        ax.plot(x, y, "-", color=colour, marker="o", markersize=3, linewidth=1, label=name)
        ax.plot(x[-1], y[-1], "o", markersize=9, markerfacecolor="none", color=colour)
        if np.isfinite(low[-1]):
            ax.plot([low[-1], x[-1]], [y[-1], y[-1]], ":", color=colour, linewidth=1)
    resolution = np.unique(np.asarray(plane.resolution).round(6))
    one = len(resolution) == 1
    size = f"{resolution[0]:.3g}" if one else "of varying width"
    width = f"kernel width {size}" if one else "one kernel width a layer"
    label = {
        "kde": f"bound on I(X; T + noise) [nats], noise std {size}",
        "propagation": f"I(X;T) [nats], noise std {size}",
    }
    kernel = {
        "renyi": ("matrix-based S(T) [nats]", "matrix-based S(T)+S(Y)-S(T,Y) [nats]"),
        "total_correlation": ("matrix-based TC of units [nats]", "S(T)+S(Y)-S(T,Y) [nats]"),
        "hsic": ("HSIC(X,T)", "HSIC(T,Y)"),
        "cka": ("CKA(X,T)", "CKA(T,Y)"),
    }
    across, up = kernel.get(plane.method, ("", "I(T;Y) of the same [nats]"))
    if across:
        across += f", {width}; no information"
    ax.set_xlabel(across or label.get(plane.method, f"entropy of cells [nats], cells {size}"))
    ax.set_ylabel(up)
    _ceilings(plane, ax)
    ax.legend(frameon=False, fontsize=9)
    return ax


def _ceilings(plane: Plane, ax: "Axes") -> None:
    """Lines at log n and H(Y) with axes that reach from 0 to them."""
    most, entropy = float(np.asarray(plane.log_n)), float(np.asarray(plane.label_entropy))
    if plane.method in MEASURES or not np.isfinite(most) or not np.isfinite(entropy):
        return  # measures of kernels are on a scale of their own
    across, up = np.asarray(plane.i_tx, float), np.asarray(plane.i_ty, float)
    ax.set_xlim(min(0.0, np.nanmin(across)), 1.06 * max(most, np.nanmax(across)))
    ax.set_ylim(min(0.0, np.nanmin(up)), 1.15 * max(entropy, np.nanmax(up), 1e-3))
    grey = {"color": "0.5", "linewidth": 0.8, "linestyle": "--", "zorder": 0}
    ax.axvline(most, **grey)
    ax.axhline(entropy, **grey)
    words = {"color": "0.35", "fontsize": 9}
    ax.annotate(
        "log n ", (most, 0.02), xycoords=ax.get_xaxis_transform(), ha="right", va="bottom", **words
    )
    ax.annotate(" H(Y)", (0.0, entropy), xycoords=ax.get_yaxis_transform(), va="bottom", **words)
    if np.nanmin(across) >= (1 - SATURATED) * most:
        text = "saturated: every input is told from the others"
        ax.annotate(text, (0.5, 0.5), xycoords="axes fraction", ha="center", **words)


def _course(values) -> np.ndarray:
    """Mean over all axes but the last."""
    v = np.atleast_1d(np.asarray(values))
    return v.reshape(-1, v.shape[-1]).mean(axis=0)

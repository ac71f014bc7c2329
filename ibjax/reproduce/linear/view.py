"""Table and picture of the linear classifier."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from ibjax import blank
from ibjax.reproduce.linear.measures import EACH, MEASURED, POOLED
from ibjax.reproduce.outcome import bound_text

if TYPE_CHECKING:
    from ibjax.reproduce.linear.classifier import Options

ORDERS = (
    ("ld-CMI", "e-CMI"),
    ("e-CMI", "f-CMI"),
    ("ld-MI", "e-MI"),
    ("single loss, centred", "e-MI"),
)
"""Smaller and larger: theorems for the plug-ins themselves, by data processing in every table."""


def table(found: xarray.Dataset, options: "Options") -> Any:
    """Training error, gap and bounds with standard errors, and whether the proved orders hold."""
    out = blank.table(
        ("quantity", *(f"n = {n}" for n in found.n.values)),
        f"softmax regression, {options.classes} classes, separation {options.separation:g}, "
        f"{options.supersamples} x {options.masks} trainings",
        caption=caption(found, options),
        left=("quantity",),
    )
    numbers = _numbers(found)
    limits = [1 - each["training error"][0] for each in numbers]
    groups = {"": MEASURED, "one table a pair": POOLED, "one a pair and supersample": EACH}
    for title, names in groups.items():
        if title:
            out.add_row(f"bounds, {title}:")
        for name in names:
            limit = [math.inf] * len(numbers) if name in MEASURED else limits
            cells = [bound_text(*each[name], limit=top) for each, top in zip(numbers, limit)]
            out.add_row(name if name in MEASURED else f"  {name}", *cells)
        out.add_section()
    out.add_row("proved orders", *map(_verdict, numbers))
    return out


def caption(found: xarray.Dataset, options: "Options") -> str:
    """What the numbers are."""
    ceiling = math.log(2) - 1 / (2 * options.masks)
    orders = ", ".join(f"{a} <= {b}" for a, b in ORDERS)
    text = (
        "Estimates ± standard error over supersamples (of one table a pair: jackknife). Training "
        "error and gap (test minus training error) are unbiased. Bounds are plug-ins: they use the "
        "test labels and certify nothing, and are biased up near zero information and down near "
        f"log 2 = 0.693 nats, of which tables of {options.masks} masks show about {ceiling:.3f} at "
        f"most. Proved orders, of the plug-ins themselves: {orders}; no other order is a theorem. "
        "No numbers are published, only curves."
    )
    for n, bad, whole in zip(found.n.values, found.diverged.values, found.trainings.values):
        if bad:
            text += f" n = {n}: {bad} of {whole} trainings diverged, left out."
    return text


def broken(numbers: dict[str, tuple[float, float]]) -> list[str]:
    """The proved orders that do not hold at one size; none unless something is wrong."""
    return [f"{a} > {b}" for a, b in ORDERS if numbers[a][0] > numbers[b][0] + 1e-6]


def _verdict(numbers: dict[str, tuple[float, float]]) -> str:
    if not all(math.isfinite(value) for value, _ in numbers.values()):
        return "nothing trained"
    return "; ".join(broken(numbers)) or "hold"


def _numbers(found: xarray.Dataset) -> list[dict[str, tuple[float, float]]]:
    """Value and standard error of every quantity, by size."""
    names = found.quantity.values.tolist()
    pairs = np.stack([found.value.values, found.std_error.values], axis=-1)
    return [dict(zip(names, map(tuple, row.tolist()))) for row in pairs]


STYLES = {
    "gap": ("#000000", "o"),
    "single loss, published": ("#D55E00", "s"),
    "single loss, centred": ("#E69F00", "D"),
    "fast rate": ("#009E73", "v"),
    "pair JS": ("#CC79A7", "^"),
    "ld-MI": ("#0072B2", "P"),
    "e-MI": ("#56B4E9", "*"),
    "ld-CMI": ("#0072B2", "P"),
    "e-CMI": ("#56B4E9", "*"),
    "f-CMI": ("#999999", "X"),
}


def figure(found: xarray.Dataset) -> Any:
    """Gap and bounds against n: tables of all supersamples left, of each one right.

    Equal values are drawn side by side: positions are spread a little by name.
    """
    out, (left, right) = blank.figure((10, 4.4), 1, 2, sharey=True)
    sizes, numbers = found.n.values, _numbers(found)
    titles = ("one table a pair", "one table a pair and supersample")
    for ax, names, title in zip((left, right), (POOLED, EACH), titles):
        for k, name in enumerate(("gap", *names)):
            colour, marker = STYLES[name]
            values, errors = np.array([each[name] for each in numbers]).T
            at = sizes * 1.035 ** (k - len(names) / 2)
            style = {"color": colour, "label": name, "markersize": 5, "linewidth": 1}
            ax.errorbar(at, values, np.nan_to_num(errors), fmt=marker + "-", **style)
        ax.set(xscale="log", xlabel="training examples n", title=title)
        ax.set_xlim(0.8 * sizes.min(), 1.25 * sizes.max())
        ax.set_xticks(sizes, [str(n) for n in sizes])
        ax.minorticks_off()
        ax.legend(
            title="measured gap and plug-in bounds,\n± standard error",
            title_fontsize=8,
            fontsize=8,
            frameon=False,
        )
    left.set_ylim(0, None)
    left.set_ylabel("test minus training error")
    return out

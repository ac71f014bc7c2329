"""Table and picture of the linear classifier."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax.reproduce.linear.measures import EACH, MEASURED, POOLED
from ibjax.reproduce.outcome import bound_text

if TYPE_CHECKING:
    import xarray

    from ibjax.reproduce.linear.classifier import Options

ORDERS = (
    ("ld-CMI", "e-CMI"),
    ("e-CMI", "f-CMI"),
    ("ld-MI", "e-MI"),
    ("single loss, centred", "e-MI"),
)
"""Smaller and larger: theorems for the plug-ins themselves, by data processing in every table."""


def table(found: "list[xarray.Dataset]", options: "Options") -> Any:
    """Training error, gap and bounds with standard errors, and whether the proved orders hold."""
    from rich import box
    from rich.table import Table

    out = Table(
        box=box.SIMPLE_HEAD,
        title=f"softmax regression, {options.classes} classes, separation {options.separation:g}, "
        f"{options.supersamples} x {options.masks} trainings",
        title_justify="left",
        caption=caption(found, options),
        caption_justify="left",
    )
    out.add_column("quantity", no_wrap=True)
    for one in found:
        out.add_column(f"n = {one.n}", justify="right", no_wrap=True)
    numbers = [_numbers(one) for one in found]
    limits = [1 - each["training error"][0] for each in numbers]
    groups = {"": MEASURED, "one table a pair": POOLED, "one a pair and supersample": EACH}
    for title, names in groups.items():
        if title:
            out.add_row(f"bounds, {title}:")
        for name in names:
            limit = [math.inf] * len(found) if name in MEASURED else limits
            cells = [bound_text(*each[name], limit=top) for each, top in zip(numbers, limit)]
            out.add_row(name if name in MEASURED else f"  {name}", *cells)
        out.add_section()
    out.add_row("proved orders", *map(_verdict, found))
    return out


def caption(found: "list[xarray.Dataset]", options: "Options") -> str:
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
    for one in found:
        if bad := int(one.diverged.sum()):
            text += f" n = {one.n}: {bad} of {one.diverged.size} trainings diverged, left out."
    return text


def broken(found: "xarray.Dataset") -> list[str]:
    """The proved orders that do not hold at one size; none unless something is wrong."""
    value = dict(zip(found.quantity.values.tolist(), found.value.values.tolist()))
    return [f"{a} > {b}" for a, b in ORDERS if value[a] > value[b] + 1e-6]


def _verdict(found: "xarray.Dataset") -> str:
    if not np.isfinite(found.value.values).all():
        return "nothing trained"
    return "; ".join(broken(found)) or "hold"


def _numbers(found: "xarray.Dataset") -> dict[str, tuple[float, float]]:
    pairs = zip(found.value.values.tolist(), found.std_error.values.tolist())
    return dict(zip(found.quantity.values.tolist(), pairs))


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


def figure(found: "list[xarray.Dataset]") -> Any:
    """Gap and bounds against n: tables of all supersamples left, of each one right.

    Equal values are drawn side by side: positions are spread a little by name.
    """
    from matplotlib.figure import Figure

    out = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = out.subplots(1, 2, sharey=True)
    sizes, numbers = np.array([one.n for one in found]), [_numbers(one) for one in found]
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

"""`ibjax bounds`: bounds on replicas trained elsewhere, from their saved losses and masks."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ibjax.cli import reading
from ibjax.cli.terminal import console, print_whole


@dataclass(frozen=True)
class Bounds:
    """Evaluate every applicable bound on replicas trained by any framework."""

    file: Annotated[Path, tyro.conf.Positional]
    """A .npz archive: `mask` (k1, k2, n) and `losses` (k1, k2, n, 2), or `predictions` of that
    shape with `labels` (k1, n, 2); optionally any other array of `ibjax.bounds.from_arrays`."""


def execute(command: Bounds) -> None:
    """Print the measured errors and gap, and one row a bound."""
    import jax
    from rich import box
    from rich.table import Table

    from ibjax import bounds
    from ibjax.report.summary import t_quantile

    arrays = reading.archive(command.file)
    with jax.enable_x64(True):
        evidence = bounds.from_arrays(arrays)
        now = bounds.at(evidence)
        errors = [
            ("train error", bounds.mean_over_replicas(now.train_error, now.diverged)),
            ("test error", bounds.mean_over_replicas(now.test_error, now.diverged)),
            ("gap", bounds.gap(now)),
        ]
        values = bounds.evaluate(evidence)
    k1, k2, n = evidence.mask.shape
    quantile = t_quantile(k1 if k1 > 1 else k2)
    table = Table(
        title=f"{command.file.name}: n = {n}, {k1} supersamples x {k2} masks",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for column in ("0-1 loss", "kind"):
        table.add_column(column)
    for column in ("value", "information / nat"):
        table.add_column(column, justify="right")
    for name, e in errors:
        table.add_row(name, "measured", _within(e.value, e.std_error, quantile), "")
    table.add_section()
    for name, b in values.items():
        if not bool(b.holds):
            continue
        vacuous = " vacuous" if bool(b.vacuous) else ""
        value = _within(b.value, b.std_error, quantile) + vacuous
        table.add_row(name, b.kind, value, f"{float(b.information):.4g}")
    out = console()
    print_whole(out, table)
    units = f"{k1} supersamples" if k1 > 1 else f"{k2} masks (one supersample)"
    out.print(f"± is a 95 % interval over {units}.")
    missing = [name for name, b in values.items() if not bool(b.holds)]
    if missing:
        out.print(f"Not applicable with these arrays: {', '.join(missing)}.", soft_wrap=True)
    if evidence.diverged.any():
        out.print(f"Diverged replicas, left out of every mean: {int(evidence.diverged.sum())}.")


def _within(value, std_error, quantile: float) -> str:
    value, error = float(value), quantile * float(std_error)
    return f"{value:.4f} ± {error:.4f}" if math.isfinite(error) and error > 0 else f"{value:.4f}"

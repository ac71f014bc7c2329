"""`ibjax bounds`: bounds on replicas trained elsewhere, from their saved losses and masks."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ibjax.cli import reading
from ibjax.cli.terminal import console, print_whole


@dataclass(frozen=True)
class Bounds:
    """Evaluate every applicable bound on replicas trained by any framework."""

    file: Annotated[Path, tyro.conf.Positional]
    """A .npz archive: `mask` (k1, k2, n) and `losses` (k1, k2, n, 2), or `predictions` of that
    shape with `labels` (k1, n, 2); optionally any other array of `ibjax.bounds.from_arrays`. Or
    `membership` and `losses`, both (models, examples): which model was trained on which example."""

    examples: int = 0
    """Print so many of the examples that are remembered most, with 95 % intervals."""


def execute(command: Bounds) -> None:
    """Print the measured errors and gap, and one row a bound beside its null."""
    if command.examples < 0:
        raise ValueError(f"--examples {command.examples} must be a count of examples")
    arrays = reading.archive(command.file)
    if "membership" in arrays:
        _pool(command, arrays)
    else:
        _supersamples(command, arrays)


def _supersamples(command: Bounds, arrays: dict[str, Any]) -> None:
    import jax
    import numpy as np

    from ibjax import bounds
    from ibjax.bounds.evidence import tabulated
    from ibjax.bounds.supersamples import mistakes, replica_tables

    evidence = bounds.from_arrays(arrays)
    now = bounds.at(evidence)
    train, test = bounds.replica_errors(now)
    with jax.enable_x64(True):
        everyone = np.zeros(train.shape, bool)
        errors = [
            ("train error", bounds.mean_over_replicas(train, everyone)),
            ("test error", bounds.mean_over_replicas(test, everyone)),
            ("gap", bounds.gap(now)),
        ]
        values, nulls = bounds.evaluate(now), bounds.row_nulls(now)
        losses = tabulated.losses(now)
        data, _ = replica_tables.prepare_losses(losses, now.mask, None)
        remarks = [
            *mistakes.backwards(train, test, masks="mask"),
            *replica_tables.remarks(data),
        ]
        table = bounds.remembered(losses, now.mask) if command.examples else None
    k1, k2, n = evidence.mask.shape
    title = f"{command.file.name}: n = {n}, {k1} supersamples x {k2} masks"
    _print(title, errors, values, nulls, k1 if k1 > 1 else k2, k2)
    out = console()
    units = f"{k1} supersamples" if k1 > 1 else f"{k2} masks (one supersample)"
    out.print(f"± is a 95 % interval over {units}.")
    if k1 == 1:
        out.print("One supersample: no upper limit on the information exists.")
    if evidence.diverged.any():
        out.print(f"Diverged replicas, wrong everywhere: {int(evidence.diverged.sum())}.")
    _say(remarks)
    if table is not None:
        _examples(command.examples, table, ("supersample", "pair", "column"))


def _pool(command: Bounds, arrays: dict[str, Any]) -> None:
    import jax
    import numpy as np

    from ibjax import bounds
    from ibjax.bounds.supersamples import mistakes

    known = ("membership", "losses", "diverged")
    for name in sorted(set(arrays) - set(known)):
        close = mistakes.close_name(name, known)
        raise ValueError(f"{name!r} is not a known array{close}; beside membership: losses")
    if "losses" not in arrays:
        raise ValueError("losses are missing; give (models, examples) beside membership")
    valid = None
    if "diverged" in arrays:
        valid = ~np.asarray(arrays["diverged"], bool)
    with jax.enable_x64(True):
        found = bounds.from_membership(arrays["membership"], arrays["losses"], valid=valid)
        table = (
            bounds.remembered(arrays["losses"], arrays["membership"], valid=valid)
            if command.examples
            else None
        )
    models, size = arrays["membership"].shape
    errors = [
        ("train error", found.train_error),
        ("test error", found.test_error),
        ("gap", found.gap),
    ]
    title = f"{command.file.name}: {models} models, pool of {size} examples"
    _print(title, errors, found.bounds, found.nulls, models, models)
    console().print(f"± is a 95 % interval over {models} models (one supersample).")
    _say(found.remarks)
    if table is not None:
        _examples(command.examples, table, ("example",))


def _print(title: str, errors, values, nulls, units: int, masks: int) -> None:
    """The table of errors and bounds, then which rows do not apply."""
    from rich import box
    from rich.table import Table

    from ibjax.bounds import verdict
    from ibjax.report.summary import t_quantile

    quantile = t_quantile(units)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("0-1 loss", "kind"):
        table.add_column(column)
    for column in ("value", "nats", "null"):
        table.add_column(column, justify="right")
    for name, e in errors:
        table.add_row(name, "measured", _within(e.value, e.std_error, quantile), "", "")
    table.add_section()
    verdicts: dict[str, list[str]] = {}
    for name, b in values.items():
        if not bool(b.holds):
            continue
        vacuous = " vacuous" if bool(b.vacuous) else ""
        value = _within(b.value, b.std_error, quantile) + vacuous
        null = ""
        if name in nulls:
            law = nulls[name]
            null = f"{float(law.mean):.4f} ± {2 * float(law.spread):.4f}"
            verdicts.setdefault(verdict(b, law, masks), []).append(name)
        sure = 100 * float(b.confidence)
        kind = b.kind if b.kind != "certificate" or sure >= 100 else f"{b.kind}, {sure:g} %"
        table.add_row(name, kind, value, f"{float(b.information):.4g}", null)
    out = console()
    print_whole(out, table)
    if nulls:
        out.print(
            "null: the same bound with the masks dealt anew, so that nothing is known (± two "
            "standard deviations).",
            soft_wrap=True,
        )
    for words, names in verdicts.items():
        out.print(f"{words[0].upper()}{words[1:]}: {', '.join(names)}.", soft_wrap=True)
    missing: dict[str, list[str]] = {}
    for name, b in values.items():
        if not bool(b.holds):
            missing.setdefault(b.note or "its inputs are missing", []).append(name)
    if missing:
        out.print("Not applicable with these arrays:")
    for reason, names in missing.items():
        out.print(f"  {', '.join(names)}: {reason}", soft_wrap=True)


def _say(remarks) -> None:
    for remark in dict.fromkeys(remarks):
        console().print(f"Note: {remark}.", soft_wrap=True)


def _examples(count: int, found, columns: tuple[str, ...]) -> None:
    """The examples with the highest lower ends."""
    import numpy as np
    from rich import box
    from rich.table import Table

    table = Table(title="Remembered most", title_justify="left", box=box.SIMPLE_HEAD)
    for column in (*columns, "memory", "95 % interval", "with it", "without", ""):
        table.add_column(column, justify="right")
    low = np.asarray(found.low)
    order = np.argsort(-low, axis=None)[: min(count, int(np.isfinite(low).sum()))]
    for flat in order:
        at = np.unravel_index(flat, low.shape)
        numbers = [float(np.asarray(x)[at]) for x in found[:5]]
        sure = "sure among all" if bool(np.asarray(found.remembered)[at]) else ""
        table.add_row(
            *(str(int(i)) for i in at),
            f"{numbers[0]:.3f}",
            f"{numbers[1]:.3f} to {numbers[2]:.3f}",
            f"{numbers[3]:.3f}",
            f"{numbers[4]:.3f}",
            sure,
        )
    print_whole(console(), table)


def _within(value, std_error, quantile: float) -> str:
    value, error = float(value), quantile * float(std_error)
    return f"{value:.4f} ± {error:.4f}" if math.isfinite(error) and error > 0 else f"{value:.4f}"

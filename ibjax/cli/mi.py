"""`ibjax mi`: the mutual information of two arrays."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ibjax import archives
from ibjax.cli import exporting
from ibjax.cli.terminal import console, print_whole


@dataclass(frozen=True)
class Mi:
    """Estimate the mutual information of two arrays with every estimator that applies."""

    x: Annotated[Path, tyro.conf.Positional]
    """First variable, .npy: (n,) or (n, d); integers in a vector, and booleans, are taken as
    classes."""
    y: Annotated[Path, tyro.conf.Positional]
    """Second variable, .npy, of the same length."""
    check: str | None = None
    """Name of an estimator to put through the tests of self-consistency on these arrays:
    independence, data processing, additivity. No truth is needed."""
    seed: int = 0
    """Seed of the estimators that draw random numbers."""
    table: Path | None = None
    """Where to write the table as well: .csv (numbers in full precision), .md or .tex."""


HEADS = ("estimator", "value", "std_error", "bias", "ok", "remark")
CHECK_HEADS = ("test", "should be", "value", "std_error", "passed")


def execute(command: Mi) -> None:
    """Print one row an estimator."""
    import jax
    from rich.table import Table

    from ibjax import mi
    from ibjax.mi.registry import variable

    exporting.check_table(command.table, command.x, command.y)
    x, y = _variable(command.x), _variable(command.y)
    if command.check is not None:
        with jax.enable_x64(True):
            key = jax.random.key(command.seed)
            tested = mi.self_consistency(key, command.check, x, y)
        print_whole(console(), _verdicts(command.check, tested))
        rows = [
            (words, target, float(part.value), float(part.std_error), bool(part.ok))
            for words, target, part in _tests(tested)
        ]
        whole = (
            "the estimate itself",
            "",
            float(tested.value.value),
            float(tested.value.std_error),
        )
        ratio = ("two copies over the sum of theirs", "1", float(tested.ratio), math.nan)
        # Neither is a test: nothing is passed, but a value may be none.
        missing = ["" if e.ok else "no value" for e in (tested.value, tested.additivity)]
        rows += [(*whole, missing[0]), (*ratio, missing[1])]
        exporting.write_table(command.table, CHECK_HEADS, rows)
        return
    with jax.enable_x64(True):
        found = mi.all_applicable(x, y, key=jax.random.key(command.seed))
    table = Table(title=f"I(X; Y) in nats, n = {len(x)}", title_justify="left")
    for column in ("estimator", "value", "standard error", "bias", "remark"):
        table.add_column(column)
    for name, e in found.items():
        remark = "" if bool(e.ok) else f"do not use: {e.reason}"
        table.add_row(name, f"{float(e.value):.4f}", f"{float(e.std_error):.4f}", e.bias, remark)
    out = console()
    print_whole(out, table)
    notes = (variable(name, v).note for name, v in (("X", x), ("Y", y)))
    out.print("; ".join(notes), soft_wrap=True)
    rows = [
        (name, float(e.value), float(e.std_error), e.bias, ok, "" if ok else e.reason)
        for name, e in found.items()
        for ok in [bool(e.ok)]
    ]
    exporting.write_table(command.table, HEADS, rows)


def _verdicts(name: str, tested: Any) -> Any:
    from rich.table import Table

    passed = "passed" if bool(tested.passed) else "NOT passed"
    made = Table(
        title=f"{name}: {passed}",
        title_justify="left",
        caption=f"I = {float(tested.value.value):.4f} nats; two independent copies hold "
        f"{float(tested.ratio):.2f} times the sum of theirs. Passing proves nothing of the value.",
        caption_justify="left",
    )
    for column in ("test", "should be", "found (nats)", "standard error", "verdict"):
        made.add_column(column)
    for words, target, part in _tests(tested):
        found = f"{float(part.value):+.4f}", f"{float(part.std_error):.4f}"
        made.add_row(words, target, *found, "passed" if bool(part.ok) else "FAILED")
    return made


def _tests(tested: Any) -> tuple[tuple[str, str, Any], ...]:
    """Each test: its words, what it should come to, and what came."""
    return (
        ("independence: Y permuted", "0", tested.independence),
        ("data processing: X made worse", "<= 0", tested.processing),
        ("padding: X with a coordinate of noise", "0", tested.padding),
        ("additivity: two copies less their sum", "0", tested.additivity),
    )


def _variable(path: Path) -> Any:
    found = archives.array(path)
    if found.ndim not in (1, 2):
        raise ValueError(f"{path}: has shape {found.shape}; give (n,) or (n, d)")
    return found

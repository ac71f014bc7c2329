"""`ibjax account`: what a noisy-SGD run can be certified for, before anything is trained."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ibjax import rounding
from ibjax.cli import exporting
from ibjax.cli.terminal import console, print_whole, quantities

if TYPE_CHECKING:
    from ibjax.bounds import Account as Found
    from ibjax.interface import BoundValue

SCHEMES = {
    "full": "the whole sample",
    "without_replacement": "a fresh subset every step",
    "poisson": "every example by a coin of its own",
    "truncated_poisson": "Poisson, at most b + 6 sqrt(b) members",
    "balls_and_bins": "every example draws its step of the epoch",
    "epochs": "one permutation an epoch",
    "whole_epochs": "one permutation an epoch, the remainder as a smaller batch",
    "fixed": "the same batches every epoch",
    "with_replacement": "independent draws",
}
"""Ways to draw batches, in words."""

HEADS = ("quantity", "kind", "value", "remark")


@dataclass(frozen=True)
class Account:
    """Certificates of a noisy-SGD run from its settings, before anything is trained."""

    n: int = 800
    """Training examples."""
    batch_size: int | None = None
    """Examples a step, b; the sum over the batch is divided by it. All of them by default."""
    steps: int = 200
    """Updates T."""
    learning_rate: float = 0.1
    """Step size eta."""
    inverse_temperature: float = 500.0
    """beta: the weight noise has variance 2 eta/beta a step."""
    clip: float = 1.0
    """Largest norm of the gradient of an example."""
    batching: (
        Literal[
            "full",
            "without_replacement",
            "poisson",
            "truncated_poisson",
            "balls_and_bins",
            "epochs",
            "whole_epochs",
            "fixed",
            "with_replacement",
        ]
        | None
    ) = None
    """How batches are drawn; by default without_replacement, or full where b is n. Truncated
    Poisson batches and balls and bins are accounted for; `ibjax run` does not draw them."""
    radius: float | None = None
    """Radius of a ball the weights are projected to before each step, for certificates of the last
    ones: smaller where the noise of a step is of the order of the ball."""
    dim: int | None = None
    """Trained parameters d, which help a little where there are few of them."""
    train_error: float | None = None
    """Expected training error, for a certified test error."""
    num_classes: int | None = None
    """Classes, for the label term of the depth bound: without it layers count for nothing."""
    depth: int = 0
    """Hidden layers with noise, for the depth bound."""
    width: int = 32
    """Units of each, in [-1, 1] (tanh)."""
    layer_noise: float = 0.2
    """Standard deviation of the noise after each."""
    delta: float | None = None
    """Ask for eps(delta) of differential privacy too: full or poisson batches, extra `dp`."""
    table: Path | None = None
    """Where to write the numbers as well: .csv, .md or .tex."""


def execute(command: Account) -> None:
    """Print the account, and what to change to halve the bound."""
    exporting.check_ending(command.table, exporting.TABLES, "--table")
    if command.table is not None and not command.table.parent.is_dir():
        raise OSError(f"{command.table.parent}: no such folder for the table; make it first")
    found, compared = compute(command)
    rows = lines(command, found)
    out = console()
    print_whole(out, _table(command, rows))
    for text in advice(command, found, compared):
        out.print(text)
    exporting.write_table(command.table, HEADS, rows)


def compute(command: Account) -> tuple["Found", dict[str, float]]:
    """The account, and I(Z_i; W) had batches of this size been drawn in other ways."""
    import jax

    from ibjax import bounds

    b, batching = _batches(command)
    found, rest = _account(command), (b, command.n, command.dim)
    with jax.enable_x64(True):
        others = {
            name: float(
                bounds.per_example_information(
                    *_steps(command), command.clip, name, *rest, radius=command.radius
                ).value
            )
            for name in ("without_replacement", "poisson")
            if b < command.n and name != batching
        }
    return found, others


def _steps(command: Account) -> tuple[Any, Any]:
    """Step sizes and noise of every step."""
    import numpy as np

    rates = np.full(command.steps, command.learning_rate)
    return rates, np.sqrt(2 * rates / command.inverse_temperature)


def _account(command: Account) -> "Found":
    import jax

    from ibjax import bounds
    from ibjax.interface import LayerFacts

    for name in ("steps", "n", "width"):
        if getattr(command, name) < 1:
            raise ValueError(f"{name}={getattr(command, name)} must be at least 1")
    for name in ("learning_rate", "inverse_temperature", "clip"):
        value = getattr(command, name)
        if not 0 < value < float("inf"):
            raise ValueError(f"{name}={value} must be positive and finite")
    if command.radius is not None and not command.radius > 0:
        raise ValueError(f"radius={command.radius} must be positive")
    if command.depth < 0 or not 0 <= command.layer_noise < float("inf"):
        raise ValueError(
            f"depth={command.depth} and layer_noise={command.layer_noise} must not be negative"
        )
    b, batching = _batches(command)
    facts = LayerFacts("tanh", command.width, 2 * command.width**0.5, command.layer_noise)
    with jax.enable_x64(True):
        return bounds.account(
            *_steps(command),
            clip=command.clip,
            batching=batching,
            batch_size=b,
            n=command.n,
            dim=command.dim,
            train_error=command.train_error,
            delta=command.delta,
            radius=command.radius,
            layers=[facts] * command.depth if command.depth else None,
            num_classes=command.num_classes,
        )


def _batches(command: Account) -> tuple[int, str]:
    b = command.n if command.batch_size is None else command.batch_size
    if b < 1:
        raise ValueError(f"batch_size={b} must be at least 1")
    batching = command.batching or ("full" if b == command.n else "without_replacement")
    return b, batching


def lines(command: Account, found: "Found") -> list[tuple[str, str, float, str]]:
    """Quantity, kind, value and unit or remark of every row."""
    last = "" if command.radius is None else ", the last weights"
    rows = [
        ("I(Z_i; W)", "upper", found.per_example.value, f"nat, mean over examples{last}"),
        ("I(S; W)", "upper", found.per_sample.value, f"nat{last}"),
        ("r", "exact", found.shift, _strength(float(found.shift))),
        ("rule of thumb", "diagnostic", found.rule_of_thumb, "nat, T eta beta C^2/(4 n^2)"),
        _bound("expected gap", found.gap),
        _bound("expected |gap|", found.absolute_gap),
        _bound("gap of one run", found.likely_gap),
    ]
    if found.depth is not None:
        classes = command.num_classes
        known = f"{classes} classes" if classes else "give num_classes for them to count"
        words = f"{command.depth} hidden layers with noise {command.layer_noise:g}; {known}"
        rows.append(_bound("depth", found.depth, words))
    if found.test_error is not None and found.gap_at_error is not None:
        words = f"given an expected training error of {command.train_error:g}"
        rows.append(_bound("test error", found.test_error, words))
        words = "given no more than this training error"
        rows.append(_bound("gap at that error", found.gap_at_error, words))
    if found.eps is not None:
        rows.append((f"eps(delta={command.delta:g})", "upper", found.eps, "add or remove"))
    return [(name, kind, float(v), words) for name, kind, v, words in rows]


def _bound(name: str, bound: "BoundValue", words: str = "") -> tuple[str, str, Any, str]:
    kind = rounding.kind(bound.kind, float(bound.confidence))
    return name, kind, bound.value, "vacuous" if bool(bound.vacuous) else words


def _strength(r: float) -> str:
    if r > 1:
        return "the batch is too small for this temperature"
    words = "shift of a step by one example, in units of the noise"
    return words if r <= 0.5 else f"{words}; large"


def advice(command: Account, found: "Found", compared: dict[str, float]) -> list[str]:
    """What to change, in sentences with numbers."""
    changes = {
        f"n = {2 * command.n}": replace(command, n=2 * command.n),
        f"clip = {command.clip / 2:g}": replace(command, clip=command.clip / 2),
    }
    if command.steps >= 4:
        fewer = command.steps // 4
        changes[f"steps = {fewer}"] = replace(command, steps=fewer)
        rate = command.learning_rate / 4
        changes[f"learning rate = {rate:g}"] = replace(command, learning_rate=rate)
    gaps = [f"{words}: {rounding.up(_gap(changed), '.4g')}" for words, changed in changes.items()]
    now = rounding.up(float(found.gap.value), ".4g")
    said = [f"Expected gap with one change, {now} now: {', '.join(gaps)}."]
    scale = command.clip * (2 * command.learning_rate * command.inverse_temperature) ** 0.5
    if float(found.shift) > 0.5 and command.n > scale:
        said.append(
            f"r is below one half from batch_size = {int(scale) + 1} on; beyond that the size of "
            "the batch hardly matters to the certificate."
        )
    best = min(compared, key=lambda name: compared[name], default=None)
    if best is not None and compared[best] < 0.8 * float(found.per_example.value):
        said.append(
            f"Batches drawn as {best} ({SCHEMES[best]}) reveal "
            f"{rounding.up(compared[best], '.4g')} nat an example."
        )
    if command.radius is not None:
        path = float(_account(replace(command, radius=None, delta=None)).per_example.value)
        least, ball = float(found.per_example.value), f"The ball of radius {command.radius:g}"
        said.append(
            f"{ball} leaves {rounding.up(least, '.4g')} of the {rounding.up(path, '.4g')} nat an "
            "example along the path."
            if least < path
            else f"{ball} wears nothing away: its size is many times the noise of a step, or it "
            "is not known to for such batches (it is for full, Poisson and fresh ones)."
        )
    return said


def _gap(command: Account) -> float:
    return float(_account(replace(command, delta=None)).gap.value)


def _table(command: Account, rows: list[tuple[str, str, float, str]]) -> Any:
    b, batching = _batches(command)
    table = quantities(
        f"n = {command.n}, batches of {b} ({SCHEMES[batching]}), T = {command.steps}, "
        f"eta = {command.learning_rate:g}, beta = {command.inverse_temperature:g}, "
        f"clip {command.clip:g}; losses in [0, 1]",
    )
    for name, kind, value, words in rows:
        table.add_row(name, kind, rounding.by_kind(value, ".4g", kind), words)
    return table

"""`ibjax bounds`: bounds on replicas trained elsewhere, from their saved losses and masks."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ibjax import archives, rounding
from ibjax.cli import exporting, remembered
from ibjax.cli.terminal import console, print_whole

_MOST_EXAMPLES = 1000
"""More are for a file."""


@dataclass(frozen=True)
class Bounds:
    """Evaluate every applicable bound on replicas trained by any framework."""

    file: Annotated[Path, tyro.conf.Positional]
    """A .npz archive: `mask` (k1, k2, n) and `losses` (k1, k2, n, 2), or `predictions` of that
    shape with `labels` (k1, n, 2); optionally any other array of `ibjax.bounds.from_arrays`. Or
    `membership` and `losses`, both (models, examples): which model was trained on which example,
    and optionally `labels` (examples,)."""

    clip: tuple[float, ...] = ()
    """Clip real losses to [0, HIGH] or [LOW, HIGH], one number or two, and scale them to [0, 1]:
    the numbers are then about the clipped losses, as a share of that range."""
    examples: int = 0
    """Print so many of the examples that are remembered most, with 95 % intervals, and each class
    where `labels` are given."""
    out: Path | None = None
    """Where to write errors, gap and every bound: .csv (numbers in full precision), .md or .tex."""
    table: Path | None = None
    """Where to write how much every example is remembered: .csv, .md or .tex. Where labels are
    known each class has a line in a file of the same name and `-classes`."""
    picture: Path | None = None
    """Where to draw the examples that are remembered most, and the classes: .png, .pdf or .svg."""

    @property
    def asked(self) -> remembered.Asked:
        """What is wanted of single examples."""
        return remembered.Asked(self.examples, self.table, self.picture)


def execute(command: Bounds) -> None:
    """Print the measured errors and gap, and one row a bound beside its null."""
    _check(command)
    arrays = _scaled(archives.archive(command.file), command.clip)
    rows = (_pool if "membership" in arrays else _supersamples)(command, arrays)
    if not any(kind != "measured" and math.isfinite(value) for _, kind, value, *_ in rows):
        console().print("No bound applies to these arrays.")
    exporting.write_table(command.out, exporting.BOUNDS, rows)


def _scaled(arrays: dict[str, Any], clip: tuple[float, ...]) -> dict[str, Any]:
    """The arrays with losses clipped and scaled to [0, 1]; NaN stays."""
    import numpy as np

    if not clip:
        return arrays
    low, high = clip if len(clip) > 1 else (0.0, *clip)
    if "losses" not in arrays:
        raise ValueError("--clip is for losses, and the archive has none")
    scaled = (np.clip(np.asarray(arrays["losses"], float), low, high) - low) / (high - low)
    return arrays | {"losses": scaled}


def _supersamples(command: Bounds, arrays: dict[str, Any]) -> list[tuple[Any, ...]]:
    import jax
    import numpy as np

    from ibjax import bounds
    from ibjax.bounds.evidence import arrays as saved
    from ibjax.bounds.evidence import tabulated
    from ibjax.bounds.supersamples import mistakes, replica_tables
    from ibjax.report.table import GIVEN

    for name in sorted(set(arrays) - set(saved.NAMES)):
        if close := mistakes.close_name(name, (*saved.NAMES, "membership")):
            raise ValueError(f"{name!r} is not a known array{close}")
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
        gone = np.asarray(evidence.diverged, bool)
        limit = None
        # Replicas that share their noise make one draw of it, however many supersamples there are.
        if np.shape(now.mask)[1] > 1 and now.shared_batches != 1:
            limit = bounds.cmi_limit(losses, now.mask, of="ld_cmi", valid=~gone)
        remarks = [
            *mistakes.shifted(now.predictions, np.asarray(now.labels)[:, None]),
            *mistakes.backwards(train, test, masks="mask"),
            *replica_tables.remarks(data),
        ]
    k1, k2, n = evidence.mask.shape
    about = f"n = {n}, {k1} supersamples x {k2} masks"
    _print(
        f"{command.file.name}: {about}",
        errors,
        values,
        nulls,
        k1 if k1 > 1 else k2,
        k2,
        command.clip,
    )
    out = console()
    units = f"{k1} supersamples" if k1 > 1 else f"{k2} masks (one supersample)"
    out.print(f"± is a 95 % interval over {units}.")
    if shared := bool(now.shared_batches == 1):
        out.print(f"Errors and gap, with their ±: {GIVEN}.", soft_wrap=True)
    out.print(_limit(limit, k1, bool(now.shared_batches == 0)), soft_wrap=True)
    if gone.any():
        out.print(f"Diverged replicas, wrong everywhere: {int(gone.sum())}.")
    _say(remarks)
    labels = None if np.any(now.labels < 0) else now.labels
    columns = ("supersample", "pair", "column")
    remembered.show(command.asked, losses, now.mask, labels, columns, ~gone)
    about = f"{about}, {GIVEN}" if shared else about
    return exporting.bounds(errors, values, nulls, about, limit)


def _pool(command: Bounds, arrays: dict[str, Any]) -> list[tuple[Any, ...]]:
    import jax
    import numpy as np

    from ibjax import bounds
    from ibjax.bounds.supersamples import mistakes

    known = ("membership", "losses", "diverged", "labels")
    for name in sorted(set(arrays) - set(known)):
        close = mistakes.close_name(name, known)
        raise ValueError(f"{name!r} is not a known array{close}; beside membership: losses")
    if "losses" not in arrays:
        raise ValueError("losses are missing; give (models, examples) beside membership")
    valid = None
    if "diverged" in arrays:
        gone = np.asarray(arrays["diverged"])
        if not np.isin(gone, (0, 1)).all():
            raise ValueError("diverged must hold 0 and 1 only: whether each model diverged")
        valid = ~gone.astype(bool)
    labels = remembered.labels_of(arrays)
    with jax.enable_x64(True):
        found = bounds.from_membership(arrays["membership"], arrays["losses"], valid=valid)
    models, size = arrays["membership"].shape
    errors = [
        ("train error", found.train_error),
        ("test error", found.test_error),
        ("gap", found.gap),
    ]
    about = f"{models} models, pool of {size} examples"
    _print(
        f"{command.file.name}: {about}",
        errors,
        found.bounds,
        found.nulls,
        models,
        models,
        command.clip,
    )
    console().print(f"± is a 95 % interval over {models} models (one supersample).")
    console().print(_limit(None, 1))
    _say(found.remarks)
    bits = arrays["membership"]
    remembered.show(command.asked, arrays["losses"], bits, labels, ("example",), valid)
    return exporting.bounds(errors, found.bounds, found.nulls, about)


def _limit(limit: Any, supersamples: int, apart: bool = False) -> str:
    """What is known from above, in a sentence; of replicas that drew their own, or may have."""
    if supersamples < 2:
        return "One supersample: no upper limit on the information exists."
    if limit is None or not bool(limit.holds):
        return (
            "No upper limit on the information: it needs masks, batches and noise of their own in "
            "every supersample, each example trained on in half of the masks."
        )
    nats, gap = rounding.up(limit.information), rounding.up(limit.value)
    unsaid = "" if apart else " if each drew its own batches and noise, which the file does not say"
    return (
        f"Upper limit of the information in loss differences, with 95 % probability over "
        f"{supersamples} independent supersamples of the pool: {nats} nats (gap {gap}){unsaid}; "
        "it is weak with few of them."
    )


def _print(title: str, errors, values, nulls, units: int, masks: int, clip=()) -> None:
    """The table of errors and bounds, then which rows do not apply."""
    from rich import box
    from rich.table import Table

    from ibjax.bounds import verdict
    from ibjax.bounds.subjects import WORDS
    from ibjax.intervals import t_quantile

    quantile = t_quantile(units)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in (_unit(clip), "kind"):
        table.add_column(column)
    for column in ("value", "nats", "null"):
        table.add_column(column, justify="right")
    for name, e in errors:
        table.add_row(name, "measured", _within(e.value, e.std_error, quantile), "", "")
    table.add_section()
    verdicts: dict[str, list[str]] = {}
    told: dict[str, list[str]] = {}
    for name, b in values.items():
        if not bool(b.holds):
            continue
        vacuous = " vacuous" if bool(b.vacuous) else ""
        value = _within(b.value, b.std_error, quantile, b.kind) + vacuous
        null = ""
        if name in nulls:
            law = nulls[name]
            null = f"{float(law.mean):.4f} ± {2 * float(law.spread):.4f}"
            verdicts.setdefault(verdict(b, law, masks), []).append(name)
        kind = rounding.kind(b.kind, float(b.confidence))
        nats = rounding.by_kind(b.information, ".4g", b.kind)
        table.add_row(name, kind, value, nats, null)
        if math.isfinite(float(b.information)):
            told.setdefault(WORDS[b.about].partition(",")[0], []).append(name)
    out = console()
    print_whole(out, table)
    for subject, names in told.items():
        out.print(f"nats about {subject}: {', '.join(names)}.", soft_wrap=True)
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


def _unit(clip: tuple[float, ...]) -> str:
    """What the numbers are about."""
    if not clip:
        return "loss in [0, 1]"
    low, high = clip if len(clip) > 1 else (0.0, *clip)
    return f"loss in [{low:g}, {high:g}], share"


def _say(remarks) -> None:
    for remark in dict.fromkeys(remarks):
        console().print(f"Note: {remark}.", soft_wrap=True)


def _check(command: Bounds) -> None:
    """Refuse options that cannot be, and places that cannot be written, before any work."""
    from ibjax import files

    if not 0 <= command.examples <= _MOST_EXAMPLES:
        raise ValueError(
            f"--examples {command.examples} must be a count of examples, 0 to {_MOST_EXAMPLES}"
        )
    exporting.check_table(command.out, command.file, option="--out")
    for place in (command.table, command.picture):
        if place is not None and command.out is not None:
            files.check_apart(place, command.out, "--out")
    ends = command.clip if len(command.clip) > 1 else (0.0, *command.clip)
    if command.clip and not (len(ends) == 2 and 0 < ends[1] - ends[0] < math.inf):
        raise ValueError(
            f"--clip {' '.join(f'{c:g}' for c in command.clip)}: give HIGH above 0, or LOW and "
            "HIGH, finite and no further apart than a number can say"
        )
    exporting.check_table(command.table, command.file)
    exporting.check_picture(command.picture, command.file)
    if command.table is not None:
        files.check_apart(remembered.beside(command.table), command.file, "--table")


def _within(value, std_error, quantile: float, kind: str = "measured") -> str:
    text, error = rounding.by_kind(value, ".4f", kind), quantile * float(std_error)
    return f"{text} ± {error:.4f}" if math.isfinite(error) and error > 0 else text

"""Why a bound is as large as it is: what each one pays for, in a table and in sentences."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ibjax import bounds, rounding
from ibjax.interface import BoundValue, Evidence
from ibjax.signatures import enforced

HEADS = ("bound", "kind", "nat/example", "nat/step", "x rule", "root", "inversion", "layers", "=")
"""Columns of the table; the last is the bound, the sum of the three before it."""

_CHANGES = {
    "train_size": "twice the training examples",
    "clip": "half the clip",
    "inverse_temperature": "half the inverse temperature",
    "learning_rate": "half the learning rate",
    "steps": "half the steps",
    "batch_size": "batches twice as large",
}


class Reasons(NamedTuple):
    """What `why` returns.

    Attributes:
        heads: names of the columns.
        rows: one a bound: its name, its kind and seven numbers, NaN where it has none.
        sentences: what the numbers say: the way from certificate to gap, the terms of the depth
            bound, and the setting that would help most.
        changes: the certificate `individual` after each change, the most helpful first; under
            "now" as it stands. Empty where that does not hold.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    sentences: tuple[str, ...]
    changes: dict[str, BoundValue]


@enforced
def why(evidence: Evidence, checkpoint: int = -1, names: Sequence[str] | None = None) -> Reasons:
    """Each bound taken apart into what it pays for, and what would make it smaller.

    ``bound = root + inversion + layers``, where the root is ``sqrt(2 sigma^2 I)`` at the
    information I about one example, and ``I = x rule * T eta beta C^2 / (4 n^2)`` along noisy SGD;
    see `bounds.dissect` for the parts and `bounds.one_change` for the changes.

    Args:
        evidence: of a whole run, or of one checkpoint, see `bounds.at`.
        checkpoint: which checkpoint of a run; the last by default.
        names: which bounds; all that hold by default. One that is named and does not hold has a
            sentence in the place of a row.

    Returns:
        `Reasons`: plain numbers and sentences, to be printed or written.

    Raises:
        ValueError: for a name that is not registered, or a checkpoint that does not exist.
    """
    now = bounds.at(evidence, checkpoint)
    parts = bounds.dissect(now, -1, names)
    shown = {name: p for name, p in parts.items() if bool(p.bound.holds) or names is not None}
    found = bounds.evaluate(now, -1, ("individual",))["individual"]
    changes = bounds.one_change(now) if bool(found.holds) else {}
    sentences = [*_vacuous(shown), *_ladder(shown, float(bounds.gap(now).value))]
    sentences += _depth(shown, now)
    sentences += [*_masks(shown, now.mask.shape[1]), *_missing(shown)]
    return Reasons(
        HEADS,
        tuple(_row(name, part) for name, part in shown.items() if bool(part.bound.holds)),
        tuple((*sentences, *_advice(changes, now))),
        changes,
    )


def _row(name: str, part: bounds.Parts) -> tuple[str | float, ...]:
    ratio = _ratio(part.information, part.rule)
    numbers = (part.information, part.per_step, ratio, part.root, part.inversion, part.layers)
    total = part.bound.value if part.bound.holds else math.nan
    return (name, part.bound.kind, *(float(v) for v in (*numbers, total)))


def _ratio(a: object, b: object) -> float:
    a, b = float(np.asarray(a)), float(np.asarray(b))
    return a / b if b > 0 else math.nan


def _vacuous(parts: dict[str, bounds.Parts]) -> list[str]:
    """The bounds that allow whatever the range of the loss does."""
    names = [name for name, p in parts.items() if p.bound.holds and bool(p.bound.vacuous)]
    return [f"Vacuous, no gap is ruled out: {', '.join(names)}."] if names else []


def _ladder(parts: dict[str, bounds.Parts], gap: float) -> list[str]:
    """From the best certificate by the best estimate down to the measured gap.

    Where the best certificate holds with a confidence, it is that of all of them at once: which is
    the smallest was seen in the data.
    """
    best: dict[str, tuple[float, str]] = {}
    doubts = []
    for name, part in parts.items():
        kind, value = part.bound.kind, float(part.bound.value)
        held, _ = best.get(kind, (math.inf, ""))
        if part.bound.holds and kind == "certificate":
            doubts.append(1 - float(part.bound.confidence))
        if part.bound.holds and kind != "diagnostic" and value < held * (1 - 1e-9):
            best[kind] = (value, name)
    if "certificate" in best:
        value, name = best["certificate"]
        if float(parts[name].bound.confidence) < 1:
            sure = rounding.percent(max(1 - sum(doubts), 0.0))
            limits = sum(doubt > 0 for doubt in doubts)
            words = f"the best of {limits} limits, {sure}" if limits > 1 else sure
            best["certificate"] = value, f"{name} ({words})"
    said = []
    if len(best) == 2 and 0 < best["estimate"][0] < best["certificate"][0]:
        (high, certificate), (low, estimate) = best["certificate"], best["estimate"]
        said.append(
            f"Certificate to estimate: {certificate} {rounding.up(high, '.3g')} is "
            f"{high / low:.3g} times {estimate} {low:.3g}, what measured quantities give in the "
            "place of their limits."
        )
    if best:
        (value, name), kind = min((held, kind) for kind, held in best.items())
        bound = f"{name} {rounding.by_kind(value, '.3g', kind)}"
        said.append(
            f"Bound to gap: {bound} is {value / gap:.3g} times the measured {gap:.3g}."
            if gap > 0
            else f"The measured gap is {gap:.3g}: any bound is far from it; {bound}."
        )
    return said


def _depth(parts: dict[str, bounds.Parts], now: Evidence) -> list[str]:
    part = parts.get("depth")
    if part is None or not part.bound.holds:
        return []
    floor = bounds.measured_floor(now)
    label, rest, eta = (
        rounding.by_kind(float(x), ".3g", part.bound.kind)
        for x in (part.label, part.contracted, part.eta)
    )
    said = (
        f"Depth: {label} for labels, which pass the layers by, and "
        f"{rest} for what the layers let through, eta = {eta}."
    )
    if bool(floor.ok):
        least = rounding.down(float(floor.value), ".3g")
        said += f" At this training error no layers can have sqrt(eta) below {least}."
    return [said]


def _masks(parts: dict[str, bounds.Parts], masks: int) -> list[str]:
    """For a bound from tables, how many masks would leave little of its bias."""
    part = parts.get("ld_cmi")
    if part is None or not part.bound.holds or not 0 < float(part.bound.value) < math.inf:
        return []
    value = float(part.bound.value)
    try:
        needed = str(bounds.masks_needed(value, letters=3))
    except ValueError:
        needed = "more than 2000"
    return [
        f"ld_cmi {value:.3g} rests on {masks} masks; to see a bound of this size with a tenth of "
        f"it as bias takes {needed}."
    ]


def _missing(parts: dict[str, bounds.Parts]) -> list[str]:
    """The bounds that were asked for and do not hold, by their reason."""
    reasons: dict[str, list[str]] = {}
    for name, part in parts.items():
        if not bool(part.bound.holds):
            reasons.setdefault(part.bound.note or "its inputs are missing", []).append(name)
    return [f"Not applicable: {', '.join(names)}: {why}." for why, names in reasons.items()]


def _advice(changes: dict[str, BoundValue], now: Evidence) -> list[str]:
    if not changes:
        return []
    before = float(changes["now"].value)
    best, *others = [name for name in changes if name != "now"]
    after = float(changes[best].value)
    texts = {n: rounding.by_kind(float(c.value), ".3g", c.kind) for n, c in changes.items()}
    rest = ", ".join(f"{_CHANGES[name]} {texts[name]}" for name in others)
    return [
        f"What would help most: {_CHANGES[best]} takes individual from {texts['now']} to "
        f"{texts[best]} (times {after / before:.3g}), with all else as it is; {rest}.",
        "I = T eta beta C^2 / (4 n^2): less clip, fewer steps or a higher temperature pay with "
        "training and test error, more examples with a little training error alone.",
    ]

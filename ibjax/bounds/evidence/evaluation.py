"""Every registered bound at one checkpoint, with its null, and with words for what is missing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ibjax.bounds.checks import concrete
from ibjax.bounds.evidence import premises, tabulated, together
from ibjax.bounds.evidence.moment import at, in_float64, on_host
from ibjax.bounds.evidence.registry import Bound, registry
from ibjax.bounds.supersamples.nulls import Null
from ibjax.interface import BoundValue, Evidence, Moment
from ibjax.signatures import enforced


@enforced
@in_float64
def evaluate(
    evidence: Evidence, checkpoint: int = -1, names: Sequence[str] | None = None
) -> dict[str, BoundValue]:
    """Registered bounds at one checkpoint in float64, in the order of the registry.

    A bound whose inputs are missing (those of supersamples: with fewer than two masks each), or
    whose checkable premises fail, is NaN with ``holds=False``, and its note says why; none raises
    on evidence of the engine or of `from_arrays`.

    Args:
        evidence: of a whole run, or of one checkpoint, see `at`.
        checkpoint: which checkpoint of a run; the last by default.
        names: which bounds; all by default.

    Raises:
        ValueError: for a name that is not registered, and as `at`.
    """
    rows = registry()
    for name in names or ():
        if name not in rows:
            raise ValueError(f"names holds {name!r}; choose among {list(rows)}")
    now = at(evidence, checkpoint)
    chosen = [row for row in rows.values() if names is None or row.name in names]
    if not concrete(*now):
        return {row.name: row.function(now) for row in chosen}
    if names is None:
        found = on_host(together.values(now, tuple(rows)))
    else:  # a few are sooner computed than compiled
        found = {row.name: row.function(now) for row in chosen}
    return {row.name: _explained(row, found[row.name], now) for row in chosen}


@enforced
@in_float64
def row_nulls(
    evidence: Evidence, checkpoint: int = -1, names: Sequence[str] | None = None
) -> dict[str, Null]:
    """What the registered supersample bounds read where masks mean nothing, see `bounds.null`.

    Args:
        evidence: of a whole run, or of one checkpoint, see `at`.
        checkpoint: which checkpoint of a run; the last by default.
        names: which bounds; all that have a null by default, and others are passed over.

    Returns:
        A `Null` for each row that is estimated from tables of replicas.
    """
    now = at(evidence, checkpoint)
    chosen = {
        row.name: row.measure
        for row in registry().values()
        if isinstance(row.measure, tabulated.Tabulated) and (names is None or row.name in names)
    }
    if names is None and concrete(*now):
        return together.nulls(now, tuple(chosen))
    return {name: measure.null(now) for name, measure in chosen.items()}


def _explained(row: Bound, value: BoundValue, moment: Moment) -> BoundValue:
    """The value with a note on what is missing, where it does not hold or replicas diverged."""
    gone = np.asarray(moment.diverged, bool)
    if bool(value.holds):
        lost = f"{int(gone.sum())} of {gone.size} replicas diverged" if gone.any() else ""
        return replace(value, note="; ".join(filter(None, (value.note, lost))))
    reasons = premises.failing(moment, row.assumptions)
    for name in row.inputs:
        values = np.asarray(getattr(moment, name))
        if values.dtype.kind != "f" or name in premises.inputs(row.assumptions):
            continue
        bad = np.isnan(values) & ~gone if values.shape == gone.shape else np.isnan(values)
        if bad.all():
            reasons.append(f"{name} is missing")
        elif bad.any() and values.shape == gone.shape:
            reasons.append(f"{name} is missing in {int(bad.sum())} of {gone.size} replicas")
    return replace(value, note="; ".join(filter(None, (*reasons, value.note))))

"""Every registered bound at one checkpoint, with its null, and with words for what is missing."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax import rounding
from ibjax.bounds import invert
from ibjax.bounds.accounting import per_example_information
from ibjax.bounds.checks import concrete
from ibjax.bounds.evidence import limits, premises, rows, tabulated, together
from ibjax.bounds.evidence.moment import at, in_float64, on_host
from ibjax.bounds.evidence.registry import Bound, registry
from ibjax.bounds.supersamples.nulls import Null
from ibjax.interface import BoundValue, Evidence, Moment
from ibjax.signatures import enforced
from ibjax.typing import Array

RARE = 1e-6
"""How often runs that are what they say may be taken for others."""


@enforced
@in_float64
def evaluate(
    evidence: Evidence, checkpoint: int = -1, names: Sequence[str] | None = None
) -> dict[str, BoundValue]:
    """Registered bounds at one checkpoint in float64, in the order of the registry.

    A bound whose inputs are missing (those of supersamples: with fewer than two masks each), or
    whose checkable premises fail, is NaN with ``holds=False``, and its note says why; none raises
    on evidence of the engine or of `from_arrays`. No certificate is given where the measured gap
    shows that the settings cannot be what they are said to be, see `contradiction`, and none that
    rests on fair masks where these can be none, see `unfair`; under a trace without words. There
    predictions, whose tables have a size by the number of classes, give bounds only where that
    number is known.

    Args:
        evidence: of a whole run, or of one checkpoint, see `at`.
        checkpoint: which checkpoint of a run; the last by default.
        names: which bounds; all by default.

    Raises:
        ValueError: for a name that is not registered, a row of one's own that does not say what
            its information is about, and as `at`.
    """
    known = registry()
    for name in names or ():
        if name not in known:
            raise ValueError(f"names holds {name!r}; choose among {list(known)}")
    now = at(evidence, checkpoint)
    chosen = [row for row in known.values() if names is None or row.name in names]
    if not concrete(*now):
        return _unbelied({row.name: row.function(now) for row in chosen}, now)
    if names is None:
        found = on_host(together.values(now, tuple(known)))
    else:  # a few are sooner computed than compiled
        found = {row.name: row.function(now) for row in chosen}
    found = {row.name: _explained(row, found[row.name], now) for row in chosen}
    return _uncontradicted(found, now)


def _unbelied(found: dict[str, BoundValue], moment: Moment) -> dict[str, BoundValue]:
    """`_uncontradicted` of traced evidence, whose reasons cannot be told."""
    sure = {name: value for name, value in found.items() if value.kind == "certificate"}
    if not sure:
        return found
    most = invert.phi(rows.account(per_example_information, moment).value)
    belied = limits.least_gap(moment, RARE) > most
    mask, runs = moment.mask, limits.independent_runs(moment.mask)
    no_coins = belied | _uneven(mask, runs) | (_alike(mask)[1].any() & _telling(mask, runs))
    for name, value in sure.items():
        no = no_coins if "supersample" in value.assumptions else belied
        sure[name] = replace(
            value,
            value=jnp.where(no, jnp.nan, value.value),
            holds=value.holds & ~no,
            vacuous=value.vacuous & ~no,
        )
    return found | sure


def contradiction(moment: Moment) -> str:
    """Why the settings of runs cannot be what they are said to be, or nothing.

    Given the supersamples the mean gap over masks and seeds is at most ``phi^-1(I)`` with I the
    bound on the information of an example that the settings alone give. A measured gap whose lower
    confidence limit lies above it is possible once in a million for runs whose gradients are
    clipped, noise added and batches drawn as stated, with fair independent masks.

    Args:
        moment: evidence of one checkpoint, known now.
    """
    least = float(limits.least_gap(moment, RARE))
    if not least > 0:
        return ""
    nats = float(rows.account(per_example_information, moment).value)
    if not nats < math.log(2):
        return ""
    most = float(invert.phi(nats))
    if least <= most:
        return ""
    low, high = rounding.down(least, ".3g"), rounding.up(most, ".3g")
    return (
        f"the gap over these runs is at least {low}, and with the stated steps, noise, clip "
        f"and batches it could be {high} at most: something of it is not so, or the masks are "
        "no independent fair coins"
    )


def unfair(moment: Moment) -> str:
    """Why the masks can be no independent fair coins, or nothing: their share of ones, by
    Hoeffding's bound, and two pairs that are always dealt alike or always apart.

    What a run tells about one member of such pairs it tells about the other as well, and of each
    only what it says alone was measured.

    Args:
        moment: evidence of one checkpoint, known now.
    """
    mask, runs = np.asarray(moment.mask), limits.independent_runs(moment.mask)
    if _uneven(mask, runs):
        return (
            f"a share {np.mean(mask):.3g} of the masks is 1: they are no fair coins, and nothing "
            "is known of what the runs tell about them"
        )
    order, same = _alike(mask)
    if not (same.any() and _telling(mask, runs)):
        return ""
    first = int(np.argmax(same))
    one, other = sorted((int(order[first]), int(order[first + 1])))
    return (
        f"the masks of pairs {one} and {other} are the same or opposite in all replicas: they are "
        "no independent coins, and what the runs tell about both at once was not measured"
    )


def _uneven(mask: Array, runs: Array) -> Any:
    """Whether ones have a share that fair coins have once in a million."""
    return abs(mask.mean() - 0.5) > (math.log(2 / RARE) / (2 * runs * mask.shape[2])) ** 0.5


def _telling(mask: Array, runs: Array) -> Any:
    """Whether two pairs are dealt alike by chance once in a million: of n^2/2 couples of them one
    is tied either way with a chance of n^2 2^-runs.
    """
    return 2 * math.log2(mask.shape[2]) - runs <= math.log2(RARE)


def _alike(mask: Array) -> tuple[Any, Any]:
    """An order of the pairs of masks (k1, k2, n), (n,), and which of them are dealt as the next in
    it, or opposite to it, in all replicas, (n - 1,).
    """
    xp: Any = np if concrete(mask) else jnp
    signs = xp.where(xp.asarray(mask) == 1, -1, 1).reshape(-1, mask.shape[2])
    # Whole weights, hence exact sums; two sets of them, which no others share but by rare chance.
    weights = np.random.default_rng(1).integers(1, 2**31, (2, len(signs)))
    marks = weights @ (signs * signs[:1])
    order = xp.lexsort(marks)
    return order, xp.all(marks[:, order[1:]] == marks[:, order[:-1]], axis=0)


def _uncontradicted(found: dict[str, BoundValue], moment: Moment) -> dict[str, BoundValue]:
    """The values, certificates missing where the runs contradict what they rest on."""
    sure = [n for n, value in found.items() if value.kind == "certificate" and bool(value.holds)]
    why = contradiction(moment) if sure else ""
    if not why:
        sure = [n for n in sure if "supersample" in found[n].assumptions]
        why = unfair(moment) if sure else ""
    if not why:
        return found
    nan, no = np.asarray(np.nan), np.asarray(False)
    return found | {n: replace(found[n], value=nan, holds=no, vacuous=no, note=why) for n in sure}


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
    """The value with a note on what is missing, where it does not hold or replicas diverged.

    Raises:
        ValueError: for a row of one's own whose information is about nothing that it states.
    """
    if not value.about and np.isfinite(value.information).any():
        raise ValueError(
            f"{row.name} gives information and does not say what it is about: state about= in the "
            "BoundValue that its measure returns"
        )
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
    if not reasons and not value.note:
        reasons.append("it gives no number; what was measured and is not among its inputs is NaN")
    return replace(value, note="; ".join(filter(None, (*reasons, value.note))))

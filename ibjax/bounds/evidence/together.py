"""All numbers of one checkpoint by one compiled program, and what is said of them afterwards.

Evaluated one operation after the other, every shape of every operation is a program of its own to
XLA: hundreds for one run. Here the evidence is traced, but for the settings that decide which
rule applies and for what fixes shapes: they are part of the program, which evidence of equal
settings and shapes shares, as that of all checkpoints of a run does, and of all depths.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds.evidence import certified_paths, limits, tabulated
from ibjax.bounds.evidence.registry import Bound, registry
from ibjax.bounds.supersamples.nulls import Null
from ibjax.bounds.supersamples.nulls import of_plans as nulls_of_plans
from ibjax.environment import lean_compilation, quick_compilation
from ibjax.interface import BoundValue, Moment
from ibjax.interface.fields import FIELDS

SETTINGS = ("index", "labels", "num_classes", "batching", "shared_batches", "radius")
"""Fields that may have to be known: names of rules, alphabets, the ball, shared examples."""

_LAYERS = 8
"""Layers are filled up to a multiple of these, with ones that contract nothing."""


class Settings:
    """The settings of a moment, equal where they decide the same.

    Labels are among them only where they are missing, and of the positions of the examples only
    what the limit of the training error asks of them: other seeds then share a program.
    """

    def __init__(self, moment: Moment) -> None:
        fields = {name: np.asarray(getattr(moment, name)) for name in SETTINGS}
        if (fields["labels"] >= 0).all():
            del fields["labels"]
        radius = fields["radius"]  # NaN, not known, is no ball
        fields["radius"] = np.where(np.isfinite(radius), radius, np.inf)
        fields["index"] = limits.sampling(fields["index"])
        self.fields = fields
        self.key = tuple((k, a.shape, a.dtype.str, a.tobytes()) for k, a in fields.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def values(moment: Moment, names: tuple[str, ...]) -> dict[str, BoundValue]:
    """The bounds of these names, with every remark that `Bound.function` gives known evidence."""
    settings, measured, tables = _parts(moment)
    found, facts = _values(settings, names, measured, tables)
    return {name: _remarked(registry()[name], found[name], moment, facts) for name in names}


def nulls(moment: Moment, names: tuple[str, ...]) -> dict[str, Null]:
    """The nulls of the rows of these names."""
    settings, measured, tables = _parts(moment)
    found = _nulls(settings, names, measured, tables)
    return {name: found[name] for name in names}


def _parts(moment: Moment) -> tuple[Settings, Moment, Any]:
    """What is part of the program, what is traced, and the tables of the masks."""
    settings = Settings(moment)
    filled: dict[str, Any] = dict.fromkeys(settings.fields)
    for name, field in FIELDS.items():
        if field.dims == ("layer",):
            row = np.asarray(getattr(moment, name))
            if row.ndim == 1:
                # NaN is no coefficient, which counts as 1: no contraction.
                more = -(-max(len(row), 1) // _LAYERS) * _LAYERS - len(row)
                filled[name] = np.pad(row, (0, more), constant_values=np.nan)
    predictions = np.asarray(moment.predictions)
    if predictions.dtype.kind == "f" and np.isin(predictions, (0, 1)).all():
        filled["predictions"] = predictions.astype(np.int32)  # whole counts, as seen on the host
    tables = tabulated.split_tables(moment) if moment.mask.shape[-2] > 1 else None
    return settings, moment._replace(**filled), tables


@partial(jax.jit, static_argnums=(0, 1), compiler_options=quick_compilation())
def _values(settings: Settings, names: tuple[str, ...], measured: Moment, tables: Any):
    moment, rows = measured._replace(**settings.fields), registry()
    chosen = [rows[name] for name in names]
    plans = tabulated.counted(_plans(names, moment, tables))
    given = {name: {"plan": plan} for name, plan in plans.items()}
    found = {row.name: row.function(moment, **given.get(row.name, {})) for row in chosen}
    certified = any(row.measure in certified_paths.MEASURES for row in chosen)
    return found, certified_paths.facts(moment) if certified else None


@partial(jax.jit, static_argnums=(0, 1), compiler_options=lean_compilation())
def _nulls(settings: Settings, names: tuple[str, ...], measured: Moment, tables: Any):
    plans = _plans(names, measured._replace(**settings.fields), tables)
    found = dict(zip(plans, nulls_of_plans(tuple(plans.values())))) if plans else {}
    return {name: found.get(name, Null(*(jnp.array(jnp.nan),) * 4)) for name in names}


def _plans(names: tuple[str, ...], moment: Moment, tables: Any) -> dict[str, Any]:
    measures = {name: registry()[name].measure for name in names}
    known = {n: m for n, m in measures.items() if isinstance(m, tabulated.Tabulated)}
    return tabulated.plans(known, moment, tables)


def _remarked(row: Bound, value: BoundValue, moment: Moment, facts: Any) -> BoundValue:
    if isinstance(row.measure, tabulated.Tabulated):
        more = row.measure.remarks(moment)
    elif row.measure in certified_paths.MEASURES:
        more = (certified_paths.remark(value, facts),)
    else:
        return value
    return replace(value, note="; ".join(filter(None, (value.note, *more))))

"""The registered supersample bounds, as functions of the evidence of one checkpoint.

Each is the recommended estimate (`supersample`: tables of little bias, the mean information first
and the root last) and comes with its null. A diverged replica counts: it errs on both members of
every pair, and its predictions are a letter of their own, so that the bound is about the same
replicas as the measured gap.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.bounds.evidence.moment import survivors
from ibjax.bounds.supersamples import letters, mean_first, nulls, polynomial, table_bounds
from ibjax.bounds.supersamples.cmi import Plan, e_cmi, f_cmi, ld_cmi, single_loss
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.interface import BoundValue, Moment
from ibjax.typing import JaxArray, Subject

RECOMMENDED = {"correction": "polynomial"}
"""How the rows estimate: see `supersample`."""


class Tabulated(NamedTuple):
    """A bound from tables of replicas: its function, and what the evidence hands to it.

    Attributes:
        function: of (values, masks, *arguments, **keywords).
        values: from the evidence to the values and further arguments; None where they are missing.
        keywords: of the function.
    """

    function: Callable[..., BoundValue]
    values: Callable[[Moment], tuple[Any, ...] | None]
    keywords: dict[str, Any] = RECOMMENDED

    def __call__(self, moment: Moment, plan: Plan | None = None) -> BoundValue:
        """The bound; missing where k2 = 1 or no replica is left.

        One mask a supersample shows nothing of what another would have given.

        Args:
            moment: the evidence.
            plan: what `plans` made of it, where masks are traced.
        """
        given = self._given(moment)
        if given is None:
            return _missing("loss" if self.function is single_loss else "pair")
        if plan is None:
            values, *rest = given
            found = self.function(values, jnp.asarray(moment.mask), *rest, **self.keywords)
        else:
            found = table_bounds.evaluate(*plan)
        alive = survivors(moment) > 0
        value = jnp.where(alive, found.value, jnp.nan)
        return replace(found, value=value, holds=found.holds & alive)

    def null(self, moment: Moment) -> nulls.Null:
        """What the bound reads where masks mean nothing, see `bounds.null`; NaN where missing."""
        given = self._given(moment)
        if given is None:
            return nulls.Null(*(jnp.array(jnp.nan),) * 4)
        values, *rest = given
        return nulls.null(self.function, values, jnp.asarray(moment.mask), *rest, **self.keywords)

    def remarks(self, moment: Moment) -> tuple[str, ...]:
        """What to say of known masks beside a value that was computed under a trace."""
        if self._given(moment) is None:
            return ()
        mask: Any = np.asarray(moment.mask)
        every: Any = np.ones(mask.shape, bool)
        legal: Any = np.array(True)
        masks = Data(mask[..., None], mask, every, legal)
        return table_bounds.odd_masks(self.keywords.get("correction"), masks)

    def plan(self, moment: Moment, tables: polynomial.Lookup) -> Plan | None:
        """What the bound counts, with the tables of the splits of the masks; None where missing."""
        given = self._given(moment)
        if given is None:
            return None
        values, *rest = given
        make = nulls.PLANS[self.function]
        rule, data, width = make(values, jnp.asarray(moment.mask), *rest, **self.keywords)
        # All replicas are in use; as a constant XLA would sum that over every pair itself.
        valid = jax.lax.optimization_barrier(data.valid)
        return rule, data._replace(tables=tables, valid=valid), width

    def counts(self) -> tuple[Any, ...]:
        """What is counted of which values: equal for measures that differ in what follows."""
        after = ("correction", "inversion")
        settings = sorted((k, repr(v)) for k, v in self.keywords.items() if k not in after)
        return self.function, self.values, tuple(settings)

    def _given(self, moment: Moment) -> tuple[Any, ...] | None:
        return None if jnp.shape(moment.mask)[-2] < 2 else self.values(moment)


def plans(
    measures: Mapping[str, Tabulated], moment: Moment, tables: polynomial.Lookup | None
) -> dict[str, Plan]:
    """What these bounds count, those that are not missing, with the tables of `split_tables`."""
    if tables is None:
        return {}
    found = {name: measure.plan(moment, tables) for name, measure in measures.items()}
    known = {name: plan for name, plan in found.items() if plan is not None}
    # The same function of the same values counts the same, whatever it makes of it afterwards.
    first: dict[Any, Data] = {}
    whose = {name: measures[name].counts() for name in known}
    for name, (_, data, _) in known.items():
        first.setdefault(whose[name], data)
    return {name: (rule, first[whose[name]], width) for name, (rule, _, width) in known.items()}


def counted(found: Mapping[str, Plan]) -> dict[str, Plan]:
    """Plans of the same replicas, with what those that mean first have in common counted once."""
    first = {n: p for n, p in found.items() if p[0].means_first}
    if not first:
        return dict(found)
    rules, datas, _ = zip(*first.values())
    means = dict(zip(first, mean_first.means(rules, datas, datas[0].tables)))
    return {n: (r, d._replace(means=means.get(n)), width) for n, (r, d, width) in found.items()}


def split_tables(moment: Moment) -> polynomial.Lookup:
    """The tables of the splits of known masks, for every row: one for all their alphabets."""
    mask, classes = np.asarray(moment.mask), float(moment.num_classes)
    # Predictions have a letter more, for diverged replicas; `f_cmi_plan` names anew what is too
    # many for the replicas there are.
    pairs = 0 if math.isnan(classes) else min((int(classes) + 1) ** 2, max(mask.shape[-2], 8))
    most = max(pairs, *letters.SIZES.values())
    return table_bounds.tables_of([(mask, np.ones(mask.shape, bool))], most, error=True)


def losses(moment: Moment) -> JaxArray:
    """The losses on both members of every pair, (k1, k2, n, 2): 0 or 1, or real ones as given."""
    # On the host where the numbers are known: no program of XLA for each operation.
    xp: Any = np if checks.concrete(moment.predictions, moment.labels) else jnp
    predictions, labels = xp.asarray(moment.predictions), xp.asarray(moment.labels)[:, None]
    wrong = xp.where(labels < 0, predictions, predictions != labels)
    if jnp.issubdtype(predictions.dtype, jnp.floating):
        return predictions
    return xp.where(predictions < 0, 1, wrong).astype(jnp.int32)


def _predictions(moment: Moment) -> tuple[Any, ...] | None:
    unknown = checks.concrete(moment.labels) and bool(np.any(np.asarray(moment.labels) < 0))
    if not checks.concrete(moment.num_classes):
        return None  # the tables have a size by it
    classes = float(moment.num_classes)
    if math.isnan(classes) or unknown:
        return None
    xp: Any = np if checks.concrete(moment.predictions) else jnp
    shown = xp.asarray(moment.predictions)
    return xp.where(shown < 0, int(classes), shown), int(classes) + 1


def _losses(moment: Moment) -> tuple[Any, ...]:
    return (losses(moment),)


def _missing(about: Subject) -> BoundValue:
    nan = jnp.array(jnp.nan)
    return BoundValue(nan, nan, nan, holds=jnp.array(False), kind="estimate", about=about)


predictions = Tabulated(f_cmi, _predictions)
loss_pairs = Tabulated(e_cmi, _losses)
loss_differences = Tabulated(ld_cmi, _losses)
single_losses = Tabulated(single_loss, _losses)
loss_differences_pair = Tabulated(ld_cmi, _losses, RECOMMENDED | {"inversion": "pair"})
loss_differences_conservative = Tabulated(ld_cmi, _losses, {"correction": "conservative"})
predictions_published = Tabulated(f_cmi, _predictions, {})

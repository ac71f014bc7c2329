"""The supersample bounds of a moment of a run: what each row evaluates, and the null of the same.

One table says which function with which options a row is; the value and its null are both read
off it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from ibjax.bounds import nulls
from ibjax.bounds.nulls import Null
from ibjax.bounds.supersample import e_cmi, f_cmi, ld_cmi, single_loss
from ibjax.interface import BoundValue, Evidence
from ibjax.typing import JaxArray, Key


@dataclass(frozen=True)
class Row:
    """One bound on replicas.

    Attributes:
        bound: the function.
        keywords: its options.
        of_predictions: whether it takes predictions and the number of classes, else losses.
    """

    bound: Callable[..., BoundValue]
    keywords: dict[str, Any] = field(default_factory=dict)
    of_predictions: bool = False


_MAIN = {"correction": "polynomial"}
_KEPT = {"correction": "conservative"}

ROWS = {
    "f_cmi": Row(f_cmi, _MAIN, True),
    "e_cmi": Row(e_cmi, _MAIN),
    "ld_cmi": Row(ld_cmi, _MAIN),
    "single_loss": Row(single_loss, _MAIN),
    "ld_cmi_pair": Row(ld_cmi, {**_MAIN, "inversion": "pair"}),
    "single_loss_conservative": Row(single_loss, _KEPT),
    "ld_cmi_conservative": Row(ld_cmi, _KEPT),
    "f_cmi_published": Row(f_cmi, {}, True),
}
"""Rows by name: the recommended estimate, the plug-in of balanced masks, the published form."""


def value(name: str, evidence: Evidence) -> BoundValue:
    """The bound of a row at one moment (no checkpoint axis) on replicas that did not diverge.

    NaN with ``holds=False`` where an input is missing: fewer than two masks a supersample, which
    show nothing of what another would have given, or no number of classes for predictions.
    """
    row, values, args = _inputs(name, evidence)
    if values is None:
        nan = jnp.array(jnp.nan)
        return BoundValue(nan, nan, nan, holds=jnp.array(False))
    return row.bound(values, evidence.mask, *args, valid=_valid(evidence), **row.keywords)


def null(name: str, evidence: Evidence, *, draws: int = 200, key: Key | None = None) -> Null:
    """The null of the same row, see `bounds.null`; NaN where an input is missing."""
    row, values, args = _inputs(name, evidence)
    if values is None:
        return Null(*(jnp.array(jnp.nan) for _ in Null._fields))
    valid = _valid(evidence)
    return nulls.null(
        row.bound, values, evidence.mask, *args, valid=valid, draws=draws, key=key, **row.keywords
    )


def losses(evidence: Evidence) -> JaxArray:
    """Losses of both members: whether predictions differ from labels, or real ones as they are.

    Real numbers in the place of predictions are losses in [0, 1] themselves.
    """
    predictions = jnp.asarray(evidence.predictions)
    if jnp.issubdtype(predictions.dtype, jnp.floating):
        return predictions
    return (predictions != jnp.asarray(evidence.labels)[:, None]).astype(jnp.int32)


def _valid(evidence: Evidence) -> JaxArray:
    return ~jnp.asarray(evidence.diverged, bool)


def _inputs(name: str, evidence: Evidence) -> tuple[Row, Any, tuple[int, ...]]:
    row = ROWS[name]
    if jnp.shape(evidence.mask)[-2] < 2:
        return row, None, ()
    if not row.of_predictions:
        return row, losses(evidence), ()
    classes = float(evidence.num_classes)
    if math.isnan(classes):
        return row, None, ()
    return row, evidence.predictions, (int(classes),)

"""The registered supersample bounds, as functions of the evidence of one checkpoint.

A diverged replica counts: it errs on both members of every pair, and its predictions are a letter
of their own, so that the bound is about the same replicas as the measured gap.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.bounds.evidence import survivors
from ibjax.bounds.supersample import e_cmi, f_cmi, ld_cmi, single_loss
from ibjax.interface import BoundValue, Moment
from ibjax.typing import JaxArray


def losses(moment: Moment) -> JaxArray:
    """The 0-1 losses on both members of every pair, (k1, k2, n, 2) integers."""
    predictions, labels = jnp.asarray(moment.predictions), jnp.asarray(moment.labels)[:, None]
    wrong = jnp.where(labels < 0, predictions, predictions != labels)
    gone = (predictions < 0) | jnp.asarray(moment.diverged, bool)[..., None, None]
    return jnp.where(gone, 1, wrong).astype(jnp.int32)


def _tabulated(
    function: Callable[..., BoundValue], values: Any, moment: Moment, *args: Any, **keywords: Any
) -> BoundValue:
    """A supersample bound; missing where k2 = 1 or no replica is left.

    One mask a supersample shows nothing of what another would have given.
    """
    if jnp.shape(moment.mask)[-2] < 2:
        return _missing()
    found, alive = function(values, moment.mask, *args, **keywords), survivors(moment) > 0
    return replace(found, value=jnp.where(alive, found.value, jnp.nan), holds=found.holds & alive)


def _missing() -> BoundValue:
    nan = jnp.array(jnp.nan)
    return BoundValue(nan, nan, nan, holds=jnp.array(False), kind="estimate")


def predictions(moment: Moment) -> BoundValue:
    """f-CMI of the predictions."""
    unknown = checks.concrete(moment.labels) and bool(np.any(np.asarray(moment.labels) < 0))
    classes = float(moment.num_classes)
    if math.isnan(classes) or unknown:
        return _missing()
    gone = jnp.asarray(moment.diverged, bool)[..., None, None]
    letters = jnp.where(gone, int(classes), jnp.asarray(moment.predictions))
    return _tabulated(f_cmi, letters, moment, int(classes) + 1)


def loss_pairs(moment: Moment) -> BoundValue:
    """e-CMI of the pairs of 0-1 losses."""
    return _tabulated(e_cmi, losses(moment), moment)


def loss_differences(moment: Moment) -> BoundValue:
    """Loss-difference CMI of the 0-1 losses."""
    return _tabulated(ld_cmi, losses(moment), moment)


def single_losses(moment: Moment) -> BoundValue:
    """Single-loss CMI of the 0-1 losses, centred, mean over both columns."""
    return _tabulated(single_loss, losses(moment), moment)


def loss_differences_pair(moment: Moment) -> BoundValue:
    """Loss-difference CMI with the training error: pair inversion."""
    return _tabulated(ld_cmi, losses(moment), moment, inversion="pair")

"""The least contraction coefficient that the training predictions of a run allow."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds.evidence.moment import at, in_float64, mean_over_replicas
from ibjax.bounds.layers.floor import depth_floor
from ibjax.interface import Estimate, Evidence
from ibjax.signatures import enforced


@enforced
@in_float64
def measured_floor(evidence: Evidence, checkpoint: int = -1) -> Estimate:
    """`depth_floor` of the training predictions, mean over the replicas that did not diverge.

    Args:
        evidence: of a whole run, or of one checkpoint, see `bounds.at`.
        checkpoint: which checkpoint of a run; the last by default.

    Returns:
        An `Estimate` of bias "up"; not ok where labels or the number of classes are missing.
    """
    now = at(evidence, checkpoint)
    classes = float(now.num_classes)
    if not classes >= 2 or bool(np.any(np.asarray(now.labels) < 0)):
        nan = np.array(np.nan)
        reason = "labels are missing"
        return Estimate(nan, nan, np.array(False), "up", "depth_floor", reason, about="other")
    return _floor(int(classes), *(getattr(now, name) for name in _READ))


_READ = ("labels", "mask", "predictions", "diverged")


@partial(jax.jit, static_argnums=0)
def _floor(classes: int, labels: Any, mask: Any, predictions: Any, diverged: Any) -> Estimate:
    labels = jnp.asarray(labels)[:, None]
    chosen = jnp.asarray(mask)[..., None]
    predicted = jnp.take_along_axis(jnp.asarray(predictions), chosen, -1)[..., 0]
    true = jnp.take_along_axis(jnp.broadcast_to(labels, predictions.shape), chosen, -1)[..., 0]
    letters = jnp.arange(classes)
    counts = jnp.einsum(
        "...ik,...im->...km",
        (true[..., None] == letters).astype(float),
        (predicted[..., None] == letters).astype(float),
    )
    gone = jnp.asarray(diverged, bool)
    counts = jnp.where(gone[..., None, None], 1.0, counts)
    each = jax.vmap(jax.vmap(lambda table: depth_floor(table).value))(counts)
    mean = mean_over_replicas(each, gone)
    reason = "every replica diverged"
    return replace(mean, bias="up", name="depth_floor", reason=reason, about="other")

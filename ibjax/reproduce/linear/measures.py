"""Gap and supersample bounds of the linear classifier, and their errors over supersamples."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import bounds
from ibjax.typing import JaxArray

MEASURED = ("training error", "gap")
POOLED = (
    "single loss, published",
    "single loss, centred",
    "fast rate",
    "pair JS",
    "ld-MI",
    "e-MI",
)
EACH = ("ld-CMI", "e-CMI", "f-CMI")


def measure(
    predictions: np.ndarray, labels: np.ndarray, masks: np.ndarray, valid: np.ndarray, classes: int
) -> dict[str, tuple[float, float]]:
    """Training error, gap and bounds with standard errors over supersamples.

    A supersample with fewer than two replicas that did not diverge is left out.
    """
    valid = valid & (valid.sum(1, keepdims=True) >= 2)
    losses = (predictions != labels[:, None]).astype(np.int32)
    wrong = np.take_along_axis(losses, masks[..., None], -1)[..., 0].mean(-1)
    ghost = np.take_along_axis(losses, 1 - masks[..., None], -1)[..., 0].mean(-1)
    with jax.enable_x64(True):
        measured = [
            bounds.mean_over_replicas(jnp.asarray(v), ~valid) for v in (wrong, ghost - wrong)
        ]
        found = {k: (float(e.value), float(e.std_error)) for k, e in zip(MEASURED, measured)}
        found |= zip(POOLED, zip(*_jackknife(losses, masks, valid)))
        each = (
            bounds.ld_cmi(losses, masks, valid=valid),
            bounds.e_cmi(losses, masks, valid=valid),
            bounds.f_cmi(predictions, masks, classes, valid=valid),
        )
        return found | {k: (float(b.value), float(b.std_error)) for k, b in zip(EACH, each)}


def _jackknife(losses: Any, masks: Any, valid: np.ndarray) -> tuple[list[float], list[float]]:
    """The pooled bounds, and their jackknife errors over the supersamples in use."""
    used = np.flatnonzero(valid.any(1))
    left = np.repeat(valid[None], len(used) + 1, 0)
    left[np.arange(len(used)), used] = False
    *without, whole = np.asarray(_pooled(jnp.asarray(losses), jnp.asarray(masks), left))
    if len(used) < 2:
        return list(whole), [math.nan] * len(POOLED)
    return list(whole), list(np.std(without, axis=0) * math.sqrt(len(used) - 1))


@jax.jit
def _pooled(losses: JaxArray, masks: JaxArray, valid: JaxArray) -> JaxArray:
    """Bounds in the order of `POOLED` from one table a pair, for each choice of replicas.

    As published, a table counts the trainings of all supersamples: to the bounds they are masks
    of a single one. Twice the single-loss information in the pair inversion is the optimum of
    the published family ``c l + I / d``, ``e^(2 d) + e^(-2 d (c + 1)) <= 2``.
    """
    flat, bits = (a.reshape(1, -1, *a.shape[2:]) for a in (losses, masks))
    wrong = jnp.take_along_axis(losses, masks[..., None], -1)[..., 0].mean(-1)

    def values(valid):
        use = valid.reshape(1, -1)
        single = bounds.single_loss(flat, bits, centred=False, valid=use)
        rate = jnp.sum(wrong * valid) / jnp.sum(valid)
        twice = 2 * jnp.maximum(single.information, 0.0)
        rows = (
            single,
            bounds.single_loss(flat, bits, valid=use),
            bounds.fast_rate(rate, twice, form="pair"),
            bounds.ld_cmi(flat, bits, inversion="pair", valid=use),
            bounds.ld_cmi(flat, bits, valid=use),
            bounds.e_cmi(flat, bits, valid=use),
        )
        return jnp.stack([b.value for b in rows])

    return jax.lax.map(values, valid)

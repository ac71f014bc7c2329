"""Stability under replacing one training example, from runs whose masks differ in one bit."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.bounds.replica_tables import mean_and_error
from ibjax.interface import Estimate
from ibjax.typing import Array, Float, Int, JaxArray


class Stability(NamedTuple):
    """What replacing one example changes, in loss units.

    Attributes:
        gap: mean change of the loss at the replaced example: on average exactly the
            generalization gap, whatever the algorithm.
        hypothesis: mean absolute change of the loss at the replaced example; never below |gap|.
        fresh: mean absolute change of the loss at examples neither run was trained on.
        error: mean absolute change of the mean loss over those examples.
        uniform: largest change seen anywhere: a lower estimate of uniform stability.
    """

    gap: Estimate
    hypothesis: Estimate
    fresh: Estimate
    error: Estimate
    uniform: JaxArray


def flip_masks(
    masks: Int[Array, "k1 k2 n"], pairs: Int[Array, "k1 k2 f"]
) -> Int[JaxArray, "k1 f*k2 n"]:
    """Masks with one bit flipped: mask u with pair ``pairs[s, u, j]`` flipped comes at u * f + j.

    Train them with the randomness of the masks they come from (for instance
    ``shared_randomness``): the measured changes are then those of the example alone.

    Args:
        masks: 0 or 1.
        pairs: which bits to flip, one training each.
    """
    masks, pairs = jnp.asarray(masks), jnp.asarray(pairs)
    if pairs.ndim != 3 or masks.ndim != 3 or pairs.shape[:2] != masks.shape[:2]:
        raise ValueError(
            f"pairs has shape {pairs.shape}; give (k1, k2, f) for masks of shape {masks.shape}"
        )
    hit = pairs[..., None] == jnp.arange(masks.shape[2])
    flipped = jnp.where(hit, 1 - masks[:, :, None], masks[:, :, None])
    return flipped.reshape(masks.shape[0], -1, masks.shape[2])


def flip_stability(
    losses: Float[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    flipped: Float[Array, "k1 k2 f n 2"],
    pairs: Int[Array, "k1 k2 f"],
) -> Stability:
    """Replace-one stability from coupled runs.

    ``gap = (1/n) sum_i E[l(A(S^i), Z_i) - l(A(S), Z_i)]``, S^i with Z_i replaced

    an identity: Z_i is a fresh example to A(S^i). Both runs of a couple serve in either role.

    Args:
        losses: of the runs on `masks`, at both members of every pair.
        masks: the column trained on.
        flipped: of the runs on ``flip_masks(masks, pairs)``, reshaped to one axis f a mask.
        pairs: which pair was flipped, drawn independently of the data.

    Returns:
        Means over couples, then supersamples, with errors over supersamples.

    Raises:
        ValueError: shapes that do not match, pairs out of range.

    Reference:
        Bousquet, Elisseeff 2002, "Stability and generalization"; Shalev-Shwartz, Shamir, Srebro,
        Sridharan 2010, "Learnability, stability and uniform convergence" (the identity).
    """
    losses = checks.real("losses", losses)
    flipped = checks.real("flipped", flipped)
    masks, pairs = jnp.asarray(masks, int), jnp.asarray(pairs, int)
    k1, k2, n = masks.shape
    if losses.shape != (k1, k2, n, 2):
        raise ValueError(f"losses has shape {losses.shape}; give {(k1, k2, n, 2)} to fit masks")
    if pairs.ndim != 3 or pairs.shape[:2] != (k1, k2):
        raise ValueError(f"pairs has shape {pairs.shape}; give (k1, k2, f) = ({k1}, {k2}, f)")
    if flipped.shape != (*pairs.shape, n, 2):
        raise ValueError(f"flipped has shape {flipped.shape}; give {(*pairs.shape, n, 2)}")
    if checks.concrete(pairs) and not ((np.asarray(pairs) >= 0) & (np.asarray(pairs) < n)).all():
        raise ValueError(f"pairs must lie in 0..{n - 1}")
    change = flipped - losses[:, :, None]
    at = jnp.take_along_axis(change, pairs[..., None, None], axis=3)[..., 0, :]
    trained = jnp.take_along_axis(masks, pairs, axis=2)
    # Losing its place raises the loss of one member; gaining it lowers that of the other.
    sign = jnp.stack([1 - 2 * trained, 2 * trained - 1], -1)
    replaced = jnp.mean(sign * at, -1)
    ghost = jnp.stack([masks, 1 - masks], -1)[:, :, None]
    others = ghost * (pairs[..., None] != jnp.arange(n))[..., None]
    count = n - 1
    fresh = jnp.sum(jnp.abs(change) * others, (-2, -1)) / count
    error = jnp.abs(jnp.sum(change * others, (-2, -1))) / count
    rows = (replaced, jnp.mean(jnp.abs(at), -1), fresh, error)
    names = ("gap", "hypothesis", "fresh", "error")
    gap, hypothesis, unseen, wrong = (
        _estimate(f"replace-one {name}", row) for name, row in zip(names, rows)
    )
    return Stability(gap, hypothesis, unseen, wrong, jnp.max(jnp.abs(change)))


def _estimate(name: str, values: JaxArray) -> Estimate:
    each = jnp.mean(values, (1, 2))
    mean, error = mean_and_error(each, jnp.ones(each.shape, bool))
    return Estimate(mean, error, jnp.isfinite(mean), "none", name, "a loss was not finite")

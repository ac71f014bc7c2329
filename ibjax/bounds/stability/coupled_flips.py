"""Stability under replacing one training example, from runs whose masks differ in one bit."""

from typing import NamedTuple

import jax.numpy as jnp

from ibjax.arguments import numeric
from ibjax.bounds import checks
from ibjax.bounds.means import mean_and_error
from ibjax.bounds.supersamples import plugin
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, BiasDirection, Float, Int, JaxArray


class Stability(NamedTuple):
    """What replacing one example changes, in loss units.

    Attributes:
        gap: mean change of the loss at the replaced example: on average exactly the
            generalization gap, whatever the algorithm.
        hypothesis: mean absolute change of the loss at the replaced example; never below |gap|.
        fresh: mean absolute change of the loss at examples neither run was trained on.
        error: mean absolute change of the mean loss over those n - 1 examples. Above the mean
            absolute change of the risk (Jensen): two rules of equal risk differ on a few examples.
        uniform: largest change seen anywhere: a lower estimate of uniform stability.
    """

    gap: Estimate
    hypothesis: Estimate
    fresh: Estimate
    error: Estimate
    uniform: JaxArray


@enforced
def flip_masks(
    masks: Int[Array, "k1 k2 n"], pairs: Int[Array, "k1 k2 f"]
) -> Int[JaxArray, "k1 f*k2 n"]:
    """Masks with one bit flipped: mask u with pair ``pairs[s, u, j]`` flipped comes at u * f + j.

    Train them with the randomness of the masks they come from (for instance
    ``shared_randomness``): the measured changes are then those of the example alone.

    Args:
        masks: 0 or 1.
        pairs: which bits to flip, one training each.

    Raises:
        ValueError: shapes that do not match; masks other than 0 and 1 or pairs outside 0..n-1
            (not seen under jit).
    """
    masks, pairs = plugin.integers("masks", masks, 2), numeric("pairs", pairs)
    if pairs.ndim != 3 or masks.ndim != 3 or pairs.shape[:2] != masks.shape[:2]:
        raise ValueError(
            f"pairs has shape {pairs.shape}; give (k1, k2, f) for masks of shape {masks.shape}"
        )
    pairs = plugin.integers("pairs", pairs, masks.shape[2])
    hit = pairs[..., None] == jnp.arange(masks.shape[2])
    flipped = jnp.where(hit, 1 - masks[:, :, None], masks[:, :, None])
    return flipped.reshape(masks.shape[0], -1, masks.shape[2])


@enforced
def flip_stability(
    losses: Float[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    flipped: Float[Array, "k1 k2 f n 2"],
    pairs: Int[Array, "k1 k2 f"],
    *,
    valid: Array | None = None,
) -> Stability:
    """Replace-one stability from coupled runs.

    ``gap = (1/n) sum_i E[l(A(S^i), Z_i) - l(A(S), Z_i)]``, S^i with Z_i replaced

    an identity: Z_i is a fresh example to A(S^i). Both runs of a couple serve in either role.

    Args:
        losses: of the runs on `masks`, at both members of every pair.
        masks: the column trained on.
        flipped: of the runs on ``flip_masks(masks, pairs)``, reshaped to one axis f a mask.
        pairs: which pair was flipped, drawn independently of the data.
        valid: (k1, k2) masks or (k1, k2, f) couples to use, no run of which diverged; all by
            default.

    Returns:
        Means over couples, then supersamples, with errors over supersamples; those without a
        couple to use are left out. One pair (n = 1) leaves no fresh example: `fresh` and `error`
        are NaN.

    Raises:
        ValueError: shapes that do not match, masks or pairs out of range.

    Reference:
        Bousquet, Elisseeff 2002, "Stability and generalization"; Shalev-Shwartz, Shamir, Srebro,
        Sridharan 2010, "Learnability, stability and uniform convergence" (the identity).
    """
    losses = checks.real("losses", losses)
    flipped = checks.real("flipped", flipped)
    masks, pairs = numeric("masks", masks), numeric("pairs", pairs)
    if masks.ndim != 3:
        raise ValueError(f"masks has shape {masks.shape}; give (k1, k2, n)")
    k1, k2, n = masks.shape
    if losses.shape != (k1, k2, n, 2):
        raise ValueError(f"losses has shape {losses.shape}; give {(k1, k2, n, 2)} to fit masks")
    if pairs.ndim != 3 or pairs.shape[:2] != (k1, k2):
        raise ValueError(f"pairs has shape {pairs.shape}; give (k1, k2, f) = ({k1}, {k2}, f)")
    if flipped.shape != (*pairs.shape, n, 2):
        raise ValueError(f"flipped has shape {flipped.shape}; give {(*pairs.shape, n, 2)}")
    use = jnp.ones((k1, k2), bool) if valid is None else checks.flags("valid", valid)
    if use.shape not in ((k1, k2), pairs.shape):
        raise ValueError(f"valid has shape {use.shape}; give {(k1, k2)} or {pairs.shape}")
    use = jnp.broadcast_to(use if use.ndim == 3 else use[..., None], pairs.shape)
    masks = plugin.integers("masks", masks, 2, jnp.any(use, -1))
    pairs = plugin.integers("pairs", pairs, n, use)
    change = flipped - losses[:, :, None]
    at = jnp.take_along_axis(change, pairs[..., None, None], axis=3)[..., 0, :]
    trained = jnp.take_along_axis(masks, pairs, axis=2)
    # Losing its place raises the loss of one member; gaining it lowers that of the other.
    sign = jnp.stack([1 - 2 * trained, 2 * trained - 1], -1)
    # Ghosts of the other pairs: the flipped pair has a member in either training set.
    ghost = jnp.stack([masks, 1 - masks], -1)[:, :, None]
    others = ghost * (pairs[..., None] != jnp.arange(n))[..., None]
    count = n - 1 if n > 1 else jnp.nan
    seen = jnp.where(use[..., None, None], jnp.abs(change), -jnp.inf)
    return Stability(
        _estimate("gap", jnp.mean(sign * at, -1), use),
        _estimate("hypothesis", jnp.mean(jnp.abs(at), -1), use),
        _estimate("fresh", jnp.sum(jnp.abs(change) * others, (-2, -1)) / count, use),
        _estimate("error", jnp.abs(jnp.sum(change * others, (-2, -1))) / count, use, "up"),
        jnp.where(jnp.any(use), jnp.max(seen), jnp.nan),
    )


def _estimate(name: str, values: JaxArray, use: JaxArray, bias: BiasDirection = "none") -> Estimate:
    couples = jnp.sum(use, (1, 2))
    total = jnp.sum(jnp.where(use, values, 0.0), (1, 2))
    mean, error = mean_and_error(total / jnp.maximum(couples, 1), couples > 0)
    reason = "no fresh example, or a loss not finite: leave its couple out with valid"
    name, ok = f"replace-one {name}", jnp.isfinite(mean)
    return Estimate(mean, error, ok, bias, name, reason, about="other")

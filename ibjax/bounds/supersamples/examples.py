"""Which examples are remembered: the loss of each without it less the loss with it."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtri

from ibjax.arguments import numeric
from ibjax.bounds.supersamples import replica_tables
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int, JaxArray


class Examples(NamedTuple):
    """One number an example.

    Attributes:
        memory: mean loss of the replicas trained without the example less that of those trained
            with it; NaN where there are none of either.
        low: lower end of its interval.
        high: upper end of its interval.
        trained: mean loss of the replicas trained with it.
        left_out: mean loss of the others.
        remembered: whether the lower end is above 0 at a level for all examples together.
    """

    memory: JaxArray
    low: JaxArray
    high: JaxArray
    trained: JaxArray
    left_out: JaxArray
    remembered: JaxArray


@enforced
def remembered(
    losses: Float[Array, "k1 k2 n 2"] | Float[Array, "models N"],
    masks: Int[Array, "k1 k2 n"] | Int[Array, "models N"],
    *,
    level: float = 0.95,
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
) -> Examples:
    """How much each example is remembered, with its interval.

    ``memory = E[L | not trained on] - E[L | trained on]``, for the 0-1 loss the rise of the
    probability to be right that training on the example brings

    The interval combines Wilson's intervals of the two means (Newcombe's hybrid score). Wilson's
    is that of a 0-1 loss, and wider than needed for a real loss in [0, 1], whose variance is less.
    Replicas count as independent given what they were trained on.

    Args:
        losses: on both members of each pair, or on every example of a pool.
        masks: the column trained on, or for a pool 1 where the example was trained on.
        level: coverage of each interval. `remembered` divides 1 - level by the number of examples.
        valid: (k1, k2) replicas to use, for a pool (models,); all by default.
        clip: c or (a, c): losses are clipped to [0, c] or [a, c]. The bound, in units of the loss,
            is then one on the gap of the clipped losses.

    Returns:
        Arrays (k1, n, 2), for a pool (N,), in units of the loss.

    Raises:
        ValueError: shapes that do not match, values out of range, level outside (0, 1).

    Reference:
        Feldman, Zhang 2020, "What neural networks memorize and why" (the score); Newcombe 1998
        (the interval).
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level} must lie strictly between 0 and 1")
    loss, mask = numeric("losses", losses), numeric("masks", masks)
    if loss.ndim == 2:
        data, width = pool(loss, mask, valid, clip)
        inside, value = data.masks[0] == 1, data.values[0, :, :, 0]
        kept = data.valid[0]
    else:
        data, width = replica_tables.prepare_losses(loss, mask, valid, clip)
        inside = data.masks[..., None] == jnp.arange(2)
        value, kept = data.values, data.valid[..., None]
    value = value.astype(jnp.result_type(float))
    axis = 0 if loss.ndim == 2 else 1
    with_it, without = inside & kept & data.legal, ~inside & kept & data.legal
    (p, m), (q, k) = (_mean(value, side, axis) for side in (with_it, without))
    examples = p.size
    memory = q - p
    low, high = _newcombe(q, k, p, m, (1 - level) / 2)
    strict, _ = _newcombe(q, k, p, m, (1 - level) / 2 / examples)
    return Examples(width * memory, width * low, width * high, width * p, width * q, strict > 0)


def pool(losses: Any, membership: Any, valid: Any, clip: Any) -> tuple[replica_tables.Data, float]:
    """A pool of N examples as one supersample whose second members are empty, (1, models, N, 1)."""
    loss, bits = numeric("losses", losses), numeric("membership", membership)
    if loss.ndim != 2 or bits.shape != loss.shape:
        raise ValueError(
            f"losses has shape {loss.shape} and membership {bits.shape}; give (models, examples) "
            "in both"
        )
    double = jnp.stack([loss, jnp.zeros_like(loss)], -1)
    data, width = replica_tables.prepare_losses(double, bits, valid, clip)
    return data._replace(values=data.values[..., :1]), width


def _mean(value: JaxArray, side: JaxArray, axis: int) -> tuple[JaxArray, JaxArray]:
    count = jnp.sum(side, axis)
    total = jnp.sum(jnp.where(side, value, 0.0), axis)
    return total / jnp.where(count > 0, count, jnp.nan), count


def _newcombe(p, m, q, k, tail: float) -> tuple[JaxArray, JaxArray]:
    """Interval of p - q from means of m and k draws."""
    (p_low, p_high), (q_low, q_high) = (_wilson(x, n, tail) for x, n in ((p, m), (q, k)))
    low = p - q - jnp.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    return low, p - q + jnp.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)


def _wilson(p: JaxArray, n: JaxArray, tail: float) -> tuple[JaxArray, JaxArray]:
    z = -ndtri(jnp.asarray(tail, p.dtype))
    safe = jnp.where(n > 0, n, jnp.nan)
    middle = (p + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z * jnp.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2)) / (1 + z**2 / safe)
    return middle - half, middle + half

"""Which examples are remembered: the loss of each without it less the loss with it."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from scipy.special import stdtrit

from ibjax.arguments import numeric, whole
from ibjax.bounds import checks
from ibjax.bounds.supersamples import jackknife, replica_tables
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
    checks.inside("level", level)
    sides = _sides(losses, masks, valid, clip)
    (p, m), (q, k) = _means(*sides[:3])
    memory = q - p
    low, high = _newcombe(q, k, p, m, (1 - level) / 2)
    strict, _ = _newcombe(q, k, p, m, (1 - level) / 2 / p.size)
    width = sides.width
    found = Examples(width * memory, width * low, width * high, width * p, width * q, strict > 0)
    return jax.tree.map(lambda a: a[0, :, 0], found) if sides.pool else found


class ClassMemory(NamedTuple):
    """One number a class.

    Attributes:
        memory: mean memory of its examples, see `remembered`; NaN where there are none.
        low: lower end of its interval; NaN where no error is known.
        high: upper end of its interval.
        std_error: of the mean.
        examples: how many were counted.
    """

    memory: JaxArray
    low: JaxArray
    high: JaxArray
    std_error: JaxArray
    examples: JaxArray


@enforced
def remembered_by_class(
    losses: Float[Array, "k1 k2 n 2"] | Float[Array, "models N"],
    masks: Int[Array, "k1 k2 n"] | Int[Array, "models N"],
    labels: Int[Array, "k1 n 2"] | Int[Array, " N"],
    num_classes: int,
    *,
    level: float = 0.95,
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
) -> ClassMemory:
    """How much the examples of each class are remembered, with intervals.

    ``memory_c = mean over examples of class c of E[L | not trained on] - E[L | trained on]``, the
    generalization gap on that class

    Intervals are Student's t of a jackknife over supersamples. One supersample, or a pool, has
    examples that share their networks: there groups of networks are left out, and the interval is
    about these examples.

    Args:
        losses: on both members of each pair, or on every example of a pool.
        masks: the column trained on, or for a pool 1 where the example was trained on.
        labels: the class of both members of each pair, or of every example of a pool.
        num_classes: C.
        level: coverage of each interval.
        valid: (k1, k2) replicas to use, for a pool (models,); all by default.
        clip: c or (a, c): losses are clipped to [0, c] or [a, c]. The bound, in units of the loss,
            is then one on the gap of the clipped losses.

    Returns:
        Arrays (C,), in units of the loss.

    Raises:
        ValueError: shapes that do not match, labels out of range, level outside (0, 1).

    Reference:
        Score of Feldman, Zhang 2020; means over classes and their intervals are new here.
    """
    checks.inside("level", level)
    classes = whole("num_classes", num_classes, 1)
    sides = _sides(losses, masks, valid, clip)
    label = numeric("labels", labels)
    label = label[None, :, None] if sides.pool and label.ndim == 1 else label
    wanted = (sides.value.shape[0], *sides.value.shape[2:])
    if label.shape != wanted:
        wanted = wanted[1:2] if sides.pool else wanted
        raise ValueError(f"labels has shape {jnp.shape(labels)}; give {wanted} to fit losses")
    legal = (label >= 0) & (label < classes) & (label == jnp.round(label))
    if checks.concrete(label) and not bool(jnp.all(legal)):
        raise ValueError(f"labels must lie in 0..{classes - 1}, the classes from 0")
    place = jnp.clip(label, 0, classes - 1).astype(int).ravel()
    memory, number, left = _left_out(*sides[:3], place, classes)
    # A group whose absence leaves a class without examples says nothing of its error.
    known = np.sum(np.isfinite(left), 0)
    apart = np.where(np.isfinite(left), left, 0.0)
    apart = np.where(np.isfinite(left), left - apart.sum(0) / np.maximum(known, 1), 0.0)
    error = np.sqrt((known - 1) / np.maximum(known, 1) * np.sum(apart**2, 0))
    error = sides.width * np.where(known > 1, error, np.nan)
    within = stdtrit(np.maximum(known - 1, 1), (1 + level) / 2) * error
    memory = sides.width * np.asarray(memory)
    numbers = (memory, memory - within, memory + within, error, number)
    return ClassMemory(*map(jnp.asarray, numbers))


@partial(jax.jit, static_argnames="classes")
def _left_out(
    value: JaxArray, inside: JaxArray, kept: JaxArray, place: JaxArray, classes: int
) -> tuple[JaxArray, JaxArray, JaxArray]:
    """Memory of each class, its examples, and the memory with each group left out."""
    units, replicas = value.shape[:2]
    over = units > 1
    group = jnp.arange(units) if over else jnp.asarray(jackknife.groups(replicas))

    def means(chosen: JaxArray) -> tuple[JaxArray, JaxArray]:
        (p, _), (q, _) = _means(value, inside, kept & chosen)
        each = (q - p).ravel()
        use = jnp.isfinite(each)
        number = jax.ops.segment_sum(use.astype(int), place, classes)
        total = jax.ops.segment_sum(jnp.where(use, each, 0.0), place, classes)
        return total / jnp.where(number > 0, number, jnp.nan), number

    def without(g: JaxArray) -> JaxArray:
        chosen = group != g
        return means(chosen[:, None, None, None] if over else chosen[None, :, None, None])[0]

    count = units if over else jackknife.count(replicas)
    return *means(jnp.array(True)), jax.lax.map(without, jnp.arange(count))


class _Sides(NamedTuple):
    """Losses (k1, k2, n, c), where the example was trained on, what to use, unit, whether a pool.

    A pool is one supersample of single examples, c = 1.
    """

    value: JaxArray
    inside: JaxArray
    kept: JaxArray
    width: float
    pool: bool


def _sides(losses: Any, masks: Any, valid: Any, clip: Any) -> _Sides:
    loss, mask = numeric("losses", losses), numeric("masks", masks)
    single = loss.ndim == 2
    if single:
        data, width = pool(loss, mask, valid, clip)
        inside = data.masks[..., None] == 1
    else:
        data, width = replica_tables.prepare_losses(loss, mask, valid, clip)
        inside = data.masks[..., None] == jnp.arange(2)
    value = data.values.astype(jnp.result_type(float))
    return _Sides(value, inside, data.valid[..., None] & data.legal, width, single)


@jax.jit
def _means(
    value: JaxArray, inside: JaxArray, kept: JaxArray
) -> tuple[tuple[JaxArray, JaxArray], tuple[JaxArray, JaxArray]]:
    """Mean loss of each example and the number of replicas with it, then without it."""
    return _mean(value, inside & kept, 1), _mean(value, ~inside & kept, 1)


def pool(losses: Any, membership: Any, valid: Any, clip: Any) -> tuple[replica_tables.Data, float]:
    """A pool of N examples as one supersample whose second members are empty, (1, models, N, 1)."""
    loss, bits = numeric("losses", losses), numeric("membership", membership)
    if loss.ndim != 2 or bits.shape != loss.shape:
        raise ValueError(
            f"losses has shape {loss.shape} and membership {bits.shape}; give (models, examples) "
            "in both"
        )
    data, width = replica_tables.prepare_losses(_with_empty(loss), bits, valid, clip)
    return data._replace(values=data.values[..., :1]), width


@jax.jit
def _with_empty(loss: JaxArray) -> JaxArray:
    return jnp.stack([loss, jnp.zeros_like(loss)], -1)


def _mean(value: JaxArray, side: JaxArray, axis: int) -> tuple[JaxArray, JaxArray]:
    count = jnp.sum(side, axis)
    total = jnp.sum(jnp.where(side, value, 0.0), axis)
    return total / jnp.where(count > 0, count, jnp.nan), count


@jax.jit
def _newcombe(p, m, q, k, tail: Any) -> tuple[JaxArray, JaxArray]:
    """Interval of p - q from means of m and k draws."""
    (p_low, p_high), (q_low, q_high) = (_wilson(x, n, tail) for x, n in ((p, m), (q, k)))
    low = p - q - jnp.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    return low, p - q + jnp.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)


def _wilson(p: JaxArray, n: JaxArray, tail: Any) -> tuple[JaxArray, JaxArray]:
    z = -ndtri(jnp.asarray(tail, p.dtype))
    safe = jnp.where(n > 0, n, jnp.nan)
    middle = (p + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z * jnp.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2)) / (1 + z**2 / safe)
    return middle - half, middle + half

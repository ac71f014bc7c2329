"""From arrays of replicas to checked codes, one table of counts a pair, and what biases it."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy
from scipy import special as host_special

from ibjax.arguments import numeric
from ibjax.bounds import checks
from ibjax.bounds.supersamples import words
from ibjax.typing import Array, Float, JaxArray

ASSUMPTIONS = ("iid", "supersample", "bounded_loss", "plug_in")
"""Premises of every bound from tables; without "iid" it bounds the gap to the held-out members."""

CEILING = "low near log 2 unless the masks are balanced"

_NOTES = {
    None: f"plug-in information, biased up near zero by about (m-1)/(2 k2) nats a cell, {CEILING}",
    "miller_madow": f"Miller-Madow corrected: less biased on well filled tables only, {CEILING}",
    "jackknife": "jackknife corrected over masks: approximately unbiased, can be negative",
    "permutation": "minus its mean under permuted masks: zero-mean if independent, else low",
    "polynomial": "mean information by tables of little bias, the largest bias added, then the "
    "root; the error covers both",
    "conservative": "plug-in of balanced masks, mean first and root last: not below the truth in "
    "expectation, biased up near zero",
}
_POOLED = {
    None: f"plug-in information of one table, biased up near zero by about (m-1)/(2 k1 k2 n) nats, "
    f"{CEILING}",
    "jackknife": "jackknife corrected over all draws as if independent, can be negative",
}

_CHANCE = 1e-2
"""Where fair coins would leave so many bits constant less often than this, they were no coins."""


def note(correction: str | None, pooled: bool = False) -> str:
    """How the information of the tables errs, in one line."""
    return _POOLED.get(correction, _NOTES[correction]) if pooled else _NOTES[correction]


class Data(NamedTuple):
    """Checked arrays: values (k1, k2, n, c), masks and valid (k1, k2, n), whether all are legal.

    `tables` are those of the splits of the masks, where these are known and not traced elsewhere;
    `shown`, `sides` and `means` are what `letters.shown`, `words.sides` and `mean_first.means` have
    counted already, `coins` the `letters.coin_information` of real losses, (k1, n): who replaces
    masks or valid replaces the sides too.
    """

    values: JaxArray
    masks: JaxArray
    valid: JaxArray
    legal: JaxArray
    tables: Any = None
    shown: Any = None
    sides: words.Sides | None = None
    means: Any = None
    coins: Any = None


def prepare(name: str, values: Any, masks: Any, valid: Any, size: int) -> Data:
    """Checked integer values in 0..size-1 (or booleans), masks and the replicas to use.

    One supersample may come without its axis, (k2, n, 2) with (k2, n) masks; masks of that shape
    beside several supersamples are shared by all of them. `valid` flags replicas, (k1, k2), or
    single pairs of them, (k1, k2, n).
    """
    values, masks, binary, use = _shaped(name, values, masks, valid)
    whole, in_range = _whole(values, size)
    allowed = "0 and 1" if size == 2 else f"integers 0..{size - 1}"
    return _legal(
        name, whole, in_range, masks, binary, use, f"other values than {allowed}; recode it"
    )


# One program each for what is asked of known arrays: run one operation after the other, each would
# be a program of its own for every shape. Inside a trace they leave no mark.


@partial(jax.jit, static_argnums=1, inline=True)
def _whole(values: JaxArray, size: int) -> tuple[JaxArray, JaxArray]:
    """Values as integers, 0 where they are none of 0..size-1, and where they are."""
    if values.dtype == bool:  # the usual type of a 0-1 loss; it cannot be rounded
        values = values.astype(int)
    in_range = (values >= 0) & (values < size) & (values == jnp.round(values))
    return jnp.where(in_range, values, 0).astype(int), in_range


@partial(jax.jit, static_argnums=1, inline=True)
def _unit(
    losses: JaxArray, ends: tuple[float, float] | None
) -> tuple[JaxArray, JaxArray, JaxArray]:
    """Losses clipped and rescaled, 0 outside of [0, 1]; where they lie inside, and are 0 or 1."""
    if losses.dtype == bool:
        losses = losses.astype(int)
    if ends is not None:
        low, high = ends
        # NaN stays NaN, so that it is refused below unless its replica is left out. The ends are
        # those of the working precision, and so is their distance: none lies above it.
        losses = jnp.clip(losses.astype(jnp.result_type(float)), low, high) - low
        losses = jnp.minimum(losses / (high - low), 1)
    in_range = (losses >= 0) & (losses <= 1)
    kept = jnp.where(in_range, losses, 0)
    return kept, in_range, (kept == 0) | (kept == 1)


@partial(jax.jit, static_argnums=2, inline=True)
def _bits(
    masks: JaxArray, use: Array, pairs: tuple[int, ...]
) -> tuple[JaxArray, JaxArray, JaxArray]:
    """Masks as integers, whether each entry is a bit, and what to use, of the shape of pairs."""
    masks = jnp.broadcast_to(masks, pairs)
    use = jnp.broadcast_to(use.reshape(use.shape + (1,) * (3 - use.ndim)), pairs)
    binary = (masks == 0) | (masks == 1)
    return jnp.where(binary, masks, 0).astype(int), binary, use


@partial(jax.jit, inline=True)
def _good(in_range: JaxArray, binary: JaxArray, use: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Whether all values and masks in use are legal, and whether the masks are."""
    return jnp.all(jnp.all(in_range, -1) & binary | ~use), jnp.all(binary | ~use)


def prepare_losses(losses: Any, masks: Any, valid: Any, clip: Any = None) -> tuple[Data, float]:
    """Checked losses in [0, 1], masks and replicas to use, and the unit of the losses.

    Integers and booleans, and real numbers that are all 0 or 1 where that can be seen, give whole
    counts; other real losses fractions of them.

    Args:
        losses: (k1, k2, n, 2), shapes as in `prepare`.
        masks: the column trained on.
        valid: as in `prepare`.
        clip: None for losses in [0, 1]; c or (a, c) to clip to [0, c] or [a, c] and rescale.
    """
    losses, masks, binary, use = _shaped("losses", losses, masks, valid)
    low, high = _range(clip)
    kept, in_range, counted = _unit(losses, None if clip is None else (low, high))
    wrong = "values outside [0, 1]; give clip=(low, high), which bounds the gap of clipped losses"
    try:
        data = _legal("losses", kept, in_range, masks, binary, use, wrong)
    except ValueError:
        # What is no number is within no range: another remedy.
        if not np.any(
            np.isnan(losses) & np.asarray(use)[..., None] & np.asarray(binary)[..., None]
        ):
            raise
        raise ValueError("losses holds NaN; mark diverged replicas in valid") from None
    integer = jnp.issubdtype(data.values.dtype, jnp.integer)
    if not integer and checks.concrete(*data):
        integer = bool((np.asarray(counted) | ~np.asarray(data.valid)[..., None]).all())
    dtype = jnp.result_type(int if integer else float)
    return data._replace(values=data.values.astype(dtype)), high - low


def _range(clip: Any) -> tuple[float, float]:
    pair = (0.0, 1.0) if clip is None else clip if isinstance(clip, tuple | list) else (0.0, clip)
    ends: Any = np.asarray(pair, float)
    if clip is not None and ends.shape == (2,):
        with np.errstate(over="ignore", under="ignore"):
            ends = ends.astype(jnp.result_type(float))
    with np.errstate(over="ignore", invalid="ignore"):
        apart = ends.shape == (2,) and bool(0 < ends[1] - ends[0] < np.inf)
    if not apart or not np.isfinite(ends).all():
        raise ValueError(
            f"clip={clip!r} must be one finite number above 0 or a pair (low, high), apart in "
            f"{np.dtype(ends.dtype).name}"
        )
    return float(ends[0]), float(ends[1])


def _shaped(
    name: str, values: Any, masks: Any, valid: Any
) -> tuple[JaxArray, JaxArray, JaxArray, JaxArray]:
    values = numeric(name, values)
    if values.ndim == 3 and values.shape[-1] == 2 and jnp.shape(masks) == values.shape[:2]:
        values = values[None]
    if values.ndim != 4 or values.shape[-1] != 2:
        raise ValueError(f"{name} has shape {values.shape}; give (k1, k2, n, 2)")
    if values.shape[1] < 2:
        raise ValueError(f"{name} has shape {values.shape}; give k2 >= 2 masks a supersample")
    # Known masks stay known inside a trace of the values: tables are chosen by them.
    with jax.ensure_compile_time_eval():
        return values, *_masks(name, values.shape[:-1], masks, valid)


def _masks(
    name: str, pairs: tuple[int, ...], masks: Any, valid: Any
) -> tuple[JaxArray, JaxArray, JaxArray]:
    """Masks, whether each entry is a bit, and what to use, (k1, k2, n) each."""
    masks = numeric("masks", masks)
    if masks.shape not in (pairs, pairs[1:]):
        raise ValueError(
            f"masks has shape {masks.shape}; give {pairs} to fit {name}, or {pairs[1:]} shared"
        )
    use = np.ones(pairs[:2], bool) if valid is None else checks.flags("valid", valid)
    if pairs[0] == 1 and use.shape in (pairs[1:2], pairs[1:]):
        use = use[None]
    if use.shape not in (pairs, pairs[:2]):
        raise ValueError(f"valid has shape {use.shape}; give one flag a replica: {pairs[:2]}")
    return _bits(masks, use, pairs)


def _legal(name, values, in_range, masks, binary, use, complaint: str) -> Data:
    good, of_masks = _good(in_range, binary, use)
    if checks.concrete(values, masks, use) and not bool(good):
        if not bool(of_masks):
            name, complaint = "masks", "other values than 0 and 1; recode it"
        raise ValueError(f"{name} holds {complaint}, or mark diverged replicas in valid")
    return Data(values, masks, use, good)


def varies(data: Data) -> JaxArray:
    """Pairs whose bit took both values in the replicas in use, (k1, n); of others I is unknown."""
    zeros, ones = side_sizes(data)
    return (zeros > 0) & (ones > 0) & data.legal


def side_sizes(data: Data) -> tuple[JaxArray, JaxArray]:
    """How many replicas in use have bit 0, and bit 1, (k1, n) each."""
    if data.sides is not None:
        return data.sides.sizes()
    return ((data.masks == 0) & data.valid).sum(1), ((data.masks == 1) & data.valid).sum(1)


def balanced(data: Data) -> JaxArray:
    """Pairs each member of which trains in half of the replicas in use, (k1, n)."""
    zeros, ones = side_sizes(data)
    return zeros == ones


def usable(data: Data) -> JaxArray:
    """Supersamples with a pair whose bit varies, (k1,)."""
    return jnp.any(varies(data), 1)


def pair_mean(data: Data, each: Float[JaxArray, "k1 n *more"]) -> JaxArray:
    """Mean over the pairs whose bit varies, (k1, *more); 0 where there is none.

    Under fair masks which pairs these are depends on nothing else, so the mean over them is that
    over all pairs up to chance.
    """
    known = varies(data).reshape(each.shape[:2] + (1,) * (each.ndim - 2))
    count = jnp.maximum(jnp.sum(known, 1), 1)
    return jnp.sum(jnp.where(known, each, 0.0), 1) / count


def fair(data: Data) -> JaxArray:
    """Whether no more bits are constant than fair coins leave, up to a chance of one in a hundred.

    With v replicas a bit is constant with probability 2^(1 - v). By Chernoff's bound N independent
    bits have a share x of constant ones, or more, with probability at most exp(-N kl(x || p)), p
    the mean probability.
    """
    # On the host where the masks are NumPy's: remarks then cost no program of XLA.
    xp: Any = np if isinstance(data.masks, np.ndarray) else jnp
    log_ratio: Any = host_special.xlogy if xp is np else xlogy
    zeros, ones = side_sizes(data)
    counts = zeros + ones
    some = counts >= 2
    units = xp.maximum(some.sum(), 1)
    share = (some & ~varies(data)).sum() / units
    chance = xp.where(some, 2.0 ** (1.0 - counts), 0.0).sum() / units
    safe = xp.clip(chance, 1e-30, 1.0 - 1e-7)
    divergence = log_ratio(share, share / safe) + log_ratio(1 - share, (1 - share) / (1 - safe))
    return (share <= chance) | (units * divergence <= -np.log(_CHANCE))


def remarks(data: Data) -> tuple[str, ...]:
    """What is odd about the masks, in words; nothing under jit, where they are not known."""
    if not checks.concrete(*data):
        return ()
    # On the host these counts are no programs of XLA.
    seen: Any = [np.asarray(a) for a in (data.masks, data.valid, data.legal)]
    data = Data(data.values, *seen)
    found = []
    known = varies(data)
    if not bool(fair(data)):
        found.append(
            f"the mask bit never varies in {(~known).sum()} of {known.size} pairs, which fair "
            "coins do not do: the bound is missing; give every replica a mask of its own"
        )
    elif not known.all():
        found.append(
            f"{(~known).sum()} of {known.size} pairs left out: their mask bit never varies"
        )
    masks, use = seen[0], seen[1].any(-1)
    for rows, kept in zip(masks, use):
        rows = rows[kept]
        if len(rows) < 2:
            continue
        distinct = len(set(map(bytes, np.packbits(rows == 1, axis=1))))
        room = 2.0 ** min(rows.shape[1], 60)
        # Fair coins repeat masks only where there are hardly more masks than replicas.
        if distinct < 0.5 * -room * np.expm1(len(rows) * np.log1p(-1 / room)):
            found.append(
                f"only {distinct} distinct masks among {len(rows)} replicas: the noise is that of "
                f"{distinct} replicas"
            )
            break
    return tuple(found)


def train_error(data: Data) -> tuple[JaxArray, JaxArray]:
    """Summed loss of the training members and their number in each supersample, (k1,) each."""
    wrong, trained = train_errors(data)
    return jnp.sum(wrong, 1), jnp.sum(trained, 1)


def train_errors(data: Data) -> tuple[JaxArray, JaxArray]:
    """Summed loss of the training members and their number in each replica, (k1, k2) each."""
    picked = jnp.where(data.masks == 0, data.values[..., 0], data.values[..., 1])
    return jnp.sum(picked * data.valid, 2), jnp.sum(data.valid, 2)

"""The letters whose information about a mask bit is counted, from losses or codes.

A real loss L in [0, 1] stands for a fresh coin that is 1 with probability L: the gap of the coins
is the gap of the losses, and by data processing their information is never larger. The coin is
not tossed but counted in fractions: every replica gives L to letter 1 and 1 - L to letter 0, for
pairs the products of the two columns. For 0-1 losses these are the plain counts.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds.supersamples import coin_laws, plugin, polynomial, replica_tables, words
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.bounds.supersamples.rules import Rule
from ibjax.typing import Float, JaxArray

_LOOKED_UP = 64
"""Most masks whose plug-in information is looked up by its counts, and not computed from them."""

SIZES = {"pair": 4, "difference": 3, "single": 2, "first": 2}
"""Letters of each alphabet of losses; "codes" has those of its caller."""


@partial(jax.jit, static_argnames=("alphabet", "size"))
def weights(alphabet: str, size: int, data: Data) -> Float[JaxArray, "k1 k2 n c m"]:
    """What each replica gives to each letter of c alphabets, sums to one over letters.

    Args:
        alphabet: "pair" (L_0, L_1), "difference" L_1 - L_0 in -1, 0, 1, "single" both members
            apart, "first" the member of column 0, or "codes" for whole numbers 0..size-1.
        size: number of letters.
        data: of losses, or of codes (k1, k2, n, 1).
    """
    dtype = jnp.result_type(float)
    if alphabet == "codes":
        return jax.nn.one_hot(data.values, size, dtype=dtype)
    loss = data.values.astype(dtype)
    first, second = loss[..., 0], loss[..., 1]
    neither, both = (1 - first) * (1 - second), first * second
    only_first, only_second = first * (1 - second), (1 - first) * second
    columns = {
        "pair": [[neither, only_second, only_first, both]],
        "difference": [[only_first, neither + both, only_second]],
        "single": [[1 - first, first], [1 - second, second]],
        "first": [[1 - first, first]],
    }[alphabet]
    return jnp.stack([jnp.stack(column, -1) for column in columns], -2)


def shown(alphabet: str, size: int, data: Data) -> JaxArray | None:
    """Which replicas show each letter, as the bits of words (k1, n, c * m, words).

    None where replicas give fractions to letters.
    """
    if not jnp.issubdtype(data.values.dtype, jnp.integer):
        return None
    if alphabet == "codes":
        return words.packed(data.values == jnp.arange(size))
    each = weights(alphabet, size, data) > 0.5
    return words.packed(each.reshape(*each.shape[:3], -1))


def counted(rule: Rule, data: Data) -> tuple[str, int, int]:
    """What a rule counts of which values: the same for rules that can share it."""
    return rule.alphabet, rule.size, id(data.values)


def all_shown(rules: Sequence[Rule], datas: Sequence[Data]) -> list[Data]:
    """What each rule counts, with the replicas that show its letters found once."""
    found: dict[Any, Any] = {}
    for rule, data in zip(rules, datas):
        if (key := counted(rule, data)) not in found:
            found[key] = shown(rule.alphabet, rule.size, data)
    return [d._replace(shown=found[counted(r, d)]) for r, d in zip(rules, datas)]


def _counted(shown: JaxArray, data: Data) -> list[JaxArray]:
    """How many replicas with each value of the bit show each letter, two arrays (k1, n, c * m)."""
    sides = words.sides(data.masks, data.valid) if data.sides is None else data.sides
    return [words.count(shown & side[:, :, None]) for side in sides]


def counts(alphabet: str, size: int, data: Data) -> Float[JaxArray, "k1 c n 2 m"]:
    """Tables of (fractional) counts, bit on the last axis but one."""
    seen = shown(alphabet, size, data) if data.shown is None else data.shown
    if seen is not None:
        both = jnp.stack(_counted(seen, data), 2).astype(jnp.result_type(float))
        return jnp.moveaxis(both.reshape(*both.shape[:3], -1, size), 3, 1)
    each = weights(alphabet, size, data)
    sides = jnp.stack([data.masks == 0, data.masks == 1], -1) & data.valid[..., None]
    return jnp.einsum(
        "sknb,skncm->scnbm", sides.astype(each.dtype), each, precision=jax.lax.Precision.HIGHEST
    )


def plug_in_information(
    alphabet: str, size: int, data: Data, tables: polynomial.Lookup | None
) -> Float[JaxArray, "k1 c n"]:
    """Plug-in information of each table of counts, see `plugin.mutual_information`.

    Of few replicas there are few counts: what a letter with each of them adds is computed once
    for all pairs, and once for all deals of the masks.

    Args:
        alphabet: as in `weights`.
        size: number of letters.
        data: what is counted.
        tables: of the splits of the masks, None where they are not known.
    """
    seen = shown(alphabet, size, data) if data.shown is None else data.shown
    if seen is None or tables is None or tables.index.shape[0] > _LOOKED_UP + 1:
        return plugin.mutual_information(counts(alphabet, size, data))
    row, turned, found = _places(data, tables)
    each = _looked_up(_plug_in_table(tables), row, turned, *_counted(seen, data))
    info = jnp.sum(each.reshape(*each.shape[:2], -1, size), -1)
    # A bit that took one value tells nothing, and has no table.
    missing = jnp.where(replica_tables.varies(data), jnp.nan, 0.0)
    return jnp.moveaxis(jnp.where(found[..., None], info, missing[..., None]), 2, 1)


@jax.jit
def _plug_in_table(tables: polynomial.Lookup) -> JaxArray:
    """What a letter with these counts adds to the plug-in information of each split."""
    count = jnp.arange(tables.index.shape[0], dtype=tables.table.dtype)
    less, more = count[:, None], count[None]
    few, many = (side[:, None, None] for side in tables.splits.astype(count.dtype).T)
    total = few + many
    each = plugin.share(less, few, less + more, total) + plugin.share(
        more, many, less + more, total
    )
    return each / jnp.where(total > 0, total, 1.0) ** 2


def _places(data: Data, tables: polynomial.Lookup) -> tuple[JaxArray, JaxArray, JaxArray]:
    """Where the split of each pair is held, whether the other way round, and whether it is."""
    return _held(*replica_tables.side_sizes(data), tables)


@jax.jit
def _held(
    zeros: JaxArray, ones: JaxArray, tables: polynomial.Lookup
) -> tuple[JaxArray, JaxArray, JaxArray]:
    most = tables.index.shape[0] - 1
    row = tables.index[jnp.minimum(zeros, most), jnp.minimum(ones, most)]
    found = (row >= 0) & (zeros <= most) & (ones <= most)
    # Tables have the side of fewer draws first.
    return jnp.where(found, row, 0), zeros > ones, found


@jax.jit
def _looked_up(table, row, turned, first, second) -> JaxArray:
    """What is held for the counts of each letter, (k1, n, letters)."""
    size = table.shape[-1]
    narrow = table.size < 2**31
    start, first, second = (
        a.astype(jnp.int32 if narrow else jnp.int64) for a in (row * size**2, first, second)
    )
    steps = (jnp.where(side, size, 1).astype(start.dtype)[..., None] for side in (~turned, turned))
    place = start[..., None] + first * next(steps) + second * next(steps)
    return table.reshape(-1).at[place].get(mode="promise_in_bounds")


def polynomial_information(
    wanted: Sequence[tuple[str, int, Data]], tables: polynomial.Lookup
) -> list[tuple[Float[JaxArray, "k1 n"], Float[JaxArray, "k1 n"]]]:
    """Information of little bias of each pair, mean over alphabets, and its largest bias.

    Of fractions of counts it is the mean over all tosses of the coins: the count of a letter is a
    sum of coins, whose law is exact.

    Args:
        wanted: an alphabet, its size and what it is counted in, each; under the same masks.
        tables: of their splits.
    """
    data = wanted[0][2]
    row, turned, found = _places(data, tables)
    letters = [shown(*one) if one[2].shown is None else one[2].shown for one in wanted]
    whole = [v for v in letters if v is not None]
    if whole:
        # The letters of all alphabets side by side, since information is a sum over letters.
        first, second = _counted(jnp.concatenate(whole, 2), data)
        each, seen = _looked_up(tables.table, row, turned, first, second), first + second > 0
    informed, start = [], 0
    for (alphabet, size, own), bits in zip(wanted, letters):
        number = jnp.full(row.shape, size)
        if bits is None:
            info = own.coins
            if info is None:
                info = coin_information(alphabet, size, own, tables)[0]
        else:
            here = slice(start, start := start + bits.shape[2])
            info = jnp.sum(each[..., here], -1) / (bits.shape[2] // size)
            if alphabet == "codes":
                # Letters that none of the replicas showed count as one.
                number = jnp.minimum(jnp.sum(seen[..., here], -1) + 1, size)
        allowed = tables.allowance[row, number]
        informed.append(tuple(jnp.where(found, a, jnp.nan) for a in (info, allowed)))
    return informed


def coin_information(
    alphabet: str, size: int, data: Data, tables: polynomial.Lookup, group: np.ndarray | None = None
) -> Float[JaxArray, "laws k1 n"]:
    """Information of fractions of counts, with all replicas and with each group left out.

    The mean over alphabets and over all tosses of the coins, see `coin_laws`.

    Args:
        alphabet: as in `weights`.
        size: number of letters.
        data: of real losses.
        tables: of the splits of the masks, also with a group left out.
        group: of each replica; None for none left out.
    """
    each = weights(alphabet, size, data)
    k1, k2, n, alphabets, _ = each.shape
    sides = jnp.stack([data.masks == 0, data.masks == 1], -1) & data.valid[..., None]
    counted = jnp.sum(sides, 1)[None]
    if group is not None:
        member = jnp.asarray(group == np.arange(group.max() + 1)[:, None])
        apart = jnp.einsum("gr,srnb->gsnb", member.astype(int), sides.astype(int))
        counted = jnp.concatenate([counted, counted - apart])
    row, turned, _ = _held(counted[..., 0], counted[..., 1], tables)

    def one(pair):
        chance, side, *places = pair
        return coin_laws.left_out(chance, side, group, tuple(places), tables.table)

    pairs = (jnp.moveaxis(part, 1, 2).reshape(k1 * n, k2, -1) for part in (each, sides))
    places = (jnp.moveaxis(part, 0, 2).reshape(k1 * n, -1) for part in (row, turned))
    found = jax.lax.map(one, (*pairs, *places))
    return jnp.moveaxis(found.reshape(k1, n, -1), 2, 0) / alphabets

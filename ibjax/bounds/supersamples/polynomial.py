"""Tables that estimate the information of a mask bit with little bias, by letters.

For a fair bit the information is additive over the letters of an alphabet,

``I = sum_v f(p_v, q_v)``, ``f(p, q) = (p log p)/2 + (q log q)/2 - s log s``, s = (p + q)/2

with p and q the laws of a letter given either bit. From m draws of each, with a and b of the
letter, ``I_hat = sum_v h[a_v, b_v]`` has a bias that is a sum over letters of a polynomial in
(p, q) less f. `table` chooses h so that it is small for all laws: the plug-in plus a ridge least
squares correction on a grid. Values can be negative. Everything here is numpy on the host, solved
once a count and kept.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.sparse import csr_array
from scipy.special import xlogy

from ibjax.arguments import whole
from ibjax.bounds.supersamples import coins
from ibjax.typing import JaxArray

_GRID, _RIDGE, _DIAGONAL, _OFFSET = 70, 0.1, 3.0, 0.02
_DENSE, _NODES = 30, 24
"""Up to the first count every entry is free; beyond, entries between the nodes are interpolated."""

_KEPT = 64
"""Tables of splits up to so many draws are kept for the next call; larger ones take megabytes."""

_FINE, _SLOPES = 161, np.linspace(-0.4, 0.4, 161)
"""Points a side on which the bias is bounded, and the multipliers tried."""


class Lookup(NamedTuple):
    """Tables of several splits (draws with bit 0, with bit 1) of the replicas.

    Those of (b, a) are the transposed of those of (a, b) and not held beside them.

    Attributes:
        index: position of each split, (most + 1, most + 1); -1 where it is not held.
        splits: draws with either bit, the fewer first, (splits, 2); 0 where no split is held.
        table: h of each split, (splits, most + 1, most + 1); the fewer draws first.
        allowance: largest bias of each split by number of letters, (splits, letters + 1).
    """

    index: JaxArray
    splits: JaxArray
    table: JaxArray
    allowance: JaxArray


def letter_information(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """f(p, q): what one letter adds to the information of a fair bit, in nats."""
    s = (p + q) / 2
    return xlogy(p, p) / 2 + xlogy(q, q) / 2 - xlogy(s, s)


@lru_cache(maxsize=256)
def table(draws: int) -> np.ndarray:
    """h[a, b] for `draws` replicas with each value of the bit, (draws + 1, draws + 1), in nats.

    Least squares of the bias over p, q = sin^2 of 70 even angles, weight
    ``(sqrt(p q) + .02)^-1/2`` and thrice as much where p = q; ridge 0.1 on the correction, which
    keeps the variance near that of the plug-in. h[0, 0] = 0: letters that never occur add nothing.

    Reference:
        After the best-upper-bound and minimax polynomial estimators of entropy, Paninski 2003 and
        Jiao, Venkat, Han, Weissman 2015; this form for two samples is new here.
    """
    draws = whole("draws", draws)
    counts = np.arange(draws + 1)
    p = np.sin(np.linspace(0, np.pi / 2, _GRID)) ** 2
    law = coins.binomial(counts, draws, p[:, None])
    plain = letter_information(counts[:, None] / draws, counts[None] / draws)
    nodes = _nodes(draws)
    hats = np.stack([np.interp(counts, nodes, unit) for unit in np.eye(len(nodes))], 1)
    seen = law @ hats
    i, j = np.triu_indices(_GRID)
    rows, columns = np.triu_indices(len(nodes))
    design = seen[i][:, rows] * seen[j][:, columns] + seen[i][:, columns] * seen[j][:, rows]
    design[:, rows == columns] /= 2
    missing = letter_information(p[i], p[j]) - np.sum((law[i] @ plain) * law[j], 1)
    weight = (np.sqrt(p[i] * p[j]) + _OFFSET) ** -0.5 * np.where(i == j, _DIAGONAL, 1.0)
    design, missing = (design * weight[:, None])[:, 1:], missing * weight
    normal = design.T @ design + _RIDGE * np.eye(design.shape[1])
    correction = np.zeros((len(nodes), len(nodes)))
    correction[rows[1:], columns[1:]] = np.linalg.solve(normal, design.T @ missing)
    correction = correction + np.triu(correction, 1).T
    return plain + hats @ correction @ hats.T


def _nodes(draws: int) -> np.ndarray:
    if draws <= _DENSE:
        return np.arange(draws + 1)
    wide = np.round(np.geomspace(9, draws, _NODES - 9)).astype(int)
    return np.unique(np.concatenate([np.arange(9), wide]))


@lru_cache(maxsize=256)
def _bias(draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bias of one letter over (p, q), p + q, and for each slope t the largest excess.

    The excess is ``max over (p, q) of +-b(p, q) - t (p + q)``, one row a sign.
    """
    p = np.sin(np.linspace(0, np.pi / 2, _FINE)) ** 2
    law = coins.binomial(np.arange(draws + 1), draws, p[:, None])
    bias = law @ table(draws) @ law.T - letter_information(p[:, None], p[None])
    total = p[:, None] + p[None]
    excess = [[(sign * bias - t * total).max() for t in _SLOPES] for sign in (1.0, -1.0)]
    return bias, total, np.array(excess)


@lru_cache(maxsize=4096)
def largest_bias(draws: int, letters: int) -> float:
    """Largest bias of the sum over so many letters, either way, with `table`, in nats.

    Two letters: the largest of ``|b(p, q) + b(1 - p, 1 - q)|`` on a grid. L letters: one of them
    has p + q >= 2/L; the other L - 1 share 2 - p - q, and together their bias is at most
    ``min over t of t (2 - p - q) + (L - 1) max (+-b - t (p' + q'))``. One letter counts as two,
    since another may not have been seen.
    """
    bias, total, excess = _bias(draws)
    if letters <= 2:
        return float(np.abs(bias + bias[::-1, ::-1]).max())
    mass = np.linspace(0.0, 2.0, 101)
    worst = 0.0
    for sign, above in zip((1.0, -1.0), excess):
        rest = (_SLOPES * mass[:, None] + (letters - 1) * above).min(1)
        both = sign * bias + np.interp(2 - total, mass, rest)
        worst = max(worst, float(both[total >= 2 / letters].max()))
    return max(worst, largest_bias(draws, 2))


def split_table(first: int, second: int) -> np.ndarray:
    """h[a, b] for unequal numbers of draws: that of the smaller one, the larger sample thinned.

    The mean over all choices of as many draws from the larger sample has the bias of `table`.
    """
    small = max(first, second) <= _KEPT
    return _kept_split_table(first, second) if small else _split_table(first, second)


def _split_table(first: int, second: int) -> np.ndarray:
    size = draws_used(min(first, second), first == second)
    return (_thin(second, size) @ (_thin(first, size) @ table(size)).T).T


_kept_split_table = lru_cache(maxsize=1024)(_split_table)


def draws_used(small: int, equal: bool = False) -> int:
    """Draws a side of the table behind a split; a coarse ladder beyond 30 unless they are equal."""
    if equal or small <= _DENSE:
        return small
    ladder = np.floor(_DENSE * 1.1 ** np.arange(200)).astype(int)
    return int(ladder[ladder <= small][-1])


@lru_cache(maxsize=256)
def _thin(draws: int, size: int) -> Any:
    """Chances of each count of `size` draws, given that of `draws`; a sparse matrix beyond 64.

    A count lies within t of its mean but for a chance of 2 exp(-2 t^2 / (m (1 - (m - 1) / N)))
    (Serfling 1974, for m of N): what is left out is below 1e-21.
    """
    counts = np.arange(draws + 1)
    if draws <= _KEPT:
        return coins.hypergeometric(np.arange(size + 1), draws, counts[:, None], size)
    reach = int(np.ceil(5 * np.sqrt(size * (1 - (size - 1) / draws)))) + 1
    seen = counts[:, None] * size // draws + np.arange(-reach, reach + 1)
    rest = draws - counts[:, None], size - seen
    possible = (seen >= 0) & (seen <= counts[:, None]) & (rest[1] >= 0) & (rest[1] <= rest[0])
    row, place = np.nonzero(possible)
    of, chosen = counts[row], seen[row, place]
    chance = coins.hypergeometric(chosen, draws, of, size)
    chance /= np.bincount(row, chance)[row]
    return csr_array((chance, (row, chosen)), shape=(draws + 1, size + 1))


def _rounded_up(number: int) -> int:
    """To a power of two, or beyond 64 to one of eight steps an octave."""
    if number <= 64:
        return 1 << max(number - 1, 0).bit_length()
    step = 1 << (number.bit_length() - 4)
    return -(-number // step) * step


def lookup(splits: Iterable[tuple[int, int]], letters: int) -> Lookup:
    """The tables of these splits together; splits with an empty side have none.

    Args:
        splits: pairs (draws with bit 0, draws with bit 1).
        letters: most letters of an alphabet.
    """
    known = sorted({(int(min(pair)), int(max(pair))) for pair in splits if min(pair) > 0})
    # Padded, so that masks with other splits find the same program compiled.
    most = max((pair[1] for pair in known), default=1)
    most = most if most <= 64 else _rounded_up(most)
    rows = _rounded_up(len(known))
    index = np.full((most + 1, most + 1), -1)
    held = np.zeros((rows, 2), int)
    tables = np.full((rows, most + 1, most + 1), np.nan)
    allowance = np.full((rows, letters + 1), np.nan)
    for row, (a, b) in enumerate(known):
        index[a, b] = index[b, a] = row
        held[row] = a, b
        tables[row, : a + 1, : b + 1] = split_table(a, b)
        allowance[row] = [
            largest_bias(draws_used(min(a, b), a == b), count) for count in range(letters + 1)
        ]
    dtype = jnp.result_type(float)
    wide = (jnp.asarray(a, dtype) for a in (tables, allowance))
    return Lookup(jnp.asarray(index), jnp.asarray(held), *wide)

"""Samples within a radius, counted on the host exactly as by all differences.

Samples at one place are one point with a weight, so that ties cost nothing: a tree would walk
through every copy for every copy.
"""

from typing import NamedTuple

import numpy as np

_LEAF = 64
"""Samples of a leaf where they are counted: many at once, with little to decide between."""


class Places(NamedTuple):
    """The distinct points of samples.

    Attributes:
        points: (m, d), each once.
        place: the point of each sample, (n,).
        weight: samples at each point, (m,).
    """

    points: np.ndarray
    place: np.ndarray
    weight: np.ndarray


def places(z: np.ndarray) -> Places:
    """The distinct rows of samples, (n, d)."""
    n = len(z)
    if any(len(np.unique(column)) == n for column in z.T):
        return Places(z, np.arange(n), np.ones(n, int))
    order = np.lexsort(z.T)
    ordered = z[order]
    new = np.concatenate([[True], np.any(ordered[1:] != ordered[:-1], axis=1)])
    place = np.empty(n, int)
    place[order] = np.cumsum(new) - 1
    return Places(ordered[new], place, np.bincount(place))


def twins(z: np.ndarray) -> float:
    """The share of samples that occur more than once."""
    found = places(z)
    return float(np.mean(found.weight[found.place] > 1))


def within(of: Places, z: np.ndarray, radius: np.ndarray, strict: bool) -> np.ndarray:
    """Samples within a radius of each, itself among them unless the radius is 0 and strict."""
    if z.shape[1] == 1:
        return _within_on_a_line(of, z, radius, strict)
    if z.shape[1] == 2:
        return _within_in_a_plane(of, z, radius, strict)
    from scipy.spatial import KDTree

    reach = np.nextafter(radius, -np.inf) if strict else radius
    # Asked in the order of a tree, the next sample reads what the last one has read.
    order = KDTree(z, balanced_tree=False).indices
    asked, reach = z[order], reach[order]
    total = np.zeros(len(z), int)
    for bit in range(int(of.weight.max()).bit_length()):
        # a tree counts points, not weights: one tree for each binary digit of these
        chosen = of.points[(of.weight >> bit) & 1 == 1]
        if len(chosen):
            tree = KDTree(chosen, leafsize=_LEAF)
            found = tree.query_ball_point(asked, reach, p=np.inf, return_length=True, workers=-1)
            total[order] += found << bit
    return total


def _within_on_a_line(of: Places, z: np.ndarray, radius: np.ndarray, strict: bool) -> np.ndarray:
    rank = np.argsort(of.points[:, 0])
    asked = rank if of.points is z else np.argsort(z[:, 0])
    # Asked in order, the next one is found where the last one was.
    low, high = _ends(of.points[rank, 0], z[asked, 0], radius[asked], strict)
    before = np.concatenate([[0], np.cumsum(of.weight[rank])])
    inner = np.empty(len(z), before.dtype)
    inner[asked] = before[high] - before[low]
    return inner


def _within_in_a_plane(of: Places, z: np.ndarray, radius: np.ndarray, strict: bool) -> np.ndarray:
    """The samples in a square: an interval of either coordinate, by a wavelet matrix.

    Samples in the order of the first coordinate carry their rank in the second. Digit by digit of
    it, from the highest, they are parted into zeros and ones, each in the order that was: what lies
    in an interval stays in one, and the zeros of a digit where the end of the ranks has a one are
    below that end (Claude, Navarro, Ordonez 2015).
    """
    points = np.repeat(of.points, of.weight, axis=0)
    across = np.argsort(points[:, 0], kind="stable")
    points = points[across]
    up = np.argsort(points[:, 1], kind="stable")
    asked = np.argsort(z[:, 0])
    z, radius = z[asked], radius[asked]
    # Two ends in the order of the first coordinate, for the upper and the lower end of the ranks.
    ends = np.tile(_ends(points[:, 0], z[:, 0], radius, strict), (2, 1, 1)).swapaxes(0, 1)
    below = np.stack(_ends(points[up, 1], z[:, 1], radius, strict))[::-1]
    rank = np.empty(len(points), np.int32)
    rank[up] = np.arange(len(points), dtype=np.int32)
    count = np.zeros(below.shape, np.int32)
    ends, below = ends.astype(np.int32), below.astype(np.int32)
    for digit in reversed(range(len(points).bit_length())):
        one = (rank >> digit & 1).astype(bool)
        zeros = np.concatenate([[0], np.cumsum(~one, dtype=np.int32)])
        left = zeros[ends]
        higher = (below >> digit & 1).astype(bool)
        count += np.where(higher, left[1] - left[0], 0)
        ends = np.where(higher, zeros[-1] + ends - left, left)
        rank = np.concatenate([rank[~one], rank[one]])
    inner = np.empty(len(z), int)
    inner[asked] = count[0] - count[1]
    return inner


def _ends(order: np.ndarray, z: np.ndarray, radius: np.ndarray, strict: bool):
    """The interval of ascending numbers within a radius of each, by the differences themselves."""
    m = len(order)

    def inside(position):
        gap = np.abs(order[np.clip(position, 0, m - 1)] - z)
        near = gap < radius if strict else gap <= radius
        return near & (position >= 0) & (position < m)

    low = np.searchsorted(order, z - radius, "left")
    high = np.searchsorted(order, z + radius, "right")
    # z +- radius is rounded and a difference is rounded otherwise: move the ends until they agree
    while (move := inside(low - 1)).any():
        low = low - move
    while (move := ~inside(low) & (low < high)).any():
        low = low + move
    while (move := inside(high)).any():
        high = high + move
    while (move := ~inside(high - 1) & (high > low)).any():
        high = high - move
    return low, high

"""Neighbours on the host, where trees and sorting win: few dimensions, many samples.

Samples at one place are one point with a weight, so that ties cost nothing: a tree would walk
through every copy for every copy.
"""

from typing import NamedTuple

import numpy as np

FEW_DIMENSIONS = 4
MANY_SAMPLES = 1000


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


def tree_counts(x: np.ndarray, y: np.ndarray, k: int, algorithm: int):
    """The counts of both algorithms of Kraskov et al. by a k-d tree, exactly as by brute force.

    Args:
        x: samples, (n, dx).
        y: samples, (n, dy).
        k: neighbours.
        algorithm: 1 counts strictly closer samples in each marginal and the sample itself; 2 the
            others up to the farthest of the k neighbours in that marginal.

    Returns:
        Counts in x and in y, (n,) each, and the distance of the k-th neighbour, (n,).
    """
    joint = places(np.hstack([x, y]))
    radius, index, _ = _nearest(joint, np.full(len(joint.points), k))
    counts = []
    for j, z in enumerate((x, y)):
        if algorithm == 1:
            counts.append(within(places(z), z, radius[joint.place], strict=True))
        else:
            columns = slice(None, x.shape[1]) if j == 0 else slice(x.shape[1], None)
            points = joint.points[:, columns]
            gap = np.abs(points[index] - points[:, None]).max(axis=2)
            whole = np.abs(joint.points[index] - joint.points[:, None]).max(axis=2)
            reach = np.where(whole <= radius[:, None], gap, 0.0).max(axis=1)[joint.place]
            counts.append(within(places(z), z, reach, strict=False) - 1)
    return counts[0], counts[1], radius[joint.place]


def class_counts(x: np.ndarray, codes: np.ndarray, k: int, blur: float):
    """Counts of the estimators of a continuous variable and a class, by one k-d tree.

    Args:
        x: samples, (n, d).
        codes: numbers of the classes from 0, (n,), each with two samples at least.
        k: neighbours within the class, or all of a smaller one.
        blur: distances that differ by less are equal.

    Returns:
        For each sample the others of its class up to the distance of the k-th, the size of its
        class, the others of any class up to this distance, and this distance.
    """
    size = np.bincount(codes)[codes]
    wanted = np.minimum(k, size - 1)
    # classes so far apart that the neighbours of a sample are in its own
    apart = 2.0 ** np.ceil(np.log2(2 * np.ptp(x, axis=0).max() + 1))
    joint = places(np.hstack([x, codes[:, None] * apart]))
    first = np.zeros(len(joint.points), int)
    first[joint.place] = wanted
    radius, _, tied = (part[joint.place] for part in _nearest(joint, first, blur))
    if tied.any():
        wanted[tied] = _in_class(joint, x, codes, tied, radius + blur) - 1
    return wanted, size, within(places(x), x, radius + blur, strict=False) - 1, radius


def _in_class(joint: Places, x: np.ndarray, codes: np.ndarray, of: np.ndarray, radius: np.ndarray):
    """Samples of its own class up to a radius of each one chosen, itself among them."""
    if x.shape[1] > 1 or codes.max() >= 1000:
        return within(joint, joint.points[joint.place[of]], radius[of], strict=False)
    found = np.empty(len(x), int)
    for code in np.unique(codes[of]):  # sorting a class beats a tree
        chosen = of & (codes == code)
        found[chosen] = within(places(x[codes == code]), x[chosen], radius[chosen], strict=False)
    return found[of]


def atom_counts(x: np.ndarray, y: np.ndarray, k: int, blur: float):
    """Counts of the estimator with atoms: neighbours, samples near in x and in y."""
    joint = places(np.hstack([x, y]))
    radius, _, tied = (
        part[joint.place] for part in _nearest(joint, np.full(len(joint.points), k), blur)
    )
    atom = radius == 0
    sides = [(z, places(z)) for z in (x, y)]
    near = [within(of, z, radius, strict=True) for z, of in sides]
    neighbours = np.where(atom, joint.weight[joint.place], k)
    if tied.any() or any(len(of.points) < len(z) for z, of in sides):
        upto = [within(of, z, radius + blur, strict=False) for z, of in sides]
        below = [within(of, z, radius - blur, strict=True) for z, of in sides]
        # one sample lies at the distance of the k-th, in one of the two, unless there are ties
        grid = ~atom & (upto[0] + upto[1] - below[0] - below[1] > 1)
        whole = within(joint, joint.points[joint.place[grid]], radius[grid] + blur, strict=False)
        neighbours[grid] = whole - 1
        near = [np.where(grid, c - 1, n) for c, n in zip(upto, near)]
    counts = [np.where(atom, of.weight[of.place], n) for (_, of), n in zip(sides, near)]
    return neighbours, counts[0], counts[1], radius


def twins(z: np.ndarray) -> float:
    """The share of samples that occur more than once."""
    found = places(z)
    return float(np.mean(found.weight[found.place] > 1))


def within(of: Places, z: np.ndarray, radius: np.ndarray, strict: bool) -> np.ndarray:
    """Samples within a radius of each, itself among them unless the radius is 0 and strict."""
    if z.shape[1] == 1:
        return _within_on_a_line(of, z[:, 0], radius, strict)
    from scipy.spatial import KDTree

    reach = np.nextafter(radius, -np.inf) if strict else radius
    total = np.zeros(len(z), int)
    for bit in range(int(of.weight.max()).bit_length()):
        # a tree counts points, not weights: one tree for each binary digit of these
        chosen = of.points[(of.weight >> bit) & 1 == 1]
        if len(chosen):
            found = KDTree(chosen).query_ball_point(
                z, reach, p=np.inf, return_length=True, workers=-1
            )
            total += found << bit
    return total


def _nearest(of: Places, wanted: np.ndarray, blur: float = 0.0):
    """Distance of the neighbour asked for, by point; the points looked at; whether others tie."""
    from scipy.spatial import KDTree

    m = len(of.points)
    look = min(int(wanted.max()) + 2, m)
    distance, index = KDTree(of.points).query(of.points, look, p=np.inf, workers=-1)
    distance, index = np.reshape(distance, (m, look)), np.reshape(index, (m, look))
    total = np.cumsum(of.weight[index], axis=1)
    met = total > wanted[:, None]
    position = np.where(met.any(axis=1), met.argmax(axis=1), look - 1)[:, None]
    radius = np.take_along_axis(distance, position, axis=1)[:, 0]
    near = np.where(distance <= radius[:, None] + blur, total, 0).max(axis=1)
    return np.where(met.any(axis=1), radius, np.inf), index, near > wanted + 1


def _within_on_a_line(of: Places, z: np.ndarray, radius: np.ndarray, strict: bool) -> np.ndarray:
    rank = np.argsort(of.points[:, 0])
    order = of.points[rank, 0]
    before = np.concatenate([[0], np.cumsum(of.weight[rank])])
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
    return before[high] - before[low]

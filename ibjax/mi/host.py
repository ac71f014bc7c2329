"""Neighbours on the host, where trees and sorting win: few dimensions, many samples."""

from typing import Any

import jax
import numpy as np

from ibjax.arguments import concrete
from ibjax.mi.ranges import Places, places, within

_FEWEST = {4: 1000, 5: 6000, 6: 14_000, 7: 30_000, 8: 60_000}
"""Samples from which a tree beats comparing all pairs, by dimension (`benchmarks/estimators.py`;
in six and seven dimensions beyond the largest numbers tried there, at which it did not yet).

Of independent ones in single precision, which suits trees least. In four dimensions and fewer a
tree also wins what the comparison takes to compile.
"""


def trees_win(dims: int, *samples: Any) -> bool:
    """Whether neighbours of known samples, (n, ...), in so many dimensions are found by trees.

    False on an accelerator, where comparing all pairs is fast, and where samples are traced.
    """
    known = concrete(*samples) and jax.default_backend() == "cpu"
    return known and dims <= max(_FEWEST) and len(samples[0]) >= _FEWEST[max(dims, min(_FEWEST))]


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
    radius, index, tied = _nearest(joint, np.full(len(joint.points), k))
    far = radius[joint.place]
    if algorithm == 1:
        return *(within(places(z), z, far, strict=True) for z in (x, y)), far
    reach = _reaches(joint.points, x.shape[1], index, radius)
    if tied.any():
        reach[:, tied] = _reaches_of_all(joint.points, x.shape[1], tied, radius)
    up_to = reach[:, joint.place]
    return *(within(places(z), z, r, strict=False) - 1 for z, r in zip((x, y), up_to)), far


def _reaches(points: np.ndarray, split: int, index: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """How far neighbours up to a radius are in the coordinates before and from a split, (2, m)."""
    gap = np.abs(points[index] - points[:, None])
    sides = np.stack([gap[:, :, :split].max(axis=2), gap[:, :, split:].max(axis=2)])
    return np.where(sides.max(axis=0) <= radius[:, None], sides, 0.0).max(axis=2)


def _reaches_of_all(
    points: np.ndarray, split: int, tied: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """The same where more lie at that distance than are looked at, as on the grid of rounding."""
    from scipy.spatial import KDTree

    tree, chosen = KDTree(points, balanced_tree=False), np.flatnonzero(tied)
    found = []
    for some in np.array_split(chosen, -(-len(chosen) // 4096)):
        near = tree.query_ball_point(points[some], radius[some], p=np.inf, workers=-1)
        sizes = np.array([len(v) for v in near])
        gap = np.abs(points[np.concatenate(near).astype(int)] - points[some].repeat(sizes, axis=0))
        sides = np.stack([gap[:, :split].max(axis=1), gap[:, split:].max(axis=1)])
        found.append(np.maximum.reduceat(sides, np.cumsum(sizes) - sizes, axis=1))
    return np.concatenate(found, axis=1)


def conditional_counts(x: np.ndarray, y: np.ndarray, z: np.ndarray, k: int):
    """Samples strictly closer than the k-th neighbour in (x, y, z), by a k-d tree.

    Returns:
        Counts in (x, z), in (y, z) and in z, itself among them, and the distance, (n,) each.
    """
    joint = places(np.hstack([x, y, z]))
    radius = _nearest(joint, np.full(len(joint.points), k))[0][joint.place]
    spaces = np.hstack([x, z]), np.hstack([y, z]), z
    return *(within(places(v), v, radius, strict=True) for v in spaces), radius


def kth_distance(x: np.ndarray, k: int, norm: float) -> np.ndarray:
    """Distance of each sample, (n, d), to its k-th neighbour in the norm of that power, (n,)."""
    points = places(x)
    return _nearest(points, np.full(len(points.points), k), norm=norm)[0][points.place]


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


def _nearest(
    of: Places, wanted: np.ndarray, blur: float = 0.0, norm: float = np.inf
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance of the neighbour asked for, by point; the points looked at; whether others tie."""
    from scipy.spatial import KDTree

    m = len(of.points)
    look = min(int(wanted.max()) + 2, m)
    tree = KDTree(of.points, balanced_tree=False)
    order = tree.indices
    distance, index = np.empty((m, look)), np.empty((m, look), int)
    found = tree.query(of.points[order], look, p=norm, workers=-1)
    distance[order], index[order] = (np.reshape(part, (m, look)) for part in found)
    if len(of.points) == len(of.place) and look > wanted.max() + 1:  # each once: no weights to add
        rows = np.arange(m)
        radius = distance[rows, wanted]
        return radius, index, distance[rows, wanted + 1] <= radius + blur
    total = np.cumsum(of.weight[index], axis=1)
    met = total > wanted[:, None]
    position = np.where(met.any(axis=1), met.argmax(axis=1), look - 1)[:, None]
    radius = np.take_along_axis(distance, position, axis=1)[:, 0]
    near = np.where(distance <= radius[:, None] + blur, total, 0).max(axis=1)
    return np.where(met.any(axis=1), radius, np.inf), index, near > wanted + 1

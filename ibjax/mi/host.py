"""Neighbour counts on the host, where trees and sorting win: few dimensions, many samples."""

import numpy as np


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
    from scipy.spatial import KDTree

    joint = np.hstack([x, y])
    distance, index = KDTree(joint).query(joint, k + 1, p=np.inf, workers=-1)
    radius, index = np.asarray(distance)[:, -1], np.asarray(index)
    counts = []
    for z in (x, y):
        if algorithm == 1:
            counts.append(_within(z, radius, strict=True))
        else:
            reach = np.abs(z[index[:, 1:]] - z[:, None]).max(axis=(1, 2))
            counts.append(_within(z, reach, strict=False) - 1)
    return counts[0], counts[1], radius


def twins(z: np.ndarray) -> float:
    """The share of samples that occur more than once."""
    _, inverse, repeats = np.unique(z, axis=0, return_inverse=True, return_counts=True)
    return float(np.mean(repeats[inverse.reshape(-1)] > 1))


def _within(z: np.ndarray, radius: np.ndarray, strict: bool) -> np.ndarray:
    if z.shape[1] == 1:
        return _within_on_a_line(z[:, 0], radius, strict)
    from scipy.spatial import KDTree

    reach = np.nextafter(radius, -np.inf) if strict else radius
    return KDTree(z).query_ball_point(z, reach, p=np.inf, return_length=True, workers=-1)


def _within_on_a_line(z: np.ndarray, radius: np.ndarray, strict: bool) -> np.ndarray:
    order = np.sort(z)
    n = len(z)

    def inside(position):
        gap = np.abs(order[np.clip(position, 0, n - 1)] - z)
        near = gap < radius if strict else gap <= radius
        return near & (position >= 0) & (position < n)

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
    return high - low

"""Terms of the estimators of classes and atoms: in blocks on any device, by trees on the host."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma

from ibjax.mi.checks import missing
from ibjax.mi.host import atom_counts, class_counts
from ibjax.mi.neighbours import chebyshev, count, kth_smallest, map_rows, psi, repeated
from ibjax.mi.ranges import places as host_places
from ibjax.mi.ranges import twins
from ibjax.mi.tables import covered, joint_places, places, sizes
from ibjax.typing import JaxArray

_TOLERATED_TWINS = 0.1
_DETERMINED = 0.9


@jax.jit
def atoms(a: JaxArray, b: JaxArray):
    """The estimator with atoms of two variables of classes."""
    n = a.shape[0]
    in_a, in_b = places(a), places(b)
    filled = [sizes(v) for v in (in_a, in_b, joint_places(in_a, in_b))]
    counts = [digamma(v) for v in filled]
    local = math.log(n) + counts[2] - counts[0] - counts[1]
    varied = jnp.any(a != a[0]) & jnp.any(b != b[0])
    return jnp.mean(local), jnp.std(local, ddof=1) / math.sqrt(n), varied & covered(*filled)


@partial(jax.jit, static_argnums=(2, 3))
def ross(x: JaxArray, labels: JaxArray, k: int, rows: int, blur: Any):
    """Ross's estimator."""
    wanted, size, inside, radius = _class_counts(x, labels, k, rows, blur)
    kept = size > 1
    number = jnp.sum(kept).astype(x.dtype)
    local = digamma(wanted) - digamma(size) - digamma(inside)
    mean, error = _mean_of(local, kept, number)
    return digamma(number) + mean, error, _told_apart(labels, kept, radius)


@partial(jax.jit, static_argnums=(2, 3))
def classes(x: JaxArray, labels: JaxArray, k: int, rows: int, blur: Any):
    """The estimator with atoms of a continuous variable and classes."""
    n = x.shape[0]
    wanted, size, inside, radius = _class_counts(x, labels, k, rows, blur)
    kept, atom = size > 1, radius == 0

    def twice(i):
        here = chebyshev(x, x[i]) == 0
        return count(here & (labels == labels[i])), count(here & kept)

    both, same = map_rows(twice, n, rows)
    neighbours = jnp.where(atom, both, wanted)
    inside = jnp.where(atom, same, inside)
    number = jnp.sum(kept).astype(x.dtype)
    local = digamma(neighbours) - digamma(size) - digamma(inside)
    mean, error = _mean_of(local, kept, number)
    varied = jnp.any(x != x[:1])
    ok = _told_apart(labels, kept, jnp.ones_like(radius)) & varied
    return jnp.log(number) + mean, error, ok


def _class_counts(x: JaxArray, labels: JaxArray, k: int, rows: int, blur: Any):
    """What `class_counts` gives on the host; samples alone in their class have size 1."""
    n = x.shape[0]
    size = sizes(places(labels))
    kept = size > 1
    wanted = jnp.minimum(k, size - 1)

    def local(i):
        distance = chebyshev(x, x[i])
        others = (labels == labels[i]) & (jnp.arange(n) != i)
        radius = kth_smallest(jnp.where(others, distance, jnp.inf), k, wanted[i])
        near = distance <= radius + blur
        # without ties these are the k and those closer than the last of them, with the sample
        return count(near & others), jnp.maximum(count(near & kept) - 1, 1.0), radius

    own, inside, radius = map_rows(local, n, rows)
    return jnp.maximum(own, 1).astype(x.dtype), size, inside, radius


def _mean_of(local: JaxArray, kept: JaxArray, number: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Mean over the samples kept, and its error."""
    mean = jnp.sum(jnp.where(kept, local, 0.0)) / number
    spread = jnp.sum(jnp.where(kept, (local - mean) ** 2, 0.0)) / jnp.maximum(number - 1, 1)
    return mean, jnp.sqrt(spread / number)


def _told_apart(labels: JaxArray, kept: JaxArray, radius: JaxArray) -> JaxArray:
    """Whether two classes are left, with distances to measure in them."""
    first = labels[jnp.argmax(kept)]
    several = jnp.any(kept & (labels != first))
    return several & (jnp.sum(kept) > 2) & jnp.all((radius > 0) | ~kept)


@partial(jax.jit, static_argnums=(2, 3))
def mixed(x: JaxArray, y: JaxArray, k: int, rows: int, blur: Any):
    """The estimator with atoms of two variables of numbers."""
    n = x.shape[0]

    def one(i):
        dx, dy = chebyshev(x, x[i]), chebyshev(y, y[i])
        joint = jnp.maximum(dx, dy)
        radius = kth_smallest(jnp.where(jnp.arange(n) == i, jnp.inf, joint), k)
        atom = radius == 0
        upto = [count(d <= radius + blur) for d in (dx, dy)]
        below = [count(d < radius - blur) for d in (dx, dy)]
        # one sample lies at the distance of the k-th, in one of the two, unless there are ties
        grid = upto[0] + upto[1] - below[0] - below[1] > 1
        neighbours = jnp.where(grid, count(joint <= radius + blur) - 1, float(k))
        sides = [
            jnp.where(atom, count(d == 0), jnp.where(grid, c - 1, count(d < radius)))
            for d, c in zip((dx, dy), upto)
        ]
        return jnp.where(atom, count(joint == 0), neighbours), *sides

    neighbours, nx, ny = map_rows(one, n, rows)
    local = math.log(n) + digamma(neighbours) - digamma(nx) - digamma(ny)
    varied = jnp.any(x != x[:1]) & jnp.any(y != y[:1])
    few = jnp.maximum(repeated(x, rows), repeated(y, rows)) <= _TOLERATED_TWINS
    determined = few & (jnp.mean(jnp.minimum(nx, ny) <= k) > _DETERMINED)
    return jnp.mean(local), jnp.std(local, ddof=1) / math.sqrt(n), varied & ~determined


def ross_by_tree(x: np.ndarray, labels: np.ndarray, k: int, blur: float):
    """Ross's estimator on the host."""
    x, labels, several = _kept(x, labels)
    if not several:
        return missing()
    wanted, size, inside, radius = class_counts(x, labels, k, blur)
    value, error = _digammas(psi(len(x)), wanted, size, inside)
    return value, error, bool((radius > 0).all())


def classes_by_tree(x: np.ndarray, labels: np.ndarray, k: int, blur: float):
    """`classes` on the host."""
    varied = bool((x != x[:1]).any())
    x, labels, several = _kept(x, labels)
    if not several:
        return missing()
    wanted, size, inside, radius = class_counts(x, labels, k, blur)
    atom = radius == 0
    if atom.any():
        both, alone = host_places(np.hstack([x, labels[:, None]])), host_places(x)
        wanted = np.where(atom, both.weight[both.place], wanted)
        inside = np.where(atom, alone.weight[alone.place], inside)
    value, error = _digammas(math.log(len(x)), wanted, size, inside)
    return value, error, varied


def mixed_by_tree(x: np.ndarray, y: np.ndarray, k: int, blur: float):
    """`mixed` on the host."""
    neighbours, nx, ny, _ = atom_counts(x, y, k, blur)
    value, error = _digammas(math.log(len(x)), neighbours, nx, ny)
    varied = (x != x[:1]).any() and (y != y[:1]).any()
    determined = np.mean(np.minimum(nx, ny) <= k) > _DETERMINED
    determined = determined and max(twins(x), twins(y)) <= _TOLERATED_TWINS
    return value, error, bool(varied and not determined)


def _kept(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Samples of classes of two and more, and whether these are several."""
    kept = np.bincount(labels)[labels] > 1
    names, labels = np.unique(labels[kept], return_inverse=True)
    return x[kept], labels.reshape(-1), len(names) > 1


def _digammas(start: float, wanted: np.ndarray, first: np.ndarray, second: np.ndarray):
    from scipy.special import digamma

    n = len(wanted)
    local = digamma(wanted) - digamma(first) - digamma(second)
    return start + local.mean(), local.std(ddof=1) / math.sqrt(n)

"""Mutual information from nearest neighbours (Kraskov, Stoegbauer, Grassberger)."""

import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma

from ibjax.arguments import concrete, whole
from ibjax.interface import Estimate
from ibjax.mi.checks import Pair, Scale, estimate, missing, pair, samples, sound
from ibjax.mi.host import conditional_counts, tree_counts, trees_win
from ibjax.mi.neighbours import (
    chebyshev,
    count,
    euclidean_squared,
    kth_smallest,
    map_rows,
    psi,
    repeated,
    rows_at_once,
)
from ibjax.mi.ranges import twins
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray

REASON = (
    "constant inputs, repeated values (use ross, mixed or plug_in), too few samples, or one "
    "variable seems a function of the other, whose information is infinite"
)
_TOLERATED_TWINS = 0.1
_DETERMINED = 0.9


@enforced
def ksg(
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    k: int = 3,
    *,
    algorithm: Literal[1, 2] = 1,
    norm: Literal["chebyshev", "euclidean"] = "chebyshev",
    scale: Scale = "standardise",
    method: Literal["auto", "blocks", "tree"] = "auto",
    block: int | None = None,
) -> Estimate:
    r"""Nearest-neighbour estimate of the mutual information of continuous samples.

    Algorithm 1, with eps_i the distance of sample i to its k-th neighbour in the joint space (the
    larger of those in x and in y) and n_x, n_y the numbers of samples strictly closer in each:

    .. math:: \hat I = \psi(k) + \psi(n) - \langle \psi(n_x + 1) + \psi(n_y + 1)\rangle.

    Algorithm 2 takes the k-th neighbour's distance in each marginal, counts samples up to it, and
    has :math:`\psi(k) - 1/k + \psi(n) - \langle \psi(n_x) + \psi(n_y)\rangle`.

    Errs downwards where the information is large for the samples or the dimension high (by 0.54
    nats for two coordinates each of correlation 0.95, n = 100), hardly at independence, and upwards
    between (by 0.015 for one coordinate each, correlation 0.95, n = 300): no direction is promised.
    Information depends on no units but distances do: each coordinate is measured in its own
    standard deviation unless told otherwise.

    Neighbours are counted, so the gradient is zero almost everywhere: nothing can be trained by
    it. `neural` has an objective to train.

    Args:
        x: samples, (n,) or (n, dx), float.
        y: samples, (n,) or (n, dy), float.
        k: neighbours.
        algorithm: 1 or 2.
        norm: of each variable's distances. "euclidean" errs less in many dimensions and works by
            blocks only.
        scale: "standardise" divides each coordinate by its standard deviation; None keeps the
            units given, which is better where coordinates of little variance are noise.
        method: "blocks" compares all pairs in blocks (any device, jit, vmap), "tree" uses a k-d
            tree on the host (concrete input only), "auto" takes the tree for many samples in
            few dimensions on a CPU: from 1,000 in four, from 60,000 in eight.
        block: samples compared with all others at once; memory is a few times block * n, times
            the number of mapped pairs under vmap. None chooses it from n.

    Returns:
        Nats, unclamped, with the standard error of the mean of the local terms, which ignores
        their dependence and is up to a third too small (the jackknife's is about as much too
        large). Not ok with constant inputs, for n <= k, where k samples coincide, where over a
        tenth of the samples has a twin in x or in y, or where for nine samples in ten the pair's
        neighbours are those of one variable alone: samples of a function of continuous values,
        whose information is infinite, look like this (functions steeper in some of several
        directions escape).

    Raises:
        ValueError: for shapes that do not pair up, k < 1, or an unknown algorithm or method.

    Reference:
        Kraskov, Stoegbauer, Grassberger (2004), Estimating mutual information; as published, where
        any norm of each variable is allowed.
    """
    both = pair(x, y, scale)
    n = both.x.shape[0]
    k = whole("k", k)
    if algorithm not in (1, 2) or method not in ("auto", "blocks", "tree"):
        raise ValueError(
            f"algorithm={algorithm!r}, method={method!r}: give algorithm 1 or 2, method auto, "
            "blocks or tree"
        )
    if norm not in ("chebyshev", "euclidean"):
        raise ValueError(f"norm={norm!r} is unknown; give 'chebyshev' or 'euclidean'")
    dims = both.x.shape[1] + both.y.shape[1]
    largest = norm == "chebyshev" or dims == 2
    if method == "tree" and not largest:
        raise ValueError("method='tree' has no norm='euclidean' of vectors; use 'blocks'")
    rows = rows_at_once(n, block)
    known = concrete(both.x, both.y)
    if method == "auto":
        method = "tree" if largest and trees_win(dims, both.x, both.y) else "blocks"
    if method == "tree" and not known:
        raise ValueError("method='tree' works on the host; use 'blocks' under jit or vmap")
    if n <= k:
        found = missing()
    elif method == "tree":
        found = _by_tree(both, k, algorithm)
    else:
        found = _by_blocks(*both.on_device(), k, algorithm, rows, largest)
    return estimate(found, both.dtype, both.sound, "unknown", "ksg", REASON)


@enforced
def conditional_ksg(
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    z: Float[Array, "n dz"],
    k: int = 3,
    *,
    scale: Scale = "standardise",
    block: int | None = None,
) -> Estimate:
    r"""Nearest-neighbour estimate of I(X;Y|Z) for continuous samples.

    With eps_i the Chebyshev distance to the k-th neighbour in (x, y, z) and counts of strictly
    closer samples in the subspaces:

    .. math:: \hat I = \psi(k) - \langle \psi(n_{xz}+1) + \psi(n_{yz}+1) - \psi(n_z+1)\rangle.

    Neighbours are counted, so the gradient is zero almost everywhere: nothing can be trained by
    it. `neural` has an objective to train.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        z: the conditioning variable, (n,) or (n, dz).
        k: neighbours.
        scale: "standardise" divides each coordinate by its standard deviation; None keeps the units
            given, which is better where coordinates of little variance are noise.
        block: samples compared with all others at once; None chooses it from n. Many samples in
            few dimensions go through a k-d tree on a CPU.

    Returns:
        Nats, unclamped; mostly too small, by 0.6 where all of x, y, z hold 1.2 and n = 20, and as
        `ksg` not always. Flags as for `ksg`, but that of infinite information: not ok where nine
        neighbourhoods in ten, of those that z alone does not make, are the same in (x, z), in
        (y, z) and jointly, and z alone makes less than half. Samples of y = x look like this in
        few dimensions of z, and so do few samples of strong finite dependence (half of the sets
        of 30 with y = x + 0.03 noise, which is 3.5 nats and estimated as 1.0); samples of
        y = x + z or y = exp(x) do not, and are not noticed.

    Raises:
        ValueError: for shapes that do not pair up or k < 1.

    Reference:
        Frenzel and Pompe (2007), Partial mutual information for coupling analysis of
        multivariate time series; the natural estimator of that paper with strict counts.
    """
    both, given = pair(x, y, scale), samples("z", z, scale)
    n = both.x.shape[0]
    if given.shape[0] != n:
        raise ValueError(f"x has {n} samples but z {given.shape[0]}; give one z for each pair")
    k = whole("k", k)
    rows = rows_at_once(n, block)
    found = missing()
    dims = sum(v.shape[1] for v in (both.x, both.y, given))
    if n > k and trees_win(dims, both.x, both.y, given):
        found = _conditionally_by_tree(both, np.asarray(given), k)
    elif n > k:
        found = _conditionally(*both.on_device(), jnp.asarray(given, both.dtype), k, rows)
    finite = both.sound & sound(given)
    return estimate(found, both.dtype, finite, "unknown", "conditional_ksg", REASON)


@partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _by_blocks(x: JaxArray, y: JaxArray, k: int, algorithm: int, rows: int, largest: bool):
    n = x.shape[0]
    distance = chebyshev if largest else euclidean_squared  # only ever compared: no root needed

    def one(i):
        dx, dy = distance(x, x[i]), distance(y, y[i])
        joint = jnp.where(jnp.arange(n) == i, jnp.inf, jnp.maximum(dx, dy))
        radius = kth_smallest(joint, k)
        if algorithm == 1:
            # the sample itself is at distance 0 < radius, which makes these n_x + 1, n_y + 1
            return count(dx < radius), count(dy < radius), radius
        ex = jnp.max(jnp.where(joint <= radius, dx, 0.0))
        ey = jnp.max(jnp.where(joint <= radius, dy, 0.0))
        return count(dx <= ex) - 1, count(dy <= ey) - 1, radius

    nx, ny, radius = map_rows(one, n, rows)
    shift = psi(k) + psi(n) - (0.0 if algorithm == 1 else 1 / k)
    terms = jnp.sum(digamma(jnp.maximum(jnp.stack([nx, ny]), 1.0)), axis=0)
    value, error = _mean(shift - terms, x.dtype)
    ok = jnp.all(radius > 0) & _few_twins(x, y, rows)
    ok = ok & (jnp.mean(jnp.minimum(nx, ny) <= k) <= _DETERMINED)
    return value, error, ok


@partial(jax.jit, static_argnums=(3, 4))
def _conditionally(x: JaxArray, y: JaxArray, z: JaxArray, k: int, rows: int):
    n = x.shape[0]

    def one(i):
        dx, dy, dz = (chebyshev(v, v[i]) for v in (x, y, z))
        xz, yz = jnp.maximum(dx, dz), jnp.maximum(dy, dz)
        joint = jnp.where(jnp.arange(n) == i, jnp.inf, jnp.maximum(xz, yz))
        radius = kth_smallest(joint, k)
        return jnp.stack([count(d < radius) for d in (xz, yz, dz)]), radius

    counts, radius = map_rows(one, n, rows)
    each = digamma(jnp.maximum(counts, 1.0))
    value, error = _mean(psi(k) - (each[:, 0] + each[:, 1] - each[:, 2]), x.dtype)
    ok = jnp.all(radius > 0) & _few_twins(x, y, rows) & ~_determined_given(counts.T, k)
    return value, error, ok


def _determined_given(counts: Array, k: int) -> Array:
    """Whether x and y have the same neighbours beside z, where z has more of its own."""
    nxz, nyz, nz = counts
    wider = nz > k
    # Distances that are equal but for rounding put the k-th neighbour within one of the two.
    same = wider & (nxz + nyz <= 2 * k + 1)
    # Where z makes most neighbourhoods there is too little to tell from.
    return (same.sum() > _DETERMINED * wider.sum()) & (wider.mean() > 0.5)


def _few_twins(x: JaxArray, y: JaxArray, rows: int) -> JaxArray:
    return jnp.maximum(repeated(x, rows), repeated(y, rows)) <= _TOLERATED_TWINS


def _mean(local: JaxArray, dtype) -> tuple[JaxArray, JaxArray]:
    error = jnp.std(local, ddof=1) / math.sqrt(local.shape[0])
    return jnp.mean(local).astype(dtype), error.astype(dtype)


def _by_tree(both: Pair, k: int, algorithm: int):
    from scipy.special import digamma

    x, y = np.asarray(both.x), np.asarray(both.y)
    n = len(x)
    nx, ny, radius = tree_counts(x, y, k, algorithm)
    local = psi(k) + psi(n) - digamma(np.maximum(nx, 1)) - digamma(np.maximum(ny, 1))
    local = local - (0.0 if algorithm == 1 else 1 / k)
    ok = (radius > 0).all() and max(twins(x), twins(y)) <= _TOLERATED_TWINS
    ok = ok and np.mean(np.minimum(nx, ny) <= k) <= _DETERMINED
    return local.mean(), local.std(ddof=1) / math.sqrt(n), bool(ok)


def _conditionally_by_tree(both: Pair, z: np.ndarray, k: int):
    from scipy.special import digamma

    x, y = np.asarray(both.x), np.asarray(both.y)
    *counts, radius = conditional_counts(x, y, z, k)
    each = [digamma(np.maximum(count, 1)) for count in counts]
    local = psi(k) - (each[0] + each[1] - each[2])
    ok = (radius > 0).all() and max(twins(x), twins(y)) <= _TOLERATED_TWINS
    ok = ok and not _determined_given(np.stack(counts), k)
    return local.mean(), local.std(ddof=1) / math.sqrt(len(x)), bool(ok)

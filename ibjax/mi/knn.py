"""Mutual information from nearest neighbours (Kraskov, Stoegbauer, Grassberger)."""

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma

from ibjax.interface import Estimate
from ibjax.mi.checks import concrete, pair
from ibjax.typing import Array, JaxArray

REASON = "ties, constant inputs or too few samples: neighbours carry no distance to count by"


def ksg(
    x: Array,
    y: Array,
    k: int = 3,
    *,
    algorithm: Literal[1, 2] = 1,
    method: Literal["auto", "blocks", "tree"] = "auto",
    block: int = 256,
) -> Estimate:
    r"""Nearest-neighbour estimate of the mutual information of continuous samples.

    Algorithm 1, with eps_i the Chebyshev distance of sample i to its k-th neighbour in the joint
    space and n_x, n_y the numbers of samples strictly closer in each marginal:

    .. math:: \hat I = \psi(k) + \psi(n) - \langle \psi(n_x + 1) + \psi(n_y + 1)\rangle.

    Algorithm 2 takes the k-th neighbour's distance in each marginal, counts samples up to it, and
    has :math:`\psi(k) - 1/k + \psi(n) - \langle \psi(n_x) + \psi(n_y)\rangle`.

    Errs downwards where the information is large or the dimension high, and hardly at independence.

    Args:
        x: samples, (n,) or (n, dx), float.
        y: samples, (n,) or (n, dy), float.
        k: neighbours.
        algorithm: 1 or 2.
        method: "blocks" compares all pairs in blocks (any device, jit, vmap), "tree" uses a k-d
            tree on the host (concrete input only), "auto" takes the tree for many samples in
            few dimensions.
        block: samples compared at once; memory is block * n.

    Returns:
        Nats, unclamped, with the standard error of the mean of the local terms, which ignores
        their dependence; not ok with ties, constant inputs or n <= k.

    Raises:
        ValueError: for shapes that do not pair up, k < 1, or an unknown algorithm or method.

    Reference:
        Kraskov, Stoegbauer, Grassberger (2004), Estimating mutual information; as published.
    """
    x, y = pair(x, y)
    n = x.shape[0]
    if k < 1 or algorithm not in (1, 2) or method not in ("auto", "blocks", "tree"):
        raise ValueError(
            f"k={k}, algorithm={algorithm}, method={method!r}: give k >= 1, algorithm 1 or 2, "
            "method auto, blocks or tree"
        )
    if n <= k:
        nan = jnp.array(jnp.nan, x.dtype)
        return Estimate(nan, nan, jnp.array(False), "down", "ksg", REASON)
    if method == "auto":
        low = x.shape[1] + y.shape[1] <= 4 and n >= 2000 and jax.default_backend() == "cpu"
        method = "tree" if low and concrete(x, y) else "blocks"
    if method == "tree":
        if not concrete(x, y):
            raise ValueError("method='tree' works on the host; use 'blocks' under jit or vmap")
        terms, radius = _tree(np.asarray(x), np.asarray(y), k, algorithm)
        terms, radius = jnp.asarray(terms, x.dtype), jnp.asarray(radius, x.dtype)
    else:
        terms, radius = _blocks(x, y, k, algorithm, min(block, n))
    shift = digamma(jnp.asarray(float(k))) + digamma(jnp.asarray(float(n)))
    value = shift - (0.0 if algorithm == 1 else 1 / k) - jnp.mean(terms)
    error = jnp.std(terms, ddof=1) / math.sqrt(n)
    varied = jnp.any(x != x[:1]) & jnp.any(y != y[:1])
    ok = jnp.isfinite(value) & jnp.all(radius > 0) & varied
    return Estimate(value.astype(x.dtype), error, ok, "down", "ksg", REASON)


def _blocks(x: JaxArray, y: JaxArray, k: int, algorithm: int, block: int):
    def one(i):
        dx = jnp.max(jnp.abs(x - x[i]), axis=1)
        dy = jnp.max(jnp.abs(y - y[i]), axis=1)
        joint = jnp.maximum(dx, dy).at[i].set(jnp.inf)
        nearest, index = jax.lax.top_k(-joint, k)
        radius = -nearest[-1]
        if algorithm == 1:
            # the sample itself is at distance 0 < radius, which makes these n_x + 1, n_y + 1
            return digamma(_count(dx < radius)) + digamma(_count(dy < radius)), radius
        ex, ey = jnp.max(dx[index]), jnp.max(dy[index])
        return digamma(_count(dx <= ex) - 1) + digamma(_count(dy <= ey) - 1), radius

    return jax.lax.map(one, jnp.arange(x.shape[0]), batch_size=block)


def _count(inside: JaxArray) -> JaxArray:
    return jnp.sum(inside).astype(jnp.result_type(float))


def _tree(x: np.ndarray, y: np.ndarray, k: int, algorithm: int) -> tuple[Any, Any]:
    from scipy.spatial import cKDTree
    from scipy.special import digamma as psi

    joint = np.hstack([x, y])
    distance, index = cKDTree(joint).query(joint, k + 1, p=np.inf)
    radius = distance[:, -1]
    terms = np.zeros(len(x))
    for z in (x, y):
        tree = cKDTree(z)
        if algorithm == 1:
            inner = np.nextafter(radius, 0)
            counts = tree.query_ball_point(z, inner, p=np.inf, return_length=True)
        else:
            reach = np.abs(z[index[:, 1:]] - z[:, None]).max(axis=(1, 2))
            counts = tree.query_ball_point(z, reach, p=np.inf, return_length=True) - 1
        terms += psi(np.maximum(counts, 1))
    return terms, radius

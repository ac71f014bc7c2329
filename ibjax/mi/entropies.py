"""Entropies of known laws and of samples, and their conditional forms."""

import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from ibjax.arguments import whole
from ibjax.interface import Estimate
from ibjax.mi.checks import concrete, floating, samples
from ibjax.mi.exact import log_determinant
from ibjax.mi.neighbours import chebyshev, kth_smallest, map_rows, psi, rows_at_once
from ibjax.typing import Array, Float, JaxArray


def entropy(law: Float[Array, "..."]) -> Estimate:
    r"""Entropy of a discrete law, exactly: :math:`H = -\sum_i p_i\log p_i`.

    Args:
        law: probabilities or counts of any shape; normalised by their sum.

    Returns:
        Nats, error 0.

    Raises:
        ValueError: for negative entries or a sum of zero.
    """
    p = _law("law", law)
    return _exact(-_sum_plogp(p), "entropy")


def conditional_entropy(joint: Float[Array, "k m"]) -> Estimate:
    r"""Entropy of the column given the row of a joint table, exactly: :math:`H(Y|X)`.

    Args:
        joint: probabilities or counts of (x, y), (k, m).

    Returns:
        Nats, error 0.

    Raises:
        ValueError: for a table that is no matrix, negative entries or a sum of zero.
    """
    p = _law("joint", joint)
    if p.ndim != 2:
        raise ValueError(f"joint has shape {p.shape}; it must be a table (k, m)")
    return _exact(_sum_plogp(jnp.sum(p, axis=1)) - _sum_plogp(p), "conditional_entropy")


def conditional_discrete(joint: Float[Array, "k m l"]) -> Estimate:
    r"""Conditional information of a joint table of three variables, exactly: :math:`I(X;Y|Z)`.

    Args:
        joint: probabilities or counts of (x, y, z), (k, m, l).

    Returns:
        Nats, error 0.

    Raises:
        ValueError: for a table without three axes, negative entries or a sum of zero.
    """
    p = _law("joint", joint)
    if p.ndim != 3:
        raise ValueError(f"joint has shape {p.shape}; it must be a table (k, m, l)")
    xz, yz, z = jnp.sum(p, axis=1), jnp.sum(p, axis=0), jnp.sum(p, axis=(0, 1))
    value = _sum_plogp(p) - _sum_plogp(xz) - _sum_plogp(yz) + _sum_plogp(z)
    return _exact(value, "conditional_discrete")


def gaussian_entropy(cov: Float[Array, "d d"]) -> Estimate:
    r"""Differential entropy of a Gaussian, exactly: :math:`\tfrac12\log|2\pi e\Sigma|`.

    Args:
        cov: covariance, (d, d), positive definite.

    Returns:
        Nats, error 0; not ok where the covariance is singular.

    Raises:
        ValueError: for a matrix that is not square.
    """
    cov = floating(cov, "cov")
    if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
        raise ValueError(f"cov has shape {cov.shape}; it must be square")
    value = 0.5 * (cov.shape[0] * math.log(2 * math.pi * math.e) + log_determinant(cov))
    return _exact(value, "gaussian_entropy", "the covariance is singular")


def knn_entropy(
    x: Float[Array, "n d"],
    k: int = 3,
    *,
    norm: Literal["chebyshev", "euclidean"] = "chebyshev",
    block: int | None = None,
) -> Estimate:
    r"""Nearest-neighbour estimate of the differential entropy of samples.

    With eps_i the distance to the k-th neighbour and c the volume of the unit ball:

    .. math:: \hat h = \psi(n) - \psi(k) + \log c + \frac dn\sum_i\log\epsilon_i

    Args:
        x: samples, (n,) or (n, d).
        k: neighbours.
        norm: the distance; the estimate depends on it only through its error.
        block: samples compared with all others at once; None chooses it from n.

    Returns:
        Nats, with the standard error of the mean of the local terms; not ok for n <= k or where
        more than k samples coincide (the entropy is then minus infinity).

    Raises:
        ValueError: for other shapes, k < 1 or an unknown norm.

    Reference:
        Kozachenko and Leonenko (1987), Sample estimate of the entropy of a random vector; in the
        form for k neighbours.
    """
    x = samples("x", x)
    n = x.shape[0]
    k = whole("k", k)
    if norm not in ("chebyshev", "euclidean"):
        raise ValueError(f"norm={norm!r} is unknown; give 'chebyshev' or 'euclidean'")
    reason = "coinciding samples or too few of them"
    if n <= k:
        nan = jnp.array(jnp.nan, x.dtype)
        return Estimate(nan, nan, jnp.array(False), "unknown", "knn_entropy", reason)
    value, error = _kozachenko(x, k, norm, rows_at_once(n, block))
    return Estimate(value, error, jnp.isfinite(value), "unknown", "knn_entropy", reason)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _kozachenko(x: JaxArray, k: int, norm: str, rows: int):
    n, d = x.shape

    def one(i):
        if norm == "chebyshev":
            distance = chebyshev(x, x[i])
        else:
            distance = jnp.sqrt(jnp.sum((x - x[i]) ** 2, axis=1))
        return kth_smallest(jnp.where(jnp.arange(n) == i, jnp.inf, distance), k)

    logs = d * jnp.log(map_rows(one, n, rows))
    ball = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1)
    volume = d * math.log(2) if norm == "chebyshev" else ball
    value = psi(n) - psi(k) + volume + jnp.mean(logs)
    return value.astype(x.dtype), jnp.std(logs, ddof=1) / math.sqrt(n)


def _law(name: str, value: Array) -> JaxArray:
    p = floating(value)
    if concrete(p):
        host = np.asarray(p)
        if not (host >= 0).all() or not host.sum() > 0:
            raise ValueError(f"{name} must be nonnegative and not all zero; give counts or a law")
    return p / jnp.sum(p)


@jax.jit
def _sum_plogp(p: JaxArray) -> JaxArray:
    return jnp.sum(xlogy(p, p))


def _exact(value: JaxArray, name: str, reason: str = "") -> Estimate:
    return Estimate(value, jnp.zeros_like(value), jnp.isfinite(value), "none", name, reason)

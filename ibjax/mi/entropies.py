"""Entropies of known laws and of samples, and their conditional forms."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import in_double, precision, whole
from ibjax.interface import Estimate
from ibjax.mi.checks import Scale, estimate, missing, samples, sound
from ibjax.mi.exact import log_determinant
from ibjax.mi.host import kth_distance, trees_win
from ibjax.mi.laws import covariance, sum_plogp, table
from ibjax.mi.neighbours import chebyshev, kth_smallest, map_rows, psi, rows_at_once
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray


@enforced
def entropy(law: Float[Array, "..."]) -> Estimate:
    r"""Entropy of a discrete law, exactly: :math:`H = -\sum_i p_i\log p_i`.

    Args:
        law: probabilities or counts of any shape; normalised by their sum.

    Returns:
        Nats, error 0.

    Raises:
        ValueError: for negative entries or a sum of zero.
    """
    # not -sum: one value has entropy 0, not -0
    return _of_law(lambda p: 0 - sum_plogp(p), *table("law", law), "entropy")


@enforced
def conditional_entropy(joint: Float[Array, "k m"]) -> Estimate:
    r"""Entropy of the column given the row of a joint table, exactly: :math:`H(Y|X)`.

    Args:
        joint: probabilities or counts of (x, y), (k, m).

    Returns:
        Nats, error 0.

    Raises:
        ValueError: for a table that is no matrix, negative entries or a sum of zero.
    """

    def value(p: JaxArray) -> JaxArray:
        return sum_plogp(jnp.sum(p, axis=1)) - sum_plogp(p)

    return _of_law(value, *table("joint", joint, 2), "conditional_entropy")


@enforced
def conditional_discrete(joint: Float[Array, "k m l"]) -> Estimate:
    r"""Conditional information of a joint table of three variables, exactly: :math:`I(X;Y|Z)`.

    Args:
        joint: probabilities or counts of (x, y, z), (k, m, l).

    Returns:
        Nats, error 0.

    Raises:
        ValueError: for a table without three axes, negative entries or a sum of zero.
    """

    def value(p: JaxArray) -> JaxArray:
        xz, yz, z = jnp.sum(p, axis=1), jnp.sum(p, axis=0), jnp.sum(p, axis=(0, 1))
        return sum_plogp(p) - sum_plogp(xz) - sum_plogp(yz) + sum_plogp(z)

    return _of_law(value, *table("joint", joint, 3), "conditional_discrete")


@enforced
def gaussian_entropy(cov: Float[Array, "d d"]) -> Estimate:
    r"""Differential entropy of a Gaussian, exactly: :math:`\tfrac12\log|2\pi e\Sigma|`.

    Args:
        cov: covariance, (d, d), positive definite.

    Returns:
        Nats, error 0; not ok where the covariance is singular.

    Raises:
        ValueError: for a matrix that is not square.
    """
    law = covariance("cov", cov)
    constant = 0.5 * law.matrix.shape[0] * math.log(2 * math.pi * math.e)

    def entropy(c: JaxArray) -> JaxArray:
        return constant + 0.5 * log_determinant(c, law.noise)

    value = in_double(entropy, law.matrix, dtype=law.dtype)
    return _exact(value, "gaussian_entropy", "the covariance is singular")


@enforced
def knn_entropy(
    x: Float[Array, "n d"],
    k: int = 3,
    *,
    norm: Literal["chebyshev", "euclidean"] = "chebyshev",
    scale: Scale = None,
    block: int | None = None,
) -> Estimate:
    r"""Nearest-neighbour estimate of the differential entropy of samples.

    With eps_i the distance to the k-th neighbour and c the volume of the unit ball:

    .. math:: \hat h = \psi(n) - \psi(k) + \log c + \frac dn\sum_i\log\epsilon_i

    The gradient is that of the logarithms of the distances to the k-th neighbours: it moves a
    sample towards or from one neighbour each, and is noisy.

    Args:
        x: samples, (n,) or (n, d).
        k: neighbours.
        norm: the distance; the estimate depends on it only through its error.
        scale: "standardise" measures distances in each coordinate's standard deviation and adds
            the logarithms of these again, so that the estimate moves with the units exactly as the
            entropy does; None takes the units given for distances too.
        block: samples compared with all others at once; None chooses it from n. Many samples in
            few dimensions go through a k-d tree on a CPU.

    Returns:
        Nats, with the standard error of the mean of the local terms; not ok for n <= k or where
        more than k samples coincide (the entropy is then minus infinity).

    Raises:
        ValueError: for other shapes, k < 1 or an unknown norm.

    Reference:
        Kozachenko and Leonenko (1987), Sample estimate of the entropy of a random vector; in the
        form for k neighbours.
    """
    raw, z = samples("x", x), samples("x", x, scale)
    n = z.shape[0]
    k = whole("k", k)
    if norm not in ("chebyshev", "euclidean"):
        raise ValueError(f"norm={norm!r} is unknown; give 'chebyshev' or 'euclidean'")
    dtype = precision(x)
    found = missing()
    if n > k:
        rows = rows_at_once(n, block)
        if trees_win(z.shape[1], z):
            found = _by_tree(np.asarray(z), k, norm, dtype)
        else:
            found = _kozachenko(jnp.asarray(z, dtype), k, norm, rows)
        if scale:
            varies = z.std(axis=0) > 0
            unit = jnp.where(varies, raw.std(axis=0) / jnp.where(varies, z.std(axis=0), 1.0), 1.0)
            found = found[0] + jnp.sum(jnp.log(unit)).astype(dtype), found[1]
        found = found[0], found[1], True
    reason = "coinciding samples or too few of them"
    return estimate(found, dtype, sound(z), "unknown", "knn_entropy", reason)


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
    value = psi(n) - psi(k) + _ball(d, norm) + jnp.mean(logs)
    return value.astype(x.dtype), jnp.std(logs, ddof=1) / math.sqrt(n)


def _by_tree(x: np.ndarray, k: int, norm: str, dtype):
    n, d = x.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = d * np.log(kth_distance(x, k, np.inf if norm == "chebyshev" else 2.0))
        value, spread = psi(n) - psi(k) + _ball(d, norm) + logs.mean(), logs.std(ddof=1)
    return jnp.asarray(value, dtype), jnp.asarray(spread / math.sqrt(n), dtype)


def _ball(d: int, norm: str) -> float:
    """Logarithm of the volume of the unit ball."""
    if norm == "chebyshev":
        return d * math.log(2)
    return d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1)


def _of_law(function: Callable[[JaxArray], JaxArray], law: Array, dtype, name: str) -> Estimate:
    return _exact(in_double(function, law, dtype=dtype), name)


def _exact(value: JaxArray, name: str, reason: str = "") -> Estimate:
    return Estimate(value, jnp.zeros_like(value), jnp.isfinite(value), "none", name, reason)

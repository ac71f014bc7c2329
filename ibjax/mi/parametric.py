"""Estimates by a Gaussian copula, by bins, and bounds for Gaussian mixtures."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from ibjax.interface import Estimate
from ibjax.mi.checks import concrete, pair, samples
from ibjax.mi.exact import discrete, gaussian
from ibjax.typing import Array, Scalar


def gaussian_copula(x: Array, y: Array) -> Estimate:
    r"""Information of the Gaussian copula fitted to the ranks.

    Each coordinate is replaced by ``Phi^-1(rank / (n + 1))``; the result is the Gaussian
    information of the correlation of these scores. Of all laws with that correlation of scores
    the Gaussian one has the least information, up to sampling error, so it errs downwards where
    the copula is not Gaussian, and upwards by about dx dy / (2n) from sampling.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).

    Returns:
        Nats; the standard error is that of a Gaussian law, sqrt(sum rho_i^2 / n). Not ok for
        fewer samples than dimensions or for constant coordinates.

    Raises:
        ValueError: for shapes that do not pair up.

    Reference:
        Ince et al. (2017), A statistical framework for neuroimaging data analysis based on mutual
        information estimated via a Gaussian copula; without their bias correction.
    """
    x, y = pair(x, y)
    n, dx = x.shape
    both = jnp.concatenate([x, y], axis=1)
    ranks = jnp.argsort(jnp.argsort(both, axis=0), axis=0) + 1
    scores = ndtri(ranks.astype(both.dtype) / (n + 1))
    cov = scores.T @ scores / n
    constant = jnp.any(jnp.max(both, axis=0) == jnp.min(both, axis=0))
    safe = jnp.where(constant, jnp.eye(both.shape[1], dtype=both.dtype), cov)
    value = _information(safe, dx)
    error = jnp.sqrt(jnp.maximum(-jnp.expm1(-2 * value), 0.0) / n)
    ok = ~constant & jnp.isfinite(value) & (n > both.shape[1] + 1)
    reason = "constant coordinates or fewer samples than dimensions"
    return Estimate(value, error, ok, "unknown", "gaussian_copula", reason)


def _information(cov: Array, dx: int):
    value = jax.jit(lambda c: gaussian(c, dx).value)(cov)  # traced: no checks of the matrix
    return value


def binned(x: Array, y: Array, bins: int) -> Estimate:
    """Plug-in information of both variables cut into `bins` cells a coordinate.

    Bins of equal width between the smallest and largest value. For continuous variables it
    measures how samples cluster at this width: it grows with the number of bins and is biased
    upwards by (cells_xy - cells_x - cells_y + 1) / (2n). Of a deterministic layer it is no
    estimate of I(X;T), which is infinite.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        bins: cells a coordinate, at least 2.

    Returns:
        Nats; the standard error is that of the mean of the local log-ratios.

    Raises:
        ValueError: for fewer than two bins or shapes that do not pair up.
    """
    if bins < 2:
        raise ValueError(f"bins={bins} must be at least 2")
    x, y = pair(x, y)
    a, b = _cells(x, bins), _cells(y, bins)
    n = a.shape[0]
    same_a = jnp.all(a[:, None] == a[None], axis=-1)
    same_b = jnp.all(b[:, None] == b[None], axis=-1)
    joint = jnp.sum(same_a & same_b, axis=1)
    local = jnp.log(n * joint / (jnp.sum(same_a, axis=1) * jnp.sum(same_b, axis=1)))
    error = jnp.std(local, ddof=1) / math.sqrt(n)
    ok = jnp.any(a != a[:1]) & jnp.any(b != b[:1])
    reason = "constant inputs fall into one cell"
    return Estimate(jnp.mean(local), error, ok, "up", "binned", reason)


def _cells(x: Array, bins: int):
    low, high = jnp.min(x, axis=0), jnp.max(x, axis=0)
    width = jnp.where(high > low, high - low, 1.0)
    return jnp.clip(((x - low) / width * bins).astype(jnp.int32), 0, bins - 1)


class MixtureBounds(NamedTuple):
    """Lower and upper bound on the information about the component of a Gaussian mixture."""

    lower: Estimate
    upper: Estimate


def kde_bounds(means: Array, std: Scalar, *, block: int = 256) -> MixtureBounds:
    r"""Bounds on I(X;T) for T = f(X) + N(0, std^2 I), X uniform on the given samples.

    .. math:: -\langle\log\langle e^{-D_{ij}/8s^2}\rangle_j\rangle_i \le I \le
              -\langle\log\langle e^{-D_{ij}/2s^2}\rangle_j\rangle_i,\quad D_{ij} = |m_i - m_j|^2

    Bounds for the empirical mixture, exactly; both saturate at log n.

    Args:
        means: noiseless outputs f(x_i), (n,) or (n, d).
        std: standard deviation of the noise, > 0.
        block: samples compared at once.

    Returns:
        A lower and an upper bound in nats; not ok where there is no noise.

    Raises:
        ValueError: for a negative standard deviation.

    Reference:
        Kolchinsky and Tracey (2017), Estimating mixture entropy with pairwise distances.
    """
    if concrete(std) and not np.all(np.asarray(std) >= 0):
        raise ValueError(f"std={std} must not be negative or NaN")
    m = samples("means", means)
    n = m.shape[0]
    variance = jnp.asarray(std, m.dtype) ** 2
    ok = variance > 0
    safe = jnp.where(ok, variance, 1.0)

    def one(row):
        d = jnp.sum((m - row) ** 2, axis=1)
        lower, upper = -d / (8 * safe), -d / (2 * safe)
        return jax.nn.logsumexp(lower), jax.nn.logsumexp(upper)

    logs = jax.lax.map(one, m, batch_size=min(block, n))
    lower, upper = (math.log(n) - jnp.mean(v) for v in logs)
    zero = jnp.zeros_like(lower)
    reason = "without noise the information of a continuous input is infinite"
    return MixtureBounds(
        Estimate(lower, zero, ok, "down", "kde_lower", reason),
        Estimate(upper, zero, ok, "up", "kde_upper", reason),
    )


def plug_in(x: Array, y: Array) -> Estimate:
    """Plug-in information of two integer samples, from their table of counts.

    Args:
        x: classes, (n,), concrete integers.
        y: classes, (n,), concrete integers.

    Returns:
        Nats; biased upwards by about (k - 1)(m - 1) / (2n).

    Raises:
        ValueError: for samples of different length or several columns.
    """
    a, b = np.asarray(x), np.asarray(y)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"x and y have shapes {a.shape} and {b.shape}; give two (n,) arrays")
    _, i = np.unique(a, return_inverse=True)
    _, j = np.unique(b, return_inverse=True)
    table = np.zeros((i.max() + 1, j.max() + 1))
    np.add.at(table, (i, j), 1)
    exact = discrete(table)
    p = table / len(a)
    with np.errstate(divide="ignore", invalid="ignore"):
        local = np.log(p / p.sum(1, keepdims=True) / p.sum(0))[i, j]
    error = jnp.asarray(local.std(ddof=1) / math.sqrt(len(a)))
    ok = jnp.asarray(min(table.shape) > 1)
    return Estimate(exact.value, error, ok, "up", "plug_in", "a constant variable")

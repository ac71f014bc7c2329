"""Maximal correlation between a layer's input and output, fitted on some rows, read on others."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.contraction import checks
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


@enforced
def canonical_correlation(
    x: Float[Array, "n d"],
    t: Float[Array, "n m"],
    *,
    held_out: float = 0.5,
    ridge: float = 1e-9,
) -> Estimate:
    """Estimate the squared maximal correlation by linear features, out of sample.

    ``1 - (1 - r^2)(m - 1)/(m - 2)``, ``r = corr(a'X, b'T)`` on m held-out rows, with (a, b) the
    leading canonical pair of the others

    On the rows it was fitted to, the correlation is biased upwards as soon as the dimensions are
    not small against n. Held out, r^2 is still 1/(m - 1) on average where nothing depends; that is
    taken off, and the value is, on average over Gaussian rows, not above the squared linear
    maximal correlation and so below every coefficient. For a jointly Gaussian pair with known
    covariance use `contraction.jointly_gaussian`, which is exact.

    Args:
        x: inputs of the layer.
        t: outputs of the layer, the same rows.
        held_out: share of rows, the last ones, on which the correlation is read.
        ridge: added to each covariance, times its mean variance.

    Returns:
        The squared correlation, never clamped, hence below 0 for about half of the samples without
        dependence; delta-method standard error; bias "unknown": the pair found is not the best,
        but of rows that depend without being correlated r^2 is more than 1/(m - 1) on average.

    Raises:
        ValueError: for shapes that do not fit, fewer than 4 rows on a side, or a share or ridge
            out of range.
    """
    a, b, cut = split(x, t, held_out)
    value, error = _held_out(a, b, cut, checks.real("ridge", ridge, 0.0, math.inf))
    return _estimate(value, error, "canonical correlation")


@enforced
def kernel_correlation(
    key: Key,
    x: Float[Array, "n d"],
    t: Float[Array, "n m"],
    *,
    features: int = 64,
    held_out: float = 0.5,
    ridge: float = 1e-2,
) -> Estimate:
    """Estimate the squared maximal correlation by random Fourier features, out of sample.

    Canonical correlation of ``cos(w.x / h + b)`` features of both sides, a Gaussian kernel with
    h the root mean square distance of the fitted rows, joined to the coordinates themselves.

    Args:
        key: of the random features.
        x: inputs of the layer.
        t: outputs of the layer, the same rows.
        features: random features a side.
        held_out: share of rows, the last ones, on which the correlation is read.
        ridge: regularisation; the more features for the rows, the more of it.

    Returns:
        As `canonical_correlation`: a lower estimate of the maximal correlation.

    Raises:
        ValueError: as `canonical_correlation` does, or for features < 1.

    Reference:
        Lopez-Paz, Hennig, Schölkopf 2013, "The randomized dependence coefficient", without its
        maximum over the fitted rows.
    """
    if features < 1:
        raise ValueError(f"features={features} must be at least 1")
    a, b, cut = split(x, t, held_out)
    left, right = jax.random.split(key)
    first, second = _fourier(left, a, cut, features), _fourier(right, b, cut, features)
    penalty = checks.real("ridge", ridge, 0.0, math.inf)
    value, error = _held_out(first, second, cut, penalty)
    return _estimate(value, error, "kernel correlation")


def split(x: Any, t: Any, held_out: float) -> tuple[JaxArray, JaxArray, int]:
    """Both samples as matrices, and how many rows are for fitting."""
    a = checks.real("x", x, -math.inf, math.inf)
    b = checks.real("t", t, -math.inf, math.inf)
    a, b = (v[:, None] if v.ndim == 1 else v for v in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[0]:
        raise ValueError(f"x has shape {a.shape} and t {b.shape}; give (n, d) and (n, m)")
    if not 0 < held_out < 1:
        raise ValueError(f"held_out={held_out} must lie strictly between 0 and 1")
    cut = a.shape[0] - round(held_out * a.shape[0])
    if min(cut, a.shape[0] - cut) < 4:
        raise ValueError(f"x has {a.shape[0]} rows; give at least 4 to fit and 4 to read")
    return a, b, cut


def _fourier(key: Key, x: JaxArray, cut: int, features: int) -> JaxArray:
    from_weights, from_phase = jax.random.split(key)
    fitted = x[:cut]
    centred = (x - jnp.mean(fitted, 0)) / jnp.sqrt(2 * jnp.sum(jnp.var(fitted, 0)) + 1e-30)
    w = jax.random.normal(from_weights, (x.shape[1], features), x.dtype)
    phase = jax.random.uniform(from_phase, (features,), x.dtype, 0.0, 2 * math.pi)
    return jnp.concatenate([jnp.cos(2 * centred @ w + phase), centred], 1)


def _held_out(a: JaxArray, b: JaxArray, cut: int, ridge: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Squared correlation of the leading pair on the rows from `cut` on, and its error."""
    u, v = leading_pair(a[:cut], b[:cut], ridge)
    first, second = a[cut:] @ u, b[cut:] @ v
    return squared_correlation(first, second)


@jax.jit
def leading_pair(a: JaxArray, b: JaxArray, ridge: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Directions of the leading canonical pair of two samples."""
    a, b = a - jnp.mean(a, 0), b - jnp.mean(b, 0)

    def root(c):
        mean = jnp.trace(c) / c.shape[0]
        tiny = 8 * jnp.finfo(c.dtype).eps
        return jnp.linalg.cholesky(c + (ridge + tiny) * mean * jnp.eye(c.shape[0], dtype=c.dtype))

    n = a.shape[0]
    la, lb = root(a.T @ a / n), root(b.T @ b / n)
    half = jax.scipy.linalg.solve_triangular(la, a.T @ b / n, lower=True)
    whitened = jax.scipy.linalg.solve_triangular(lb, half.T, lower=True).T
    u, _, vt = jnp.linalg.svd(whitened, full_matrices=False)
    back = jax.scipy.linalg.solve_triangular
    return back(la.T, u[:, 0], lower=False), back(lb.T, vt[0], lower=False)


@jax.jit
def squared_correlation(first: JaxArray, second: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Squared correlation of two columns less what chance makes, and its error under normality."""
    first, second = first - jnp.mean(first), second - jnp.mean(second)
    size = jnp.sqrt(jnp.sum(first**2) * jnp.sum(second**2))
    some = size > 0
    rho = jnp.where(some, jnp.sum(first * second) / jnp.where(some, size, 1.0), 0.0)
    rows, rest = first.shape[0], 1 - rho**2
    value = jnp.where(some, 1 - rest * ((rows - 1) / (rows - 2)), 0.0)
    # Of the second order too: without it the error vanishes at no correlation.
    return value, rest * jnp.sqrt(4 * rho**2 / rows + 2 * (rest / rows) ** 2)


def _estimate(value: JaxArray, error: JaxArray, name: str) -> Estimate:
    return Estimate(
        value,
        error,
        jnp.isfinite(value),
        "unknown",
        name,
        "not finite: a covariance is singular; raise ridge",
    )

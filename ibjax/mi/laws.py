"""Known laws as arguments: tables of probabilities or counts, and covariances."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, floating, grain, host, precision
from ibjax.typing import Array, JaxArray


def table(name: str, value: Any, axes: int | None = None) -> tuple[Array, Any]:
    """A law normalised to sum 1, in float64 on the host where it is known now, and its precision.

    Raises:
        ValueError: for another number of axes, negative entries, or a sum of zero.
    """
    if not concrete(value):
        traced = floating(name, value)
        _check_axes(name, traced.shape, axes)
        return traced / jnp.sum(traced), traced.dtype
    known = host(name, value)
    _check_axes(name, known.shape, axes)
    p = known.astype(float)
    if not (p >= 0).all() or not np.isfinite(p).all() or not p.sum() > 0:
        raise ValueError(f"{name} must be nonnegative and not all zero; give counts or a law")
    p = p / p.max()  # a sum of large counts may overflow
    return p / p.sum(), precision(value)


class Covariance(NamedTuple):
    """A covariance as functions of it take it.

    Attributes:
        matrix: (d, d), in float64 on the host where it is known now.
        dtype: floating type of a result.
        noise: relative eigenvalues up to this are rounding, of the type it was given in.
    """

    matrix: Array
    dtype: Any
    noise: float


def covariance(name: str, value: Any) -> Covariance:
    """A square matrix as a covariance.

    Raises:
        ValueError: for another shape, or where it cannot be a covariance.
    """
    known = concrete(value)
    cov = host(name, value) if known else floating(name, value)
    if cov.ndim != 2 or cov.shape[0] != cov.shape[1] or cov.shape[0] < 1:
        raise ValueError(f"{name} has shape {cov.shape}; it must be square")
    if not known:
        return Covariance(cov, cov.dtype, rounding(grain(cov), cov.shape[0]))
    cov = cov.astype(float)
    if not np.isfinite(cov).all():
        raise ValueError(f"{name} holds NaN or infinite values; give a covariance")
    size = np.sqrt(np.abs(np.diagonal(cov)))
    relative = cov / np.outer(*2 * (np.where(size > 0, size, 1.0),))  # units decide nothing
    if not np.allclose(relative, relative.T, atol=1e-6):
        raise ValueError(f"{name} is not symmetric; give a covariance")
    if np.linalg.eigvalsh((relative + relative.T) / 2).min() < -1e-6 * len(cov):
        raise ValueError(f"{name} has a negative eigenvalue; give a covariance")
    return Covariance(cov, precision(value), rounding(grain(value), len(cov)))


def _check_axes(name: str, shape: tuple[int, ...], axes: int | None) -> None:
    if axes is not None and len(shape) != axes:
        letters = " ".join("kml"[:axes])
        raise ValueError(f"{name} has shape {shape}; it must be a table ({letters})")


@jax.jit
def sum_plogp(p: JaxArray) -> JaxArray:
    """Sum of p log p; its gradient is 0 where p is 0, not an infinity that 0 makes NaN."""
    some = p > 0
    return jnp.sum(jnp.where(some, p * jnp.log(jnp.where(some, p, 1.0)), 0.0))


def rounding(eps: float, dim: int) -> float:
    """What is nothing but rounding in sums of products of `dim` relative coordinates.

    Nobody sums in half precision: a law given in it was rounded once, and 50 roundings of it would
    be taken for a dependence of 0.8.
    """
    return dim * max(eps, min(50 * eps, 1e-5))


def relative(cov: JaxArray) -> tuple[JaxArray, JaxArray]:
    """A covariance in units of the standard deviations, and these; zero ones stay zero."""
    size = jnp.sqrt(jnp.maximum(jnp.diagonal(cov), 0.0))
    safe = jnp.where(size > 0, size, 1.0)
    return cov / safe[:, None] / safe, size


def whitener(cov: JaxArray, noise: float) -> JaxArray:
    """W with W' cov W the identity on what varies; columns of zeros for directions that do not.

    Differentiable nowhere where eigenvalues coincide: for covariances that are known now.
    """
    corr, size = relative(cov)
    square, basis = jnp.linalg.eigh((corr + corr.T) / 2)
    varies = square > noise * jnp.maximum(jnp.max(square), 0.0)
    scaled = basis * jnp.where(varies, 1 / jnp.sqrt(jnp.where(varies, square, 1.0)), 0.0)
    return scaled / jnp.where(size > 0, size, 1.0)[:, None]


@partial(jax.jit, static_argnames="noise")
def pseudo_inverse(cov: JaxArray, noise: float) -> JaxArray:
    """Inverse on what varies, zero elsewhere."""
    w = whitener(cov, noise)
    return w @ w.T

"""Mutual information of known laws."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from ibjax.interface import Estimate
from ibjax.mi.checks import concrete
from ibjax.typing import Array, Float, JaxArray


def discrete(joint: Float[Array, "k m"]) -> Estimate:
    r"""Mutual information of a joint table, exactly.

    .. math:: I(X;Y) = \sum_{x,y} p_{xy} \log\frac{p_{xy}}{p_x p_y}

    Args:
        joint: probabilities or counts, (k, m); normalised by its sum.

    Returns:
        I(X;Y) in nats with error 0. Of counts it is the plug-in value of the empirical law, which
        as an estimate of the population's errs upwards by about (k-1)(m-1)/(2N).

    Raises:
        ValueError: for a table that is no matrix, has negative entries, or sums to zero.
    """
    table = _floating(joint)
    if table.ndim != 2:
        raise ValueError(f"joint has shape {table.shape}; it must be a table (k, m)")
    if concrete(table):
        host = np.asarray(table)
        if not (host >= 0).all() or not host.sum() > 0:
            raise ValueError("joint must be nonnegative and not all zero; give counts or a law")
    p = table / jnp.sum(table)
    row, column = jnp.sum(p, axis=1), jnp.sum(p, axis=0)
    value = jnp.sum(xlogy(p, p)) - jnp.sum(xlogy(row, row)) - jnp.sum(xlogy(column, column))
    return Estimate(value, jnp.zeros_like(value), jnp.isfinite(value), "none", "discrete")


def gaussian(cov: Float[Array, "d d"], dim_x: int) -> Estimate:
    r"""Mutual information of two jointly Gaussian vectors from their covariance, exactly.

    .. math:: I(X;Y) = \tfrac12 \log\frac{|\Sigma_X||\Sigma_Y|}{|\Sigma|}
                     = -\tfrac12\sum_i\log(1-\rho_i^2)

    with the canonical correlations rho_i, which lose no digits when X and Y are nearly
    independent.

    Args:
        cov: joint covariance of (X, Y), (d, d), positive definite in each block.
        dim_x: dimension of X; the rest is Y.

    Returns:
        I(X;Y) in nats with error 0; infinite and not ok where one determines part of the other.

    Raises:
        ValueError: for a matrix that is not square, symmetric, or has no room for Y.
    """
    cov = _floating(cov)
    if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
        raise ValueError(f"cov has shape {cov.shape}; it must be square")
    if not 0 < dim_x < cov.shape[0]:
        raise ValueError(f"dim_x={dim_x} must lie between 1 and {cov.shape[0] - 1}")
    if concrete(cov):
        host = np.asarray(cov)
        if not np.allclose(host, host.T, atol=1e-6 * np.abs(host).max()):
            raise ValueError("cov is not symmetric; give a covariance")
        if np.linalg.eigvalsh(host).min() < -1e-6 * np.abs(host).max():
            raise ValueError("cov has a negative eigenvalue; give a covariance")
    a = jnp.linalg.cholesky(cov[:dim_x, :dim_x])
    b = jnp.linalg.cholesky(cov[dim_x:, dim_x:])
    whitened = jnp.linalg.solve(a, cov[:dim_x, dim_x:])
    whitened = jnp.linalg.solve(b, whitened.T)
    rho = jnp.linalg.svd(whitened, compute_uv=False)
    value = -0.5 * jnp.sum(jnp.log1p(-(jnp.minimum(rho, 1.0) ** 2)))
    reason = "one vector determines part of the other: the information is infinite"
    ok = jnp.isfinite(value)
    return Estimate(value, jnp.zeros_like(value), ok, "none", "gaussian", reason)


def _floating(value: Any) -> JaxArray:
    array = jnp.asarray(value)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    return array.astype(jnp.result_type(float))

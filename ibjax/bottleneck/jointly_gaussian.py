"""The information bottleneck of jointly Gaussian vectors, in closed form."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import host, numeric, whole
from ibjax.typing import Array, Float, JaxArray, Scalar


class GaussianBottleneck(NamedTuple):
    """The optimal noisy projection at one beta.

    Attributes:
        encoder: A in T = A X + N(0, I), (dx, dx); rows of inactive components are 0.
        i_tx: I(X;T), nats.
        i_ty: I(T;Y), nats.
        critical: the beta at which each component switches on, ascending, (dx,).
        active: which components are on, (dx,).
    """

    encoder: JaxArray
    i_tx: JaxArray
    i_ty: JaxArray
    critical: JaxArray
    active: JaxArray


def gaussian_ib(
    cov_xy: Float[Array, "d d"], beta: Scalar, dim_x: int | None = None
) -> GaussianBottleneck:
    r"""Minimise I(X;T) - beta I(T;Y) for jointly Gaussian X and Y.

    With the canonical correlations rho_i and :math:`\lambda_i = 1 - \rho_i^2`, component i is on
    for :math:`\beta > 1/\rho_i^2`, and then

    .. math:: I(X;T) = \tfrac12\sum_i \log\frac{(\beta-1)\rho_i^2}{\lambda_i},\qquad
              I(T;Y) = I(X;T) - \tfrac12\sum_i \log(\beta\rho_i^2).

    Args:
        cov_xy: joint covariance of (X, Y), (d, d), positive definite in each block.
        beta: trade-off, >= 0.
        dim_x: dimension of X; half of d by default.

    Returns:
        A `GaussianBottleneck`; infinite information where X determines part of Y.

    Raises:
        ValueError: for a matrix that is not square, a dim_x that leaves no Y, or negative beta.

    Reference:
        Chechik, Globerson, Tishby, Weiss (2005), Information bottleneck for Gaussian variables;
        as published, through canonical correlations.
    """
    cov = numeric("cov_xy", cov_xy)
    if not jnp.issubdtype(cov.dtype, jnp.floating):
        cov = cov.astype(jnp.result_type(float))
    if cov.ndim != 2 or cov.shape[0] != cov.shape[1] or cov.shape[0] < 2:
        raise ValueError(
            f"cov_xy has shape {cov.shape}; it must be the square covariance of (X, Y)"
        )
    dx = cov.shape[0] // 2 if dim_x is None else whole("dim_x", dim_x)
    if not 0 < dx < cov.shape[0]:
        raise ValueError(f"dim_x={dim_x} must lie between 1 and {cov.shape[0] - 1}")
    if not isinstance(beta, jax.core.Tracer) and not np.all(host("beta", beta) >= 0):  # pyright: ignore
        raise ValueError(f"beta={beta} must not be negative or NaN")
    beta = jnp.asarray(beta, cov.dtype)
    if beta.ndim:
        raise ValueError(f"beta has shape {beta.shape}; give one number, or vmap over several")
    root_x = jnp.linalg.cholesky(cov[:dx, :dx])
    root_y = jnp.linalg.cholesky(cov[dx:, dx:])
    half = jax.scipy.linalg.solve_triangular(root_x, cov[:dx, dx:], lower=True)
    whitened = jax.scipy.linalg.solve_triangular(root_y, half.T, lower=True).T
    left, rho, _ = jnp.linalg.svd(whitened, full_matrices=True)
    square = jnp.zeros(dx, cov.dtype).at[: rho.shape[0]].set(rho[:dx] ** 2)
    critical = jnp.where(square > 0, 1 / jnp.where(square > 0, square, 1.0), jnp.inf)
    active = beta > critical
    safe = jnp.where(active, square, 0.5)
    strong = jnp.where(active, beta, 3.0)
    log_ratio = jnp.log(strong - 1) + jnp.log(safe) - jnp.log1p(-safe)
    i_tx = 0.5 * jnp.sum(jnp.where(active, log_ratio, 0.0))
    lost = 0.5 * jnp.sum(jnp.where(active, jnp.log(strong * safe), 0.0))
    # Rows in the directions L_x^-T u_i, whose variance under X is 1.
    directions = jax.scipy.linalg.solve_triangular(root_x.T, left, lower=False).T
    scale = jnp.sqrt(jnp.where(active, (strong * safe - 1) / (1 - safe), 0.0))
    return GaussianBottleneck(scale[:, None] * directions, i_tx, i_tx - lost, critical, active)

"""The information bottleneck of jointly Gaussian vectors, in closed form."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, in_double, whole
from ibjax.bottleneck import tables
from ibjax.mi.exact import factor
from ibjax.mi.laws import covariance, relative, whitener
from ibjax.signatures import enforced
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


@enforced
def gaussian_ib(
    cov_xy: Float[Array, "d d"], beta: Scalar, dim_x: int | None = None
) -> GaussianBottleneck:
    r"""Minimise I(X;T) - beta I(T;Y) for jointly Gaussian X and Y.

    With the canonical correlations rho_i and :math:`\lambda_i = 1 - \rho_i^2`, component i is on
    for :math:`\beta > 1/\rho_i^2`, and then

    .. math:: I(X;T) = \tfrac12\sum_i \log\frac{(\beta-1)\rho_i^2}{\lambda_i},\qquad
              I(T;Y) = I(X;T) - \tfrac12\sum_i \log(\beta\rho_i^2).

    Args:
        cov_xy: joint covariance of (X, Y), (d, d). Where it is known now its blocks may be
            singular: what does not vary, or repeats, has no part in the information.
        beta: trade-off, >= 0 and finite.
        dim_x: dimension of X; half of d by default.

    Returns:
        A `GaussianBottleneck`; infinite information where X determines part of Y, as samples of
        fewer than d do; NaN for traced singular blocks.

    Raises:
        ValueError: for a matrix that is not square, a dim_x that leaves no Y, or negative beta.

    Reference:
        Chechik, Globerson, Tishby, Weiss (2005), Information bottleneck for Gaussian variables;
        as published, through canonical correlations.
    """
    law = covariance("cov_xy", cov_xy)
    cov = law.matrix
    if cov.shape[0] < 2:
        raise ValueError(f"cov_xy has shape {cov.shape}; it must be the covariance of (X, Y)")
    dx = cov.shape[0] // 2 if dim_x is None else whole("dim_x", dim_x)
    if not 0 < dx < cov.shape[0]:
        raise ValueError(f"dim_x={dim_x} must lie between 1 and {cov.shape[0] - 1}")
    beta = tables.check_betas(beta)
    if np.ndim(beta):
        raise ValueError(f"beta has shape {np.shape(beta)}; give one number, or vmap over several")
    solve = partial(_solve, dx=dx, known=concrete(cov_xy), noise=law.noise)
    return in_double(solve, cov, beta, dtype=law.dtype)


@partial(jax.jit, static_argnames=("dx", "known", "noise"))
def _solve(cov: JaxArray, beta: JaxArray, *, dx: int, known: bool, noise: float):
    own, other, cross = cov[:dx, :dx], cov[dx:, dx:], cov[:dx, dx:]
    if known:
        # directions that do not vary get rows of zeros, and so no correlation
        scale_x, scale_y = whitener(own, noise), whitener(other, noise)
    else:
        scale_x, scale_y = _by_factor(own, noise), _by_factor(other, noise)
    left, rho, _ = jnp.linalg.svd(scale_x.T @ cross @ scale_y, full_matrices=True)
    square = jnp.zeros(dx, cov.dtype).at[: rho.shape[0]].set(jnp.minimum(rho[:dx], 1.0) ** 2)
    square = jnp.where(1 - square <= noise, 1.0, square)
    square = jnp.where(square <= noise**2, 0.0, square)
    critical = jnp.where(square > 0, 1 / jnp.where(square > 0, square, 1.0), jnp.inf)
    critical = jnp.where(jnp.isnan(square), jnp.nan, critical)
    active = beta > critical
    safe = jnp.where(active, square, 0.5)
    strong = jnp.where(active, beta, 3.0)
    log_ratio = jnp.log(strong - 1) + jnp.log(safe) - jnp.log1p(-safe)
    i_tx = 0.5 * jnp.sum(jnp.where(active, log_ratio, 0.0))
    i_tx = jnp.where(jnp.any(jnp.isnan(square)) | jnp.isnan(beta), jnp.nan, i_tx)
    lost = 0.5 * jnp.sum(jnp.where(active, jnp.log(strong * safe), 0.0))
    scale = jnp.sqrt(jnp.where(active, (strong * safe - 1) / (1 - safe), 0.0))
    # rows in directions whose variance under X is 1
    encoder = jnp.where(jnp.isnan(beta), jnp.nan, scale[:, None] * (scale_x @ left).T)
    return GaussianBottleneck(encoder, i_tx, i_tx - lost, critical, active)


def _by_factor(cov: JaxArray, noise: float) -> JaxArray:
    corr, size = relative(cov)
    return jnp.linalg.inv(factor(corr, noise)).T / size[:, None]

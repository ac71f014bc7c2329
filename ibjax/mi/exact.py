"""Mutual information of known laws."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, floating, in_double, whole
from ibjax.interface import Estimate
from ibjax.mi.laws import covariance, pseudo_inverse, relative, sum_plogp, table, whitener
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def discrete(joint: Float[Array, "k m"]) -> Estimate:
    r"""Mutual information of a joint table, exactly.

    .. math:: I(X;Y) = \sum_{x,y} p_{xy} \log\frac{p_{xy}}{p_x p_y}

    In the gradient cells of probability 0 stay there: their own slope is infinite.

    Args:
        joint: probabilities or counts, (k, m); normalised by its sum.

    Returns:
        I(X;Y) in nats with error 0. Of counts it is the plug-in value of the empirical law, which
        as an estimate of the population's errs upwards by about (k-1)(m-1)/(2N). A table of
        frequencies looks like a law, so it is not marked exact: ``replace(value, exact=True)`` of
        `dataclasses` says that the table is the law.

    Raises:
        ValueError: for a table that is no matrix, has negative entries, or sums to zero.

    Example:
        >>> round(float(discrete([[0.5, 0.0], [0.0, 0.5]]).value), 6)
        0.693147
    """
    law, dtype = table("joint", joint, 2)
    value = in_double(_table_information, law, dtype=dtype)
    return Estimate(value, jnp.zeros_like(value), jnp.isfinite(value), "none", "discrete")


@enforced
def gaussian(cov: Float[Array, "d d"], dim_x: int) -> Estimate:
    r"""Mutual information of two jointly Gaussian vectors from their covariance, exactly.

    .. math:: I(X;Y) = \tfrac12 \log\frac{|\Sigma_X||\Sigma_Y|}{|\Sigma|}
                     = -\tfrac12\sum_i\log(1-\rho_i^2)

    with the canonical correlations rho_i, which lose no digits when X and Y are nearly
    independent.

    Args:
        cov: joint covariance of (X, Y), (d, d). Where it is known now its blocks may be singular:
            what does not vary, or repeats, has no part in the information. Traced blocks must be
            positive definite.
        dim_x: dimension of X; the rest is Y.

    Returns:
        I(X;Y) in nats with error 0; infinite and not ok where one determines part of the other, up
        to rounding. Not marked exact, since the covariance may be that of a sample: see
        `discrete`.

    Raises:
        ValueError: for a matrix that is not square, symmetric, or has no room for Y.

    Example:
        >>> round(float(gaussian([[1.0, 0.5], [0.5, 1.0]], dim_x=1).value), 6)
        0.143841
    """
    law = covariance("cov", cov)
    d = law.matrix.shape[0]
    if not 0 < whole("dim_x", dim_x) < d:
        raise ValueError(f"dim_x={dim_x} must lie between 1 and {d - 1}")
    information = partial(_information, dim_x=dim_x, known=concrete(cov), noise=law.noise)
    value = in_double(information, law.matrix, dtype=law.dtype)
    reason = "one vector determines part of the other: the information is infinite"
    ok = jnp.isfinite(value)
    return Estimate(value, jnp.zeros_like(value), ok, "none", "gaussian", reason)


@jax.jit
def _table_information(p: JaxArray) -> JaxArray:
    row, column = jnp.sum(p, axis=1), jnp.sum(p, axis=0)
    return sum_plogp(p) - sum_plogp(row) - sum_plogp(column)


def known_correlations(cov: JaxArray, dim_x: int, noise: float) -> JaxArray:
    """Canonical correlations where blocks may be singular; 0 for what does not vary."""
    a, b = whitener(cov[:dim_x, :dim_x], noise), whitener(cov[dim_x:, dim_x:], noise)
    whitened = a.T @ cov[:dim_x, dim_x:] @ b
    return jnp.minimum(jnp.linalg.svd(whitened, compute_uv=False), 1.0)


def canonical_correlations(cov: JaxArray, dim_x: int, noise: float) -> JaxArray:
    """Canonical correlations by triangular factors, which may be traced and differentiated.

    NaN where a block is singular up to rounding.
    """
    corr, _ = relative(cov)
    a, b = factor(corr[:dim_x, :dim_x], noise), factor(corr[dim_x:, dim_x:], noise)
    whitened = jnp.linalg.solve(a, corr[:dim_x, dim_x:])
    whitened = jnp.linalg.solve(b, whitened.T)
    return jnp.minimum(jnp.linalg.svd(whitened, compute_uv=False), 1.0)


def information_of(rho: JaxArray, noise: float) -> JaxArray:
    """Gaussian information of canonical correlations; infinite where 1 - rho^2 is rounding."""
    determined = (1 - rho) * (1 + rho) <= noise
    safe = jnp.where(determined, 0.0, rho)
    return jnp.where(jnp.any(determined), jnp.inf, -0.5 * jnp.sum(jnp.log1p(-(safe**2))))


def log_determinant(cov: JaxArray, noise: float) -> JaxArray:
    """Of a positive definite matrix; NaN for others, and for those singular up to rounding."""
    corr, size = relative(cov)
    return 2 * jnp.sum(jnp.log(size)) + 2 * jnp.sum(jnp.log(jnp.diagonal(factor(corr, noise))))


def factor(corr: JaxArray, noise: float) -> JaxArray:
    """Cholesky factor of a matrix with a diagonal of 1; NaN where singular up to rounding."""
    root = jnp.linalg.cholesky(corr)
    return jnp.where(jnp.min(jnp.diagonal(root)) ** 2 > noise, root, jnp.nan)


@partial(jax.jit, static_argnames=("dim_x", "known", "noise"))
def _information(cov: JaxArray, *, dim_x: int, known: bool, noise: float) -> JaxArray:
    correlations = known_correlations if known else canonical_correlations
    return information_of(correlations(cov, dim_x, noise), noise)


@enforced
def gaussian_conditional(cov: Float[Array, "d d"], dim_x: int, dim_y: int) -> Estimate:
    r"""Conditional information I(X;Y|Z) of a Gaussian (X, Y, Z) from its covariance, exactly.

    The information of the conditional covariance, the Schur complement of that of Z.

    Args:
        cov: joint covariance of (X, Y, Z), (d, d); singular where known now as for `gaussian`.
        dim_x: dimension of X.
        dim_y: dimension of Y; the rest is Z.

    Returns:
        Nats with error 0; infinite or NaN and not ok for a singular covariance.

    Raises:
        ValueError: for a matrix that is not square or has no room for Z.
    """
    law = covariance("cov", cov)
    d, known, noise = law.matrix.shape[0], concrete(cov), law.noise
    both = whole("dim_x", dim_x) + whole("dim_y", dim_y)
    if both >= d:
        raise ValueError(f"dim_x={dim_x} and dim_y={dim_y} take all of {d}; leave some to Z")

    def information(cov: JaxArray) -> JaxArray:
        own, cross, given = cov[:both, :both], cov[:both, both:], cov[both:, both:]
        if known:
            left = own - cross @ pseudo_inverse(given, noise) @ cross.T
            # coordinates that Z determines up to rounding have nothing left to vary
            varies = jnp.diagonal(left) > noise * jnp.diagonal(own)
            left = jnp.where(varies[:, None] & varies, left, 0.0)
        else:
            left = own - cross @ jnp.linalg.solve(given, cross.T)
        return _information(left, dim_x=dim_x, known=known, noise=noise)

    value = in_double(information, law.matrix, dtype=law.dtype)
    reason = "a variable is determined by the others"
    zero = jnp.zeros_like(value)
    return Estimate(value, zero, jnp.isfinite(value), "none", "gaussian_conditional", reason)


@enforced
def gaussian_mixture(
    means: Float[Array, " m"],
    std: Scalar,
    weights: Float[Array, " m"] | None = None,
    *,
    nodes: int = 1001,
) -> Estimate:
    r"""I(C;T) for T = m_C + N(0, std^2) on the line, by quadrature.

    .. math:: I = -\sum_c w_c\,E_z \log\sum_j w_j e^{-((m_c - m_j + sz)^2 - s^2z^2)/2s^2}

    Args:
        means: the components' means, (m,).
        std: standard deviation of the noise, > 0.
        weights: probabilities of the components, (m,); equal if None.
        nodes: of the trapezoidal rule over 10 std, which converges exponentially here.

    Returns:
        Nats, error 0; not ok without noise.

    Raises:
        ValueError: for means that are no vector, weights of another shape, or a negative std.
    """
    m = floating("means", means)
    if m.ndim != 1:
        raise ValueError(f"means has shape {m.shape}; give (m,), on the line")
    w = (
        jnp.full(m.shape, 1 / m.shape[0], m.dtype)
        if weights is None
        else floating("weights", weights)
    )
    if w.shape != m.shape:
        raise ValueError(f"weights has shape {w.shape}; give one weight for each of {m.shape[0]}")
    if concrete(std) and not np.all(np.asarray(std) >= 0):
        raise ValueError(f"std={std} must not be negative or NaN")
    if nodes < 2:
        raise ValueError(f"nodes={nodes} must be at least 2")
    s = jnp.asarray(std, m.dtype)
    value = _mixture_information(m, s, w, nodes)
    ok = jnp.isfinite(value) & (s > 0)
    reason = "no noise: give a positive std"
    return Estimate(value, jnp.zeros_like(value), ok, "none", "gaussian_mixture", reason)


@partial(jax.jit, static_argnums=3)
def _mixture_information(m: JaxArray, s: JaxArray, w: JaxArray, nodes: int) -> JaxArray:
    z = jnp.linspace(-10.0, 10.0, nodes, dtype=m.dtype)
    mass = jnp.exp(-0.5 * z**2)
    mass = mass / jnp.sum(mass)
    w = w / jnp.sum(w)
    gaps = (m[:, None] - m[None]) / jnp.where(s > 0, s, 1.0)
    exponent = -0.5 * gaps[:, :, None] ** 2 - gaps[:, :, None] * z
    logs = jax.nn.logsumexp(exponent, axis=1, b=w[None, :, None])
    return -jnp.sum(jnp.where(w > 0, w, 0.0) * (logs @ mass))

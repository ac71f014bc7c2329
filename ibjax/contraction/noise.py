"""Coefficients of additive noise after a bounded map, and of a jointly Gaussian pair."""

import math

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.contraction import checks
from ibjax.interface import Contraction
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def gaussian_noise(diameter: Scalar, std: Scalar) -> Contraction:
    """Compute the coefficient of Gaussian noise added to a point of a bounded set.

    ``eta = 1 - e^{-r^2/2} E[sech(r Z)] = E[tanh^2(r (r + Z))]``, ``r = diameter / (2 std)``

    The worst pair of inputs spans the diameter, the worst input law gives them equal weight.
    For r >= 1 the expectation is an integral over u = r z, which the trapezoidal rule gives to
    rounding for every r, and log(1 - eta) stays exact long after eta has rounded to 1.

    Args:
        diameter: Euclidean diameter of the set of noiseless outputs; inf gives 1.
        std: standard deviation of the noise of each coordinate; 0 gives 1.

    Returns:
        The coefficient; exact if two points of the set attain the diameter, else an upper bound.

    Raises:
        ValueError: for a negative diameter or standard deviation.

    Reference:
        The closed form is derived here from the pair formula; compare the Dobrushin coefficient
        1 - 2 Q(r) in Polyanskiy, Wu 2016, "Dissipation of information in channels with input
        constraints".
    """
    size = checks.real("diameter", diameter, 0.0, math.inf)
    scale = checks.real("std", std, 0.0, math.inf)
    value, log1m = _gaussian(size, scale)
    return Contraction(value, log1m, "exact", "channel", "Gaussian noise on a bounded output", "kl")


@enforced
def gaussian_noise_tv(diameter: Scalar, std: Scalar) -> Contraction:
    """Compute Dobrushin's coefficient of Gaussian noise on a bounded set.

    ``eta_TV = 1 - 2 Q(r) = erf(r / sqrt 2)``, ``r = diameter / (2 std)``

    Above `gaussian_noise` for every r; its divergence is tv, which every depth bound takes.

    Args:
        diameter: Euclidean diameter of the set of noiseless outputs.
        std: standard deviation of the noise of each coordinate.

    Raises:
        ValueError: for a negative diameter or standard deviation.
    """
    size = checks.real("diameter", diameter, 0.0, math.inf)
    r = _ratio(size, checks.real("std", std, 0.0, math.inf))
    value = jax.scipy.special.erf(r / math.sqrt(2))
    log1m = math.log(2) + jax.scipy.stats.norm.logcdf(-r)
    reason = "total variation of shifted Gaussians"
    return Contraction(value, log1m, "exact", "channel", reason, "tv")


@enforced
def laplace_noise(diameter: Scalar, scale: Scalar) -> Contraction:
    """Compute the coefficient of Laplace noise on a scalar in an interval.

    ``1 - eta = 2 / (1 + e^d) + 2 e^{-d/2} arctan(tanh(d/4))``, ``d = diameter / scale``

    Args:
        diameter: length of the interval.
        scale: scale of the noise, with density e^{-|t|/scale} / (2 scale).

    Raises:
        ValueError: for a negative diameter or scale.

    Reference:
        The closed form is derived here from the pair formula at equal weights.
    """
    size = checks.real("diameter", diameter, 0.0, math.inf)
    d = _ratio(size, checks.real("scale", scale, 0.0, math.inf)) * 2
    # Both terms carry e^{-d/2}; taken out, so that the logarithm survives large d.
    rest = 1 / jnp.cosh(jnp.minimum(d, 1e3) / 2) + 2 * jnp.arctan(jnp.tanh(d / 4))
    log1m = -d / 2 + jnp.log(rest)
    return checks.from_log1m(log1m, "Laplace noise on an interval")


@enforced
def uniform_noise(shift: Float[Array, "*batch d"], width: Scalar) -> Contraction:
    """Compute the coefficient of noise uniform on a cube (dithering, stochastic rounding).

    ``eta = 1 - prod_k max(0, 1 - |v_k| / width)``, the same for KL and total variation

    Args:
        shift: largest difference v of two noiseless outputs in each coordinate.
        width: side of the cube.

    Raises:
        ValueError: for width <= 0.
    """
    side = checks.real("width", width, 0.0, math.inf, open_low=True)
    v = checks.real("shift", jnp.abs(jnp.asarray(shift)), 0.0, math.inf)
    left = jnp.maximum(1 - v / jnp.expand_dims(side, -1), 0)
    return checks.from_log1m(
        jnp.sum(checks.log(left), -1), "uniform noise: an erasure", divergence="tv"
    )


@enforced
def jointly_gaussian(cov: Float[Array, "d d"], dim_x: int) -> Contraction:
    """Compute the KL coefficient of a Gaussian input through a linear Gaussian channel.

    ``eta = rho_max^2``, the largest squared canonical correlation

    Holds for this input law alone. With a covariance estimated from data it is an estimate.

    Args:
        cov: covariance of (X, T), the dim_x coordinates of X first; blocks positive definite.
        dim_x: number of coordinates of X.

    Returns:
        The coefficient; kind exact, scope input.

    Raises:
        ValueError: if `cov` is not square or dim_x leaves no coordinate on one side.

    Reference:
        Makur, Zheng 2020, "Comparison of contraction coefficients for f-divergences".
    """
    c = checks.real("cov", cov, -math.inf, math.inf)
    dim_x = whole("dim_x", dim_x)
    if c.ndim != 2 or c.shape[0] != c.shape[1] or not 0 < dim_x < c.shape[0]:
        raise ValueError(f"cov of shape {c.shape} with dim_x={dim_x}; give (d, d), 0 < dim_x < d")
    lx, lt = jnp.linalg.cholesky(c[:dim_x, :dim_x]), jnp.linalg.cholesky(c[dim_x:, dim_x:])
    half = jax.scipy.linalg.solve_triangular(lx, c[:dim_x, dim_x:], lower=True)
    whitened = jax.scipy.linalg.solve_triangular(lt, half.T, lower=True)
    value = jnp.linalg.svd(whitened, compute_uv=False)[0] ** 2
    reason = "largest squared canonical correlation of a Gaussian pair"
    return checks.from_value(value, jnp.maximum(1 - value, 0), reason, scope="input")


def _ratio(diameter: JaxArray, std: JaxArray) -> JaxArray:
    """Ratio diameter / (2 std); 0 for a single point, inf for no noise or an unbounded set."""
    diameter, std = jnp.broadcast_arrays(diameter, std)
    noisy, several = std > 0, diameter > 0
    r = diameter / (2 * jnp.where(noisy, std, 1.0))
    bad = jnp.isnan(diameter) | jnp.isnan(std)
    ends = jnp.where(bad, jnp.nan, jnp.where(several, jnp.inf, 0.0))
    return jnp.where(noisy & ~bad, jnp.where(several, r, 0.0), ends)


@jax.jit
def _gaussian(size: JaxArray, scale: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The pair eta and log(1 - eta); each integrand is analytic, so 0.1 is a fine step."""
    r = _ratio(size, scale)
    small = r < 1
    step = 0.1
    z = jnp.arange(-120, 121, dtype=r.dtype) * jnp.asarray(step, r.dtype)
    weight = jnp.exp(-z * z / 2) * (step / math.sqrt(2 * math.pi))
    low = jnp.where(small, r, 0.5)[..., None]
    little = jnp.sum(weight * jnp.tanh(low * (low + z)) ** 2, -1)
    u = jnp.arange(-400, 401, dtype=r.dtype) * jnp.asarray(step, r.dtype)
    high = jnp.where(small, 1.0, r)
    shape = -((u / high[..., None]) ** 2) / 2 + log_sech(u)
    tail = jax.nn.logsumexp(shape, axis=-1) + math.log(step / math.sqrt(2 * math.pi))
    large = -(high**2) / 2 - jnp.log(high) + tail
    value = jnp.where(small, little, -jnp.expm1(large))
    return value, jnp.where(small, jnp.log1p(-little), large)


def log_sech(x: JaxArray) -> JaxArray:
    """log(1 / cosh x) without overflow."""
    return math.log(2) - jnp.abs(x) - jnp.log1p(jnp.exp(-2 * jnp.abs(x)))

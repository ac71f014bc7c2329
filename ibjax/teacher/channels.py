"""Output channels of the equivalent generalized linear model: information rates and errors.

Every channel is a function of the remaining error E = 1 - q of the weights. With
``w = rho sqrt(q) V`` and ``S = rho^2 E + eps`` the output has density
``Z(y; w, S) = E_t P_out(y | w + sqrt(S) t)``, and

    snr(E) = rho^2 E_V int (d_w Z)^2 / Z dy,      entropy(E) = -E_V int Z ln Z dy.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr

from ibjax.teacher.folded import absolute_gain, folded_means
from ibjax.teacher.quadrature import mean_of_scaled, normal_pdf
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

Readout = str | Callable[[Any], Any]
READOUTS: tuple[str, ...] = ("identity", "sign", "abs")


class Teacher(NamedTuple):
    """Constants of the equivalent model; all may be traced.

    Attributes:
        rho: coefficient of the linear part.
        eps: variance of the part that acts as noise.
        noise: variance added to the output, or inside the sign for the sign readout.
    """

    rho: Float[Array, ""]
    eps: Float[Array, ""]
    noise: Float[Array, ""]


class ChannelRates(NamedTuple):
    """What one observation says at error E.

    Attributes:
        snr: dr/dalpha, the signal-to-noise ratio per unit of alpha.
        entropy: of the next output given the estimate, nats.
    """

    snr: Float[Array, ""]
    entropy: Float[Array, ""]


class Errors(NamedTuple):
    """Errors of prediction on a fresh input.

    Attributes:
        bayes: Bayes-optimal error against a noisy output.
        clean: Bayes-optimal error against the output without noise.
        gibbs: error of a prediction drawn from the posterior, against a noisy output.
        gibbs_clean: the same against the output without noise.
    """

    bayes: Float[Array, ""]
    clean: Float[Array, ""]
    gibbs: Float[Array, ""]
    gibbs_clean: Float[Array, ""]


def gaussian_entropy(variance: Array) -> jax.Array:
    """Differential entropy of a normal variable, nats; -inf at variance 0."""
    return 0.5 * jnp.log(2 * jnp.pi * jnp.e * variance)


def channel_rates(
    readout: Readout, q: Array, e: Array, teacher: Teacher, nodes: tuple[int, int, int]
) -> ChannelRates:
    """Compute the rates of a channel at overlap q = 1 - e, each given to full precision.

    Args:
        readout: "identity", "sign", "abs" or a bounded smooth function.
        q: overlap, scalar.
        e: error of the weights, scalar.
        teacher: constants.
        nodes: numbers of (V, t, y) nodes for a smooth function.

    Returns:
        ChannelRates, in nats.
    """
    rho, eps, noise = teacher
    if readout == "identity":
        variance = rho**2 * e + eps + noise
        return ChannelRates(rho**2 / variance, gaussian_entropy(variance))
    s = rho**2 * e + eps
    if readout == "sign":
        slope = rho * _root(q / (s + noise))
        snr = rho**2 / (s + noise) * mean_of_scaled(_sign_fisher, slope)
        return ChannelRates(snr, mean_of_scaled(_sign_entropy, slope))
    if readout == "abs":
        # Where nothing is left unknown of a noisy field, kappa is infinite.
        known = s <= 0
        safe = jnp.where(known, 1.0, s)
        kappa = jnp.where(known & (noise > 0), jnp.inf, noise / safe)
        fisher, lost = folded_means(rho * _root(q / jnp.where(known & (noise > 0), 1.0, s)), kappa)
        return ChannelRates(rho**2 / (s + noise) * fisher, gaussian_entropy(s + noise) - lost)
    return _smooth_rates(readout, q, s, teacher, nodes)


def noise_entropy(readout: Readout, teacher: Teacher) -> jax.Array:
    """Entropy of the output given the network's own output, h(P_out), nats."""
    rho, eps, noise = teacher
    if readout != "sign":
        return gaussian_entropy(noise)
    positive = noise > 0
    slope = _root((rho**2 + eps) / jnp.where(positive, noise, 1.0))
    return jnp.where(positive, mean_of_scaled(_sign_entropy, slope), 0.0)


def prediction_errors(
    readout: Readout, q: Array, e: Array, teacher: Teacher, nodes: tuple[int, int, int]
) -> Errors:
    """Compute the errors at overlap q: square loss, or 0-1 loss for the sign readout.

    Returns:
        Errors.
    """
    rho, eps, noise = teacher
    s = rho**2 * e + eps
    if readout == "sign":
        total, wrong = rho**2 + eps, s
        noisy = (wrong + noise) / (total + noise)
        # One sign has no noise of its own in the clean target: the angle is between the
        # estimate and the network's output alone.
        return Errors(
            _angle(noisy),
            _angle(wrong / total),
            2 * _angle(noisy / 2),
            2 * _angle(wrong / total / 2),
        )
    if readout == "identity":
        clean = s
    elif readout == "abs":
        slope = rho * _root(q / s)
        below, above = jnp.minimum(slope, 1.0), jnp.maximum(slope, 1.0)
        clean = s * jnp.where(
            slope < 1,
            1 - mean_of_scaled(absolute_gain, below),
            1 - mean_of_scaled(absolute_gain, above),
        )
    else:
        assert callable(readout)
        v, dv, t, dt = _normal_nodes(nodes[0], nodes[1], s.dtype)
        f = readout(rho * _root(q) * v[:, None] + _root(s) * t)
        first = f @ dt
        clean = dv @ jnp.sum((f - first[:, None]) ** 2 * dt, axis=1)
    return Errors(clean + noise, clean, 2 * clean + noise, 2 * clean)


def _root(x):
    """Square root with a finite derivative at 0 (the means are even in it)."""
    positive = x > 0
    root = jnp.sqrt(jnp.where(positive, x, 1.0))
    return jnp.where(positive, root, jnp.where(x == 0, 0.0, jnp.nan))


def _angle(fraction):
    """Probability that two directions differ in sign, from sin^2 of their angle."""
    return jnp.arcsin(_root(fraction)) / jnp.pi


def _sign_fisher(u):
    return 2 * jnp.exp(-u * u - jnp.log(2 * jnp.pi) - log_ndtr(u))


def _sign_entropy(u):
    return -2 * ndtr(u) * log_ndtr(u)


def _normal_nodes(nv, nt, dtype):
    v = jnp.linspace(-8.5, 8.5, nv, dtype=dtype)
    t = jnp.linspace(-8.5, 8.5, nt, dtype=dtype)
    return v, normal_pdf(v) * (v[1] - v[0]), t, normal_pdf(t) * (t[1] - t[0])


def _smooth_rates(readout, q, s, teacher, nodes):
    rho, _, noise = teacher
    v, dv, t, dt = _normal_nodes(nodes[0], nodes[1], s.dtype)
    f = readout(rho * _root(q) * v[:, None] + _root(s) * t)
    deviation = jnp.sqrt(noise)
    low = jax.lax.stop_gradient(jnp.min(f) - 8.5 * deviation)
    high = jax.lax.stop_gradient(jnp.max(f) + 8.5 * deviation)
    unit = jnp.linspace(0, 1, nodes[2], dtype=s.dtype)
    y = low + (high - low) * unit
    both = jnp.stack([dt, t * dt], axis=1)

    def row(inputs):
        density = normal_pdf((y[:, None] - inputs) / deviation) / deviation
        z, dz = (density @ both).T
        positive = z > 1e-290 if z.dtype == jnp.float64 else z > 1e-36
        safe = jnp.where(positive, z, 1.0)
        return (
            jnp.sum(jnp.where(positive, dz**2 / safe, 0.0)),
            -jnp.sum(jnp.where(positive, z * jnp.log(safe), 0.0)),
        )

    fisher, entropy = jax.lax.map(row, f)
    h = y[1] - y[0]
    # A grid coarser than the noise would be wrong without a sign of it.
    ok = h < 0.6 * deviation
    snr = rho**2 / s * h * (dv @ fisher)
    return ChannelRates(jnp.where(ok, snr, jnp.nan), jnp.where(ok, h * (dv @ entropy), jnp.nan))

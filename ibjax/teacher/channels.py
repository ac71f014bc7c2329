"""Output channels of the equivalent generalized linear model: information rates and errors.

Every channel is a function of the remaining error E = 1 - q of the weights. With
``w = rho sqrt(q) V`` and ``S = rho^2 E + eps`` the output has density
``Z(y; w, S) = E_t P_out(y | w + sqrt(S) t)``, and

    snr(E) = rho^2 E_V int (d_w Z)^2 / Z dy,      entropy(E) = -E_V int Z ln Z dy.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr

from ibjax.teacher.folded import absolute_gain, folded_means
from ibjax.teacher.quadrature import mean_of_scaled, normal_pdf
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

Readout = str | Callable[[Any], Any]


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


class Channel(NamedTuple):
    """One readout, as functions of the variance s that is unknown of its field.

    Attributes:
        rates: ``(q, s, teacher, nodes) -> ChannelRates``.
        errors: ``(q, s, teacher, nodes) -> Errors``, square loss but for signs.
        floor: ``teacher ->`` entropy of the output given the network's own output, nats.
        score: ``(y, omega, s, noise) ->`` d/domega of ln Z(y; omega, s) and its derivative.
    """

    rates: Callable[..., ChannelRates]
    errors: Callable[..., Errors]
    floor: Callable[[Teacher], Array]
    score: Callable[..., tuple[Array, Array]]


def channel(readout: Readout) -> Channel:
    """The row of a name, or that of a bounded smooth function."""
    if isinstance(readout, str):
        return _CHANNELS[readout]
    return Channel(
        partial(_smooth_rates, readout),
        partial(_smooth_errors, readout),
        _gaussian_floor,
        partial(_smooth_score, readout),
    )


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
    return channel(readout).rates(q, teacher.rho**2 * e + teacher.eps, teacher, nodes)


def noise_entropy(readout: Readout, teacher: Teacher) -> jax.Array:
    """Entropy of the output given the network's own output, h(P_out), nats."""
    return channel(readout).floor(teacher)


def prediction_errors(
    readout: Readout, q: Array, e: Array, teacher: Teacher, nodes: tuple[int, int, int]
) -> Errors:
    """Compute the errors at overlap q: square loss, or 0-1 loss for the sign readout.

    Returns:
        Errors.
    """
    return channel(readout).errors(q, teacher.rho**2 * e + teacher.eps, teacher, nodes)


def _gaussian_floor(teacher: Teacher) -> jax.Array:
    return gaussian_entropy(teacher.noise)


def _square_errors(clean: Array, noise: Array) -> Errors:
    return Errors(clean + noise, clean, 2 * clean + noise, 2 * clean)


def _identity_rates(q, s, teacher, nodes) -> ChannelRates:
    variance = s + teacher.noise
    return ChannelRates(teacher.rho**2 / variance, gaussian_entropy(variance))


def _identity_errors(q, s, teacher, nodes) -> Errors:
    return _square_errors(s, teacher.noise)


def _identity_score(y, omega, s, noise):
    return (y - omega) / (s + noise), -1 / (s + noise)


def _sign_rates(q, s, teacher, nodes) -> ChannelRates:
    rho, _, noise = teacher
    slope = rho * _root(q / (s + noise))
    snr = rho**2 / (s + noise) * mean_of_scaled(_sign_fisher, slope)
    return ChannelRates(snr, mean_of_scaled(_sign_entropy, slope))


def _sign_errors(q, s, teacher, nodes) -> Errors:
    rho, eps, noise = teacher
    total, wrong = rho**2 + eps, s
    noisy = (wrong + noise) / (total + noise)
    # One sign has no noise of its own in the clean target: the angle is between the
    # estimate and the network's output alone.
    return Errors(
        _angle(noisy), _angle(wrong / total), 2 * _angle(noisy / 2), 2 * _angle(wrong / total / 2)
    )


def _sign_floor(teacher: Teacher) -> jax.Array:
    rho, eps, noise = teacher
    positive = noise > 0
    slope = _root((rho**2 + eps) / jnp.where(positive, noise, 1.0))
    return jnp.where(positive, mean_of_scaled(_sign_entropy, slope), 0.0)


def _sign_score(y, omega, s, noise):
    root = jnp.sqrt(s + noise)
    m = y * omega / root
    ratio = jnp.exp(-0.5 * m * m - 0.5 * jnp.log(2 * jnp.pi) - log_ndtr(m))
    return y * ratio / root, -ratio * (ratio + m) / (s + noise)


def _abs_rates(q, s, teacher, nodes) -> ChannelRates:
    rho, _, noise = teacher
    # Where nothing is left unknown of a noisy field, kappa is infinite.
    known = s <= 0
    safe = jnp.where(known, 1.0, s)
    kappa = jnp.where(known & (noise > 0), jnp.inf, noise / safe)
    fisher, lost = folded_means(rho * _root(q / jnp.where(known & (noise > 0), 1.0, s)), kappa)
    return ChannelRates(rho**2 / (s + noise) * fisher, gaussian_entropy(s + noise) - lost)


def _abs_errors(q, s, teacher, nodes) -> Errors:
    slope = teacher.rho * _root(q / s)
    below, above = jnp.minimum(slope, 1.0), jnp.maximum(slope, 1.0)
    gain = jnp.where(
        slope < 1,
        1 - mean_of_scaled(absolute_gain, below),
        1 - mean_of_scaled(absolute_gain, above),
    )
    return _square_errors(s * gain, teacher.noise)


def _abs_score(y, omega, s, noise):
    first = jax.grad(_log_folded, argnums=1)
    both = jax.vmap(jax.value_and_grad(first, argnums=1), (0, 0, 0, None))
    return both(y, omega, s, noise)


def _log_folded(y, omega, s, noise):
    """Ln of the density of |w + sqrt(s) t| + noise at y, up to a constant in w."""
    total = s + noise
    safe = jnp.where(noise > 0, s * noise * total, 1.0) ** 0.5

    def side(w):
        share = jnp.where(noise > 0, log_ndtr((w * noise + y * s) / safe), 0.0)
        return -((y - w) ** 2) / (2 * total) + share

    return jnp.logaddexp(side(omega), side(-omega))


_CHANNELS = {
    "identity": Channel(_identity_rates, _identity_errors, _gaussian_floor, _identity_score),
    "sign": Channel(_sign_rates, _sign_errors, _sign_floor, _sign_score),
    "abs": Channel(_abs_rates, _abs_errors, _gaussian_floor, _abs_score),
}
READOUTS = tuple(_CHANNELS)
"""The readouts with a name."""


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


def _smooth_errors(readout, q, s, teacher, nodes) -> Errors:
    v, dv, t, dt = _normal_nodes(nodes[0], nodes[1], s.dtype)
    f = readout(teacher.rho * _root(q) * v[:, None] + _root(s) * t)
    first = f @ dt
    return _square_errors(dv @ jnp.sum((f - first[:, None]) ** 2 * dt, axis=1), teacher.noise)


def _smooth_score(readout, y, omega, s, noise):
    t = jnp.linspace(-8.5, 8.5, 141, dtype=y.dtype)
    f = readout(omega[:, None] + jnp.sqrt(s)[:, None] * t)
    log_weight = -((y[:, None] - f) ** 2) / (2 * noise) + jnp.log(normal_pdf(t))
    weight = jax.nn.softmax(log_weight, axis=1)
    g = weight @ t / jnp.sqrt(s)
    return g, (weight @ t**2 - 1) / s - g**2


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

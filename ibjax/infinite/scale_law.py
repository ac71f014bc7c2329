r"""The law of the random scale T = t_1 ... t_L of a deep network of finite width.

t_l ~ Gamma(N_l/2, rate N_l/2), independent. Everything is in u = log T: its log density is smooth
on the scale of 1 whatever the widths, and a trapezoid rule in u converges geometrically.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.typing import Array, Float, JaxArray

WIDEST = {"float32": 1e8, "float64": 1e13}
"""Widths beyond this, infinity among them, are indistinguishable in that precision."""

_LOWEST = {"float32": -60.0, "float64": -150.0}  # log T down to which an integrand is looked for

_BERNOULLI = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_LEAST_SHAPE = 0.1
_DEPTH = 50.0  # nats below the peak where an integrand ends
_FALLEN = 25.0  # nats below the peak by which it must have fallen there


class Grid(NamedTuple):
    """Nodes in u = log T that cover an integrand, and its log values there.

    Attributes:
        nodes: u, (nodes,).
        log_values: log of prior density times likelihood, (nodes,).
        step: spacing.
        peak: u of the saddle point, the maximum of profile prior times likelihood.
    """

    nodes: Float[JaxArray, " nodes"]
    log_values: Float[JaxArray, " nodes"]
    step: Float[JaxArray, ""]
    peak: Float[JaxArray, ""]

    def log_integral(self) -> Float[JaxArray, ""]:
        """Log of the integral by the trapezoid rule."""
        return jax.nn.logsumexp(self.log_values) + jnp.log(self.step)

    def weights(self) -> Float[JaxArray, " nodes"]:
        """The integrand as probabilities of the nodes."""
        return jax.nn.softmax(self.log_values)

    def discrepancy(self) -> Float[JaxArray, ""]:
        """Distance of the log integral from that of every second node: the rule's own check.

        Infinite where the integrand has not fallen at both ends, so that some of it is missing.
        """
        coarse = jax.nn.logsumexp(self.log_values[::2]) + jnp.log(2 * self.step)
        ends = jnp.maximum(self.log_values[0], self.log_values[-1])
        fallen = ends < jnp.max(self.log_values) - _FALLEN
        return jnp.where(fallen, jnp.abs(self.log_integral() - coarse), jnp.inf)


def half_widths(widths: Array) -> JaxArray:
    """N_l/2, finite, (L,)."""
    return jnp.minimum(widths, WIDEST[jnp.dtype(widths.dtype).name]) / 2


def stirling_tail(z: Array) -> JaxArray:
    """Log Gamma(z) less (z - 1/2) log z - z + log(2 pi)/2, for Re z > 0, real or complex."""
    z = jnp.asarray(z)
    total = jnp.zeros_like(z)
    for _ in range(10):
        total = total + (z + 0.5) * _log1p(1 / z) - 1
        z = z + 1
    square, power = 1 / z**2, 1 / z
    for coefficient in _BERNOULLI:
        total = total + coefficient * power
        power = power * square
    return total


def _log1p(z: JaxArray) -> JaxArray:
    if not jnp.issubdtype(z.dtype, jnp.complexfloating):
        return jnp.log1p(z)
    # log(1 + z) without the cancellation of |1 + z| - 1 at small z.
    real, imag = z.real, z.imag
    modulus = jnp.log1p(real * (2 + real) + imag**2) / 2
    return jax.lax.complex(modulus, jnp.arctan2(imag, 1 + real))


def layer_scales(u: Array, halves: Array) -> tuple[JaxArray, JaxArray]:
    """The most probable log t_l of layers whose scales multiply to e^u, and their multiplier.

    t_l = 1 + theta / (N_l/2) with sum_l log t_l = u, which also is the exponential tilt that
    moves the mean of t_l there.

    Args:
        u: log T, any shape.
        halves: N_l/2, (L,).

    Returns:
        log t_l (..., L) and theta (...).
    """
    least = jnp.min(halves)
    shares = least / halves
    rest = jnp.log1p(-shares)

    def logs(v):
        v = v[..., None]
        # Far below zero 1 + r expm1(v) would round to 1 - r.
        far = jnp.logaddexp(rest, jnp.log(shares) + v)
        return jnp.where(v < -1, far, jnp.log1p(shares * jnp.expm1(v)))

    low, high = jnp.minimum(u, u / halves.size), jnp.maximum(u, u / halves.size)

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        below = jnp.sum(logs(middle), axis=-1) < u
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    low, high = jax.lax.fori_loop(0, 60, halve, (low, high))
    v = (low + high) / 2
    return logs(v), least * jnp.expm1(v)


def log_density(u: Array, widths: Array) -> JaxArray:
    r"""Log density of u = log T.

    One layer: (N/2)(u - e^u) + (N/2) log(N/2) - log Gamma(N/2). More: the Fourier inversion along
    the contour through the saddle point
    of every u (w_l = log(a_l / b_l), off = u - sum_l w_l = 0 there),

    .. math:: p(u) = e^{-\theta u} \prod_l \frac{\Gamma(a_l) b_l^{-\theta}}{\Gamma(b_l)}
        \frac1\pi \int_0^\infty \mathrm{Re} \prod_l \frac{\Gamma(a_l + is)}{\Gamma(a_l)}
        (b_l e^{w_l})^{-is} ds, \qquad b_l = N_l/2,\ a_l = b_l + \theta,\ w_l = \log (a_l / b_l),

    with Stirling's leading terms cancelled by hand, so that no width costs digits.

    Args:
        u: log T, (nodes,).
        widths: N_l, (L,).

    Returns:
        (nodes,).
    """
    halves = half_widths(widths)
    if halves.size == 1:
        normal = jnp.log(halves[0] / (2 * math.pi)) / 2 - stirling_tail(halves[0])
        return halves[0] * (u - jnp.expm1(u)) + normal
    _, tilt = layer_scales(u, halves)
    # Shapes near zero have tails too long to integrate: there the contour stays aside.
    tilt = jnp.maximum(tilt, _LEAST_SHAPE - jnp.min(halves))
    shapes = halves + tilt[:, None]
    logs = jnp.log1p(tilt[:, None] / halves)
    front = halves * logs - tilt[:, None] - logs / 2
    front = front + stirling_tail(shapes) - stirling_tail(halves)
    off = u - jnp.sum(logs, axis=-1)
    inverted = jax.lax.map(lambda x: _log_tilted(*x), (shapes, off), batch_size=64)
    return jnp.sum(front, axis=-1) - tilt * off + inverted


def _log_tilted(shapes: Array, off: Array, count: int = 384) -> JaxArray:
    """Log density of a sum of log Gamma(a_l) variables at sum_l log a_l + off."""
    core = 1 / jnp.sqrt(jnp.sum(1 / shapes + 1 / shapes**2))
    spread = jnp.sqrt(jnp.sum(1 / shapes + 0.5 / shapes**2))
    # A Gaussian core and exponential tails exp(-pi s/2): a grid in asinh resolves both.
    end = jnp.arcsinh((10 / spread + 26) / core)
    x = jnp.linspace(0, 1, count, dtype=shapes.dtype) * end
    s = core * jnp.sinh(x)
    a = shapes[:, None]
    modulus, angle = jnp.log1p((s / a) ** 2) / 2, jnp.arctan(s / a)
    tail = stirling_tail(jax.lax.complex(a + 0 * s, s + 0 * a)) - stirling_tail(a)
    real = (a - 0.5) * modulus - s * angle + tail.real
    imag = (a - 0.5) * angle + s * modulus - s + tail.imag
    phase = jnp.sum(imag, axis=0) - s * off
    values = jnp.exp(jnp.sum(real, axis=0)) * jnp.cos(phase) * jnp.cosh(x)
    area = core * end / (count - 1) * (jnp.sum(values) - values[0] / 2)
    return jnp.log(jnp.maximum(area, jnp.finfo(area.dtype).tiny)) - jnp.log(math.pi)


def cover(
    log_likelihood: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    widths: Array,
    nodes: int,
) -> Grid:
    """Put nodes where prior density times likelihood is within 50 nats of its largest value.

    The two are compared on a wide grid, which then shrinks onto that region: logs of both change
    on the scale of 1 in u, so that no peak falls between nodes, and several peaks are all kept.

    Args:
        log_likelihood: of u (nodes,), (nodes,).
        slope: its derivative at a scalar u.
        widths: N_l, (L,).
        nodes: number of nodes.
    """
    halves = half_widths(widths)
    dtype = halves.dtype

    def profile(u):
        logs, _ = layer_scales(u, halves)
        return jnp.sum(halves * (logs - jnp.expm1(logs)), axis=-1) + log_likelihood(u)

    def shrink(low, high, count):
        u = jnp.linspace(low, high, count, dtype=dtype)
        values = profile(u)
        inside = values > jnp.max(values) - _DEPTH
        first, last = jnp.argmax(inside), count - 1 - jnp.argmax(inside[::-1])
        ends = u[jnp.maximum(first - 1, 0)], u[jnp.minimum(last + 1, count - 1)]
        best = jnp.argmax(values)
        peak = u[jnp.maximum(best - 1, 0)], u[jnp.minimum(best + 1, count - 1)]
        return (*ends, *peak)

    lowest = jnp.asarray(_LOWEST[jnp.dtype(dtype).name], dtype)
    start = shrink(lowest, jnp.asarray(60.0, dtype), 513)
    low, high, left, right = jax.lax.fori_loop(0, 12, lambda _, s: shrink(s[0], s[1], 129), start)

    def halve(_, ends):
        left, right = ends
        middle = (left + right) / 2
        rising = slope(middle) > layer_scales(middle, halves)[1]
        return jnp.where(rising, middle, left), jnp.where(rising, right, middle)

    left, right = jax.lax.fori_loop(0, 60, halve, (left, right))
    u = jnp.linspace(low, high, nodes, dtype=dtype)
    values = log_density(u, widths) + log_likelihood(u)
    return Grid(u, values, (high - low) / (nodes - 1), (left + right) / 2)

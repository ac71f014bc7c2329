r"""The absolute-value channel, y = |u + t| + noise, in units of the uncertainty of the field.

Given the estimate u = w / sqrt(S), the output is a folded normal variable; ``kappa = Delta / S``
is the variance of its noise. With ``b = sqrt(kappa)``, ``a = u / sqrt(1 + kappa)`` and x the output
over ``sqrt(1 + kappa)``, its density is ``G(a) + G(-a)``,

    G(a) = phi(x - a) Phi(a b + x / b).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from ibjax.teacher.quadrature import (
    SQRT_2PI,
    even_mean_of_narrow,
    even_mean_of_scaled,
    grid,
    normal_pdf,
)
from ibjax.typing import JaxArray as Array

STEP = 0.1  # the folded normal has singularities near the real line
SMALL = 0.01  # slopes below which differences are taken as integrals
QUIET = 1e-10  # noise that a grid fine enough for its edge is too coarse for the rest of
LOUD = 1e12  # noise beside which the output is its mean alone
_EDGE = 0.9031972855686252
"""Integral of -Phi(t) log Phi(t) over the line."""


def folded_means(slope: Array, kappa: Array) -> tuple[jax.Array, jax.Array]:
    """Compute what one output tells, averaged over u = slope V with V standard normal.

    Noise below `QUIET` blurs nothing but the edge at 0, where the density is 2 phi(u): the entropy
    grows by ``b E[2 phi(u)] _EDGE``, and all else changes by about kappa. Beside noise above `LOUD`
    only the mean E|u + t| is seen, of slope 2 Phi(u) - 1, whose mean square is
    ``(2/pi) arcsin(slope^2/(1 + slope^2))``, up to terms of 1/kappa.

    Args:
        slope: rho sqrt(q / S), scalar.
        kappa: variance of the noise over S, scalar; inf where S is zero.

    Returns:
        (information, loss): the Fisher information of u times 1 + kappa, accurate for small
        slopes too, and the entropy of N(0, 1 + kappa) minus that of the output, nats.
    """
    quiet, loud = kappa < QUIET, kappa > LOUD
    sure = ~jnp.isfinite(kappa)
    safe = jnp.where(quiet | loud | sure, 1.0, kappa)
    # One branch runs: each is the whole average, so that little has to be compiled.
    fisher, lack, lost = jax.lax.switch(
        jnp.where(quiet, 0, jnp.where(slope < SMALL, 1, 2)),
        [
            lambda: even_mean_of_scaled(_clean, slope, step=STEP),
            lambda: even_mean_of_narrow(partial(_noisy, safe, fine=True), slope),
            lambda: even_mean_of_scaled(partial(_noisy, safe, fine=False), slope, step=STEP),
        ],
    )
    fisher = jnp.where(slope < 1, fisher, 1 - lack)
    density = 2 / SQRT_2PI / jnp.sqrt(1 + slope**2)
    blurred = quiet & (kappa > 0)
    width = jnp.where(blurred, jnp.sqrt(jnp.where(blurred, kappa, 1.0)), 0.0)
    lost = lost - _EDGE * width * density
    seen = 2 / jnp.pi * jnp.arcsin(slope**2 / (1 + slope**2))
    fisher = jnp.where(sure, 1.0, jnp.where(loud, seen, fisher))
    return fisher, jnp.where(sure | loud, 0.0, lost)


def _clean(u):
    """Information of |u + t|, 1 minus it, and the lost bit, each (nodes,)."""
    t, h = grid(9.0, 0.1, u.dtype)
    y = u[:, None] + t
    weight = h * normal_pdf(t)
    tanh = jnp.tanh(u[:, None] * y)
    # 1 - tanh(x) = 2 / (1 + exp(2x)), exact also where tanh rounds to 1.
    rest = y * 2 * jax.nn.sigmoid(-2 * u[:, None] * y)
    fisher = ((y * tanh - u[:, None]) ** 2) @ weight
    loss = (rest * (2 * t - rest)) @ weight
    bit = jax.nn.softplus(-2 * u[:, None] * y) @ weight
    return jnp.stack([fisher, loss, bit])


def _noisy(kappa, u, *, fine, count=221):
    """The same of |u + t| with noise of variance kappa."""
    b = jnp.sqrt(kappa)
    a = (u / jnp.sqrt(1 + kappa))[:, None]
    # sinh resolves the edge at 0 however narrow the noise makes it.
    edge = b / jnp.sqrt(1 + kappa)
    low, high = -np.arcsinh(9.0), jnp.arcsinh((9.0 + a) / edge)
    tau = low + (high - low) * jnp.linspace(0, 1, count, dtype=u.dtype)
    up = jnp.exp(tau) / 2
    down = 0.25 / up
    x = edge * (up - down)
    weight = edge * (up + down) * (high - low) / (count - 1)
    sides = [normal_pdf(x - a) * _below(a * b + x / b), normal_pdf(x + a) * _below(x / b - a * b)]
    z = sides[0] + sides[1]
    if fine:
        slope = sum(
            w * a * _curvature(x, s * a, b) for s, w in zip(*np.polynomial.legendre.leggauss(4))
        )
    else:
        # The derivatives of the two Phi are equal and cancel: both are
        # b exp(-(x^2 (1 + 1/b^2) + a^2 (1 + b^2)) / 2) / (2 pi).
        slope = (x - a) * sides[0] - (x + a) * sides[1]
    positive = z > (1e-290 if z.dtype == jnp.float64 else 1e-36)
    safe = jnp.where(positive, z, 1.0)
    fisher = jnp.sum(weight * jnp.where(positive, slope**2 / safe, 0.0), axis=1)
    entropy = -jnp.sum(weight * jnp.where(positive, z * jnp.log(safe), 0.0), axis=1)
    return jnp.stack([fisher, 1 - fisher, 0.5 * np.log(2 * np.pi * np.e) - entropy])


def _below(x):
    """The normal distribution function, by one call of erfc where `ndtr` makes two and an erf."""
    return 0.5 * jax.lax.erfc(-x / np.sqrt(2.0).astype(x.dtype))


def _curvature(x, s, b):
    """Second derivative of G at s."""
    k = s * b + x / b
    c = x - s
    return normal_pdf(c) * ((c * c - 1) * _below(k) + (2 * b * c - b * b * k) * normal_pdf(k))


def absolute_gain(u: Array) -> jax.Array:
    """(E|u + t|)^2 - u^2, which decays."""
    a = jnp.abs(u)
    excess = 2 * (normal_pdf(a) - a * ndtr(-a))
    return excess * (excess + 2 * a)

"""The tight form of Pinsker's inequality for binary laws: gap against information."""

import math

import jax
import jax.numpy as jnp

from ibjax.bounds.bisection import bisected
from ibjax.signatures import enforced
from ibjax.typing import JaxArray

_LARGE = 60.0
"""Nats from which the envelope rounds to one."""


def _series() -> tuple[float, ...]:
    """Coefficients c_k of ``coth t = 1/t + sum_k c_k t^(2k - 1)``, from those of its square.

    ``coth' = 1 - coth^2`` gives ``(2k + 1) c_k = -sum_{i + j = k} c_i c_j`` from c_1 = 1/3 on.
    """
    c = [0.0, 1 / 3]
    for k in range(2, 16):
        c.append(-math.fsum(c[i] * c[k - i] for i in range(1, k)) / (2 * k + 1))
    return tuple(c)


_COTH = _series()


def _small(t: JaxArray) -> JaxArray:
    return t < 0.8


def _langevin(t: JaxArray) -> JaxArray:
    """``coth t - 1/t``; differences from one are taken by the callers where t is large."""
    near = jnp.where(_small(t), t, 0.0)
    total = jnp.zeros_like(near)
    for c in _COTH[:0:-1]:
        total = c + near * near * total
    far = jnp.where(_small(t), 1.0, t)
    return jnp.where(_small(t), near * total, 1 + 2 / jnp.expm1(2 * far) - 1 / far)


def _information(t: JaxArray) -> JaxArray:
    """``log(t/sinh t) + t coth t - t^2/sinh^2 t``, increasing from t^2/2 - t^4/12 + ..."""
    near = jnp.where(_small(t), t, 0.0)
    total = jnp.zeros_like(near)
    for k in range(len(_COTH) - 1, 0, -1):
        total = _COTH[k] * (2 * k - 1 / (2 * k)) + near * near * total
    far = jnp.where(_small(t), 1.0, t)
    decay = jnp.exp(-2 * far)
    plain = jnp.log(2 * far) - jnp.log1p(-decay) + 2 * far * decay / (-jnp.expm1(-2 * far))
    curved = 4 * decay * (far / jnp.expm1(-2 * far)) ** 2
    return jnp.where(_small(t), near * near * total, plain - curved)


def _parameter(i: JaxArray) -> JaxArray:
    """The t > 0 with `_information` i in (0, 60), by bisection of log(t/sqrt(2 i)) in [0, i]."""
    start = jnp.sqrt(2 * i)
    _, right = bisected(lambda x: _information(start * jnp.exp(x)) <= i, jnp.zeros_like(i), i)
    return start * jnp.exp(right)


def _inside(i: JaxArray) -> tuple[JaxArray, JaxArray]:
    known = (i > 0) & (i < _LARGE)
    return known, jnp.where(known, i, 1.0)


@jax.custom_jvp
@jax.jit
def envelope_root(i: JaxArray) -> JaxArray:
    """``V = (t/2) (1 - (coth t - 1/t)^2)`` at the t of `_information`."""
    known, safe = _inside(i)
    t = _parameter(safe)
    c = _langevin(t)
    near = t / 2 * (1 - c * c)
    # t (1 - coth t + 1/t) without cancellation
    far = (1 - 2 * t / jnp.expm1(2 * t)) * (1 + c) / 2
    value = jnp.minimum(jnp.where(_small(t), near, far), jnp.sqrt(safe / 2))
    return jnp.where(known, value, jnp.where(i >= _LARGE, 1.0, 0.0 * i))


@envelope_root.defjvp
def _slope(primals, tangents):
    """dV/di = 1/(2 t); at i = 0, where it is infinite, 0 in its place."""
    (i,), (tangent,) = primals, tangents
    known, safe = _inside(i)
    slope = jnp.where(known, 1 / (2 * _parameter(safe)), 0.0)
    return envelope_root(i), slope * tangent


def steepest_rate(i: JaxArray) -> JaxArray:
    """Where ``kl^-1(l, i) - l`` is largest over l: ``l = (1 + coth t - 1/t)/2 - V``."""
    known, safe = _inside(i)
    t = _parameter(safe)
    c = _langevin(t)
    value = (1 + c) * t / jnp.expm1(2 * t)
    return jnp.where(known, value, jnp.where(i >= _LARGE, 0.0, 0.5 + 0.0 * i))


@enforced
@jax.jit
def bregman(u: JaxArray) -> JaxArray:
    """(1 + u) log(1 + u) - u on u >= -1, without cancellation near 0."""
    inside = u > -1
    safe = jnp.where(inside, u, 0.0)
    small = jnp.abs(safe) < 0.02
    near = jnp.where(small, safe, 0.0)
    series = jnp.zeros_like(near)
    for k in range(9, 1, -1):
        series = (-1) ** k / (k * (k - 1)) + near * series
    far = (1 + safe) * jnp.log1p(safe) - safe
    return jnp.where(inside, jnp.where(small, near**2 * series, far), 1.0)

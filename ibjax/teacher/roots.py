"""Bracketed roots and extrema of scalar functions under jit and vmap."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def bracketed_root(function: Callable, low, high, f_low, f_high, *, steps: int = 60) -> jax.Array:
    """Find a root between two points of opposite sign by Chandrupatla's method.

    Inverse quadratic interpolation where it is safe, bisection elsewhere; it stops at the
    resolution of the dtype.

    Args:
        function: scalar to scalar.
        low: one end.
        high: the other end.
        f_low: the value at `low`.
        f_high: the value at `high`, of opposite sign.
        steps: most evaluations.

    Returns:
        The root, a scalar.
    """
    eps = jnp.finfo(low.dtype).eps

    def go_on(state):
        step, a, b, _, fa, fb, _, _, _ = state
        best = jnp.where(jnp.abs(fa) < jnp.abs(fb), a, b)
        wide = jnp.abs(b - a) > 4 * eps * jnp.maximum(jnp.abs(best), 1.0)
        return (step < steps) & wide & (jnp.minimum(jnp.abs(fa), jnp.abs(fb)) > 4 * eps)

    def advance(state):
        step, a, b, _, fa, fb, _, t, _ = state
        x = a + t * (b - a)
        fx = function(x)
        same = jnp.sign(fx) == jnp.sign(fa)
        c, fc = jnp.where(same, a, b), jnp.where(same, fa, fb)
        b, fb = jnp.where(same, b, a), jnp.where(same, fb, fa)
        a, fa = x, fx
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        quadratic = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        smooth = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (
            fc - fb
        )
        t = jnp.where(quadratic, smooth, 0.5)
        edge = 2 * eps * jnp.maximum(jnp.abs(a), 1.0) / jnp.abs(b - a)
        t = jnp.clip(t, jnp.minimum(edge, 0.5), jnp.maximum(1 - edge, 0.5))
        return step + 1, a, b, c, fa, fb, fc, t, quadratic

    half = jnp.full_like(low, 0.5)
    state = (0, low, high, low, f_low, f_high, f_low, half, jnp.array(False))
    _, a, b, _, fa, fb, *_ = jax.lax.while_loop(go_on, advance, state)
    return jnp.where(jnp.abs(fa) < jnp.abs(fb), a, b)


def bracketed_peak(function: Callable, low, high, *, steps: int = 44) -> jax.Array:
    """Find the maximum of a unimodal function by golden sections.

    The place is good to the square root of the rounding, the value to the rounding.

    Returns:
        The place, a scalar.
    """
    ratio = (5**0.5 - 1) / 2
    a, b = low, high
    c, d = b - ratio * (b - a), a + ratio * (b - a)

    def shrink(_, state):
        a, b, c, d, fc, fd = state
        left = fc > fd
        a, b = jnp.where(left, a, c), jnp.where(left, d, b)
        new = jnp.where(left, b - ratio * (b - a), a + ratio * (b - a))
        fn = function(new)
        c, d, fc, fd = (
            jnp.where(left, new, d),
            jnp.where(left, c, new),
            jnp.where(left, fn, fd),
            jnp.where(left, fc, fn),
        )
        return a, b, c, d, fc, fd

    a, b, *_ = jax.lax.fori_loop(0, steps, shrink, (a, b, c, d, function(c), function(d)))
    return (a + b) / 2

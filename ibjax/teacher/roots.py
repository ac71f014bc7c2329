"""Bracketed roots and extrema of scalar functions under jit and vmap."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def guided_root(function: Callable, guess, slope, low, high, f_low, f_high, *, steps: int = 60):
    """Find a root between two ends from a good guess, with few evaluations.

    Newton's step with the given slope, then secants; halving where a step leaves the bracket or
    convergence is slow. A step is taken without another evaluation once it is so short that the
    error of the slope no longer matters.

    Args:
        function: scalar to scalar, of opposite signs at the two ends.
        guess: where to begin, between the ends.
        slope: approximate derivative there.
        low: one end.
        high: the other end.
        f_low: the value at `low`; only its sign matters.
        f_high: the value at `high`; nothing is evaluated where both signs agree.
        steps: most evaluations.

    Returns:
        The root, a scalar; the guess where both signs agree.
    """
    eps = jnp.finfo(low.dtype).eps
    short = jnp.maximum(1e-9, 64 * eps)

    def go_on(state):
        step, *_, done = state
        return (step < steps) & ~done

    def advance(state):
        step, low, high, x, previous, f_previous, slope, _ = state
        f = function(x)
        left = (f < 0) == (f_low < 0)
        low, high = jnp.where(left, x, low), jnp.where(left, high, x)
        # A secant over a rounding error is worse than the slope known before.
        apart = jnp.abs(x - previous) > 1e4 * eps * jnp.maximum(jnp.abs(x), 1.0)
        secant = (f - f_previous) / jnp.where(apart, x - previous, 1.0)
        slope = jnp.where((step > 0) & apart, secant, slope)
        move = -f / slope
        following = x + move
        inside = (following > low) & (following < high) & ((step < 12) | (step % 2 == 0))
        tiny = jnp.abs(move) <= short * jnp.maximum(jnp.abs(x), 1.0)
        closed = high - low <= 4 * eps * jnp.maximum(jnp.abs(x), 1.0)
        exact = f == 0
        following = jnp.where(exact, x, jnp.where(inside, following, (low + high) / 2))
        done = exact | (inside & tiny) | closed
        return step + 1, low, high, following, x, f, slope, done

    start = (
        0,
        low,
        high,
        guess,
        guess,
        jnp.zeros_like(guess),
        slope,
        ~((f_low < 0) ^ (f_high < 0)),
    )
    return jax.lax.while_loop(go_on, advance, start)[3]


def interpolated_root(nodes: jax.Array, values: jax.Array, low, high, target):
    """Guess where the polynomial through a few points takes a value between two ends.

    Args:
        nodes: places, (k,).
        values: of the function there, (k,).
        low: one end; the function takes `target` between the ends.
        high: the other end.
        target: the value.

    Returns:
        (place, slope there); the middle and NaN where nodes coincide.
    """
    coefficients = [values[0]]
    differences = values
    for order in range(1, nodes.size):
        differences = jnp.diff(differences) / (nodes[order:] - nodes[:-order])
        coefficients.append(differences[0])

    def polynomial(x):
        value, slope = coefficients[-1], jnp.zeros_like(x)
        for coefficient, node in zip(coefficients[-2::-1], nodes[-2::-1]):
            slope = value + (x - node) * slope
            value = coefficient + (x - node) * value
        return value, slope

    x = (low + high) / 2
    for _ in range(6):
        value, slope = polynomial(x)
        following = x - (value - target) / slope
        x = jnp.clip(jnp.where(jnp.isnan(following), x, following), low, high)
    return x, polynomial(x)[1]


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

"""Information through Gaussian noise: bounds and sample propagation for noisy layers."""

import math
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import concrete, floating, host, precision
from ibjax.interface import Estimate
from ibjax.mi.checks import estimate, samples, sound
from ibjax.mi.neighbours import map_rows, rows_at_once
from ibjax.signatures import enforced
from ibjax.typing import Array, BiasDirection, Float, JaxArray, Key, Scalar


class MixtureBounds(NamedTuple):
    """Lower and upper bound on the information about the component of a Gaussian mixture."""

    lower: Estimate
    upper: Estimate


@enforced
def kde_bounds(
    means: Float[Array, "n d"], std: Scalar, *, block: int | None = None
) -> MixtureBounds:
    r"""Bounds on I(X;T) for T = f(X) + N(0, std^2 I), X uniform on the given samples.

    .. math:: -\langle\log\langle e^{-D_{ij}/8s^2}\rangle_j\rangle_i \le I \le
              -\langle\log\langle e^{-D_{ij}/2s^2}\rangle_j\rangle_i,\quad D_{ij} = |m_i - m_j|^2

    Bounds for the empirical mixture, exactly; both saturate at log n.

    Args:
        means: noiseless outputs f(x_i), (n,) or (n, d).
        std: standard deviation of the noise, > 0.
        block: samples compared with all others at once; None chooses it from n.

    Returns:
        A lower and an upper bound in nats; not ok where there is no noise.

    Raises:
        ValueError: for a negative standard deviation.

    Reference:
        Kolchinsky and Tracey (2017), Estimating mixture entropy with pairwise distances.
    """
    known, dtype = samples("means", means), precision(means)
    m = jnp.asarray(known, dtype)
    ok, safe = _noise(std, m)
    lower, upper = _pairwise(m, safe, rows_at_once(m.shape[0], block))
    reason = "without noise the information of a continuous input is infinite"
    return MixtureBounds(
        estimate((lower, 0.0, ok), dtype, sound(known), "down", "kde_lower", reason),
        estimate((upper, 0.0, ok), dtype, sound(known), "up", "kde_upper", reason),
    )


@enforced
def sample_propagation(
    key: Key,
    means: Float[Array, "n d"],
    std: Scalar,
    *,
    conditional: Float[Array, "m r d"] | None = None,
    draws: int = 4,
    error: Literal["sampling", "monte_carlo"] = "sampling",
    block: int | None = None,
) -> Estimate:
    r"""I(X;T) of a noisy layer T = S + N(0, std^2 I) from samples of S.

    With J the information about the component of an equal mixture of Gaussians at given centres,
    estimated by drawing z for each centre,

    .. math:: J(s_1..s_n) = -\Bigl\langle\log\frac1n\sum_j
              e^{-|s_i-s_j|^2/2\beta^2 - z\cdot(s_i-s_j)/\beta}\Bigr\rangle,\qquad
              \hat I = J(s) - \langle J(s\mid x)\rangle_x .

    J is the entropy of the mixture less that of the noise, (d/2) log(2 pi e beta^2), with the
    quadratic term of the draw as control variate. In the first noisy layer S is a function of the
    input, the conditional entropy is that of the noise and the second term is zero.

    Args:
        key: for the draws of the noise.
        means: samples of the noiseless output S over inputs (and earlier noise), (n,) or (n, d).
        std: standard deviation beta of the noise, > 0.
        conditional: for layers after the first noisy one, r propagations of each of m inputs,
            (m, r, d).
        draws: of the noise for each centre.
        error: "sampling" counts the choice of the n centres too; "monte_carlo" takes them for the
            whole law of S and counts the draws only.
        block: centres compared with all others at once; None chooses it from n.

    Returns:
        Nats, unclamped. J saturates at log n and errs downwards, so without `conditional` the
        value does; with it the direction is unknown. Its distance from the truth falls like
        c^d / sqrt(n), which no standard error shows. Not ok without noise, or (for "sampling")
        above 0.9 log n, where centres hardly overlap and more of them would raise the value.

    Raises:
        ValueError: for shapes that do not fit, a negative std, draws < 1 (2 for "monte_carlo"), or
            an unknown kind of error.

    Reference:
        Goldfeld et al. (2019), Estimating information flow in deep neural networks; the plug-in
        estimator of that paper, with a control variate added here.
    """
    known, dtype = samples("means", means), precision(means)
    s = jnp.asarray(known, dtype)
    n = s.shape[0]
    if error not in ("sampling", "monte_carlo"):
        raise ValueError(f"error={error!r} is unknown; give 'sampling' or 'monte_carlo'")
    if draws < (2 if error == "monte_carlo" else 1):
        raise ValueError(f"draws={draws} are too few; give more, 2 at least for 'monte_carlo'")
    whole = error == "monte_carlo"
    each = None if conditional is None else floating("conditional", conditional).astype(dtype)
    if each is not None:
        if each.ndim != 3 or each.shape[2] != s.shape[1] or min(each.shape) < 1:
            raise ValueError(
                f"conditional has shape {each.shape}; give (m, r, {s.shape[1]}), r draws an input"
            )
        if each.shape[1] < 2 or each.shape[0] < 2:
            raise ValueError(f"conditional has shape {each.shape}; give m and r of at least 2")
    ok, beta = _noise(std, s)
    rows = rows_at_once(n, block), rows_at_once(n if each is None else each.shape[1], block)
    value, variance, saturated = _propagate(key, s, each, beta, draws, whole, rows)
    bias: BiasDirection = "down" if each is None else "unknown"
    reason = "no noise, or centres too far apart for so few of them: the value saturates at log n"
    finite = sound(known) if each is None else sound(known, each)
    found = value, jnp.sqrt(variance), ok & ~saturated
    return estimate(found, dtype, finite, bias, "sample_propagation", reason)


@partial(jax.jit, static_argnums=2)
def _pairwise(m: JaxArray, std: JaxArray, rows: int):
    n = m.shape[0]

    def one(i):
        d = jnp.sum((m - m[i]) ** 2, axis=1) / std**2
        return jax.nn.logsumexp(-d / 8), jax.nn.logsumexp(-d / 2)

    lower, upper = map_rows(one, n, rows)
    return math.log(n) - jnp.mean(lower), math.log(n) - jnp.mean(upper)


@partial(jax.jit, static_argnums=(4, 5, 6))
def _propagate(key: Any, s: JaxArray, each: JaxArray | None, beta: JaxArray, draws, whole, rows):
    """The value, its variance, and whether an entropy has run out of centres."""
    key_all, key_each = jax.random.split(key)
    value, variance = _component_information(key_all, s, beta, draws, whole, rows[0])
    saturated = value > 0.9 * math.log(s.shape[0])
    if each is None:
        return value, variance, (not whole) & saturated

    def one(pair):
        return _component_information(pair[0], pair[1], beta, draws, whole, rows[1])

    m, r, _ = each.shape
    inner, noise = jax.lax.map(one, (jax.random.split(key_each, m), each))
    spread = jnp.mean(noise) if whole else jnp.var(inner, ddof=1)
    saturated = saturated | jnp.any(inner > 0.9 * math.log(r))
    return value - jnp.mean(inner), variance + spread / m, (not whole) & saturated


def _component_information(key: Any, s: JaxArray, beta: JaxArray, draws: int, whole: bool, rows):
    n, d = s.shape
    z = jax.random.normal(key, (n, draws, d), s.dtype)

    def one(i):
        gap = (s[i] - s) / beta
        near = -0.5 * jnp.sum(gap**2, axis=1)

        def term(draw):
            # |z|^2 cancels between the mixture and its component: far centres lose no digits
            return math.log(n) - jax.nn.logsumexp(near - gap @ draw)

        return jax.lax.map(term, z[i])

    terms = map_rows(one, n, rows)
    within = jnp.mean(jnp.var(terms, axis=1, ddof=1)) / draws if whole else jnp.zeros((), s.dtype)
    between = jnp.var(jnp.mean(terms, axis=1), ddof=1)
    return jnp.mean(terms), (within if whole else between) / n


def _noise(std: Scalar, like: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Whether there is noise, and a standard deviation that is safe to divide by."""
    beta = floating("std", std).astype(like.dtype)
    if beta.ndim:
        raise ValueError(f"std has shape {beta.shape}; give one number, the same for every unit")
    if concrete(std) and not host("std", std) >= 0:
        raise ValueError(f"std={std} must not be negative or NaN")
    return beta > 0, jnp.where(beta > 0, beta, 1.0)

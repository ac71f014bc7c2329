"""All fixed points at one alpha, and the thresholds where they appear and change order."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.signatures import enforced
from ibjax.teacher.channels import Readout, Teacher, channel_rates, prediction_errors
from ibjax.teacher.checks import real
from ibjax.teacher.curve import Curve, crossings, log_r_range, solve_cell, trace_curve
from ibjax.teacher.limits import settle
from ibjax.teacher.priors import PriorName, scalar_problem
from ibjax.typing import Bool, Float, Numbers
from ibjax.typing import JaxArray as Array

SLOTS = 8


class FixedPoints(NamedTuple):
    """Fixed points at one alpha by ascending overlap, NaN-padded to eight.

    Attributes:
        q: overlap.
        mmse: 1 - q to full precision.
        free_entropy: per sample, nats.
        generalization_error: against a noisy output.
        stable: True where state evolution converges to it.
    """

    q: Float[Array, " 8"]
    mmse: Float[Array, " 8"]
    free_entropy: Float[Array, " 8"]
    generalization_error: Float[Array, " 8"]
    stable: Bool[Array, " 8"]


class Thresholds(NamedTuple):
    """Values of alpha where the solution changes its nature.

    Attributes:
        weak_recovery: below it q = 0 is the algorithmic answer; 0 for channels that are not even.
        information_theoretic: the optimal branch jumps; NaN without a jump.
        algorithmic: the uninformative branch ends; NaN without a jump.
        spinodals: alpha at the extrema of the curve by ascending overlap, NaN-padded, (6,).
        spinodal_mmse: E there, (6,).
    """

    weak_recovery: Float[Array, ""]
    information_theoretic: Float[Array, ""]
    algorithmic: Float[Array, ""]
    spinodals: Float[Array, " 6"]
    spinodal_mmse: Float[Array, " 6"]


@enforced
def fixed_points(
    readout: Readout,
    alpha: Numbers,
    *,
    activation: str | Callable[..., Any] | None = None,
    rho: Numbers | None = None,
    eps: Numbers | None = None,
    noise: Numbers = 0.0,
    prior: PriorName = "gaussian",
    nodes: tuple[int, int, int] | None = None,
) -> FixedPoints:
    """Find every replica-symmetric fixed point, stable or not, at one alpha.

    The trivial point q = 0 of an even readout and perfect recovery q = 1 are among them where
    they are stable.

    Args:
        readout: as in `bayes_limits`, like all other arguments.
        alpha: samples per dimension, scalar.
        activation: a name or a function.
        rho: linear coefficient.
        eps: noise-like variance.
        noise: variance of the noise.
        prior: law of the weights.
        nodes: quadrature nodes of a smooth readout.

    Returns:
        FixedPoints, nats.

    Raises:
        ValueError: for unknown names, alpha <= 0, negative variances, or an activation together
            with rho or eps.

    Reference:
        Barbier, Krzakala, Macris, Miolane, Zdeborova (2019), Optimal errors and phase transitions
        in high-dimensional generalized linear models. Tracing alpha as a function of r is ours.
    """
    readout, teacher, nodes = settle(readout, activation, rho, eps, noise, prior, nodes)
    alpha = real("alpha", alpha, low=0.0, strict=True)
    if alpha.ndim:
        raise ValueError("alpha must be a scalar: map over it with jax.vmap.")
    dtype = jnp.result_type(alpha, *teacher)
    teacher = Teacher(*(x.astype(dtype) for x in teacher))
    return _fixed_points(alpha.astype(dtype), teacher, readout=readout, prior=prior, nodes=nodes)


@partial(jax.jit, static_argnames=("readout", "prior", "nodes"))
def _fixed_points(alpha, teacher, *, readout, prior, nodes):
    curve = trace_curve(readout, prior, teacher, nodes)
    log_alpha = jnp.log(alpha)
    rising, falling = crossings(curve, log_alpha)
    cells = jnp.nonzero(rising | falling, size=SLOTS - 2, fill_value=-1)[0]
    found = cells >= 0

    def solve(inputs):
        cell, real_cell = inputs
        return jax.lax.cond(
            real_cell,
            lambda: solve_cell(cell, curve, log_alpha, readout, prior, teacher, nodes),
            lambda: jnp.full_like(log_alpha, jnp.nan),
        )

    inner = jax.lax.map(solve, (cells, found))
    low, high = log_r_range(prior)
    trivial, perfect = _ends(curve, log_alpha, prior)
    bottom = jnp.where(trivial, low, jnp.nan)
    top = jnp.where(perfect, high, jnp.nan)
    z = jnp.concatenate([bottom[None], inner, top[None]])
    stable = jnp.concatenate([trivial[None], rising[cells] & found, perfect[None]])
    order = jnp.argsort(z)

    def describe(z):
        f, problem = _free_entropy(z, alpha, readout, prior, teacher, nodes)
        if prior == "gaussian":
            # With noise the point lies beyond the end of the curve, where its energy is not known.
            noisy = teacher.eps + teacher.noise > 0
            f = jnp.where(z >= high, jnp.where(noisy, jnp.nan, jnp.inf), f)
        error = prediction_errors(readout, problem.q, problem.mmse, teacher, nodes).bayes
        return problem.q, problem.mmse, f, error

    q, mmse, f, error = jax.lax.map(describe, z[order])
    return FixedPoints(q, mmse, f, error, stable[order])


@enforced
def thresholds(
    readout: Readout,
    *,
    activation: str | Callable[..., Any] | None = None,
    rho: Numbers | None = None,
    eps: Numbers | None = None,
    noise: Numbers = 0.0,
    prior: PriorName = "gaussian",
    nodes: tuple[int, int, int] | None = None,
) -> Thresholds:
    """Find the spinodals and the alpha at which the optimal branch jumps.

    Args:
        readout: as in `bayes_limits`, like all other arguments.
        activation: a name or a function.
        rho: linear coefficient.
        eps: noise-like variance.
        noise: variance of the noise.
        prior: law of the weights.
        nodes: quadrature nodes of a smooth readout.

    Returns:
        Thresholds; NaN where there is no jump.

    Raises:
        ValueError: for unknown names, alpha <= 0, negative variances, or an activation together
            with rho or eps.

    Reference:
        Barbier, Krzakala, Macris, Miolane, Zdeborova (2019), Optimal errors and phase transitions
        in high-dimensional generalized linear models.
    """
    readout, teacher, nodes = settle(readout, activation, rho, eps, noise, prior, nodes)
    dtype = jnp.result_type(*teacher)
    teacher = Teacher(*(x.astype(dtype) for x in teacher))
    return _thresholds(teacher, readout=readout, prior=prior, nodes=nodes)


@partial(jax.jit, static_argnames=("readout", "prior", "nodes"))
def _thresholds(teacher, *, readout, prior, nodes):
    curve = trace_curve(readout, prior, teacher, nodes)
    high = log_r_range(prior)[1]
    jump = jnp.any(curve.fold_is_peak)
    first = jnp.argmax(curve.fold_is_peak)
    end = curve.fold_log_alpha[first]
    after = jnp.where(curve.log_r > curve.fold[first], curve.log_alpha, jnp.inf)
    # The end of the curve may lie far below: perfect recovery is then always a fixed point.
    start = jnp.maximum(jnp.min(after), -10.0)

    def advantage(log_alpha):
        rising, _ = crossings(curve, log_alpha)
        some = jnp.any(rising)
        last = rising.size - 1 - jnp.argmax(rising[::-1])
        _, perfect = _ends(curve, log_alpha, prior)

        def value(cell):
            z = solve_cell(cell, curve, log_alpha, readout, prior, teacher, nodes)
            return _free_entropy(z, jnp.exp(log_alpha), readout, prior, teacher, nodes)[0]

        poor = value(jnp.argmax(rising))
        if prior == "gaussian":
            full = jnp.inf
        else:
            z = jnp.full_like(log_alpha, high)
            full = _free_entropy(z, jnp.exp(log_alpha), readout, prior, teacher, nodes)[0]
        rich = jnp.where(perfect, full, value(last))
        return jnp.where(some, rich - poor, -1.0)

    def halve(_, ends):
        low, top = ends
        middle = (low + top) / 2
        wins = advantage(middle) > 0
        return jnp.where(wins, low, middle), jnp.where(wins, middle, top)

    low, top = jax.lax.cond(
        jump,
        lambda: jax.lax.fori_loop(0, 48, halve, (start, end)),
        lambda: (jnp.full_like(end, jnp.nan), jnp.full_like(end, jnp.nan)),
    )
    even = curve.log_alpha[0] > -20
    folds = jax.vmap(lambda z: scalar_problem(jnp.exp(z), prior).mmse)(curve.fold)
    return Thresholds(
        weak_recovery=jnp.where(even, jnp.exp(curve.log_alpha[0]), 0.0),
        information_theoretic=jnp.exp((low + top) / 2),
        algorithmic=jnp.where(jump, jnp.exp(end), jnp.nan),
        spinodals=jnp.exp(curve.fold_log_alpha),
        spinodal_mmse=folds,
    )


def _ends(curve: Curve, log_alpha, prior):
    return log_alpha < curve.log_alpha[0], log_alpha >= curve.log_alpha[-1]


def _free_entropy(z, alpha, readout, prior, teacher, nodes):
    problem = scalar_problem(jnp.exp(z), prior)
    rates = channel_rates(readout, problem.q, problem.mmse, teacher, nodes)
    return problem.potential / alpha - rates.entropy, problem

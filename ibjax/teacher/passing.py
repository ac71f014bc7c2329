"""Generalized approximate message passing and the state evolution that describes it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete
from ibjax.signatures import enforced
from ibjax.teacher.channels import Readout, Teacher, channel, channel_rates, prediction_errors
from ibjax.teacher.checks import real, signs
from ibjax.teacher.limits import settle
from ibjax.teacher.priors import PriorName, scalar_problem
from ibjax.typing import Array, Float, Numbers


class GampResult(NamedTuple):
    """Posterior means and variances of the linear vector, with the path of the overlap.

    Attributes:
        mean: (d,).
        variance: (d,).
        overlap: 1 - mean variance after each step, (steps,); the algorithm's own estimate of q.
        change: largest change of a mean in the last step.
    """

    mean: Float[Array, " d"]
    variance: Float[Array, " d"]
    overlap: Float[Array, " steps"]
    change: Float[Array, ""]


class StateEvolution(NamedTuple):
    """Overlap and error after each step of message passing as d grows.

    Attributes:
        q: (steps,).
        generalization_error: against a noisy output, (steps,).
    """

    q: Float[Array, " steps"]
    generalization_error: Float[Array, " steps"]


@enforced
def gamp(
    x: Array,
    y: Array,
    readout: Readout,
    *,
    activation: str | Callable[..., Any] | None = None,
    rho: Numbers | None = None,
    eps: Numbers | None = None,
    noise: Numbers = 0.0,
    prior: PriorName = "gaussian",
    steps: int = 50,
    damping: float = 0.0,
    start: Array | None = None,
) -> GampResult:
    """Run generalized approximate message passing with the teacher's own channel and prior.

    Args:
        x: inputs of unit variance, (n, d).
        y: outputs, (n,); -1 or 1 for the sign, whose classes must not be called 0 and 1.
        readout: as in `bayes_limits`; a smooth function is averaged on 141 nodes.
        activation: a name or a function.
        rho: linear coefficient.
        eps: noise-like variance.
        noise: variance of the noise.
        prior: law of the weights.
        steps: number of steps.
        damping: share of the previous step kept, in [0, 1).
        start: first means, (d,); zeros by default. An even readout needs a start off zero.

    Returns:
        GampResult.

    Assumes:
        inputs independent with zero mean and unit variance.

    Raises:
        ValueError: for wrong shapes or arguments, as `bayes_limits`.

    Reference:
        Rangan (2011), Generalized approximate message passing for estimation with random linear
        mixing.
    """
    readout, teacher, _ = settle(readout, activation, rho, eps, noise, prior, (1, 1, 1))
    x, y = real("x", x, low=-np.inf), real("y", y, low=-np.inf)
    if x.ndim != 2 or y.shape != x.shape[:1] or 0 in x.shape:
        raise ValueError(f"x must be (n, d) and y (n,), got {x.shape} and {y.shape}.")
    if readout == "sign":
        y = signs("y", y)
    if readout == "abs" and concrete(y, teacher.noise):
        if teacher.noise == 0 and not np.all(np.asarray(y) >= 0):
            raise ValueError("y must not be negative for the absolute value without noise.")
    if not 0 <= damping < 1 or steps < 1:
        raise ValueError(f"damping must lie in [0, 1), steps >= 1; got {damping}, {steps}.")
    y = y.astype(x.dtype)
    teacher = Teacher(*(t.astype(x.dtype) for t in teacher))
    first = jnp.zeros(x.shape[1], x.dtype) if start is None else jnp.asarray(start, x.dtype)
    return _gamp(x, y, teacher, first, damping, readout=readout, prior=prior, steps=steps)


@partial(jax.jit, static_argnames=("readout", "prior", "steps"))
def _gamp(x, y, teacher, first, damping, *, readout, prior, steps):
    a = teacher.rho * x / jnp.sqrt(x.shape[1])
    squares = a * a

    def step(carry, _):
        mean, variance, g, precision_old, signal_old = carry
        v = squares @ variance
        omega = a @ mean - v * g
        g, slope = channel(readout).score(y, omega, v + teacher.eps, teacher.noise)
        precision = -(squares.T @ slope)
        signal = a.T @ g + precision * mean
        precision = (1 - damping) * precision + damping * precision_old
        signal = (1 - damping) * signal + damping * signal_old
        if prior == "gaussian":
            new, variance = signal / (1 + precision), 1 / (1 + precision)
        else:
            new = jnp.tanh(signal)
            variance = 1 - new**2
        change = jnp.max(jnp.abs(new - mean))
        return (new, variance, g, precision, signal), (1 - jnp.mean(variance), change)

    zero = jnp.zeros_like(first)
    start = (first, jnp.ones_like(first), jnp.zeros_like(y), zero, zero)
    (mean, variance, *_), (overlap, change) = jax.lax.scan(step, start, length=steps)
    return GampResult(mean, variance, overlap, change[-1])


@enforced
def state_evolution(
    readout: Readout,
    alpha: Numbers,
    *,
    activation: str | Callable[..., Any] | None = None,
    rho: Numbers | None = None,
    eps: Numbers | None = None,
    noise: Numbers = 0.0,
    prior: PriorName = "gaussian",
    steps: int = 50,
    start: float = 0.0,
    nodes: tuple[int, int, int] | None = None,
) -> StateEvolution:
    """Iterate ``r = alpha snr(E)``, ``E = E(r)``: what message passing does at large d.

    Args:
        readout: f: "identity" (noise = variance added to the output), "sign" (noise = variance
            inside the sign), "abs" (noise added), or a bounded smooth function of JAX arrays (noise
            > 0).
        alpha: samples per dimension, scalar.
        activation: a name or a function.
        rho: linear coefficient.
        eps: noise-like variance.
        noise: variance of the noise.
        prior: law of the weights.
        steps: number of steps.
        start: first overlap; an even readout needs one off zero.
        nodes: quadrature nodes of a smooth readout.

    Returns:
        StateEvolution.

    Raises:
        ValueError: for unknown names, alpha <= 0, negative variances, or an activation together
            with rho or eps.

    Reference:
        Bayati and Montanari (2011), The dynamics of message passing on dense graphs.
    """
    readout, teacher, nodes = settle(readout, activation, rho, eps, noise, prior, nodes)
    alpha = real("alpha", alpha, low=0.0, strict=True)
    if alpha.ndim:
        raise ValueError("alpha must be a scalar: map over it with jax.vmap.")
    dtype = jnp.result_type(alpha, *teacher)
    teacher = Teacher(*(x.astype(dtype) for x in teacher))
    q0 = real("start", start).astype(dtype)
    return _evolve(
        alpha.astype(dtype), teacher, q0, readout=readout, prior=prior, steps=steps, nodes=nodes
    )


@partial(jax.jit, static_argnames=("readout", "prior", "steps", "nodes"))
def _evolve(alpha, teacher, q0, *, readout, prior, steps, nodes):
    def step(carry, _):
        q, mmse = carry
        rates = channel_rates(readout, q, mmse, teacher, nodes)
        problem = scalar_problem(alpha * rates.snr, prior)
        errors = prediction_errors(readout, problem.q, problem.mmse, teacher, nodes)
        return (problem.q, problem.mmse), StateEvolution(problem.q, errors.bayes)

    return jax.lax.scan(step, (q0, 1 - q0), length=steps)[1]

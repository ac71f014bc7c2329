"""Damped Newton for softmax regression with an L2 and a (continued) L1 penalty.

The L1 penalty is replaced by ``min over s > |w| of l1 s - mu log((s^2 - w^2)/4)`` and mu is driven
to zero. The derivative of that smoothed penalty is below l1 in absolute value, so every
stationary point on the way satisfies the box of the entropy problem strictly.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.typing import Array, Bool, Float, Int


class NewtonResult(NamedTuple):
    """Where Newton stopped.

    Attributes:
        theta: weights with the bias as the last row, (d + 1, K).
        gradient: largest absolute entry of the scaled gradient.
        iterations: Newton steps taken.
    """

    theta: Float[Array, "d1 k"]
    gradient: Float[Array, ""]
    iterations: Int[Array, ""]


class _Carry(NamedTuple):
    theta: Array
    mu: Array
    gradient: Array
    stuck: Bool[Array, ""]
    iterations: Array
    done: Bool[Array, ""]


def _smooth(w: Array, l1: Array, mu: Array) -> tuple[Array, Array, Array]:
    """Value (up to a constant of w), slope and curvature of the smoothed l1 |w|."""
    root = jnp.sqrt(mu**2 + (l1 * w) ** 2)
    safe = jnp.where(mu + root > 0, mu + root, 1)
    # s - |w| written without cancellation: s^2 - w^2 = 2 mu s / l1.
    value = root - mu * jnp.log(safe)
    slope = l1**2 * w / safe
    curvature = l1**2 * mu / jnp.where(root > 0, safe * root, 1)
    return value, slope, curvature


class _Problem(NamedTuple):
    """What stays the same from step to step; `scale` is the root mean square of each unit."""

    design: Array
    joint: Array
    l2: Array
    l1: Array
    mass: Array
    penalised: Array
    scale: Array


def _loss(problem: _Problem, theta: Array, mu: Array) -> Array:
    log_q = jax.nn.log_softmax(problem.design @ theta, axis=-1)
    value, _, _ = _smooth(theta, problem.l1, mu)
    quadratic = 0.5 * problem.l2 * theta**2
    return -(problem.joint * log_q).sum() + (problem.penalised * (quadratic + value)).sum()


def _pieces(problem: _Problem, theta: Array, mu: Array) -> tuple[Array, Array, Array]:
    """The law of the classes, the gradient, and the curvature of the penalties."""
    design, joint, l2, l1, mass, penalised, _ = problem
    q = jnp.exp(jax.nn.log_softmax(design @ theta, axis=-1))
    _, slope, curvature = _smooth(theta, l1, mu)
    gradient = design.T @ (mass[:, None] * q - joint) + penalised * (l2 * theta + slope)
    return q, gradient, penalised * (l2 + curvature)


def _direction(problem: _Problem, q: Array, gradient: Array, extra: Array) -> Array:
    """The damped Newton step."""
    design, _, _, l1, mass, penalised, scale = problem
    dtype, (size, num_classes) = design.dtype, gradient.shape
    total, eps = size * num_classes, jnp.finfo(dtype).eps
    others = 1 - jnp.eye(num_classes, dtype=dtype)
    # Diagonal blocks from q (1 - q) with 1 - q summed over the other classes: the usual
    # difference loses every digit where the data are separable and q tends to 1.
    spread = mass[:, None] * q * (q @ others)
    weighted = jnp.einsum("na,nk,nb->kab", design, spread, design)
    flat = (jnp.sqrt(mass)[:, None, None] * design[:, :, None] * q[:, None, :]).reshape(
        design.shape[0], total
    )
    across = (flat.T @ flat).reshape(size, num_classes, size, num_classes)
    blocks = jnp.einsum("kab,kl->akbl", weighted, 1 - others) - across * others[:, None, :]
    hessian = blocks.reshape(total, total)
    hessian = hessian + jnp.diag((extra * jnp.ones((1, num_classes), dtype)).reshape(total))
    # Unit diagonal: the damping then means the same for every unit, whatever its scale.
    diagonal = jnp.diag(hessian)
    top = jnp.max(diagonal)
    unit = jax.lax.rsqrt(jnp.maximum(diagonal, jnp.maximum(top * eps, jnp.finfo(dtype).tiny)))
    damping = jnp.minimum(1e-2, jnp.abs(gradient / scale).max()) + 20 * total * eps
    system = hessian * unit[:, None] * unit[None, :] + damping * jnp.eye(total, dtype=dtype)
    factor = jax.scipy.linalg.cho_factor(system)
    solved = unit * jax.scipy.linalg.cho_solve(factor, unit * gradient.reshape(total))
    step = -solved.reshape(size, num_classes)
    # Adding a constant over classes changes no law; without an L1 penalty the solution
    # keeps class mean zero, so rounding must not drift along that direction.
    free = (penalised == 0) | (l1 == 0)
    return step - jnp.where(free, step.mean(axis=1, keepdims=True), 0)


def _length(problem: _Problem, theta: Array, step: Array, slope: Array, mu: Array) -> Array:
    """How much of a step lowers the loss enough, by halving."""
    here = _loss(problem, theta, mu)
    slack = 8 * jnp.finfo(theta.dtype).eps * jnp.abs(here)

    def too_long(length: Array) -> Array:
        trial = _loss(problem, theta + length * step, mu)
        bad = ~(trial <= here + 1e-4 * length * slope + slack)
        return bad & (length > 1e-8)

    return jax.lax.while_loop(too_long, lambda t: t / 2, jnp.asarray(1.0, theta.dtype))


def minimise(
    design: Float[Array, "n d1"],
    joint: Float[Array, "n k"],
    l2: Array,
    l1: Array,
    start: Float[Array, "d1 k"],
    max_iterations: Array,
) -> NewtonResult:
    """Minimise CE + l2/2 |W|^2 + l1 |W|_1 over weights and a free bias (last column of design).

    Args:
        design: features with a last column of ones, (n, d + 1).
        joint: joint law of rows and classes, (n, K), sums to one.
        l2: weight of the quadratic penalty, scalar.
        l1: weight of the absolute penalty, scalar.
        start: (d + 1, K).
        max_iterations: largest number of Newton steps.

    Returns:
        A `NewtonResult`. On separable data without penalty the weights grow until the loss is
        at rounding error.
    """
    dtype = design.dtype
    eps = jnp.finfo(dtype).eps
    mass = joint.sum(axis=1)
    penalised = jnp.ones((design.shape[1], 1), dtype).at[-1].set(0)
    scale = jnp.sqrt((mass[:, None] * design**2).sum(axis=0))[:, None]
    scale = jnp.where(scale > 0, scale, 1)
    problem = _Problem(design, joint, l2, l1, mass, penalised, scale)
    floor, polish = 10 * eps, 32 * eps
    close = eps**0.6

    def body(carry: _Carry) -> _Carry:
        theta, mu = carry.theta, carry.mu
        q, gradient, extra = _pieces(problem, theta, mu)
        size_now = jnp.abs(gradient / scale).max()
        at_floor = mu <= floor
        stalled = carry.stuck | ((size_now > 0.5 * carry.gradient) & (size_now < close))
        solved = stalled | (size_now <= jnp.where(at_floor, polish, jnp.maximum(mu, polish)))
        done = (solved & at_floor) | ~jnp.isfinite(size_now)
        step = _direction(problem, q, gradient, extra)
        finite = jnp.isfinite(step).all()
        step = jnp.where(finite, step, -gradient / scale**2)
        length = _length(problem, theta, step, (step * gradient).sum(), mu)
        return _Carry(
            theta=jnp.where(done, theta, theta + length * step),
            mu=jnp.where(solved, jnp.maximum(mu * 0.2, floor), mu),
            gradient=jnp.where(solved & ~done, jnp.inf, size_now),
            stuck=(length <= 1e-8) & ~solved,
            iterations=carry.iterations + 1,
            done=done,
        )

    def unfinished(carry: _Carry) -> Array:
        return ~carry.done & (carry.iterations < max_iterations)

    first = jnp.where(l1 > 0, 0.1 * jnp.minimum(l1, 1.0), floor).astype(dtype)
    final = jax.lax.while_loop(
        unfinished,
        body,
        _Carry(
            theta=start.astype(dtype),
            mu=jnp.maximum(first, floor),
            gradient=jnp.asarray(jnp.inf, dtype),
            stuck=jnp.asarray(False),
            iterations=jnp.asarray(0),
            done=jnp.asarray(False),
        ),
    )
    # Weights of the size of the smoothing are zeros; make them exact where that is harmless.
    size_now = jnp.abs(final.theta)
    small = (size_now * l1 <= 1e4 * floor) & (size_now <= eps**0.5) & (penalised > 0) & (l1 > 0)
    return NewtonResult(jnp.where(small, 0, final.theta), final.gradient, final.iterations)

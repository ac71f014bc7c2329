"""Accelerated proximal gradient for softmax regression: no Hessian, no line search.

The Hessian of the cross-entropy is at most ``(I - 11^T/K)/2`` (x) ``E[T T^T]`` everywhere, so one
factorisation of the second moments serves as the metric of every step. An absolute penalty needs
a diagonal metric, for which the largest eigenvalue of the scaled second moments serves.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.typing import Array, Bool, Float, Int


class AcceleratedResult(NamedTuple):
    """Where the iteration stopped.

    Attributes:
        theta: weights with the bias as the last row, (d + 1, K).
        gradient: largest absolute entry of the scaled (proximal) gradient.
        iterations: steps taken.
        converged: whether a stopping rule was met.
    """

    theta: Float[Array, "d1 k"]
    gradient: Float[Array, ""]
    iterations: Int[Array, ""]
    converged: Bool[Array, ""]


class _Carry(NamedTuple):
    theta: Array
    ahead: Array
    momentum: Array
    gradient: Array
    done: Bool[Array, ""]
    iterations: Array


def _step(
    second: Array, scale: Array, penalised: Array, l2: Array, l1: Array | None
) -> Callable[[Array, Array], tuple[Array, Array]]:
    """A proximal step from a point and the gradient there: the new point and the mapped gradient.

    In the full metric where there is no absolute penalty, else in a diagonal one.
    """
    dtype, size = second.dtype, len(second)
    scaled = second / (scale * scale.T)
    quadratic = l2 * penalised / scale**2
    if l1 is None:
        # Unit diagonal first, so that the jitter means the same for every unit.
        jitter = 64 * jnp.finfo(dtype).eps * size
        metric = 0.5 * scaled + jnp.diag(quadratic[:, 0] + jitter)
        factor = jax.scipy.linalg.cho_factor(metric)

        def full(point: Array, gradient: Array) -> tuple[Array, Array]:
            move = jax.scipy.linalg.cho_solve(factor, gradient / scale) / scale
            return point - move, gradient

        return full
    curvature = 0.5 * jnp.linalg.eigvalsh(scaled)[-1] + quadratic
    threshold = l1 * penalised / (curvature * scale**2)

    def diagonal(point: Array, gradient: Array) -> tuple[Array, Array]:
        moved = point - gradient / (curvature * scale**2)
        new = jnp.sign(moved) * jnp.maximum(jnp.abs(moved) - threshold, 0)
        return new, (point - new) * curvature * scale**2

    return diagonal


def minimise(
    design: Float[Array, "n d1"],
    joint: Float[Array, "n k"],
    l2: Array,
    l1: Array,
    max_iterations: Array,
    tolerance: Array,
    excess: Array,
    *,
    smooth: bool,
) -> AcceleratedResult:
    """Minimise CE + l2/2 |W|^2 + l1 |W|_1 over weights and a free bias (last column of design).

    Args:
        design: features with a last column of ones, (n, d + 1).
        joint: joint law of rows and classes, (n, K), sums to one.
        l2: weight of the quadratic penalty, scalar.
        l1: weight of the absolute penalty, scalar; ignored if `smooth`.
        max_iterations: largest number of steps.
        tolerance: stop when the largest entry of the scaled (proximal) gradient is below.
        excess: stop also when |gradient|^2 / (2 l2), which bounds the distance to the optimum
            for penalised weights, is below so many nats; 0 for never.
        smooth: leave out the absolute penalty, which allows the full metric.

    Returns:
        An `AcceleratedResult`.
    """
    dtype = design.dtype
    size, num_classes = design.shape[1], joint.shape[1]
    mass = joint.sum(axis=1, keepdims=True)
    penalised = jnp.ones((size, 1), dtype).at[-1].set(0)
    second = design.T @ (mass * design)
    scale = jnp.sqrt(jnp.diag(second))[:, None]
    scale = jnp.where(scale > 0, scale, 1)
    step = _step(second, scale, penalised, l2, None if smooth else l1)

    def slope(theta: Array) -> Array:
        q = jax.nn.softmax(design @ theta, axis=-1)
        return design.T @ (mass * q - joint) + l2 * penalised * theta

    def body(carry: _Carry) -> _Carry:
        gradient = slope(carry.ahead)
        theta, mapped = step(carry.ahead, gradient)
        size_now = jnp.abs(mapped / scale).max()
        near = smooth & (excess > 0) & ((gradient**2).sum() <= 2 * l2 * excess)
        # Momentum that points uphill has outlived its use.
        uphill = (mapped * (theta - carry.theta)).sum() > 0
        previous = jnp.where(uphill, 1, carry.momentum)
        momentum = (1 + jnp.sqrt(1 + 4 * previous**2)) / 2
        ahead = theta + (previous - 1) / momentum * (theta - carry.theta)
        return _Carry(
            theta=theta,
            ahead=ahead,
            momentum=momentum,
            gradient=size_now,
            done=(size_now <= tolerance) | near | ~jnp.isfinite(size_now),
            iterations=carry.iterations + 1,
        )

    start = jnp.zeros((size, num_classes), dtype)
    final = jax.lax.while_loop(
        lambda carry: ~carry.done & (carry.iterations < max_iterations),
        body,
        _Carry(
            theta=start,
            ahead=start,
            momentum=jnp.ones((), dtype),
            gradient=jnp.asarray(jnp.inf, dtype),
            done=jnp.asarray(False),
            iterations=jnp.asarray(0),
        ),
    )
    converged = final.done & jnp.isfinite(final.gradient)
    return AcceleratedResult(final.theta, final.gradient, final.iterations, converged)

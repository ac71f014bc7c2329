"""Moment maximum entropy and its softmax dual, plain, with L2, L1 (box) and feature dropout."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.maxent import accelerated, checks
from ibjax.maxent.identity import log_law, moments, target_law
from ibjax.maxent.newton import minimise
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, Int, Key, Numbers

_NEWTON_LIMIT = 1500
_LIMITS = {"newton": 200, "lbfgs": 2000, "proximal": 20000}


class Solution(NamedTuple):
    """Both sides of the problem at the weights found.

    Attributes:
        weights: W, (d, K).
        bias: b, (K,), never penalised.
        primal: the minimum problem, CE + l2/2 |W|^2 + l1 |W|_1, nats.
        dual: the entropy problem, H_q - |(|R| - l1)_+|^2 / (2 l2), nats; with l2 = 0 the
            constraints |R| <= l1 are hard and `violation` says how well they hold.
        objective_gap: primal - dual, zero at the optimum.
        violation: largest excess of a hard constraint, that of the bias included.
        cross_entropy: CE of the law found, nats.
        model_entropy: its own entropy H_q, nats.
        duality_gap: CE - H_q = -<W, R> - <b, R_b>; 0 unpenalised, -l2 |W|^2 with L2 and
            -l1 |W|_1 with L1 at the optimum.
        residual: R, (d, K); l2 W with L2, within the box l1 with L1.
        gradient: largest entry of the gradient, each divided by its unit's root mean square.
        iterations: steps taken.
        converged: gradient within the tolerance.
    """

    weights: Float[Array, "d k"]
    bias: Float[Array, " k"]
    primal: Float[Array, ""]
    dual: Float[Array, ""]
    objective_gap: Float[Array, ""]
    violation: Float[Array, ""]
    cross_entropy: Float[Array, ""]
    model_entropy: Float[Array, ""]
    duality_gap: Float[Array, ""]
    residual: Float[Array, "d k"]
    gradient: Float[Array, ""]
    iterations: Int[Array, ""]
    converged: Bool[Array, ""]


def _lbfgs(design: Array, joint: Array, l2: Array, limit: Array) -> tuple[Array, Array, Array]:
    """L-BFGS on standardised columns; smooth penalties only."""
    import optax

    dtype = design.dtype
    mass = joint.sum(axis=1, keepdims=True)
    scale = jnp.sqrt((mass * design**2).sum(axis=0))[:, None]
    scale = jnp.where(scale > 0, scale, 1)
    scaled = design / scale.T
    penalised = (1 / scale**2).at[-1].set(0)

    def loss(theta: Array) -> Array:
        log_q = jax.nn.log_softmax(scaled @ theta, axis=-1)
        return -(joint * log_q).sum() + 0.5 * l2 * (penalised * theta**2).sum()

    optimiser = optax.lbfgs(memory_size=20)
    evaluate = optax.value_and_grad_from_state(loss)
    goal = 32 * jnp.finfo(dtype).eps

    def body(carry: tuple[Array, Any, Array, Array]) -> tuple[Array, Any, Array, Array]:
        theta, state, _, count = carry
        value, gradient = evaluate(theta, state=state)
        updates, state = optimiser.update(
            gradient, state, theta, value=value, grad=gradient, value_fn=loss
        )
        theta = optax.apply_updates(theta, updates)
        moved = jnp.abs(optax.tree.get(state, "grad")).max()
        return jnp.asarray(theta), state, moved, count + 1

    def unfinished(carry: tuple[Array, Any, Array, Array]) -> Array:
        return (carry[2] > goal) & (carry[3] < limit)

    start = jnp.zeros((design.shape[1], joint.shape[1]), dtype)
    theta, _, _, count = jax.lax.while_loop(
        unfinished,
        body,
        (start, optimiser.init(start), jnp.asarray(jnp.inf, dtype), jnp.asarray(0)),
    )
    return theta / scale, jnp.abs(jax.grad(loss)(theta)).max(), count


@partial(jax.jit, static_argnames=("method", "smooth"))
def _solve(
    features: Array,
    joint: Array,
    l2: Array,
    l1: Array,
    tolerance: Array,
    max_iterations: Array,
    *,
    method: str,
    smooth: bool,
) -> Solution:
    ones = jnp.ones((features.shape[0], 1), features.dtype)
    design = jnp.concatenate([features, ones], axis=1)
    start = jnp.zeros((design.shape[1], joint.shape[1]), features.dtype)
    if method == "newton":
        found = minimise(design, joint, l2, l1, start, max_iterations)
        theta, gradient, iterations = found
    elif method == "proximal":
        never = jnp.zeros((), design.dtype)
        limits = max_iterations, tolerance, never
        found = accelerated.minimise(design, joint, l2, l1, *limits, smooth=smooth)
        theta, gradient, iterations, _ = found
    else:
        theta, gradient, iterations = _lbfgs(design, joint, l2, max_iterations)
    weights, bias = theta[:-1], theta[-1]
    state = moments(features, joint, weights, bias)
    penalty = 0.5 * l2 * (weights**2).sum() + l1 * jnp.abs(weights).sum()
    excess = jnp.maximum(jnp.abs(state.residual) - l1, 0)
    hard = jnp.where(l2 > 0, 0, excess.max())
    charge = jnp.where(l2 > 0, (excess**2).sum() / (2 * jnp.where(l2 > 0, l2, 1)), 0)
    primal, dual = state.cross_entropy + penalty, state.model_entropy - charge
    return Solution(
        weights=weights,
        bias=bias,
        primal=primal,
        dual=dual,
        objective_gap=primal - dual,
        violation=jnp.maximum(hard, jnp.abs(state.bias_residual).max()),
        cross_entropy=state.cross_entropy,
        model_entropy=state.model_entropy,
        duality_gap=state.duality_gap,
        residual=state.residual,
        gradient=gradient,
        iterations=iterations,
        converged=(gradient <= tolerance) & _measurable(features),
    )


def _measurable(features: Array) -> Array:
    """Whether the squares that units are measured by neither overflow nor vanish."""
    largest, square = jnp.abs(features).max(axis=0), (features**2).mean(axis=0)
    return jnp.all(
        jnp.isfinite(square) & ((square >= jnp.finfo(square.dtype).tiny) | (largest == 0))
    )


@enforced
def solve(
    features: Numbers,
    target: Numbers,
    *,
    l2: Numbers = 0.0,
    l1: Numbers = 0.0,
    num_classes: int | None = None,
    method: str = "auto",
    max_iterations: Numbers | None = None,
    tolerance: float | None = None,
) -> Solution:
    """Solve a moment maximum-entropy problem through its softmax dual.

        min over W, b of  CE(W, b) + l2/2 |W|_F^2 + l1 |W|_1
        = max over q of   H_q(Y|X) - |(|r(q)| - l1)_+|_F^2 / (2 l2),  bias moments matched,

    with r(q) = E[T 1_Y] - E[T q]. With both penalties zero the moments are matched exactly;
    with l1 alone they are matched within the box |r| <= l1; with l2 alone the mismatch costs
    |r|^2/(2 l2) and R = l2 W at the optimum. Both penalties may be swept without compiling
    again.

    Args:
        features: (n, d), one row an example or an input letter.
        target: labels (n,), or a joint table (n, K) of probabilities or counts, which makes
            the answer exact for a finite alphabet.
        l2: weight of the quadratic penalty, >= 0.
        l1: weight of the absolute penalty, >= 0.
        num_classes: K, needed when labels are traced.
        method: "newton" (any penalty, a dense Hessian), "lbfgs" (no L1), "proximal" (any
            penalty, many weights: accelerated proximal gradient), or "auto": Newton up to 1500
            weights, beyond them L-BFGS, or proximal with an L1 penalty.
        max_iterations: largest number of steps (200 for Newton, 2000 for L-BFGS, 20000 for
            proximal).
        tolerance: the largest scaled gradient that counts as converged; by default
            eps ** 0.6 of the precision, 4e-10 in float64.

    Returns:
        A `Solution`; information in nats. `converged` is False where the tolerance was not met, or
        where squares of the features overflow or vanish: give them in other units. On separable
        data without penalty the infimum is not attained, the weights are merely large, and the
        objectives are right to that tolerance.

    Assumes:
        The bias is free, so class frequencies are always matched.

    Raises:
        ValueError: on shapes that do not fit, a negative penalty, an unknown method, or L-BFGS
            with an L1 penalty.

    Reference:
        Zheng, Sang, Xu, "Understanding Deep Learning Generalization by Maximum Entropy", 2017,
        for the plain problem; the penalised forms follow by Fenchel duality, derived here.
        Beck, Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
        problems", 2009; Boehning, "Multinomial logistic regression algorithm", 1992, for the
        metric; O'Donoghue, Candes, "Adaptive restart for accelerated gradient schemes", 2015.
    """
    features = checks.matrix("features", features)
    joint = target_law(target, features, num_classes)
    for name, value in (("l2", l2), ("l1", l1)):
        checks.nonnegative(name, value)
    if method not in ("auto", *_LIMITS):
        raise ValueError(f"method={method!r} is unknown; give 'auto' or one of {tuple(_LIMITS)}")
    smooth = checks.concrete(l1) and float(np.max(np.asarray(l1))) == 0
    if method == "lbfgs" and not smooth:
        raise ValueError(f"method='lbfgs' needs l1=0, got l1={l1}; use method='proximal'")
    if method == "auto":
        size = (features.shape[1] + 1) * joint.shape[1]
        many = "lbfgs" if smooth else "proximal"
        method = many if size > _NEWTON_LIMIT else "newton"
    dtype = features.dtype
    if tolerance is None:
        tolerance = float(jnp.finfo(dtype).eps) ** 0.6
    if max_iterations is None:
        max_iterations = _LIMITS[method]
    return _solve(
        features,
        joint,
        jnp.asarray(l2, dtype),
        jnp.asarray(l1, dtype),
        jnp.asarray(tolerance, dtype),
        jnp.asarray(max_iterations),
        method=method,
        smooth=smooth and method == "proximal",
    )


@enforced
def drop_features(
    features: Numbers,
    target: Numbers,
    rate: Numbers,
    *,
    num_classes: int | None = None,
    rescale: bool = True,
    key: Key | None = None,
    masks: int = 16,
) -> tuple[Float[Array, "m d"], Float[Array, "m k"]]:
    """The problem over (X, mask, Y) that dropout of features solves.

    Each feature is dropped with probability `rate`, independently; `solve` on the result is the
    maximum-entropy problem with features T * mask, whose law may use the mask. Without a
    key all 2^d masks are enumerated with their probabilities, which is exact.

    Args:
        features: (n, d).
        target: labels (n,) or a joint table (n, K).
        rate: probability of dropping a feature, in [0, 1).
        num_classes: K, needed when labels are traced.
        rescale: divide what is kept by 1 - rate, so that the features keep their mean.
        key: draw masks at random instead of enumerating them.
        masks: number of masks drawn a row when a key is given.

    Returns:
        Features (m, d) and joint table (m, K), with m = n 2^d or n * masks.

    Raises:
        ValueError: if the rate is outside [0, 1), or d > 12 without a key.
    """
    features = checks.matrix("features", features)
    joint = target_law(target, features, num_classes)
    rows, units = features.shape
    if checks.concrete(rate) and not 0 <= float(rate) < 1:
        raise ValueError(f"rate={rate} is a probability; give 0 <= rate < 1")
    rate = jnp.asarray(rate, features.dtype)
    if key is None:
        if units > 12:
            raise ValueError(f"2**{units} masks are too many to enumerate; pass key= to draw them")
        kept = (jnp.arange(2**units)[:, None] >> jnp.arange(units)) & 1
        each = jnp.where(kept == 1, 1 - rate, rate).prod(axis=1)
        kept = jnp.broadcast_to(kept[None], (rows, 2**units, units))
    else:
        kept = jax.random.bernoulli(key, 1 - rate, (rows, masks, units))
        each = jnp.full((masks,), 1 / masks, features.dtype)
    dropped = features[:, None, :] * kept
    if rescale:
        dropped = dropped / (1 - rate)
    table = joint[:, None, :] * each[:, None]
    return dropped.reshape(-1, units), table.reshape(-1, joint.shape[1])


@enforced
def law(features: Numbers, solution: Solution) -> Float[Array, "n k"]:
    """The conditional law q(k|x) of a solution, (n, K).

    Args:
        features: (n, d).
        solution: what `solve` returned.

    Returns:
        Rows that sum to one.
    """
    features = checks.matrix("features", features)
    return jnp.exp(log_law(features, solution.weights, solution.bias))

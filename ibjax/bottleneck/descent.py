"""Accelerated alternating minimisation that never raises the functional."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray

LONGEST = 256.0  # of an extrapolation, in sweeps


class Family(NamedTuple):
    """What alternates: a sweep and the geometry of its states, all functions of one problem.

    Attributes:
        sweep: ``(problem, state) -> (next state, free energy of the state given)``.
        normalise: makes a state of what an extrapolation gives.
        weights: metric at a state, a pytree like it.
    """

    sweep: Callable[[Any, Any], tuple[Any, JaxArray]]
    normalise: Callable[[Any], Any]
    weights: Callable[[Any], Any]


class Descent(NamedTuple):
    """How far a descent is: the state, its sweeps, and the change of the last plain sweep."""

    state: Any
    free_energy: JaxArray
    iterations: JaxArray
    change: JaxArray


def begin(state: Any) -> Descent:
    """A descent that has done nothing."""
    huge = jnp.array(jnp.inf, jax.tree.leaves(state)[0].dtype)
    return Descent(state, huge, jnp.array(0), huge)


def active(descent: Descent, max_iterations: Any, tolerance: Any) -> JaxArray:
    """Whether to go on."""
    return (descent.change > tolerance) & (descent.iterations < max_iterations)


def advance(family: Family, problem: Any, descent: Descent) -> Descent:
    r"""Three sweeps, the third after a squared extrapolation.

    Two sweeps give the differences r and v, then the state moves by :math:`-2sr + s^2v` with
    :math:`s = -|r|/|v|` in the given metric and is swept once more. The move is kept only where
    it does not raise the free energy, so the descent is monotone like the plain one, and near a
    critical beta it takes far fewer sweeps.

    Reference:
        Varadhan and Roland (2008), Simple and globally convergent methods for accelerating the
        convergence of any EM algorithm (scheme 3), with the free energy as safeguard.
    """
    zero = descent.state
    one, _ = family.sweep(problem, zero)
    two, energy = family.sweep(problem, one)
    r = jax.tree.map(jnp.subtract, one, zero)
    v = jax.tree.map(lambda a, b, c: a - 2 * b + c, two, one, zero)
    metric = family.weights(one)
    steepness = _norm(v, metric)
    length = jnp.where(steepness > 0, _norm(r, metric) / steepness, 1.0)
    s = -jnp.clip(length, 1.0, LONGEST)
    far = family.normalise(jax.tree.map(lambda z, a, b: z - 2 * s * a + s * s * b, zero, r, v))
    three, reached = family.sweep(problem, far)
    better = reached <= energy  # False for NaN
    change = jax.tree.map(lambda a, b, w: jnp.max(jnp.abs(a - b) * w), two, one, metric)
    return Descent(
        jax.tree.map(lambda a, b: jnp.where(better, a, b), three, two),
        jnp.where(better, reached, energy),
        descent.iterations + 3,
        jnp.max(jnp.stack(jax.tree.leaves(change))),
    )


def _norm(difference: Any, metric: Any) -> JaxArray:
    parts = jax.tree.map(lambda d, w: jnp.sum(d * d * w), difference, metric)
    return jnp.sqrt(sum(jax.tree.leaves(parts)))


def queue(
    family: Family,
    problem_of: Callable[[JaxArray], Any],
    start_of: Callable[[JaxArray], Any],
    count: int,
    slots: int,
    max_iterations: Any,
    tolerance: Any,
) -> Descent:
    """Descend from `count` starts, `slots` of them at a time.

    A slot whose descent has ended takes the next start, so that quick problems do not wait for
    slow ones, as they would in one `vmap`.

    Args:
        family: what alternates.
        problem_of: number of a start to its problem, vectorised by `vmap`.
        start_of: number of a start to its state, likewise.
        count: number of starts.
        slots: descents advanced together.
        max_iterations: sweeps a start, counted in threes.
        tolerance: largest change of a weighted entry in one sweep that counts as converged.

    Returns:
        Every `Descent`, stacked along a leading axis.
    """
    load = jax.vmap(lambda i: begin(start_of(i)))
    problems = jax.vmap(problem_of)
    forward = jax.vmap(lambda problem, descent: advance(family, problem, descent))
    first = jnp.arange(slots)
    everything = jax.tree.map(
        lambda a: jnp.zeros((count, *a.shape[1:]), a.dtype), jax.eval_shape(load, first)
    )

    def exchange(carry):
        """Put ended descents away and load the next starts in their place."""
        who, following, running, ended, finished = carry
        where = jnp.where(ended, who, count)
        finished = jax.tree.map(lambda f, r: f.at[where].set(r, mode="drop"), finished, running)
        fresh = jnp.where(ended, following + jnp.cumsum(ended) - 1, who)
        loaded = load(jnp.minimum(fresh, count - 1))

        def pick(new, old):
            return jnp.where(ended.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        running = jax.tree.map(pick, loaded, running)
        return jnp.minimum(fresh, count), following + jnp.sum(ended), running, ended, finished

    def turn(carry):
        who, following, running, _, finished = carry
        running = forward(problems(jnp.minimum(who, count - 1)), running)
        ended = ~active(running, max_iterations, tolerance) & (who < count)
        carry = (who, following, running, ended, finished)
        return jax.lax.cond(jnp.any(ended), exchange, lambda c: c, carry)

    start = (first, jnp.array(slots), load(first), jnp.zeros(slots, bool), everything)
    return jax.lax.while_loop(lambda c: jnp.any(c[0] < count), turn, start)[-1]

"""Accelerated alternating minimisation that never raises the functional."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.typing import JaxArray

LONGEST = 256.0  # of an extrapolation, in sweeps
NEAR = 0.01  # movement in the metric below which sweeps are taken for linear
_DISTINCT = 1e-12  # squared share of one move outside of the other that is more than rounding


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


class End(NamedTuple):
    """What is kept of a descent.

    Attributes:
        state: after the last sweep that was kept.
        free_energy: of the state before that sweep.
        iterations: sweeps so far.
        change: largest weighted change of an entry in the last sweep that was kept.
    """

    state: Any
    free_energy: JaxArray
    iterations: JaxArray
    change: JaxArray


class Descent(NamedTuple):
    """How far a descent is: the fields of its `End`, and what it goes on with.

    Attributes:
        ahead: where the next sweeps begin.
        leapt: whether that is an extrapolation, and not the state.
        before: the state before the last sweep; `ahead` where there was none that is known.
    """

    state: Any
    free_energy: JaxArray
    iterations: JaxArray
    change: JaxArray
    ahead: Any
    leapt: JaxArray
    before: Any

    def end(self) -> End:
        """What is kept."""
        return End(self.state, self.free_energy, self.iterations, self.change)


def begin(state: Any) -> Descent:
    """A descent that has done nothing."""
    huge = jnp.array(jnp.inf, jax.tree.leaves(state)[0].dtype)
    return Descent(state, huge, jnp.array(0), huge, state, jnp.array(False), state)


def active(descent: Descent | End, max_iterations: Any, tolerance: Any) -> JaxArray:
    """Whether to go on."""
    return (descent.change > tolerance) & (descent.iterations < max_iterations)


def advance(family: Family, problem: Any, descent: Descent) -> Descent:
    r"""Two sweeps, and an extrapolation of them.

    Near a solution a sweep is linear, with slopes J that are symmetric in the metric W, and the
    Hessian of the free energy is W (1 - J). The two sweeps show what J makes of the first one's
    move, and beside those before of the move between the two pairs. In the plane of these two moves
    a Newton step goes on from where the sweeps end. Each pivot of 1 - J counts by its size, and by
    1 / LONGEST at least: the step leads down where the free energy is not convex too, so that
    saddles are left and not sought. Where an extrapolation and a sweep after it have raised the
    free energy, the descent goes back to where it was before them: it falls like the plain one, and
    near a critical beta it takes far fewer sweeps.

    Reference:
        Anderson (1965), Iterative procedures for nonlinear integral equations, for moves and what
        becomes of them; the symmetric projection, the pivots and the safeguard are new here.
    """
    one, _ = family.sweep(problem, descent.ahead)
    two, energy = family.sweep(problem, one)
    # Energies closer than their rounding are equal; False for NaN.
    rounding = 8 * jnp.finfo(energy.dtype).eps * (1 + jnp.abs(energy))
    sound = ~descent.leapt | (energy <= descent.free_energy + rounding)
    flat = [ravel_pytree(s)[0] for s in (descent.ahead, one, two, descent.before, descent.state)]
    ahead, middle, last, before, state = flat
    rebuild = ravel_pytree(two)[1]
    metric, _ = ravel_pytree(family.weights(two))
    residual, image = last - middle, middle - state
    moves = jnp.stack([middle - ahead, ahead - before])
    products = (moves * metric) @ jnp.stack([*moves, residual, image]).T
    first, second = _newton(products[:, :2], products[:, 2:])
    far = last + first * residual + second * image
    near = jnp.sum(residual * residual * metric) <= NEAR**2
    leap = sound & near & jnp.all(jnp.isfinite(far))

    def pick(where, new, old):
        return jax.tree.map(lambda a, b: jnp.where(where, a, b), new, old)

    kept = pick(sound, two, descent.state)
    extrapolated = family.normalise(rebuild(jnp.where(leap, far, last)))
    return Descent(
        kept,
        jnp.where(sound, energy, descent.free_energy),
        descent.iterations + 2,
        jnp.where(sound, jnp.max(jnp.abs(residual) * metric), descent.change),
        pick(leap, extrapolated, kept),
        leap,
        pick(sound, one, kept),
    )


def _newton(lengths: JaxArray, images: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Coefficients of a Newton step in the images of two moves, the first of which is the residual.

    Args:
        lengths: products of the moves, (2, 2).
        images: of the moves with their images, (2, 2).
    """

    def inverse_root(size, least):
        some = size > least
        return jnp.where(some, jax.lax.rsqrt(jnp.where(some, size, 1.0)), 0.0)

    # The moves made orthonormal, a u and c (v - b u), or 0 where there is no such direction.
    a = inverse_root(lengths[0, 0], 0.0)
    b = a * a * lengths[0, 1]
    c = inverse_root(lengths[1, 1] - b * lengths[0, 1], _DISTINCT * lengths[1, 1])
    goal = a * images[0, 0], c * (images[1, 0] - b * images[0, 0])
    own = 1 - a * goal[0]
    second = images[:, 1] - b * images[:, 0]
    mixed = -(a * c * second[0] + a * goal[1]) / 2
    other = 1 - c * c * (second[1] - b * second[0])
    # L D L^T with the sizes of the pivots.
    pivot = jnp.maximum(jnp.abs(own), 1 / LONGEST)
    lower = mixed / pivot
    rest = jnp.maximum(jnp.abs(other - lower * mixed), 1 / LONGEST)
    along = (goal[1] - lower * goal[0]) / rest
    return a * (goal[0] / pivot - lower * along) - b * c * along, c * along


def queue(
    family: Family,
    problem_of: Callable[[JaxArray], Any],
    start_of: Callable[[JaxArray], Any],
    count: int,
    slots: int,
    max_iterations: Any,
    tolerance: Any,
) -> End:
    """Descend from `count` starts, `slots` of them at a time.

    A slot whose descent has ended takes the next start, so that quick problems do not wait for
    slow ones, as they would in one `vmap`.

    Args:
        family: what alternates.
        problem_of: number of a start to its problem, vectorised by `vmap`.
        start_of: number of a start to its state, likewise.
        count: number of starts.
        slots: descents advanced together.
        max_iterations: sweeps a start.
        tolerance: largest change of a weighted entry in one sweep that counts as converged.

    Returns:
        Every `End`, stacked along a leading axis.
    """
    load = jax.vmap(lambda i: begin(start_of(i)))
    problems = jax.vmap(problem_of)
    forward = jax.vmap(lambda problem, descent: advance(family, problem, descent))
    first = jnp.arange(slots)
    everything = jax.tree.map(
        lambda a: jnp.zeros((count, *a.shape[1:]), a.dtype),
        jax.eval_shape(lambda who: load(who).end(), first),
    )

    def turn(carry):
        """Go on until a descent ends, put it away and load the next start in its place.

        One loop in the other and no `cond`, whose branches would copy all that has finished.
        """
        who, following, running, finished = carry
        problem, used = problems(jnp.minimum(who, count - 1)), who < count

        def onward(state):
            running, _ = state
            running = forward(problem, running)
            return running, ~active(running, max_iterations, tolerance) & used

        # Under `vmap` a queue that is done goes on with its neighbours: it waits for none.
        start = running, jnp.broadcast_to(~jnp.any(used), (slots,))
        running, ended = jax.lax.while_loop(lambda c: ~jnp.any(c[1]), onward, start)
        ended &= used
        where = jnp.where(ended, who, count)
        finished = jax.tree.map(
            lambda f, r: f.at[where].set(r, mode="drop"), finished, running.end()
        )
        fresh = jnp.where(ended, following + jnp.cumsum(ended) - 1, who)

        def pick(new, old):
            return jnp.where(ended.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        running = jax.tree.map(pick, load(jnp.minimum(fresh, count - 1)), running)
        return jnp.minimum(fresh, count), following + jnp.sum(ended), running, finished

    start = (first, jnp.array(slots), load(first), everything)
    return jax.lax.while_loop(lambda c: jnp.any(c[0] < count), turn, start)[-1]

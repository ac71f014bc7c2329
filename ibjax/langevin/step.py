"""One step of a run, whatever is trained and accounted for: batch, noise, gradient, update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper, Network
from ibjax.langevin import batches
from ibjax.langevin.accounts import Account, Examples, Step
from ibjax.langevin.config import Config, schedules
from ibjax.langevin.gradients import normalised_gradient, step_gradient
from ibjax.langevin.rules import Rule
from ibjax.langevin.streams import BATCH, LAYER, NOISE
from ibjax.langevin.transform import schedule_value
from ibjax.randomness import fold_in, normal
from ibjax.typing import JaxArray as Array


class State(NamedTuple):
    """What the next step needs.

    Attributes:
        weights: all parameters, flat, (d,).
        optimizer: the state of the update rule.
        order: order of the examples in force, (n,).
        kept: the state of every account.
        statistics: running batch statistics, if the network keeps them.
        stopped: whether training has ended early; None where it cannot.
    """

    weights: Array
    optimizer: Any
    order: Array
    kept: tuple[Any, ...]
    statistics: Any = None
    stopped: Array | None = None


_INSIDE = 1e-5
"""Share of the radius that rounding in float32 may not use up."""


def projected(weights: Array, used: Array | None, radius: Any) -> Array:
    """The nearest weights in the ball around 0, whatever the data; those not in use are not."""
    mine = weights if used is None else weights * used
    size, most = jnp.sqrt(jnp.sum(mine**2)), (1 - _INSIDE) * radius
    # Numbers that are not finite stay what they are, so that divergence is seen.
    inside = jnp.where(size > most, weights * (most / size), weights)
    return inside if used is None else jnp.where(used > 0, inside, weights)


class Loop(NamedTuple):
    """The training of one replica.

    Attributes:
        start: ``(weights, rule) -> State`` before the first step.
        advance: ``(state, start, stop, key, hyper, rule, examples) -> State`` after these steps.
        read: ``State -> what its accounts say``, by name.
    """

    start: Callable[[Array, Rule], State]
    advance: Callable[..., State]
    read: Callable[[State], dict[str, Any]]


def loop(
    config: Config, network: Network, unravel: Any, n: int, accounts: tuple[Account, ...]
) -> Loop:
    """The one training loop, with every shape settled.

    Noise is drawn once a step, and handed to the update rule and to every account.

    Args:
        config: static description of the run.
        network: the network, as `prepared.network_of` gives it.
        unravel: from flat weights to its parameters.
        n: number of training examples.
        accounts: what is kept along the path.
    """
    batching, b = batches.scheme(config, n)
    normalised = network.batch_statistics
    paired = any(account.paired for account in accounts)

    def start(weights: Array, rule: Rule) -> State:
        return State(
            weights,
            rule.init(weights),
            jnp.arange(n),
            tuple(account.init() for account in accounts),
            None if normalised is None else normalised.init(),
            None if config.stop_error is None else jnp.array(False),
        )

    def step(t, state: State, keys: Any, hyper: Hyper, rule: Rule, examples: Examples) -> State:
        batch_key, others = keys
        order = batches.order(batch_key, t, state.order, n, b, batching)
        member, w = batches.draw(batch_key, t, order, b, batching)
        layer_key, noise_key = jax.vmap(fold_in, (0, None))(others, t)
        weights, params, used = state.weights, unravel(state.weights), None
        if network.trainable is not None:
            used, _ = ravel_pytree(network.trainable(params, hyper))
        if config.radius is not None:
            weights = projected(weights, used, hyper.radius)
            params = unravel(weights)

        given = (*examples.batch(member), w, b, layer_key, hyper)
        if normalised is not None:
            got = normalised_gradient(normalised, params, state.statistics, *given, config.loss)
        else:
            ghosts = examples.ghosts(member) if paired and examples.ghosts is not None else None
            how = (config.clip is not None, paired, config.loss, ghosts)
            got = step_gradient(network, params, *given, *how)
        flat, _ = ravel_pytree(got.gradient)
        flat = flat if rule.root is None else flat * rule.root
        noise = normal(noise_key, flat.shape) if rule.noisy else None
        given = flat, state.optimizer, weights, noise_key, noise
        change, drift, optimizer = rule.update(*given)
        if used is not None:
            change, noise = change * used, None if noise is None else noise * used
        eta, beta = (schedule_value(s, t) for s in schedules(config, hyper))
        taken = Step(
            params, hyper, rule, got, flat, drift, noise, eta, beta if rule.noisy else jnp.inf,
            member, w, examples,
        )  # fmt: skip
        after = weights + change
        if config.radius is not None:  # what is handed out lies in the ball too
            after = projected(after, used, hyper.radius)
        return State(
            after,
            optimizer,
            order,
            tuple(a.update(kept, taken) for a, kept in zip(accounts, state.kept)),
            got.statistics,
            state.stopped if config.stop_error is None else got.error <= config.stop_error,
        )

    def advance(state, start, stop, key, hyper, rule, examples) -> State:
        batch, *others = (fold_in(key, stream) for stream in (BATCH, LAYER, NOISE))
        keys = batch, jnp.stack(others)

        def body(t, s: State) -> State:
            return step(t, s, keys, hyper, rule, examples)

        if config.stop_error is None:
            return jax.lax.fori_loop(start, stop, body, state)
        _, state = jax.lax.while_loop(
            lambda pair: (pair[0] < stop) & ~pair[1].stopped,
            lambda pair: (pair[0] + 1, body(*pair)),
            (start, state),
        )
        return state

    def read(state: State) -> dict[str, Any]:
        said = [account.finish(kept) for account, kept in zip(accounts, state.kept)]
        return {name: value for part in said for name, value in part.items()}

    return Loop(start, advance, read)

"""A replica of a supersample as pure functions: initialise, advance, evaluate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper, Network
from ibjax.langevin import accountant, accounts, batches
from ibjax.langevin.config import Config, hyper
from ibjax.langevin.losses import predicted
from ibjax.langevin.rules import check_rule, rule
from ibjax.langevin.step import State, loop
from ibjax.langevin.streams import EVALUATION, INIT
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


class Measurement(NamedTuple):
    """What a person wants to see of a run at a checkpoint.

    `finite` speaks of the weights, `losses_finite` of the losses of all pairs besides. An example
    whose logits are not finite is predicted -1, an error whatever its label. `along` is what the
    accounts say, by the names of the evidence's fields.
    """

    predictions: Array
    train_error: Array
    test_error: Array
    train_loss: Array
    along: dict[str, Array]
    finite: Array
    losses_finite: Array


class Run(NamedTuple):
    """The pure functions of a run; each is for one replica, whose own data are its `rows`.

    `advance` takes the pool as the network prepared it, where it does.

    Attributes:
        init: ``(key, values) -> State``.
        advance: ``(state, start, stop, key, values, rows, x, y) -> State``.
        evaluate: ``(state, step, key, values, rows, x, y)`` to what is measured, a pytree.
    """

    init: Callable[..., State]
    advance: Callable[..., State]
    evaluate: Callable[..., Any]


class Pairs(NamedTuple):
    """Replicas of supersamples: each trains on one member of n pairs, its rows (index, mask)."""

    n: int

    def values(self, config: Config) -> Any:
        """Shapes of the scalars of a run."""
        return jax.tree.map(lambda _: jax.ShapeDtypeStruct((), jnp.float32), hyper(config))

    def rows(self, chunk: int) -> Any:
        """Shapes of the rows of as many replicas."""
        index = jax.ShapeDtypeStruct((chunk, self.n, 2), jnp.int32)
        return index, jax.ShapeDtypeStruct((chunk, self.n), jnp.int32)

    def run(self, config: Config, network: Network, pool: Any) -> Run:
        """The functions of one replica, see `make_run`."""
        return make_run(config, network, pool, self.n)


def make_run(config: Config, network: Network, pool: Any, n: int) -> Run:
    """The functions of one replica, with every shape settled.

    Args:
        config: static description; its swept scalars are ignored in favour of `Hyper`.
        network: the network of `config`, as `prepared.network_of` gives it.
        pool: inputs of the pool, for their shape and type.
        n: number of training examples.

    Raises:
        ValueError: batches larger than n or with repetitions, early stops without full batches,
            batch statistics where every example needs a gradient of its own, and an optimizer
            that cannot take a step.
    """
    batching, b = batches.scheme(config, n)
    if batching == "with_replacement":
        raise ValueError("batching='with_replacement' may repeat an example; use langevin.track")
    if config.stop_error is not None and batching != "full":
        raise ValueError(
            f"stop_error={config.stop_error:g} with batches of {b} of {n}: the training error of a "
            "batch says when to stop only where it holds all examples; set batch_size=None"
        )
    normalised = network.batch_statistics
    if normalised is not None and (config.account or config.clip is not None):
        raise ValueError(
            "a network with batch statistics has no per-example gradients, and its running "
            "statistics leave through no noise: set account=False and clip=None, or use "
            "GroupNorm, LayerNorm or no normalisation"
        )
    example, unravel, shapes = flat_parameters(network, pool)
    check_rule(config, shapes)
    kept = [accounts.norms(n, b, known=normalised is None)]
    if config.account:
        kept.append(accountant.pairs(network, unravel, n, b))
    train = loop(config, network, unravel, n, tuple(kept))

    def init(key: Key, hyper: Hyper) -> State:
        weights, _ = ravel_pytree(network.init(jax.random.fold_in(key, INIT), example))
        return train.start(weights, rule(config, hyper, unravel))

    def advance(state, start, stop, key, hyper, rows, x, y) -> State:
        index, mask = rows

        def members(side: Callable[[Array], Array]) -> Callable[[Array], Any]:
            def take(member: Array) -> tuple[Any, Array]:
                chosen = index[member, side(mask[member])]
                return jax.tree.map(lambda a: a[chosen], x), y[chosen]

            return take

        examples = accounts.Examples(members(lambda u: u), members(lambda u: 1 - u))
        rule_of_run = rule(config, hyper, unravel)
        return train.advance(state, start, stop, key, hyper, rule_of_run, examples)

    def evaluate(state, step, key, hyper, rows, x, y) -> Measurement:
        index, mask = rows
        params = unravel(state.weights)
        inputs = x[index].reshape(2 * n, *x.shape[1:])
        labels = y[index]
        key = jax.random.fold_in(jax.random.fold_in(key, EVALUATION), step)

        def draw(k: Key, sign: Any = 1.0) -> tuple[Array, Array]:
            if normalised is not None:
                logits = normalised.evaluate(params, state.statistics, inputs, k, hyper)
            else:
                noise = hyper._replace(layer_noise=sign * hyper.layer_noise)
                logits, _ = network.apply(params, inputs, k, noise)
            loss = config.loss(logits, labels.reshape(-1)).reshape(n, 2)
            return predicted(logits).reshape(n, 2), loss

        draws = config.noise_draws if network.stochastic else 1
        if network.antithetic and draws > 1:
            # Opposite draws cost one draw of noise, and what is odd in it cancels in their mean.
            signs, keys = jnp.array([1.0, -1.0]), jax.random.split(key, -(-draws // 2))
            shown = jax.lax.map(lambda k: jax.vmap(draw, (None, 0))(k, signs), keys)
            shown = jax.tree.map(lambda a: a.reshape(-1, n, 2)[:draws], shown)
        else:
            shown = jax.lax.map(draw, jax.random.split(key, draws))
        predictions, losses = shown
        errors = jnp.mean((predictions != labels).astype(jnp.float32), axis=0)
        trained = jnp.stack([1 - mask, mask], axis=-1).astype(jnp.float32)
        return Measurement(
            predictions=predictions[0].astype(jnp.int32),
            train_error=jnp.sum(errors * trained) / n,
            test_error=jnp.sum(errors * (1 - trained)) / n,
            train_loss=jnp.sum(jnp.mean(losses, axis=0) * trained) / n,
            along=train.read(state),
            finite=jnp.all(jnp.isfinite(state.weights)),
            losses_finite=jnp.all(jnp.isfinite(losses)),
        )

    return Run(init, advance, evaluate)


def flat_parameters(network: Network, pool: Any) -> tuple[Array, Any, Any]:
    """One input, the way from flat weights to parameters, and the shapes of these."""
    dtype = jax.dtypes.canonicalize_dtype(pool.dtype)
    example: Any = np.zeros((1, *pool.shape[1:]), dtype)
    shapes = jax.eval_shape(network.init, jax.random.key(0), example)
    return example, unraveller(shapes), shapes


def unraveller(shapes: Any) -> Callable[[Array], Any]:
    """The way from a flat vector to arrays of these shapes, without computing one."""
    found = []

    def look(tree: Any) -> Array:
        flat, unravel = ravel_pytree(tree)
        found.append(unravel)
        return flat

    jax.eval_shape(look, shapes)
    return found[0]

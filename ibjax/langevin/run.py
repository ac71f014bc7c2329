"""One training run as a pure function of its key: initialise, advance, evaluate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper, Network
from ibjax.langevin import accountant, batches
from ibjax.langevin.config import Config, schedules
from ibjax.langevin.gradients import (
    StepGradient,
    differences,
    normalised_gradient,
    step_gradient,
)
from ibjax.langevin.prepared import checked
from ibjax.langevin.rules import check_rule, rule
from ibjax.langevin.transform import schedule_value
from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

INIT, BATCH, NOISE, LAYER, EVALUATION, OBSERVATION = range(6)
"""Streams of randomness of a run, folded into its key."""


class TrainState(NamedTuple):
    """What the next step needs.

    Attributes:
        weights: all parameters, flat, (d,).
        optimizer: the state of the optax transformation.
        order: order of the examples in force, (n,).
        sums: running sums of the gradient statistics, (3,).
        lost: what rounding has cost them so far (compensated summation), (3,).
        account: the trajectory account, if one is kept.
        statistics: running batch statistics, if the network keeps them.
    """

    weights: Array
    optimizer: Any
    order: Array
    sums: Array
    lost: Array
    account: accountant.Account | None
    statistics: Any = None


class Measurement(NamedTuple):
    """What a person wants to see of a run at a checkpoint.

    `finite` speaks of the weights, `losses_finite` of the losses of all pairs besides. An example
    whose logits are not finite is predicted -1, an error whatever its label.
    """

    predictions: Array
    train_error: Array
    test_error: Array
    train_loss: Array
    information: Array
    finite: Array
    losses_finite: Array


class Run(NamedTuple):
    """The three pure functions of a run; each is for one replica.

    `advance` takes the pool as the network prepared it, where it does.
    """

    init: Callable[..., TrainState]
    advance: Callable[..., TrainState]
    evaluate: Callable[..., Measurement]
    unravel: Callable[[Array], Any]


@enforced
def make_run(
    config: Config,
    network: Network,
    x: Any,
    n: int,
    num_classes: int | None = None,
    *,
    examine: bool = True,
) -> Run:
    """The functions of one run, with every shape settled.

    Args:
        config: static description; its swept scalars are ignored in favour of `Hyper`.
        network: the network of `config`.
        x: inputs of the pool, for their shape and type.
        n: number of training examples.
        num_classes: number of logits; None for what the network has.
        examine: look at the network first; False for one that takes scalars of its own in the
            place of `Hyper`, which cannot be tried out here.

    Raises:
        ValueError: batches larger than n or with repetitions, batch statistics where every
            example needs a gradient of its own, a network whose outputs are no logits, a ready
            network that is not what its layers say, and an optimizer that cannot take a step.
    """
    batching, b = batches.scheme(config, n)
    if batching == "with_replacement":
        raise ValueError("batching='with_replacement' may repeat an example; use langevin.track")
    dtype = jax.dtypes.canonicalize_dtype(x.dtype)
    if examine:
        ready = isinstance(config.network, Network)
        network = checked(network, num_classes, tuple(x.shape[1:]), dtype.name, ready)
    normalised = network.batch_statistics
    if normalised is not None and (config.account or config.clip is not None):
        raise ValueError(
            "a network with batch statistics has no per-example gradients, and its running "
            "statistics leave through no noise: set account=False and clip=None, or use "
            "GroupNorm, LayerNorm or no normalisation"
        )
    example = jnp.zeros((1, *x.shape[1:]), dtype)
    shapes = jax.eval_shape(network.init, jax.random.key(0), example)
    check_rule(config, shapes)
    _, unravel = ravel_pytree(jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))

    def init(key: Key, hyper: Hyper) -> TrainState:
        params = network.init(jax.random.fold_in(key, INIT), example)
        weights, _ = ravel_pytree(params)
        state = rule(config, hyper, unravel).init(weights)
        zeros = jnp.zeros(3)
        account = accountant.start(n) if config.account else None
        statistics = None if normalised is None else normalised.init()
        return TrainState(weights, state, jnp.arange(n), zeros, zeros, account, statistics)

    def used(weights: Array, hyper: Hyper) -> Array | None:
        if network.trainable is None:
            return None
        return ravel_pytree(network.trainable(unravel(weights), hyper))[0]

    def step(t, state: TrainState, key, hyper, index, mask, x, y) -> TrainState:
        batch_key = jax.random.fold_in(key, BATCH)
        order = batches.order(batch_key, t, state.order, n, b, batching)
        member, w = batches.draw(batch_key, t, order, b, batching)
        chosen = index[member, mask[member]]
        layer_key = jax.random.fold_in(jax.random.fold_in(key, LAYER), t)
        params, clipping = unravel(state.weights), config.clip is not None

        def gradient(rows):
            if normalised is not None:
                batch = jax.tree.map(lambda a: a[rows], x)
                inputs = (batch, y[rows], w, b, layer_key, hyper, config.loss)
                return normalised_gradient(normalised, params, state.statistics, *inputs)
            arguments = (x[rows], y[rows], w, b, layer_key, hyper, clipping)
            return step_gradient(network, params, *arguments, config.account, config.loss)

        got = gradient(chosen)
        flat, _ = ravel_pytree(got.gradient)
        noise_key = jax.random.fold_in(jax.random.fold_in(key, NOISE), t)
        change, opt = rule(config, hyper, unravel).update(
            flat, state.optimizer, state.weights, noise_key
        )
        in_use = used(state.weights, hyper)
        update: Any = change if in_use is None else change * in_use  # pyright: ignore
        eta, beta = (schedule_value(s, t) for s in schedules(config, hyper))
        beta = beta if config.optimizer == "sgld" else jnp.inf
        terms = eta * beta / 4 * _statistics(got, flat, w, n, b)
        if normalised is not None:
            # What the running statistics reveal is part of no sum over noisy steps.
            terms = jnp.full_like(terms, jnp.nan)
        sums, lost = _compensated(state.sums, state.lost, terms)
        account = state.account
        if account is not None and got.examples is not None:
            # The ghosts see the layer noise of the slots they would have taken.
            ghost: Any = gradient(index[member, 1 - mask[member]]).examples
            noise = jax.random.normal(noise_key, flat.shape, flat.dtype)
            noise = noise if in_use is None else noise * in_use
            square, along = differences(network, params, got.examples, ghost, unravel(noise))
            scale = jnp.sqrt(eta * beta / 2) / b
            account = accountant.update(account, member, square, along, scale)
        statistics = got.statistics
        return TrainState(state.weights + update, opt, order, sums, lost, account, statistics)

    def advance(state, start, stop, key, hyper, index, mask, x, y) -> TrainState:
        def body(t, s):
            return step(t, s, key, hyper, index, mask, x, y)

        return jax.lax.fori_loop(start, stop, body, state)

    def evaluate(state, step, key, hyper, index, mask, x, y) -> Measurement:
        params = unravel(state.weights)
        inputs = x[index].reshape(2 * n, *x.shape[1:])
        labels = y[index]
        key = jax.random.fold_in(jax.random.fold_in(key, EVALUATION), step)

        def draw(k):
            if normalised is not None:
                logits = normalised.evaluate(params, state.statistics, inputs, k, hyper)
            else:
                logits, _ = network.apply(params, inputs, k, hyper)
            loss = config.loss(logits, labels.reshape(-1)).reshape(n, 2)
            return predicted(logits).reshape(n, 2), loss

        draws = config.noise_draws if network.stochastic else 1
        predictions, losses = jax.lax.map(draw, jax.random.split(key, draws))
        errors = jnp.mean((predictions != labels).astype(jnp.float32), axis=0)
        trained = jnp.stack([1 - mask, mask], axis=-1).astype(jnp.float32)
        return Measurement(
            predictions=predictions[0].astype(jnp.int32),
            train_error=jnp.sum(errors * trained) / n,
            test_error=jnp.sum(errors * (1 - trained)) / n,
            train_loss=jnp.sum(jnp.mean(losses, axis=0) * trained) / n,
            information=jnp.concatenate([state.sums - state.lost, _read(state.account)]),
            finite=jnp.all(jnp.isfinite(state.weights)),
            losses_finite=jnp.all(jnp.isfinite(losses)),
        )

    return Run(init, advance, evaluate, unravel)


def predicted(logits: Array) -> Array:
    """The class of the largest logit; -1, which is no class, where a logit is not finite."""
    return jnp.where(jnp.all(jnp.isfinite(logits), axis=-1), jnp.argmax(logits, axis=-1), -1)


def _read(account: accountant.Account | None) -> Array:
    return jnp.full(4, jnp.nan) if account is None else accountant.read(account)


def _statistics(got: StepGradient, flat: Array, w: Array | None, n: int, b: int) -> Array:
    """|g_B|^2; (1/n) sum_i |g_i|^2 / b^2; expected |xi|^2 of the incoherence of a random index.

    The last is s^2 / (b (n - 1)) with s^2 the unbiased variance of the per-example gradients in
    the batch: index J is in it with probability b/n, and the prior predicts its gradient by the
    mean of the other n - 1.
    """
    batch_sq = jnp.sum(flat**2)
    total = jnp.sum(got.norms_sq)
    m = jnp.asarray(b, flat.dtype) if w is None else jnp.sum(w)
    spread = (total - batch_sq * b**2 / m) / (m - 1)
    return jnp.stack([batch_sq, total / (n * b**2), spread / (b * max(n - 1, 1))])


def _compensated(total: Array, lost: Array, term: Array) -> tuple[Array, Array]:
    """Kahan's sum: float32 accumulators that do not lose small steps after large ones."""
    corrected = term - lost
    new = total + corrected
    return new, jnp.where(jnp.isfinite(new), (new - total) - corrected, 0.0)

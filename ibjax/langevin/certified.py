"""One network trained with full batches, and the log density of its path against a prior run."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper, Network
from ibjax.langevin.frozen import frozen_loss, frozen_network
from ibjax.langevin.gradients import Loss, cross_entropy, step_gradient
from ibjax.langevin.losses import predicted
from ibjax.langevin.streams import EVALUATION, INIT, LAYER, NOISE
from ibjax.langevin.transform import noise_std
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


class CertifiedRun(NamedTuple):
    """What `certified_run` returns.

    Attributes:
        params: the trained parameters.
        energy: A = sum_t eta^2 |g_t - h_t|^2/(2 s^2), in nats.
        martingale: M = sum_t (eta/s) <g_t - h_t, xi_t>.
        loss: training loss before every step, (T,).
    """

    params: Any
    energy: Array
    martingale: Array
    loss: Array


class _State(NamedTuple):
    weights: Array
    sums: Array
    lost: Array


def certified_run(
    key: Key,
    network: Network,
    x: Array,
    y: Array,
    hyper: Hyper,
    *,
    steps: int,
    prior_size: int = 0,
    loss: Loss = cross_entropy,
) -> CertifiedRun:
    """Train with ``W <- W - eta g_t + sqrt(2 eta/beta) xi_t`` on all examples at every step.

    The prior run has the drift h_t: 0, or the clipped mean gradient at the same weights of the
    first `prior_size` examples, whose part of the certificate is then on the others alone.
    ``log dQ/dP (path) = A - M``; see `bounds.path_certificate`. Sums are compensated: A is of the
    order of a hundred nats, its terms of a thousandth.

    Args:
        key: streams of initialisation, weight noise and layer noise.
        network: without batch statistics.
        x: inputs (n, ...), in an order drawn independently of what they are.
        y: labels (n,).
        hyper: learning rate eta, inverse temperature beta, clip, layer noise; may be traced.
        steps: number of updates T.
        prior_size: examples whose gradient the prior run follows, below n.
        loss: what is descended, of each example.

    Raises:
        ValueError: for a network with batch statistics, or a prior_size that leaves no example.
    """
    n = x.shape[0]
    if network.batch_statistics is not None:
        raise ValueError(
            "a network with batch statistics leaves the path by running statistics that carry no "
            "noise: use GroupNorm, LayerNorm or no normalisation"
        )
    if not 0 <= prior_size < n:
        raise ValueError(f"prior_size={prior_size} must lie in 0..{n - 1}: others are certified")
    network = _frozen(network, x, hyper)
    if loss is not cross_entropy:
        params = jax.eval_shape(network.init, key, x[:1])
        logits, _ = jax.eval_shape(network.apply, params, x[:1], key, hyper)
        loss = frozen_loss(loss, logits.shape[-1])
    return _run(key, network, x, y, hyper, steps, prior_size, loss)


def _frozen(network: Network, x: Array, hyper: Hyper) -> Network:
    """With what it computes now: a compiled program of the same object may be of another."""
    shape = jax.ShapeDtypeStruct((2, *x.shape[1:]), x.dtype)
    return frozen_network(network, shape, jax.eval_shape(lambda: hyper))


@partial(jax.jit, static_argnums=(1, 5, 6, 7))
def _run(
    key: Key,
    network: Network,
    x: Array,
    y: Array,
    hyper: Hyper,
    steps: int,
    prior_size: int,
    loss: Loss,
) -> CertifiedRun:
    n = x.shape[0]
    # By its shape alone: initial weights that look at an example are no prior's.
    params = network.init(jax.random.fold_in(key, INIT), jnp.zeros_like(x[:1]))
    weights, unravel = ravel_pytree(params)
    eta, std = hyper.learning_rate, noise_std(hyper.learning_rate, hyper.inverse_temperature)

    def gradient(weights: Array, rows: slice, layer_key: Key) -> tuple[Array, Array]:
        part, labels = x[rows], y[rows]
        got = step_gradient(
            network, unravel(weights), part, labels, None, part.shape[0], layer_key, hyper, True,
            loss=loss,
        )  # fmt: skip
        return ravel_pytree(got.gradient)[0], got.loss

    def step(state: _State, t: Array) -> tuple[_State, Array]:
        layer_key = jax.random.fold_in(jax.random.fold_in(key, LAYER), t)
        g, value = gradient(state.weights, slice(prior_size, n), layer_key)
        apart = g
        if prior_size:
            # Both runs see the same layer noise in the part they share.
            h, of_prior = gradient(
                state.weights, slice(0, prior_size), jax.random.fold_in(layer_key, 0)
            )
            share = prior_size / n
            apart = (1 - share) * (g - h)
            g, value = h + apart, share * of_prior + (1 - share) * value
        xi = jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, NOISE), t), g.shape)
        scale = eta / std
        terms = jnp.stack([0.5 * scale**2 * jnp.sum(apart**2), scale * jnp.sum(apart * xi)])
        corrected = terms - state.lost
        sums = state.sums + corrected
        lost = (sums - state.sums) - corrected
        return _State(state.weights - eta * g + std * xi, sums, lost), value

    start = _State(weights, jnp.zeros(2), jnp.zeros(2))
    end, losses = jax.lax.scan(step, start, jnp.arange(steps))
    energy, martingale = end.sums - end.lost
    return CertifiedRun(unravel(end.weights), energy, martingale, losses)


def noisy_errors(
    key: Key, network: Network, params: Any, x: Array, y: Array, hyper: Hyper, draws: int
) -> Array:
    """0-1 error of each example, averaged over fresh draws of the layer noise, (n,).

    Logits that are not finite are an error whatever the label.

    Args:
        key: of the run; the draws have a stream of their own.
        network: the network.
        params: its parameters.
        x: inputs (n, ...).
        y: labels (n,).
        hyper: for the layer noise.
        draws: how many; one is enough without layer noise.
    """
    return _errors(key, _frozen(network, x, hyper), params, x, y, hyper, draws)


@partial(jax.jit, static_argnums=(1, 6))
def _errors(
    key: Key, network: Network, params: Any, x: Array, y: Array, hyper: Hyper, draws: int
) -> Array:
    def draw(k: Key) -> Array:
        logits, _ = network.apply(params, x, k, hyper)
        return (predicted(logits) != y).astype(jnp.float32)

    keys = jax.random.split(jax.random.fold_in(key, EVALUATION), draws)
    return jnp.mean(jax.lax.map(draw, keys), 0)

"""The gradient of a step with per-example norms and clipping, without per-example gradients.

For a dense layer the gradient of example i is the outer product of what the layer saw and of
the derivative at its output, hence ``|g_i|^2 = sum_l |delta_l,i|^2 (|a_l,i|^2 + 1)``, and a
weighted sum of per-example gradients is one matrix product. Other networks fall back on
`vmap(grad)`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ibjax.interface import Hyper, Network
from ibjax.typing import Array, Key


class StepGradient(NamedTuple):
    """What one step needs of a batch.

    Attributes:
        gradient: (1/b) sum of weighted, clipped per-example gradients; a pytree like params.
        norms_sq: squared norms of the clipped per-example gradients times their squared
            weights, (batch,); NaN where the network does not give them.
        loss: weighted mean of the losses before the step.
    """

    gradient: Any
    norms_sq: Array
    loss: Array


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of each example in nats, (batch,)."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, y)


def step_gradient(
    network: Network,
    params: Any,
    x: Array,
    y: Array,
    weights: Array | None,
    b: int,
    key: Key,
    hyper: Hyper,
    clipping: bool,
) -> StepGradient:
    """Gradient of the mean cross-entropy of a batch, with per-example norms where affordable.

    Args:
        network: the network.
        params: its parameters.
        x: inputs (batch, ...).
        y: labels (batch,).
        weights: how often each example counts, (batch,), or None for once each.
        b: the normaliser of the sum.
        key: draws the layer noise.
        hyper: `hyper.clip` bounds each example's gradient norm if `clipping`.
        clipping: whether to clip.
    """
    w = jnp.ones(x.shape[0]) if weights is None else weights
    if network.taps is not None:
        return _tapped(network, params, x, y, w, b, key, hyper, clipping)
    if clipping:
        return _mapped(network, params, x, y, w, b, key, hyper)

    def mean_loss(p):
        logits, _ = network.apply(p, x, key, hyper)
        return jnp.sum(w * cross_entropy(logits, y)) / b

    loss, gradient = jax.value_and_grad(mean_loss)(params)
    return StepGradient(gradient, jnp.full(x.shape[0], jnp.nan), loss)


def _tapped(network, params, x, y, w, b, key, hyper, clipping) -> StepGradient:
    def total(taps):
        logits, inputs = network.taps(params, x, key, hyper, taps)
        losses = cross_entropy(logits, y)
        return jnp.sum(losses), (inputs, losses)

    zeros = network.tap_shapes(params, x.shape[0])
    deltas, (inputs, losses) = jax.grad(total, has_aux=True)(zeros)
    norms_sq = sum(
        jnp.sum(d**2, axis=1) * (jnp.sum(a**2, axis=1) + 1) for a, d in zip(inputs, deltas)
    )
    factor = w
    if clipping:
        factor = w * _clip_factor(norms_sq, hyper.clip)
    scaled = tuple(d * factor[:, None] / b for d in deltas)
    gradient = network.assemble(params, inputs, scaled)
    return StepGradient(gradient, norms_sq * factor**2, jnp.sum(w * losses) / b)


def _mapped(network, params, x, y, w, b, key, hyper) -> StepGradient:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(x.shape[0]))

    def one(xi, yi, ki):
        def loss(p):
            logits, _ = network.apply(p, xi[None], ki, hyper)
            return cross_entropy(logits, yi[None])[0]

        return jax.value_and_grad(loss)(params)

    losses, gradients = jax.vmap(one)(x, y, keys)
    leaves = jax.tree.leaves(gradients)
    norms_sq = sum(jnp.sum(g.reshape(g.shape[0], -1) ** 2, axis=1) for g in leaves)
    factor = w * _clip_factor(norms_sq, hyper.clip)
    gradient = jax.tree.map(lambda g: jnp.tensordot(factor, g, axes=1) / b, gradients)
    return StepGradient(gradient, norms_sq * factor**2, jnp.sum(w * losses) / b)


def _clip_factor(norms_sq: Any, clip: Any) -> Array:
    return jnp.minimum(1.0, clip / jnp.sqrt(jnp.maximum(norms_sq, 1e-30)))

"""The gradient of a step with per-example norms and clipping, without per-example gradients.

For a dense layer the gradient of example i is the outer product of what the layer saw and of
the derivative at its output, hence ``|g_i|^2 = sum_l |delta_l,i|^2 (|a_l,i|^2 + 1)``, and a
weighted sum of per-example gradients is one matrix product. Other networks fall back on
`vmap(grad)`.
"""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.interface import BatchStatistics, Hyper, Network
from ibjax.langevin.losses import Loss, cross_entropy, predicted
from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


class PerExample(NamedTuple):
    """Clipped per-example gradients of dense layers as outer products, never formed.

    Attributes:
        inputs: what each layer saw, (batch, in) each.
        deltas: derivative at its output, clipped and weighted, (batch, out) each.
    """

    inputs: tuple[Array, ...]
    deltas: tuple[Array, ...]


class Formed(NamedTuple):
    """Clipped and weighted per-example gradients as they are, a pytree of (batch, ...)."""

    rows: Any


class StepGradient(NamedTuple):
    """What one step needs of a batch.

    Attributes:
        gradient: (1/b) sum of weighted, clipped per-example gradients; a pytree like params.
        norms_sq: squared norms of the clipped per-example gradients times their squared
            weights, (batch,); NaN where the network does not give them.
        loss: weighted mean of the losses before the step.
        error: weighted share of wrong classes before the step.
        examples: the per-example gradients, or None where the network does not give them; with
            ghosts those of batch and ghosts on a first axis of two.
        statistics: running batch statistics after the step, if the network keeps them.
    """

    gradient: Any
    norms_sq: Array
    loss: Array
    error: Array
    examples: PerExample | Formed | None = None
    statistics: Any = None


@enforced
def step_gradient(
    network: Network,
    params: Any,
    x: Array,
    y: Array,
    weights: Array | None,
    b: int,
    key: Key | None,
    hyper: Hyper,
    clipping: bool,
    each: bool = False,
    loss: Loss = cross_entropy,
    ghosts: tuple[Array, Array] | None = None,
) -> StepGradient:
    """Gradient of the mean loss of a batch, with per-example norms where affordable.

    Args:
        network: the network.
        params: its parameters.
        x: inputs (batch, ...).
        y: labels (batch,).
        weights: how often each example counts, (batch,), or None for once each.
        b: the normaliser of the sum.
        key: draws the layer noise; None for none.
        hyper: `hyper.clip` bounds each example's gradient norm if `clipping`.
        clipping: whether to clip; a gradient whose norm is not finite then counts as zero, so
            that no example moves a step by more than the clip.
        each: give the per-example gradients whatever the network.
        loss: of each example, from logits and labels.
        ghosts: inputs and labels of as many examples, whose gradients under the same noise and
            weights are given beside those of the batch, and are no part of its sums.
    """
    chex.assert_equal_shape_prefix([x, y], 1)
    w = jnp.ones(x.shape[0]) if weights is None else weights
    if network.taps is not None:
        return _tapped(network, params, x, y, w, b, key, hyper, clipping, loss, ghosts)
    each = each or ghosts is not None
    if clipping or each:
        arguments = (w, b, key, hyper, clipping, each, loss)
        got = _mapped(network, params, x, y, *arguments)
        if ghosts is None:
            return got
        others = _mapped(network, params, *ghosts, *arguments)
        return got._replace(examples=_stacked(got.examples, others.examples))

    def mean_loss(p):
        logits, _ = network.apply(p, x, key, hyper)
        return jnp.sum(w * loss(logits, y)) / b, logits

    (value, logits), gradient = jax.value_and_grad(mean_loss, has_aux=True)(params)
    missing = jnp.full(x.shape[0], jnp.nan)
    return StepGradient(gradient, missing, value, _error(logits, y, w, b))


def normalised_gradient(
    network: BatchStatistics,
    params: Any,
    statistics: Any,
    x: Array,
    y: Array,
    weights: Array | None,
    b: int,
    key: Key,
    hyper: Hyper,
    loss: Loss = cross_entropy,
) -> StepGradient:
    """Gradient of the mean loss of a batch that is normalised by its own statistics.

    The examples of the batch share their statistics, so none has a gradient of its own.

    Args:
        network: the batch-normalised network.
        params: its parameters.
        statistics: its running statistics before the step.
        x: inputs (batch, ...), or rows of what the network prepared of them.
        y: labels (batch,).
        weights: how often each example counts, (batch,), or None for once each.
        b: the normaliser of the sum.
        key: draws the layer noise.
        hyper: scalars of the run.
        loss: of each example, from logits and labels.
    """

    def mean_loss(p):
        logits, after = network.train(p, statistics, x, weights, key, hyper)
        losses = loss(logits, y)
        total = jnp.sum(losses if weights is None else weights * losses)
        return total / b, (logits, after)

    (value, (logits, after)), gradient = jax.value_and_grad(mean_loss, has_aux=True)(params)
    missing = jnp.full(y.shape[0], jnp.nan)
    error = _error(logits, y, 1.0 if weights is None else weights, b)
    return StepGradient(gradient, missing, value, error, None, after)


def _tapped(network, params, x, y, w, b, key, hyper, clipping, loss, ghosts) -> StepGradient:
    def one(x: Array, y: Array) -> tuple[PerExample, Array, Array, Array]:
        def total(taps):
            logits, inputs = network.taps(params, x, key, hyper, taps)
            losses = loss(logits, y)
            return jnp.sum(losses), (inputs, losses, logits)

        zeros = network.tap_shapes(params, x.shape[0])
        deltas, (inputs, losses, logits) = jax.grad(total, has_aux=True)(zeros)
        norms_sq = _products(inputs, deltas, inputs, deltas)
        factor = w
        if clipping:
            finite, factor = _factors(norms_sq, w, hyper.clip)
            norms_sq = jnp.where(finite, norms_sq, 0.0)
            inputs, deltas = (
                tuple(jnp.where(finite[:, None], a, 0.0) for a in part) for part in (inputs, deltas)
            )
        scaled = tuple(d * factor[:, None] for d in deltas)
        return PerExample(inputs, scaled), norms_sq * factor**2, losses, logits

    if ghosts is None:
        examples, norms_sq, losses, logits = one(x, y)
        own = examples
    else:  # in one pass, which on small networks costs little more than that of the batch
        both = jax.vmap(one)(*_stacked((x, y), ghosts))
        examples, (own, norms_sq, losses, logits) = both[0], jax.tree.map(lambda a: a[0], both)
    # XLA's CPU compiler copies parts that are put together as they are, and computes number by
    # number, each with its choice of a part, whatever else it joins to that: hence the factor comes
    # after. The barrier keeps it from being merged with the step size, which would round otherwise.
    total, unravel = ravel_pytree(network.assemble(params, *own))
    gradient = unravel(total * jax.lax.optimization_barrier(jnp.asarray(1 / b, total.dtype)))
    value, error = jnp.sum(w * losses) / b, _error(logits, y, w, b)
    return StepGradient(gradient, norms_sq, value, error, examples)


def _stacked(first: Any, second: Any) -> Any:
    return jax.tree.map(lambda *a: jnp.stack(a), first, second)


def differences(
    network: Network, params: Any, examples: PerExample | Formed, direction: Any
) -> tuple[Array, Array]:
    """Squared norms of g_ghost - g_used, and their inner products with `direction`.

    Args:
        network: one that gives `taps`.
        params: its parameters.
        examples: gradients of the batch, and of the candidates in the same slots, on a first axis
            of two.
        direction: a pytree like params.

    Returns:
        Two arrays (batch,).
    """
    if isinstance(examples, Formed):
        return _formed_differences(examples, direction)
    used, ghost = (jax.tree.map(lambda a, i=i: a[i], examples) for i in (0, 1))
    cross = _products(used.inputs, used.deltas, ghost.inputs, ghost.deltas)
    squares = jnp.sum(jax.vmap(_products)(*examples, *examples), axis=0)

    def along(e: PerExample) -> Array:
        # assemble is linear in the deltas: its transpose gives each layer's output along it
        _, pull = jax.vjp(lambda d: network.assemble(params, e.inputs, d), e.deltas)  # pyright: ignore
        (outputs,) = pull(direction)
        return sum(jnp.sum(o * d, axis=1) for o, d in zip(outputs, e.deltas))  # pyright: ignore

    # Rows are rows: in one product, which XLA does worse with an axis more.
    rows = jax.tree.map(lambda a: a.reshape(-1, a.shape[-1]), examples)
    before, after = along(rows).reshape(2, -1)
    return jnp.maximum(squares - 2 * cross, 0.0), after - before


def _formed_differences(examples: Formed, direction: Any) -> tuple[Array, Array]:
    apart = [g[1] - g[0] for g in jax.tree.leaves(examples.rows)]
    apart = [g.reshape(g.shape[0], -1) for g in apart]
    along = zip(apart, jax.tree.leaves(direction))
    square = sum(jnp.sum(g**2, axis=1) for g in apart)
    return square, sum(g @ d.ravel() for g, d in along)  # pyright: ignore


def _products(inputs, deltas, others, other_deltas) -> Array:
    """Inner products of per-example gradients: sum over layers of (d . d') (a . a' + 1)."""
    layers = zip(inputs, deltas, others, other_deltas)
    return sum(jnp.sum(d * e, axis=1) * (jnp.sum(a * c, axis=1) + 1) for a, d, c, e in layers)  # pyright: ignore


def _mapped(network, params, x, y, w, b, key, hyper, clipping, each, loss) -> StepGradient:
    keys = None
    if key is not None:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(x.shape[0]))

    def one(xi, yi, ki):
        def own(p):
            logits, _ = network.apply(p, xi[None], ki, hyper)
            return loss(logits, yi[None])[0], logits[0]

        return jax.value_and_grad(own, has_aux=True)(params)

    (losses, logits), gradients = jax.vmap(one)(x, y, keys)
    leaves = jax.tree.leaves(gradients)
    norms_sq = sum(jnp.sum(g.reshape(g.shape[0], -1) ** 2, axis=1) for g in leaves)
    factor = w
    if clipping:
        finite, factor = _factors(norms_sq, w, hyper.clip)
        norms_sq = jnp.where(finite, norms_sq, 0.0)
        gradients = jax.tree.map(
            lambda g: jax.vmap(jnp.where, (0, 0, None))(finite, g, 0.0), gradients
        )
    gradient = jax.tree.map(lambda g: jnp.tensordot(factor, g, axes=1) / b, gradients)
    examples = None
    if each:
        examples = Formed(jax.tree.map(lambda g: jax.vmap(jnp.multiply)(factor, g), gradients))
    value, error = jnp.sum(w * losses) / b, _error(logits, y, w, b)
    return StepGradient(gradient, norms_sq * factor**2, value, error, examples)


def _error(logits: Array, y: Array, w: Any, b: int) -> Array:
    return jnp.sum(w * (predicted(logits) != y)) / b


def _factors(norms_sq: Any, w: Array, clip: Any) -> tuple[Array, Array]:
    """Which gradients are finite, and the weight of each that keeps it within the clip."""
    finite = jnp.isfinite(norms_sq)
    safe = jnp.where(finite, jnp.maximum(norms_sq, 1e-30), 1.0)
    return finite, w * jnp.where(finite, jnp.minimum(1.0, clip / jnp.sqrt(safe)), 0.0)

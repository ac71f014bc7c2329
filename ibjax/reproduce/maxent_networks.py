"""Networks whose depth, shortcuts and regularisers are data, trained by the replica engine.

One program trains every depth and every regulariser of a kind of network: they are scalars of the
run, like its step size.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import Network
from ibjax.langevin import Config, make_run
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


class Knobs(NamedTuple):
    """`ibjax.interface.Hyper` and the scalars that the networks here add to it.

    Attributes:
        skip: 1 adds the layer below to each hidden layer but the first, 0 does not.
        l2: weight of 1/2 |W|^2 in the training loss, all weights but the biases.
        l1: weight of |W|_1.
        dropout: probability that a new unit is dropped in training.
    """

    learning_rate: Any
    depth: Any
    skip: Any = 0.0
    l2: Any = 0.0
    l1: Any = 0.0
    dropout: Any = 0.0
    inverse_temperature: Any = float("inf")
    clip: Any = float("inf")
    layer_noise: Any = 0.0


@jax.custom_vjp
def _penalised(weights: Array, l2: Array, l1: Array) -> Array:
    """The weights themselves; their derivative gains that of the penalties."""
    return weights


def _forward(weights, l2, l1):
    return weights, (weights, l2, l1)


def _backward(kept, cotangent):
    weights, l2, l1 = kept
    slope = cotangent + l2 * weights + l1 * jnp.sign(weights)
    return slope, jnp.zeros_like(l2), jnp.zeros_like(l1)


_penalised.defvjp(_forward, _backward)


def _weights(params: Any, hyper: Knobs) -> Any:
    def one(leaf: Array) -> Array:
        if leaf.ndim < 2:
            return leaf
        return _penalised(leaf, jnp.float32(hyper.l2), jnp.float32(hyper.l1))

    return jax.tree.map(one, params)


def _kept(key: Key | None, layers: int, new: tuple[int, ...], hyper: Knobs) -> Array:
    """What new units of all layers are multiplied by: one draw, as each costs compile time."""
    if key is None:
        return jnp.ones((layers, *(1 for _ in new)))
    keep = 1 - hyper.dropout
    return jax.random.bernoulli(key, keep, (layers, *new)) / keep


def _lecun(key: Key, shapes: list[tuple[int, int]]) -> list[Array]:
    """Weights of variance 1/fan-in, from one draw."""
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    flat = jnp.split(jax.random.normal(key, (int(ends[-1]),)), ends[:-1])
    return [part.reshape(shape) / shape[0] ** 0.5 for part, shape in zip(flat, shapes)]


def stacked(slots: int, width: int, num_classes: int) -> Network:
    """T_l = tanh(T_{l-1} W_l + b_l) + skip T_{l-1}, with no shortcut into the first layer.

    Args:
        slots: largest depth; `Knobs.depth` of them are in use, features of the rest repeat the
            last one.
        width: units a layer.
        num_classes: K.
    """

    def init(key: Key, x: Array) -> Any:
        sizes = [x.shape[1], *[width] * (slots - 1)]
        *layers, head = _lecun(key, [*((d, width) for d in sizes), (width, num_classes)])
        return tuple((w, jnp.zeros(width)) for w in layers), (head, jnp.zeros(num_classes))

    def apply(params: Any, x: Array, key: Key | None, hyper: Knobs):
        layers, head = _weights(params, hyper)
        kept = _kept(key, slots, (len(x), width), hyper)
        features, below = [], x
        for index, (weights, bias) in enumerate(layers):
            new = kept[index] * jnp.tanh(below @ weights + bias)
            if index > 0:
                new = jnp.where(index < hyper.depth, new + hyper.skip * below, below)
            features.append(new)
            below = new
        return below @ head[0] + head[1], tuple(features)

    return Network(init, apply)


def grown(slots: int, growth: int, num_classes: int) -> Network:
    """T_l = (tanh(T_{l-1} W_l + b_l), T_{l-1}) from T_0 = x on: concatenative shortcuts.

    Features have the width of the deepest layer; units not there yet are 0.

    Args:
        slots: largest depth.
        growth: new units a layer.
        num_classes: K.
    """

    def init(key: Key, x: Array) -> Any:
        *sizes, last = [x.shape[1] + growth * i for i in range(slots + 1)]
        *layers, head = _lecun(key, [*((d, growth) for d in sizes), (last, num_classes)])
        return tuple((w, jnp.zeros(growth)) for w in layers), (head, jnp.zeros(num_classes))

    def apply(params: Any, x: Array, key: Key | None, hyper: Knobs):
        layers, head = _weights(params, hyper)
        kept = _kept(key, slots, (len(x), growth), hyper)
        features, here = [], x
        for index, (weights, bias) in enumerate(layers):
            new = kept[index] * jnp.tanh(here @ weights + bias)
            here = jnp.concatenate([here, jnp.where(index < hyper.depth, new, 0)], axis=1)
            features.append(here)
        full = here.shape[1]
        wide = tuple(jnp.pad(t, ((0, 0), (0, full - t.shape[1]))) for t in features)
        return here @ head[0] + head[1], wide

    return Network(init, apply)


class Trained(NamedTuple):
    """Networks after training; leading axes (configurations, replicas).

    Attributes:
        features: outputs of every layer, (C, R, slots, n, d); the last is what the head sees.
        weights: of the head, (C, R, d, K).
        bias: (C, R, K).
    """

    features: Array
    weights: Array
    bias: Array


def train(
    key: Key,
    config: Config,
    network: Network,
    knobs: Knobs,
    pool: tuple[Array, Array],
    index: Array,
    mask: Array,
    shown: Array,
) -> Trained:
    """Train C configurations on the data of R replicas, and show the networks some examples.

    Replica r uses the same data, initial weights and batches in every configuration, so that
    their differences are paired.

    Args:
        key: root of the training randomness.
        config: steps, batches and optimiser; `clip` must be None for the penalties.
        network: `stacked` or `grown`.
        knobs: arrays (C,).
        pool: inputs (N, d0) and labels (N,).
        index: pairs of positions in the pool, (R, n, 2).
        mask: training member of each pair, (R, n).
        shown: inputs at which features are wanted, (R, m, d0).
    """
    x, y = (jnp.asarray(part) for part in pool)
    replicas, n = mask.shape
    run = make_run(config, network, x, n, examine=False)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(replicas))

    @jax.jit
    def program(knobs: Any, x: Array, y: Array, index: Array, mask: Array, shown: Array):
        def one(args: Any) -> Any:
            hyper, r = args
            state = run.init(keys[r], hyper)
            data = (index[r], mask[r], x, y)
            state = run.advance(state, 0, config.steps, keys[r], hyper, *data)
            params = run.unravel(state.weights)
            _, features = network.apply(params, shown[r], None, hyper)
            return Trained(jnp.stack(features), *params[1])

        count = knobs.depth.shape[0]
        rows = jnp.repeat(jnp.arange(count), replicas)
        hyper = jax.tree.map(lambda a: a[rows], knobs)
        found = jax.lax.map(one, (hyper, jnp.tile(jnp.arange(replicas), count)))
        return jax.tree.map(lambda a: a.reshape(count, replicas, *a.shape[1:]), found)

    count = len(knobs.depth)
    filled = jax.tree.map(lambda a: jnp.broadcast_to(jnp.float32(a), (count,)), knobs)
    return program(filled, x, y, index, mask, shown)

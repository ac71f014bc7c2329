"""Networks whose depth, shortcuts and regularisers are data, trained by the replica engine.

One program trains every depth and every regulariser of a kind of network: they are scalars of the
run, like its step size.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import langevin
from ibjax.interface import BatchStatistics, Dataset, Hyper, Network, Supersample
from ibjax.langevin import Config
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

KNOBS = ("depth", "skip", "l2", "l1", "dropout")
"""Scalars that the networks here ask for.

depth: layers in use. skip: 1 adds the layer below to each hidden layer but the first. l2, l1:
weights of 1/2 |W|^2 and |W|_1 in the training loss, all weights but the biases. dropout:
probability that a new unit is dropped, in training alone.
"""


def knobs(**given: Any) -> dict[str, Any]:
    """All scalars by name; 0 for those that are not given."""
    return {name: given.pop(name, 0.0) for name in KNOBS} | given


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


def _weights(params: Any, hyper: Hyper) -> Any:
    def one(leaf: Array) -> Array:
        if leaf.ndim < 2:
            return leaf
        return _penalised(leaf, *(jnp.float32(hyper.scalars[name]) for name in ("l2", "l1")))

    return jax.tree.map(one, params)


def _kept(key: Key | None, layers: int, new: tuple[int, ...], hyper: Hyper) -> Array:
    """What new units of all layers are multiplied by: one draw, as each costs compile time."""
    if key is None:
        return jnp.ones((layers, *(1 for _ in new)))
    keep = 1 - hyper.scalars["dropout"]
    return jax.random.bernoulli(key, keep, (layers, *new)) / keep


def _lecun(key: Key, shapes: list[tuple[int, int]]) -> list[Array]:
    """Weights of variance 1/fan-in, from one draw."""
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    flat = jnp.split(jax.random.normal(key, (int(ends[-1]),)), ends[:-1])
    return [part.reshape(shape) / shape[0] ** 0.5 for part, shape in zip(flat, shapes)]


def stacked(slots: int, width: int, num_classes: int) -> Network:
    """T_l = tanh(T_{l-1} W_l + b_l) + skip T_{l-1}, with no shortcut into the first layer.

    Args:
        slots: largest depth; `depth` of them are in use, features of the rest repeat the
            last one.
        width: units a layer.
        num_classes: K.
    """

    def init(key: Key, x: Array) -> Any:
        sizes = [x.shape[1], *[width] * (slots - 1)]
        *layers, head = _lecun(key, [*((d, width) for d in sizes), (width, num_classes)])
        return tuple((w, jnp.zeros(width)) for w in layers), (head, jnp.zeros(num_classes))

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        layers, head = _weights(params, hyper)
        kept = _kept(key, slots, (len(x), width), hyper)
        depth, skip = hyper.scalars["depth"], hyper.scalars["skip"]
        features, below = [], x
        for index, (weights, bias) in enumerate(layers):
            new = kept[index] * jnp.tanh(below @ weights + bias)
            if index > 0:
                new = jnp.where(index < depth, new + skip * below, below)
            features.append(new)
            below = new
        return below @ head[0] + head[1], tuple(features)

    return _dropping(Network(init, apply))


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

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        layers, head = _weights(params, hyper)
        kept = _kept(key, slots, (len(x), growth), hyper)
        depth = hyper.scalars["depth"]
        features, here = [], x
        for index, (weights, bias) in enumerate(layers):
            new = kept[index] * jnp.tanh(here @ weights + bias)
            here = jnp.concatenate([here, jnp.where(index < depth, new, 0)], axis=1)
            features.append(here)
        full = here.shape[1]
        wide = tuple(jnp.pad(t, ((0, 0), (0, full - t.shape[1]))) for t in features)
        return here @ head[0] + head[1], wide

    return _dropping(Network(init, apply))


def _dropping(network: Network) -> Network:
    """Units are dropped in training alone: its pass is another one than that of evaluation."""

    def train(params, statistics, x, weights, key, hyper):
        return network.apply(params, x, key, hyper)[0], statistics

    def evaluate(params, statistics, x, key, hyper):
        return network.apply(params, x, None, hyper)[0]

    return network._replace(batch_statistics=BatchStatistics(lambda: (), train, evaluate))


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
    each: Sequence[dict[str, float]],
    pool: Dataset,
    pairs: Supersample,
    shown: Array,
) -> Trained:
    """Train C configurations on the data of R replicas, and show the networks some examples.

    Replica r uses the same data, initial weights and batches in every configuration, so that
    their differences are paired. All configurations share one program.

    Args:
        key: root of the training randomness.
        config: steps, batches and optimiser, with `stacked` or `grown` for a network; `clip` must
            be None for the penalties.
        each: the scalars of every configuration, see `knobs`.
        pool: inputs (N, d0) and labels.
        pairs: of R supersamples, one mask each.
        shown: inputs at which features are wanted, (R, m, d0).
    """
    runs = [replace(config, scalars=scalars) for scalars in each]
    found = [langevin.train(key, run, pool, pairs, weights=True).weights for run in runs]
    weights = jax.tree.map(lambda *a: np.stack(a)[:, :, 0], *found)
    values = {name: np.asarray([s[name] for s in each], np.float32) for name in KNOBS}
    return _shown(config.network, weights, values, shown)


@partial(jax.jit, static_argnums=0)
def _shown(network: Network, weights: Any, values: Any, shown: Array) -> Trained:
    """What the networks say of the examples; leading axes (configurations, replicas)."""

    def one(args: Any) -> Trained:
        params, scalars, x = args
        hyper = Hyper(0.0, 0.0, scalars=scalars)
        _, features = network.apply(params, x, None, hyper)
        return Trained(jnp.stack(features), *params[1])

    def all_of(args: Any) -> Trained:
        params, scalars = args
        return jax.lax.map(lambda pair: one((pair[0], scalars, pair[1])), (params, shown))

    return jax.lax.map(all_of, (weights, values))

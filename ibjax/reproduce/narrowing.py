"""Training of small narrowing networks, many at once, and what their layers say of every input."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Array, JaxArray, Key

WIDTHS = (10, 7, 5, 4, 3)
EDGES = 30
NAMES = ("T1", "T2", "T3", "T4", "T5", "softmax")


class Course(NamedTuple):
    """What was kept of the replicas at the checkpoints.

    Attributes:
        epochs: (c,).
        layers: outputs for every input, by name, (replicas, c, n, d); the last is the softmax.
        train_accuracy: (replicas, c).
        test_accuracy: (replicas, c).
    """

    epochs: np.ndarray
    layers: dict[str, JaxArray]
    train_accuracy: JaxArray
    test_accuracy: JaxArray


def train(
    key: Key,
    x: Array,
    y: Array,
    activation: str,
    checkpoints: Sequence[int],
    *,
    replicas: int = 4,
    widths: Sequence[int] = WIDTHS,
    classes: int = 2,
    share: float = 0.8,
    batch: int = 512,
    learning_rate: float = 4e-4,
    log: Callable[[str], None] = lambda _: None,
) -> Course:
    """Train replicas with Adam on random shares of the inputs; measure on all inputs.

    Weights start from a normal law of standard deviation 1/sqrt(fan in) truncated at two of them,
    biases from zero. An epoch is one shuffled pass in full batches.

    Args:
        key: of the replicas, their splits and their batches.
        x: inputs, (n, d).
        y: classes, (n,).
        activation: "tanh", "relu" or "linear".
        checkpoints: epochs after which to look, ascending, from 0.
        replicas: networks with their own initial weights and splits.
        widths: of the hidden layers.
        classes: of the softmax.
        share: of the inputs that train.
        batch: examples a step.
        learning_rate: of Adam.
        log: told of each checkpoint.

    Returns:
        A `Course`.
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    sizes = (x.shape[1], *widths, classes)
    size = int(share * x.shape[0])
    advance, look, begin = _programs(activation, sizes, size, min(batch, size))
    state = begin(jax.random.split(key, replicas), x, learning_rate)
    kept, done = [], 0
    for epoch in checkpoints:
        state = advance(state, x, y, epoch - done, learning_rate)
        done = epoch
        kept.append(jax.device_get(look(state, x, y)))
        log(f"{activation}: epoch {epoch}, training accuracy {kept[-1][1].mean():.3f}")
    layers = [jnp.stack([k[0][i] for k in kept], axis=1) for i in range(len(sizes) - 1)]
    names = [*(f"T{i + 1}" for i in range(len(widths))), "softmax"]
    return Course(
        np.asarray(checkpoints),
        dict(zip(names, layers)),
        jnp.stack([k[1] for k in kept], axis=1),
        jnp.stack([k[2] for k in kept], axis=1),
    )


class _State(NamedTuple):
    params: Any
    moments: Any
    order: JaxArray
    key: Key


def _programs(activation: str, sizes: tuple[int, ...], size: int, batch: int):
    import optax

    phi = {"tanh": jnp.tanh, "relu": jax.nn.relu, "linear": lambda z: z}[activation]
    adam = optax.flatten(optax.scale_by_adam())

    def outputs(params, x):
        hidden = []
        for w, b in params[:-1]:
            x = phi(x @ w + b)
            hidden.append(x)
        w, b = params[-1]
        return hidden, x @ w + b

    @partial(jax.vmap, in_axes=(0, None, None))
    def begin(key, x, learning_rate):
        keys = jax.random.split(key, len(sizes) + 1)
        params = []
        for k, fan_in, fan_out in zip(keys, sizes, sizes[1:]):
            w = jax.random.truncated_normal(k, -2.0, 2.0, (fan_in, fan_out)) / fan_in**0.5
            params.append((w, jnp.zeros(fan_out)))
        order = jnp.argsort(jax.random.uniform(keys[-2], (x.shape[0],)))
        return _State(params, adam.init(params), order, keys[-1])

    @partial(jax.vmap, in_axes=(0, None, None, None, None))
    def advance(state, x, y, epochs, learning_rate):
        mine, wanted = x[state.order[:size]], y[state.order[:size]]

        def loss(params, xs, ys):
            scores = outputs(params, xs)[1]
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, ys))

        def step(carry, rows):
            params, moments = carry
            gradient = jax.grad(loss)(params, mine[rows], wanted[rows])
            update, moments = adam.update(gradient, moments, params)
            params = jax.tree.map(lambda p, u: p - learning_rate * u, params, update)
            return (params, moments), None

        def epoch(i, carry):
            params, moments, key = carry
            key, now = jax.random.split(key)
            shuffled = jnp.argsort(jax.random.uniform(now, (size,)))
            rows = shuffled[: size // batch * batch].reshape(-1, batch)
            (params, moments), _ = jax.lax.scan(step, (params, moments), rows)
            return params, moments, key

        start = (state.params, state.moments, state.key)
        params, moments, key = jax.lax.fori_loop(0, epochs, epoch, start)
        return _State(params, moments, state.order, key)

    @partial(jax.vmap, in_axes=(0, None, None))
    def look(state, x, y):
        hidden, scores = outputs(state.params, x)
        right = (jnp.argmax(scores, axis=1) == y)[state.order].astype(x.dtype)
        layers = [*hidden, jax.nn.softmax(scores)]
        return layers, jnp.mean(right[:size]), jnp.mean(right[size:])

    return jax.jit(advance), jax.jit(look), jax.jit(begin)

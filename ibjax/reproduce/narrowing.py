"""Training of small narrowing networks, many at once, and what their layers say of every input."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
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
            Of noisy layers the output before its own noise, given one draw of the noise below.
        train_accuracy: (replicas, c).
        test_accuracy: (replicas, c).
        repeats: the same for some inputs under fresh draws, (replicas, c, m, r, d); empty unless
            asked for.
    """

    epochs: np.ndarray
    layers: dict[str, JaxArray]
    train_accuracy: JaxArray
    test_accuracy: JaxArray
    repeats: dict[str, JaxArray]


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
    noise: float = 0.0,
    repeated: tuple[int, int] = (0, 0),
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
        noise: standard deviation of Gaussian noise after each hidden layer, in training and after.
        repeated: m random inputs to look at r times each, with fresh noise.
        log: told of each checkpoint.

    Returns:
        A `Course`.
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    sizes = (x.shape[1], *widths, classes)
    size = int(share * x.shape[0])
    advance, look, begin = _programs(
        activation, sizes, size, min(batch, size), noise > 0, repeated[1]
    )
    some = jax.random.permutation(jax.random.fold_in(key, 1), x)[: repeated[0]]
    state = begin(jax.random.split(key, replicas), x, learning_rate)
    kept, done = [], 0
    for epoch in checkpoints:
        state = advance(state, x, y, epoch - done, learning_rate, noise)
        done = epoch
        kept.append(jax.device_get(look(state, x, y, some, noise)))
        log(f"{activation}: epoch {epoch}, training accuracy {kept[-1][1].mean():.3f}")
    names = [*(f"T{i + 1}" for i in range(len(widths))), "softmax"]
    layers, train_accuracy, test_accuracy, repeats = jax.tree.map(
        lambda *v: jnp.stack(v, axis=1), *kept
    )
    return Course(
        np.asarray(checkpoints),
        dict(zip(names, layers)),
        train_accuracy,
        test_accuracy,
        dict(zip(names, repeats)) if min(repeated) > 0 else {},
    )


class _State(NamedTuple):
    params: Any
    moments: Any
    order: JaxArray
    key: Key


def _programs(
    activation: str, sizes: tuple[int, ...], size: int, batch: int, noisy: bool, draws: int
):
    import optax

    phi = {"tanh": jnp.tanh, "relu": jax.nn.relu, "linear": lambda z: z}[activation]
    adam = optax.flatten(optax.scale_by_adam())

    ends = np.cumsum(sizes[1:-1])

    def outputs(params, x, key, noise):
        # one draw for all layers: each costs compile time
        drawn = jax.random.normal(key, (x.shape[0], ends[-1]), x.dtype) if noisy else None
        hidden = []
        for end, (w, b) in zip(ends, params[:-1]):
            x = phi(x @ w + b)
            hidden.append(x)
            if drawn is not None:
                x = x + noise * drawn[:, end - w.shape[1] : end]
        w, b = params[-1]
        return hidden, x @ w + b

    @partial(jax.vmap, in_axes=(0, None, None))
    def begin(key, x, learning_rate):
        first, second, later = jax.random.split(key, 3)
        shapes = list(pairwise(sizes))
        counts = [fan_in * fan_out for fan_in, fan_out in shapes]
        drawn = jax.random.truncated_normal(first, -2.0, 2.0, (sum(counts),))
        parts = jnp.split(drawn, np.cumsum(counts)[:-1])
        params = [(w.reshape(s) / s[0] ** 0.5, jnp.zeros(s[1])) for w, s in zip(parts, shapes)]
        order = jnp.argsort(jax.random.uniform(second, (x.shape[0],)))
        return _State(params, adam.init(params), order, later)

    @partial(jax.vmap, in_axes=(0, None, None, None, None, None))
    def advance(state, x, y, epochs, learning_rate, noise):
        mine, wanted = x[state.order[:size]], y[state.order[:size]]

        def loss(params, xs, ys, key):
            scores = outputs(params, xs, key, noise)[1]
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, ys))

        def step(carry, rows_and_key):
            params, moments = carry
            rows, key = rows_and_key
            gradient = jax.grad(loss)(params, mine[rows], wanted[rows], key)
            update, moments = adam.update(gradient, moments, params)
            params = jax.tree.map(lambda p, u: p - learning_rate * u, params, update)
            return (params, moments), None

        def epoch(i, carry):
            params, moments, key = carry
            key, now = jax.random.split(key)
            shuffled = jnp.argsort(jax.random.uniform(now, (size,)))
            rows = shuffled[: size // batch * batch].reshape(-1, batch)
            keys = jax.random.split(jax.random.fold_in(now, 1), rows.shape[0])
            (params, moments), _ = jax.lax.scan(step, (params, moments), (rows, keys))
            return params, moments, key

        start = (state.params, state.moments, state.key)
        params, moments, key = jax.lax.fori_loop(0, epochs, epoch, start)
        return _State(params, moments, state.order, key)

    @partial(jax.vmap, in_axes=(0, None, None, None, None))
    def look(state, x, y, some, noise):
        rows = jnp.concatenate([x, jnp.repeat(some, draws, axis=0)])
        hidden, scores = outputs(state.params, rows, jax.random.fold_in(state.key, 1), noise)
        right = (jnp.argmax(scores[: x.shape[0]], axis=1) == y)[state.order].astype(x.dtype)
        every = [*hidden, jax.nn.softmax(scores)]
        layers = [t[: x.shape[0]] for t in every]
        repeats = [t[x.shape[0] :].reshape(len(some), draws, t.shape[1]) for t in every]
        return layers, jnp.mean(right[:size]), jnp.mean(right[size:]), repeats

    return jax.jit(advance), jax.jit(look), jax.jit(begin)

"""Training of small narrowing networks, many at once, and what their layers say of every input."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import langevin
from ibjax.interface import Dataset, Hyper, LayerFacts, Network, Supersample
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
        checkpoints: epochs after which to look, ascending, from 0 to at least 1.
        replicas: networks with their own initial weights and splits.
        widths: of the hidden layers.
        classes: of the softmax.
        share: of the inputs that train.
        batch: examples a step.
        learning_rate: of Adam.
        noise: standard deviation of Gaussian noise after each hidden layer, in training and after.
        repeated: m random inputs to look at r times each, with fresh noise.
        log: told of each checkpoint, at the end.

    Returns:
        A `Course`.
    """
    x, y = np.asarray(x, np.float32), np.asarray(y)
    size = int(share * len(x))
    batch = min(batch, size)
    each = size // batch  # steps an epoch
    key, split, looked = jax.random.split(key, 3)
    orders = jax.vmap(lambda k: jax.random.permutation(k, len(x)))
    order = np.asarray(orders(jax.random.split(split, replicas)))
    rows = order[:, :size]
    # Nothing is tested on a second member of a pair: it is the first one again.
    pairs = Supersample(np.stack([rows, rows], 2), np.zeros((replicas, 1, size), int))
    network = narrowing(activation, (x.shape[1], *widths, classes), noise)
    config = langevin.Config(
        network=network,
        steps=checkpoints[-1] * each,
        batch_size=batch,
        batching="epochs",
        optimizer="adam",
        learning_rate=learning_rate,
        clip=None,
        checkpoints=tuple(epoch * each for epoch in checkpoints),
        noise_draws=1,
    )
    some, draws = jax.random.permutation(looked, x)[: repeated[0]], repeated[1]
    shown = jnp.concatenate([x, jnp.repeat(some, draws, axis=0)])

    def observe(params: Any, key: Key) -> list[JaxArray]:
        clean, _, scores = outputs(params, shown, key if noise > 0 else None, noise, activation)
        return [*clean, jax.nn.softmax(scores)]

    pool = Dataset(x, y, classes, "inputs")
    seen = langevin.train(key, config, pool, pairs, observe=observe).observed
    seen = [layer[:, 0] for layer in seen]
    whole = [layer[:, :, : len(x)] for layer in seen]
    train_accuracy, test_accuracy = _accuracies(whole[-1], y, order, size)
    for epoch, accuracy in zip(checkpoints, train_accuracy.T):
        log(f"{activation}: epoch {epoch}, training accuracy {accuracy.mean():.3f}")
    names = [*(f"T{i + 1}" for i in range(len(widths))), "softmax"]
    shape = (*seen[0].shape[:2], len(some), draws)
    again = [layer[:, :, len(x) :].reshape(*shape, layer.shape[-1]) for layer in seen]
    return Course(
        np.asarray(checkpoints),
        dict(zip(names, whole)),
        train_accuracy,
        test_accuracy,
        dict(zip(names, again)) if min(repeated) > 0 else {},
    )


def _accuracies(law: Array, y: Array, order: np.ndarray, size: int) -> tuple[Any, Any]:
    """Shares of right answers on the first `size` inputs of an order and on the others, (r, c)."""
    right = np.take_along_axis(np.argmax(law, -1) == y, order[:, None], axis=2)
    return np.mean(right[..., :size], axis=2), np.mean(right[..., size:], axis=2)


def narrowing(activation: str, sizes: tuple[int, ...], noise: float) -> Network:
    """Dense layers of these sizes, with Gaussian noise after each hidden one.

    Args:
        activation: "tanh", "relu" or "linear".
        sizes: of the inputs, the hidden layers and the softmax.
        noise: its standard deviation; 0 for none.
    """

    def init(key: Key, x: JaxArray) -> Any:
        shapes = list(pairwise(sizes))
        counts = [fan_in * fan_out for fan_in, fan_out in shapes]
        drawn = jax.random.truncated_normal(key, -2.0, 2.0, (sum(counts),))
        parts = jnp.split(drawn, np.cumsum(counts)[:-1])
        return [(w.reshape(s) / s[0] ** 0.5, jnp.zeros(s[1])) for w, s in zip(parts, shapes)]

    def apply(params: Any, x: JaxArray, key: Key | None, hyper: Hyper):
        _, noisy, scores = outputs(params, x, key if noise > 0 else None, noise, activation)
        return scores, noisy

    def diameter(width: int) -> float:
        return 2 * width**0.5 if activation == "tanh" else math.inf

    hidden = [(f"T{i + 1}", width) for i, width in enumerate(sizes[1:-1])]
    facts = tuple(LayerFacts(name, width, diameter(width), noise) for name, width in hidden)
    return Network(init, apply, facts)


def outputs(
    params: Any, x: JaxArray, key: Key | None, noise: float, activation: str
) -> tuple[tuple[JaxArray, ...], tuple[JaxArray, ...], JaxArray]:
    """Hidden layers before their own noise and after it, and the scores.

    Args:
        params: weights and biases, (w, b) each.
        x: inputs, (n, d).
        key: one draw for all layers, as each costs compile time; None for no noise.
        noise: its standard deviation.
        activation: by name.
    """
    phi = {"tanh": jnp.tanh, "relu": jax.nn.relu, "linear": lambda z: z}[activation]
    ends = np.cumsum([w.shape[1] for w, _ in params[:-1]])
    drawn = None if key is None else jax.random.normal(key, (x.shape[0], int(ends[-1])), x.dtype)
    clean, noisy = [], []
    for end, (w, b) in zip(ends, params[:-1]):
        x = phi(x @ w + b)
        clean.append(x)
        if drawn is not None:
            x = x + noise * drawn[:, end - w.shape[1] : end]
        noisy.append(x)
    w, b = params[-1]
    return tuple(clean), tuple(noisy), x @ w + b

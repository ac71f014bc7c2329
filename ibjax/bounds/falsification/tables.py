"""Exact sums over small tables of probabilities, in NumPy and float64; leading axes are models."""

import functools
import itertools

import numpy as np

from ibjax.typing import Array, Float


def softmax(logits: Float[Array, "*batch k"]) -> np.ndarray:
    """Laws over the last axis; a logit of -inf is a probability of exactly zero."""
    raised = np.exp(logits - np.max(logits, -1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def sigmoid(logits: Float[Array, "*batch"]) -> np.ndarray:
    """Numbers in [0, 1], both ends reached in float64."""
    return np.where(logits < -36, 0.0, 1 / (1 + np.exp(-np.maximum(logits, -36))))


def normal(x: Float[Array, "*batch"]) -> np.ndarray:
    """Density of the standard normal law."""
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def mutual(table: Float[Array, "*batch a b"]) -> np.ndarray:
    """Mutual information of the last two axes, times the mass of the table, in nats.

    ``sum q ((1 + u) log(1 + u) - u)``, q the product law and u = p/q - 1: exact in relative terms
    also where p and q nearly agree, which is where the bounds are tight.
    """
    rows, columns = table.sum(-1, keepdims=True), table.sum(-2, keepdims=True)
    total = rows.sum(-2, keepdims=True)
    apart = rows * columns
    safe = np.where(apart > 0, apart, 1.0)
    u = np.where(apart > 0, (table * total - apart) / safe, 0.0)
    grown = np.maximum(1 + u, 0.0)
    logs = np.log1p(np.where(grown > 0, u, 0.0))
    mass = apart / np.where(total > 0, total, 1.0)
    return np.maximum(np.sum(mass * (grown * logs - u), (-2, -1)), 0.0)


def divergence(p: Float[Array, "*batch k"], q: Float[Array, "*batch k"]) -> np.ndarray:
    """KL of p from q over the last axis, in nats; 0 where both are tables of zeros."""
    safe = np.where(q > 0, q, 1.0)
    u = np.where(q > 0, (p - q) / safe, 0.0)
    grown = np.maximum(1 + u, 0.0)
    value = np.sum(q * (grown * np.log1p(np.where(grown > 0, u, 0.0)) - u), -1)
    return np.where(np.any((p > 0) & (q <= 0), -1), np.inf, value)


def unit(x: Array) -> np.ndarray:
    """Probabilities and mean losses that rounding took out of [0, 1], back at its ends."""
    return np.clip(x, 0.0, 1.0)


def divide(a: Array, b: Array) -> np.ndarray:
    """The ratio a/b, 0 where b is 0."""
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), 0.0)


@functools.cache
def words(letters: int, length: int) -> np.ndarray:
    """All words of a length over an alphabet, first letter slowest: (letters^length, length)."""
    return np.array(list(itertools.product(range(letters), repeat=length))).reshape(-1, length)


def one_hot(codes: Array, size: int) -> np.ndarray:
    """Zeros and a one at each code, on a new last axis."""
    return (np.asarray(codes)[..., None] == np.arange(size)).astype(float)


def coefficients(channels: Float[Array, "*batch w a b"]) -> tuple[np.ndarray, np.ndarray]:
    """Largest KL and total-variation coefficients of the channels over the weights w.

    ``eta = max over pairs of rows P, R and p of 1 - sum_y P R / ((1 - p) P + p R)``

    The function is concave in p: its maximum is bisected on the slope. All entries must be
    positive, so that none sits at an end. Apart from `contraction.kl`, which it checks.
    """
    left, right = np.triu_indices(channels.shape[-2], 1)
    first, second = channels[..., left, :], channels[..., right, :]
    low, high = np.zeros(first.shape[:-1]), np.ones(first.shape[:-1])
    both = first * second
    for _ in range(52):
        middle = ((low + high) / 2)[..., None]
        mixed = (1 - middle) * first + middle * second  # no cancellation at either end
        rising = np.sum(both * (second - first) / mixed**2, -1) > 0
        low, high = np.where(rising, middle[..., 0], low), np.where(rising, high, middle[..., 0])
    middle = ((low + high) / 2)[..., None]
    kept = (first - second) ** 2 / ((1 - middle) * first + middle * second)
    kl = np.max((middle * (1 - middle) * kept).sum(-1), -1)
    tv = np.max(np.abs(first - second).sum(-1) / 2, -1)
    return np.minimum(kl.max(-1), 1.0), np.minimum(tv.max(-1), 1.0)

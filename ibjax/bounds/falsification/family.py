"""What a family of exactly solved models is, and how its tables are drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ibjax.typing import Array

Tables = dict[str, np.ndarray]
"""Unconstrained parameters of models by name (logits of laws, losses, kernels), models first."""


@dataclass(frozen=True)
class Family:
    """Models of one shape: how to draw their parameters, and how to solve them.

    Attributes:
        name: for tables.
        summary: one line for people.
        facts: what all its models share, known without solving (n, sigma, num_classes, ...).
        draw: ``(rng, count) -> tables`` with the models on the first axis of each.
        solve: ``tables -> fields``, exact quantities by name; pure NumPy in float64.
        share: part of the models asked for that is drawn; below 1 where solving is slow.
    """

    name: str
    summary: str
    facts: Mapping[str, Any]
    draw: Callable[[np.random.Generator, int], Tables]
    solve: Callable[[Tables], dict[str, Array]]
    share: float = 1.0


def spread(
    rng: np.random.Generator, count: int, low: float, high: float, *shape: int
) -> np.ndarray:
    """Normal logits whose scale is drawn for each model, evenly in its logarithm."""
    scale = np.exp(rng.uniform(np.log(low), np.log(high), (count, *(1,) * len(shape))))
    return scale * rng.normal(size=(count, *shape))


def some(rng: np.random.Generator, count: int, share: float, *axes: int) -> np.ndarray:
    """A flag for each model, true with probability `share`, with `axes` axes of length one."""
    return rng.random((count, *axes)) < share


def temperatures(rng: np.random.Generator, count: int, *axes: int) -> np.ndarray:
    """Weights of the training loss in a learner: none, little, much, or the wrong way round."""
    size = np.exp(rng.uniform(np.log(0.01), np.log(100.0), (count, *axes)))
    sign = rng.choice([-1.0, 0.0, 1.0], (count, *axes), p=[0.1, 0.1, 0.8])
    return sign * size

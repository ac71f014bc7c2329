"""Activations by name, with the range that decides the diameter of a layer's output."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.signatures import enforced
from ibjax.typing import JaxArray


class Activation(NamedTuple):
    """A scalar function and the interval it maps the real line into."""

    function: Callable[[Any], JaxArray]
    low: float
    high: float


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(jnp.tanh, -1.0, 1.0),
    "sigmoid": Activation(jax.nn.sigmoid, 0.0, 1.0),
    "erf": Activation(jax.scipy.special.erf, -1.0, 1.0),
    "hard_tanh": Activation(jax.nn.hard_tanh, -1.0, 1.0),
    "relu6": Activation(jax.nn.relu6, 0.0, 6.0),
    "sin": Activation(jnp.sin, -1.0, 1.0),
    "relu": Activation(jax.nn.relu, 0.0, math.inf),
    "gelu": Activation(jax.nn.gelu, -0.17, math.inf),
    "softplus": Activation(jax.nn.softplus, 0.0, math.inf),
    "identity": Activation(lambda x: x, -math.inf, math.inf),
}


@enforced
def activation(name: str) -> Activation:
    """The activation called `name`.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(
            f"activation name={name!r} is unknown; choose one of {sorted(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]


@enforced
def diameter(name: str, width: int) -> float:
    """Euclidean diameter of the image of `width` units: (high - low) * sqrt(width).

    Holds for every input and weight setting, which is what a certificate needs; inf where the
    activation is unbounded.
    """
    act = activation(name)
    return (act.high - act.low) * math.sqrt(whole("width", width))

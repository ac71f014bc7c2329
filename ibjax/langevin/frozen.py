"""Functions of the user's told apart by what they compute, and not only by which object they are.

A compiled program holds a schedule or a loss as it was when it was traced. A function that reads a
variable of its surroundings may be another one later and the same object: its program must not be
taken for the new one, since the evidence would state the new step sizes beside the old training.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Frozen:
    """A function and what it computed when it was looked at; equal to another if both are.

    Attributes:
        function: of arrays.
        computes: digest of its operations and constants.
    """

    function: Callable[..., Any]
    computes: str

    def __call__(self, *arguments: Any) -> Any:
        """The function itself."""
        return self.function(*arguments)


def frozen(function: Callable[..., Any], *arguments: Any) -> Frozen:
    """A function with what it computes now.

    Args:
        function: or one that was frozen before.
        arguments: arrays, or shapes of arrays, to trace it with.
    """
    plain = function.function if isinstance(function, Frozen) else function
    return Frozen(plain, computed(plain, *arguments))


def frozen_schedule(schedule: Callable[[Any], Any]) -> Frozen:
    """A schedule of the step count with what it computes now."""
    return frozen(schedule, np.int32(0))


def frozen_loss(loss: Callable[..., Any], num_classes: int, known: Any) -> Any:
    """A loss of logits and labels with what it computes now; a known one as it is."""
    if loss is known:
        return loss
    shapes = ((2, num_classes), jnp.float32), ((2,), jnp.int32)
    return frozen(loss, *(jax.ShapeDtypeStruct(*s) for s in shapes))


def computed(function: Callable[..., Any], *arguments: Any) -> str:
    """Digest of the operations and constants of a function, traced anew."""
    traced = jax.make_jaxpr(lambda *given: function(*given))(*arguments)
    parts = [str(traced.jaxpr).encode(), *(np.asarray(c).tobytes() for c in traced.consts)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def check_settled(name: str, schedule: Any) -> None:
    """Refuse a schedule that gives other numbers each time it is called.

    Raises:
        ValueError: naming it.
    """
    if frozen_schedule(schedule) != frozen_schedule(schedule):
        raise ValueError(
            f"{name} is a schedule that computes something else each time it is called (random "
            "numbers, a counter): the steps of training would not be those that bounds count; give "
            "a function of the step alone"
        )

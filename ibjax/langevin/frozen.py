"""Functions of the user's told apart by what they compute, and not only by which object they are.

A compiled program holds schedules, loss and network as they were when it was traced. A function
that reads a variable of its surroundings may be another one later and the same object: its program
must not be taken for the new one, since the evidence would state the new step sizes beside the old
training, or layers whose noise was checked when there was some.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import Hyper, Network


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


def frozen_loss(loss: Callable[..., Any], num_classes: int) -> Frozen:
    """A loss of logits and labels with what it computes now."""
    shapes = ((2, num_classes), jnp.float32), ((2,), jnp.int32)
    return frozen(loss, *(jax.ShapeDtypeStruct(*s) for s in shapes))


def frozen_network(network: Network, x: Any, hyper: Hyper) -> Network:
    """A network with what its functions compute now; as it is where they cannot be traced.

    Args:
        network: the network.
        x: inputs, (2, ...), or their shape.
        hyper: scalars it is given.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        init = frozen(network.init, key, x)
        params = jax.eval_shape(init, key, x)
        apply = frozen(network.apply, params, x, key, hyper)
    except Exception:  # it is refused with a word on why where it is looked at
        return network
    return network._replace(init=init, apply=apply)


def computed(function: Callable[..., Any], *arguments: Any) -> str:
    """Digest of the operations and constants of a function, traced anew."""
    traced = jax.make_jaxpr(lambda *given: function(*given))(*arguments)
    # Rules of derivatives are printed with their addresses, which are new in every trace.
    operations = re.sub(r" at 0x[0-9a-f]+", "", str(traced.jaxpr))
    parts = [operations.encode(), *(_bytes(c) for c in traced.consts)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _bytes(constant: Any) -> bytes:
    if jnp.issubdtype(constant.dtype, jax.dtypes.prng_key):
        constant = jax.random.key_data(constant)
    return np.asarray(constant).tobytes()


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

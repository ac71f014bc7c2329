"""Schedules, losses and networks of the user's told apart by what they compute; see `frozen`.

The evidence would otherwise state the new step sizes beside the old training, or layers whose noise
was checked when there was some.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.frozen import Frozen, computed, frozen, plain
from ibjax.interface import BatchStatistics, Hyper, Network


def frozen_schedule(schedule: Callable[[Any], Any]) -> Frozen:
    """A schedule of the step count with what it computes now."""
    return frozen(schedule, np.int32(0))


def frozen_loss(loss: Callable[..., Any], num_classes: int) -> Frozen:
    """A loss of logits and labels with what it computes now."""
    shapes = ((2, num_classes), jnp.float32), ((2,), jnp.int32)
    return frozen(loss, *(jax.ShapeDtypeStruct(*s) for s in shapes), derived=True)


def frozen_network(network: Network, x: Any, hyper: Hyper) -> Network:
    """A network with what its functions compute now; as it is where they cannot be traced.

    Args:
        network: the network.
        x: inputs, (2, ...), or their shape.
        hyper: scalars it is given.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    changed: dict[str, Any] = {}
    try:
        changed["init"] = frozen(network.init, key, x)
        params = jax.eval_shape(changed["init"], key, x)
        given = params, x, key, hyper
        changed["apply"] = frozen(network.apply, *given, derived=True)
        if network.taps is not None and network.tap_shapes is not None:
            shapes = plain(network.tap_shapes)

            def of_taps(params: Any) -> Any:
                return shapes(params, x.shape[0])

            zeros = jax.eval_shape(of_taps, params)
            changed["tap_shapes"] = Frozen(shapes, computed(of_taps, params))
            changed["taps"] = frozen(network.taps, *given, zeros)
            if network.assemble is not None:
                inputs = jax.eval_shape(changed["taps"], *given, zeros)[1]
                changed["assemble"] = frozen(network.assemble, params, inputs, zeros)
        if network.trainable is not None:
            changed["trainable"] = frozen(network.trainable, params, hyper)
        if network.batch_statistics is not None:
            changed["batch_statistics"] = _frozen_passes(network.batch_statistics, *given)
    except Exception:  # it is refused with a word on why where it is looked at
        return network
    return network._replace(**changed)


def _frozen_passes(passes: BatchStatistics, params: Any, x: Any, key: Any, hyper: Hyper) -> Any:
    init = frozen(passes.init)
    kept = jax.eval_shape(init)
    changed: dict[str, Any] = {"init": init}
    rows = x
    if passes.prepare is not None:
        changed["prepare"] = frozen(passes.prepare, x)
        rows = jax.eval_shape(changed["prepare"], x)
    weights = jax.ShapeDtypeStruct(x.shape[:1], jnp.float32)
    changed["train"] = frozen(passes.train, params, kept, rows, weights, key, hyper, derived=True)
    changed["evaluate"] = frozen(passes.evaluate, params, kept, x, key, hyper)
    return passes._replace(**changed)


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

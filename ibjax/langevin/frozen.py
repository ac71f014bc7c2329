"""Functions of the user's told apart by what they compute, and not only by which object they are.

A compiled program holds schedules, loss and network as they were when it was traced. A function
that reads a variable of its surroundings may be another one later and the same object: its program
must not be taken for the new one, since the evidence would state the new step sizes beside the old
training, or layers whose noise was checked when there was some.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ibjax.interface import BatchStatistics, Hyper, Network

_JITTED = type(jax.jit(lambda: None))


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


def frozen(function: Callable[..., Any], *arguments: Any, derived: bool = False) -> Frozen:
    """A function with what it computes now.

    Of a jitted one it is the function within: the cache of traces that comes with it would give
    what it computed before at some shapes, and what it computes now at others.

    Args:
        function: or one that was frozen before.
        arguments: arrays, or shapes of arrays, to trace it with.
        derived: look at its derivative in the first argument as well, which it may have a rule for.
    """
    plain = _plain(function)
    return Frozen(plain, computed(plain, *arguments, derived=derived))


def unjitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function within a jitted one, else itself."""
    while isinstance(function, _JITTED):
        function = getattr(function, "__wrapped__")  # noqa: B009 (no stub states it)
    return function


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return unjitted(function.function if isinstance(function, Frozen) else function)


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
            shapes = _plain(network.tap_shapes)

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


def computed(function: Callable[..., Any], *arguments: Any, derived: bool = False) -> str:
    """Digest of the operations and constants of a function, traced anew.

    Constants are taken wherever they are held: by the function, or by one within it. What the
    function asks Python for at run time cannot be seen, and has never the same digest.

    Args:
        function: of arrays.
        arguments: to trace it with.
        derived: include the gradient, in the first argument, of the sum of its first output.
    """
    traces = [jax.make_jaxpr(lambda *given: function(*given))(*arguments)]
    if derived:

        def total(*given: Any) -> Any:
            out = function(*given)
            return jnp.sum(out[0] if isinstance(out, tuple) else out)

        traces.append(jax.make_jaxpr(jax.grad(total))(*arguments))
    digest = hashlib.sha256()
    for traced in traces:
        # Rules of derivatives are printed with their addresses, which are new in every trace.
        digest.update(re.sub(r" at 0x[0-9a-f]+", "", str(traced.jaxpr)).encode())
        for part in _held(traced):
            digest.update(b"\0" + part)
    return digest.hexdigest()


def _held(value: Any) -> Iterator[bytes]:
    """Constants of a traced function and of all within it."""
    if isinstance(value, ClosedJaxpr):
        for constant in value.consts:
            yield _bytes(constant)
        yield from _held(value.jaxpr)
    elif isinstance(value, Jaxpr):
        for operation in value.eqns:
            if operation.primitive.name in ("pure_callback", "io_callback"):
                yield uuid.uuid4().bytes
            for variable in operation.invars:
                if isinstance(variable, Literal):
                    yield _bytes(variable.val)
            yield from _held(list(operation.params.values()))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _held(one)
    elif isinstance(value, (np.ndarray, jax.Array)):
        yield _bytes(value)


def _bytes(constant: Any) -> bytes:
    if jnp.issubdtype(getattr(constant, "dtype", np.float64), jax.dtypes.prng_key):
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

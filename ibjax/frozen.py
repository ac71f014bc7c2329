"""Functions of the user's told apart by what they compute, and not only by which object they are.

A compiled program holds a function as it was when it was traced. One that reads a variable of its
surroundings may be another function later and the same object: its program must not be taken for
that of the new one, whose numbers would be those of the old.
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

from ibjax.arguments import concrete

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
    within = plain(function)
    return Frozen(within, computed(within, *arguments, derived=derived))


def unjitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function within a jitted one, else itself."""
    while isinstance(function, _JITTED):
        function = getattr(function, "__wrapped__")  # noqa: B009 (no stub states it)
    return function


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself of one that was frozen or jitted."""
    return unjitted(function.function if isinstance(function, Frozen) else function)


def frozen_elementwise(function: Any) -> Any:
    """A function of numbers with what it computes now; what is none, or no such, as it is."""
    if not callable(function):
        return function
    try:
        return frozen(function, jax.ShapeDtypeStruct((2,), jnp.float32), derived=True)
    except Exception:  # it is refused, or evaluated, where it is used
        return function


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
    if not concrete(constant):  # of a trace around this one, where it is no number
        return uuid.uuid4().bytes
    if jnp.issubdtype(getattr(constant, "dtype", np.float64), jax.dtypes.prng_key):
        constant = jax.random.key_data(constant)
    return np.asarray(constant).tobytes()

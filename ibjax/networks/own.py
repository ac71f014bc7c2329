"""A user's own flax module trained as it is, with the dropout and statistics it has.

A module that draws random numbers or keeps running state in training is outside the trajectory
theorems, so what the engine measures of it is its predictions: bounds from supersamples hold as
they do for any algorithm. A module without either becomes the plain network of `from_linen` or
`from_nnx`, and every bound applies.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp

from ibjax.interface import BatchStatistics, Hyper, Network
from ibjax.networks.adapters import LEFT_BEHIND, MoreThanParameters, adapted, from_linen, from_nnx
from ibjax.randomness import pinned
from ibjax.signatures import enforced
from ibjax.typing import Array as AnyArray
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

_MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
    "inference": False,
}
"""Arguments of a call by which modules are told that they are trained, with that value."""


class _Calls(NamedTuple):
    """The ways to call a module, as pure functions.

    Attributes:
        init: ``(key, x) -> params``.
        state: ``x -> running state`` before the first step.
        train: ``(params, state, x, key) -> (logits, state)``.
        evaluate: ``(params, state, x, key) -> logits``.
    """

    init: Callable[..., Any]
    state: Callable[..., Any]
    train: Callable[..., tuple[Any, Any]]
    evaluate: Callable[..., Any]


@enforced
def from_module(module: Any, x: AnyArray) -> Network:
    """A `Network` from a flax module as it is.

    Whether it is trained or evaluated, a module is told by an argument of its call (``train``,
    ``training``, ``is_training``, ``deterministic`` or ``use_running_average``) and, in nnx, by
    ``train()`` and ``eval()``. One that then neither draws nor changes anything becomes the plain
    network of `from_linen` or `from_nnx`. Any other gets ``batch_statistics``: it trains with its
    own dropout and running statistics, one draw of them a step for the whole batch, and is
    evaluated with the statistics that training left. Rows of bounds that follow the trajectory
    are then missing; train it with ``clip=None`` and ``account=False``.

    Args:
        module: a flax.linen module; for nnx a class, or a function ``rngs -> module``; a
            `Network` is returned as it is.
        x: some inputs (n, ...), for their shape and type.

    Returns:
        A network whose parameters keep their types at its calls.

    Raises:
        ValueError: for what is none of these, with the adapter to use; for a module that changes
            its state when it is evaluated, or cannot be called on `x` with nothing else.
    """
    if isinstance(module, Network):
        return module
    example = jnp.zeros((1, *x.shape[1:]), x.dtype)
    if isinstance(module, nn.Module):
        return _settled(type(module).__name__, _linen(module), example, lambda: _strict(module))
    make = _maker(module)
    if make is None:
        return adapted(module)
    owner = getattr(module, "__name__", "network")
    return _settled(owner, _nnx(make), example, lambda: from_nnx(make))


def _settled(owner: str, calls: _Calls, example: Array, strict: Callable[[], Network]) -> Network:
    """The plain network where there is one, else the one that trains as it is."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    several = jax.ShapeDtypeStruct((3, *example.shape[1:]), example.dtype)
    try:
        plain = strict()
        params = jax.eval_shape(plain.init, key, example)
        for x in (example, several):
            jax.eval_shape(plain.apply, params, x, key, Hyper(1.0, 1.0))
        return plain
    except MoreThanParameters:
        pass
    except Exception as error:  # the user's own code may fail in any way
        if _ours(error):
            raise
        raise ValueError(_uncalled(owner, example, error)) from error
    try:
        params = jax.eval_shape(calls.init, key, example)
        state = jax.eval_shape(calls.state, example)
        for x in (example, several):
            found, _ = jax.eval_shape(calls.train, params, state, x, key)
            jax.eval_shape(calls.evaluate, params, state, x, key)
    except flax.errors.ModifyScopeVariableError as error:
        raise ValueError(
            f"{owner} changes its running state when it is evaluated ({_first(error)}): give its "
            "call an argument train, and BatchNorm use_running_average=not train"
        ) from error
    except Exception as error:
        if _ours(error):
            raise
        raise ValueError(_uncalled(owner, example, error)) from error
    if not hasattr(found, "dtype"):
        raise ValueError(
            f"network={owner} gives a {type(found).__name__}; its call must give logits, or "
            "(logits, features)"
        )
    return _own(calls, example, params)


def _own(calls: _Calls, example: Array, like: Any) -> Network:
    """The network of a module that draws or keeps more than parameters."""

    def down(params: Any) -> Any:
        # the engine keeps parameters in float32; the module sees the type it declared
        return jax.tree.map(lambda p, s: p.astype(s.dtype), params, like)

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        key = jax.random.key(0) if key is None else key
        return calls.evaluate(params, calls.state(example), x, key), ()

    def train(params, state, x, weights, key, hyper):
        if weights is not None and jax.tree.leaves(state):
            raise ValueError(
                "batching='poisson' counts examples zero or more times, which running statistics "
                "cannot; choose another batching"
            )
        logits, after = calls.train(down(params), state, x, key)
        return logits.astype(jnp.float32), after

    def evaluate(params, state, x, key, hyper):
        return calls.evaluate(down(params), state, x, key).astype(jnp.float32)

    statistics = BatchStatistics(lambda: calls.state(example), train, evaluate)
    return Network(calls.init, apply, batch_statistics=statistics)


def _linen(module: nn.Module) -> _Calls:
    modes = _modes(type(module).__call__)

    def initial(key: Key, x: Array) -> Any:
        return module.init({"params": key}, x, **modes(False))

    def others(variables: Any) -> Any:
        return {k: v for k, v in variables.items() if k not in ("params", *LEFT_BEHIND)}

    def train(params: Any, state: Any, x: Array, key: Key):
        variables, rngs = {"params": params, **state}, {"params": key}
        out, after = module.apply(variables, x, rngs=rngs, mutable=list(state), **modes(True))
        return _logits(out), {**state, **after}

    def evaluate(params: Any, state: Any, x: Array, key: Key):
        variables, rngs = {"params": params, **state}, {"params": key}
        return _logits(module.apply(variables, x, rngs=rngs, **modes(False)))

    return _Calls(
        lambda key, x: initial(key, x).get("params", {}),
        lambda x: others(initial(jax.random.key(0), x)),
        train,
        evaluate,
    )


def _strict(module: nn.Module) -> Network:
    modes = _modes(type(module).__call__)
    return from_linen(module, arguments=modes(True)) if modes(True) else adapted(module)


def _nnx(make: Callable[..., Any]) -> _Calls:
    from flax import nnx

    def split(key: Key) -> Any:
        return nnx.split(make(nnx.Rngs(key)), nnx.Param, nnx.RngState, ...)

    def called(params: Any, state: Any, x: Array, key: Key, training: bool):
        graph, own, rngs, rest = split(key)
        nnx.replace_by_pure_dict(own, params)
        nnx.replace_by_pure_dict(rest, state)
        module = nnx.merge(graph, own, rngs, rest)
        (module.train if training else module.eval)()
        out = module(x, **_modes(type(module).__call__)(training))
        after: Any = nnx.split(module, nnx.Param, nnx.RngState, ...)[3]
        return _logits(out), nnx.to_pure_dict(after)

    return _Calls(
        lambda key, x: nnx.to_pure_dict(split(key)[1]),
        lambda x: nnx.to_pure_dict(split(jax.random.key(0))[3]),
        lambda params, state, x, key: called(params, state, x, key, True),
        lambda params, state, x, key: called(params, state, x, key, False)[0],
    )


def _maker(given: Any) -> Callable[..., Any] | None:
    """A function ``rngs -> nnx module``: what was given, or the class of such modules."""
    from flax import nnx

    names = parameters(given)
    if isinstance(given, type):
        kind: Any = given
        return (lambda rngs: kind(rngs=rngs)) if issubclass(given, nnx.Module) else None
    plain = callable(given) and not isinstance(given, nnx.Module) and len(names) == 1
    return given if plain else None


def parameters(function: Any) -> tuple[str, ...]:
    """Names of what a function or class is called with, but those of flax itself."""
    from flax import nnx

    own = isinstance(function, type) and issubclass(function, nnx.Module)
    try:
        found = inspect.signature(function.__init__ if own else function).parameters
    except (TypeError, ValueError):
        return ()
    return tuple(name for name in found if name not in ("self", "parent", "name"))


def _modes(call: Any) -> Callable[[bool], dict[str, Any]]:
    """What a call is told in training, and in evaluation."""
    names = [name for name in inspect.signature(call).parameters if name in _MODES]
    return lambda training: {name: _MODES[name] == training for name in names}


def _logits(out: Any) -> Any:
    """The logits of a call that may give features besides."""
    return out[0] if isinstance(out, tuple) and len(out) == 2 else out


def _ours(error: Exception) -> bool:
    """Whether it is a refusal of this library, which says what to do."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else str(frame.tb_frame.f_globals.get("__name__"))
    return isinstance(error, ValueError) and where.startswith("ibjax.")


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def _uncalled(owner: str, example: Array, error: Exception) -> str:
    return (
        f"network={owner} cannot be called on inputs {example.shape} of {example.dtype} "
        f"({type(error).__name__}: {_first(error)}); its call must take a batch and, if need be, "
        f"one of {', '.join(_MODES)}"
    )


@enforced
@pinned()
def digest(network: Any, x: AnyArray, num_classes: int) -> str:
    """Hash of what a network computes: its programs with their constants, its layers' facts.

    Two processes give the same hash for the same code, whatever JAX is set to; another
    initialiser, constant or layer gives another one.

    Args:
        network: a description, or a `Network`.
        x: some inputs (n, ...), for their shape and type.
        num_classes: number of logits.

    Raises:
        ValueError: for a network whose programs change from one call to the next.
    """
    if not isinstance(network, Network):
        return hashlib.sha256(repr(network).encode()).hexdigest()[:16]
    found = _programs(network, x, num_classes)
    if found != _programs(network, x, num_classes):
        raise ValueError(
            "network computes something else each time it is called: it draws random numbers "
            "outside of JAX, reads a clock or counts its calls; one program is made of it, which "
            "would keep what it drew first. Draw by flax (make_rng, nnx.Rngs), or make them "
            "parameters"
        )
    return found


def _programs(network: Network, x: AnyArray, num_classes: int) -> str:
    """Hash of the programs of a network as they are traced now."""
    example = jax.ShapeDtypeStruct((num_classes + 1, *x.shape[1:]), x.dtype)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(network.init, key, example)
    scalars = jax.tree.map(lambda _: jax.ShapeDtypeStruct((), jnp.float32), Hyper(0.0, 0.0))
    programs = [(network.init, (key, example)), (network.apply, (params, example, key, scalars))]
    own = network.batch_statistics
    if own is not None:
        state = jax.eval_shape(own.init)
        programs += [
            (own.init, ()),
            (lambda *a: own.train(*a[:3], None, *a[3:]), (params, state, example, key, scalars)),
        ]
    found = hashlib.sha256(repr((network.layers, jax.tree.structure(params))).encode())
    for function, arguments in programs:
        found.update(jax.jit(lambda *a, f=function: f(*a)).lower(*arguments).as_text().encode())
    return found.hexdigest()[:16]

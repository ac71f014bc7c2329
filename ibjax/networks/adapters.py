"""A user's own flax module, linen or nnx, as a `Network` of the engine."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import flax.errors
import flax.linen as nn
import jax

from ibjax.interface import Hyper, LayerFacts, Network
from ibjax.networks.claimed import Calls, check_facts
from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

LEFT_BEHIND = ("intermediates", "perturbations")
"""Collections a linen module writes for others to look at, which no later call reads."""


class MoreThanParameters(ValueError):
    """A module draws random numbers of its own, or keeps state besides its parameters."""


@enforced
def from_linen(
    module: nn.Module,
    layers: Sequence[LayerFacts] = (),
    *,
    arguments: Mapping[str, Any] | None = None,
) -> Network:
    """A `Network` from a flax.linen module.

    The module maps a batch to logits, or to ``(logits, features)``. What it draws itself would
    not be drawn again at evaluation, so noise and dropout are stated in `layers` and **added
    here**: the output of each submodule named there is projected on the ball around 0 of the
    stated diameter, dropped out and disturbed by Gaussian noise of the stated standard
    deviation, and the module goes on with the result. A diameter is thus enforced; it changes
    nothing where the output cannot leave the ball: give 2 sqrt(w) / (1 - dropout) for w tanh
    units, and inf to leave outputs as they are (which then contract nothing).

    Args:
        module: the linen module; parameters only, no batch statistics.
        layers: facts of hidden layers, in the order of their calls. ``name`` is the path of a
            submodule called once, such as ``"Dense_0"`` or ``"block/Dense_1"``; ``width`` the
            numbers an example has at its output. The whole network must pass through each layer
            with noise or dropout: a skip connection round one is refused before training.
        arguments: what its call is given besides the batch, such as ``{"train": False}``.

    Returns:
        A network whose features are the disturbed outputs of the layers stated, or the module's
        own where none are.

    Raises:
        ValueError: at once for impossible facts; at `init` and `apply` for a name that is no
            submodule called once and in turn, another width, or a module that keeps more than
            parameters or draws random numbers itself.
    """
    facts = check_facts(layers)
    owner, more = type(module).__name__, dict(arguments or {})

    def called(variables: Any, x: Array, key: Key | None, function: Callable[..., Any]):
        calls, running = Calls(owner, facts, key, x.shape[0]), set()

        def intercept(proceed: Any, args: Any, kwargs: Any, context: Any) -> Any:
            path = context.module.path
            # a call of the parent class's method within is part of the same call
            if context.method_name != "__call__" or path in running:
                return proceed(*args, **kwargs)
            running.add(path)
            try:
                out = proceed(*args, **kwargs)
            finally:
                running.remove(path)
            return calls.output("/".join(path), out)

        try:
            with nn.intercept_methods(intercept):
                out = function(variables, x, **more)
        except flax.errors.InvalidRngError as error:
            raise MoreThanParameters(_draws(owner, str(error).splitlines()[0])) from None
        calls.finish()
        return out, calls

    def init(key: Key, x: Array) -> Any:
        (_, variables), _ = called(key, x, None, module.init_with_output)
        others = [name for name in variables if name not in ("params", *LEFT_BEHIND)]
        _only_parameters(owner, others)
        return variables.get("params", {})

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        out, calls = called({"params": params}, x, key, module.apply)
        return _with_features(out, calls)

    return Network(init, apply, facts)


@enforced
def from_nnx(make: Callable[..., Any], layers: Sequence[LayerFacts] = ()) -> Network:
    """A `Network` from a function that makes a flax.nnx module.

    Variables that are no parameters are constants, made from a fixed key; a call that changes
    any (running statistics, counters, its own random numbers) is refused.

    Args:
        make: ``rngs -> module``, for instance ``lambda rngs: MyNet(64, rngs=rngs)``; the module
            maps a batch to logits, or to ``(logits, features)``.
        layers: facts of hidden layers, as for `from_linen`: ``name`` is the path of attributes
            to a submodule, such as ``"hidden"`` or ``"layers/0"``; noise and dropout are added
            to its output, which is kept within the diameter.

    Raises:
        ValueError: at once for impossible facts; at `init` and `apply` as `from_linen`.
    """
    from flax import nnx

    facts = check_facts(layers)

    def split(key: Key):
        module = make(nnx.Rngs(jax.random.fold_in(key, 1), params=key))
        if not isinstance(module, nnx.Module):
            raise ValueError(
                f"make gives {module!r}; give a function of rngs that makes an nnx module, such as "
                "lambda rngs: MyNet(64, rngs=rngs)"
            )
        return nnx.split(module, nnx.Param, ...)

    def called(graph: Any, state: Any, rest: Any, x: Array, key: Key | None):
        kept = {path: (v.type, v.get_value()) for path, v in nnx.to_flat_state(rest)}
        module = nnx.merge(graph, state, rest)
        owner = type(module).__name__
        calls = Calls(owner, facts, key, x.shape[0])
        names = {"/".join(map(str, path)): part for path, part in nnx.iter_modules(module)}
        for name, part in names.items():
            if name and callable(part):
                _observe(part, lambda out, name=name: calls.output(name, out))
        out = module(x)
        for part in names.values():
            _release(part)
        calls.finish(tuple(names))
        after: Any = nnx.split(module, nnx.Param, ...)[2]
        kinds = {t.__name__ for t, _ in kept.values() if issubclass(t, nnx.BatchStat)}
        for path, variable in nnx.to_flat_state(after):
            if path not in kept or kept[path][1] is not variable.get_value():
                kinds.add(variable.type.__name__)
        if kinds & {"RngCount", "RngKey"}:
            raise MoreThanParameters(_draws(owner, "its random stream moves on when it is called"))
        _only_parameters(owner, sorted(kinds))
        return out, calls

    def init(key: Key, x: Array) -> Any:
        graph, params, rest = split(key)
        called(graph, params, rest, x, None)
        return nnx.to_pure_dict(params)

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        graph, state, rest = split(jax.random.key(0))
        nnx.replace_by_pure_dict(state, params)
        return _with_features(*called(graph, state, rest, x, key))

    return Network(init, apply, facts)


@enforced
def adapted(module: Any) -> Network:
    """A flax module passed as it is, without facts of its layers, as a `Network`.

    Raises:
        ValueError: for what must be given otherwise, naming how.
    """
    kind = module if isinstance(module, type) else type(module)
    name = kind.__name__
    if isinstance(module, nn.Module):
        try:
            return _cached(module)
        except TypeError:  # fields that cannot be hashed
            return from_linen(module)
    if any(k.__module__.startswith("flax.nnx") for k in kind.__mro__):
        raise ValueError(
            f"network={name} is an nnx module: every replica needs one of its own, so give "
            f"networks.from_nnx(lambda rngs: {name}(..., rngs=rngs))"
        )
    if isinstance(module, type):
        raise ValueError(f"network={name} is a class; give an instance, such as {name}(...)")
    raise ValueError(
        f"network={module!r} is not an MLP, a CNN, a NormalisedCNN, a Network or a flax.linen "
        "module; make a Network of a function that builds an nnx module by networks.from_nnx"
    )


@lru_cache(maxsize=64)
def _cached(module: nn.Module) -> Network:
    """Equal modules give one network, so that their runs share a compiled program."""
    return from_linen(module)


def _observe(part: Any, output: Callable[[Any], Any]) -> None:
    object.__setattr__(part, "_output", output)
    object.__setattr__(part, "__class__", _observed(type(part)))


def _release(part: Any) -> None:
    if vars(part).pop("_output", None) is not None:
        object.__setattr__(part, "__class__", type(part).__mro__[1])


@lru_cache(maxsize=256)
def _observed(kind: type) -> type:
    """The class of modules whose calls are seen; only a call from outside, not of a parent's."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["_output"](kind.__call__(self, *args, **kwargs))

    return type(kind.__name__, (kind,), {"__call__": call})


def _with_features(out: Any, calls: Calls) -> tuple[Any, tuple[Any, ...]]:
    logits, features = out if isinstance(out, tuple) and len(out) == 2 else (out, ())
    return logits, tuple(calls.features or features)


def _draws(owner: str, why: str) -> str:
    return (
        f"{owner} draws random numbers of its own ({why}), which no theorem sees: make "
        "it deterministic and state the dropout in layers=(LayerFacts(..., dropout=),), which adds "
        "it; or train it as it is by networks.from_module, without the trajectory bounds"
    )


def _only_parameters(owner: str, others: Sequence[str]) -> None:
    if others:
        raise MoreThanParameters(
            f"{owner} keeps {', '.join(others)} besides its parameters; batch statistics and "
            "other running state void the trajectory bounds: use GroupNorm, LayerNorm or none, or "
            "train it as it is by networks.from_module, without those bounds"
        )

"""A user's own flax module, linen or nnx, as a `Network` of the engine."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from ibjax.interface import Hyper, LayerFacts, Network
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


def from_linen(module: Any, layers: Sequence[LayerFacts] = ()) -> Network:
    """A `Network` from a flax.linen module.

    The module maps a batch to logits, or to ``(logits, features)``. It is deterministic: what
    it draws would not be redrawn at evaluation.

    Args:
        module: the linen module; parameters only, no batch statistics.
        layers: facts of its hidden layers, if the depth bounds shall use them.

    Raises:
        ValueError: at `init`, if the module keeps collections besides its parameters.
    """

    def init(key: Key, x: Array) -> Any:
        variables = module.init(key, x)
        _only_parameters([name for name in variables if name != "params"])
        return variables["params"]

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        return _with_features(module.apply({"params": params}, x))

    return Network(init, apply, tuple(layers))


def from_nnx(make: Callable[..., Any], layers: Sequence[LayerFacts] = ()) -> Network:
    """A `Network` from a function that makes a flax.nnx module.

    Args:
        make: ``rngs -> module``, for instance ``lambda rngs: MyNet(64, rngs=rngs)``; the module
            maps a batch to logits, or to ``(logits, features)``.
        layers: facts of its hidden layers, if the depth bounds shall use them.

    Raises:
        ValueError: if the module keeps state besides its parameters.
    """
    from flax import nnx

    def split(key: Key):
        return nnx.split(make(nnx.Rngs(params=key)), nnx.Param, ...)

    def init(key: Key, x: Array) -> Any:
        _, params, rest = split(key)
        kinds = {variable.type.__name__ for _, variable in nnx.to_flat_state(rest)}
        _only_parameters(sorted(kinds))
        return nnx.to_pure_dict(params)

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        graph, state, rest = split(jax.random.key(0))
        nnx.replace_by_pure_dict(state, params)
        return _with_features(nnx.merge(graph, state, rest)(x))

    return Network(init, apply, tuple(layers))


def _with_features(out: Any) -> tuple[Any, tuple[Any, ...]]:
    if isinstance(out, tuple):
        logits, features = out
        return logits, tuple(features)
    return out, ()


def _only_parameters(others: Sequence[str]) -> None:
    if others:
        raise ValueError(
            f"the module keeps {', '.join(others)} besides its parameters; batch statistics and "
            "other running state void the trajectory bounds: use GroupNorm, LayerNorm or none"
        )

"""The update rule of a run: by name, or an optax transformation of one's own."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper
from ibjax.langevin.config import Config, schedules
from ibjax.langevin.transform import sgld
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


class Rule(NamedTuple):
    """An update rule on the flat vector of the weights.

    Attributes:
        transform: the optax transformation.
        unravel: from the flat weights to what the transformation is given; None for themselves.
    """

    transform: optax.GradientTransformationExtraArgs
    unravel: Any = None

    def init(self, weights: Array) -> Any:
        """State of the transformation before the first step."""
        return self.transform.init(self._given(weights))

    def update(self, gradient: Array, state: Any, weights: Array, key: Key) -> tuple[Array, Any]:
        """What one step adds to the weights, (d,), and the state after it; `key` is its noise."""
        given = self._given(gradient), state, self._given(weights)
        change, state = self.transform.update(*given, key=key)
        if self.unravel is not None:
            change = ravel_pytree(change)[0].astype(weights.dtype)
        return change, state  # pyright: ignore[reportReturnType]

    def _given(self, flat: Array) -> Any:
        return flat if self.unravel is None else self.unravel(flat)


def rule(config: Config, values: Hyper, unravel: Any) -> Rule:
    """The update rule of a run.

    Named ones work on the flat vector. A transformation of one's own is given gradients and
    weights as the network's parameters, since it may treat layers apart (masks, groups by name,
    norms of a leaf).

    Args:
        config: the run.
        values: its swept scalars.
        unravel: from the flat weights to the parameters.
    """
    if not isinstance(config.optimizer, str):
        return Rule(optax.with_extra_args_support(config.optimizer), unravel)
    eta, beta = schedules(config, values)
    if config.optimizer == "sgld":
        return Rule(sgld(eta, beta))
    plain = {"sgd": optax.sgd, "momentum": lambda r: optax.sgd(r, 0.9), "adam": optax.adam}
    return Rule(optax.with_extra_args_support(plain[config.optimizer](eta)))


def check_rule(config: Config, params: Any) -> None:
    """Refuse a transformation of one's own that cannot take a step, without taking one.

    Args:
        config: the run.
        params: shapes of the parameters, a pytree of `jax.ShapeDtypeStruct`.

    Raises:
        ValueError: if it fails on such parameters, needs more than gradients, weights and `key`,
            or gives updates or a state of another form than it was given.
    """
    if isinstance(config.optimizer, str):
        return
    transform = optax.with_extra_args_support(config.optimizer)
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        state = jax.eval_shape(transform.init, params)
        change, after = jax.eval_shape(
            lambda g, s, p, k: transform.update(g, s, p, key=k), params, state, params, key
        )
    except Exception as error:
        raise ValueError(
            f"optimizer cannot take a step on the network's parameters ({type(error).__name__}: "
            f"{error}); give an optax transformation that needs gradients, weights and a random "
            "`key` alone"
        ) from error
    for name, given, got in (("updates", params, change), ("a state", state, after)):
        if _form(given) != _form(got):
            raise ValueError(
                f"optimizer gives {name} of another structure, shape or type than it is given; a "
                "transformation must keep them"
            )


def _form(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(jnp.shape(leaf), leaf.dtype) for leaf in leaves]

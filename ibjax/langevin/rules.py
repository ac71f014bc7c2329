"""The update rule of a run, given its noise: by name, or an optax transformation of one's own."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper
from ibjax.langevin.checks import reason
from ibjax.langevin.config import Config, schedules
from ibjax.langevin.transform import noise_std, schedule_value, sgld
from ibjax.typing import JaxArray as Array


class Rule(NamedTuple):
    """An update rule on the flat vector of the weights.

    Attributes:
        init: ``weights -> state`` before the first step.
        update: ``(gradient, state, weights, key, noise) -> (change, drift, state)``: what a step
            adds to the weights, and what it moves along. `noise` is the draw of the step,
            standard normal (d,), or None; `key` is for rules that draw for themselves.
        noisy: whether it takes noise.
        root: factor of every coordinate of the gradient, (d,), None for one.
        momentum: what is left of the drift of the step before; None for nothing.
    """

    init: Callable[[Array], Any]
    update: Callable[..., tuple[Any, Array, Any]]
    noisy: bool = False
    root: Array | None = None
    momentum: Array | None = None


def rule(config: Config, values: Hyper, unravel: Any) -> Rule:
    """The update rule of a run.

    Named ones work on the flat vector. A transformation of one's own is given gradients and
    weights as the network's parameters, since it may treat layers apart (masks, groups by name,
    norms of a leaf), and a key.

    Args:
        config: the run.
        values: its swept scalars.
        unravel: from the flat weights to the parameters.
    """
    if not isinstance(config.optimizer, str):
        return _own(optax.with_extra_args_support(config.optimizer), unravel)
    eta, beta = schedules(config, values)
    if config.optimizer == "sgld":
        return _flat(sgld(eta, beta), noisy=True)
    plain = {"sgd": optax.sgd, "momentum": lambda r: optax.sgd(r, 0.9), "adam": optax.adam}
    return _flat(optax.with_extra_args_support(plain[config.optimizer](eta)))


def _flat(transform: optax.GradientTransformationExtraArgs, noisy: bool = False) -> Rule:
    def update(gradient, state, weights, key, noise):
        given: dict[str, Any] = {"noise": noise} if noisy else {}
        change, state = transform.update(gradient, state, weights, **given)
        return change, gradient, state

    return Rule(transform.init, update, noisy)


def _own(transform: optax.GradientTransformationExtraArgs, unravel: Any) -> Rule:
    def update(gradient, state, weights, key, noise):
        given = unravel(gradient), state, unravel(weights)
        change, state = transform.update(*given, key=key)
        return ravel_pytree(change)[0].astype(weights.dtype), gradient, state

    return Rule(lambda weights: transform.init(unravel(weights)), update)


def heavy_ball(
    config: Config,
    values: Hyper,
    momentum: Array | None = None,
    root: Array | None = None,
    prior_std: Array | None = None,
) -> Rule:
    """Langevin steps with momentum, a diagonal preconditioner and the pull of a Gaussian prior.

    ``v <- mu v + g``, ``W <- W - eta P (v + W/(beta s_0^2)) + sqrt(2 eta/beta) P^(1/2) xi``

    The rule is given P^(1/2) g for the gradient, and v is its buffer.

    Args:
        config: the run: sgld, or sgd for no noise.
        values: its swept scalars.
        momentum: mu; None for none, without a buffer.
        root: P^(1/2), (d,); None for one.
        prior_std: s_0; None for no prior.
    """
    eta, beta = schedules(config, values)
    noisy = config.optimizer == "sgld"

    def init(weights):
        return jnp.zeros((), jnp.int32), None if momentum is None else jnp.zeros_like(weights)

    def update(gradient, state, weights, key, noise):
        count, buffer = state
        rate, cold = schedule_value(eta, count), schedule_value(beta, count)
        drift = gradient if momentum is None else momentum * buffer + gradient
        change = -rate * drift
        if noise is not None:
            change = noise_std(rate, cold) * noise - rate * drift
        change = change if root is None else change * root
        if prior_std is not None:
            pull = rate / (cold * prior_std**2) * weights
            change = change - (pull if root is None else pull * root**2)
        return change, drift, (count + 1, None if momentum is None else drift)

    return Rule(init, update, noisy, root, momentum)


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
            f"optimizer cannot take a step on the network's parameters ({reason(error)}); give an "
            "optax transformation that needs gradients, weights and a random `key` alone"
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

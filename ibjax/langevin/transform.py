"""Noisy SGD as an optax transformation with an explicit key."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


class SgldState(NamedTuple):
    """Steps done so far, for the schedules."""

    count: Array


def sgld(
    learning_rate: optax.ScalarOrSchedule, inverse_temperature: optax.ScalarOrSchedule
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic gradient Langevin dynamics on the mean loss.

    One update is

    .. math:: w \leftarrow w - \eta_t g_t + \sqrt{2\eta_t/\beta_t}\,\xi_t,\quad \xi_t\sim N(0, I),

    so that full-batch dynamics with small steps samples :math:`\propto e^{-\beta L_S(w)}`.
    The key is an argument of `update`, hence replicas under `vmap` never share their noise. The
    noise of all leaves is one flat draw in the order of `jax.tree.leaves`.

    Args:
        learning_rate: eta, a number (traced or not) or a schedule of the step count.
        inverse_temperature: beta >= 0 of the mean loss, likewise; inf means no noise.

    Returns:
        A transformation whose ``update(grads, state, params, *, key)`` needs `key`. It must come
        last in an `optax.chain`: noise is added in the units of the weights.

    Raises:
        ValueError: for a negative number.

    Reference:
        Welling and Teh (2011), Bayesian learning via stochastic gradient Langevin dynamics.
    """
    _check("learning_rate", learning_rate)
    _check("inverse_temperature", inverse_temperature)

    def init(params: Any) -> SgldState:
        del params
        return SgldState(jnp.zeros((), jnp.int32))

    def update(grads: Any, state: SgldState, params: Any = None, *, key: Key, **extra: Any):
        del params, extra
        eta = schedule_value(learning_rate, state.count)
        std = noise_std(eta, schedule_value(inverse_temperature, state.count))
        leaves, tree = jax.tree.flatten(grads)
        noise = jax.random.normal(key, (sum(leaf.size for leaf in leaves),), leaves[0].dtype)
        updates, start = [], 0
        for leaf in leaves:
            xi = noise[start : start + leaf.size].reshape(leaf.shape)
            updates.append((-eta * leaf + std * xi).astype(leaf.dtype))
            start += leaf.size
        return jax.tree.unflatten(tree, updates), SgldState(state.count + 1)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


def schedule_value(value: Any, count: Array) -> Any:
    """A number as it is, a schedule at `count`."""
    return value(count) if callable(value) else value


def noise_std(learning_rate: Any, inverse_temperature: Any) -> Array:
    """Standard deviation sqrt(2 eta / beta) of the noise that one update adds to the weights."""
    return jnp.sqrt(2 * jnp.asarray(learning_rate) / inverse_temperature)


def _check(name: str, value: Any) -> None:
    if isinstance(value, (int, float)) and not value >= 0:
        raise ValueError(f"{name}={value} must not be negative or NaN; give a number >= 0")

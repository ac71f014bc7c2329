"""Noisy SGD as an optax transformation with an explicit key."""

import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key, Numbers


class SgldState(NamedTuple):
    """Steps done so far, for the schedules."""

    count: Array


@enforced
def sgld(
    learning_rate: optax.ScalarOrSchedule, inverse_temperature: optax.ScalarOrSchedule
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic gradient Langevin dynamics on the mean loss.

    One update is

    .. math:: w \leftarrow w - \eta_t g_t + \sqrt{2\eta_t/\beta_t}\,\xi_t,\quad \xi_t\sim N(0, I),

    so that full-batch dynamics with small steps samples :math:`\propto e^{-\beta L_S(w)}`.
    The key is an argument of `update`, hence replicas under `vmap` never share their noise. The
    noise of all leaves is one flat draw in the order of `jax.tree.leaves`, in float32 or, for
    wider weights, in their precision. Groups of `optax.multi_transform` (trees with masked
    nodes) draw independently of each other, by the paths of the leaves they hold.

    Args:
        learning_rate: eta, a number (traced or not) or a schedule of the step count.
        inverse_temperature: beta >= 0 of the mean loss, likewise; inf means no noise.

    Returns:
        A transformation whose ``update(grads, state, params, *, key)`` needs `key`, or in its
        place `noise`, the draw itself: a tree of standard normal numbers like `grads`. It must
        come last in an `optax.chain`: noise is added in the units of the weights.

    Raises:
        ValueError: for a negative number, NaN, what is no number, and an update without key or
            noise.

    Reference:
        Welling and Teh (2011), Bayesian learning via stochastic gradient Langevin dynamics.
    """
    _check("learning_rate", learning_rate)
    _check("inverse_temperature", inverse_temperature)

    def init(params: Any) -> SgldState:
        del params
        return SgldState(jnp.zeros((), jnp.int32))

    def update(
        grads: Any,
        state: SgldState,
        params: Any = None,
        *,
        key: Key | None = None,
        noise: Any = None,
        **extra: Any,
    ):
        del params, extra
        eta = schedule_value(learning_rate, state.count)
        std = noise_std(eta, schedule_value(inverse_temperature, state.count))
        if noise is None:
            if key is None:
                raise ValueError("key is missing: sgld draws its noise from it; give key or noise")
            noise = _drawn(key, grads)
        updates = jax.tree.map(lambda g, xi: (-eta * g + std * xi).astype(g.dtype), grads, noise)
        return updates, SgldState(state.count + 1)

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


def _drawn(key: Key, grads: Any) -> Any:
    """Standard normal numbers like the leaves of a tree: one flat draw, cut."""
    leaves, tree = jax.tree.flatten(grads)
    if not leaves:
        return grads
    dtype = jnp.result_type(jnp.float32, *(leaf.dtype for leaf in leaves))
    flat = jax.random.normal(_of_group(key, grads), (sum(v.size for v in leaves),), dtype)
    noise, start = [], 0
    for leaf in leaves:
        noise.append(flat[start : start + leaf.size].reshape(leaf.shape))
        start += leaf.size
    return jax.tree.unflatten(tree, noise)


def _of_group(key: Key, grads: Any) -> Key:
    """The key itself for a whole tree; for a masked one, a key of the leaves that it keeps."""

    def masked(node: Any) -> bool:
        return isinstance(node, optax.MaskedNode)

    nodes = jax.tree_util.tree_flatten_with_path(grads, is_leaf=masked)[0]
    if not any(masked(node) for _, node in nodes):
        return key
    held = "\n".join(jax.tree_util.keystr(path) for path, node in nodes if not masked(node))
    return jax.random.fold_in(key, zlib.crc32(held.encode()))


def schedule_value(value: Any, count: Array) -> Any:
    """A number as it is, a schedule at `count`."""
    return value(count) if callable(value) else value


@enforced
def noise_std(learning_rate: Numbers, inverse_temperature: Numbers) -> Array:
    """Standard deviation sqrt(2 eta / beta) of the noise that one update adds to the weights."""
    return jnp.sqrt(2 * jnp.asarray(learning_rate) / inverse_temperature)


def _check(name: str, value: Any) -> None:
    if callable(value) or isinstance(value, Tracer):
        return
    number = np.asarray(value)
    real = any(jnp.issubdtype(number.dtype, kind) for kind in (jnp.floating, jnp.integer))
    if not real or number.ndim or not number >= 0:
        raise ValueError(
            f"{name}={value} must not be negative or NaN; give one number >= 0, or a schedule"
        )

"""What a run hands back besides its evidence: trained weights, and what a user looks at."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import NamedSharding

from ibjax.interface import Evidence
from ibjax.langevin.checks import reason
from ibjax.langevin.config import Config
from ibjax.langevin.programs import Shape, memory, placed, vectorised
from ibjax.langevin.streams import OBSERVATION
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

Observe = Callable[[Any, Key], Any]
"""From the parameters of one replica and a key of its own to a pytree of arrays."""


class Trained(NamedTuple):
    """What training gives.

    Attributes:
        evidence: what the bounds need.
        weights: the parameters after training, a pytree whose leaves begin (k1, k2), or (k1, k2, E)
            if those of every checkpoint were asked for; None if none were.
        observed: what `observe` gave at every checkpoint, a pytree whose leaves begin (k1, k2, E);
            None without it.
    """

    evidence: Evidence
    weights: Any = None
    observed: Any = None


class Observer(NamedTuple):
    """A compiled observation of one chunk of replicas.

    Attributes:
        program: from flat weights (chunk, d), keys (chunk,) and the steps done.
        bytes: memory that one device needs for it, 0 where XLA does not say.
    """

    program: Callable[..., Any]
    bytes: int


def check_weights(weights: Any) -> None:
    """Refuse other requests for weights than none, those at the end, and all.

    Raises:
        ValueError: naming the request.
    """
    if isinstance(weights, (bool, np.bool_)):
        return
    if not isinstance(weights, str) or weights != "checkpoints":
        raise ValueError(
            f"weights={weights!r} is unknown; give False for none, True for those after training, "
            "or 'checkpoints' for those of every checkpoint"
        )


def check_observe(observe: Any, params: Any) -> None:
    """Refuse an observation that fails on such parameters or gives no arrays, without running it.

    Args:
        observe: the user's function.
        params: shapes of the parameters, a pytree of `jax.ShapeDtypeStruct`.

    Raises:
        ValueError: with what it raised or gave.
    """
    if not callable(observe):
        raise ValueError(f"observe={observe!r} is no function; give (params, key) to arrays")
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        # A function of its own, so that no cache of JAX takes the result of an earlier look.
        seen = jax.eval_shape(lambda p, k: observe(p, k), params, key)
    except Exception as error:
        raise ValueError(
            f"observe fails on the parameters of one replica ({reason(error)}); give a JAX "
            "function (params, key) to a pytree of arrays, with params as the network's apply "
            "takes them"
        ) from error
    leaves = jax.tree.leaves(seen)
    if not leaves:
        raise ValueError("observe gives no arrays; return an array, or a pytree of arrays")
    if any(jnp.issubdtype(leaf.dtype, jax.dtypes.extended) for leaf in leaves):
        raise ValueError("observe gives random keys; return jax.random.key_data of them")


def observer(
    observe: Observe, config: Config, params: Any, shape: Shape, sharding: NamedSharding
) -> Observer:
    """Compile an observation for one chunk; nothing here outlives the call that trains.

    Args:
        observe: the user's function.
        config: the run.
        params: shapes of the parameters.
        shape: of the chunk.
        sharding: of its replicas over the devices.
    """
    flat, unravel = ravel_pytree(jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), params))
    over = vectorised(config.mapping)

    def one(weights: Array, key: Key, step: Array) -> Any:
        own = jax.random.fold_in(jax.random.fold_in(key, OBSERVATION), step)
        return jax.tree.map(jnp.asarray, observe(unravel(weights), own))

    def program(weights: Array, keys: Key, step: Array) -> Any:
        return over(lambda w, k: one(w, k, step), weights, keys)

    weights = jax.ShapeDtypeStruct((shape.chunk, flat.size), flat.dtype)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), shape.chunk))
    step = jax.ShapeDtypeStruct((), jnp.int32)
    compiled = placed(program, (True, True, False), sharding).lower(weights, keys, step).compile()
    return Observer(compiled, memory(compiled))


def unravelled(flat: np.ndarray, params: Any) -> Any:
    """Flat weights (..., d) as parameters whose leaves have the same leading axes, on the host."""
    leaves, structure = jax.tree.flatten(params)
    ends = np.cumsum([int(np.prod(leaf.shape)) for leaf in leaves])
    parts = np.split(flat, ends[:-1], axis=-1)
    shaped = [
        part.reshape(*flat.shape[:-1], *leaf.shape).astype(leaf.dtype, copy=False)
        for part, leaf in zip(parts, leaves)
    ]
    return jax.tree.unflatten(structure, shaped)

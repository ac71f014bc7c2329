"""The network of a run: built, looked at before anything is compiled, in single precision."""

import dataclasses
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from ibjax.interface import Hyper, Network
from ibjax.langevin.claims import check_alone, check_claims, moved
from ibjax.langevin.frozen import frozen_loss, frozen_network
from ibjax.langevin.losses import check_loss, cross_entropy
from ibjax.networks import CNN, MLP, build
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

_TRIED = 4
"""Inputs on which a network is tried."""


def layer_scalars(description: Any) -> tuple[float, int]:
    """Layer noise and depth of a network, which a run passes to it: `Hyper`'s last two.

    A ready `Network` is given the standard deviation that its layers state, where they agree.
    """
    if isinstance(description, MLP):
        return description.noise, description.depth
    if isinstance(description, CNN):
        return description.noise, 0
    if isinstance(description, Network):
        stated = {f.noise for f in description.layers if f.noise > 0}
        return (stated.pop() if len(stated) == 1 else 0.0), len(description.layers)
    return 0.0, 0


def _scalars_of(network: Any, scalars: tuple[tuple[str, float], ...]) -> Hyper:
    """Scalars to look at a network with: its own, and those that it asks for."""
    noise, depth = layer_scalars(network)
    numbers = {"layer_noise": jnp.float32(noise), "depth": jnp.float32(depth)}
    further = {name: jnp.float32(value) for name, value in scalars}
    return Hyper(jnp.float32(1), jnp.float32(1), **numbers, scalars=further)


def as_now(config: Any, num_classes: int, x: np.ndarray) -> Any:
    """A configuration whose loss and network are told apart by what they compute now.

    Args:
        config: a `Config`.
        num_classes: K.
        x: inputs of the pool.
    """
    changed: dict[str, Any] = {}
    if config.loss is not cross_entropy:
        check_loss(config.loss, num_classes)
        changed["loss"] = frozen_loss(config.loss, num_classes)
    if isinstance(config.network, Network):
        hyper = _scalars_of(config.network, config.scalars)
        shape = jax.ShapeDtypeStruct((2, *x.shape[1:]), x.dtype)
        changed["network"] = frozen_network(config.network, shape, hyper)
    return dataclasses.replace(config, **changed) if changed else config


@lru_cache(maxsize=64)
def network_of(
    description: Any,
    num_classes: int,
    shape: tuple[int, ...],
    dtype: Any = "float32",
    scalars: tuple[tuple[str, float], ...] = (),
    claims: bool = True,
) -> Network:
    """The network of a description, checked; equal descriptions give the same object.

    Args:
        description: an `MLP` or `CNN`, a `Network`, or a flax.linen module.
        num_classes: number of logits it must have.
        shape: of one input.
        dtype: of the inputs, by name.
        scalars: further numbers it asks for.
        claims: try out what a ready network says of its layers.

    Raises:
        ValueError: for other logits than (batch, K), parameters that cannot be trained, and a
            ready network that is not what its layers say.
    """
    network = build(description, num_classes, shape)
    tried = claims and network is description
    return _checked(network, num_classes, shape, dtype, tried, scalars)


def check_each(network: Network, shape: tuple[int, ...], dtype: Any, hyper: Hyper) -> None:
    """Refuse a network whose logits of one example depend on the others of its batch.

    Of a network without its noise, at two settings of its weights; its layers are not looked at.

    Args:
        network: the network.
        shape: of one input.
        dtype: of the inputs, by name.
        hyper: its scalars.

    Raises:
        ValueError: where they do.
    """
    x = _probe(shape, dtype)
    params = jax.jit(network.init)(jax.random.key(11), x[:1])
    logits = jax.jit(lambda p, x: network.apply(p, x, None, hyper)[0])
    leaves, tree = jax.tree.flatten(params)
    for weights in (params, jax.tree.unflatten(tree, moved(leaves))):
        check_alone(partial(logits, weights), x)


def check_rows(config: Any, network: Network, x: np.ndarray, rows: int) -> None:
    """Refuse a noisy network that is another one for as many inputs as are evaluated together.

    What its layers say is tried on a few inputs. The operations must be those of as many, up to
    their sizes: noise that is drawn for a few alone would be certified for all.

    Args:
        config: a `Config`; networks of this library need no such look.
        network: its network.
        x: inputs of the pool.
        rows: how many inputs are evaluated together.

    Raises:
        ValueError: where they are not.
    """
    if not isinstance(config.network, Network) or not network.stochastic:
        return
    hyper = _scalars_of(network, config.scalars)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = _parameters(network, x.shape[1:], x.dtype)

    def operations(count: int) -> list[str]:
        given = jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype)
        apply = jax.make_jaxpr(lambda *all_: network.apply(*all_))
        return list(_operations(apply(params, given, key, hyper)))

    if operations(_TRIED) != operations(rows):
        raise ValueError(
            f"network.apply does other operations for {rows} inputs, which are evaluated together, "
            f"than for {_TRIED}, on which the noise of network.layers is tried: let it do the same "
            "whatever their number"
        )


def _operations(value: Any) -> Iterator[str]:
    """Names of the operations of a traced function, and of all within it, in order."""
    if isinstance(value, ClosedJaxpr):
        value = value.jaxpr
    if isinstance(value, Jaxpr):
        for one in value.eqns:
            yield one.primitive.name
            yield from _operations([one.params[name] for name in sorted(one.params)])
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _operations(one)


def _checked(
    network: Network,
    num_classes: int,
    shape: tuple[int, ...],
    dtype: Any,
    claims: bool,
    scalars: tuple[tuple[str, float], ...],
) -> Network:
    """A network whose functions give what the engine needs, with parameters in float32.

    One that does not keep them so is wrapped: it rounds them where it uses them, so that small
    steps and their noise are not lost.
    """
    hyper = _scalars_of(network, scalars)
    params = _parameters(network, shape, dtype)
    rows = num_classes + 1  # so that no axis is taken for another
    x = jax.ShapeDtypeStruct((rows, *shape), dtype)
    key = jax.eval_shape(lambda: jax.random.key(0))
    exact = True
    for k in (None, key):
        out = _abstract(network, params, x, k, hyper)
        _check_logits(out, rows, num_classes)
        exact = exact and out[0].dtype == jnp.float32
    leaves = jax.tree.leaves(params)
    if not exact or any(leaf.dtype != jnp.float32 for leaf in leaves):
        network = _single(network, params)
    if claims and network.batch_statistics is None:
        x = _probe(shape, dtype)
        check_claims(network, jax.jit(network.init)(jax.random.key(11), x[:1]), x, hyper)
    return network


def _parameters(network: Network, shape: tuple[int, ...], dtype: Any) -> Any:
    example = jax.ShapeDtypeStruct((1, *shape), dtype)
    params = jax.eval_shape(network.init, jax.random.key(0), example)
    kinds = {str(leaf.dtype) for leaf in jax.tree.leaves(params)}
    wrong = sorted(k for k in kinds if not jnp.issubdtype(jnp.dtype(k), jnp.floating))
    if wrong or not kinds:
        found = f"parameters of type {', '.join(wrong)}" if wrong else "no parameters"
        raise ValueError(
            f"network.init gives {found}; give real numbers to train, and keep constants in the "
            "network's functions"
        )
    return params


def _abstract(network: Network, params: Any, x: Any, key: Any, hyper: Hyper) -> Any:
    try:
        return jax.eval_shape(network.apply, params, x, key, hyper)
    except jax.errors.UnexpectedTracerError:
        raise ValueError(
            "a layer of the network lies inside a transformation (scan, vmap, remat), where its "
            "output cannot be reached: state facts of layers outside it"
        ) from None


def _check_logits(out: Any, rows: int, num_classes: int) -> None:
    need = f"({rows}, {num_classes}) for {rows} inputs"
    words = f"one for each of {num_classes} classes"
    if not isinstance(out, tuple) or len(out) != 2 or not isinstance(out[1], tuple):
        raise ValueError(
            f"network.apply gives {_described(out)}; it must give (logits, features), with logits "
            f"{need} and features a tuple of arrays"
        )
    logits = out[0]
    shape = getattr(logits, "shape", None)
    width = shape[1] if shape is not None and len(shape) == 2 and shape[0] == rows else None
    if width != num_classes:
        hint = ""
        if shape in ((rows,), (rows, 1)):
            column = "z" if shape == (rows, 1) else "z[:, None]"
            hint = (
                "; one logit z becomes two by jnp.concatenate([jnp.zeros_like(z), z], axis=-1)"
                f"{'' if column == 'z' else ' of the column z[:, None]'}, with the same "
                "probabilities"
            )
        elif width is not None:
            hint = f"; give the last layer {num_classes} units, or the data set its num_classes"
        elif shape is not None and len(shape) > 2:
            hint = (
                "; give logits of the example as a whole, for instance by averaging over the rest"
            )
        raise ValueError(
            f"network gives {_described(logits)} for logits; it must give {need}, {words}{hint}"
        )
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(
            f"network gives logits of type {logits.dtype}; it must give real numbers {need}, "
            "before any argmax or rounding"
        )


def _described(out: Any) -> str:
    shape = getattr(out, "shape", None)
    return f"an array {shape}" if shape is not None else f"a {type(out).__name__}"


def _single(network: Network, like: Any) -> Network:
    """The network with float32 parameters, rounded where they are used, and float32 logits."""

    def down(params: Any) -> Any:
        return jax.tree.map(lambda p, s: p.astype(s.dtype), params, like)

    def up(tree: Any) -> Any:
        return jax.tree.map(lambda a: a.astype(jnp.float32), tree)

    def init(key: Key, x: Array) -> Any:
        return up(network.init(key, x))

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        logits, features = network.apply(down(params), x, key, hyper)
        return logits.astype(jnp.float32), features

    # taps would give products of rounded factors; whole gradients of the float32 parameters do not
    return network._replace(init=init, apply=apply, taps=None, tap_shapes=None, assemble=None)


def _probe(shape: tuple[int, ...], dtype: Any) -> Array:
    """Inputs to try a network on: normal ones, or the first two tokens."""
    if jnp.issubdtype(jnp.dtype(dtype), jnp.floating):
        return jax.random.normal(jax.random.key(13), (_TRIED, *shape), dtype)
    x = np.random.default_rng(0).integers(0, 2, (_TRIED, *shape))
    x.reshape(_TRIED, -1)[:, 0] = (0, 1, 0, 1)
    return jnp.asarray(x, dtype)

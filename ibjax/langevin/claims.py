"""What a network says of its hidden layers, tried out before anything is compiled for training.

A certificate of depth rests on claims: fresh Gaussian noise of a stated size after each layer,
outputs within a stated diameter, and no way round. `MLP` and `CNN` hold them by construction. Of
any other network they are tried on its own functions: the graph of the computation shows ways
round a layer, and with the noisy layers below held fixed, what a layer adds must follow the
stated law and be independent of what every other layer adds.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from ibjax.interface import Hyper, LayerFacts, Network
from ibjax.networks.flow import Flow, traced
from ibjax.typing import JaxArray as Array

_ROWS, _DRAWS, _AT_ONCE = 4, 128, 16
_COLUMNS = 1024
"""Most units, over examples and layers, whose noise is compared with each other's."""

_UNRELATED = 0.6
"""Correlations of `_DRAWS` independent draws stay below, but for a chance of 1e-11 a pair."""


def check_claims(network: Network, params: Any, x: Array, hyper: Hyper) -> None:
    """Refuse a network that is not what its layers say.

    Args:
        network: the network.
        params: parameters to try it at.
        x: inputs to try it at, (4, ...).
        hyper: its scalars.

    Raises:
        ValueError: naming the layer and what does not hold.
    """
    _check_alone(network, params, x, hyper)
    facts = network.layers
    quiet = _flow(lambda p, x: network.apply(p, x, None, hyper), facts, params, x)
    key = jax.random.key(17)
    noisy = _flow(lambda p, x, k: network.apply(p, x, k, hyper), facts, params, x, key)
    claimed = [i for i, f in enumerate(facts) if f.noise > 0 or f.dropout > 0]
    for i in claimed:
        _check_cut(facts[i].name, noisy, noisy.outputs[1 + i], len(jax.tree.leaves(params)))
    places = [0, *(1 + i for i in claimed)]

    @jax.jit
    def draws(params: Any, x: Array):
        given = (*jax.tree.leaves(params), x)
        first = noisy.run((*given, key))
        fixed = {noisy.outputs[p]: first[p] for p in places[1:]}
        clean = quiet.run(given, {quiet.outputs[p]: first[p] for p in places[1:]})

        def drawn(k: Any):
            found = noisy.run((*given, k), fixed)
            return [found[p].astype(jnp.float32) for p in places]

        keys = jax.random.split(jax.random.key(18), _DRAWS)
        return [clean[p].astype(jnp.float32) for p in places], jax.lax.map(
            drawn, keys, batch_size=_AT_ONCE
        )

    clean, drawn = jax.device_get(draws(params, x))
    if not np.allclose(drawn[0], clean[0][None], rtol=1e-3, atol=1e-4, equal_nan=True):
        raise ValueError(
            "network.apply draws noise that network.layers does not state: with the stated layers "
            "held fixed its logits still change with the key; give a LayerFacts for each layer "
            "that is disturbed, and the same noise to all that follows it"
        )
    added = [_added(facts[i], c, d) for i, c, d in zip(claimed, clean[1:], drawn[1:])]
    _check_independent([facts[i].name for i in claimed], added)
    _check_diameters(quiet, facts, claimed, params, x)


def _flow(function: Any, facts: tuple[LayerFacts, ...], *arguments: Any) -> Flow:
    """The traced network, once it has one feature for each of its layers."""
    shapes = jax.eval_shape(function, *arguments)[1]
    if facts and len(shapes) < len(facts):
        raise ValueError(
            f"network.layers states {len(facts)} layers but network.apply gives {len(shapes)} "
            "features; return the (noisy) output of every layer, in order"
        )
    rows = arguments[1].shape[0]
    for fact, shape in zip(facts, shapes):
        size = int(np.prod(shape.shape)) // rows if shape.shape[:1] == (rows,) else None
        if size != fact.width:
            raise ValueError(
                f"network.layers says width={fact.width} for {fact.name!r}, whose feature has "
                f"shape {shape.shape} for {rows} inputs; state the numbers an example has there"
            )
    return traced(function, *arguments)


def _check_cut(name: str, flow: Flow, layer: Any, before: int) -> None:
    """Everything said about the input must pass through the layer."""
    source, logits = flow.inputs[before], flow.outputs[0]
    if flow.leads([source], logits, [layer]):
        raise ValueError(
            f"the logits do not depend on the input through {name!r} alone: something passes "
            "round it (a skip connection, or a feature that is not the very array the next layer "
            "takes), and then its noise bounds nothing; state facts of layers that everything "
            "passes through, or leave this one out"
        )


def _added(fact: LayerFacts, clean: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What a layer added, as standard normal numbers, (draws, batch, width); refused if not."""
    p, c = fact.dropout, clean.reshape(1, _ROWS, -1)
    values = drawn.reshape(_DRAWS, _ROWS, -1)
    stated = f"noise={fact.noise:g}, dropout={fact.dropout:g}"
    if fact.noise > 0:
        z = (values - c / (1 - p)) / fact.noise
        if p > 0:
            z = np.asarray(_normal_scores(z, values / fact.noise, p))
        z = np.clip(z, -9.0, 9.0)
        away = _distance_to_normal(z.ravel())
        if not away < 3.3 / np.sqrt(z.size) + 0.01:
            size = float(np.std(values - values.mean(0)))
            raise ValueError(
                f"network.layers says {stated} of {fact.name!r}, but that is not what "
                f"network.apply draws there (a standard deviation of {size:.3g} over its key): "
                "its feature must be mask * h / (1 - dropout) + noise * N(0, 1), fresh for every "
                "unit and example, with h what it is for key=None"
            )
        return z
    kept, live = values != 0, np.abs(c) > 1e-6 * np.abs(c).max()
    z = np.where(live, (kept - (1 - p)) / np.sqrt(p * (1 - p)), 0.0)
    count = max(int(np.sum(live)) * _DRAWS, 1)
    scaled = np.allclose(
        np.where(kept, values - c / (1 - p), 0.0), 0.0, atol=1e-2 * np.abs(c).max()
    )
    if not scaled or not abs(z.sum()) < 6 * np.sqrt(count):
        raise ValueError(
            f"network.layers says {stated} of {fact.name!r}, but network.apply keeps a share "
            f"{kept[np.broadcast_to(live, kept.shape)].mean():.3g} of the units: its feature must "
            "be mask * h / (1 - dropout), with h what it is for key=None"
        )
    return z


def _normal_scores(dropped_from: np.ndarray, alone: np.ndarray, p: float) -> Array:
    """The value with the same probability below it under N(0, 1) as under the mixture."""
    return ndtri(p * ndtr(alone) + (1 - p) * ndtr(dropped_from))


def _distance_to_normal(z: np.ndarray) -> float:
    """Kolmogorov's distance of a sample from N(0, 1); inf where it has NaN."""
    if not np.isfinite(z).all():
        return float("inf")
    ranks = np.arange(1, z.size + 1) / z.size
    below = np.asarray(ndtr(np.sort(z)), np.float64)
    return float(np.maximum(np.abs(ranks - below), np.abs(ranks - 1 / z.size - below)).max())


def _check_independent(names: list[str], added: list[np.ndarray]) -> None:
    """No unit's noise may come again in another unit, example or layer."""
    if not added:
        return
    most = max(_COLUMNS // (_ROWS * len(added)), 1)
    blocks = [z[:, :, :most].reshape(_DRAWS, -1) for z in added]
    owners = np.repeat(np.arange(len(blocks)), [b.shape[1] for b in blocks])
    columns = np.concatenate(blocks, axis=1)
    related = np.abs(columns.T @ columns) / _DRAWS
    np.fill_diagonal(related, 0.0)
    first, second = np.unravel_index(np.argmax(related), related.shape)
    if related[first, second] > _UNRELATED:
        one, other = sorted((owners[first], owners[second]))
        where = (
            f"within {names[one]!r}" if one == other else f"in {names[one]!r} and {names[other]!r}"
        )
        raise ValueError(
            f"network.apply draws the same noise twice, {where}: split the key for every layer "
            "and draw an own number for every unit and example"
        )


def _check_diameters(quiet: Flow, facts: Any, claimed: list[int], params: Any, x: Array) -> None:
    """Noiseless outputs must stay within the diameter at large weights and inputs too."""
    limited = [i for i in claimed if facts[i].diameter < float("inf")]
    if not limited:
        return
    both = jnp.concatenate([x, -x]) if jnp.issubdtype(x.dtype, jnp.floating) else x
    rows = x.shape[0]

    @jax.jit
    def outputs(size: Array, stretch: Array):
        scaled = [(leaf * size).astype(leaf.dtype) for leaf in jax.tree.leaves(params)]
        parts = [
            quiet.run((*scaled, (part * stretch).astype(part.dtype)))
            for part in jnp.split(both, both.shape[0] // rows)
        ]
        return [
            jnp.concatenate([p[1 + i].reshape(rows, -1).astype(jnp.float32) for p in parts])
            for i in limited
        ]

    for size, stretch in ((1.0, 1.0), (30.0, 1.0), (1.0, 100.0), (1e3, 1e3)):
        stretch = stretch if jnp.issubdtype(x.dtype, jnp.floating) else 1
        found = jax.device_get(outputs(jnp.float32(size), jnp.asarray(stretch)))
        for i, out in zip(limited, found):
            fact = facts[i]
            apart = np.linalg.norm(out[:, None] - out[None], axis=-1) / (1 - fact.dropout)
            if np.nanmax(apart) > fact.diameter * 1.001:
                raise ValueError(
                    f"network.layers says diameter={fact.diameter:g} of {fact.name!r}, but two of "
                    f"its noiseless outputs lie {np.nanmax(apart):.4g} apart at weights {size:g} "
                    "times the initial ones: bound the layer (a bounded activation of w units has "
                    "(high - low) * sqrt(w) / (1 - dropout)), or give diameter=inf"
                )


def _check_alone(network: Network, params: Any, x: Array, hyper: Hyper) -> None:
    """An example's logits must not depend on the others in its batch."""

    @jax.jit
    def both(params: Any, x: Array, other: Array):
        return network.apply(params, x, None, hyper)[0], network.apply(params, other, None, hyper)[
            0
        ]

    changed = x.at[0].set(x[1]) if not jnp.issubdtype(x.dtype, jnp.floating) else x.at[0].mul(-3)
    here, there = (np.asarray(z, np.float32)[1:] for z in both(params, x, changed))
    if not np.allclose(here, there, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise ValueError(
            "network.apply gives an example other logits when another example of its batch "
            "changes (batch statistics, or attention over the batch): no example then has a "
            "gradient of its own; normalise each example by itself (GroupNorm, LayerNorm)"
        )

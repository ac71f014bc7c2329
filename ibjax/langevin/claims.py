"""What a network says of its hidden layers, tried out before anything is compiled for training.

A certificate of depth rests on claims: fresh Gaussian noise of a stated size after each layer,
outputs within a stated diameter, and no way round. `MLP` and `CNN` hold them by construction. Of
any other network they are tried on its own functions: the graph of the computation shows ways
round a layer, and with the noisy layers below held fixed, what a layer adds must follow the
stated law and be independent of what every other layer adds.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.scipy.special import ndtr, ndtri

from ibjax.interface import Hyper, LayerFacts, Network
from ibjax.langevin.gradients import step_gradient
from ibjax.langevin.losses import cross_entropy
from ibjax.networks.flow import Flow, traced
from ibjax.typing import JaxArray as Array

_ROWS = 4
_DRAWS, _AT_ONCE = 512, 16
_COLUMNS = 1024
"""Most units, over examples and layers, whose noise is compared with each other's."""

_UNRELATED = 0.35
"""Correlations of `_DRAWS` independent draws stay below, but for a chance of 1e-14 a pair."""


class _Tried(NamedTuple):
    """A network without its noise: logits and claimed features, some held where asked."""

    flow: Flow
    places: tuple[int, ...]

    def held(self, fixed: Sequence[Array], hold: Any = True) -> dict[Any, Any]:
        """The claimed features, replaced by given ones where `hold` is true."""
        return {
            self.flow.outputs[p]: lambda computed, f=f: jnp.where(hold, f, computed)
            for p, f in zip(self.places[1:], fixed)
        }

    def __call__(self, given: Sequence[Any], fixed: Sequence[Array], hold: Any = True):
        found = self.flow.run(given, self.held(fixed, hold))
        return [found[p].astype(jnp.float32) for p in self.places]


def check_claims(network: Network, params: Any, x: Any, hyper: Hyper) -> None:
    """Refuse a network that is not what its layers say.

    Args:
        network: the network.
        params: parameters to try it at; others near them are tried too.
        x: inputs to try it at, (4, ...).
        hyper: its scalars.

    Raises:
        ValueError: naming the layer and what does not hold, or that examples of a batch are not
            treated each by itself.
    """
    key, leaves = jax.random.key(17), jax.tree.leaves(params)
    where = params, jax.tree.unflatten(jax.tree.structure(params), moved(leaves))
    if network.antithetic:
        _check_antithetic(network, where, x, hyper._replace(layer_noise=jnp.float32(0)))
    claimed = [i for i, f in enumerate(network.layers) if f.noise > 0 or f.dropout > 0]
    facts = [network.layers[i] for i in claimed]
    places = (0, *(1 + i for i in claimed))
    traces = [
        _flow(lambda p, x: network.apply(p, x, None, hyper), network.layers, params, x),
        _flow(lambda p, x, k: network.apply(p, x, k, hyper), network.layers, params, x, key),
    ]
    quiet, noisy = (_Tried(flow, places) for flow in traces)
    for fact, place in zip(facts, places[1:]):
        _check_cut(fact.name, noisy.flow, noisy.flow.outputs[place], len(leaves))
    run = jax.jit(lambda w, size, x, fixed, hold: quiet(_scaled(w, size, x), fixed, hold))
    shapes = jax.eval_shape(run, leaves, 1.0, x, [jnp.zeros(())] * len(facts), False)[1:]
    nothing = [np.zeros(s.shape, np.float32) for s in shapes]
    x = np.asarray(x)
    # A law takes many draws to see, that nothing is drawn a few.
    draws = _drawing(noisy, _DRAWS if facts else _AT_ONCE)
    # A claim is for all weights: training moves gains, gates and scales that start at 0 or 1.
    for weights in (leaves, moved(leaves)):
        before = run(weights, 1.0, x, nothing, False)
        if weights is not leaves and not all(np.isfinite(b).all() for b in before):
            continue
        check_alone(lambda x, w=weights: run(w, 1.0, x, nothing, False)[0], x)
        rng = np.random.default_rng(17)
        fixed = [
            (c + max(f.noise, 0.1) * rng.normal(size=c.shape)).astype(np.float32)
            for f, c in zip(facts, jax.device_get(before[1:]))
        ]
        clean = jax.device_get(run(weights, 1.0, x, fixed, True))
        _check_noise(facts, clean, jax.device_get(draws(weights, x, fixed)))
        real = jnp.issubdtype(x.dtype, jnp.floating)
        for size, stretch in ((1.0, 1.0), (30.0, 1.0), (1.0, 100.0), (1e3, 1e3)):
            inputs = (x * x.dtype.type(stretch), x * x.dtype.type(-stretch)) if real else (x,)
            outputs = [run(weights, size, i, nothing, False)[1:] for i in inputs]
            _check_diameters(facts, [np.concatenate(o) for o in zip(*outputs)], size)
    if network.taps is not None:
        _check_taps(network, where, x, hyper, before[0].shape[1])


def moved(leaves: Sequence[Any]) -> list[np.ndarray]:
    """Other weights: every one by a quarter to a half of the size of its array, either way."""
    rng = np.random.default_rng(19)

    def one(leaf: Any) -> np.ndarray:
        wide = np.asarray(leaf).astype(np.float64)
        size = np.sqrt(np.mean(wide**2)) if wide.size else 0.0
        step = rng.uniform(0.25, 0.5, wide.shape) * rng.choice((-1, 1), wide.shape)
        return (wide + (size if size > 0 else 1.0) * step).astype(leaf.dtype)

    return [one(leaf) for leaf in leaves]


def _check_noise(facts: Sequence[LayerFacts], clean: list[Any], drawn: list[Any]) -> None:
    """What is drawn is what the layers state, everywhere anew, and nothing else is."""
    if not np.allclose(drawn[0], clean[0][None], rtol=1e-3, atol=1e-4, equal_nan=True):
        raise ValueError(
            "network.apply draws noise that network.layers does not state: with the stated layers "
            "held fixed its logits still change with the key; give a LayerFacts for each layer "
            "that is disturbed, and the same noise to all that follows it"
        )
    added = [_added(f, c, d) for f, c, d in zip(facts, clean[1:], drawn[1:])]
    _check_independent([f.name for f in facts], added)


def _check_antithetic(network: Network, where: Sequence[Any], x: Array, still: Hyper) -> None:
    """All noise is a multiple of that of the layers, hence gone without it."""
    logits = jax.jit(lambda p, k: network.apply(p, x, k, still)[0])
    for params in where:
        one, other = (logits(params, jax.random.key(k)) for k in (1, 2))
        if not np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True):
            raise ValueError(
                "network.antithetic says that all noise is a multiple of hyper.layer_noise, but "
                "logits change with the key where that is 0; leave it False"
            )


def _scaled(leaves: Sequence[Array], size: Any, x: Array) -> list[Array]:
    return [*((leaf * size).astype(leaf.dtype) for leaf in leaves), x]


def _drawing(noisy: _Tried, count: int) -> Any:
    """From weights and inputs to logits and claimed features over keys, see `_Tried.held`."""

    @jax.jit
    def all_of(leaves: Any, x: Array, fixed: Any, keys: Any):
        one = jax.vmap(lambda k: noisy((*leaves, x, k), fixed))
        return jax.lax.map(one, keys.reshape(-1, _AT_ONCE))

    def draws(leaves: Sequence[Array], x: Array, fixed: Sequence[Array]):
        found = all_of(leaves, x, fixed, jax.random.split(jax.random.key(18), count))
        return [f.reshape(count, *f.shape[2:]) for f in found]

    return draws


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
        away, spread = _distance_to_normal(z.ravel()), abs(float(np.var(z)) - 1)
        if away > 3.3 / np.sqrt(z.size) + 0.01 or spread > 8.5 / np.sqrt(z.size) + 0.02:
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


def _check_diameters(
    facts: Sequence[LayerFacts], outputs: Sequence[np.ndarray], size: float
) -> None:
    """Noiseless outputs must stay within the diameter at large weights and inputs too."""
    for fact, out in zip(facts, outputs):
        flat = out.reshape(out.shape[0], -1).astype(np.float64)
        with np.errstate(invalid="ignore"):  # far out, where outputs overflow
            apart = np.linalg.norm(flat[:, None] - flat[None], axis=-1) / (1 - fact.dropout)
        if np.max(apart, initial=0.0, where=np.isfinite(apart)) > fact.diameter * 1.001:
            raise ValueError(
                f"network.layers says diameter={fact.diameter:g} of {fact.name!r}, but two of its "
                f"noiseless outputs lie {np.nanmax(apart):.4g} apart at weights {size:g} times the "
                "initial ones: bound the layer (a bounded activation of w units has "
                "(high - low) * sqrt(w) / (1 - dropout)), or give diameter=inf"
            )


def check_alone(logits: Callable[[Any], Array], x: Any) -> None:
    """Logits of the other examples must stay where the first one changes."""
    changed = np.array(x)
    real = jnp.issubdtype(x.dtype, jnp.floating)
    changed[0] = changed[0] * x.dtype.type(-3) if real else changed[1]
    here, there = (np.asarray(logits(z))[1:] for z in (x, changed))
    if not np.allclose(here, there, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise ValueError(
            "network.apply gives an example other logits when another example of its batch "
            "changes (batch statistics, or attention over the batch): no example then has a "
            "gradient of its own; normalise each example by itself (GroupNorm, LayerNorm)"
        )


def _check_taps(
    network: Network, where: Sequence[Any], x: Array, hyper: Hyper, num_classes: int
) -> None:
    """Gradients by products must be those of the function, and so must their norms."""
    y = jnp.arange(x.shape[0]) % num_classes
    key: Any = None

    @jax.jit
    def both(params: Any) -> tuple[Array, ...]:
        def reference(xi: Array, yi: Array) -> Array:
            def loss(p: Any) -> Array:
                return cross_entropy(network.apply(p, xi[None], key, hyper)[0], yi[None])[0]

            return ravel_pytree(jax.grad(loss)(params))[0]

        rows = jax.vmap(reference)(x, y)
        got = step_gradient(network, params, x, y, None, 1, key, hyper, False)
        total = ravel_pytree(got.gradient)[0]
        return jnp.sum(rows, 0), total, jnp.sum(rows**2, 1), got.norms_sq

    for params in where:
        total, got, norms, products = (np.asarray(a) for a in both(params))
        near = np.allclose(total, got, rtol=1e-2, atol=1e-3 * np.abs(total).max())
        if not near or not np.allclose(norms, products, rtol=1e-2):
            raise ValueError(
                "network.taps and network.assemble do not give the gradients of network.apply, or "
                "their norms (every parameter must be the kernel or bias of one dense layer with "
                "a bias, used once): clipping would bound something else; leave taps, tap_shapes "
                "and assemble out"
            )

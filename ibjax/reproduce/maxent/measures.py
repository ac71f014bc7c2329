"""What is measured on trained networks: exactly over ten bits, and by probes on images."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import data, maxent
from ibjax.interface import Dataset, Supersample
from ibjax.langevin import Config
from ibjax.reproduce.maxent.networks import Trained, grown, knobs, stacked, train

VARIANTS: dict[str, dict[str, float]] = {
    "plain": {},
    "additive": {"skip": 1.0},
    "concatenative": {},
    "L2": {"l2": 3e-3},
    "L1": {"l1": 5e-4},
    "dropout": {"dropout": 0.1},
}
"""Shortcuts and regularisers, by name; the concatenative ones are networks of their own."""


@dataclass(frozen=True)
class Study:
    """Sizes of one study.

    Attributes:
        dataset: a name of `data.load`, or "bits" for the law over ten bits.
        data_dir: where the data set lies, if it is not embedded.
        train_size: training examples of a replica.
        held_out: examples a replica was not trained on, for the probes.
        replicas: independent training sets and initial weights.
        slots: largest depth.
        width: hidden units a layer.
        growth: new units a layer of the concatenative network.
        steps: updates of Adam.
        batch_size: examples a step.
        learning_rate: of Adam.
        probe_width: random features of the strong probe.
    """

    dataset: str = "digits"
    data_dir: str | None = None
    train_size: int = 400
    held_out: int = 800
    replicas: int = 6
    slots: int = 6
    width: int = 32
    growth: int = 8
    steps: int = 400
    batch_size: int = 50
    learning_rate: float = 5e-3
    probe_width: int = 64


class Measured(NamedTuple):
    """Arrays by name; NaN where nothing is measured. Nats unless said otherwise.

    Attributes:
        layers: (variants, depths, layers, replicas); layers below the last at full depth only.
        heads: the networks' own softmax, (variants, depths, replicas).
        inputs: the softmax on the inputs, (replicas,).
        identity: largest |(CE - H_q) + <W, R> + <b, R_b>| over all networks and data, float64.
    """

    layers: dict[str, np.ndarray]
    heads: dict[str, np.ndarray]
    inputs: dict[str, np.ndarray]
    identity: float


def shown_layers(slots: int) -> list[tuple[int, int]]:
    """The (depth, layer) pairs measured: the last layer of each depth, all of the deepest."""
    return [(d, d) for d in range(1, slots)] + [(slots, i) for i in range(1, slots + 1)]


def bits_law(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ten uniform bits and P(x, y) with log odds a random quadratic form of +-1 bits.

    Returns:
        Letters (1024, 10) of 0/1 and joint law (1024, 2).
    """
    rng = np.random.default_rng(seed)
    letters = ((np.arange(1024)[:, None] >> np.arange(10)) & 1).astype(np.float64)
    signs = 2 * letters - 1
    form = np.triu(rng.normal(size=(10, 10)), 1)
    odds = ((signs @ form) * signs).sum(axis=1) + signs @ rng.normal(size=10)
    chance = 1 / (1 + np.exp(-3 * odds / odds.std()))
    return letters, np.stack([1 - chance, chance], axis=1) / 1024


def _trained(study: Study, classes: int, pool: Any, pairs: Any, shown: Any) -> dict[str, Trained]:
    """Every variant at every depth on the same replicas, by name."""
    out, depths = {}, range(1, study.slots + 1)
    x, y = pool
    data_set = Dataset(x, y, classes, study.dataset)
    supersample = Supersample(pairs[0], pairs[1][:, None])
    others = [name for name in VARIANTS if name != "concatenative"]
    for network, names in (
        (stacked(study.slots, study.width, classes), others),
        (grown(study.slots, study.growth, classes), ["concatenative"]),
    ):
        config = Config(
            network=network,
            steps=study.steps,
            batch_size=study.batch_size,
            learning_rate=study.learning_rate,
            optimizer="adam",
            clip=None,
        )
        each = [knobs(depth=depth, **VARIANTS[name]) for name in names for depth in depths]
        with jax.enable_x64(False):
            found = train(jax.random.key(1), config, each, data_set, supersample, shown)
        for i, name in enumerate(names):
            part = slice(i * len(depths), (i + 1) * len(depths))
            out[name] = jax.tree.map(lambda a, part=part: np.asarray(a[part]), found)
    return {name: out[name] for name in VARIANTS}


def _pairs(study: Study, size: int) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Pairs and masks of the replicas, and who trains and who does not."""
    drawn = data.supersample(jax.random.key(0), size, study.train_size, study.replicas, 1)
    index, mask = np.asarray(drawn.index), np.asarray(drawn.mask)[:, 0]
    own, other = (
        np.take_along_axis(index, side[..., None], axis=2)[..., 0] for side in (mask, 1 - mask)
    )
    rest = [np.setdiff1d(np.arange(size), pair) for pair in index.reshape(len(index), -1)]
    others = np.stack([np.concatenate(pair) for pair in zip(other, rest)])
    return index, mask, own, others[:, : study.held_out]


@jax.jit
def _head_moments(features: Any, target: Any, weights: Any, bias: Any) -> Any:
    """Moments of (C, R) heads on (C, R, n, d) features and (R, n, K) laws."""
    over = jax.vmap(jax.vmap(maxent.moments), in_axes=(0, None, 0, 0))
    found = over(features, target, weights, bias)
    return found.cross_entropy, found.model_entropy, found.duality_gap


def _heads(
    networks: dict[str, Trained], parts: dict[str, tuple[slice, Any]]
) -> tuple[dict[str, np.ndarray], float]:
    """Cross-entropy and duality gap of every head on every part, and the identity's defect."""
    out: dict[str, list[np.ndarray]] = {}
    defect = 0.0
    with jax.enable_x64(True):
        for net in networks.values():
            last = net.features[:, :, -1]
            weights, bias = net.weights.astype(np.float64), net.bias.astype(np.float64)
            for name, (rows, target) in parts.items():
                features = last[:, :, rows].astype(np.float64)
                ce, entropy, gap = (
                    np.asarray(a) for a in _head_moments(features, target, weights, bias)
                )
                defect = max(defect, float(np.abs(ce - entropy - gap).max()))
                out.setdefault(f"loss_{name}", []).append(ce)
                out.setdefault(f"duality_gap_{name}", []).append(gap)
    return {name: np.stack(parts) for name, parts in out.items()}, defect


def _filled(study: Study, values: list[np.ndarray]) -> np.ndarray:
    """Values (R,) of each variant and shown layer, in that order, as (V, D, L, R) with NaN."""
    pairs = shown_layers(study.slots)
    shape = (len(VARIANTS), study.slots, study.slots, study.replicas)
    out = np.full(shape, np.nan)
    for i, value in enumerate(values):
        depth, layer = pairs[i % len(pairs)]
        out[i // len(pairs), depth - 1, layer - 1] = value
    return out


def by_probes(study: Study) -> Measured:
    """Train on images and measure every shown layer on held-out examples."""
    dataset = data.load(study.dataset, data_dir=study.data_dir)
    y = np.asarray(dataset.y)
    x = np.asarray(dataset.x, np.float32).reshape(len(y), -1)
    index, mask, own, other = _pairs(study, len(y))
    shown = np.concatenate([own, other], axis=1)
    networks = _trained(study, dataset.num_classes, (x, y), (index, mask), x[shown])
    n, onehot = study.train_size, np.eye(dataset.num_classes)[y[shown]]
    parts = {
        "train": (slice(0, n), onehot[:, :n] / n),
        "test": (slice(n, None), onehot[:, n:] / other.shape[1]),
    }
    heads, defect = _heads(networks, parts)
    layers = [
        net.features[depth - 1, :, layer - 1, n:]
        for net in networks.values()
        for depth, layer in shown_layers(study.slots)
    ]
    # As wide as the concatenative layers, inputs share their programs.
    source = _padded(x[other], max(layer.shape[2] for layer in layers))
    with jax.enable_x64(False):
        found = maxent.columns(
            [source, *layers],
            y[other],
            inputs=source,
            num_classes=dataset.num_classes,
            correlation="gaussian",
            width=study.probe_width,
        )
    names = {
        "linear_gap": found.linear_gap,
        "sufficiency_residual": found.sufficiency_residual,
        "total_correlation": found.total_correlation,
        "pairwise_correlation": found.pairwise_correlation,
        "naive_bayes_gap": found.naive_bayes_gap,
        "probe_loss": found.cross_entropy,
        "probe_duality_gap": found.duality_gap,
        "moment_residual": found.moment_residual,
    }
    arrays = {name: _usable(part).T for name, part in names.items()}
    return Measured(
        {name: _filled(study, list(value[1:])) for name, value in arrays.items()},
        heads,
        {name: value[0] for name, value in arrays.items()},
        defect,
    )


def _padded(features: Any, width: int) -> np.ndarray:
    """Units that are constantly zero added on the last axis."""
    lacking = width - features.shape[-1]
    return np.pad(features, [(0, 0)] * (features.ndim - 1) + [(0, lacking)])


def _usable(part: Any) -> np.ndarray:
    """Values as float64, NaN where the estimate says that it must not be used."""
    return np.where(np.asarray(part.ok), np.asarray(part.value, np.float64), np.nan)


@jax.jit
def _exact_layers(features: Any, joint: Any) -> dict[str, Any]:
    """`_exact_layer` of every replica; mapped in here, since an eager map compiles every call."""
    return jax.lax.map(lambda one: _exact_layer(one, joint), features)


def _exact_layer(features: Any, joint: Any) -> dict[str, Any]:
    """Everything about one layer over a finite alphabet: cut units, and the real-valued ones."""
    cut = maxent.decompose(maxent.binarise(features), joint)
    real = maxent.solve(features, joint, method="newton").cross_entropy
    return {
        "linear_gap": real - cut.label_entropy.value,
        "cut_linear_gap": cut.linear_gap.value,
        "sufficiency_residual": cut.sufficiency_residual.value,
        "total_correlation": cut.total_correlation.value,
        "mixture_divergence": cut.mixture_divergence.value,
        "naive_bayes_gap": cut.naive_bayes_gap.value,
    }


@jax.jit
def _explained(below: Any, above: Any) -> Any:
    """Mean over units of the part of I(T_j; T_below) a logistic law explains, cut units."""

    def one(pair: Any) -> Any:
        found = maxent.units(maxent.binarise(pair[0]), pair[1], l2=1e-6)
        return jnp.nanmean(found.explained)

    return jax.lax.map(one, (below, above))


def exactly(study: Study) -> Measured:
    """Train on samples of the law over ten bits and enumerate its 1024 letters."""
    letters, joint = bits_law()
    rng = np.random.default_rng(1)
    size = 20 * study.train_size
    rows = rng.choice(1024, size, p=joint.sum(axis=1))
    y = (rng.random(size) < 1024 * joint[rows, 1]).astype(np.int32)
    index, mask, own, _ = _pairs(study, size)
    shown = np.broadcast_to(letters.astype(np.float32), (study.replicas, *letters.shape))
    pool = letters[rows].astype(np.float32), y
    networks = _trained(study, 2, pool, (index, mask), shown)
    counts = np.zeros((study.replicas, 1024, 2))
    for r, members in enumerate(own):
        np.add.at(counts[r], (rows[members], y[members]), 1 / study.train_size)
    whole = np.broadcast_to(joint, counts.shape)
    heads, defect = _heads(networks, {"train": (slice(None), counts), "test": (slice(None), whole)})
    found: dict[str, list[np.ndarray]] = {}
    with jax.enable_x64(True):
        for net in networks.values():
            for depth, layer in shown_layers(study.slots):
                features = net.features[depth - 1, :, layer - 1].astype(np.float64)
                for name, value in _exact_layers(features, joint).items():
                    found.setdefault(name, []).append(np.asarray(value))
        found["explained"] = _recursion(study, networks, letters)
        wide = _padded(letters, networks["concatenative"].features.shape[-1])
        start = _exact_layers(np.broadcast_to(wide, (study.replicas, *wide.shape)), joint)
    return Measured(
        {name: _filled(study, value) for name, value in found.items()},
        heads,
        {name: np.asarray(value) for name, value in start.items()},
        defect,
    )


def _recursion(study: Study, networks: dict[str, Trained], letters: np.ndarray) -> list[np.ndarray]:
    """How logistic the units of every layer of the deepest networks are in the layer below."""
    out = []
    for name, net in networks.items():
        whole = net.features[-1].astype(np.float64)
        for depth, layer in shown_layers(study.slots):
            if depth < study.slots:
                out.append(np.full(study.replicas, np.nan))
                continue
            below, above = whole[:, max(layer - 2, 0)], whole[:, layer - 1]
            if name == "concatenative":
                start = letters.shape[1] + (layer - 1) * study.growth
                above = above[..., start : start + study.growth]
            if layer == 1:
                below = np.broadcast_to(letters, (study.replicas, *letters.shape))
            below = _padded(below, max(letters.shape[1], whole.shape[-1]))
            out.append(np.asarray(_explained(below, above)))
    return out

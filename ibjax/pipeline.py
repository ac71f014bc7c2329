"""The spine: data -> replicas -> evidence -> bounds, for one cell of a sweep.

Every stage is one line of `run_cell`. Nothing here touches a disk or a terminal.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from ibjax import bounds, capacity, data, langevin, maxent, networks
from ibjax.bounds import Null
from ibjax.interface import BoundValue, Dataset, Estimate, Evidence, Supersample
from ibjax.langevin import config as configuration
from ibjax.langevin import hosts
from ibjax.langevin.config import Batching
from ibjax.langevin.programs import vectorised
from ibjax.langevin.replicas import Progress, replica_keys
from ibjax.langevin.streams import EVALUATION
from ibjax.networks import MLP
from ibjax.randomness import check_seed, pinned, seed_key
from ibjax.typing import JaxArray, Key

_HELD_OUT = 1000
"""Most examples a replica's last layer is measured on."""


@dataclass(frozen=True)
class Experiment:
    """A depth sweep of noisy-SGD replicas on one data set."""

    dataset: str = "digits"
    """Data set: "digits" (embedded), or any TFDS name."""
    classes: tuple[int | tuple[int, ...], ...] = ((0, 2, 4, 6, 8), (1, 3, 5, 7, 9))
    """Labels to tell apart, or groups of labels, each of which becomes one class."""
    depths: tuple[int, ...] = (1, 2, 3)
    """Numbers of hidden layers."""
    width: int = 32
    """Units per hidden layer."""
    train_size: int = 200
    """Training examples n of each replica (the pool must hold 2n)."""
    supersamples: int = 10
    """Supersamples: independent sets of n pairs."""
    masks: int = 20
    """Masks, hence replicas, per supersample; in complementary pairs where their number is even,
    so that how hard an example is cancels in the measured gap."""
    steps: int = 200
    """Updates."""
    batch_size: int | None = None
    """Examples per update; a quarter of the training examples by default."""
    batching: Batching | None = None
    """How batches are drawn: by default all examples, or a fresh subset each update."""
    learning_rate: float = 0.1
    """Step size eta."""
    inverse_temperature: float = 160.0
    """Inverse temperature beta of the mean loss: each update adds N(0, 2 eta / beta)."""
    layer_noise: float = 0.1
    """Standard deviation of the noise after each hidden activation."""
    clip: float = 1.0
    """Largest norm of a per-example gradient; what the certificates rest on."""
    activation: str = "tanh"
    """Activation; bounded ones give noisy layers a contraction coefficient below 1."""
    checkpoints: int = 4
    """Evaluations along training, evenly spaced; tables show the last."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""
    download: bool = False
    """Fetch and prepare the data set if it is not there."""
    maxent: bool = False
    """Add the maximum-entropy conditions of the last layer to the table."""
    seed: int = 0
    """Root of all randomness."""

    def __post_init__(self) -> None:
        # Lists, as JSON has them, become tuples.
        if isinstance(self.depths, list):
            object.__setattr__(self, "depths", tuple(self.depths))
        if isinstance(self.classes, (list, tuple)):
            groups = (tuple(g) if isinstance(g, list) else g for g in self.classes)
            object.__setattr__(self, "classes", tuple(groups))


def batch_size(experiment: Experiment) -> int:
    """Examples per update: what was chosen, or a quarter of the training examples."""
    if experiment.batch_size is None:
        return max(1, round(experiment.train_size / 4))
    return experiment.batch_size


class Cell(NamedTuple):
    """What one depth gives: evidence, and gap, bounds and their nulls at each checkpoint.

    `floor` is the least root of the layers' coefficient that the training predictions allow.
    `conditions` and `collapse` are those of the last layer after training, arrays (supersamples,
    masks), if they were asked for.
    """

    evidence: Evidence
    gap: list[Estimate]
    bounds: list[dict[str, BoundValue]]
    nulls: list[dict[str, Null]]
    floor: list[Estimate]
    conditions: maxent.Conditions | None = None
    collapse: maxent.Collapse | None = None


def check(experiment: Experiment) -> None:
    """Refuse what cannot run before anything is loaded or trained.

    Raises:
        ValueError: naming the option, its value and what to give instead.
    """
    at_least = {
        "width": 1,
        "train_size": 2,
        "supersamples": 1,
        "masks": 2,
        "steps": 1,
        "checkpoints": 1,
    }
    for name, least in at_least.items():
        if getattr(experiment, name) < least:
            raise ValueError(f"{name}={getattr(experiment, name)} must be at least {least}")
    if not experiment.depths or min(experiment.depths) < 1:
        raise ValueError(f"depths={experiment.depths} must list numbers of hidden layers >= 1")
    if len(set(experiment.depths)) < len(experiment.depths):
        raise ValueError(f"depths={experiment.depths} lists a depth twice; give each once")
    if len(set(experiment.classes)) < max(len(experiment.classes), 2):
        raise ValueError(
            f"classes={experiment.classes} must be two or more different labels, or groups of them"
        )
    if experiment.batch_size is not None and experiment.batch_size < 1:
        raise ValueError(f"batch_size={experiment.batch_size} must be at least 1")
    if experiment.batch_size is not None and experiment.batch_size > experiment.train_size:
        raise ValueError(
            f"batch_size={experiment.batch_size} exceeds train_size={experiment.train_size}"
        )
    check_seed(experiment.seed)
    capacity.check_steps(experiment.steps)
    capacity.check_depth(max(experiment.depths))
    for depth in experiment.depths:
        training(experiment, depth)


def training(experiment: Experiment, depth: int) -> langevin.Config:
    """The training configuration of one depth."""
    network = MLP(depth, experiment.width, experiment.activation, experiment.layer_noise)
    return langevin.Config(
        network=network,
        steps=experiment.steps,
        batch_size=batch_size(experiment),
        batching=experiment.batching,
        learning_rate=experiment.learning_rate,
        inverse_temperature=experiment.inverse_temperature,
        clip=experiment.clip,
        checkpoints=min(experiment.checkpoints, experiment.steps),
        account=True,
    )


def _check_room(experiment: Experiment, pool: Dataset) -> None:
    """Refuse what memory cannot hold before any of it is asked for."""
    k1, k2, n = experiment.supersamples, experiment.masks, experiment.train_size
    times = min(experiment.checkpoints, experiment.steps)
    capacity.check_replicas(k1, k2, min(n, len(pool.y)), times)
    inputs = math.prod(pool.x.shape[1:])
    for depth in experiment.depths:
        capacity.check_network(inputs, experiment.width, depth, pool.num_classes)


@pinned()
def load(experiment: Experiment) -> tuple[Dataset, Supersample]:
    """The pool of examples and the supersamples drawn from it; the same for every depth."""
    check(experiment)
    pool = data.load(
        experiment.dataset,
        classes=experiment.classes,
        data_dir=experiment.data_dir,
        download=experiment.download,
    )
    _check_room(experiment, pool)
    key = jax.random.fold_in(seed_key(experiment.seed), 0)
    return pool, data.supersample(
        key,
        len(pool.y),
        experiment.train_size,
        experiment.supersamples,
        experiment.masks,
        balanced=experiment.masks % 2 == 0,
    )


@pinned()
def run_cell(
    experiment: Experiment,
    depth: int,
    pool: Dataset,
    supersample: Supersample,
    progress: Progress | None = None,
) -> Cell:
    """Train and bound one depth."""
    key = jax.random.fold_in(seed_key(experiment.seed), 1)
    config = training(experiment, depth)
    trained = langevin.train(
        key, config, pool, supersample, weights=experiment.maxent, progress=progress
    )
    evidence = trained.evidence
    times = range(len(evidence.checkpoints))
    gaps = [bounds.gap(evidence, t) for t in times]
    values = [bounds.evaluate(evidence, t) for t in times]
    last = None, None
    if experiment.maxent and hosts.first():
        last = last_layer(trained.weights, key, config, pool, supersample)
    nulls = [bounds.row_nulls(evidence, t) for t in times]
    floor = [bounds.measured_floor(evidence, t) for t in times]
    return Cell(evidence, gaps, values, nulls, floor, *last)


def last_layer(
    weights: Any, key: Key, config: langevin.Config, pool: Dataset, supersample: Supersample
) -> tuple[maxent.Conditions, maxent.Collapse]:
    """How strictly the softmax on the last hidden layer applies maximum entropy, every replica.

    Beside it neural collapse of the same features, which is something else: `maxent.collapse`.

    Moments and duality gap are those of the network's own softmax, on examples of the pool that
    the replica was not trained on (at most 1000; the other members of its pairs come first).

    Args:
        weights: of the trained replicas, from `langevin.train`.
        key: root key of their training; the layer noise at the examples shown follows from it.
        config: of an `MLP`.
        pool: the examples.
        supersample: pairs and masks.

    Returns:
        Estimates and measures of collapse whose values are arrays (supersamples, masks).
    """
    held = _held_out(pool, supersample)
    with jax.enable_x64(False):
        features = last_features(weights, key, config, pool, held)
        labels = np.asarray(pool.y)[held]
        kernel, bias = (a.reshape(-1, *a.shape[2:]) for a in head(weights))
        found = maxent.columns(
            [features], labels, head=(kernel, bias), num_classes=pool.num_classes, collapse=True
        )
    shape = supersample.mask.shape[:2]
    # one number an estimate, such as its confidence, stays one
    return jax.tree.map(lambda a: np.reshape(a, shape if np.ndim(a) else ()), found)


def _held_out(pool: Dataset, supersample: Supersample) -> np.ndarray:
    """Examples that each replica was not trained on, (replicas, m), ghosts first."""
    index, mask = np.asarray(supersample.index), np.asarray(supersample.mask)
    order = np.random.default_rng(0).permutation(len(pool.y))
    out = []
    for pairs, choices in zip(index, mask):
        others = order[~np.isin(order, pairs)]
        for choice in choices:
            ghosts = np.take_along_axis(pairs, 1 - choice[:, None], axis=1)[:, 0]
            out.append(np.concatenate([ghosts, others])[:_HELD_OUT])
    return np.stack(out)


def head(weights: Any) -> tuple[Any, Any]:
    """Weights (..., width, K) and biases (..., K) of the softmax of an `MLP`."""
    return weights["head"]["kernel"], weights["head"]["bias"]


def last_features(
    weights: Any, key: Key, config: langevin.Config, pool: Dataset, shown: np.ndarray
) -> JaxArray:
    """The last hidden layer of every replica at examples of its own.

    Args:
        weights: of the trained replicas, leaves (k1, k2, ...).
        key: root key of their training.
        config: of an `MLP`.
        pool: the examples.
        shown: positions in the pool, (k1 * k2, m).

    Returns:
        Features (k1 * k2, m, width), of one draw of the layer noise.
    """
    network = networks.build(config.network, pool.num_classes, pool.x.shape[1:])
    values = jax.tree.map(np.float32, configuration.hyper(config))
    over = vectorised(config.mapping)
    keys = replica_keys(key, *head(weights)[1].shape[:2], config.shared_randomness)

    @jax.jit
    def program(weights, keys, shown, x):
        def one(params, key, rows):
            noise = jax.random.fold_in(jax.random.fold_in(key, EVALUATION), config.steps)
            return network.apply(params, x[rows], noise, values)[1][-1]

        return over(one, weights, keys, shown)

    # a count of -1 is no number where a network of one layer holds an empty stack of others
    flat = jax.tree.map(lambda a: a.reshape(len(shown), *a.shape[2:]), weights)
    return program(flat, keys, shown, np.asarray(pool.x, np.float32))

"""The spine: data -> replicas -> evidence -> bounds, for one cell of a sweep.

Every stage is one line of `train_cell` and `bound_cell`. Nothing here touches a disk or a terminal.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from ibjax import arguments, bounds, capacity, data, langevin, maxent, networks, threads
from ibjax.bounds import Null
from ibjax.experiment import Experiment as Experiment
from ibjax.experiment import at, classes, own_data, points
from ibjax.experiment import batch_size as batch_size
from ibjax.experiment import check as check
from ibjax.experiment import training as settled
from ibjax.interface import BoundValue, Dataset, Estimate, Evidence, Supersample
from ibjax.langevin import config as configuration
from ibjax.langevin import hosts
from ibjax.langevin.programs import vectorised
from ibjax.langevin.replicas import Progress, replica_keys
from ibjax.langevin.streams import EVALUATION
from ibjax.langevin.swept import several_at_once, train_in_turn
from ibjax.randomness import pinned, seed_key
from ibjax.typing import JaxArray, Key

_HELD_OUT = 1000
"""Most examples a replica's last layer is measured on."""


class Trained(NamedTuple):
    """What training one cell gives: evidence, and of the last layer what was asked for."""

    evidence: Evidence
    conditions: maxent.Conditions | None = None
    collapse: maxent.Collapse | None = None


class Cell(NamedTuple):
    """What one cell gives: evidence, and gap, bounds and their nulls at each checkpoint.

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


def training(experiment: Experiment, depth: int, padded_to: int | None = None) -> langevin.Config:
    """The training configuration of one depth of the built-in network."""
    return settled(at(experiment, {"depth": depth}), padded_to=padded_to)


@pinned()
def load_pool(experiment: Experiment) -> Dataset:
    """The pool of examples, the same for every cell.

    Raises:
        ValueError: if the experiment cannot run, the data cannot be used, or memory cannot hold
            what the largest cell needs.
    """
    check(experiment)
    pool = _pool(experiment)
    inputs = math.prod(pool.x.shape[1:])
    for point in points(experiment):
        cell: Any = at(experiment, point)
        times = min(cell.checkpoints, cell.steps)
        size = min(cell.train_size, len(pool.y))
        capacity.check_replicas(cell.supersamples, cell.masks, size, times)
        if cell.network is None:
            capacity.check_network(inputs, cell.width, cell.depths[0], pool.num_classes)
        if 2 * cell.train_size > len(pool.y):
            size = cell.train_size
            raise ValueError(
                f"train_size={size} needs {2 * size} examples and {pool.name!r} has "
                f"{len(pool.y)}; at most {len(pool.y) // 2} can be trained on"
            )
    return pool


def _pool(experiment: Experiment) -> Dataset:
    chosen = classes(experiment)
    if not own_data(experiment):
        return data.load(
            str(experiment.dataset),
            classes=chosen,
            data_dir=experiment.data_dir,
            download=experiment.download,
        )
    given: Any = experiment.dataset
    pool = data.from_file(given) if isinstance(given, str) else given
    return pool if chosen is None else data.relabelled(pool, chosen)


@pinned()
def draw(experiment: Experiment, pool: Dataset) -> Supersample:
    """The supersamples of one cell; the same for cells of equal size and seed."""
    cell: Any = experiment
    return data.supersample(
        jax.random.fold_in(seed_key(cell.seed), 0),
        len(pool.y),
        cell.train_size,
        cell.supersamples,
        cell.masks,
        balanced=cell.masks % 2 == 0,
    )


def load(experiment: Experiment) -> tuple[Dataset, Supersample]:
    """The pool of examples and the supersamples drawn from it; the same for every depth."""
    for name in ("train_size", "seed"):
        if isinstance(getattr(experiment, name), tuple):
            raise ValueError(
                f"{name}={getattr(experiment, name)}: each value has supersamples of its own; "
                "give one, or load_pool and draw"
            )
    pool = load_pool(experiment)
    return pool, draw(experiment, pool)


def load_network(experiment: Experiment, pool: Dataset) -> Any:
    """A network of one's own as the engine takes it; None for the built-in one.

    Raises:
        ValueError: for what is no network, or cannot be trained, naming what to give instead.
    """
    given = experiment.network
    if given is None:
        return None
    found = networks.located(given, pool.num_classes) if isinstance(given, str) else given
    if isinstance(found, networks.MLP | networks.CNN):
        return found
    if isinstance(found, networks.NormalisedCNN):
        return networks.build(found, pool.num_classes, pool.x.shape[1:])
    x = arguments.inputs("dataset.x", pool.x[:2])
    return networks.from_module(found, x)


def run_cell(experiment: Experiment, depth: int | None, *data: Any, **how: Any) -> Cell:
    """Train and bound one cell; the arguments are those of `train_cell`."""
    return bound_cell(train_cell(experiment, depth, *data, **how))


@pinned()
def train_cell(
    experiment: Experiment,
    depth: int | None,
    pool: Dataset,
    supersample: Supersample,
    progress: Progress | None = None,
    network: Any = None,
    padded_to: int | None = None,
) -> Trained:
    """Train one cell.

    Args:
        experiment: of one value each, but for the depths.
        depth: hidden layers of the built-in network; None with another one.
        pool: the examples.
        supersample: pairs and masks.
        progress: told how far training is.
        network: what `load_network` gave.
        padded_to: see `experiment.training`.
    """
    key = jax.random.fold_in(seed_key(cast(int, experiment.seed)), 1)
    if depth is None:
        config = settled(experiment, network)
    else:
        config = training(experiment, depth, padded_to)
    trained = langevin.train(
        key, config, pool, supersample, weights=experiment.maxent, progress=progress
    )
    last = None, None
    if experiment.maxent and hosts.first():
        last = last_layer(trained.weights, key, config, pool, supersample)
    return Trained(trained.evidence, *last)


def train_cells(
    experiments: Sequence[Experiment],
    pool: Dataset,
    supersamples: Sequence[Supersample],
    progress: Progress | None = None,
    network: Any = None,
    padded_to: int | None = None,
    of: int | None = None,
) -> Iterator[Trained]:
    """Train several cells whose replicas share one program; each comes as soon as it is done.

    Args:
        experiments: of one value each, see `langevin.train_many`; without maxent.
        pool: the examples.
        supersamples: pairs and masks, one each.
        progress: told how far training is.
        network: what `load_network` gave.
        padded_to: see `experiment.training`.
        of: how many cells a program is made for, these and others; these alone by default. The
            cells of one sweep share programs whenever they are trained.
    """
    with pinned():
        keys = [jax.random.fold_in(seed_key(cast(int, one.seed)), 1) for one in experiments]
    configs = [settled(one, network, padded_to) for one in experiments]
    runs = [langevin.Settings(*run) for run in zip(keys, configs, supersamples)]
    replicas = math.prod(runs[0].supersample.mask.shape[:2])
    at_once = several_at_once(runs[0].config, replicas, len(runs) if of is None else of)
    for found in train_in_turn(runs, pool, at_once=at_once, progress=progress):
        yield Trained(found)


def bound_cell(trained: Trained) -> Cell:
    """What a cell gives that is trained."""
    return bounded(trained.evidence)._replace(**trained._asdict())


def bounded(evidence: Evidence) -> Cell:
    """Gap, bounds and nulls of evidence at each of its checkpoints.

    Worked out side by side: XLA compiles and runs without Python's lock.
    """
    functions = bounds.gap, bounds.evaluate, bounds.row_nulls, bounds.measured_floor

    def at_one(function: Callable[..., Any], checkpoint: int) -> Any:
        with pinned():  # the settings of JAX are those of a thread
            return function(evidence, checkpoint)

    with threads.beside() as pool:
        # The first checkpoint compiles the programs of all.
        first = list(pool.map(at_one, functions, [0] * len(functions)))
        later = range(1, len(np.atleast_1d(evidence.checkpoints)))
        rest = [[pool.submit(at_one, function, t) for t in later] for function in functions]
        along = [[a, *(one.result() for one in b)] for a, b in zip(first, rest)]
    gap, found, nulls, floor = along
    return Cell(evidence, gap, found, nulls, floor)


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
        kernel, bias = (jax.lax.collapse(a, 0, 2) for a in head(weights))
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

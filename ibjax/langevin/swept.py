"""Runs that differ in scalars, seed or data alone, as the replicas of one compiled program."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.interface import Dataset, Evidence, Network, Supersample
from ibjax.langevin import engine
from ibjax.langevin.checks import pairs, pool_arrays
from ibjax.langevin.config import Config, hyper, static
from ibjax.langevin.engine import Progress
from ibjax.langevin.marks import check_marks
from ibjax.langevin.measured import evidence, step_arrays
from ibjax.langevin.prepared import as_now, check_rows, network_of
from ibjax.langevin.programs import in_parallel
from ibjax.langevin.replicas import replica_keys
from ibjax.langevin.run import Pairs, Run, make_run
from ibjax.randomness import pinned, root_key
from ibjax.signatures import enforced
from ibjax.typing import Key

BUSY = 2048
"""Replicas that keep an accelerator busy: more of them would take about as much longer."""


class Settings(NamedTuple):
    """One run among several: root key of its randomness, configuration, pairs and masks."""

    key: Key
    config: Config
    supersample: Supersample


class Scaled(NamedTuple):
    """Replicas of supersamples with scalars of their own: their rows are (index, mask, scalars)."""

    n: int
    scalars: Any

    def values(self, config: Config) -> Any:
        """Shapes of the scalars that start a run; no number of it depends on them."""
        return Pairs(self.n).values(config)

    def rows(self, chunk: int) -> Any:
        """Shapes of the rows of as many replicas; `scalars` is the structure of the last ones."""
        each = [jax.ShapeDtypeStruct((chunk,), jnp.float32)] * self.scalars.num_leaves
        return (*Pairs(self.n).rows(chunk), jax.tree.unflatten(self.scalars, each))

    def run(self, config: Config, network: Network, pool: Any) -> Run:
        """The functions of one replica, which take its scalars from its rows."""
        one = make_run(config, network, pool, self.n)

        def advance(state, start, stop, key, shared, rows, x, y):
            *data, own = rows
            return one.advance(state, start, stop, key, own, tuple(data), x, y)

        def evaluate(state, step, key, shared, rows, x, y):
            *data, own = rows
            return one.evaluate(state, step, key, own, tuple(data), x, y)

        return one._replace(advance=advance, evaluate=evaluate)


@enforced
def train_many(
    runs: Sequence[Settings], dataset: Dataset, *, progress: Progress | None = None
) -> list[Evidence]:
    """The evidence of several runs, trained as the replicas of one program.

    The runs may differ in learning rate, inverse temperature, clip, layer noise, the depth of a
    padded `MLP`, key and supersample. The numbers are those that `train` gives for each run
    alone, to rounding.

    Args:
        runs: key, configuration and supersample of each.
        dataset: the pool.
        progress: called after every stretch of steps.

    Returns:
        One `Evidence` a run.

    Raises:
        ValueError: for no run, runs that do not share a program, and as `train`.
    """
    return list(train_in_turn(runs, dataset, progress=progress))


@enforced
def train_in_turn(
    runs: Sequence[Settings],
    dataset: Dataset,
    *,
    at_once: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Evidence]:
    """What `train_many` gives, each run as soon as its own replicas are trained.

    Args:
        runs: key, configuration and supersample of each.
        dataset: the pool.
        at_once: replicas trained at once, where memory holds them; all by default. Calls that give
            the same number share programs, however many runs each has.
        progress: called after every stretch of steps.

    Returns:
        An iterator of one `Evidence` a run, in their order; training goes on as it is asked.

    Raises:
        ValueError: at once, before training, as `train_many`; at_once < 1.
    """
    if not runs:
        raise ValueError("runs is empty; give at least one")
    if at_once is not None:
        arguments.whole("at_once", at_once, 1)
    with pinned():
        found = _train(list(runs), dataset, at_once, progress)
    return _under_pinned(found)


def several_at_once(config: Config, replicas: int, runs: int) -> int:
    """How many replicas of as many runs are trained at once: what a killed process can lose.

    Where replicas are trained one after the other nothing is gained by more than those of one
    run. Where they are batched a few runs take about as long as one, up to the number that keeps
    an accelerator busy; more would be done no sooner.

    Args:
        config: of one of them.
        replicas: of each.
        runs: how many.
    """
    batched = max(BUSY // replicas, 1) if in_parallel(config.mapping) else 1
    return replicas * min(batched, runs)


def _under_pinned(found: Iterator[Evidence]) -> Iterator[Evidence]:
    """The same, with the settings of JAX pinned while it is worked out and not between."""
    while True:
        with pinned():
            one = next(found, None)
        if one is None:
            return
        yield one


def _train(runs, dataset, at_once, progress) -> Iterator[Evidence]:
    x, y = pool_arrays(dataset, runs[0].config.network)
    num_classes = int(dataset.num_classes)
    runs = [run._replace(config=as_now(run.config, num_classes, x)) for run in runs]
    first = runs[0].config
    drawn = [pairs(run.supersample, dataset) for run in runs]
    shapes = {(static(r.config), r.config.stops, m.shape[-1]) for r, (_, m) in zip(runs, drawn)}
    if len(shapes) > 1:
        raise ValueError(
            "runs differ in more than scalars, key and supersample (steps, checkpoints, sizes, "
            "network or batches): each such difference is another program; call once for each"
        )
    n = drawn[0][1].shape[-1]
    keys, rows, sizes = [], [], []
    for run, (index, mask) in zip(runs, drawn):
        k1, k2, _ = mask.shape
        network = _network(run.config, num_classes, x)
        check_rows(run.config, network, x, 2 * n)
        params = jax.eval_shape(network.init, jax.random.key(0), x[:1])
        check_marks(network, params, hyper(run.config))
        own = jax.tree.map(lambda v, r=k1 * k2: np.full(r, v, np.float32), hyper(run.config))
        keys.append(replica_keys(root_key(run.key), k1, k2, run.config.shared_randomness))
        rows.append((np.repeat(index, k2, axis=0), mask.reshape(k1 * k2, n), own))
        sizes.append(step_arrays(run.config))
    replicas = engine.Replicas(
        Scaled(n, jax.tree.structure(rows[0][2])),
        jnp.concatenate(keys),
        jax.tree.map(lambda *a: np.concatenate(a), *rows),
        jax.tree.map(jnp.float32, hyper(first)),
    )
    given = (first, replicas, x, y, num_classes, first.stops)
    trained = engine.in_turn(*given, at_once=at_once, progress=progress)

    def taken() -> Iterator[Evidence]:
        left: list[Any] = []
        for run, (index, mask), size in zip(runs, drawn, sizes):
            k1, k2, _ = mask.shape
            while sum(map(_count, left)) < k1 * k2:
                left.append(next(trained).measured)
            together = jax.tree.map(lambda *a: np.concatenate(a), *left)
            shape = (k1, k2)
            mine = jax.tree.map(
                lambda a, k=shape: a[: k[0] * k[1]].reshape(*k, *a.shape[1:]), together
            )
            left = [jax.tree.map(lambda a, done=k1 * k2: a[done:], together)]
            network = _network(run.config, num_classes, x)
            data = (index, mask, y[index])
            yield evidence(run.config, network, num_classes, mine, size, data, x[:1])

    return taken()


def _network(config: Config, num_classes: int, x: np.ndarray) -> Network:
    described = (config.network, num_classes, x.shape[1:], x.dtype.name, config.scalars)
    return network_of(*described, claims=True)


def _count(measured: Any) -> int:
    """Replicas that a chunk holds."""
    return len(jax.tree.leaves(measured)[0])

"""Runs that differ in scalars, seed or data alone, as the replicas of one compiled program."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import Dataset, Evidence, Network, Supersample
from ibjax.langevin import engine
from ibjax.langevin.checks import pairs, pool_arrays
from ibjax.langevin.config import Config, hyper, static
from ibjax.langevin.engine import Progress
from ibjax.langevin.losses import check_loss
from ibjax.langevin.measured import evidence, step_arrays
from ibjax.langevin.prepared import network_of
from ibjax.langevin.replicas import replica_keys
from ibjax.langevin.run import Pairs, Run, make_run
from ibjax.randomness import pinned, root_key
from ibjax.signatures import enforced
from ibjax.typing import Key


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
    if not runs:
        raise ValueError("runs is empty; give at least one")
    with pinned():
        return _train_many(list(runs), dataset, progress)


def _train_many(runs, dataset, progress) -> list[Evidence]:
    first = runs[0].config
    x, y = pool_arrays(dataset, first.network)
    num_classes = int(dataset.num_classes)
    check_loss(first.loss, num_classes)
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
    got = engine.train(first, replicas, x, y, num_classes, first.stops, progress=progress)
    found, start = [], 0
    for run, (index, mask), size in zip(runs, drawn, sizes):
        k1, k2, _ = mask.shape
        part = slice(start, start + k1 * k2)
        start = part.stop
        mine = jax.tree.map(
            lambda a, p=part, k=(k1, k2): a[p].reshape(*k, *a.shape[1:]), got.measured
        )
        config = run.config
        described = (config.network, num_classes, x.shape[1:], x.dtype.name, config.scalars)
        network = network_of(*described, claims=True)
        data = (index, mask, y[index])
        found.append(evidence(config, network, num_classes, mine, size, data, x[:1]))
    return found

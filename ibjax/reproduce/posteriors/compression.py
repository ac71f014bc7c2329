"""Certificates without noise in training, MNIST: short descriptions and learnt posteriors.

A network trained in a random subspace, quantised and written down in as few bits as possible, for
several dimensions of the subspace, and PAC-Bayes with backprop, with its prior at the random start
and learnt on a half of the data. Each certificate bounds the test error and stands beside it.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray

from ibjax import data, networks, posteriors, rounding
from ibjax.interface import Dataset, Hyper, Network
from ibjax.networks import MLP
from ibjax.reproduce.outcome import Log, Outcome, in_names, record, refuse_repeats, settled
from ibjax.reproduce.posteriors.compression_view import view
from ibjax.typing import Key


@dataclass(frozen=True)
class Options:
    """Sizes of the experiment."""

    dataset: str = "mnist"
    """Data set, all its classes; "digits" needs no files."""
    width: int = 100
    """Hidden units of the network, one layer of rectifiers."""
    dimensions: tuple[int, ...] = (50, 100, 200, 400, 800)
    """Coordinates of the random subspace; the number of them that are tried is paid for in bits."""
    letters: int = 8
    """Levels a coordinate is rounded to."""
    fractions: tuple[float, ...] = (0.0, 0.5)
    """Shares of the data that learn the prior; delta is divided among them."""
    random_std: float = 0.1
    """Standard deviation of a prior around the random start."""
    learnt_std: float = 0.03
    """Standard deviation of a prior around learnt weights."""
    steps: int = 6000
    """Updates of every training."""
    batch: int = 256
    """Examples an update."""
    draws: int = 300
    """Networks drawn from a posterior for its error."""
    delta: float = 0.05
    """Failure probability of all certificates of one method together."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""
    seed: int = 0
    """Root of all randomness."""


QUICK = Options(
    dataset="digits",
    width=16,
    dimensions=(60, 150),
    fractions=(0.3, 0.6),
    steps=600,
    batch=128,
    draws=100,
)


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Table, results file and picture."""
    chosen = settled(options, quick, QUICK)
    refuse_repeats("dimensions", chosen.dimensions)
    refuse_repeats("fractions", chosen.fractions)
    if not 0 < chosen.delta < 1:
        raise ValueError(f"delta={chosen.delta} is a failure probability; give one in (0, 1)")
    path = folder / f"compression-{in_names(chosen.dataset)}.nc"
    return record(solve(chosen, log), path, "compression-mnist", view)


def solve(options: Options, log: Log) -> xarray.Dataset:
    """Every certificate and the test error beside it."""
    load = partial(data.load, options.dataset, data_dir=options.data_dir)
    train, test = load("train"), load("test")
    network = networks.build(
        MLP(1, options.width, "relu"), train.num_classes, np.asarray(train.x).shape[1:]
    )
    key = jax.random.key(options.seed)
    size = sum(np.size(p) for p in jax.tree.leaves(network.init(key, train.x[:1])))
    short = [compressed(key, network, train, test, p, options, log) for p in options.dimensions]
    learnt = [
        posterior(jax.random.fold_in(key, i), network, train, test, share, options, log)
        for i, share in enumerate(options.fractions)
    ]
    measured, proved = {"kind": "measured"}, {"kind": "certificate"}
    variables: dict[str, Any] = {}
    for axis, prefix, rows in (("dimension", "code", short), ("prior_share", "posterior", learnt)):
        for name in rows[0]:
            notes = proved if name == "risk" else measured
            values = np.array([row[name] for row in rows], float)
            variables[f"{prefix}_{name}"] = (axis, values, notes)
    return xarray.Dataset(
        variables,
        {"dimension": list(options.dimensions), "prior_share": list(options.fractions)},
        {
            "dataset": options.dataset,
            "train_size": len(train.y),
            "test_size": len(test.y),
            "parameters": int(size),
            "letters": options.letters,
            "width": options.width,
            "delta": options.delta,
            "seed": options.seed,
        },
    )


def compressed(
    key: Key, network: Network, train: Dataset, test: Dataset, p: int, options: Options, log: Log
) -> dict[str, float]:
    """The shortest description at one dimension, and what it certifies."""
    found = posteriors.compress(
        key,
        network,
        train,
        dimension=p,
        letters=options.letters,
        steps=options.steps,
        refine=options.steps // 4,
        batch=options.batch,
        delta=options.delta,
        choices=len(options.dimensions),
    )
    row = {
        "bits": found.bits,
        "train_error": found.train_error,
        "test_error": wrong(network, found.params, test),
        "risk": float(found.risk.value),
    }
    log(f"{p} dimensions: {found.bits:.0f} bits, test error at most {rounding.up(row['risk'])}")
    return row


def posterior(
    key: Key,
    network: Network,
    train: Dataset,
    test: Dataset,
    share: float,
    options: Options,
    log: Log,
) -> dict[str, float]:
    """A posterior learnt from one share of the data for the prior, and what it certifies."""
    count = len(options.fractions)
    found = posteriors.learn_posterior(
        key,
        network,
        train,
        prior_fraction=share,
        prior_std=options.learnt_std if share else options.random_std,
        # a random start has a long way to go
        learning_rate=1e-3 if share else 1e-2,
        prior_steps=options.steps,
        steps=options.steps,
        batch=options.batch,
        draws=options.draws,
        delta=0.8 * options.delta / count,
        delta_draws=0.2 * options.delta / count,
    )
    keys = jax.random.split(jax.random.fold_in(key, 1), 20)
    one = jax.jit(lambda k: posteriors.draw(k, found.mean, found.std))
    row = {
        "divergence": float(found.divergence.value),
        "size": found.size,
        "train_error": found.train_error,
        "test_error": float(np.mean([wrong(network, one(k), test) for k in keys])),
        "risk": float(found.risk.value),
    }
    log(f"prior from {share:.0%}: KL {row['divergence']:.0f}, at most {rounding.up(row['risk'])}")
    return row


def wrong(network: Network, params: Any, test: Dataset) -> float:
    """0-1 error of one network."""
    logits = network.apply(params, test.x, None, Hyper(0.0, 0.0))[0]
    return float(np.mean(np.argmax(logits, axis=1) != np.asarray(test.y)))

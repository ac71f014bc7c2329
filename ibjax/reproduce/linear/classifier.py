"""Supersample bounds of a linear classifier on synthetic data, as in Wang and Mao 2023.

Softmax regression trained by full-batch gradient descent on `make_classification` points with five
informative features, from 5 to 50 examples, stopped early at 99 % training accuracy. As published,
every supersample has a law and 2 n points of its own with equally many points a class, the first
weights are uniform in ±1/sqrt(5), and the step after the first accurate output is still taken.
Equal class counts make the two halves of a supersample exchangeable but not independent: what one
class has more of in training it has less of in the test half.

What differs:

- Everything is seeded, and each supersample pairs its points by a shuffle of its own. Published: a
  fixed shuffle of the points sorted by class, which gives each place in a pair the same class in
  every supersample; its columns are then not exchangeable, which the single-loss bounds need.
- The constants of the fast rate are optimised in closed form instead of by a general solver. Where
  the bound puts the test error above one minus the training error ours is the smaller, as there
  the probabilities must also sum to one.
- Tables of one supersample count all masks; the published program drops the last one.
- Not shown: variance and sharpness forms (their best member is the fast rate), the closed-form
  fast rate (weaker), the binary relative entropy and the interpolating bounds.

Shown besides are the centred single-loss bound (about half the published one), the pair
Jensen-Shannon bound, and e-CMI from a table a supersample.

Reference: Wang, Mao 2023, "Tighter information-theoretic generalization bounds from supersamples".
"""

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray

from ibjax import data, environment, files, langevin
from ibjax.interface import Dataset, Hyper, Network, Supersample
from ibjax.reproduce.linear.measures import MEASURED, measure
from ibjax.reproduce.linear.view import figure, table
from ibjax.reproduce.outcome import Log, Outcome, View, jsoned, record, refuse_repeats, settled
from ibjax.reproduce.replica_cells import fingerprint, stored
from ibjax.typing import JaxArray, Key

FEATURES, SEED, LARGEST, FORMAT = 5, 0, 10_000, 2
NAME = "linear-classifier"


@dataclass(frozen=True)
class Options:
    """The grid."""

    train_size: tuple[int, ...] = (5, 10, 20, 30, 50)
    """Numbers of training examples."""
    classes: int = 2
    """Classes of the synthetic laws; published: 2 and 10."""
    separation: float = 1.0
    """Distance of the classes; published: 5, 1 and 0.2."""
    supersamples: int = 50
    """Draws of a law and its pairs."""
    masks: int = 100
    """Trainings a supersample."""
    epochs: int = 500
    """Gradient steps at most."""
    learning_rate: float = 0.01
    """Step size."""

    def __post_init__(self) -> None:
        if not self.train_size or min(self.train_size) < 2 or max(self.train_size) > LARGEST:
            raise ValueError(f"train_size={self.train_size}: give sizes from 2 to {LARGEST}")
        refuse_repeats("train_size", self.train_size)
        if not 2 <= self.classes <= 2**FEATURES:
            raise ValueError(
                f"classes={self.classes}: give 2 to {2**FEATURES} classes in {FEATURES} features"
            )
        if self.masks < 2 or self.supersamples < 2 or self.epochs < 1:
            raise ValueError(
                f"masks={self.masks}, supersamples={self.supersamples}, epochs={self.epochs}: give "
                "at least 2 masks, 2 supersamples (one has no spread) and 1 epoch"
            )
        for name in ("separation", "learning_rate"):
            value = getattr(self, name)
            if not 0 < value <= 1000:
                raise ValueError(f"{name}={value}: give a number above 0, at most 1000")


QUICK = Options(train_size=(5, 20), supersamples=10, masks=30)


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train and bound the sizes that are not stored yet; draw gap and bounds against n."""
    chosen = settled(options, quick, QUICK)
    cells = [cell(folder / NAME, n, chosen, log) for n in chosen.train_size]
    found = together([one for one, _ in cells])
    return record(found, folder / f"{NAME}.nc", NAME, view, tuple(path for _, path in cells))


def together(cells: list[xarray.Dataset]) -> xarray.Dataset:
    """What is shown of every size, without the trainings."""
    rows = ("n", "quantity")
    first = cells[0]
    return xarray.Dataset(
        {
            "value": (rows, np.stack([one.value.values for one in cells]), first.value.attrs),
            "std_error": (rows, np.stack([one.std_error.values for one in cells])),
            "diverged": ("n", [int(one.diverged.sum()) for one in cells]),
            "trainings": ("n", [one.diverged.size for one in cells]),
        },
        {"n": [one.n for one in cells], "quantity": first.quantity, "bias": first.bias},
        {"settings": first.attrs["settings"]},
    )


def view(found: xarray.Dataset) -> View:
    """Table and picture of all sizes, or of one that a file holds."""
    if "predictions" in found:
        found = together([found])
    given = jsoned(found.attrs, "settings")
    names = ("classes", "separation", "supersamples", "masks", "epochs", "learning_rate")
    options = Options(**{name: given[name] for name in names})
    return View(table(found, options), figure(found))


def cell(folder: Path, n: int, options: Options, log: Log) -> tuple[xarray.Dataset, Path]:
    """One size from its file if that is there, else computed and stored; and the file.

    The name of the file ends in the fingerprint of the settings: others have files of their own.
    """
    settings = {
        **asdict(replace(options, train_size=(n,))),
        "seed": SEED,
        "layout": FORMAT,
        "sklearn": environment.version("scikit-learn"),
    }
    digest = fingerprint(settings)
    path = folder / f"n{n}-{digest}.nc"
    found = stored(path, f"n = {n}", log)
    if found is not None:
        log(f"n = {n}: finished before")
        return found, path
    start = time.perf_counter()
    found = point(n, options)
    found.attrs = {
        **environment.describe(),
        "settings": json.dumps(settings, sort_keys=True),
        "fingerprint": digest,
        "seconds": time.perf_counter() - start,
        "n": n,
    }
    files.write(found, path)
    gap = float(found.value.sel(quantity="gap"))
    log(f"n = {n}: {found.diverged.size} trainings in {found.seconds:.0f} s, gap {gap:.4f}")
    return found, path


def point(n: int, options: Options) -> xarray.Dataset:
    """The trainings of one size, and gap and bounds with their standard errors."""
    key, pairs, x, y = synthetic(n, options)
    size = options.classes, options.epochs, options.learning_rate
    predictions, diverged = train(key, x, y, pairs.mask, *size)
    values = measure(predictions, y, np.asarray(pairs.mask), ~diverged, options.classes)
    names = list(values)
    value, error = np.array(list(values.values())).T
    bias = ["none" if k in MEASURED else "plug-in: up near 0, down near log 2" for k in names]
    columns = ("supersample", "mask_id", "pair", "column")
    return xarray.Dataset(
        {
            "predictions": (columns, predictions.astype(np.int8)),
            "mask": (columns[:3], np.asarray(pairs.mask, np.int8)),
            "labels": (("supersample", "pair", "column"), y.astype(np.int8)),
            "diverged": (columns[:2], diverged.astype(np.int8)),
            "value": (("quantity",), value, {"units": "loss (0-1)", "kind": "estimate"}),
            "std_error": (("quantity",), error, {"units": "loss (0-1)"}),
        },
        {"quantity": names, "bias": ("quantity", bias)},
    )


def synthetic(n: int, options: Options) -> tuple[Key, Supersample, np.ndarray, np.ndarray]:
    """Training key, pairs, and their points (k1, n, 2, features) and labels (k1, n, 2)."""
    from sklearn.datasets import make_classification

    root = jax.random.fold_in(jax.random.key(SEED), n)
    pairs = data.supersample(root, 2 * n, n, options.supersamples, options.masks)
    points, labels = [], []
    for s, index in enumerate(np.asarray(pairs.index)):
        x, y = make_classification(
            2 * n,
            FEATURES,
            n_informative=FEATURES,
            n_redundant=0,
            n_classes=options.classes,
            n_clusters_per_class=1,
            class_sep=options.separation,
            flip_y=0,
            random_state=int(np.random.default_rng([SEED, n, s]).integers(2**32)),
        )
        points.append(x[index])
        labels.append(y[index])
    # Folded once more, so that no training shares a key with the draws of the pairs.
    key = jax.random.fold_in(root, 2)
    return key, pairs, np.array(points, np.float32), np.array(labels, np.int32)


def train(
    key: Key, x: np.ndarray, y: np.ndarray, mask: Any, classes: int, epochs: int, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (k1, k2, n, 2) of softmax regressions, and which diverged (k1, k2).

    As published, training ends with the step after the first output that is 99 % accurate.
    """
    k1, k2, n = np.shape(mask)
    pool = Dataset(x.reshape(-1, FEATURES), y.reshape(-1), classes, "synthetic")
    pairs = Supersample(np.arange(len(pool.y)).reshape(k1, n, 2), np.asarray(mask))
    config = langevin.Config(
        network=softmax_regression(classes),
        steps=epochs,
        stop_error=0.01,
        optimizer="sgd",
        learning_rate=rate,
        clip=None,
        mapping="vmap",
        replicas_per_chunk=k2,
    )
    found = langevin.train(key, config, pool, pairs).evidence
    return np.asarray(found.predictions)[:, :, 0], np.asarray(found.diverged)


@lru_cache(maxsize=16)
def softmax_regression(classes: int) -> Network:
    """A linear layer started as published.

    One object for a number of classes, so that runs share their programs.
    """

    def init(key: Key, x: JaxArray) -> Any:
        return start_weights(key, classes)

    def apply(params: Any, x: JaxArray, key: Key | None, hyper: Hyper):
        return x @ params[:-1] + params[-1], ()

    return Network(init, apply)


def start_weights(key: Key, classes: int) -> JaxArray:
    """Weights and bias (last row) as a linear layer of PyTorch starts: uniform, ±1/sqrt(inputs)."""
    width = 1 / math.sqrt(FEATURES)
    return jax.random.uniform(key, (FEATURES + 1, classes), minval=-width, maxval=width)

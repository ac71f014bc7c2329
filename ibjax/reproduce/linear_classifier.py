"""Supersample bounds of a linear classifier on synthetic data, as in Wang and Mao 2023.

Softmax regression trained by full-batch gradient descent on `make_classification` data with five
informative features, from 5 to 50 examples, stopped early at 99 % training accuracy. The programs
print no numbers; what is published is the order of the curves: gap, fast rate, loss difference,
then the information of predictions.

Reference: Wang, Mao 2023, "Tighter information-theoretic generalization bounds from supersamples".
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import bounds, data
from ibjax.reproduce.outcome import Log, Outcome, bound_text, save
from ibjax.typing import JaxArray as Array

POOL, FEATURES, SEED = 20_000, 5, 0


@dataclass(frozen=True)
class Options:
    """The grid."""

    train_size: tuple[int, ...] = (5, 10, 20, 30, 50)
    """Numbers of training examples."""
    classes: int = 2
    """Classes of the synthetic law; published: 2 and 10."""
    separation: float = 1.0
    """Distance of the classes; published: 5, 1 and 0.2."""
    supersamples: int = 50
    """Draws of the pairs."""
    masks: int = 100
    """Trainings a supersample."""
    epochs: int = 500
    """Gradient steps at most."""
    learning_rate: float = 0.01
    """Step size."""

    def __post_init__(self) -> None:
        if not self.train_size or min(self.train_size) < 2 or max(self.train_size) > POOL // 2:
            raise ValueError(f"train_size={self.train_size}: give sizes from 2 to {POOL // 2}")
        if self.classes < 2 or self.classes > 16:
            raise ValueError(f"classes={self.classes}: give 2 to 16 classes in {FEATURES} features")
        if self.masks < 2 or self.supersamples < 1 or self.epochs < 1:
            raise ValueError(
                f"masks={self.masks}, supersamples={self.supersamples}, epochs={self.epochs}: give "
                "at least 2 masks, 1 supersample and 1 epoch"
            )


class Point(NamedTuple):
    """One size: name to (value, standard error), in the order of the published curves."""

    n: int
    train_error: float
    values: dict[str, tuple[float, float]]


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train, bound, and draw gap and bounds against n."""
    options = options or Options()
    if quick:
        options = replace(options, train_size=(5, 20), supersamples=10, masks=30)
    x, y = synthetic(options)
    found = []
    for n in options.train_size:
        found.append(point(n, x, y, options))
        log(f"n = {n}: gap {found[-1].values['gap'][0]:.4f}")
    return Outcome(table(found, options), (save(figure(found), folder / "linear-classifier.png"),))


def synthetic(options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The pool of the synthetic law."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        POOL,
        FEATURES,
        n_informative=FEATURES,
        n_redundant=0,
        n_classes=options.classes,
        n_clusters_per_class=1,
        class_sep=options.separation,
        flip_y=0,
        random_state=SEED,
    )
    return np.asarray(x, np.float32), np.asarray(y, np.int32)


def point(n: int, x: Any, y: Any, options: Options) -> Point:
    """Gap and bounds at one size."""
    root = jax.random.fold_in(jax.random.key(SEED), n)
    pairs = data.supersample(root, len(y), n, options.supersamples, options.masks)
    predictions = np.asarray(
        train(
            jnp.asarray(x),
            jnp.asarray(y),
            *pairs,
            options.classes,
            options.epochs,
            options.learning_rate,
        )
    )
    masks, labels = np.asarray(pairs.mask), np.asarray(y)[np.asarray(pairs.index)]
    losses = (predictions != labels[:, None]).astype(np.int32)
    wrong = np.take_along_axis(losses, masks[..., None], -1)[..., 0]
    ghost = np.take_along_axis(losses, 1 - masks[..., None], -1)[..., 0]
    each = (ghost - wrong).mean((1, 2))
    units = len(each)
    error = each.std(ddof=1) / units**0.5 if units > 1 else float("nan")
    values = {"gap": (float(each.mean()), float(error))}
    ways = {
        "single loss": partial(bounds.single_loss, losses, masks, pooled=True),
        "fast rate": partial(bounds.ld_cmi, losses, masks, pooled=True, inversion="pair"),
        "ld-MI": partial(bounds.ld_cmi, losses, masks, pooled=True),
        "ld-CMI": partial(bounds.ld_cmi, losses, masks),
        "e-CMI": partial(bounds.e_cmi, losses, masks),
        "f-CMI": partial(bounds.f_cmi, predictions, masks, options.classes),
    }
    for name, way in ways.items():
        bound = way()
        values[name] = (float(bound.value), float(bound.std_error))
    return Point(n, float(wrong.mean()), values)


@partial(jax.jit, static_argnums=(4, 5, 6))
def train(x, y, index, mask, classes: int, epochs: int, rate: float) -> Array:
    """Predictions (k1, k2, n, 2) of softmax regressions started at zero."""
    features = jnp.concatenate([x, jnp.ones_like(x[:, :1])], 1)

    def one(pairs, u):
        rows = jnp.take_along_axis(pairs, u[:, None], 1)[:, 0]
        a, labels = features[rows], y[rows]
        hot = jax.nn.one_hot(labels, classes)

        def step(_, state):
            w, done = state
            logits = a @ w
            # The published program checks accuracy after a step and stops for good.
            done = done | (jnp.mean((jnp.argmax(logits, 1) == labels).astype(a.dtype)) >= 0.99)
            gradient = a.T @ (jax.nn.softmax(logits) - hot) / a.shape[0]
            return jnp.where(done, w, w - rate * gradient), done

        start = jnp.zeros((a.shape[1], classes))
        first = -rate * a.T @ (jax.nn.softmax(a @ start) - hot) / a.shape[0]
        w, _ = jax.lax.fori_loop(1, epochs, step, (first, jnp.array(False)))
        return jnp.argmax(features[pairs] @ w, -1)

    return jax.vmap(lambda p, us: jax.lax.map(lambda u: one(p, u), us, batch_size=32))(index, mask)


def table(found: list[Point], options: Options) -> Any:
    """Gap and bounds with standard errors over supersamples, and whether the order holds."""
    from rich import box
    from rich.table import Table

    out = Table(
        box=box.SIMPLE_HEAD,
        title=f"softmax regression, {options.classes} classes, separation {options.separation:g}, "
        f"{options.supersamples} x {options.masks} trainings",
        title_justify="left",
        caption="± standard error over supersamples. MI: one pooled table; CMI: a table a pair, "
        "biased up. No numbers are published; the order of the curves is.",
        caption_justify="left",
    )
    for column in ("n", *found[0].values):
        out.add_column(column, justify="right", no_wrap=True)
    for p in found:
        out.add_row(str(p.n), *(bound_text(v, e) for v, e in p.values.values()))
    return out


def figure(found: list[Point]) -> Any:
    """Gap and bounds against n."""
    from matplotlib.figure import Figure

    out = Figure(figsize=(5.5, 4), layout="constrained")
    ax = out.subplots()
    colours = ("#000000", "#009E73", "#CC79A7", "#0072B2", "#56B4E9", "#E69F00", "#D55E00")
    sizes = [p.n for p in found]
    for colour, name in zip(colours, found[0].values):
        values, errors = zip(*(p.values[name] for p in found))
        ax.errorbar(sizes, values, errors, fmt="o-", color=colour, label=name, markersize=4)
    ax.set(xlabel="training examples n", ylabel="test minus training error", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8)
    return out

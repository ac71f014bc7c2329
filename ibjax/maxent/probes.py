"""Cross-fitted probes of a layer: softmax, a nested nonlinear softmax, and naive Bayes."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.maxent import accelerated, alphabets, checks
from ibjax.maxent.identity import log_law
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, Int, Key, Numbers


class Probes(NamedTuple):
    """Losses -log q(y_i | t_i) of each example under probes not fitted to it, nats.

    Attributes:
        linear: of the softmax, (n,).
        nonlinear: of the softmax with random rectified features added, (n,).
        naive_bayes: of Gaussian naive Bayes, (n,).
        errors: 1_Y - q of the softmax, (n, K).
        logits: log q of the softmax, (n, K).
        train_linear: mean training loss of the softmax over folds.
        train_nonlinear: of the nonlinear one.
        train_gap: mean training CE - H_q of the softmax.
        converged: whether every fit met its tolerance.
        fold: the fold each example was held out in, (n,).
    """

    linear: Float[Array, " n"]
    nonlinear: Float[Array, " n"]
    naive_bayes: Float[Array, " n"]
    errors: Float[Array, "n k"]
    logits: Float[Array, "n k"]
    train_linear: Float[Array, ""]
    train_nonlinear: Float[Array, ""]
    train_gap: Float[Array, ""]
    converged: Bool[Array, ""]
    fold: Int[Array, " n"]


CONSTANT = 1e-6
"""Deviation over the largest value up to which a unit is constant but for rounding."""


def standardise(features: Array, weights: Array) -> Array:
    """Zero mean and unit variance under the given row weights; constant units become 0."""
    features = features / largest(jnp.where(weights[:, None] > 0, features, 0))
    centred = features - weights @ features
    std = jnp.sqrt(weights @ centred**2)
    return jnp.where(std > CONSTANT, centred / jnp.where(std > CONSTANT, std, 1), 0)


def largest(features: Array) -> Array:
    """The largest size of each unit, (d,), and 1 of one that is 0: what it may be measured by.

    Squares of it over this neither overflow nor vanish, whatever the units are.
    """
    size = jnp.abs(features).max(axis=0)
    return jnp.where(size > 0, size, 1)


def rectified(key: Key, features: Array, width: int) -> Float[Array, "n m"]:
    """Random features relu(A t + c), scaled so that all of them together have bounded variance.

    Args:
        key: randomness of A and c.
        features: standardised, (n, d).
        width: number of features m.

    Returns:
        (n, m).
    """
    units = features.shape[1]
    slope_key, offset_key = jax.random.split(key)
    # Constant units, which are 0 here, must not dilute the others.
    live = jnp.maximum((features != 0).any(axis=0).sum(), 1)
    slopes = jax.random.normal(slope_key, (units, width), features.dtype) * jnp.sqrt(2 / live)
    offsets = jax.random.normal(offset_key, (width,), features.dtype)
    hidden = jax.nn.relu(features @ slopes.astype(features.dtype) + offsets)
    return hidden * (8 / max(width, 1)) ** 0.5


def _gaussian_bayes(z: Array, onehot: Array, mask: Array) -> Array:
    """Log posterior of naive Bayes with Gaussian units, fitted on the masked rows."""
    member = onehot * mask[:, None]
    counts = member.sum(axis=0)
    safe = jnp.maximum(counts, 1)
    mean = (member.T @ z) / safe[:, None]
    spread = jnp.maximum((member.T @ z**2) / safe[:, None] - mean**2, 1e-3)
    quadratic = ((z[:, None, :] - mean) ** 2 / spread + jnp.log(spread)).sum(axis=2)
    prior = jnp.log((counts + 0.5) / (counts + 0.5).sum())
    return jax.nn.log_softmax(prior - 0.5 * quadratic, axis=1)


@partial(jax.jit, static_argnames=("folds", "width"))
def _cross_fit(
    key: Key, features: Array, onehot: Array, l2: Array, *, folds: int, width: int
) -> Probes:
    rows = features.shape[0]
    split_key, feature_key = jax.random.split(key)
    fold = jax.random.permutation(split_key, jnp.arange(rows) % folds)

    def one(which: Array) -> tuple[Array, ...]:
        mask = (fold != which).astype(features.dtype)
        mass = (mask / mask.sum())[:, None]
        joint = onehot * mass
        z = standardise(features, mass[:, 0])
        wide = jnp.concatenate([z, rectified(feature_key, z, width)], axis=1)
        # The rows of the fit first, as many as any fold leaves; a surplus one has no mass.
        used = jnp.argsort(fold == which, stable=True)[: rows - rows // folds]
        weights, bias, solved = _fit(z[used], joint[used], l2)
        logits = log_law(z, weights, bias)
        wide_weights, wide_bias, wide_solved = _fit(wide[used], joint[used], l2)
        strong = log_law(wide, wide_weights, wide_bias)
        bayes = _gaussian_bayes(z, onehot, mask)
        return (
            logits,
            (onehot * strong).sum(axis=1),
            (onehot * bayes).sum(axis=1),
            -(joint * logits).sum(),
            -(joint * strong).sum(),
            # E (q - 1_Y) . log q is CE - H_q.
            ((jnp.exp(logits) * mass - joint) * logits).sum(),
            solved & wide_solved,
        )

    logits, strong, bayes, plain_ce, rich_ce, gap, solved = jax.lax.map(one, jnp.arange(folds))
    own = jax.nn.one_hot(fold, folds, axis=0, dtype=features.dtype)
    log_q = (own[:, :, None] * logits).sum(axis=0)
    return Probes(
        linear=-(onehot * log_q).sum(axis=1),
        nonlinear=-(own * strong).sum(axis=0),
        naive_bayes=-(own * bayes).sum(axis=0),
        errors=onehot - jnp.exp(log_q),
        logits=log_q,
        train_linear=plain_ce.mean(),
        train_nonlinear=rich_ce.mean(),
        train_gap=gap.mean(),
        converged=solved.all(),
        fold=fold,
    )


def _fit(z: Array, joint: Array, l2: Array) -> tuple[Array, Array, Bool[Array, ""]]:
    """Softmax weights within 1e-4 nats of the penalised optimum: probes need no more digits."""
    dtype = z.dtype
    design = jnp.concatenate([z, jnp.ones((z.shape[0], 1), dtype)], axis=1)
    limits = jnp.asarray(3000), jnp.asarray(1e-5, dtype), jnp.asarray(1e-4, dtype)
    found = accelerated.minimise(design, joint, l2, l2, *limits, smooth=True)
    return found.theta[:-1], found.theta[-1], found.converged | (found.gradient < 1e-4)


@enforced
def probe(
    key: Key,
    features: Numbers,
    labels: Numbers,
    *,
    num_classes: int | None = None,
    l2: Numbers | None = None,
    folds: int = 2,
    width: int = 128,
) -> Probes:
    """Fit nested probes on all folds but one and score them on that one, for every fold.

    The nonlinear probe is the softmax on the standardised units together with `width` random
    rectified features, so it contains the linear one: both problems are convex, have one solution
    and need no training recipe, and on training data the penalised loss can only fall.

    Args:
        key: randomness of the folds and of the random features; layers probed with one
            key share their folds, so their losses are paired.
        features: (n, d).
        labels: integers, (n,).
        num_classes: K, needed for traced labels.
        l2: penalty on the weights of standardised units; 1/n if None (unit prior).
        folds: number of folds, 2 or more.
        width: number of random features.

    Returns:
        A `Probes`, all losses in nats.

    Assumes:
        Examples are independent draws; a held-out loss is an upper bound on H(Y|T) on average.

    Raises:
        ValueError: on shapes that do not fit, fewer examples than folds, or bad settings.

    Reference:
        Alain, Bengio, "Understanding intermediate layers using linear classifier probes", 2016;
        Rahimi, Recht, "Random features for large-scale kernel machines", 2007;
        Xu et al., "A theory of usable information under computational constraints", 2020, for
        what differences of probe losses measure.
    """
    features = checks.matrix("features", features, 2)
    labels, num_classes = checks.classes(labels, features.shape[0], num_classes)
    features = checks.labelled(features, labels, num_classes)
    folds, width = whole("folds", folds, 2), whole("width", width)
    if folds > features.shape[0]:
        raise ValueError(f"folds={folds} for {features.shape[0]} rows; give 2 <= folds <= n")
    if l2 is None:
        l2 = 1 / features.shape[0]
    checks.nonnegative("l2", l2)
    onehot = jax.nn.one_hot(labels, num_classes, dtype=features.dtype)
    penalty = jnp.asarray(l2, features.dtype)
    return _cross_fit(key, features, onehot, penalty, folds=folds, width=width)


@jax.jit
def table_losses(features: Array, onehot: Array) -> Float[Array, " n"]:
    """-log of the empirical P(y_i | t_i), for features with few distinct rows."""
    ids = alphabets.cells(features)
    table = alphabets.pooled(onehot, ids)[ids]
    mine = (table * onehot).sum(axis=1)
    return jnp.log(table.sum(axis=1)) - jnp.log(mine)

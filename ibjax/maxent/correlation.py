"""Conditional total correlation TC(T|Y): plug-in on binarised units, Gaussian copula, pairwise."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.interface import Estimate
from ibjax.maxent import alphabets, checks
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, Key, Numbers

_METHODS = ("binary", "gaussian", "pairwise")


@enforced
def binarise(features: Numbers, threshold: Numbers | None = None) -> Float[Array, "n d"]:
    """1 where a unit exceeds its threshold, else 0.

    Args:
        features: (n, d).
        threshold: one number or one a unit; the mean of each unit if None, which leaves units
            that are already binary as they are.

    Returns:
        (n, d) of 0.0 and 1.0.
    """
    features = checks.matrix("features", features)
    if threshold is None:
        threshold = features.mean(axis=0)
    cut = (features > jnp.asarray(threshold, features.dtype)).astype(features.dtype)
    return cut if checks.concrete(features) else jnp.where(jnp.isnan(features), jnp.nan, cut)


def _standard_error(terms: Float[Array, " n"]) -> Array:
    return jnp.std(terms) / jnp.sqrt(terms.shape[0])


def _binary(bits: Array, onehot: Array, correct: bool) -> tuple[Array, Array, Array]:
    """Plug-in TC of binary units and its Miller-Madow correction."""
    rows, units = bits.shape
    counts = onehot.sum(axis=0)
    ids = alphabets.cells(bits)
    table = alphabets.pooled(onehot, ids)
    ones = bits.T @ onehot
    log_class = alphabets.log_or_zero(counts)
    log_cell = (onehot * alphabets.log_or_zero(table)[ids]).sum(axis=1) - onehot @ log_class
    both = jnp.stack([counts - ones, ones])
    log_unit = alphabets.log_or_zero(both) - log_class
    off, on = log_unit @ onehot.T
    terms = log_cell - jnp.where(bits.T > 0, on, off).sum(axis=0)
    value = terms.mean()
    used, used_units = (table > 0).sum(), (both > 0).sum()
    if correct:
        # Miller-Madow: each entropy of m used cells is low by (m - 1) / (2n) on average.
        present = (counts > 0).sum()
        value = value + (used_units - units * present - (used - present)) / (2 * rows)
    return value, _standard_error(terms), jnp.asarray(rows >= 5 * used)


def _normal_scores(features: Array, onehot: Array) -> Array:
    """Within-class normal scores with average ranks for ties, (n, d)."""
    rows = features.shape[0]
    labels = jnp.argmax(onehot, axis=1)
    counts = onehot.sum(axis=0)
    before = jnp.cumsum(counts) - counts
    place = jnp.arange(rows)

    def one(column: Array) -> Array:
        # One sort by class, then value, serves every class.
        order = jnp.lexsort((column, labels))
        value, own = column[order], labels[order]
        new = (value[1:] != value[:-1]) | (own[1:] != own[:-1])
        edge = jnp.ones(1, bool)
        low = jax.lax.cummax(jnp.where(jnp.concatenate([edge, new]), place, 0))
        last = jnp.where(jnp.concatenate([new, edge]), place, rows - 1)
        high = jax.lax.cummin(last, reverse=True) + 1
        rank = (low + high + 1) / 2 - before[own]
        inside = jnp.clip(rank / (counts[own] + 1), 1e-6, 1 - 1e-6)
        scores = jax.scipy.special.ndtri(inside.astype(column.dtype))
        return jnp.zeros_like(column).at[order].set(scores)

    return jax.vmap(one, in_axes=1, out_axes=1)(features)


def _gaussian(features: Array, onehot: Array, correct: bool) -> tuple[Array, Array, Array]:
    """-1/2 sum_k pi_k logdet Corr_k of within-class normal scores."""
    rows, units = features.shape
    dtype = features.dtype
    counts = onehot.sum(axis=0)
    scores = _normal_scores(features, onehot)

    def one(member: Array, count: Array) -> tuple[Array, Array, Array]:
        safe = jnp.maximum(count, 1)
        centred = member[:, None] * (scores - (member @ scores) / safe)
        std = jnp.sqrt((centred**2).sum(axis=0) / safe)
        alive = std > 1e-6
        unit = jnp.where(alive, centred / jnp.where(alive, std, 1), 0)
        corr = jnp.where(jnp.eye(units, dtype=bool), 1, unit.T @ unit / safe)
        sign, logdet = jnp.linalg.slogdet(corr)
        regular = (sign > 0) & (logdet > units * jnp.log(jnp.finfo(dtype).eps))
        chosen = jnp.where(regular, corr, jnp.eye(units, dtype=dtype))
        quadratic = (unit * jnp.linalg.solve(chosen, unit.T).T).sum(axis=1)
        terms = member * 0.5 * ((unit**2).sum(axis=1) - quadratic - logdet)
        value = -0.5 * logdet
        if correct:
            # Exact mean of logdet Corr for Gaussian samples (Wishart, count - 1 degrees).
            half = (count - 1) / 2
            steps = jnp.where(alive, jnp.cumsum(alive) - 1, 0) / 2
            positive = jnp.maximum(half - steps, 0.25)
            shift = jax.scipy.special.digamma(positive) - jax.scipy.special.digamma(
                jnp.maximum(half, 0.25)
            )
            value = value + 0.5 * shift.sum()
        enough = regular & (count > units + 1)
        return jnp.where(count > 0, value, 0), terms, enough | (count == 0)

    value, terms, fine = jax.vmap(one, in_axes=(1, 0))(onehot, counts)
    mean = jnp.sum(value * counts) / rows
    return mean, _standard_error(terms.sum(axis=0)), jnp.all(fine)


def _pairwise(bits: Array, onehot: Array, correct: bool) -> tuple[Array, Array, Array]:
    """Mean over pairs of I(T_i; T_j | Y) of binary units."""
    rows, units = bits.shape
    counts = onehot.sum(axis=0)
    sides = jnp.stack([1 - bits, bits])
    joint = jnp.einsum("ani,nk,bnj->abkij", sides, onehot, sides)
    single = jnp.einsum("ani,nk->aki", sides, onehot)
    log = alphabets.log_or_zero
    ratio = log(joint) + log(counts)[:, None, None]
    ratio = ratio - log(single)[:, None, :, :, None] - log(single)[None, :, :, None, :]
    ratio = jnp.where((joint > 0) & ~jnp.eye(units, dtype=bool), ratio, 0)
    pairs = units * (units - 1)
    terms = jnp.einsum("ani,nk,bnj,abkij->n", sides, onehot, sides, ratio) / pairs
    value = terms.mean()
    if correct:
        used = (joint > 0).sum(axis=(0, 1))
        alone = (single > 0).sum(axis=0)
        extra = (used - alone[:, :, None] - alone[:, None, :] + 1) * (counts > 0)[:, None, None]
        extra = jnp.where(jnp.eye(units, dtype=bool), 0, extra)
        value = value - extra.sum() / (2 * rows * pairs)
    fine = jnp.where(counts > 0, counts, jnp.inf).min() >= 20
    return value, _standard_error(terms), jnp.asarray(fine)


@partial(jax.jit, static_argnames=("method", "correct"))
def _estimate(
    features: Array, onehot: Array, *, method: str, correct: bool
) -> tuple[Array, Array, Bool[Array, ""]]:
    inner = {"binary": _binary, "gaussian": _gaussian, "pairwise": _pairwise}[method]
    return inner(features, onehot, correct)


@enforced
def total_correlation(
    features: Numbers,
    labels: Numbers,
    *,
    method: str = "binary",
    num_classes: int | None = None,
    threshold: Numbers | None = None,
    correct: bool = True,
) -> Estimate:
    """Conditional total correlation TC(T|Y) = sum_i H(T_i|Y) - H(T|Y) from samples.

    - "binary": plug-in on units cut at a threshold; usable while the cells met are few
      compared to n. Cutting can only lower the true value (data processing).
    - "gaussian": -1/2 sum_k pi_k logdet Corr_k on within-class normal scores. The population
      value is TC for a Gaussian copula and no measure of nonlinear dependence (0 for XOR).
    - "pairwise": the mean over pairs of I(T_i; T_j | Y) of the cut units, blind to
      dependence of higher order.

    Args:
        features: (n, d), d >= 2 unless every unit is alone (then 0).
        labels: integers, (n,).
        method: which of the three.
        num_classes: K, needed for traced labels.
        threshold: where to cut; the mean of each unit if None.
        correct: subtract the leading bias: Miller-Madow for cut units, the Wishart mean of
            logdet for the Gaussian. Without it the plug-in errs upwards where units depend little,
            and downwards where they are nearly copies of each other.

    Returns:
        An `Estimate` in nats, with the standard error of the mean log ratio. `ok` is False where
        cells or covariances are not filled: fewer than 5 examples a used cell, 20 a class
        (pairwise), or no more than d + 1 a class (gaussian).

    Raises:
        ValueError: on shapes that do not fit, an unknown method, n < 2, or NaN.

    Reference:
        Watanabe, "Information theoretical analysis of multivariate correlation", 1960;
        Miller, "Note on the bias of information estimates", 1955.
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is unknown; give one of {_METHODS}")
    features = checks.matrix("features", features, 2, shift=threshold is None)
    labels, num_classes = checks.classes(labels, features.shape[0], num_classes)
    features = checks.labelled(features, labels, num_classes)
    onehot = jax.nn.one_hot(labels, num_classes, dtype=features.dtype)
    name = f"TC(T|Y), {method}"
    sound = jnp.all(jnp.isfinite(features))
    if features.shape[1] == 1:
        zero = jnp.zeros((), features.dtype)
        return Estimate(zero, zero, sound, "none", name, "one unit alone")
    data = features if method == "gaussian" else binarise(features, threshold)
    value, error, ok = _estimate(data, onehot, method=method, correct=correct)
    # cut units and ranks would hide what is no number
    value, error = (jnp.where(sound, v, jnp.nan) for v in (value, error))
    reason = {
        "binary": "fewer than 5 examples a used cell: use fewer units or another method",
        "gaussian": "a class has no more than d + 1 examples or dependent units: project first",
        "pairwise": "a class has fewer than 20 examples: pool or gather more",
    }[method]
    return Estimate(value, error, ok & sound, "unknown", name, reason)


@enforced
def permute_within(key: Key, features: Array, labels: Array) -> Float[Array, "n d"]:
    """Permute every column on its own within each class, which makes TC(T|Y) zero.

    Args:
        key: randomness.
        features: (n, d).
        labels: integers, (n,).

    Returns:
        (n, d) with the same columns within each class.
    """
    features = jnp.asarray(features)
    place = jnp.argsort(labels, stable=True)

    def one(key: Key, column: Array) -> Array:
        noise = jax.random.uniform(key, column.shape)
        shuffled = jnp.lexsort((noise, labels))
        return jnp.zeros_like(column).at[place].set(column[shuffled])

    keys = jax.random.split(key, features.shape[1])
    return jax.vmap(one, in_axes=(0, 1), out_axes=1)(keys, features)


@partial(jax.jit, static_argnames=("method", "num_classes", "correct"))
def _permuted(keys: Key, data: Array, labels: Array, **options: Any) -> Array:
    def null(key: Key) -> Array:
        shuffled = permute_within(key, data, labels)
        # Cut units are 0 and 1 already.
        return total_correlation(shuffled, labels, threshold=0.5, **options).value

    return jax.lax.map(null, keys)


@enforced
def permutation_corrected(
    key: Key,
    features: Numbers,
    labels: Numbers,
    *,
    method: str = "binary",
    permutations: int = 20,
    num_classes: int | None = None,
    threshold: Numbers | None = None,
) -> Estimate:
    """TC(T|Y) less its mean over within-class permutations of the columns.

    The permuted data have TC(T|Y) = 0 and the same marginals, so their mean plug-in value is
    bias. The bias at independence differs from that under dependence (fewer cells are used
    then, and rare ones are met more often), so a large value is mostly corrected too much: no
    direction is promised.

    Args:
        key: randomness of the permutations.
        features: (n, d).
        labels: integers, (n,).
        method: which of the three.
        permutations: how many, 2 or more.
        num_classes: K, needed for traced labels.
        threshold: where to cut.

    Returns:
        An `Estimate` in nats; its error adds the Monte-Carlo error of the permutation mean.

    Raises:
        ValueError: as `total_correlation`, or permutations < 2.
    """
    if permutations < 2:
        raise ValueError(f"permutations={permutations} gives no error; give 2 or more")
    options: dict[str, Any] = {"method": method, "num_classes": num_classes, "correct": False}
    raw = total_correlation(features, labels, threshold=threshold, **options)
    features = checks.matrix("features", features, 2, shift=threshold is None)
    labels, options["num_classes"] = checks.classes(labels, features.shape[0], num_classes)
    data = features if method == "gaussian" else binarise(features, threshold)
    nulls = _permuted(jax.random.split(key, permutations), data, labels, **options)
    error = jnp.sqrt(raw.std_error**2 + jnp.var(nulls, ddof=1) / permutations)
    name = f"TC(T|Y), {method}, permutation-corrected"
    return Estimate(raw.value - nulls.mean(), error, raw.ok, "unknown", name, raw.reason)

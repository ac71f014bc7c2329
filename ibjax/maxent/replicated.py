"""The conditions of every layer of many trained replicas at once, and their mean."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import Estimate
from ibjax.maxent import checks
from ibjax.maxent.identity import moments
from ibjax.maxent.measures import climb
from ibjax.maxent.neural_collapse import FORMULAS, collapse_columns
from ibjax.maxent.options import Settings, settle
from ibjax.maxent.residuals import Conditions, Losses, layer_losses, measure
from ibjax.maxent.scatter import Collapse
from ibjax.signatures import enforced
from ibjax.typing import Array, Key, Numbers


@enforced
def columns(
    features: Sequence[Any],
    labels: Numbers,
    *,
    inputs: Numbers | None = None,
    head: tuple[Any, Any] | None = None,
    train: tuple[Any, Any] | None = None,
    num_classes: int | None = None,
    correlation: str = "auto",
    l2: Numbers | None = None,
    folds: int = 2,
    width: int = 128,
    key: Key | None = None,
    collapse: bool = False,
) -> Any:
    """`conditions` of every layer of every replica of a network.

    Layers of one width share one compiled program, whatever the number of layers. Replicas run
    side by side on an accelerator and one after the other on a CPU. All of them share the random
    numbers of the probes.

    Args:
        features: outputs of the layers from the input upwards, each (R, n, d_l), at examples
            the replica was not trained on.
        labels: integers, (R, n).
        inputs: (R, n, dx), what sufficiency and the first probe gain are measured against.
        head: weights (R, d_L, K) and biases (R, K) of the networks' own softmax: moments and
            duality gap of the last layer are then those of this head; the layers below it get
            a cross-fitted one.
        train: features (R, m, d_L) of the last layer and labels (R, m) at the training examples,
            for the duality gap of the own head there; needs `head`.
        num_classes: K, needed for traced labels.
        correlation: "binary", "gaussian", "pairwise", or "auto": binary while 5 K 2^d <= n, else
            gaussian.
        l2: penalty of the probes on standardised units; 1/n (none for "table") if None.
        folds: of the cross-fit.
        width: random features of the strong probe.
        key: randomness of folds and random features; a fixed one if None.
        collapse: whether `collapse_columns` of the same features, labels and head come with them.

    Returns:
        A `Conditions` whose estimates hold arrays (R, L); `moment_null` is (R, L) too. The names
        and reasons are those of the last layer, and standard errors are over examples: use
        `across` for the mean over replicas and its error. With `collapse` a pair: that and a
        `Collapse` of arrays (R, L).

    Assumes:
        As `conditions`. A replica with NaN features gets NaN.

    Raises:
        ValueError: on shapes that do not fit, or unknown names.

    Reference:
        Zheng, Sang, Xu, "Understanding Deep Learning Generalization by Maximum Entropy", 2017,
        for the two conditions; the decomposition and the estimators are derived here.
    """
    layers, labels, num_classes = checks.columns(features, labels, num_classes)
    layers = [_real(array) for array in layers]
    replicas, rows = labels.shape
    if train is not None and head is None:
        raise ValueError("train= is given without head=; give the weights and biases too")
    if head is not None:
        head = checks.heads(head, replicas, layers[-1].shape[2], num_classes)
        head = tuple(part.astype(layers[-1].dtype) for part in head)
    settings = settle(
        labels[0],
        rows,
        num_classes=num_classes,
        strong="features",
        correlation=correlation,
        l2=l2,
        folds=folds,
        width=width,
        key=key,
    )
    options = dict(num_classes=num_classes, folds=folds, width=width, correlation=correlation)
    shared = settings.key, labels, jnp.asarray(settings.l2, layers[0].dtype)
    losses = partial(_losses, *shared, **options)
    source = None
    if inputs is not None:
        wide = (replicas, rows, *np.shape(inputs)[2:3])
        source = losses(_real(checks.of_replicas("inputs", inputs, wide)))
    found = climb(
        layers,
        source,
        head,
        lambda layer, _: (layer, losses(layer)),
        lambda *state: _measured(*shared, state, **options),
    )
    stacked = _stack(found)
    if head is not None and train is not None:
        stacked = _with_training(stacked, head, train, num_classes)
    if not collapse:
        return stacked
    return stacked, collapse_columns(layers, labels, head=head, num_classes=num_classes)


@overload
def across(columns: Conditions) -> Conditions: ...


@overload
def across(columns: Collapse) -> Collapse: ...


@enforced
def across(columns: Conditions | Collapse) -> Any:
    """Mean over replicas of what `columns` returns, with the standard error of that mean.

    The error is the standard deviation over replicas by the root of their number, so it covers
    training, test and probe sampling as far as replicas differ in them. Replicas whose value is
    not finite, or whose measures of collapse are not ok, are left out.

    Args:
        columns: estimates of shape (R, L), or a `Collapse` of such arrays.

    Returns:
        A `Conditions` of estimates of shape (L,), or a `Collapse` with one in each place, for
        whose measures `FORMULAS` has the names; `ok` where at least two replicas counted and all
        that did were ok.
    """
    if not isinstance(columns, Collapse):
        return Conditions(*(_mean(part) for part in columns))
    found = {}
    for name, part in columns._asdict().items():
        value = jnp.where(columns.ok, part, jnp.nan) if name != "ok" else part.astype(float)
        reason = "fewer than two replicas could be measured"
        text = FORMULAS.get(name, name)
        found[name] = _mean(
            Estimate(
                value, jnp.full_like(value, jnp.nan), jnp.isfinite(value), "unknown", text, reason
            )
        )
    return Collapse(**found)


def _mean(part: Any) -> Any:
    if not isinstance(part, Estimate):
        return jnp.asarray(part).mean(axis=0)
    used = jnp.isfinite(part.value)
    count = used.sum(axis=0)
    value = jnp.where(used, part.value, 0).sum(axis=0) / count
    spread = jnp.where(used, (part.value - value) ** 2, 0).sum(axis=0)
    several = count > 1
    error = jnp.sqrt(spread / jnp.where(several, count * (count - 1), 1))
    ok = several & (part.ok | ~used).all(axis=0)
    value, error = jnp.where(count > 0, value, jnp.nan), jnp.where(several, error, jnp.nan)
    return replace(part, value=value, std_error=error, ok=ok)


def _with_training(stacked: Conditions, head: Any, train: Any, num_classes: int) -> Conditions:
    """The duality gap of the own head on the examples it was fitted to, in the last place."""
    (seen,), known, _ = checks.columns([train[0]], train[1], num_classes, "train ")
    seen = _real(seen)
    checks.heads(head, len(stacked.moment_null), seen.shape[2], num_classes)

    def one(layer: Array, y: Array, weights: Array, bias: Array) -> Array:
        return moments(layer, y, weights, bias).duality_gap

    gap = jax.vmap(one)(seen, known, *head)
    fitted = stacked.duality_gap_train
    value, error, ok = (jnp.asarray(v) for v in (fitted.value, fitted.std_error, fitted.ok))
    whole = replace(
        fitted,
        value=value.at[:, -1].set(gap),
        std_error=error.at[:, -1].set(0),
        ok=ok.at[:, -1].set(jnp.isfinite(gap)),
        reason="a probe below did not converge, or the weights are not finite",
    )
    return stacked._replace(duality_gap_train=whole)


def _real(array: Array) -> Array:
    """Whole numbers as real ones."""
    real = jnp.issubdtype(array.dtype, jnp.floating)
    return array if real else array.astype(jnp.result_type(float))


def _over(function: Callable[..., Any], *arrays: Any) -> Any:
    """Replicas one after the other on a CPU, whose cache one fits; side by side elsewhere."""
    if jax.default_backend() == "cpu":
        return jax.lax.map(lambda args: function(*args), arrays)
    return jax.vmap(function)(*arrays)


def _settings(key: Key, labels: Array, l2: Array, options: dict[str, Any]) -> Settings:
    return Settings(labels=labels, table=False, l2=l2, key=key, **options)


@partial(jax.jit, static_argnames=("num_classes", "folds", "width", "correlation"))
def _losses(key: Key, labels: Array, l2: Array, features: Array, **options: Any) -> Losses:
    def one(layer: Array, y: Array) -> Losses:
        return layer_losses("features", layer, _settings(key, y, l2, options))[1]

    return _over(one, features, labels)


@partial(jax.jit, static_argnames=("num_classes", "folds", "width", "correlation"))
def _measured(key: Key, labels: Array, l2: Array, state: Any, **options: Any) -> Conditions:
    def one(y: Array, some: Any) -> Conditions:
        return measure(_settings(key, y, l2, options), *some)

    return _over(one, labels, state)


def _stack(found: Sequence[Conditions]) -> Conditions:
    """Layers along the last axis, under the names of the last of them."""

    def join(*parts: Any) -> Any:
        if not isinstance(parts[-1], Estimate):
            return jnp.stack(parts, axis=-1)
        names = ("value", "std_error", "ok")
        every = {name: jnp.stack([getattr(p, name) for p in parts], axis=-1) for name in names}
        return replace(parts[-1], **every)

    return Conditions(*(join(*parts) for parts in zip(*found)))

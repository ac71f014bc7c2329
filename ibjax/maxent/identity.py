"""Moments of a softmax law and the identity between its cross-entropy and its entropy."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.maxent import checks
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Numbers


class Moments(NamedTuple):
    """How far a softmax law is from the moments of the data.

    Attributes:
        residual: R = E[T 1{Y=k}] - E[T q(k|X)], uncentred, (d, K).
        bias_residual: R_b = P(Y=k) - E q(k|X), (K,).
        cross_entropy: CE = -E log q(Y|X), nats.
        model_entropy: H_q = E H(q(.|X)), nats.
        duality_gap: -<W, R> - <b, R_b>, which equals CE - H_q; positive when the model is
            more certain than it is right (overconfident).
    """

    residual: Float[Array, "d k"]
    bias_residual: Float[Array, " k"]
    cross_entropy: Float[Array, ""]
    model_entropy: Float[Array, ""]
    duality_gap: Float[Array, ""]


@enforced
def joint_table(labels: Numbers, num_classes: int) -> Float[Array, "n k"]:
    """The empirical joint law of (example, label): one row an example, mass 1/n each.

    Args:
        labels: integers, (n,).
        num_classes: K.

    Returns:
        (n, K), sums to one.
    """
    labels, num_classes = checks.classes(labels, jnp.shape(labels)[0], num_classes)
    onehot = jax.nn.one_hot(labels, num_classes, dtype=jnp.result_type(float))
    return checks.labelled(onehot / labels.shape[0], labels, num_classes)


def target_law(target: Any, features: Array, num_classes: int | None) -> Float[Array, "n k"]:
    """Labels (n,) or a joint table (n, K) as a joint law in the precision of the features."""
    rows = features.shape[0]
    if jnp.ndim(target) == 2:
        return checks.law("target", target, rows).astype(features.dtype)
    labels, num_classes = checks.classes(target, rows, num_classes, "target")
    onehot = jax.nn.one_hot(labels, num_classes, dtype=features.dtype)
    return checks.labelled(onehot / rows, labels, num_classes)


def log_law(features: Array, weights: Array, bias: Array) -> Float[Array, "n k"]:
    """Log q(k|x) = log softmax(T W + b)."""
    return jax.nn.log_softmax(features @ weights + bias, axis=-1)


@enforced
def moments(
    features: Numbers,
    target: Numbers,
    weights: Numbers,
    bias: Numbers,
    *,
    num_classes: int | None = None,
) -> Moments:
    """Moment residuals of a softmax head and the duality gap they make.

    For any weights and any evaluation law, exactly,

        CE - H_q = -<W, R> - <b, R_b>,   R = E[T (1_Y - q)],   R_b = E[1_Y - q],

    because log q is affine in T up to its normaliser, which cancels. The two sides are computed
    apart: `cross_entropy` and `model_entropy` from log q, `duality_gap` from the residuals.

    Args:
        features: (n, d) floats.
        target: labels (n,), or a joint table (n, K) of an exact law.
        weights: (d, K).
        bias: (K,).
        num_classes: K; needed for traced labels only when it cannot be read off `weights`.

    Returns:
        A `Moments`; information in nats.

    Assumes:
        Nothing about the weights: they need not be optimal, nor the data those of training.

    Raises:
        ValueError: on shapes that do not fit, or NaN in concrete input.

    Reference:
        Zheng, Sang, Xu, "Understanding Deep Learning Generalization by Maximum Entropy", 2017,
        for the view of softmax regression as maximum entropy; the identity is derived here.
    """
    features = checks.matrix("features", features)
    weights = checks.matrix("weights", weights)
    bias = checks.intercepts("bias", bias, weights.dtype)
    if weights.shape[0] != features.shape[1] or bias.shape != weights.shape[1:]:
        raise ValueError(
            f"weights has shape {weights.shape} and bias {bias.shape} for features "
            f"{features.shape}; give (d, K) and (K,)"
        )
    joint = target_law(target, features, num_classes or weights.shape[1])
    if joint.shape[1] != weights.shape[1]:
        raise ValueError(
            f"target has {joint.shape[1]} classes and weights {weights.shape[1]}; make them agree"
        )
    log_q = log_law(features, weights, bias)
    mass = joint.sum(axis=1, keepdims=True)
    error = joint - mass * jnp.exp(log_q)
    residual, bias_residual = features.T @ error, error.sum(axis=0)
    return Moments(
        residual=residual,
        bias_residual=bias_residual,
        cross_entropy=-(joint * log_q).sum(),
        model_entropy=-(mass * jnp.exp(log_q) * log_q).sum(),
        duality_gap=-(weights * residual).sum() - (bias * bias_residual).sum(),
    )


class NormalisedResidual(NamedTuple):
    """Correlations between features and prediction errors.

    Attributes:
        correlation: (d, K), each in [-1, 1]; 0 where a unit is constant up to rounding, or a
            class has no error.
        frobenius: root of the sum of their squares.
        largest: largest absolute entry.
        null_std: standard deviation 1/sqrt(n) of one entry when the moments do match.
        null_largest: a level the largest of d*K null entries passes about once in a hundred.
    """

    correlation: Float[Array, "d k"]
    frobenius: Float[Array, ""]
    largest: Float[Array, ""]
    null_std: Float[Array, ""]
    null_largest: Float[Array, ""]


@enforced
def moment_residual(
    features: Numbers, labels: Numbers, probabilities: Numbers
) -> NormalisedResidual:
    """Moment residual in units free of the scale of features and of errors.

        rho_ik = E[(T_i - E T_i)(1{Y=k} - q_k)] / (std T_i  sqrt(E (1{Y=k} - q_k)^2))

    On data the head was not fitted to, each entry is about N(0, 1/n) if the moments match; the
    level for the largest entry is the union bound over entries at one percent.

    Args:
        features: (n, d).
        labels: integers, (n,).
        probabilities: predicted q(k|x), (n, K).

    Returns:
        A `NormalisedResidual`.

    Raises:
        ValueError: on shapes that do not fit, n < 2, or NaN in concrete input.

    Reference:
        The null band is the central limit theorem for independent held-out examples.
    """
    features = checks.matrix("features", features, 2, shift=True)
    probabilities = checks.matrix("probabilities", probabilities).astype(features.dtype)
    rows, units = features.shape
    if probabilities.shape[0] != rows:
        raise ValueError(
            f"probabilities has {probabilities.shape[0]} rows for {rows} rows of features; "
            "give one row an example"
        )
    labels, num_classes = checks.classes(labels, rows, probabilities.shape[1])
    features = checks.labelled(features, labels, num_classes)
    error = jax.nn.one_hot(labels, num_classes, dtype=features.dtype) - probabilities
    white = _unit_deviations(features)
    level = jnp.sqrt((error**2).mean(axis=0))
    none = level <= 0
    correlation = white.T @ jnp.where(none, 0, error / jnp.where(none, 1, level)) / rows
    std = 1 / jnp.sqrt(jnp.asarray(rows, features.dtype))
    level = jax.scipy.stats.norm.isf(jnp.asarray(0.005, features.dtype) / (units * num_classes))
    return NormalisedResidual(
        correlation=correlation,
        frobenius=jnp.sqrt((correlation**2).sum()),
        largest=jnp.abs(correlation).max(),
        null_std=std,
        null_largest=level * std,
    )


def _unit_deviations(features: Array) -> Array:
    """Features around their means, in units of their deviations; 0 for what does not vary."""
    size = jnp.abs(features).max(axis=0)
    scaled = features / jnp.where(size == 0, 1, size)
    # Twice, since the rounding of the first mean is an offset too.
    centred = scaled - scaled.mean(axis=0)
    centred = centred - centred.mean(axis=0)
    deviation = jnp.sqrt((centred**2).mean(axis=0))
    none = deviation <= 16 * jnp.finfo(features.dtype).eps
    return jnp.where(none, 0, centred / jnp.where(none, 1, deviation))

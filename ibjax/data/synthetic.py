"""Synthetic laws that carry their truth: what an estimate or a bound can be held against."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, whole
from ibjax.interface import Dataset
from ibjax.signatures import enforced
from ibjax.typing import Key, Scalar

# Nodes of the trapezoid rule in standard deviations. The integrands are a Gaussian times a
# function analytic in a strip, for which this rule converges faster than any power of the step.
_REACH, _STEP = 12.0, 1 / 128


@enforced
def two_gaussians(key: Key, n: int, dim: int, separation: Scalar) -> Dataset:
    """Draw from two equally likely Gaussian classes with identity covariance.

    ``y ~ Bernoulli(1/2)`` and ``x | y ~ N((y - 1/2) separation u, I)`` with
    ``u = (1, ..., 1)/sqrt(dim)``, so that every coordinate carries the same share.

    Args:
        key: key of the draw.
        n: number of examples.
        dim: number of inputs.
        separation: distance of the two means, >= 0.

    Returns:
        ``x`` (n, dim) of JAX's default float type, ``y`` int32 (n,) and ``truth`` with
        ``separation``, ``bayes_error = Phi(-separation/2)`` and ``mutual_information``, that is
        I(X;Y) in nats (quadrature to 1e-12 for concrete arguments).

    Raises:
        ValueError: a size below 1, a negative or infinite separation.
    """
    _check_sizes(n=n, dim=dim)
    if concrete(separation):
        separation = _concrete("separation", separation)
        if separation < 0:
            raise ValueError(f"separation={separation} must be at least 0")
    label_key, noise_key = jax.random.split(key)
    y = jax.random.bernoulli(label_key, shape=(n,)).astype(jnp.int32)
    noise = jax.random.normal(noise_key, (n, dim))
    x = noise + ((y - 0.5) * (separation / math.sqrt(dim)))[:, None].astype(noise.dtype)
    return Dataset(x, y, 2, "two_gaussians", _two_gaussians_truth(separation, 0.0))


@enforced
def correlated_gaussians(key: Key, n: int, dim: int, correlation: Scalar) -> Dataset:
    """Draw pairs of Gaussian vectors whose coordinates are correlated one to one.

    ``x_j, z_j ~ N(0, 1)`` independent and
    ``y_j = correlation x_j + sqrt(1 - correlation^2) z_j``.

    Args:
        key: key of the draw.
        n: number of pairs.
        dim: number of coordinates of x, and of y.
        correlation: of x_j and y_j, strictly between -1 and 1.

    Returns:
        ``x`` and ``y`` (n, dim) of JAX's default float type (``y`` is no label:
        ``num_classes`` is 0) and ``truth`` with ``correlation`` and
        ``mutual_information = -dim/2 log(1 - correlation^2)`` in nats.

    Raises:
        ValueError: a size below 1, a correlation outside (-1, 1).
    """
    _check_sizes(n=n, dim=dim)
    if concrete(correlation):
        correlation = _concrete("correlation", correlation)
        if not -1 < correlation < 1:
            raise ValueError(
                f"correlation={correlation} must lie strictly between -1 and 1: the mutual "
                "information is infinite beyond"
            )
    xp: Any = _namespace(correlation)
    x, z = jax.random.normal(key, (2, n, dim))
    # (1 - r)(1 + r) keeps its digits where r is close to one
    residual = (1 - correlation) * (1 + correlation)
    y = correlation * x + xp.sqrt(residual) * z
    information = -dim / 2 * (xp.log1p(-correlation) + xp.log1p(correlation))
    truth = {"correlation": correlation, "mutual_information": _number(information)}
    return Dataset(x, y.astype(x.dtype), 0, "correlated_gaussians", truth)


@enforced
def label_noise(key: Key, dataset: Dataset, rate: Scalar) -> Dataset:
    """Replace each label, with probability `rate`, by another class drawn uniformly.

    Args:
        key: key of the draw.
        dataset: any data set with integer labels and at least two classes.
        rate: probability that a label changes, in [0, 1]. All of the label's information is
            gone at ``(num_classes - 1)/num_classes``.

    Returns:
        The same inputs with the new labels. ``truth`` holds ``label_noise``, and what follows
        from the truth of `dataset`: ``bayes_error`` with respect to the new labels, and
        ``mutual_information`` for `two_gaussians`. What no longer holds is dropped.

    Raises:
        ValueError: a rate outside [0, 1], or a data set without classes.
    """
    classes = dataset.num_classes
    if classes < 2:
        raise ValueError(
            f"dataset {dataset.name!r} has num_classes={classes}: label noise needs 2 or more"
        )
    if concrete(rate):
        rate = _concrete("rate", rate)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate={rate} is a probability: use a number from 0 to 1")
    flip_key, shift_key = jax.random.split(key)
    labels = jnp.asarray(dataset.y)
    flip = jax.random.bernoulli(flip_key, rate, labels.shape)
    shift = jax.random.randint(shift_key, labels.shape, 1, classes)
    y = jnp.where(flip, (labels + shift) % classes, labels).astype(labels.dtype)
    return dataset._replace(y=y, truth=_noisy_truth(dataset, rate))


def _noisy_truth(dataset: Dataset, rate: Scalar) -> dict[str, float]:
    """The truths after symmetric noise. Two noises in a row compose to one of another rate."""
    xp: Any = _namespace(rate)
    classes, old = dataset.num_classes, dataset.truth
    others = classes - 1
    before = old.get("label_noise", 0.0)
    total = before * (1 - rate) + (1 - before) * rate + before * rate * (classes - 2) / others
    truth = {"label_noise": _number(total)}
    if "separation" in old and classes == 2:
        return truth | _two_gaussians_truth(old["separation"], total)
    if "bayes_error" in old:
        b = old["bayes_error"]
        # The posterior of the best class shrinks towards the others; it stays the best while
        # rate <= 1 - 1/K. Beyond, only two classes tell which is best, the other one.
        error = 1 - (1 - b) * (1 - rate) - b * rate / others
        if classes == 2:
            truth["bayes_error"] = _number(xp.minimum(error, 1 - error))
        elif concrete(rate) and rate <= others / classes:
            truth["bayes_error"] = _number(error)
    return truth


def _two_gaussians_truth(separation: Scalar, rate: Scalar) -> dict[str, float]:
    """Bayes error and I(X;Y) in nats when labels are flipped with probability `rate`."""
    xp: Any = _namespace(separation, rate)
    z = np.arange(-_REACH, _REACH + _STEP, _STEP)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    # log-likelihood ratio log p(y=1|x)/p(y=0|x) given y = 1; y = 0 is its mirror image
    ratio = separation * (z + separation / 2)
    # log p(y'|x) = log(stay e^{lr} + leave) - log(1 + e^{lr}), for the noisy label y'
    log_stay, log_leave = _log(xp, 1 - rate), _log(xp, rate)
    normal = xp.logaddexp(0.0, ratio)
    log_same = xp.logaddexp(log_stay + ratio, log_leave) - normal
    log_other = xp.logaddexp(log_leave + ratio, log_stay) - normal
    entropy = -(weight * ((1 - rate) * log_same + _times(xp, rate, log_other))).sum()
    clean_error = _erfc(xp, separation / math.sqrt(8)) / 2
    error = clean_error + rate * (1 - 2 * clean_error)
    return {
        "separation": separation,  # pyright: ignore[reportReturnType]
        "bayes_error": _number(xp.minimum(error, 1 - error)),
        "mutual_information": _number(math.log(2) - entropy),
    }


def _log(xp: Any, p: Scalar) -> Any:
    positive = p > 0
    return xp.where(positive, xp.log(xp.where(positive, p, 1.0)), -xp.inf)


def _times(xp: Any, p: Scalar, log_q: Any) -> Any:
    positive = p > 0
    return xp.where(positive, p * xp.where(positive, log_q, 0.0), 0.0)


def _erfc(xp: Any, x: Scalar) -> Any:
    return jax.scipy.special.erfc(x) if xp is jnp else math.erfc(float(x))


def _namespace(*values: Any) -> Any:
    """NumPy's float64 for concrete numbers whatever JAX's precision, jax.numpy under tracing."""
    return np if concrete(*values) else jnp


def _number(value: Any) -> Any:
    return float(value) if concrete(value) else value


def _concrete(name: str, value: Any) -> float:
    array = np.asarray(value, np.float64)
    if array.ndim or not np.isfinite(array):
        raise ValueError(f"{name}={value!r} must be one finite number")
    return float(array)


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        whole(name, size)

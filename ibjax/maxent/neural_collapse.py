"""Neural collapse of a layer, and an index of it that no invertible linear map changes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.arguments import numeric, whole
from ibjax.maxent import checks
from ibjax.maxent.scatter import Collapse, measures
from ibjax.signatures import enforced
from ibjax.typing import Array, JaxArray, Numbers

FORMULAS = {
    "nc1": "tr(S_W pinv(S_B))/K; S_W divided by n, S_B by K, centre = mean of class means",
    "nc1_rank": "tr(S_W pinv(S_B))/rank(S_B)",
    "ratio": "tr(S_W)/tr(S_B)",
    "fisher": "tr(pinv(S_T) S_Bw), S_Bw weighted by class frequencies",
    "vci": "1 - tr(pinv(S_T) S_Bw)/rank(S_B)",
    "norms": "std/mean over classes of |mu_c - centre|, std divided by K",
    "angles": "mean over pairs of |cos(mu_c - centre, mu_c' - centre) + 1/(K-1)|",
    "structure": "|G/|G|_F - (I - 11'/K)/sqrt(K-1)|_F, G = Gram matrix of centred means",
    "cdnv": "mean over pairs of (tr Cov_c + tr Cov_c')/(2 |mu_c - mu_c'|^2)",
    "head_norms": "std/mean over classes of |w_c|, std divided by K",
    "duality": "|W/|W|_F - M/|M|_F|_F, M = centred means",
    "nearest_mean": "share of examples with argmax of the head != nearest class mean",
}
"""The normalisation of every measure, for the column of a table."""


@enforced
def collapse(
    features: Numbers,
    labels: Numbers,
    *,
    head: tuple[Any, Any] | None = None,
    num_classes: int | None = None,
) -> Collapse:
    r"""Measure neural collapse (NC1 to NC4) and the linear-invariant index of one layer.

    With class means mu_c, their mean mu_G, frequencies pi_c, M the rows mu_c - mu_G,
    S_W = sum_c pi_c Cov_c, S_B = M^T M / K, S_Bw = sum_c pi_c (mu_c - m)(mu_c - m)^T around the
    global mean m, and S_T = S_W + S_Bw:

        NC1 = tr(S_W S_B^+) / K,   VCI = 1 - tr(S_T^+ S_Bw) / rank S_B

    and as `Collapse` says. NC1 to NC4 change with a linear reparametrisation of the layer, so of
    a hidden layer they mean little alone; VCI does not change. Neither is the strictness of
    maximum entropy: for Gaussian classes with a common covariance `conditions` finds
    linear_gap = 0 at every NC1, while NC1 -> 0 with means a softmax can separate forces
    H(Y|T) -> 0 and linear_gap -> 0.

    Args:
        features: (n, d).
        labels: integers, (n,).
        head: weights (d, K) and biases (K,) of the softmax on this layer.
        num_classes: K, needed for traced labels. Classes that do not occur are left out.

    Returns:
        A `Collapse` of scalars, in float32 or the precision of the features if that is higher.
        Map over layers and replicas with `jax.vmap`, or use `collapse_columns`.

    Assumes:
        Eigenvalues of S_B and S_T below 1e-8 of the largest (float32: 1e-5) are taken as zero.

    Raises:
        ValueError: on shapes that do not fit, or labels that are no classes.

    Reference:
        Papyan, Han, Donoho 2020, "Prevalence of neural collapse during the terminal phase of
        deep learning training"; Xu, Liu 2023 (arXiv 2306.03440) for the variability collapse
        index; Galanti, Gyorgy, Hutter 2022 for the class-distance normalized variance.
    """
    features = checks.matrix("features", features, 2, shift=head is None)
    labels, num_classes = checks.classes(labels, features.shape[0], _count(num_classes))
    if head is not None:
        head = _head(head, features.shape[1], num_classes)
    return _collapse(*_ready(features, labels, head), num_classes=num_classes)


@enforced
def collapse_errors(
    features: Numbers,
    labels: Numbers,
    *,
    head: tuple[Any, Any] | None = None,
    num_classes: int | None = None,
    groups: int = 20,
) -> Collapse:
    """Standard errors of `collapse` over examples, by the jackknife that leaves out groups.

    sqrt((g-1)/g sum_j (theta_j - mean)^2), theta_j without every g-th example from the j-th on

    Args:
        features: (n, d).
        labels: integers, (n,).
        head: as in `collapse`, taken as fixed.
        num_classes: K, needed for traced labels. Classes that do not occur are left out.
        groups: number of groups g.

    Returns:
        A `Collapse` that holds the error of each measure; `rank`, `classes` and `degenerate` are
        0 where no group changes them, `ok` holds where it does for every group.

    Assumes:
        The order of the examples carries no information within a class.

    Raises:
        ValueError: as `collapse`, or fewer than two or more than n groups.

    Reference:
        Efron, Stein 1981, "The jackknife estimate of variance".
    """
    features = checks.matrix("features", features, 2, shift=head is None)
    labels, num_classes = checks.classes(labels, features.shape[0], _count(num_classes))
    groups = whole("groups", groups, 2)
    if groups > features.shape[0]:
        raise ValueError(f"groups={groups} for {features.shape[0]} examples; give at most n")
    if head is not None:
        head = _head(head, features.shape[1], num_classes)
    features, labels, head = _ready(features, labels, head)
    return _jackknife(features, labels, head, num_classes=num_classes, groups=groups)


@enforced
def collapse_columns(
    features: Sequence[Any],
    labels: Numbers,
    *,
    head: tuple[Any, Any] | None = None,
    num_classes: int | None = None,
) -> Collapse:
    """`collapse` of every layer of every replica of a network.

    Args:
        features: outputs of the layers from the input upwards, each (R, n, d_l).
        labels: integers, (R, n).
        head: weights (R, d_L, K) and biases (R, K) of the networks' softmax on the last layer.
        num_classes: K, needed for traced labels. Classes that do not occur are left out.

    Returns:
        A `Collapse` of arrays (R, L); what needs a head is NaN below the last layer. A replica
        with NaN features gets NaN.

    Raises:
        ValueError: on shapes that do not fit.

    Reference:
        Papyan, Han, Donoho 2020, "Prevalence of neural collapse during the terminal phase of
        deep learning training"; Xu, Liu 2023 (arXiv 2306.03440) for the variability collapse
        index; Galanti, Gyorgy, Hutter 2022 for the class-distance normalized variance.
    """
    layers, labels, num_classes = checks.columns(features, labels, _count(num_classes))
    if head is not None:
        head = checks.heads(head, len(labels), layers[-1].shape[2], num_classes)

    def one(args: Any) -> Collapse:
        return _collapse(*_ready(*args), num_classes=num_classes)

    heads = [None] * (len(layers) - 1) + [head]
    found = [jax.lax.map(one, (array, labels, own)) for array, own in zip(layers, heads)]
    return jax.tree.map(lambda *parts: jnp.stack(parts, axis=-1), *found)


def _count(num_classes: Any) -> int | None:
    return None if num_classes is None else whole("num_classes", num_classes, 2)


def _head(head: tuple[Any, Any], units: int, classes: int) -> tuple[Array, Array]:
    weights, bias = (numeric("head", part) for part in head)
    if weights.shape != (units, classes) or bias.shape != (classes,):
        raise ValueError(
            f"head has shapes {weights.shape} and {bias.shape}; give weights {(units, classes)} "
            f"and biases {(classes,)}"
        )
    return weights, bias


def _ready(features: Array, labels: Array, head: Any) -> tuple[JaxArray, JaxArray, Any]:
    """Eigenvalues need at least float32."""
    dtype = jnp.promote_types(features.dtype, jnp.float32)
    head = None if head is None else tuple(part.astype(dtype) for part in head)
    return jnp.asarray(features, dtype), jnp.asarray(labels), head


@partial(jax.jit, static_argnames=("num_classes", "groups"))
def _jackknife(features: JaxArray, labels: JaxArray, head: Any, *, num_classes: int, groups: int):
    place = jnp.arange(features.shape[0]) % groups

    def without(group: JaxArray) -> Collapse:
        keep = (place != group).astype(features.dtype)
        return measures(features, labels, head, keep, num_classes)

    found = jax.lax.map(without, jnp.arange(groups))
    factor = (groups - 1) / groups

    def error(part: JaxArray) -> JaxArray:
        return jnp.sqrt(factor * jnp.sum((part - jnp.mean(part, axis=0)) ** 2, axis=0))

    errors = Collapse(*(error(part.astype(features.dtype)) for part in found))
    return errors._replace(ok=jnp.all(found.ok))


@partial(jax.jit, static_argnames=("num_classes",))
def _collapse(features: JaxArray, labels: JaxArray, head: Any, *, num_classes: int) -> Collapse:
    ones = jnp.ones(features.shape[0], features.dtype)
    return measures(features, labels, head, ones, num_classes)

"""The two feature conditions of one layer, and layer by layer in a network."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ibjax.maxent.options import settle
from ibjax.maxent.residuals import Conditions, Losses, layer_losses, measure
from ibjax.signatures import enforced
from ibjax.typing import Array, Key, Numbers


@enforced
def conditions(
    features: Numbers,
    labels: Numbers,
    *,
    inputs: Numbers | None = None,
    head: tuple[Any, Any] | None = None,
    num_classes: int | None = None,
    strong: str = "features",
    correlation: str = "auto",
    l2: Numbers | None = None,
    folds: int = 2,
    width: int = 128,
    key: Key | None = None,
) -> Conditions:
    """Measure how strictly the softmax on one layer applies maximum entropy.

    With H(Y|X) the Bayes entropy, exactly in the population,

        CE_softmax(T) - H(Y|X) = I(X;Y|T) + linear_gap(T),

    so the first condition (T is sufficient) and the second in its operational form (the best
    law given T is a softmax) are measured apart. Independence of the units given the label
    implies linear_gap = 0 for binary units and is not needed for it, which is why
    `total_correlation` stands beside `linear_gap` and not in its place.

    Args:
        features: outputs of the layer, (n, d).
        labels: integers, (n,).
        inputs: (n, dx), what sufficiency and the probe gain are measured against; without it
            `sufficiency_residual` is the loss of the strong probe, an upper bound.
        head: weights (d, K) and bias (K,) of the network's own softmax; the moments and the
            duality gap are then those of this head. Otherwise a softmax is cross-fitted.
        num_classes: K, needed for traced labels.
        strong: "features" estimates H(Y|T) by a softmax with random rectified features on
            held-out folds; "table" counts, for units with few distinct rows, and
            measures on the empirical law itself (moments then match by construction).
        correlation: "binary", "gaussian", "pairwise", or "auto": binary while
            5 K 2^d <= n, else gaussian.
        l2: penalty of the probes on standardised units; 1/n (none for "table") if None.
        folds: of the cross-fit.
        width: random features of the strong probe.
        key: randomness of folds and random features; a fixed one if None.

    Returns:
        A `Conditions` of `Estimate`s with standard errors over examples (the probes held
        fixed) and the direction of their bias.

    Assumes:
        Independent examples; with `head`, examples the head was not fitted to.

    Raises:
        ValueError: on shapes that do not fit, unknown names, or NaN in concrete input.

    Reference:
        Zheng, Sang, Xu, "Understanding Deep Learning Generalization by Maximum Entropy", 2017,
        for the two conditions; the decomposition and the estimators are derived here.
    """
    (found,) = layers(
        [features],
        labels,
        inputs=inputs,
        head=head,
        num_classes=num_classes,
        strong=strong,
        correlation=correlation,
        l2=l2,
        folds=folds,
        width=width,
        key=key,
    )
    return found


@enforced
def layers(
    features_list: Sequence[Any],
    labels: Numbers,
    *,
    inputs: Numbers | None = None,
    head: tuple[Any, Any] | None = None,
    num_classes: int | None = None,
    **options: Any,
) -> tuple[Conditions, ...]:
    """`conditions` of every layer of a network, with the probe gain of each over the one below.

    All layers share folds and random numbers, so differences between layers are paired.

    Args:
        features_list: outputs of the layers from the input upwards, each (n, d_l).
        labels: integers, (n,).
        inputs: (n, dx); the first probe gain is measured against its softmax.
        head: the network's own softmax, used for the last layer alone.
        num_classes: K, needed for traced labels.
        **options: `strong`, `correlation`, `l2`, `folds`, `width` and `key` of `conditions`.

    Returns:
        One `Conditions` a layer.

    Raises:
        ValueError: if the list is empty, and as `conditions`.
    """
    if len(features_list) == 0:
        raise ValueError("features_list is empty; give the outputs of at least one layer")
    defaults: dict[str, Any] = {
        "strong": "features",
        "correlation": "auto",
        "l2": None,
        "folds": 2,
        "width": 128,
        "key": None,
    }
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        raise ValueError(f"options {unknown} are unknown; give some of {sorted(defaults)}")
    settings = settle(labels, np.size(labels), num_classes=num_classes, **{**defaults, **options})
    source = None if inputs is None else layer_losses("inputs", inputs, settings)[1]
    return climb(
        features_list,
        source,
        head,
        lambda layer, own: layer_losses("features", layer, settings, own),
        lambda *state: measure(settings, *state),
    )


def climb(
    layers: Sequence[Any],
    source: Losses | None,
    head: Any,
    losses: Callable[[Any, bool], tuple[Array, Losses]],
    measured: Callable[..., Conditions],
) -> tuple[Conditions, ...]:
    """`Conditions` of every layer from the input upwards.

    Args:
        layers: their outputs.
        source: losses of the inputs, if they are given.
        head: of the last layer, or None.
        losses: a layer, which has a head of its own or not, as an array, and its losses.
        measured: of a layer, its losses, those of the source, those below, and its head.
    """
    found, below = [], source
    for index, layer in enumerate(layers):
        own = head if index == len(layers) - 1 else None
        array, here = losses(layer, own is not None)
        found.append(measured(array, here, source, below, own))
        below = here
    return tuple(found)

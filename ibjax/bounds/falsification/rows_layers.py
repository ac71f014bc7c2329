"""Rows of layered networks: contraction, transport between layers, Gibbs posteriors."""

import jax.numpy as jnp

from ibjax import bounds
from ibjax.bounds.falsification.rows import Row, coefficient, fed, known


def _singles(information_i, label_information_i, etas, n, sigma):
    labels = known(jnp.sum(label_information_i))
    total = known(jnp.sum(information_i))
    return bounds.depth(total, coefficient(etas), n, sigma, label_information=labels)


def _deviation(information_i, etas, n, sigma, label_deviation):
    total = known(jnp.sum(information_i))
    return bounds.depth(total, coefficient(etas), n, sigma, label_deviation=known(label_deviation))


def _tv_information(label_information_i, input_information_i, etas_tv, loss_range):
    labels, inputs = (
        bounds.variation_from_information(i) for i in (label_information_i, input_information_i)
    )
    return bounds.depth_tv(labels, inputs, coefficient(etas_tv, "tv"), loss_range=loss_range)


def _of_balls(bound):
    """A bound on distances between the weights of unit layers."""

    def given(weight_law, weight_distances):
        norms = jnp.ones((weight_distances.shape[0], weight_distances.shape[1] - 1))
        return bound(weight_distances, norms, law=weight_law)

    return given


_DEPTH = "information! etas n sigma"
_LABELS = "label_information=label_information!"
_CLASSES = "num_classes=num_classes"
_EVERY = f"{_DEPTH} {_LABELS} {_CLASSES} label_deviation=label_deviation! loss_range=loss_range"
_LAYERED = {"layers": (1, 2)}

ROWS = (
    Row("depth", fed(bounds.depth, _EVERY)),
    Row("depth_label_information", fed(bounds.depth, f"{_DEPTH} {_LABELS}")),
    Row("depth_single_examples", _singles),
    Row("depth_classes", fed(bounds.depth, f"{_DEPTH} {_CLASSES}")),
    Row("depth_label_deviation", _deviation),
    Row(
        "depth_examples",
        fed(bounds.depth_examples, "label_information_i! input_information_i! etas sigma"),
    ),
    Row(
        "depth_tv",
        fed(bounds.depth_tv, "label_variation input_variation etas_tv loss_range=loss_range"),
    ),
    Row("depth_tv_information", _tv_information),
    Row(
        "layer_divergence",
        fed(bounds.individual, "layer_information_i! sigma"),
        note="the divergence of each layer by itself",
    ),
    Row("label_deviation", fed(bounds.label_deviation, "class_law n"), "label_deviation"),
    Row("funnel", _of_balls(bounds.funnel), only=_LAYERED),
    Row("funnel_layers", _of_balls(bounds.funnel_layers), only=_LAYERED),
    Row(
        "last_layer",
        fed(bounds.last_layer, "head_information! n sigma hidden_information=hidden_information!"),
    ),
    Row("gibbs", fed(bounds.gibbs, "inverse_temperature n sigma")),
    Row("gibbs_layers", fed(bounds.gibbs, f"inverse_temperature n sigma etas {_LABELS}")),
    Row(
        "depth_published",
        fed(bounds.depth, _DEPTH, variant="published"),
        theorem=False,
        note="labels bypass the layers, hidden weights depend on the sample",
    ),
    Row(
        "last_layer_published",
        fed(bounds.last_layer, "head_information! n sigma", frozen=True),
        theorem=False,
        note="claims frozen hidden weights where they are trained",
    ),
)

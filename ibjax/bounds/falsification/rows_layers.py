"""Rows of layered networks: contraction, transport between layers, Gibbs posteriors."""

import jax.numpy as jnp

from ibjax.bounds import (
    depth,
    depth_examples,
    depth_tv,
    funnel,
    funnel_layers,
    gibbs,
    individual,
    label_deviation,
    last_layer,
    variation_from_information,
)
from ibjax.bounds.falsification.rows import Row, coefficient, known


def _labels(information, etas, n, sigma, label_information):
    return depth(
        known(information), coefficient(etas), n, sigma, label_information=known(label_information)
    )


def _singles(information_i, label_information_i, etas, n, sigma):
    return depth(
        known(jnp.sum(information_i)),
        coefficient(etas),
        n,
        sigma,
        label_information=known(jnp.sum(label_information_i)),
    )


def _classes(information, etas, n, sigma, num_classes):
    return depth(known(information), coefficient(etas), n, sigma, num_classes=num_classes)


def _deviation(information_i, etas, n, sigma, label_deviation):
    total = known(jnp.sum(information_i))
    return depth(total, coefficient(etas), n, sigma, label_deviation=known(label_deviation))


def _every_label_term(
    information, etas, n, sigma, label_information, num_classes, label_deviation, loss_range
):
    return depth(
        known(information),
        coefficient(etas),
        n,
        sigma,
        label_information=known(label_information),
        num_classes=num_classes,
        label_deviation=known(label_deviation),
        loss_range=loss_range,
    )


def _published(information, etas, n, sigma):
    return depth(known(information), coefficient(etas), n, sigma, variant="published")


def _examples(label_information_i, input_information_i, etas, sigma):
    return depth_examples(
        known(label_information_i), known(input_information_i), coefficient(etas), sigma
    )


def _tv(label_variation, input_variation, etas_tv, loss_range):
    return depth_tv(
        label_variation, input_variation, coefficient(etas_tv, "tv"), loss_range=loss_range
    )


def _tv_information(label_information_i, input_information_i, etas_tv, loss_range):
    labels, inputs = (
        variation_from_information(i) for i in (label_information_i, input_information_i)
    )
    return depth_tv(labels, inputs, coefficient(etas_tv, "tv"), loss_range=loss_range)


def _label_deviation(class_law, n):
    return label_deviation(class_law, n)


def _layers(layer_information_i, sigma):
    return individual(known(layer_information_i), sigma)


def _funnel(weight_law, weight_distances):
    norms = jnp.ones((weight_distances.shape[0], weight_distances.shape[1] - 1))
    return funnel(weight_distances, norms, law=weight_law)


def _funnel_layers(weight_law, weight_distances):
    norms = jnp.ones((weight_distances.shape[0], weight_distances.shape[1] - 1))
    return funnel_layers(weight_distances, norms, law=weight_law)


def _last_layer(head_information, hidden_information, n, sigma):
    return last_layer(
        known(head_information), n, sigma, hidden_information=known(hidden_information)
    )


def _last_layer_published(head_information, n, sigma):
    return last_layer(known(head_information), n, sigma, frozen=True)


def _gibbs(inverse_temperature, n, sigma):
    return gibbs(inverse_temperature, n, sigma)


def _gibbs_layers(inverse_temperature, n, sigma, etas, label_information):
    return gibbs(
        inverse_temperature, n, sigma, coefficient(etas), label_information=known(label_information)
    )


_LAYERED = {"layers": (1, 2)}

ROWS = (
    Row("depth", _every_label_term),
    Row("depth_label_information", _labels),
    Row("depth_single_examples", _singles),
    Row("depth_classes", _classes),
    Row("depth_label_deviation", _deviation),
    Row("depth_examples", _examples),
    Row("depth_tv", _tv),
    Row("depth_tv_information", _tv_information),
    Row("layer_divergence", _layers, note="the divergence of each layer by itself"),
    Row("label_deviation", _label_deviation, "label_deviation"),
    Row("funnel", _funnel, only=_LAYERED),
    Row("funnel_layers", _funnel_layers, only=_LAYERED),
    Row("last_layer", _last_layer),
    Row("gibbs", _gibbs),
    Row("gibbs_layers", _gibbs_layers),
    Row(
        "depth_published",
        _published,
        theorem=False,
        note="labels bypass the layers, hidden weights depend on the sample",
    ),
    Row(
        "last_layer_published",
        _last_layer_published,
        theorem=False,
        note="claims frozen hidden weights where they are trained",
    ),
)

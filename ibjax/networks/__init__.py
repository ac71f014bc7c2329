"""Networks as pure functions: MLP, CNN, padded depth, and adapters for a user's flax module."""

from typing import Any

from ibjax.interface import Network
from ibjax.networks import cnn as cnn
from ibjax.networks import mlp as mlp
from ibjax.networks import normalised as normalised
from ibjax.networks.activations import activation as activation
from ibjax.networks.activations import diameter as diameter
from ibjax.networks.adapters import adapted as adapted
from ibjax.networks.adapters import from_linen as from_linen
from ibjax.networks.adapters import from_nnx as from_nnx
from ibjax.networks.cnn import CNN as CNN
from ibjax.networks.cnn import patches as patches
from ibjax.networks.located import located as located
from ibjax.networks.mlp import MLP as MLP
from ibjax.networks.normalised import NormalisedCNN as NormalisedCNN
from ibjax.networks.own import digest as digest
from ibjax.networks.own import from_module as from_module


def build(
    config: MLP | CNN | NormalisedCNN | Network | Any,
    num_classes: int,
    input_shape: tuple[int, ...],
) -> Network:
    """The network of a description; a `Network` is returned as it is, a linen module adapted.

    Args:
        config: an `MLP`, a `CNN`, a `NormalisedCNN`, a ready `Network`, or a flax.linen module.
        num_classes: number of logits.
        input_shape: shape of one input.

    Raises:
        ValueError: for anything else, with the adapter to use where there is one.
    """
    if isinstance(config, Network):
        return config
    if isinstance(config, MLP):
        return mlp.build(config, num_classes)
    if isinstance(config, CNN):
        return cnn.build(config, num_classes, input_shape)
    if isinstance(config, NormalisedCNN):
        return normalised.build(config, num_classes, input_shape)
    return adapted(config)

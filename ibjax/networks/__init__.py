"""Networks as pure functions: MLP, CNN, padded depth, and adapters for a user's flax module."""

from typing import Any

from ibjax.interface import Network
from ibjax.networks import cnn, mlp, normalised
from ibjax.networks.activations import activation, diameter
from ibjax.networks.adapters import adapted, from_linen, from_nnx
from ibjax.networks.cnn import CNN, patches
from ibjax.networks.located import located
from ibjax.networks.mlp import MLP
from ibjax.networks.normalised import NormalisedCNN
from ibjax.networks.own import digest, from_module
from ibjax.signatures import enforced

__all__ = [
    "CNN",
    "MLP",
    "NormalisedCNN",
    "activation",
    "adapted",
    "build",
    "cnn",
    "diameter",
    "digest",
    "from_linen",
    "from_module",
    "from_nnx",
    "located",
    "mlp",
    "normalised",
    "patches",
]


@enforced
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

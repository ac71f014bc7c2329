"""Convolutional networks whose convolutions are patches times a matrix.

A convolution inside `vmap` becomes a grouped convolution, and inside `scan` it leaves the fast
path of the CPU backend: an order of magnitude either way. Patches and a matrix product do not.
"""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from ibjax.arguments import check_spread
from ibjax.interface import Hyper, LayerFacts, Network
from ibjax.networks.activations import activation, diameter
from ibjax.randomness import normal
from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


@dataclass(frozen=True)
class CNN:
    """Static description of a small convolutional network.

    Attributes:
        channels: output channels of each convolution.
        kernel: side of the square kernels.
        stride: stride of each convolution.
        width: units of the dense hidden layer after the convolutions.
        activation: name of the activation.
        noise: standard deviation of Gaussian noise after each activation.
    """

    channels: tuple[int, ...] = (16, 32)
    kernel: int = 3
    stride: int = 2
    width: int = 64
    activation: str = "tanh"
    noise: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"channels={self.channels} must be positive, one a convolution")
        if self.kernel < 1 or self.stride < 1:
            raise ValueError(f"kernel={self.kernel} and stride={self.stride} must be at least 1")
        check_spread("noise", self.noise)
        activation(self.activation)


@enforced
def patches(x: Array, kernel: int, stride: int) -> Array:
    """Zero-padded ("SAME") square patches.

    Args:
        x: images, (batch, height, width, channels).
        kernel: side k of the patches.
        stride: distance between patches.

    Returns:
        (batch, height', width', k * k * channels), with height' = ceil(height / stride);
        a convolution is this times the kernel reshaped to (k * k * channels, out).
    """
    pads = []
    for size in x.shape[1:3]:
        out = -(-size // stride)
        total = max((out - 1) * stride + kernel - size, 0)
        pads.append((total // 2, total - total // 2))
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, cols = (-(-size // stride) for size in x.shape[1:3])
    windows = [
        padded[
            :, i : i + (rows - 1) * stride + 1 : stride, j : j + (cols - 1) * stride + 1 : stride
        ]
        for i in range(kernel)
        for j in range(kernel)
    ]
    return jnp.concatenate(windows, axis=-1)


class _Module(nn.Module):
    config: CNN
    num_classes: int

    @nn.compact
    def __call__(self, x, key, hyper: Hyper):
        cfg = self.config
        if x.ndim != 4:
            raise ValueError(f"x has shape {x.shape}; a CNN needs (batch, height, width, channels)")
        phi = activation(cfg.activation).function
        keys = None if key is None else jax.random.split(key, len(cfg.channels) + 1)

        def disturb(h, i):
            if keys is None or cfg.noise == 0:
                return h
            return h + hyper.layer_noise * normal(keys[i], h.shape)

        features = []
        for i, out in enumerate(cfg.channels):
            x = disturb(phi(nn.Dense(out)(patches(x, cfg.kernel, cfg.stride))), i)
            features.append(x)
        x = phi(nn.Dense(cfg.width)(x.reshape(x.shape[0], -1)))
        features.append(disturb(x, len(cfg.channels)))
        return nn.Dense(self.num_classes)(features[-1]), tuple(features)


def build(config: CNN, num_classes: int, image_shape: tuple[int, ...]) -> Network:
    """The network of `config` as pure functions.

    Args:
        config: the static description.
        num_classes: number of logits.
        image_shape: (height, width, channels) of one input.

    Returns:
        A `Network`; the diameter of a convolutional layer counts every position and channel.
    """
    if len(image_shape) != 3:
        raise ValueError(f"inputs have shape {image_shape}; a CNN needs (height, width, channels)")
    module = _Module(config, num_classes)
    zero = Hyper(0.0, 0.0)

    def init(key: Key, x: Array) -> Any:
        return module.init(key, x, None, zero)["params"]

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        return module.apply({"params": params}, x, key, hyper)

    facts, (rows, cols) = [], image_shape[:2]
    for i, out in enumerate(config.channels):
        rows, cols = -(-rows // config.stride), -(-cols // config.stride)
        units = rows * cols * out
        size = diameter(config.activation, units)
        facts.append(LayerFacts(f"conv {i + 1}", units, size, config.noise))
    size = diameter(config.activation, config.width)
    facts.append(LayerFacts("dense", config.width, size, config.noise))
    return Network(init, apply, tuple(facts), antithetic=config.noise > 0)  # pyright: ignore

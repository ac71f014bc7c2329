"""The convolutional networks of the f-CMI experiments: convolutions with batch statistics.

Batch statistics tie the examples of a batch together and leave a running state behind that no
weight noise covers. Supersample bounds do not mind; the trajectory bounds refuse such networks.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import BatchStatistics, Hyper, LayerFacts, Network
from ibjax.networks.convolutions import convolve, patches, rounded_patches, size_after
from ibjax.networks.normalisation import Moments, moments, normalise, normalised_product
from ibjax.networks.products import bits, numbers, product, rounded
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

Convolution = tuple[int, int, int, int]
"""Output channels, kernel, stride, padding."""

_PIECE = 128
"""Examples evaluated at once; more would not stay in the cache."""


@dataclass(frozen=True)
class NormalisedCNN:
    """Static description: convolutions with batch normalisation and relu, then a dense layer.

    Attributes:
        convolutions: (channels, kernel, stride, padding) of each.
        width: units of the dense hidden layer (relu, not normalised).
        momentum: weight of the newest batch in the running statistics.
        epsilon: added to variances.
        precision: "float32", or "bfloat16" for the factors of the matrix products, which are
            summed in float32; weights, statistics and optimiser stay in float32.
    """

    convolutions: tuple[Convolution, ...] = (
        (32, 4, 2, 1),
        (32, 4, 2, 1),
        (64, 3, 2, 0),
        (256, 3, 1, 0),
    )
    width: int = 128
    momentum: float = 0.1
    epsilon: float = 1e-5
    precision: str = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "convolutions", tuple(tuple(c) for c in self.convolutions))
        if not self.convolutions or any(len(c) != 4 for c in self.convolutions):
            raise ValueError(
                f"convolutions={self.convolutions} must be (channels, kernel, stride, padding) each"
            )
        if any(min(c[:3]) < 1 or c[3] < 0 for c in self.convolutions) or self.width < 1:
            raise ValueError(
                f"convolutions={self.convolutions}, width={self.width}: sizes must be positive"
            )
        if not 0 < self.momentum <= 1 or not self.epsilon > 0:
            raise ValueError(
                f"momentum={self.momentum} must lie in (0, 1] and epsilon={self.epsilon} above 0"
            )
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision={self.precision!r} is unknown; use float32 or bfloat16")


PUBLISHED = {
    "standard": NormalisedCNN(),
    "wide": NormalisedCNN(((128, 4, 2, 1), (128, 4, 2, 1), (256, 3, 2, 0), (1024, 3, 1, 0)), 512),
    "midwide": NormalisedCNN(((64, 4, 2, 1), (64, 4, 2, 1), (128, 3, 2, 0), (512, 3, 1, 0)), 256),
    "shallow": NormalisedCNN(((64, 4, 2, 1), (256, 3, 1, 0)), 128),
    "deep": NormalisedCNN(
        (
            (32, 4, 2, 1),
            (32, 4, 2, 1),
            (64, 3, 1, 1),
            (64, 3, 1, 1),
            (64, 3, 1, 0),
            (256, 3, 1, 0),
        ),
        128,
    ),
}
"""The network of Harutyunyan et al. 2021, its wide form, and the ablations of Wang and Mao 2023."""


@lru_cache(maxsize=32)
def build(config: NormalisedCNN, num_classes: int, image_shape: tuple[int, ...]) -> Network:
    """The network of `config` as pure functions.

    Weights and dense biases start uniform on +-1/sqrt(fan_in). Convolutions have no bias: batch
    normalisation would subtract it. Equal descriptions give the same object, so that runs share
    their compiled program.

    Args:
        config: the static description.
        num_classes: number of logits.
        image_shape: (height, width, channels) of one input.

    Returns:
        A `Network` with ``batch_statistics``. Its plain `apply` normalises by the statistics of
        the batch it is given.

    Raises:
        ValueError: inputs that are no images, or too small for a kernel.
    """
    if len(image_shape) != 3:
        raise ValueError(f"inputs have shape {image_shape}; a CNN needs (height, width, channels)")
    low = jnp.bfloat16 if config.precision == "bfloat16" else None
    sides, channels = [image_shape[:2]], image_shape[2]
    shapes: dict[str, tuple[int, int]] = {}
    facts = []
    for i, (out, kernel, stride, padding) in enumerate(config.convolutions):
        rows, columns = (size_after(s, kernel, stride, padding) for s in sides[-1])
        if min(rows, columns) < 1:
            raise ValueError(
                f"convolutions={config.convolutions}: kernel {i + 1} does not fit in {sides[-1]}; "
                "use a smaller kernel, more padding or larger images"
            )
        shapes[f"conv {i + 1}"] = (out, kernel * kernel * channels)
        facts.append(LayerFacts(f"conv {i + 1}", out * rows * columns, float("inf")))
        sides.append((rows, columns))
        channels = out
    count = len(config.convolutions)
    shapes["dense"] = (config.width, channels * sides[-1][0] * sides[-1][1])
    shapes["head"] = (num_classes, config.width)
    facts.append(LayerFacts("dense", config.width, float("inf")))

    window = config.convolutions[0][1:]
    by_moments = shapes["conv 1"][1] <= 2 * shapes["conv 1"][0]

    def init(key: Key, x: Array) -> Any:
        del x
        biased = ("dense", "head")
        sizes = [out * (fan_in + (name in biased)) for name, (out, fan_in) in shapes.items()]
        draw = jax.random.uniform(key, (sum(sizes),), minval=-1.0, maxval=1.0)
        params, start = {}, 0
        for size, (name, (out, fan_in)) in zip(sizes, shapes.items()):
            piece = draw[start : start + size] / np.sqrt(fan_in)
            start += size
            if name in biased:
                kernel, bias = piece[: out * fan_in], piece[out * fan_in :]
                params[name] = {"kernel": kernel.reshape(out, fan_in), "bias": bias}
            else:
                params[name] = {
                    "kernel": piece.reshape(out, fan_in),
                    "scale": jnp.ones(out),
                    "bias": jnp.zeros(out),
                }
        return params

    def statistics() -> Any:
        return {
            f"conv {i + 1}": {"mean": jnp.zeros(c[0]), "variance": jnp.ones(c[0])}
            for i, c in enumerate(config.convolutions)
        }

    def images(x: Array) -> Array:
        return jnp.moveaxis(x.reshape(x.shape[0], *image_shape), (0, 3), (3, 0))

    def in_pieces(function: Any, x: Array) -> Any:
        """A function of inputs applied to some of them at a time."""
        total = x.shape[0]
        if total <= _PIECE:
            return function(x)
        pieces = -(-total // _PIECE)
        size = -(-total // pieces)
        padded = jnp.pad(x, ((0, pieces * size - total), *((0, 0),) * (x.ndim - 1)))
        out = jax.lax.map(function, padded.reshape(pieces, size, *x.shape[1:]))
        return jax.tree.map(lambda a: a.reshape(pieces * size, *a.shape[2:])[:total], out)

    def top(params: Any, h: Array) -> tuple[Array, Array]:
        dense, head = params["dense"], params["head"]
        h = product(dense["kernel"], h.reshape(-1, h.shape[-1]), low) + dense["bias"][:, None]
        h = jax.nn.relu(h)
        return (product(head["kernel"], h, low) + head["bias"][:, None]).T, h.T

    def first(x: Array) -> tuple[Array, Moments]:
        """What the first convolution sees, and its moments."""
        seen: Any = rounded_patches(images(x), *window, low)
        return seen, moments(seen.astype(x.dtype))

    def prepare(x: Array) -> Any:
        """Inputs as the products take them, and the moments of what the first layer sees."""
        known = in_pieces(lambda piece: first(piece)[1], x)
        return bits(rounded(x.reshape(x.shape[0], -1), low)), known

    def forward(params: Any, begin: Any, weights: Array | None):
        seen, features = {}, []
        h: Any = None if by_moments else images(begin)
        for i, (_, kernel, stride, padding) in enumerate(config.convolutions):
            name = f"conv {i + 1}"
            p = params[name]
            rest = p["scale"], p["bias"], weights, config.epsilon
            if h is None:
                x, known = begin
                h, mean, variance = normalised_product(p["kernel"], x, known, *rest, low)
            else:
                y = convolve(p["kernel"], h, kernel, stride, padding, low)
                h, mean, variance = normalise(y, *rest)
            seen[name] = {"mean": mean, "variance": variance}
            features.append(h)
        logits, last = top(params, h)
        return logits, seen, (*features, last)

    def train(params: Any, kept: Any, x: Any, weights: Array | None, key: Any, hyper: Hyper):
        del key, hyper
        if by_moments:
            inputs, known = x
            x = numbers(patches(images(inputs), *window), low), known
        logits, seen, _ = forward(params, x, weights)
        members = logits.shape[0] if weights is None else jnp.sum(weights > 0)
        new = {}
        for i, name in enumerate(seen):
            rows, columns = sides[i + 1]
            total = members * rows * columns
            now = seen[name]
            unbiased = now["variance"] * (total / jnp.maximum(total - 1, 1))
            new[name] = jax.tree.map(
                lambda old, latest: old + config.momentum * (latest - old),
                kept[name],
                {"mean": now["mean"], "variance": unbiased},
            )
        return logits, jax.lax.stop_gradient(new)

    def folded(params: Any, kept: Any) -> list[tuple[Array, Array]]:
        out = []
        for name, stats in kept.items():
            rate = params[name]["scale"] * jax.lax.rsqrt(stats["variance"] + config.epsilon)
            kernel = params[name]["kernel"] * rate[:, None]
            out.append((kernel, params[name]["bias"] - stats["mean"] * rate))
        return out

    def evaluate(params: Any, kept: Any, x: Array, key: Any, hyper: Hyper):
        del key, hyper
        layers = folded(params, kept)

        def piece(x):
            h = images(x)
            for (kernel, bias), (_, side, stride, padding) in zip(layers, config.convolutions):
                h = convolve(kernel, h, side, stride, padding, low)
                h = jax.nn.relu(h + bias[:, None, None, None])
            return top(params, h)[0]

        return in_pieces(piece, x)

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        del key, hyper
        logits, _, features = forward(params, first(x) if by_moments else x, None)
        return logits, tuple(jnp.moveaxis(f, -1, 0) for f in features[:count]) + features[count:]

    prepared = prepare if by_moments else None
    batch_statistics = BatchStatistics(statistics, train, evaluate, prepared)
    return Network(init, apply, tuple(facts), batch_statistics=batch_statistics)

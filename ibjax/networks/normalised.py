"""The convolutional networks of the f-CMI experiments: convolutions with batch statistics.

Batch statistics tie the examples of a batch together and leave a running state behind that no
weight noise covers. Supersample bounds do not mind; the trajectory bounds refuse such networks.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

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
    plan = _settled(config, num_classes, image_shape)
    batch_statistics = BatchStatistics(
        partial(_statistics, plan),
        partial(_train, plan),
        partial(_evaluate, plan),
        partial(_prepare, plan) if plan.by_moments else None,
    )
    return Network(
        partial(_init, plan),
        partial(_apply, plan),
        plan.facts,
        batch_statistics=batch_statistics,
    )


class _Plan(NamedTuple):
    """What is settled once the size of the inputs is known.

    Attributes:
        config: the description.
        image_shape: (height, width, channels).
        shapes: outputs and inputs of the matrix of each layer, by name.
        sides: height and width of the images, then after each convolution.
        facts: of each layer.
        low: type of the factors of products, None for full precision.
        by_moments: whether the first layer is normalised by the moments of what it sees.
    """

    config: NormalisedCNN
    image_shape: tuple[int, ...]
    shapes: dict[str, tuple[int, int]]
    sides: tuple[tuple[int, ...], ...]
    facts: tuple[LayerFacts, ...]
    low: Any
    by_moments: bool

    @property
    def window(self) -> tuple[int, ...]:
        """Kernel, stride and padding of the first convolution."""
        return self.config.convolutions[0][1:]


def _settled(config: NormalisedCNN, num_classes: int, image_shape: tuple[int, ...]) -> _Plan:
    if len(image_shape) != 3:
        raise ValueError(f"inputs have shape {image_shape}; a CNN needs (height, width, channels)")
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
    shapes["dense"] = (config.width, channels * sides[-1][0] * sides[-1][1])
    shapes["head"] = (num_classes, config.width)
    facts.append(LayerFacts("dense", config.width, float("inf")))
    low = jnp.bfloat16 if config.precision == "bfloat16" else None
    by_moments = shapes["conv 1"][1] <= 2 * shapes["conv 1"][0]
    return _Plan(config, image_shape, shapes, tuple(sides), tuple(facts), low, by_moments)


def _init(plan: _Plan, key: Key, x: Array) -> Any:
    del x
    biased = ("dense", "head")
    sizes = [out * (fan_in + (name in biased)) for name, (out, fan_in) in plan.shapes.items()]
    draw = jax.random.uniform(key, (sum(sizes),), minval=-1.0, maxval=1.0)
    params, start = {}, 0
    for size, (name, (out, fan_in)) in zip(sizes, plan.shapes.items()):
        piece = draw[start : start + size] / np.sqrt(fan_in)
        start += size
        if name in biased:
            kernel, bias = piece[: out * fan_in], piece[out * fan_in :]
            params[name] = {"kernel": kernel.reshape(out, fan_in), "bias": bias}
        else:
            ones, zeros = jnp.ones(out), jnp.zeros(out)
            kernel = piece.reshape(out, fan_in)
            params[name] = {"kernel": kernel, "scale": ones, "bias": zeros}
    return params


def _statistics(plan: _Plan) -> Any:
    return {
        f"conv {i + 1}": {"mean": jnp.zeros(c[0]), "variance": jnp.ones(c[0])}
        for i, c in enumerate(plan.config.convolutions)
    }


def _images(plan: _Plan, x: Array) -> Array:
    return jnp.moveaxis(x.reshape(x.shape[0], *plan.image_shape), (0, 3), (3, 0))


def _in_pieces(function: Any, x: Array) -> Any:
    """A function of inputs applied to some of them at a time."""
    total = x.shape[0]
    if total <= _PIECE:
        return function(x)
    pieces = -(-total // _PIECE)
    size = -(-total // pieces)
    padded = jnp.pad(x, ((0, pieces * size - total), *((0, 0),) * (x.ndim - 1)))
    out = jax.lax.map(function, padded.reshape(pieces, size, *x.shape[1:]))
    return jax.tree.map(lambda a: a.reshape(pieces * size, *a.shape[2:])[:total], out)


def _top(params: Any, h: Array, low: Any) -> tuple[Array, Array]:
    dense, head = params["dense"], params["head"]
    h = product(dense["kernel"], h.reshape(-1, h.shape[-1]), low) + dense["bias"][:, None]
    h = jax.nn.relu(h)
    return (product(head["kernel"], h, low) + head["bias"][:, None]).T, h.T


def _first(plan: _Plan, x: Array) -> tuple[Array, Moments]:
    """What the first convolution sees, and its moments."""
    seen: Any = rounded_patches(_images(plan, x), *plan.window, plan.low)
    return seen, moments(seen.astype(x.dtype))


def _prepare(plan: _Plan, x: Array) -> Any:
    """Inputs as the products take them, and the moments of what the first layer sees."""
    known = _in_pieces(lambda piece: _first(plan, piece)[1], x)
    return bits(rounded(x.reshape(x.shape[0], -1), plan.low)), known


def _forward(plan: _Plan, params: Any, begin: Any, weights: Array | None):
    seen, features = {}, []
    h: Any = None if plan.by_moments else _images(plan, begin)
    for i, (_, kernel, stride, padding) in enumerate(plan.config.convolutions):
        name = f"conv {i + 1}"
        p = params[name]
        rest = p["scale"], p["bias"], weights, plan.config.epsilon
        if h is None:
            x, known = begin
            h, mean, variance = normalised_product(p["kernel"], x, known, *rest, plan.low)
        else:
            y = convolve(p["kernel"], h, kernel, stride, padding, plan.low)
            h, mean, variance = normalise(y, *rest)
        seen[name] = {"mean": mean, "variance": variance}
        features.append(h)
    logits, last = _top(params, h, plan.low)
    return logits, seen, (*features, last)


def _train(
    plan: _Plan, params: Any, kept: Any, x: Any, weights: Array | None, key: Any, hyper: Hyper
):
    del key, hyper
    if plan.by_moments:
        inputs, known = x
        x = numbers(patches(_images(plan, inputs), *plan.window), plan.low), known
    logits, seen, _ = _forward(plan, params, x, weights)
    members = logits.shape[0] if weights is None else jnp.sum(weights > 0)
    new = {}
    for i, name in enumerate(seen):
        rows, columns = plan.sides[i + 1]
        total = members * rows * columns
        now = seen[name]
        unbiased = now["variance"] * (total / jnp.maximum(total - 1, 1))
        new[name] = jax.tree.map(
            lambda old, latest: old + plan.config.momentum * (latest - old),
            kept[name],
            {"mean": now["mean"], "variance": unbiased},
        )
    return logits, jax.lax.stop_gradient(new)


def _folded(plan: _Plan, params: Any, kept: Any) -> list[tuple[Array, Array]]:
    """Kernels and biases with the running statistics in them."""
    out = []
    for name, stats in kept.items():
        rate = params[name]["scale"] * jax.lax.rsqrt(stats["variance"] + plan.config.epsilon)
        kernel = params[name]["kernel"] * rate[:, None]
        out.append((kernel, params[name]["bias"] - stats["mean"] * rate))
    return out


def _evaluate(plan: _Plan, params: Any, kept: Any, x: Array, key: Any, hyper: Hyper):
    del key, hyper
    layers = _folded(plan, params, kept)

    def piece(x):
        h = _images(plan, x)
        for (kernel, bias), (_, side, stride, padding) in zip(layers, plan.config.convolutions):
            h = convolve(kernel, h, side, stride, padding, plan.low)
            h = jax.nn.relu(h + bias[:, None, None, None])
        return _top(params, h, plan.low)[0]

    return _in_pieces(piece, x)


def _apply(plan: _Plan, params: Any, x: Array, key: Key | None, hyper: Hyper):
    del key, hyper
    begin = _first(plan, x) if plan.by_moments else x
    logits, _, features = _forward(plan, params, begin, None)
    count = len(plan.config.convolutions)
    return logits, tuple(jnp.moveaxis(f, -1, 0) for f in features[:count]) + features[count:]

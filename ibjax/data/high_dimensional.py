"""Laws of hundreds of dimensions with known information: embedded Gaussians, images of a bit."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.arguments import host, whole
from ibjax.interface import Dataset
from ibjax.signatures import enforced
from ibjax.typing import JaxArray, Key


@enforced
def embedded_gaussian(
    key: Key, n: int, *, ambient: int = 784, pairs: int = 4, correlation: float = 0.6
) -> Dataset:
    r"""Draw correlated Gaussian pairs sent through smooth injective maps to many dimensions.

    Each side maps its `pairs` latent coordinates by a fixed frame of orthonormal columns to
    `ambient` dimensions and then by x + 0.3 sin x, coordinate by coordinate: injective, so that
    :math:`I = -\tfrac m2 \log(1 - \rho^2)`, m = `pairs`, whatever the ambient dimension.

    Args:
        key: of the draw; the frames are the same for every key.
        n: number of pairs of samples.
        ambient: dimension of each side.
        pairs: correlated latent coordinates m.
        correlation: rho, in (-1, 1).

    Returns:
        ``x`` and ``y`` (n, ambient), no label; ``truth`` has ``mutual_information`` in nats.

    Raises:
        ValueError: for more pairs than dimensions, or a correlation outside (-1, 1).

    Reference:
        The construction of Czyz et al. 2023, "Beyond normal", in many dimensions.
    """
    n, ambient, pairs = whole("n", n), whole("ambient", ambient), whole("pairs", pairs)
    if pairs > ambient:
        raise ValueError(f"pairs={pairs} do not fit into ambient={ambient} dimensions")
    if not -1 < _number("correlation", correlation) < 1:
        raise ValueError(f"correlation={correlation} must lie in (-1, 1)")
    key_shared, key_own = jax.random.split(key)
    left = jax.random.normal(key_shared, (n, pairs))
    own = jax.random.normal(key_own, (n, pairs))
    right = correlation * left + math.sqrt(1 - correlation**2) * own
    x, y = (_embed(z, ambient, side) for side, z in enumerate((left, right)))
    truth = {"mutual_information": -pairs / 2 * math.log1p(-(correlation**2))}
    return Dataset(x, y, 0, f"embedded_gaussian_{ambient}_{pairs}", truth)


def _embed(latent: JaxArray, ambient: int, side: int) -> JaxArray:
    frame_key = jax.random.fold_in(jax.random.key(784), side)
    frame = jnp.linalg.qr(jax.random.normal(frame_key, (ambient, latent.shape[1])))[0]
    # Coordinates of order one, so that the sine bends them.
    z = latent @ frame.T * math.sqrt(ambient / latent.shape[1])
    return z + 0.3 * jnp.sin(z)


@enforced
def bit_images(
    key: Key, n: int, *, flip: float = 0.0, size: int = 28, noise: float = 0.1
) -> Dataset:
    r"""Draw pairs of images that share one bit: a bar across the upper or down the left half.

    The bit is a function of an image, up to a probability below 1e-12 at the noise allowed, and
    place and noise are independent of everything, so
    :math:`I(X; X') = \log 2 - h(\epsilon)`, where the bit of the second image is flipped with
    probability epsilon.

    Args:
        key: of the draw.
        n: number of pairs.
        flip: epsilon, in [0, 1].
        size: side of the images, at least 8.
        noise: standard deviation of the pixels' noise, at most 0.3.

    Returns:
        ``x`` and ``y`` (n, size^2); ``truth`` has ``mutual_information`` in nats.

    Raises:
        ValueError: for a probability outside [0, 1], too small an image, or too much noise.

    Reference:
        The label-bit benchmark of Gowri et al. 2024, with drawn images in the place of digits.
    """
    n, size = whole("n", n), whole("size", size, 8)
    if not 0 <= _number("flip", flip) <= 1:
        raise ValueError(f"flip={flip} is a probability; give 0 <= flip <= 1")
    if not 0 <= _number("noise", noise) <= 0.3:
        raise ValueError(f"noise={noise} would hide the bars; give 0 <= noise <= 0.3")
    key_bit, key_flip, key_x, key_y = jax.random.split(key, 4)
    bit = jax.random.bernoulli(key_bit, 0.5, (n,))
    other = bit ^ jax.random.bernoulli(key_flip, flip, (n,))
    x, y = _bars(key_x, bit, size, noise), _bars(key_y, other, size, noise)
    entropy = 0.0 if flip in (0, 1) else -flip * math.log(flip) - (1 - flip) * math.log1p(-flip)
    name = f"bit_images_{size}_{flip:g}"
    return Dataset(x, y, 0, name, {"mutual_information": math.log(2) - entropy})


def _number(name: str, value: Any) -> float:
    array = host(name, value)
    if array.ndim or array.dtype.kind not in "fiu":
        raise ValueError(f"{name} has shape {array.shape}; give one number")
    return float(array)


def _bars(key: Key, upright: JaxArray, size: int, noise: float) -> JaxArray:
    key_place, key_noise = jax.random.split(key)
    # In one half only: the mean image then depends on the bit, as that of written digits does.
    place = jax.random.randint(key_place, upright.shape, 0, size // 2 - 2)
    line = jnp.arange(size)
    inside = (line >= place[:, None]) & (line < place[:, None] + 3)
    rows = jnp.broadcast_to(inside[:, :, None], (len(place), size, size)).astype(jnp.float32)
    images = jnp.where(upright[:, None, None], rows.swapaxes(1, 2), rows)
    images = images + noise * jax.random.normal(key_noise, images.shape)
    return images.reshape(len(place), -1)

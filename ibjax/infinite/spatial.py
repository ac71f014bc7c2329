"""Layers on images: convolutions, pooling, flattening; (n, height, width, channels)."""

from typing import Literal

import jax
import jax.numpy as jnp

from ibjax.infinite import checks
from ibjax.infinite.layers import Covariance, Layer, each, position_diagonal
from ibjax.signatures import enforced
from ibjax.typing import JaxArray, Key, Numbers

Padding = Literal["SAME", "VALID", "CIRCULAR"]


def _margins(size: int, window: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def _pad(x: JaxArray, axes: tuple[int, ...], window: int, stride: int, padding: str) -> JaxArray:
    if padding == "VALID":
        return x
    widths = [(0, 0)] * x.ndim
    for axis in axes:
        widths[axis] = _margins(x.shape[axis], window, stride)
    return jnp.pad(x, widths, mode="wrap" if padding == "CIRCULAR" else "constant")


def _shifted_mean(
    x: JaxArray, axes: tuple[int, ...], window: int, stride: int, padding: str
) -> JaxArray:
    """The mean over one shift common to all `axes`: a convolution seen by a covariance."""
    # Without the barrier the compiler computes what x is made of once for each shift.
    x = _pad(jax.lax.optimization_barrier(x), axes, window, stride, padding)
    count = (x.shape[axes[0]] - window) // stride + 1
    total = 0.0
    for shift in range(window):
        part = x
        for axis in axes:
            part = jax.lax.slice_in_dim(part, shift, shift + (count - 1) * stride + 1, stride, axis)
        total = total + part
    return jnp.asarray(total) / window


def _pair_of(value: int | tuple[int, int], name: str) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, int) or v < 1 for v in pair):
        raise ValueError(f"{name} = {value} must be one or two positive integers")
    return pair


def _need_positions(k: Covariance, name: str) -> None:
    if k.layout == "features":
        raise ValueError(f"{name} needs images (n, height, width, channels), not vectors")


def _need_room(size: int, window: int, name: str) -> None:
    if size < window:
        raise ValueError(f"{name}: window {window} exceeds the {size} positions; shrink it")


@enforced
def conv(
    width: int = 1,
    window: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
    padding: Padding = "SAME",
    w_std: Numbers = 1.0,
    b_std: Numbers = 0.0,
) -> Layer:
    r"""A two-dimensional convolution, weights of variance w_std^2 / (channels x window area).

    Covariance of positions p, q: K <- b_std^2 + w_std^2 mean_delta K[p + delta, q + delta] with
    zeros (SAME), wrapping (CIRCULAR) or nothing (VALID) outside; NTK <- K_new + w_std^2
    mean_delta NTK[p + delta, q + delta].

    Args:
        width: channels of the finite network.
        window: side of the filter, or both sides.
        strides: subsampling of both positions.
        padding: "SAME", "VALID" or "CIRCULAR".
        w_std: standard deviation of a weight times sqrt(fan_in); may be traced.
        b_std: standard deviation of a bias; may be traced.

    Returns:
        A Layer.

    Raises:
        ValueError: an unknown padding, a non-positive window or stride, a negative deviation.

    Reference: Arora et al. (2019), On exact computation with an infinitely wide neural net.
    """
    w_std = checks.non_negative(w_std, "w_std")
    b_std = checks.non_negative(b_std, "b_std")
    sides, steps = _pair_of(window, "window"), _pair_of(strides, "strides")
    if padding not in ("SAME", "VALID", "CIRCULAR"):
        raise ValueError(f"padding = {padding!r} is unknown; use SAME, VALID or CIRCULAR")

    def pad_image(x):
        for axis in (0, 1):
            x = _pad(x, (axis + 1,), sides[axis], steps[axis], padding)
        return x

    def init(key: Key, shape: tuple[int, ...]):
        if len(shape) != 3:
            raise ValueError(f"conv needs shape (height, width, channels), not {shape}")
        weight_key, bias_key = jax.random.split(key)
        weight = jax.random.normal(weight_key, (*sides, shape[2], width))
        positions = tuple(
            (size - side) // step + 1 if padding == "VALID" else -(-size // step)
            for size, side, step in zip(shape[:2], sides, steps, strict=True)
        )
        return (*positions, width), (weight, jax.random.normal(bias_key, (width,)))

    def apply(params, x):
        weight, bias = params
        fan_in = sides[0] * sides[1] * x.shape[-1]
        out = jax.lax.conv_general_dilated(
            pad_image(x), weight, steps, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return (w_std / fan_in**0.5) * out + b_std * bias

    def kernel(k: Covariance, keep: bool) -> Covariance:
        del keep
        _need_positions(k, "conv")
        both = k.layout == "pairs"

        def mean(x):
            for axis in (0, 1):
                axes = (axis - 4, axis - 2) if both else (axis - 2,)
                axes = tuple(x.ndim + a for a in axes)
                if padding == "VALID":
                    _need_room(x.shape[axes[0]], sides[axis], "conv")
                x = _shifted_mean(x, axes, sides[axis], steps[axis], padding)
            return x

        nngp, self1, self2 = (
            w_std**2 * mean(part) + b_std**2 for part in (k.nngp, k.self1, k.self2)
        )
        ntk = nngp + w_std**2 * mean(k.ntk) if k.ntk.ndim else nngp
        return Covariance(nngp, ntk, self1, self2, k.layout, True)

    return Layer(init, apply, kernel, affine=True)


@enforced
def avg_pool(window: int | tuple[int, int] = 2, strides: int | tuple[int, int] | None = None):
    """Average pooling without padding.

    Covariance: the mean over the window of p and, separately, the window of q.

    Args:
        window: side, or both sides.
        strides: defaults to the window.

    Returns:
        A Layer; it needs the covariances of all pairs of positions before it.

    Raises:
        ValueError: a window or stride that is not positive, or larger than the image.

    Reference: Arora et al. (2019), On exact computation with an infinitely wide neural net.
    """
    sides = _pair_of(window, "window")
    steps = sides if strides is None else _pair_of(strides, "strides")

    def mean(x, axes):
        for axis, side, step in zip(axes, sides, steps, strict=True):
            _need_room(x.shape[axis], side, "avg_pool")
            x = _shifted_mean(x, (axis % x.ndim,), side, step, "VALID")
        return x

    def init(key, shape):
        positions = tuple((s - f) // t + 1 for s, f, t in zip(shape[:2], sides, steps, strict=True))
        return (*positions, shape[2]), ()

    def kernel(k: Covariance, keep: bool) -> Covariance:
        del keep
        _need_positions(k, "avg_pool")
        parts = each(lambda part: mean(mean(part, (-4, -3)), (-2, -1)), k)
        return Covariance(*parts, layout="pairs", gaussian=k.gaussian)

    return Layer(init, lambda params, x: mean(x, (1, 2)), kernel, pairs=True)


def flatten() -> Layer:
    """All positions and channels as one vector; covariance: the mean over equal positions."""

    def init(key, shape):
        size = 1
        for side in shape:
            size *= side
        return (size,), ()

    def kernel(k: Covariance, keep: bool) -> Covariance:
        del keep
        if k.layout == "features":
            return k
        parts = each(lambda part: part.mean((-2, -1)), position_diagonal(k))
        return Covariance(*parts, layout="features", gaussian=False)

    return Layer(init, lambda params, x: x.reshape(x.shape[0], -1), kernel)


def global_avg_pool() -> Layer:
    """The mean over positions; covariance: the mean over all pairs of positions."""

    def kernel(k: Covariance, keep: bool) -> Covariance:
        del keep
        _need_positions(k, "global_avg_pool")
        parts = each(lambda part: part.mean((-4, -3, -2, -1)), k)
        return Covariance(*parts, layout="features", gaussian=k.gaussian)

    return Layer(
        lambda key, shape: (shape[-1:], ()),
        lambda params, x: x.mean((1, 2)),
        kernel,
        pairs=True,
    )

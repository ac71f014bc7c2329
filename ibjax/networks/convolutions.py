"""Convolutions and batch normalisation with channels first and the batch last.

With activations ``(channels, rows, columns, batch)`` every window of a convolution is a
contiguous slice, the convolution a plain matrix product and a batch statistic a row sum. Nothing
becomes a grouped convolution under `vmap` or leaves the fast path of the CPU inside a loop.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

Product = Callable[[Array, Array], Array]
"""A matrix product in the precision of the network."""


def full(a: Array, b: Array) -> Array:
    """Matrix product in the precision of its arguments."""
    return a @ b


def half(a: Array, b: Array) -> Array:
    """Matrix product of bfloat16 roundings, summed in float32; the same for its derivatives."""
    return _half(a, b)


@jax.custom_vjp
def _half(a: Array, b: Array) -> Array:
    return _rounded(a, b)


def _rounded(a: Array, b: Array) -> Array:
    low = jnp.bfloat16
    return jnp.matmul(a.astype(low), b.astype(low), preferred_element_type=jnp.float32)


def _half_forward(a: Array, b: Array):
    a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    return jnp.matmul(a, b, preferred_element_type=jnp.float32), (a, b)


def _half_backward(kept, d: Array):
    a, b = kept
    d = d.astype(jnp.bfloat16)
    product = partial(jnp.matmul, preferred_element_type=jnp.float32)
    return product(d, b.T), product(a.T, d)


_half.defvjp(_half_forward, _half_backward)


def size_after(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions along one side after a convolution."""
    return (size + 2 * padding - kernel) // stride + 1


def convolve(
    weights: Float[Array, "out fan_in"],
    x: Float[Array, "channels rows columns batch"],
    kernel: int,
    stride: int,
    padding: int,
    product: Product = full,
) -> Float[Array, "out rows_after columns_after batch"]:
    """Zero-padded convolution without bias, as one matrix product.

    Either the windows are gathered before the product (patches), or, where stride and kernel
    allow, the image is cut into stride x stride blocks, every block meets every tap at once
    and the shifted results are added. The second makes (kernel/stride)^2 times fewer copies of
    the activations and squarer products; both give the same numbers up to rounding.

    Args:
        weights: kernel of each output channel, flattened from (kernel, kernel, channels).
        x: activations.
        kernel: side of the square kernel.
        stride: distance between windows.
        padding: zeros on each side.
        product: the matrix product.
    """
    channels, rows, columns, batch = x.shape
    if weights.shape[1] != kernel * kernel * channels:
        raise ValueError(
            f"weights has shape {weights.shape}; a kernel of side {kernel} on {channels} channels "
            f"needs (out, {kernel * kernel * channels})"
        )
    high = size_after(rows, kernel, stride, padding)
    wide = size_after(columns, kernel, stride, padding)
    if high < 1 or wide < 1:
        raise ValueError(f"x has shape {x.shape}; a kernel of side {kernel} does not fit in it")
    if padding:
        x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    blocks = channels > 1 and stride > 1 and kernel % stride == 0
    if blocks and x.shape[1] % stride == 0 and x.shape[2] % stride == 0:
        return _by_blocks(weights, x, kernel, stride, high, wide, product)
    if (high, wide) == (1, 1):
        # One window: the activations are its patch already, in the order of channels first.
        tall = weights.reshape(-1, kernel, kernel, channels).transpose(0, 3, 1, 2)
        seen = x[:, :kernel, :kernel].reshape(-1, batch)
        return product(tall.reshape(weights.shape), seen).reshape(-1, 1, 1, batch)
    windows = [
        x[:, i : i + (high - 1) * stride + 1 : stride, j : j + (wide - 1) * stride + 1 : stride]
        for i in range(kernel)
        for j in range(kernel)
    ]
    columns_of = jnp.concatenate(windows, 0).reshape(-1, high * wide * batch)
    return product(weights, columns_of).reshape(-1, high, wide, batch)


def _by_blocks(weights, x, kernel, stride, high, wide, product) -> Array:
    channels, rows, columns, batch = x.shape
    out, taps = weights.shape[0], kernel // stride
    h, w = rows // stride, columns // stride
    cut = x.reshape(channels, h, stride, w, stride, batch)
    corners = [cut[:, :, i, :, j] for i in range(stride) for j in range(stride)]
    blocks = jnp.concatenate(corners, 0).reshape(-1, h * w * batch)
    kernels = weights.reshape(out, taps, stride, taps, stride, channels)
    kernels = kernels.transpose(1, 3, 0, 2, 4, 5).reshape(taps * taps * out, -1)
    met = product(kernels, blocks).reshape(taps, taps, out, h, w, batch)
    parts = [met[i, j, :, i : i + high, j : j + wide] for i in range(taps) for j in range(taps)]
    return sum(parts[1:], parts[0])


def normalise(
    y: Float[Array, "channels *positions batch"],
    scale: Float[Array, " channels"],
    bias: Float[Array, " channels"],
    weights: Float[Array, " batch"] | None,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """Batch normalisation followed by relu, with the statistics it used.

    Args:
        y: activations before it.
        scale: gamma.
        bias: beta.
        weights: how much each example counts in the statistics, or None for equally.
        epsilon: added to the variance.

    Returns:
        relu of the normalised activations, the mean and the (biased) variance of each channel,
        which carry no derivative.
    """
    if weights is not None:
        weights = weights / (jnp.sum(weights) * (y[0].size // y.shape[-1]))
    return _normalise(y, scale, bias, weights, epsilon)


def _mean(x: Array, weights: Array | None) -> Array:
    """Mean of each channel; `weights` are per example and sum to one over all positions."""
    if weights is None:
        return jnp.mean(x.reshape(x.shape[0], -1), axis=1)
    return jnp.sum((x * weights).reshape(x.shape[0], -1), axis=1)


def _along(v: Array, like: Array) -> Array:
    return v.reshape(-1, *(1,) * (like.ndim - 1))


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _normalise(y, scale, bias, weights, epsilon):
    return _forward(y, scale, bias, weights, epsilon)[0]


def _forward(y, scale, bias, weights, epsilon):
    mean = _mean(y, weights)
    centred = y - _along(mean, y)
    variance = _mean(centred**2, weights)
    rate = jax.lax.rsqrt(variance + epsilon)
    out = jax.nn.relu(centred * _along(scale * rate, y) + _along(bias, y))
    return (out, mean, variance), (y, scale, bias, weights, mean, rate)


def _backward(epsilon, kept, derivatives):
    y, scale, bias, weights, mean, rate = kept
    unit = (y - _along(mean, y)) * _along(rate, y)
    d = jnp.where(unit * _along(scale, y) + _along(bias, y) > 0, derivatives[0], 0.0)
    rows = d.reshape(d.shape[0], -1)
    d_bias = jnp.sum(rows, axis=1)
    d_scale = jnp.sum(rows * unit.reshape(rows.shape), axis=1)
    shares = 1 / rows.shape[1] if weights is None else weights
    through = _along(d_bias, y) + unit * _along(d_scale, y)
    d_y = _along(scale * rate, y) * (d - shares * through)
    return d_y, d_scale, d_bias, None if weights is None else jnp.zeros_like(weights)


_normalise.defvjp(_forward, _backward)

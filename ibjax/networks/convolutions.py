"""Convolutions with channels first and the batch last.

With activations ``(channels, rows, columns, batch)`` every window of a convolution is a
contiguous slice and the convolution a plain matrix product. Nothing becomes a grouped
convolution under `vmap` or leaves the fast path of the CPU inside a loop.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.networks.products import (
    Low,
    bits,
    numbers,
    product_backward,
    rounded,
    rounded_product,
    turned,
)
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array


def size_after(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions along one side after a convolution."""
    return (size + 2 * padding - kernel) // stride + 1


def convolve(
    weights: Float[Array, "out fan_in"],
    x: Float[Array, "channels rows columns batch"],
    kernel: int,
    stride: int,
    padding: int,
    low: Low = None,
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
        low: dtype the factors of the product are rounded to, or None.

    Raises:
        ValueError: weights of another size, or a kernel that does not fit.
    """
    channels, rows, columns, _ = x.shape
    if weights.shape[1] != kernel * kernel * channels:
        raise ValueError(
            f"weights has shape {weights.shape}; a kernel of side {kernel} on {channels} channels "
            f"needs (out, {kernel * kernel * channels})"
        )
    whole = (rows + 2 * padding) % stride == 0 and (columns + 2 * padding) % stride == 0
    if channels > 1 and stride > 1 and kernel % stride == 0 and whole:
        _sides_after(x, kernel, stride, padding)
        return _by_blocks(weights, x, kernel, stride, padding, low)
    return _by_patches(weights, x, kernel, stride, padding, low)


def patches(
    x: Float[Array, "channels rows columns batch"], kernel: int, stride: int, padding: int
) -> Float[Array, "fan_in rows_after columns_after batch"]:
    """What each window of a convolution sees, in the order (kernel, kernel, channels).

    Args:
        x: activations.
        kernel: side of the square kernel.
        stride: distance between windows.
        padding: zeros on each side.

    Raises:
        ValueError: a kernel that does not fit.
    """
    high, wide = _sides_after(x, kernel, stride, padding)
    if padding:
        x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    if (high, wide) == (1, 1):
        seen = x[:, :kernel, :kernel].transpose(1, 2, 0, 3)
        return seen.reshape(-1, 1, 1, x.shape[-1])
    windows = [
        x[:, i : i + (high - 1) * stride + 1 : stride, j : j + (wide - 1) * stride + 1 : stride]
        for i in range(kernel)
        for j in range(kernel)
    ]
    return jnp.concatenate(windows, 0)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def rounded_patches(x: Array, kernel: int, stride: int, padding: int, low: Low) -> Array:
    """Patches of the rounded activations; their derivatives are added up unrounded."""
    return numbers(patches(bits(rounded(x, low)), kernel, stride, padding), low)


def _rounded_patches_forward(x, kernel, stride, padding, low):
    return rounded_patches(x, kernel, stride, padding, low), jnp.zeros((*x.shape, 0), x.dtype)


def _rounded_patches_backward(kernel, stride, padding, low, like, d):
    return (_from_patches(d, like, kernel, stride, padding),)


rounded_patches.defvjp(_rounded_patches_forward, _rounded_patches_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _by_patches(weights, x, kernel: int, stride: int, padding: int, low: Low) -> Any:
    return _by_patches_forward(weights, x, kernel, stride, padding, low)[0]


def _by_patches_forward(weights, x, kernel, stride, padding, low):
    seen: Any = rounded_patches(x, kernel, stride, padding, low)
    factors = rounded(weights, low), seen.reshape(seen.shape[0], -1)
    y = rounded_product(*factors, low).reshape(-1, *seen.shape[1:])
    return y, (*factors, jnp.zeros((*x.shape, 0), x.dtype))


def _by_patches_backward(kernel, stride, padding, low, kept, d):
    *factors, like = kept
    d_weights, d_seen = product_backward(low, tuple(factors), d.reshape(d.shape[0], -1))
    return d_weights, _from_patches(d_seen.reshape(-1, *d.shape[1:]), like, kernel, stride, padding)


_by_patches.defvjp(_by_patches_forward, _by_patches_backward)


def _from_patches(d, like, kernel, stride, padding) -> Array:
    """Derivatives of patches added up where they came from, at `like` less its last axis."""
    x = jnp.zeros(like.shape[:-1], like.dtype)
    pull = jax.vjp(lambda x: patches(x, kernel, stride, padding), x)[1]
    return pull(d.astype(like.dtype))[0]


def _sides_after(x: Array, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    high, wide = (size_after(side, kernel, stride, padding) for side in x.shape[1:3])
    if high < 1 or wide < 1:
        raise ValueError(f"x has shape {x.shape}; a kernel of side {kernel} does not fit in it")
    return high, wide


def _by_blocks(weights, x, kernel, stride, padding, low) -> Array:
    channels, out, taps = x.shape[0], weights.shape[0], kernel // stride
    blocks: Any = _cut(x, stride, padding)
    kernels = weights.reshape(out, taps, stride, taps, stride, channels)
    kernels = kernels.transpose(1, 3, 0, 2, 4, 5).reshape(taps, taps, out, -1)
    return _met(kernels, blocks, low)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _cut(x: Array, stride: int, padding: int) -> Array:
    """Corners of the stride x stride blocks of the padded image, one after the other.

    The derivative puts the blocks together again in one transposition; that of strided slices
    would be a sum of stride^2 scattered images.
    """
    zero = jnp.zeros((), x.dtype)
    down, across = ([_corner(i, s, stride, padding) for i in range(stride)] for s in x.shape[1:3])
    corners = [
        jax.lax.pad(x[:, i::stride, j::stride], zero, ((0, 0, 0), p, q, (0, 0, 0)))
        for i, p in down
        for j, q in across
    ]
    return jnp.concatenate(corners, 0)


def _corner(place: int, size: int, stride: int, padding: int) -> tuple[int, tuple[int, int, int]]:
    """First pixel of a corner along one side, and the zeros before, after and between."""
    before = max(-((place - padding) // stride), 0)
    first = place - padding + before * stride
    inside = len(range(first, size, stride))
    return first, (before, (size + 2 * padding) // stride - before - inside, 0)


def _cut_forward(x: Array, stride: int, padding: int):
    return _cut(x, stride, padding), jnp.zeros((*x.shape[:3], 0), x.dtype)


def _cut_backward(stride: int, padding: int, like: Array, d: Array):
    channels, rows, columns, _ = like.shape
    _, h, w, batch = d.shape
    d = d.reshape(stride, stride, channels, h, w, batch).transpose(2, 3, 0, 4, 1, 5)
    d = d.reshape(channels, h * stride, w * stride, batch)
    return (d[:, padding : padding + rows, padding : padding + columns],)


_cut.defvjp(_cut_forward, _cut_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _met(kernels: Array, blocks: Array, low: Low) -> Array:
    """Convolution of stride one: one product of all taps with all blocks, then shifted sums."""
    return _met_forward(kernels, blocks, low)[0]


def _met_forward(kernels: Array, blocks: Array, low: Low):
    taps, _, out, fan_in = kernels.shape
    high, wide = (side - taps + 1 for side in blocks.shape[1:3])
    kernels, blocks = rounded(kernels, low), rounded(blocks, low)
    met = rounded_product(kernels.reshape(-1, fan_in), blocks.reshape(fan_in, -1), low)
    met = met.reshape(taps, taps, out, *blocks.shape[1:])
    places = [(i, j) for i in range(taps) for j in range(taps)]

    def some(channels: slice) -> Array:
        parts = [met[i, j, channels, i : i + high, j : j + wide] for i, j in places]
        return sum(parts[1:], parts[0])

    # XLA's CPU compiler would repeat the sum in every pass that reads it, but not a concatenation.
    y = jnp.concatenate([some(slice(out // 2)), some(slice(out // 2, out))])
    return y, (kernels, blocks)


def _met_backward(low: Low, kept: tuple[Array, Array], d: Array):
    """Derivatives in the kernels and in the blocks.

    The derivative is padded once and sliced for every tap; left to itself, XLA pads anew for
    each. In half precision a CPU has no fast product with the blocks turned, and turning them
    takes half as long as the product. There the derivative is turned instead, which is taps^2
    times smaller, on the grid of the blocks with zeros beyond the edge: moving it to a tap is a
    slice of its rows, and the blocks stay as they lie.
    """
    kernels, blocks = kept
    taps, _, out, fan_in = kernels.shape
    _, h, w, batch = blocks.shape
    edge, last = taps - 1, (taps - 1) * (w + 1) * batch
    places = [(i, j) for i in range(taps) for j in range(taps)]
    d = jnp.pad(d, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    d = jax.lax.optimization_barrier(d)

    corners = [(edge - i, edge - j) for i, j in places]
    parts = jnp.stack([d[:, i : i + h, j : j + w] for i, j in corners])
    parts = rounded(parts.reshape(taps * taps * out, -1), low)
    d_blocks = rounded_product(turned(kernels.reshape(-1, fan_in)), parts, low)

    flat = blocks.reshape(fan_in, -1)
    if low is None or jax.default_backend() != "cpu":
        d_kernels = rounded_product(parts, flat.T, low)
    else:
        rows = turned(rounded(d[:, edge:, edge:], low).reshape(out, -1))
        rows = jax.lax.optimization_barrier(jnp.pad(rows, ((last, 0), (0, 0))))
        starts = [last - (i * w + j) * batch for i, j in places]
        met = [rounded_product(flat, rows[s : s + flat.shape[1]], low) for s in starts]
        d_kernels = turned(jnp.concatenate(met, 1))
    return d_kernels.reshape(kernels.shape), d_blocks.reshape(blocks.shape)


_met.defvjp(_met_forward, _met_backward)

"""Batch normalisation with channels first and the batch last, followed by relu."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.networks.products import Low, product_backward, rounded, rounded_product
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array


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
    return _normalise(y, scale, bias, _shares(weights, y), epsilon)


class Moments(NamedTuple):
    """First two moments of what each example's outputs see, over its positions.

    Attributes:
        mean: (batch, fan_in).
        covariance: about the example's own mean, (batch, fan_in, fan_in).
    """

    mean: Array
    covariance: Array


def moments(patches: Float[Array, "fan_in *positions batch"]) -> Moments:
    """Moments of the patches of each example; they do not change while a network trains.

    Args:
        patches: what each output sees.
    """
    flat = patches.reshape(patches.shape[0], -1, patches.shape[-1])
    mean = jnp.mean(flat, axis=1)
    centred = flat - mean[:, None]
    return Moments(mean.T, jnp.einsum("kpb,lpb->bkl", centred, centred) / flat.shape[1])


def normalised_product(
    kernel: Float[Array, "channels fan_in"],
    patches: Float[Array, "fan_in *positions batch"],
    seen: Moments,
    scale: Float[Array, " channels"],
    bias: Float[Array, " channels"],
    weights: Float[Array, " batch"] | None,
    epsilon: float,
    low: Low = None,
) -> tuple[Array, Array, Array]:
    """The same of ``kernel @ patches``, by the first two moments of the patches.

    The product has mean K m and variance diag(K C K'), with m and C the mean and the covariance
    of the patches of the batch: those of its examples averaged, plus the covariance of their
    means. Normalisation becomes a rescaled kernel and a bias: no pass over the activations takes
    statistics, forward or backward. Worth it where the patches have not many more rows than the
    product, as in a first layer, whose moments are known before training.

    Args:
        kernel: flattened kernel of each channel.
        patches: what each output sees, rounded to `low` already.
        seen: their `moments`.
        scale: gamma.
        bias: beta.
        weights: how much each example counts in the statistics, or None for equally.
        epsilon: added to the variance.
        low: dtype the factors of the product are rounded to, or None.

    Returns:
        As `normalise`; here the statistics do carry derivatives.
    """
    batch = patches.shape[-1]
    shares = jnp.full(batch, 1 / batch) if weights is None else weights / jnp.sum(weights)
    centre = shares @ seen.mean
    apart = seen.mean - centre
    within = shares @ seen.covariance.reshape(batch, -1)
    covariance = within.reshape(seen.covariance.shape[1:]) + (apart * shares[:, None]).T @ apart
    variance = jnp.sum(kernel @ covariance * kernel, axis=1)
    slope = scale * jax.lax.rsqrt(variance + epsilon)
    rescaled = kernel * slope[:, None]
    y: Any = _relu_product(rescaled, patches, bias - rescaled @ centre, low)
    return y, kernel @ centre, variance


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _relu_product(kernel: Array, patches: Array, offset: Array, low: Low) -> Array:
    return _relu_forward(kernel, patches, offset, low)[0]


def _relu_forward(kernel, patches, offset, low):
    kernel = rounded(kernel, low)
    y = rounded_product(kernel, patches.reshape(patches.shape[0], -1), low)
    y = y.reshape(-1, *patches.shape[1:])
    y = jax.nn.relu(y + _along(offset, y))
    return y, (kernel, patches, y)


def _relu_backward(low, kept, d):
    kernel, patches, y = kept
    d = rounded(jnp.where(y > 0, d, 0.0), low).reshape(y.shape[0], -1)
    d_kernel, d_patches = product_backward(low, (kernel, patches.reshape(patches.shape[0], -1)), d)
    d_offset = jnp.sum(d, axis=1, dtype=y.dtype)
    return d_kernel, d_patches.reshape(patches.shape).astype(patches.dtype), d_offset


_relu_product.defvjp(_relu_forward, _relu_backward)


def _shares(weights: Array | None, y: Array) -> Array | None:
    """What each position of an example adds to a mean; None where all add the same."""
    if weights is None:
        return None
    return weights / (jnp.sum(weights) * (y[0].size // y.shape[-1]))


def _mean(x: Array, shares: Array | None) -> Array:
    if shares is None:
        return jnp.mean(x.reshape(x.shape[0], -1), axis=1)
    each = jnp.sum(x.reshape(x.shape[0], -1, x.shape[-1]), axis=1)  # one operand: twice as fast
    return jnp.sum(each * shares, axis=1)


def _along(v: Array, like: Array) -> Array:
    return v.reshape(-1, *(1,) * (like.ndim - 1))


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _normalise(y, scale, bias, shares, epsilon):
    return _forward(y, scale, bias, shares, epsilon)[0]


def _forward(y, scale, bias, shares, epsilon):
    mean = _mean(y, shares)
    centred = y - _along(mean, y)
    variance = _mean(centred**2, shares)
    rate = jax.lax.rsqrt(variance + epsilon)
    out = jax.nn.relu(centred * _along(scale * rate, y) + _along(bias, y))
    return (out, mean, variance), (y, scale, bias, shares, mean, rate)


def _backward(epsilon, kept, derivatives):
    y, scale, bias, shares, mean, rate = kept
    unit = (y - _along(mean, y)) * _along(rate, y)
    d = jnp.where(unit * _along(scale, y) + _along(bias, y) > 0, derivatives[0], 0.0)
    rows = d.reshape(d.shape[0], -1)
    d_bias = jnp.sum(rows, axis=1)
    d_scale = jnp.sum(rows * unit.reshape(rows.shape), axis=1)
    share = 1 / rows.shape[1] if shares is None else shares
    through = _along(d_bias, y) + unit * _along(d_scale, y)
    d_y = _along(scale * rate, y) * (d - share * through)
    return d_y, d_scale, d_bias, None if shares is None else jnp.zeros_like(shares)


_normalise.defvjp(_forward, _backward)

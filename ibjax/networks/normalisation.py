"""Batch normalisation with channels first and the batch last, followed by relu."""

from functools import partial

import jax
import jax.numpy as jnp

from ibjax.networks.products import full
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


def normalised_product(
    kernel: Float[Array, "channels fan_in"],
    patches: Float[Array, "fan_in *positions batch"],
    scale: Float[Array, " channels"],
    bias: Float[Array, " channels"],
    weights: Float[Array, " batch"] | None,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """The same of ``kernel @ patches``, by the first two moments of the patches.

    The product has mean K m and variance diag(K C K'), with m and C the mean and the covariance
    of the patches, so that normalisation becomes a rescaled kernel and a bias: no pass over the
    activations takes statistics, forward or backward. Worth it where the patches have not
    many more rows than the product, as in a first layer.

    Args:
        kernel: flattened kernel of each channel.
        patches: what each output sees.
        scale: gamma.
        bias: beta.
        weights: how much each example counts in the statistics, or None for equally.
        epsilon: added to the variance.

    Returns:
        As `normalise`; here the statistics do carry derivatives.
    """
    shares = _shares(weights, patches)
    centre = _mean(patches, shares)
    centred = jax.lax.optimization_barrier(patches - _along(centre, patches))
    flat = centred.reshape(centred.shape[0], -1)
    if shares is None:
        covariance = flat @ flat.T / flat.shape[1]
    else:
        covariance = (centred * shares).reshape(flat.shape) @ flat.T
    variance = jnp.sum(kernel @ covariance * kernel, axis=1)
    slope = scale * jax.lax.rsqrt(variance + epsilon)
    y = full(kernel * slope[:, None], flat).reshape(-1, *patches.shape[1:])
    return jax.nn.relu(y + _along(bias, y)), kernel @ centre, variance


def _shares(weights: Array | None, y: Array) -> Array | None:
    """What each position of an example adds to a mean; None where all add the same."""
    if weights is None:
        return None
    return weights / (jnp.sum(weights) * (y[0].size // y.shape[-1]))


def _mean(x: Array, shares: Array | None) -> Array:
    if shares is None:
        return jnp.mean(x.reshape(x.shape[0], -1), axis=1)
    return jnp.sum((x * shares).reshape(x.shape[0], -1), axis=1)


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

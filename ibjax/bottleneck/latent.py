"""Gaussian latents: their networks, their divergences, and their information, measured."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray, Key

LEAST = 1e-3
"""Smallest standard deviation of a latent: a deterministic one has infinite information."""


class Latent(NamedTuple):
    """Diagonal Gaussians, (n, d) each."""

    mean: JaxArray
    std: JaxArray

    def divergence(self, other: "Latent") -> JaxArray:
        """KL from each row to a Gaussian, or to each row of others, in nats."""
        ratio = self.std / other.std
        gap = (self.mean - other.mean) / other.std
        return jnp.sum(0.5 * (ratio**2 + gap**2 - 1) - jnp.log(ratio), axis=-1)


class Networks(NamedTuple):
    """The trained parts as pure functions of their parameters."""

    init: Callable[[Key], Any]
    encode: Callable[[Any, JaxArray], Latent]
    decode: Callable[[Any, JaxArray], JaxArray]
    marginal: Callable[[Any, JaxArray], Latent]


def latent_networks(config: Any, features: int, classes: int) -> Networks:
    """Encoder, decoder and marginal of a `Variational` description, in flax."""
    import flax.linen as nn

    class Perceptron(nn.Module):
        widths: tuple[int, ...]
        out: int

        @nn.compact
        def __call__(self, h):
            for width in self.widths:
                h = nn.relu(nn.Dense(width)(h))
            return nn.Dense(self.out)(h)

    encoder = Perceptron(config.widths, 2 * config.latent)
    decoder = Perceptron(config.decoder_widths, classes)
    rows = classes if config.class_marginal else 1

    def split(raw: Any) -> Latent:
        mean, spread = jnp.split(raw, 2, axis=-1)
        return Latent(mean, LEAST + jax.nn.softplus(spread))

    def init(key):
        first, second = jax.random.split(key)
        return {
            "encoder": encoder.init(first, jnp.zeros((1, features))),
            "decoder": decoder.init(second, jnp.zeros((1, config.latent))),
            "marginal": jnp.zeros((rows, 2 * config.latent)),
        }

    return Networks(
        init,
        lambda params, x: split(encoder.apply(params["encoder"], x)),
        lambda params, z: cast(Any, decoder.apply(params["decoder"], z)),
        lambda params, y: split(params["marginal"][y if config.class_marginal else 0]),
    )


def informations(keys: Key, latent: Latent, labels: JaxArray) -> tuple[JaxArray, ...]:
    r"""I(X;Z), I(X;Z|Y) and the first one's standard error, X uniform on the rows.

    The mean over draws of :math:`\log e(z|x_i) - \log\frac1n\sum_j e(z|x_j)`, the sum over
    all rows or over those of the class.
    """
    n, d = latent.mean.shape
    log_scale = jnp.sum(jnp.log(latent.std), axis=1)
    same_count = jnp.sum(labels[:, None] == labels[None], axis=1)

    def one(i_and_noise):
        i, noise = i_and_noise
        z = latent.mean[i] + latent.std[i] * noise
        density = -0.5 * jnp.sum(((z - latent.mean) / latent.std) ** 2, axis=1) - log_scale
        own = -0.5 * jnp.sum(noise**2) - log_scale[i]
        every = jax.nn.logsumexp(density) - math.log(n)
        same = jnp.where(labels == labels[i], density, -jnp.inf)
        within = jax.nn.logsumexp(same) - jnp.log(same_count[i])
        return own - every, own - within

    def draw(key):
        noise = jax.random.normal(key, (n, d), latent.mean.dtype)
        rows = max(1, min(n, 2**19 // n))
        return jax.lax.map(one, (jnp.arange(n), noise), batch_size=rows)

    whole, within = jax.lax.map(draw, keys)
    # all rows are there: only the draws are random
    variance = jnp.mean(jnp.var(whole, axis=0, ddof=1)) if whole.shape[0] > 1 else jnp.nan
    return jnp.mean(whole), jnp.mean(within), jnp.sqrt(variance / whole.size)

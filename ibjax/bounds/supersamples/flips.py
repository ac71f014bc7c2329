"""Masks without meaning: shuffles that keep the design of the masks, and exact means under them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.bounds.supersamples import coins
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.randomness import fold_in, permutation
from ibjax.typing import Float, Int, JaxArray, Key


def complementary(data: Data) -> JaxArray:
    """Whether masks 2 v and 2 v + 1 are complements throughout, and used or left out together.

    Then only a flip within each couple leaves the law of the table as it is without memory: the
    losses of the two runs may be correlated.
    """
    return _complementary(data.masks, data.valid)


@partial(jax.jit, inline=True)
def _complementary(masks: JaxArray, valid: JaxArray) -> JaxArray:
    if masks.shape[1] % 2:
        return jnp.array(False)
    first, second = masks[:, 0::2], masks[:, 1::2]
    together = valid[:, 0::2] == valid[:, 1::2]
    return jnp.all(first + second == 1) & jnp.all(together)


def strangers(key: Key, data: Data, draws: int) -> Int[JaxArray, "draws k1 k2"]:
    """Deals of the masks of each supersample to its replicas: whose mask each one gets.

    Complementary couples stay couples: they are permuted as such, and each is turned over by a
    fair coin. Other masks are permuted over all replicas. The masks of one deal are `dealt`; those
    of all together would be the largest array there is.
    """
    return _strangers(key, data.masks, data.valid, checks.static_whole("draws", draws))


@partial(jax.jit, static_argnums=3, inline=True)
def _strangers(key: Key, masks: JaxArray, valid: JaxArray, draws: int) -> JaxArray:
    supersamples, replicas, _ = masks.shape
    order = _orders(key, (draws, supersamples), replicas)
    if replicas % 2 == 0:
        couples = _couples(key, draws, supersamples, replicas)
        order = jnp.where(_complementary(masks, valid), couples, order)
    return order


def dealt(masks: Int[JaxArray, "k1 k2 n"], deal: Int[JaxArray, "k1 k2"]) -> JaxArray:
    """The masks of one deal, (k1, k2, n)."""
    return jax.vmap(lambda rows, order: rows[order])(masks, deal)


def _orders(key: Key, shape: tuple[int, ...], size: int) -> Int[JaxArray, "..."]:
    """Independent random orders of so many, from keys split along each axis of a shape."""
    if not shape:
        return permutation(key, size)
    keys = jax.vmap(fold_in, (None, 0))(key, jnp.arange(shape[0]))
    return jax.vmap(lambda k: _orders(k, shape[1:], size))(keys)


def _couples(key: Key, draws: int, supersamples: int, replicas: int) -> JaxArray:
    ours = fold_in(key, 1)
    deal, turn = fold_in(ours, 0), fold_in(ours, 1)
    couple = _orders(deal, (draws * supersamples,), replicas // 2)
    couple = couple.reshape(draws, supersamples, -1)
    over = jax.random.bernoulli(turn, shape=couple.shape).astype(int)
    both = jnp.stack([2 * couple + over, 2 * couple + 1 - over], -1)
    return both.reshape(draws, supersamples, replicas)


def flip_mean(weights: Float[JaxArray, "k1 k2 n c m"], data: Data) -> Float[JaxArray, "k1 c n"]:
    """Exact mean of the plug-in information when each complementary couple is turned by a coin.

    Where both or neither run of a couple show a letter, turning changes nothing; of the d couples
    where one does, a Binomial(d, 1/2) number falls to each side. Meaningless unless
    `complementary`, and for whole counts only.
    """
    if data.masks.shape[1] % 2:
        return jnp.full((weights.shape[0], weights.shape[3], weights.shape[2]), jnp.nan)
    shown = weights * data.valid[..., None, None]
    one, other = shown[:, 0::2], shown[:, 1::2]
    both = jnp.sum(one * other, 1)
    single = jnp.sum(one + other, 1) - 2 * both
    couples = weights.shape[1] // 2
    steps = np.arange(couples + 1)
    laws = jnp.asarray(coins.binomial(steps, steps[:, None], 0.5), weights.dtype)
    law = laws[jnp.round(single).astype(int)]
    k = jnp.arange(couples + 1, dtype=weights.dtype)
    a, b = both[..., None] + k, both[..., None] + single[..., None] - k
    used = jnp.sum(data.valid[:, 0::2], 1)[:, :, None, None, None]
    mean = jnp.sum(law * _share(a, jnp.maximum(b, 0.0), used), (-2, -1))
    return jnp.moveaxis(mean, -1, 1)


def _share(a: JaxArray, b: JaxArray, used: JaxArray) -> JaxArray:
    """What a letter with counts a and b of `used` draws a side adds to the information."""

    def part(x):
        ratio = 2 * x / jnp.where(a + b > 0, a + b, 1.0)
        return jnp.where(x > 0, x * jnp.log(jnp.where(x > 0, ratio, 1.0)), 0.0)

    return (part(a) + part(b)) / (2 * jnp.where(used > 0, used, jnp.nan))

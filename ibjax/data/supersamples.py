"""Supersamples: pairs of examples, and masks that choose which member of each pair trains."""

from functools import partial

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.interface import Supersample
from ibjax.randomness import fold_in, permutation, pinned, root_key
from ibjax.signatures import enforced
from ibjax.typing import Int, JaxArray, Key

# Folded into the root first, so that no index key ever equals a mask key.
_INDEX, _MASK = 0, 1


@enforced
def supersample(
    key: Key,
    size: int,
    n: int,
    supersamples: int,
    masks: int,
    *,
    balanced: bool = False,
    shared: bool = False,
) -> Supersample:
    """Draw ``supersamples`` tables of n pairs from a pool, and ``masks`` masks for each.

    Supersample s is a function of (key, s) and mask u of supersample s one of (key, s, u), or of
    (key, u) where masks are shared: asking for more of either leaves the earlier ones as they
    were. The draws depend on the key alone, whatever the precision and the random generator that
    JAX is set to.

    Args:
        key: the root of all draws, from ``jax.random.key`` or ``jax.random.PRNGKey``.
        size: number of examples in the pool.
        n: number of pairs, that is of training examples.
        supersamples: k1.
        masks: k2.
        balanced: draw masks in complementary pairs, mask 2v + 1 being one minus mask 2v. Each
            example then trains in exactly k2/2 of the masks of its supersample, and each mask
            alone is still uniform; masks 2v and 2v + 1 are not independent.
        shared: give every supersample the masks of the first, as published experiments do. Each
            mask is uniform still, but supersamples are no longer independent given the pool:
            `bounds.cmi_limit` needs masks of their own.

    Returns:
        ``index`` (k1, n, 2), positions in the pool, all different within a supersample, and
        ``mask`` (k1, k2, n) of 0/1; both int32. ``mask == u`` means that column u trains.

    Raises:
        ValueError: no threefry key, a count below 1, 2 n > size, or balanced with an odd number
            of masks.

    Reference:
        Steinke, Zakynthinou 2020, "Reasoning About Generalization via Conditional Mutual
        Information" (the supersample). Drawing without replacement from a finite pool makes
        the pairs exchangeable, and independent only given an unlimited pool. The complementary
        masks are an antithetic design of ours.
    """
    size = whole("size", size)
    n = whole("n", n)
    supersamples = whole("supersamples", supersamples)
    masks = whole("masks", masks)
    if 2 * n > size:
        raise ValueError(
            f"n={n} pairs need 2 n = {2 * n} different examples but size={size}: "
            f"use n <= {size // 2} or a larger pool"
        )
    if balanced and masks % 2:
        raise ValueError(f"masks={masks} must be even when balanced=True: use {masks + 1}")

    with pinned():
        return _draw(root_key(key), size, n, supersamples, masks, bool(balanced), bool(shared))


# one program instead of a dozen small ones, each of which would be compiled on the first call
@partial(jax.jit, static_argnums=(1, 2, 3, 4, 5, 6))
def _draw(
    key: Key, size: int, n: int, supersamples: int, masks: int, balanced: bool, shared: bool
) -> Supersample:
    ids = jnp.arange(supersamples)
    index = jax.vmap(lambda s: _pairs(_fold(key, _INDEX, s), size, n))(ids)
    own = ids[:1] if shared else ids
    mask = _masks(key, own, masks // 2 if balanced else masks, n)
    if balanced:
        mask = jnp.stack([mask, 1 - mask], axis=2).reshape(len(own), masks, n)
    return Supersample(index=index, mask=jnp.broadcast_to(mask, (supersamples, masks, n)))


def _pairs(key: Key, size: int, n: int) -> Int[JaxArray, "n 2"]:
    chosen = permutation(key, size)[: 2 * n]
    return chosen.reshape(n, 2).astype(jnp.int32)


def _masks(key: Key, ids: JaxArray, count: int, n: int) -> Int[JaxArray, "k1 count n"]:
    def draw(s, u):
        return jax.random.bernoulli(_fold(key, _MASK, s, u), shape=(n,)).astype(jnp.int32)

    return jax.vmap(lambda s: jax.vmap(lambda u: draw(s, u))(jnp.arange(count)))(ids)


def _fold(key: Key, *path: JaxArray | int) -> Key:
    for step in path:
        key = fold_in(key, step)
    return key

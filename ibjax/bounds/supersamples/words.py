"""Flags of replicas as the bits of words: thirty-two counted by one instruction."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Bool, Int, JaxArray


class Sides(NamedTuple):
    """Which replicas in use have each value of the bit of a pair.

    Attributes:
        zeros: words, (k1, n, words).
        ones: likewise.
    """

    zeros: JaxArray
    ones: JaxArray

    def sizes(self) -> tuple[JaxArray, JaxArray]:
        """How many replicas have either value, (k1, n) each."""
        return count(self.zeros), count(self.ones)

    def without(self, left_out: JaxArray) -> "Sides":
        """The same with the replicas of these words, (words,), left out."""
        return Sides(self.zeros & ~left_out, self.ones & ~left_out)


@partial(jax.jit, inline=True)
def sides(masks: Int[JaxArray, "k1 k2 n"], valid: Bool[JaxArray, "k1 k2 n"]) -> Sides:
    """The sides of masks where replicas are in use."""
    every, ones = packed(valid), packed((masks == 1) & valid)
    return Sides(every & ~ones, ones)


@partial(jax.jit, inline=True)
def packed(flags: Bool[JaxArray, "k1 k2 *rest"]) -> JaxArray:
    """Flags of replicas (k1, k2, ...) as the bits of words (k1, ..., words)."""
    each = min(flags.shape[1], 32)
    missing = ((0, 0), (0, -flags.shape[1] % each)) + ((0, 0),) * (flags.ndim - 2)
    split = jnp.pad(flags, missing).reshape(flags.shape[0], -1, each, *flags.shape[2:])

    def add(place: JaxArray, words: JaxArray) -> JaxArray:
        bit = jax.lax.dynamic_index_in_dim(split, place, 2, keepdims=False)
        return words | bit.astype(jnp.uint32) << place.astype(jnp.uint32)

    # One bit after the other, of all words at once: a sum over bits would be over single flags.
    nothing = jnp.zeros((*split.shape[:2], *split.shape[3:]), jnp.uint32)
    words = jax.lax.fori_loop(0, each, add, nothing)
    return jnp.moveaxis(words, 1, -1)


def of_groups(group: np.ndarray, number: int) -> JaxArray:
    """The replicas of each group as words, (groups, words), from the group of each replica."""
    member = group[None] == np.arange(number)[:, None]
    return packed(jnp.asarray(member))


@partial(jax.jit, inline=True)
def count(words: JaxArray) -> Int[JaxArray, "..."]:
    """How many flags are set, over the last axis."""
    return jnp.sum(jax.lax.population_count(words), -1, dtype=jnp.int32)

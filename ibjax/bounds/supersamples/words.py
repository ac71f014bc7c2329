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
    missing = ((0, 0), (0, -flags.shape[1] % 32)) + ((0, 0),) * (flags.ndim - 2)
    split = jnp.pad(flags, missing).reshape(flags.shape[0], -1, 32, *flags.shape[2:])
    places = jnp.arange(32, dtype=jnp.uint32).reshape(-1, *(1,) * (flags.ndim - 2))
    words = jnp.sum(split.astype(jnp.uint32) << places, 2, dtype=jnp.uint32)
    return jnp.moveaxis(words, 1, -1)


def of_groups(group: np.ndarray, number: int) -> JaxArray:
    """The replicas of each group as words, (groups, words), from the group of each replica."""
    member = group[None] == np.arange(number)[:, None]
    return packed(jnp.asarray(member))


@partial(jax.jit, inline=True)
def count(words: JaxArray) -> Int[JaxArray, "..."]:
    """How many flags are set, over the last axis."""
    return jnp.sum(jax.lax.population_count(words), -1, dtype=int)

"""What a bound from tables counts, in which order it means, and what it makes of information."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp

from ibjax.bounds import invert
from ibjax.bounds.root import sub_gaussian
from ibjax.bounds.supersamples import plugin
from ibjax.typing import JaxArray, Subject

MEAN_FIRST = ("polynomial", "conservative")
CORRECTIONS = (*plugin.CORRECTIONS, *MEAN_FIRST)
ROOTS = ("sqrt", "phi")

Z = 1.959964
"""Of a normal, what 95 of 100 draws stay within."""


@dataclass(frozen=True)
class Rule:
    """What a bound counts and what it makes of it.

    Attributes:
        name: of the bound.
        alphabet: one of `letters.SIZES`.
        size: letters of the alphabet.
        correction: one of `CORRECTIONS`.
        inversion: "sqrt", "phi" or the name of an inversion of the mean information.
        pooled: one table for all pairs and supersamples.
        factor: of the root.
    """

    name: str
    alphabet: str
    size: int
    correction: str | None
    inversion: str
    pooled: bool = False
    factor: float = 1.0

    @property
    def about(self) -> Subject:
        """What is counted: which member was used, as all of the pair or one loss shows it."""
        return "loss" if self.alphabet in ("single", "first") else "pair"

    @property
    def means_first(self) -> bool:
        """Whether the mean information is taken first and the root last."""
        return self.correction in MEAN_FIRST


class Numbers(NamedTuple):
    """Value in units of a loss in [0, 1], information in nats, error, training error, allowance."""

    value: JaxArray
    information: JaxArray
    error: JaxArray
    rate: JaxArray
    allowance: JaxArray


def root(information: JaxArray, inversion: str) -> JaxArray:
    """sqrt(2 I) or the inverse of phi, of the positive part."""
    positive = jnp.maximum(information, 0.0)
    return sub_gaussian(positive) if inversion == "sqrt" else invert.phi(positive)


def apply(rule: Rule, information: JaxArray, rate: JaxArray) -> JaxArray:
    """The bound that an information gives, at a training error where it is inverted together."""
    if rule.inversion in ROOTS:
        return rule.factor * root(information, rule.inversion)
    return getattr(invert, rule.inversion)(rate, jnp.maximum(information, 0.0)) - rate

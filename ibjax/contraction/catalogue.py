"""Coefficients of named channels in closed form.

Those of an erasure and of the Z channel are the same for KL and for total variation and say so
(``divergence="tv"``, which covers both); the others are of KL, hence of chi-square.
"""

import math

import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.contraction import checks
from ibjax.contraction.noise import log_sech
from ibjax.interface import Contraction
from ibjax.signatures import enforced
from ibjax.typing import JaxArray, Scalar


@enforced
def binary(first: Scalar, second: Scalar) -> Contraction:
    """Compute the coefficient of a channel of two inputs and two outputs.

    ``eta = 1 - (sqrt(a (1 - b)) + sqrt(b (1 - a)))^2`` for crossovers a and b

    Args:
        first: probability a that input 0 gives output 1.
        second: probability b that input 1 gives output 0.

    Raises:
        ValueError: for numbers that are no probabilities.
    """
    a = checks.real("first", first, 0.0, 1.0)
    b = checks.real("second", second, 0.0, 1.0)
    rest = (_root(a * (1 - b)) + _root(b * (1 - a))) ** 2
    return checks.from_value(1 - rest, rest, "two inputs, two outputs")


@enforced
def symmetric(error: Scalar, categories: int = 2) -> Contraction:
    """Compute the coefficient of the k-ary symmetric channel.

    ``eta = (a - b)^2 / (a + b)`` with ``a = 1 - error``, ``b = error / (k - 1)``;
    (1 - 2 error)^2 for two categories

    Args:
        error: probability of another symbol, each as likely.
        categories: number k of symbols, at least 2.

    Raises:
        ValueError: for an error outside [0, 1] or fewer than two categories.

    Example:
        >>> round(float(symmetric(0.1).value), 6)
        0.64
    """
    e, k = checks.real("error", error, 0.0, 1.0), whole("categories", categories, 2)
    a, b = 1 - e, e / (k - 1)
    total = a + b
    return checks.from_value(
        (a - b) ** 2 / total, 4 * a * b / total + (k - 2) * b, f"{k}-ary symmetric channel"
    )


@enforced
def erasure(rate: Scalar) -> Contraction:
    """Compute the coefficient of a channel that hides its input with this probability: 1 - rate.

    Args:
        rate: probability of erasure; the output shows that it happened.

    Raises:
        ValueError: for a rate outside [0, 1].
    """
    p = checks.real("rate", rate, 0.0, 1.0)
    return checks.from_value(1 - p, p, "erasure", divergence="tv")


@enforced
def z_channel(rate: Scalar) -> Contraction:
    """Compute the coefficient of the channel that turns 1 into 0 with this probability: 1 - rate.

    Approached as the input law concentrates on 0.

    Args:
        rate: probability that a 1 is read as a 0.

    Raises:
        ValueError: for a rate outside [0, 1].
    """
    p = checks.real("rate", rate, 0.0, 1.0)
    return checks.from_value(1 - p, p, "Z channel", divergence="tv")


@enforced
def randomized_response(eps: Scalar, categories: int = 2) -> Contraction:
    """Compute the coefficient of randomized response at privacy level eps.

    ``eta = tanh^2(eps / 2)`` for two categories; for k, (a - b)^2 / (a + b) with
    ``b = 1 / (e^eps + k - 1)``, ``a = e^eps b``

    With two categories it bounds every eps-locally-private channel from above.

    Args:
        eps: the logarithm of the largest ratio of two probabilities of an answer.
        categories: number k of answers, at least 2.

    Raises:
        ValueError: for eps < 0 or fewer than two categories.
    """
    e, k = checks.real("eps", eps, 0.0, math.inf), whole("categories", categories, 2)
    if k == 2:
        value, log1m = jnp.tanh(e / 2) ** 2, 2 * log_sech(e / 2)
        return Contraction(value, log1m, "exact", "channel", "randomized response", "kl")
    b = jnp.exp(-e) / (1 + (k - 1) * jnp.exp(-e))
    a = 1 / (1 + (k - 1) * jnp.exp(-e))
    rest = 4 * a * b / (a + b) + (k - 2) * b
    return checks.from_value((a - b) ** 2 / (a + b), rest, f"{k}-ary randomized response")


@enforced
def stochastic_unit(bound: Scalar, units: int = 1) -> Contraction:
    """Compute the coefficient of binary units that fire with probability sigmoid(u).

    ``eta = tanh^2(B / 2)`` for one unit with |u| <= B; ``eta <= 1 - sech(B / 2)^{2 m}`` for m

    Args:
        bound: largest |u|.
        units: number m of units that fire independently given their inputs.

    Returns:
        The coefficient; exact for one unit, an upper bound for more.

    Raises:
        ValueError: for a negative bound or units < 1.
    """
    b = checks.real("bound", bound, 0.0, math.inf)
    if units < 1:
        raise ValueError(f"units={units} must be at least 1")
    log1m = 2 * units * log_sech(b / 2)
    kind = "exact" if units == 1 else "upper"
    return checks.from_log1m(log1m, f"{units} stochastic binary units", kind)


@enforced
def poisson(low: Scalar, high: Scalar) -> Contraction:
    """Bound the coefficient of a Poisson count whose rate lies in [low, high].

    ``eta <= 1 - e^{-(sqrt high - sqrt low)^2}``

    Args:
        low: smallest rate.
        high: largest rate.

    Raises:
        ValueError: for negative rates.
    """
    a = checks.real("low", low, 0.0, math.inf)
    b = checks.real("high", high, 0.0, math.inf)
    return checks.from_log1m(-((_root(b) - _root(a)) ** 2), "Poisson counts", "upper")


def _root(x: JaxArray) -> JaxArray:
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0 * x)

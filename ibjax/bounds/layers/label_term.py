"""The exact price of uncontracted labels: the mean deviation of a sample's label law."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Numbers

# log k! less Stirling's formula (k + 1/2) log k - k + log(2 pi) / 2, for k = 1, ..., 15; 0 at 0.
_STIRLING = np.array(
    [0.0] + [math.lgamma(k + 1) - (k + 0.5) * math.log(k) + k for k in range(1, 16)]
)
_STIRLING[1:] -= math.log(2 * math.pi) / 2


@enforced
def label_deviation(class_law: Float[Array, " k"], n: Numbers) -> JaxArray:
    """Compute how far the empirical label law is from the true one, on average.

    ``E TV(P_Y, empirical) = (1/2) sum_k E|p_k - counts_k / n|``,
    ``E|np - B| = 2 n p (1-p) P(B' = floor(np))`` for binomial B of n and B' of n - 1 draws

    Times the range of the loss it is the label term of `depth`; `num_classes` there bounds it
    by sqrt((K-1)/n)/2 without knowing the law. With label counts fixed at n p_k it would be 0.

    Args:
        class_law: probabilities of the K classes; the true ones, not frequencies of the sample.
        n: number of training examples.

    Returns:
        The deviation. Numbers are worked out in float64 whatever the precision in use, and good
        to 1e-12; where an argument is traced, in its own precision and good to its rounding for
        any n: the binomial probability is a saddle-point form without large terms that cancel.

    Raises:
        ValueError: for entries that are no probabilities, sums away from one, or n < 1.

    Reference:
        De Moivre's mean deviation of the binomial, see Diaconis, Zabell 1991, "Closed form
        summation for classical distributions"; Loader 2000, "Fast and accurate computation of
        binomial probabilities".
    """
    p = checks.real("class_law", class_law, 0.0, 1.0)
    n = checks.whole("n", n)
    if p.ndim != 1 or (checks.concrete(p) and not abs(float(jnp.sum(p)) - 1) < 1e-4):
        raise ValueError(f"class_law={class_law!r} must be a law: (k,) summing to one")
    if not checks.concrete(p, n):
        return jnp.sum(_deviation(p, n)) / 2
    with jax.enable_x64(True):
        # As it was given: a law in double precision must not pass through a single one.
        exact = np.asarray(class_law, np.float64)
        value = np.asarray(jnp.sum(_deviation(jnp.asarray(exact), jnp.asarray(float(n)))) / 2)
    return jnp.asarray(value, p.dtype)


@jax.jit
def _deviation(p: JaxArray, n: Any) -> JaxArray:
    """E|p - B/n| for binomial B of n draws."""
    # Of p and 1 - p the smaller, which has the same deviation and loses no digits.
    p = jnp.minimum(p, 1 - p)
    rest = n - 1 - jnp.zeros_like(p)
    k = jnp.minimum(jnp.floor(n * p), rest)
    return 2 * p * (1 - p) * _mass(k, rest, p)


def _mass(k: JaxArray, n: JaxArray, p: JaxArray) -> JaxArray:
    """Probability of k of n draws near the mean, for 0 <= k <= n and p <= 1/2."""
    inner = (k > 0) & (k < n)
    some, many = jnp.where(inner, k, 1.0), jnp.where(inner, n, 2.0)
    left, chance = many - some, jnp.where(inner, p, 0.5)
    distance = some - many * chance
    # many * excess(u) with u the relative deviation from the mean is the relative entropy.
    mean, others = many * chance, many * (1 - chance)
    entropy = mean * _excess(distance / mean) + others * _excess(-distance / others)
    stirling = _stirling(many) - _stirling(some) - _stirling(left)
    inside = jnp.sqrt(many / (2 * math.pi * some * left)) * jnp.exp(stirling - entropy)
    none = jnp.exp(n * jnp.log1p(-jnp.where(k == 0, p, 0.0)))
    # k = n > 0 only for one draw at p = 1/2.
    return jnp.where(inner, inside, jnp.where(k == 0, none, p**n))


def _excess(u: JaxArray) -> JaxArray:
    """(1 + u) log(1 + u) - u, by its series near 0."""
    near = jnp.abs(u) < 0.05
    small = jnp.where(near, u, 0.0)
    total = jnp.zeros_like(small)
    for j in range(12, 1, -1):
        total = (1 if j % 2 == 0 else -1) / (j * (j - 1)) + small * total
    large = jnp.maximum(jnp.where(near, 1.0, u), -1.0)
    above = jnp.where(large > -1, (1 + large) * jnp.log1p(jnp.where(large > -1, large, 0.0)), 0.0)
    return jnp.where(near, small**2 * total, above - large)


def _stirling(k: JaxArray) -> JaxArray:
    """Logarithm of k! less Stirling's formula."""
    table = jnp.asarray(_STIRLING, k.dtype)
    few = table[jnp.clip(k, 0, 15).astype(jnp.int32)]
    x = jnp.maximum(k, 16.0)
    y = 1 / (x * x)
    series = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x
    return jnp.where(k < 16, few, series)

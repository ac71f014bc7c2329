"""From the expected gap to its size: absolute value, and probability of a large one."""

import math

import jax.numpy as jnp

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.kinds import bare_or_estimate, is_bare
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def absolute_gap(
    information: Float[Array, "*batch"] | float | Estimate | BoundValue, n: int, sigma: Scalar
) -> BoundValue:
    """Bound the expected absolute gap by information.

    ``E |L(W) - L_S(W)| <= sqrt((2 sigma^2 / n) (I(S; W) + log 2))``

    The log 2 pays for either sign: E e^{t|G|} <= 2 e^{t^2 sigma^2 / (2n)} for independent W, S.
    Contraction does not enter, since the deviation of one sample is no expectation over layers.

    Args:
        information: I(S; W) in nats, or an upper bound.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        Xu, Raginsky 2017, "Information-theoretic analysis of generalization capability of
        learning algorithms"; re-derived here.
    """
    info = checks.information(information, about="sample")
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    total = info.value + math.log(2)
    value = root.sub_gaussian(total, sigma, n)
    return outcome.result(
        value,
        name="absolute_gap",
        inputs=(info,),
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian"),
        information=info,
        std_error=root.error(value, total, info.error),
    )


@enforced
def deviation_probability(
    gap: Scalar,
    information: Float[Array, "*batch"] | float | Estimate | BoundValue,
    n: int,
    sigma: Scalar,
) -> JaxArray | Estimate:
    """Bound the probability of an absolute gap above `gap`.

    ``P(|L(W) - L_S(W)| > gap) <= (I(S; W) + log 2) / log(1 / q)``,
    ``q = min(1, 2 e^{-n gap^2 / (2 sigma^2)})``

    An event of probability q under independence has at most this one under the joint law, by
    the data-processing inequality for the two-valued question whether it happens.

    Args:
        gap: the size of the gap asked about.
        information: I(S; W) in nats, or an upper bound.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss.

    Returns:
        The probability, not above 1: an array if the information is a number, else an `Estimate`
        that keeps its error and confidence and is exact only if the information is.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        Bassily, Moran, Nachum, Shafer, Yehudayoff 2018, "Learners that use little information",
        for the argument; constants derived here.
    """
    eps = checks.real("gap", gap, 0.0, open_low=True)
    info = checks.information(information, about="sample")
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    rarity = n * eps**2 / (2 * sigma**2) - math.log(2)
    safe = jnp.where(rarity > 0, rarity, 1.0)
    value = jnp.where(rarity > 0, jnp.minimum((info.value + math.log(2)) / safe, 1.0), 1.0)
    value = jnp.where(jnp.isnan(info.value) | jnp.isnan(rarity), jnp.nan, value)
    error = jnp.where(rarity > 0, info.error / safe, 0.0)
    return bare_or_estimate(value, error, "deviation_probability", is_bare(information), (info,))

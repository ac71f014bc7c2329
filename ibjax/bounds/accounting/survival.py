"""Replicas that diverge: what holds for the ones that do not."""

from typing import NamedTuple

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.bounds.accounting import binomial
from ibjax.bounds.bisection import bisected
from ibjax.bounds.kinds import proved
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


class SurvivalSplit(NamedTuple):
    """Mutual information split by whether the run survived.

    Attributes:
        probability: P(ok).
        given_ok: KL of the law of (Z, W) given ok from P_Z x P_{W | ok}.
        given_not: the same given the opposite.
    """

    probability: JaxArray
    given_ok: JaxArray
    given_not: JaxArray


@enforced
def survival_split(joint: Float[Array, "Z W"], ok: Float[Array, " W"]) -> SurvivalSplit:
    """Split I(Z; W) of a finite law by an event of W: ``I = P(ok) D_ok + P(not ok) D_not``.

    ``D_o = KL(P_{Z W | o} || P_Z x P_{W | o})``. The event is a function of W, so its probability
    is the same under the joint law and the product of the marginals.

    Args:
        joint: law of Z (rows) and W (columns).
        ok: 1 for the values of W that count as survived, (W,).

    Raises:
        ValueError: entries below zero, or shapes that do not match.

    Reference:
        New here.
    """
    table = checks.real("joint", joint, 0.0)
    kept = checks.real("ok", ok, 0.0, 1.0)
    if table.ndim != 2 or kept.shape != table.shape[1:]:
        raise ValueError(f"joint has shape {table.shape} and ok {kept.shape}; give (Z, W) and (W,)")
    if 0 in table.shape:
        raise ValueError(f"joint has shape {table.shape}; give at least one of Z and of W")
    law = table / jnp.sum(table)
    examples = jnp.sum(law, 1, keepdims=True)

    def part(weight: JaxArray) -> tuple[JaxArray, JaxArray]:
        mass = jnp.sum(law * weight)
        given = law * weight / jnp.where(mass > 0, mass, 1.0)
        product = examples * jnp.sum(given, 0, keepdims=True)
        ratio = jnp.where(given > 0, given, 1.0) / jnp.where(given > 0, product, 1.0)
        information = jnp.sum(given * jnp.log(ratio))
        return mass, jnp.where(jnp.isnan(mass), jnp.nan, information)

    (probability, inside), (_, outside) = part(kept), part(1 - kept)
    return SurvivalSplit(probability, inside, outside)


@enforced
def given_survival(
    information: Float[Array, "*batch"] | float, survival: Float[Array, "*batch"] | float
) -> Float[JaxArray, "*batch"]:
    """Information that bounds the gap of the surviving runs, ``I/P(ok)``.

    ``kl(E[L_S | ok] || E[L(W) | ok]) <= mean_i I(Z_i; W)/P(ok)``, hence
    ``|E[gap | ok]| <= V(I/P(ok)) <= sqrt(I/(2 P(ok)))``: the other half of `survival_split` is not
    negative. Dropping diverged runs and keeping I is no bound. The other way to count them, as a
    loss of 1 whatever the data, leaves every bound as it is.

    Args:
        information: I(Z_i; W), mean over examples, or an upper bound, in nats.
        survival: P(ok), or a lower limit of it.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        New here.
    """
    info = checks.real("information", information, 0.0)
    chance = checks.real("survival", survival, 0.0, 1.0)
    positive = chance > 0
    given = jnp.where(positive, info / jnp.where(positive, chance, 1.0), jnp.inf)
    return jnp.where(jnp.isnan(chance) | jnp.isnan(info), jnp.nan, given)


@enforced
def survival_limit(survived: int | Scalar, runs: int | Scalar, delta: Scalar) -> Estimate:
    """Lower confidence limit of P(ok) from independent runs (Clopper, Pearson).

    The p with ``P(Bin(R, p) >= k) = delta`` for k survivors among R runs.

    Args:
        survived: runs that survived.
        runs: runs in all.
        delta: failure probability in (0, 1].

    Returns:
        An exact `Estimate` with bias "down" and confidence 1 - delta.

    Raises:
        ValueError: more survivors than runs, or numbers out of range.

    Reference:
        Clopper, Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of
        the binomial".
    """
    count, runs = checks.whole("survived", survived, 0), checks.whole("runs", runs)
    if checks.concrete(count, runs) and count > runs:
        raise ValueError(f"survived={count} exceeds runs={runs}")
    delta = checks.failure("delta", delta)
    k, r = (jnp.asarray(a).astype(delta.dtype) for a in (count, runs))
    shape = jnp.where(k > 0, k, 1.0)
    ends = (jnp.zeros_like(k), jnp.ones_like(k))
    low, _ = bisected(lambda p: binomial.more_than(shape - 1, r, p) <= delta, *ends)
    value = jnp.where(jnp.isnan(k) | jnp.isnan(r), jnp.nan, jnp.where(k > 0, low, 0.0))
    confidence = jnp.asarray(1 - delta, value.dtype)
    return proved(value, "survival_limit", "other", bias="down", confidence=confidence)

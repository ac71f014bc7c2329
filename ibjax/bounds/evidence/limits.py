"""Upper confidence limits on what was measured on replicas, under the way they were drawn."""

import math
from functools import reduce
from operator import and_
from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert
from ibjax.bounds.evidence.moment import replica_errors
from ibjax.bounds.kinds import proved
from ibjax.interface import Estimate, Moment
from ibjax.typing import Array, JaxArray, Scalar

CONFIDENCE = 0.95
"""Of the limits the registered bounds take."""


def train_error(moment: Moment, delta: Scalar = 1 - CONFIDENCE) -> Estimate:
    """Upper confidence limit on the expected training error E L_S(W), over samples and training.

    With m the mean over replicas, k supersamples of n pairs and kl^-1 the larger inverse of the
    binary relative entropy:

    no shared example: ``kl^-1(m, log(1/delta)/k)``; the means of the supersamples are independent
    one pool of N:     ``kl^-1(kl^-1(m, log(2/delta)/k), log(2/delta)/floor(N/n))``; given the pool
                       they are independent, and the pool's own mean is a U-statistic of n examples,
                       which concentrates like a mean over floor(N/n) of them

    Supersamples of the very same examples are one draw listed several times: k counts the largest
    number of them as one. Of the pool no more is known than the N examples that were seen.

    Masks of one supersample share their examples and count for nothing here: a standard error
    over replicas is no limit. Few supersamples leave little more than the trivial limit 1. Nor do
    supersamples help whose replicas share their noise or batches, or may do so: they all err alike
    where that happens to be a lucky draw, so that the limit is 1.

    Args:
        moment: evidence of one checkpoint. `index` tells which examples were shared; where it is
            not known (-1), or under a trace, the limit is 1.
        delta: failure probability.

    Returns:
        A limit (bias "up", exact) with confidence 1 - delta; 1 with confidence 1 where there is
        none.

    Assumes:
        A pool of independent examples; supersamples drawn from it at random; randomness of its own
        in every supersample.

    Reference:
        Hoeffding 1963, "Probability inequalities for sums of bounded random variables", for the
        exponential bounds and U-statistics; the combination is derived here.
    """
    delta = checks.failure("delta", delta)
    train, _ = replica_errors(moment)
    mean = jnp.mean(train)
    drawn, blocks = sampling(moment.index).tolist()
    none = jnp.where(jnp.isnan(mean), jnp.nan, 1.0)
    if not drawn:
        return _limit(none, jnp.ones(()))
    if np.isinf(blocks):
        value = invert.kl(mean, jnp.log(1 / delta) / drawn)
    else:
        each = jnp.log(2 / delta)
        value = invert.kl(invert.kl(mean, each / drawn), each / blocks)
    alone = jnp.asarray(moment.shared_batches) == 0
    return _limit(jnp.where(alone, value, none), jnp.where(alone, 1 - delta, 1.0))


def sampling(index: Array) -> np.ndarray:
    """Supersamples that count as independent draws, and samples of n that their pool holds, (2,).

    The second is inf where no two of them share an example; both are 0 where positions are not
    known, or under a trace. What this function gave is given back.

    Args:
        index: (k1, n, 2).
    """
    if not checks.concrete(index):
        return np.zeros(2)
    index = np.asarray(index)
    if index.shape == (2,):
        return index
    if not index.size or index.min() < 0:
        return np.zeros(2)
    k1, n = index.shape[:2]
    seen = len(np.unique(index))
    if seen == index.size:
        return np.array([k1, np.inf])
    each = np.sort(index.reshape(k1, -1), axis=1)
    # A weighted mean of independent means has the Chernoff bound of 1 over its largest weight.
    same = np.unique(each, axis=0, return_counts=True)[1].max()
    return np.array([k1 / same, seen // n])


def independent_runs(mask: Array) -> JaxArray:
    """Replicas over the largest number of them whose masks are equal or complementary, a number.

    Given the supersamples, masks and seeds are what is random. Complementary masks are drawn
    together; so may equal ones be. Masks that hold every example in exactly half of them without
    being couples of complements were balanced in some other way, and all of a supersample count
    as one. Masks that differ otherwise are taken to be independent coins. Those of different
    supersamples are compared too, where they, or all masks of a supersample together, are so long
    that no two are alike by chance: a supersample listed twice, or one set of masks for all of
    them, adds no independent run.

    Args:
        mask: (k1, k2, n).
    """
    k1, k2, n = mask.shape
    # On the host where masks are known, as `replica_errors`.
    xp: Any = np if checks.concrete(mask) else jnp
    signs = xp.where(xp.asarray(mask) == 1, -1, 1).astype(np.int32).reshape(k1 * k2, n)
    # Four sums with whole weights: exact, and the same for others than equal masks by rare chance.
    weights = np.random.default_rng(0).integers(1, 2**11, (n, 4))
    marks = (signs @ xp.asarray(weights, np.int32)).T
    opposite = reduce(and_, (mark[:, None] == -mark for mark in marks))
    alike = reduce(and_, (mark[:, None] == mark for mark in marks)) | opposite
    owner = xp.arange(k1 * k2) // k2
    own = owner[:, None] == owner
    if 2 * math.log2(k1 * k2) - n > -10:
        # Of couples of complements one is free. One mask for all is no draw of coins, see `unfair`.
        long = 2 * math.log2(k1) - n * ((k2 + 1) // 2) < -10
        sets = marks.reshape(-1, k1, k2)
        several = xp.any(sets != sets[..., :1], axis=(0, -1))
        same = xp.all(sets[:, :, None] == sets[:, None], axis=(0, -1)) & several & long
        alike = alike & (own | same[owner[:, None], owner])
    level = xp.all(xp.sum(signs.reshape(k1, k2, n), 1) == 0, -1)
    coupled = xp.all(xp.any(opposite & own, 1).reshape(k1, k2), -1)
    alike = alike | own & (level & ~coupled)[owner]
    return xp.asarray(k1 * k2 / xp.max(xp.sum(alike, axis=-1)), jnp.result_type(float))


def given_train_error(moment: Moment, delta: Scalar = 1 - CONFIDENCE) -> Estimate:
    """Upper confidence limit on the training error given these supersamples.

    ``kl^-1(m, log(1/delta)/R)``, m the mean over replicas, R the independent runs among them: of
    the mean over masks and seeds, about which nothing has to be assumed of the data.

    Args:
        moment: evidence of one checkpoint.
        delta: failure probability.

    Assumes:
        Independent fair masks and independent randomness of the replicas.
    """
    train, _ = replica_errors(moment)
    delta = checks.failure("delta", delta)
    value = invert.kl(jnp.mean(train), jnp.log(1 / delta) / independent_runs(moment.mask))
    return _limit(value, 1 - delta)


def least_gap(moment: Moment, delta: float) -> Scalar:
    """Lower confidence limit on the mean gap over masks and seeds given these supersamples.

    ``(1 + gap)/2 >= 1 - kl^-1((1 - m)/2, log(1/delta)/R)``, m the measured mean gap and R the
    independent runs: the gap of a run lies in [-1, 1]. -1 where runs are not independent, or a
    number is missing.

    Args:
        moment: evidence of one checkpoint.
        delta: failure probability.
    """
    train, test = replica_errors(moment)
    known = checks.concrete(train, test, moment.shared_batches, moment.mask)
    xp: Any = np if known else jnp
    below = (1 - xp.mean(xp.asarray(test, float) - xp.asarray(train, float))) / 2
    sound = xp.isfinite(below) & (xp.asarray(moment.shared_batches) == 0)
    rate = xp.where(sound, xp.clip(below, 0, 1), 1.0)
    nats = math.log(1 / delta) / independent_runs(moment.mask)
    return 1 - 2 * (_largest_rate(float(rate), float(nats)) if known else invert.kl(rate, nats))


def _largest_rate(rate: float, nats: float) -> float:
    """``kl^-1(rate, nats)`` by bisection, without a program of XLA."""
    low, high = rate, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        apart = sum(
            a * math.log(a / b)
            for a, b in ((rate, middle), (1 - rate, 1 - middle))
            if a > 0 and 0 < b
        )
        low, high = (middle, high) if apart <= nats else (low, middle)
    return high


def _limit(value, confidence) -> Estimate:
    name, reason = "upper limit on the training error", "a replica has no training error"
    return proved(value, name, "other", reason, confidence=confidence)

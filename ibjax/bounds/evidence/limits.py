"""Upper confidence limits on what was measured on replicas, under the way they were drawn."""

import math

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert
from ibjax.bounds.evidence.moment import replica_errors
from ibjax.interface import Estimate, Moment
from ibjax.typing import Array, JaxArray, Scalar

CONFIDENCE = 0.95
"""Of the limits the registered bounds take."""


def train_error(moment: Moment, delta: Scalar = 1 - CONFIDENCE) -> Estimate:
    """Upper confidence limit on the expected training error E L_S(W), over samples and training.

    With m the mean over replicas, k1 supersamples of n pairs and kl^-1 the larger inverse of the
    binary relative entropy:

    no shared example: ``kl^-1(m, log(1/delta)/k1)``; the means of the supersamples are independent
    one pool of N:     ``kl^-1(kl^-1(m, log(2/delta)/k1), log(2/delta)/floor(N/n))``; given the pool
                       they are independent, and the pool's own mean is a U-statistic of n examples,
                       which concentrates like a mean over floor(N/n) of them

    Masks of one supersample share their examples and count for nothing here: a standard error
    over replicas is no limit. Few supersamples leave little more than the trivial limit 1.

    Args:
        moment: evidence of one checkpoint. `index` tells which examples were shared; where it is
            not known (-1), or under a trace, the limit is 1.
        delta: failure probability.

    Returns:
        A limit (bias "up", exact) with confidence 1 - delta; 1 with confidence 1 where there is
        none.

    Assumes:
        A pool of independent examples; supersamples drawn from it at random.

    Reference:
        Hoeffding 1963, "Probability inequalities for sums of bounded random variables", for the
        exponential bounds and U-statistics; the combination is derived here.
    """
    delta = checks.real("delta", delta, 0.0, 1.0, open_low=True)
    train, _ = replica_errors(moment)
    mean = jnp.mean(train)
    if not checks.concrete(moment.index) or np.min(moment.index) < 0:
        return _limit(jnp.where(jnp.isnan(mean), jnp.nan, 1.0), jnp.ones(()))
    index = np.asarray(moment.index)
    k1, n = index.shape[:2]
    if len(np.unique(index)) == index.size:
        value = invert.kl(mean, jnp.log(1 / delta) / k1)
    else:
        # The largest position seen tells of a pool at least as large; a larger one concentrates
        # more.
        blocks = math.floor((int(index.max()) + 1) / n)
        each = jnp.log(2 / delta)
        value = invert.kl(invert.kl(mean, each / k1), each / blocks)
    return _limit(value, 1 - delta)


def independent_runs(mask: Array) -> JaxArray:
    """Replicas over the largest number of them whose masks are equal or complementary, a number.

    Given the supersamples, masks and seeds are what is random. Complementary masks are drawn
    together; so may equal ones be. Masks that differ otherwise are taken to be independent coins.

    Args:
        mask: (k1, k2, n).
    """
    signs = 1.0 - 2.0 * jnp.asarray(mask)
    alike = jnp.abs(jnp.einsum("sun,svn->suv", signs, signs)) == signs.shape[-1]
    return signs.shape[0] * signs.shape[1] / jnp.max(jnp.sum(alike, axis=-1))


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
    delta = checks.real("delta", delta, 0.0, 1.0, open_low=True)
    value = invert.kl(jnp.mean(train), jnp.log(1 / delta) / independent_runs(moment.mask))
    return _limit(value, 1 - delta)


def _limit(value, confidence) -> Estimate:
    zero = jnp.zeros_like(value)
    return Estimate(
        value,
        zero,
        jnp.isfinite(value),
        "up",
        "upper limit on the training error",
        "a replica has no training error",
        True,
        confidence,
    )

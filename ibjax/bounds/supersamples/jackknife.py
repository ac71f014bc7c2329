"""Errors over masks: the replicas of a supersample left out in groups."""

import jax.numpy as jnp
import numpy as np

from ibjax.typing import Bool, Float, JaxArray

_MOST = 30


def count(replicas: int) -> int:
    """Number of groups: couples of masks 2 v and 2 v + 1, several to a group beyond thirty."""
    return min((replicas + 1) // 2, _MOST)


def groups(replicas: int) -> np.ndarray:
    """The group of each replica, (replicas,). Complementary masks stay together."""
    return (np.arange(replicas) // 2) % count(replicas)


def error(
    left: Float[JaxArray, "groups k1"], use: Bool[JaxArray, " k1"], shared: Bool[JaxArray, ""]
) -> JaxArray:
    """Standard error of the mean over supersamples from values with each group left out.

    Tukey's jackknife, whose mean is not below the variance for as many replicas as it keeps.

    Args:
        left: one value a group and supersample.
        use: supersamples in the mean.
        shared: whether all supersamples have the same masks. Then a group is left out of all of
            them at once; else the groups of different supersamples are independent.
    """
    total, units = left.shape[0], jnp.sum(use)
    if total < 2:
        return jnp.full((), jnp.nan, left.dtype)
    left = jnp.where(use, left, 0.0)
    apart = jnp.sum((left - left.mean(0)) ** 2) / units**2
    means = jnp.sum(left, 1) / units
    together = jnp.sum((means - means.mean()) ** 2)
    return jnp.sqrt((total - 1) / total * jnp.where(shared, together, apart))


def larger(a: JaxArray, b: JaxArray) -> JaxArray:
    """The larger of two errors; the other where one is unknown."""
    return jnp.where(jnp.isnan(a), b, jnp.where(jnp.isnan(b), a, jnp.maximum(a, b)))

"""Means over independent units with their standard errors, once."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from ibjax.interface import Estimate
from ibjax.typing import JaxArray, Subject


@partial(jax.jit, inline=True)
def mean_and_error(values: JaxArray, use: JaxArray | None = None) -> tuple[JaxArray, JaxArray]:
    """Mean over the units in use and its standard error, NaN where there are too few.

    Args:
        values: one number a unit, (k,).
        use: which units count, (k,); all of them by default.
    """
    use = jnp.ones(values.shape, bool) if use is None else use
    units = jnp.sum(use)
    mean = jnp.sum(jnp.where(use, values, 0.0)) / units
    spread = jnp.sum(jnp.where(use, (values - mean) ** 2, 0.0)) / (units - 1)
    return mean, jnp.where(units > 1, jnp.sqrt(spread / units), jnp.nan)


def left_out(
    statistic: Callable[[JaxArray], JaxArray], use: JaxArray, missing: JaxArray
) -> JaxArray:
    """Jackknife error of a statistic over units; NaN, as `missing`, where there is only one.

    Args:
        statistic: of which units are in use, (k,).
        use: which there are.
        missing: the statistic of all, for the shape.
    """
    units = len(use)
    if units < 2:
        return jnp.full_like(missing, jnp.nan)
    each = jax.vmap(lambda unit: statistic(use & (jnp.arange(units) != unit)))(jnp.arange(units))
    return mean_and_error(each, use)[1] * (jnp.sum(use) - 1)


def over_units(
    values: JaxArray, name: str, reason: str = "", about: Subject = "other", candidates: int = 2
) -> Estimate:
    """The mean as an `Estimate`, unbiased; not ok where it is no number."""
    mean, error = mean_and_error(values)
    return Estimate(
        mean, error, jnp.isfinite(mean), "none", name, reason, about=about, candidates=candidates
    )

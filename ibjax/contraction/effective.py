"""How many layers contract, and by how much together."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp

from ibjax.contraction import checks
from ibjax.contraction.combine import common
from ibjax.interface import Contraction
from ibjax.signatures import enforced
from ibjax.typing import Array, Float


class EffectiveDepth(NamedTuple):
    """What the coefficients of several layers come to.

    Attributes:
        layers: number of layers given.
        noisy: layers whose coefficient is below 1; the L of a depth bound.
        equivalent: sum of log eta over the log eta of the layer that contracts most: how many
            such layers would contract as much. 0 if none contracts, at most `noisy`.
        mean: geometric mean of the coefficients, 1 if there is no layer.
        log_factor: half the sum of log eta, the logarithm of the factor in the depth bound.
    """

    layers: int
    noisy: Float[Array, "*batch"]
    equivalent: Float[Array, "*batch"]
    mean: Float[Array, "*batch"]
    log_factor: Float[Array, "*batch"]


@enforced
def effective_depth(coefficients: Sequence[Contraction]) -> EffectiveDepth:
    """Count the layers that contract, plainly and weighed by how much they do.

    A deterministic layer counts for nothing; a wide layer with little noise counts as noisy, yet
    its equivalent number of layers is nearly 0 beside a layer that contracts well.

    Args:
        coefficients: one a layer, as `network` gives them; arrays broadcast.

    Raises:
        ValueError: if an entry is no Contraction, or no divergence is common to all.
    """
    layers = list(coefficients)
    for c in layers:
        if not isinstance(c, Contraction):
            raise ValueError(f"coefficients holds {c!r}; give a list of Contraction")
    common(layers)
    if not layers:
        zero = jnp.zeros(())
        return EffectiveDepth(0, zero, zero, zero + 1, zero)
    logs = jnp.stack(jnp.broadcast_arrays(*[checks.log_value(c) for c in layers]))
    log1m = jnp.stack(jnp.broadcast_arrays(*[jnp.asarray(c.log1m) for c in layers]))
    # log(-log eta), which is log(1 - eta) to rounding long before eta rounds to 1.
    near = log1m < math.log(jnp.finfo(logs.dtype).eps)
    strength = jnp.where(near, log1m, checks.log(-jnp.where(near, -1.0, logs)))
    most, total = jnp.max(strength, 0), jnp.sum(logs, 0)
    some = jnp.isfinite(most)
    relative = jnp.sum(jnp.exp(strength - jnp.where(some, most, 0.0)), 0)
    # A layer that passes nothing is worth any number of others: only such layers count.
    equivalent = jnp.where(some, relative, jnp.sum(strength == jnp.inf, 0))
    noisy = jnp.sum(log1m > -jnp.inf, 0).astype(logs.dtype)
    return EffectiveDepth(len(layers), noisy, equivalent, jnp.exp(total / len(layers)), total / 2)

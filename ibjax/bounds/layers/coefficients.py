"""What the layers' coefficients come to, and whether a bound may use them.

Every bound that contracts asks here for the divergence it needs. KL takes coefficients of total
variation, which are larger, and of chi-square over all inputs, which are equal; total variation
takes its own alone.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, root
from ibjax.contraction.combine import holds_for
from ibjax.interface import Contraction, Estimate
from ibjax.typing import Array, Divergence, Float, JaxArray

Etas: TypeAlias = (
    Contraction
    | Estimate
    | Sequence[Contraction | Estimate | float]
    | Float[Array, "*batch layers"]
)
"""Coefficients of the layers: records of them, or numbers with the layers on the last axis."""

_WORDS: dict[Divergence, str] = {
    "kl": "the KL divergence: use contraction.kl or contraction.gaussian_noise",
    "chi2": "chi-square: use contraction.chi2 or contraction.kl",
    "tv": (
        "total variation, whose coefficients are larger: use contraction.tv, "
        'contraction.gaussian_noise_tv, or contraction.network(..., divergence="tv")'
    ),
}


def product(etas: Any, *, certified: bool, divergence: Divergence = "kl") -> JaxArray:
    """Product of the layers' coefficients, summed as logarithms.

    Args:
        etas: a `Contraction` (its last axis, if any, runs over the layers), a list of them, or
            numbers, which are the caller's claim to be coefficients of this divergence.
        certified: whether each must hold for all inputs, as an exact value or an upper bound.
        divergence: what the bound contracts; "kl" takes coefficients of total variation too.

    Raises:
        ValueError: if a certificate is asked for and a coefficient does not support one.
    """
    if isinstance(etas, Estimate):
        if certified:
            raise ValueError(
                f"etas is an Estimate ({etas.name}): a diagnostic lies below the coefficient a "
                'certificate needs; use that of the channel, or variant="published"'
            )
        etas = checks.real("etas", etas.value)
    if isinstance(etas, Contraction):
        value = coefficient(etas, certified=certified, divergence=divergence)
        return _multiply(value) if value.ndim else value
    if isinstance(etas, (list, tuple)):
        if any(isinstance(c, Estimate) for c in etas):
            if not all(isinstance(c, Estimate) for c in etas):
                raise ValueError("etas mixes Estimate and others; give one or the other")
            values = jnp.broadcast_arrays(*[product(c, certified=certified) for c in etas])
            return _multiply(jnp.stack(values, axis=-1))
        some = [isinstance(c, Contraction) for c in etas]
        if any(some) and not all(some):
            raise ValueError("etas mixes Contraction and numbers; give one or the other")
        if etas and all(some):
            layers = [coefficient(c, certified=certified, divergence=divergence) for c in etas]
            return _multiply(jnp.stack(jnp.broadcast_arrays(*layers), axis=-1))
        if not etas:
            return jnp.ones(())
        if any(jnp.ndim(c) for c in etas):
            raise ValueError("etas is a nested list; give an array with layers on the last axis")
        etas = jnp.stack([jnp.asarray(c) for c in etas])
    value = checks.real("etas", etas, 0.0, 1.0)
    return _multiply(value) if value.ndim else value


def coefficient(c: Contraction, *, certified: bool, divergence: Divergence = "kl") -> JaxArray:
    """The value of one coefficient, if it supports what is asked of it; see `product`."""
    if certified and c.kind not in ("exact", "upper"):
        raise ValueError(
            f"etas holds a coefficient of kind {c.kind!r} ({c.reason}); a certificate needs "
            'exact or upper ones: use the coefficient of the channel, or variant="published"'
        )
    if certified and c.scope != "channel":
        raise ValueError(
            f"etas holds a coefficient of scope {c.scope!r} ({c.reason}); a certificate needs "
            'one that holds for all inputs, scope "channel", or use variant="published"'
        )
    if certified and not holds_for(c, divergence):
        raise ValueError(
            f"etas holds a coefficient of divergence {c.divergence!r} ({c.reason}); this bound "
            f"contracts {_WORDS[divergence]}"
        )
    return checks.real("etas", c.value, 0.0, 1.0)


@jax.jit
def _multiply(value: JaxArray) -> JaxArray:
    positive = value > 0
    total = jnp.sum(jnp.log(jnp.where(positive, value, 1.0)), axis=-1)
    zero = jnp.any(value == 0, axis=-1)
    lost = jnp.any(jnp.isnan(value), axis=-1)
    return jnp.where(lost, jnp.nan, jnp.where(zero, 0.0, jnp.exp(total)))


def times(eta: JaxArray, info: JaxArray) -> JaxArray:
    """Product eta I, 0 where eta is 0 even if I is infinite: nothing passes such a layer."""
    return eta * jnp.where((eta == 0) & jnp.isinf(info), 0.0, info)


@jax.jit
def joint(squared: JaxArray, away: JaxArray, eta: JaxArray) -> tuple[JaxArray, JaxArray, JaxArray]:
    """The joint closed form of the depth bound, from J = 2 sigma^2 I, its label term and eta.

    ``sqrt(J)`` if ``D >= sqrt(J)``, else
    ``(1 - eta) D + sqrt(eta J - eta (1 - eta) D^2)``

    Of the information a part x, unknown, is about labels and passes the layers uncontracted.
    With x counted in the units of J both ``sqrt(x + eta (J - x))``, which rises in x, and
    ``D + sqrt(eta (J - x))``, which falls, hold; this is the largest that their minimum can be.

    Returns:
        The value, NaN where an input is; the square root in it, 0 in the first case; which case.
    """
    alone = root.smooth(squared)
    flat = away >= alone
    below = jnp.where(flat, 0.0, away)
    # At least (eta D)^2 where D is below the root, so the root is smooth there.
    inside = times(eta, squared - (1 - eta) * below**2)
    size = jnp.where(flat, 0.0, root.smooth(jnp.where(flat, 0.0, inside)))
    value = jnp.where(flat, alone, (1 - eta) * below + size)
    # Equal at eta = 1: the order must survive rounding, and gradients the correction.
    value = value - jax.lax.stop_gradient(jnp.where(value > alone, value - alone, 0.0))
    lost = jnp.isnan(squared) | jnp.isnan(away) | jnp.isnan(eta)
    return jnp.where(lost, jnp.nan, value), size, flat

"""Individual-sample bounds with the whole cumulant generating function of the loss."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, outcome
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray

_STEPS = 90
_GOLDEN = 0.6180339887498949


@enforced
def individual_cumulant(
    information_i: Float[Array, " n"] | Estimate | BoundValue,
    cumulant: Callable[[Any], Any],
    *,
    most: float = 1e6,
) -> BoundValue:
    """Bound the gap by the information of single examples and the lower tail of the loss.

    ``gap <= (1/n) sum_i inf_{0 < s < most} (I(W; Z_i) + psi(s))/s``,
    ``psi(s) >= log E exp(-s (l - E l))`` under the product of the laws of W and Z

    The change of measure (Donsker-Varadhan) gives ``s gap_i <= I_i + psi(s)`` for every s. For a
    sub-Gaussian loss psi(s) = sigma^2 s^2 / 2 and the value is the mean of sqrt(2 sigma^2 I_i).

    Args:
        information_i: I(W; Z_i) in nats, (n,).
        cumulant: psi, elementwise on positive numbers, convex and differentiable at 0 with slope
            0; the infimum is taken by golden section over log s.
        most: end of the domain of psi.

    Reference:
        Bu, Zou, Veeravalli 2020, "Tightening mutual information-based bounds on generalization
        error".
    """
    given = checks.information(information_i, name="information_i", about="example")
    info = given.value
    if info.ndim != 1:
        raise ValueError(f"information_i has shape {info.shape}; give one number an example: (n,)")
    if not most > 0:
        raise ValueError(f"most={most} must be positive: the end of the domain of the cumulant")
    low = jnp.full_like(info, jnp.log(1e-9))
    value = jnp.mean(_infimum(info, cumulant, low, jnp.full_like(info, jnp.log(most))))
    return outcome.result(
        jnp.where(jnp.all(info == 0), 0.0, value),
        name="individual_cumulant",
        inputs=(given,),
        limit=jnp.inf,
        assumptions=("iid",),
        information=given._replace(value=jnp.mean(info)),
        std_error=jnp.where(jnp.all(given.error == 0), 0.0, jnp.nan),
    )


def _infimum(info: JaxArray, psi: Callable[[Any], Any], low: JaxArray, high: JaxArray) -> JaxArray:
    """Least (info + psi(s))/s, which falls and then rises in log s as psi is convex."""

    def height(u: JaxArray) -> JaxArray:
        s = jnp.exp(u)
        # By Jensen's inequality no cumulant of a centred loss is negative.
        rise = psi(s)
        return (info + jnp.where(rise >= 0, rise, jnp.nan)) / s

    def narrow(_, bracket):
        left, right = bracket
        width = _GOLDEN * (right - left)
        inner, outer = right - width, left + width
        below = height(inner) < height(outer)
        return jnp.where(below, left, inner), jnp.where(below, outer, right)

    left, right = jax.lax.fori_loop(0, _STEPS, narrow, (low, high))
    return height((left + right) / 2)

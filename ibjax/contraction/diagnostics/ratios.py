"""The share of information a layer keeps of one variable, with an interval."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from ibjax.contraction import checks
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, Numbers


class Ratio(NamedTuple):
    """An estimated ratio I(V; later) / I(V; earlier) with its interval.

    Attributes:
        value: the ratio of the two estimates; it belongs to the variable V alone and lies below
            the layer's coefficient, for exact informations.
        low: lower end of the interval.
        high: upper end.
        ok: False where the interval of the denominator includes 0: the ratio is then unbounded
            and must not be used; low and high are NaN.
    """

    value: Float[Array, "*batch"]
    low: Float[Array, "*batch"]
    high: Float[Array, "*batch"]
    ok: Bool[Array, "*batch"]


@enforced
def information_ratio(
    later: Estimate, earlier: Estimate, *, correlation: Numbers = 0.0, level: float = 0.95
) -> Ratio:
    """Divide two estimated informations, with Fieller's interval.

    The interval holds every r with ``|later - r earlier| <= z sd(later - r earlier)``.

    Ratios multiply back to the last information over the first: estimating them one by one adds
    nothing over estimating the last information directly.

    Args:
        later: estimate of I(V; T_l) with a standard error.
        earlier: estimate of I(V; T_{l-1}) with a standard error.
        correlation: of the two errors; 0 for estimates from different samples.
        level: coverage of the interval.

    Raises:
        ValueError: for a level or correlation out of range.

    Reference:
        Fieller 1954, "Some problems in interval estimation".
    """
    rho = checks.real("correlation", correlation, -1.0, 1.0)
    a, b = jnp.asarray(later.value), jnp.asarray(earlier.value)
    sa, sb = jnp.asarray(later.std_error), jnp.asarray(earlier.std_error)
    usable = jnp.asarray(later.ok) & jnp.asarray(earlier.ok)
    return _fieller(a, b, sa**2, sb**2, rho * sa * sb, _quantile(level), usable)


@enforced
def replicate_ratio(
    later: Float[Array, "*batch r"], earlier: Float[Array, "*batch r"], *, level: float = 0.95
) -> Ratio:
    """Divide the means of paired replicates of two informations, with Fieller's interval.

    Args:
        later: estimates of I(V; T_l), one a replicate (fold, seed or retraining), last axis.
        earlier: estimates of I(V; T_{l-1}) on the same replicates.
        level: coverage of the interval, Student t over the replicates.

    Raises:
        ValueError: for fewer than 3 replicates, shapes that differ or a level out of range.
    """
    a = checks.real("later", later, -jnp.inf, jnp.inf)
    b = checks.real("earlier", earlier, -jnp.inf, jnp.inf)
    if a.shape != b.shape or a.ndim < 1 or a.shape[-1] < 3:
        raise ValueError(f"later has shape {a.shape}, earlier {b.shape}; give 3 replicates or more")
    count = a.shape[-1]
    da, db = a - jnp.mean(a, -1, keepdims=True), b - jnp.mean(b, -1, keepdims=True)
    scale = count * (count - 1)
    va, vb, cov = (jnp.sum(x * y, -1) / scale for x, y in ((da, da), (db, db), (da, db)))
    return _fieller(
        jnp.mean(a, -1), jnp.mean(b, -1), va, vb, cov, _quantile(level, count - 1), True
    )


def _quantile(level: float, freedom: int | None = None) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level={level} must lie strictly between 0 and 1")
    from scipy.special import ndtri, stdtrit

    tail = (1 + level) / 2
    return float(ndtri(tail) if freedom is None else stdtrit(freedom, tail))


def _fieller(a, b, va, vb, cov, z: float, usable: Any) -> Ratio:
    value = a / jnp.where(b == 0, jnp.nan, b)
    leading = b**2 - z**2 * vb
    ok = usable & (leading > 0) & (b > 0)
    safe = jnp.where(ok, leading, 1.0)
    middle = a * b - z**2 * cov
    spread = jnp.sqrt(jnp.maximum(middle**2 - leading * (a**2 - z**2 * va), 0.0))
    low, high = (middle - spread) / safe, (middle + spread) / safe
    return Ratio(value, jnp.where(ok, low, jnp.nan), jnp.where(ok, high, jnp.nan), ok)

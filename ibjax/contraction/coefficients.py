"""Making and combining contraction coefficients."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ibjax.interface import Contraction
from ibjax.typing import Array, CoefficientKind, Scope

_KINDS: tuple[CoefficientKind, ...] = ("exact", "upper", "lower", "estimate")
_SCOPES: tuple[Scope, ...] = ("channel", "input", "instance")


def from_log1m(
    log1m: Array, kind: CoefficientKind = "exact", scope: Scope = "channel", reason: str = ""
) -> Contraction:
    """The coefficient whose log(1 - eta) is given: accurate where eta rounds to 1."""
    log1m = jnp.asarray(log1m)
    return Contraction(-jnp.expm1(log1m), log1m, kind, scope, reason)


def from_value(
    value: Array, kind: CoefficientKind = "exact", scope: Scope = "channel", reason: str = ""
) -> Contraction:
    """The coefficient eta itself."""
    value = jnp.asarray(value)
    return Contraction(value, jnp.log1p(-value), kind, scope, reason)


def concrete(value: object) -> bool:
    """Whether a number is known now, so that it can be checked."""
    return not isinstance(value, jax.core.Tracer)


def compose(coefficients: Sequence[Contraction]) -> Contraction:
    """The product bound of layers in series: eta(K_L o ... o K_1) <= prod eta(K_l).

    The kind is the weakest of the parts, and an exact one becomes upper, because the
    composition may contract more than the product says; two lower bounds give an estimate. The
    scope is the narrowest. ``log(1 - prod eta)`` stays accurate where every eta rounds to 1.

    Args:
        coefficients: one a layer, in any order; not empty.

    Returns:
        A `Contraction`; a single one is returned as it is.

    Raises:
        ValueError: for an empty sequence.
    """
    parts = list(coefficients)
    if not parts:
        raise ValueError("coefficients is empty; give at least one (a deterministic layer has 1)")
    if len(parts) == 1:
        return parts[0]
    log1m, log_eta = parts[0].log1m, log_value(parts[0])
    for part in parts[1:]:
        # 1 - ab = (1 - a) + a (1 - b), which keeps what is far below the rounding of 1
        log1m = jnp.logaddexp(log1m, log_eta + part.log1m)
        log_eta = log_eta + log_value(part)
    kinds = {c.kind for c in parts}
    kind: CoefficientKind = "upper"
    if kinds - {"exact", "upper"}:
        kind = "estimate" if "estimate" in kinds or len(parts) > 1 else "lower"
    scope = max((c.scope for c in parts), key=_SCOPES.index)
    reason = " then ".join(c.reason for c in parts if c.reason)
    return Contraction(jnp.exp(log_eta), log1m, kind, scope, reason)


def log_value(coefficient: Contraction) -> Array:
    """Log eta from log(1 - eta), accurate at both ends; -inf for eta = 0."""
    log1m = coefficient.log1m
    low = jnp.where(log1m == 0, -1.0, log1m)
    value = jnp.where(low < -0.6931, jnp.log1p(-jnp.exp(low)), jnp.log(-jnp.expm1(low)))
    return jnp.where(log1m == 0, -jnp.inf, value)

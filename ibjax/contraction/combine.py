"""Layers in a row, and copies side by side."""

from collections.abc import Sequence

import jax.numpy as jnp

from ibjax.contraction import checks
from ibjax.interface import Contraction
from ibjax.signatures import enforced
from ibjax.typing import CoefficientKind, Divergence, Numbers, Scope

_KINDS: tuple[CoefficientKind, ...] = ("exact", "upper", "estimate", "lower")
_SCOPES: tuple[Scope, ...] = ("channel", "input", "instance")
_DIVERGENCES: tuple[Divergence, ...] = ("tv", "kl", "chi2")
"""From the one whose coefficients hold for most others to the one for fewest."""


@enforced
def compose(coefficients: Sequence[Contraction]) -> Contraction:
    """Bound the coefficient of layers in a row by the product of theirs.

    ``eta(K_L ... K_1) <= prod_l eta(K_l)``

    log(1 - product) is a sum of positive terms, 1 - ab = (1 - a) + a (1 - b), so it stays exact
    where every factor rounds to 1. An empty list is the identity: 1.

    The factors must be about one divergence. Total variation gives way where it meets another:
    Dobrushin's coefficient bounds that of every f-divergence, so a product of both is one for KL;
    see `holds_for`.

    Args:
        coefficients: one a layer, first layer first; arrays broadcast.

    Returns:
        The product. Its kind and scope are the weakest among the factors; the product of two or
        more exact ones is an upper bound.

    Raises:
        ValueError: if an entry is no Contraction, or no divergence is common to all.

    Example:
        >>> from ibjax.contraction import erasure
        >>> whole = compose([erasure(0.5), erasure(0.2)])
        >>> round(float(whole.value), 6), whole.kind
        (0.4, 'upper')
    """
    layers = list(coefficients)
    for c in layers:
        if not isinstance(c, Contraction):
            raise ValueError(f"coefficients holds {c!r}; give a list of Contraction")
    if not layers:
        none = jnp.zeros(())
        return Contraction(none + 1, none - jnp.inf, "exact", "channel", "no layer", "tv")
    if len(layers) == 1:
        return layers[0]
    divergence = common(layers)
    log_eta = checks.log_value(layers[0])
    log1m = jnp.asarray(layers[0].log1m)
    for c in layers[1:]:
        log1m = _logaddexp(log1m, log_eta + jnp.asarray(c.log1m))
        log_eta = log_eta + checks.log_value(c)
    kind, scope = weakest(layers)
    kind = "upper" if kind == "exact" else kind
    reason = "; then ".join(c.reason for c in layers)
    return Contraction(jnp.exp(log_eta), log1m, kind, scope, f"product of {reason}", divergence)


def holds_for(coefficient: Contraction, divergence: Divergence) -> bool:
    """Whether an upper bound of this divergence's coefficient bounds that of another one.

    Over all inputs the coefficient of chi-square equals that of KL, and neither exceeds that of
    total variation. At one input law chi-square's is at most that of KL, and no more is known.
    That of one variable holds for its own divergence alone.
    """
    own, scope = coefficient.divergence, coefficient.scope
    if own == divergence:
        return True
    if scope == "channel":
        return divergence != "tv"
    return scope == "input" and (own, divergence) == ("kl", "chi2")


def common(coefficients: Sequence[Contraction]) -> Divergence:
    """The divergence for which every one of the coefficients holds, the most general of several.

    Raises:
        ValueError: if there is none.
    """
    for divergence in _DIVERGENCES:
        if all(holds_for(c, divergence) for c in coefficients):
            return divergence
    found = ", ".join(f"{c.divergence} of scope {c.scope}" for c in coefficients)
    raise ValueError(
        f"coefficients are about {found}, which have no divergence in common; give the channels' "
        "own (scope 'channel')"
    )


def weakest(layers: Sequence[Contraction]) -> tuple[CoefficientKind, Scope]:
    """The kind and the scope that the product of several may claim."""
    kinds: set[CoefficientKind] = {c.kind for c in layers}
    scopes: set[Scope] = {c.scope for c in layers}
    scope: Scope = next(s for s in _SCOPES[::-1] if s in scopes)
    if "lower" in kinds:
        # The product lies above the coefficient of the whole, this factor below its own.
        return "estimate", scope
    return next(k for k in _KINDS[::-1] if k in kinds), scope


@enforced
def nfold(coefficient: Contraction, n: Numbers) -> Contraction:
    """Bound the coefficient of n independent uses of a channel, for any joint input.

    ``eta(K^n) <= 1 - (1 - eta(K))^n``, attained by erasures

    For product input laws the coefficient of one use holds instead; hidden weights that depend
    on the sample make the inputs dependent. The same holds for total variation, where the overlap
    of two products is at least the product of the overlaps.

    Args:
        coefficient: of one use, channel scope.
        n: number of uses, a number or an array.

    Raises:
        ValueError: for a coefficient of another scope, or n < 1.

    Reference:
        Polyanskiy, Wu 2017, "Strong data-processing inequalities for channels and Bayesian
        networks"; re-derived here.
    """
    if coefficient.scope != "channel":
        raise ValueError(
            f"coefficient has scope {coefficient.scope!r}; one of scope 'channel' holds for the "
            "dependent inputs of several uses"
        )
    uses = checks.real("n", n, 1.0, jnp.inf)
    kind: CoefficientKind = "upper" if coefficient.kind == "exact" else coefficient.kind
    kind = "estimate" if kind == "lower" else kind
    log1m = uses * jnp.asarray(coefficient.log1m)
    reason = f"independent uses of {coefficient.reason}"
    return checks.from_log1m(log1m, reason, kind, divergence=coefficient.divergence)


def _logaddexp(a, b):
    """Log-sum of two with zero gradient where both are -inf."""
    none = (a == -jnp.inf) & (b == -jnp.inf)
    total = jnp.logaddexp(jnp.where(none, 0.0, a), jnp.where(none, 0.0, b))
    return jnp.where(none, -jnp.inf, total)

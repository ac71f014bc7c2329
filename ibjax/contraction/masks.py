"""Coefficients of layers that hide part of their input at random."""

from ibjax.arguments import host, numeric
from ibjax.contraction import checks
from ibjax.interface import Contraction
from ibjax.signatures import enforced
from ibjax.typing import JaxArray, Scalar


@enforced
def dropout(rate: Scalar, units: int) -> Contraction:
    """Bound the coefficient of dropping each unit independently.

    ``eta <= 1 - rate^units``: the output is the same for all inputs if every unit is dropped

    Attained by two inputs that differ, recognisably, in every unit. Units that are constant may
    be left out of `units`; for independent units the coefficient is 1 - rate, but hidden units
    are never independent. Channel dropout: count channels.

    Args:
        rate: probability that a unit is dropped.
        units: number of units.

    Returns:
        The coefficient; kind upper, scope channel, of total variation and so of KL.

    Raises:
        ValueError: for a rate outside [0, 1] or units < 1.

    Reference:
        He, Goldfeld 2025, "Information-theoretic generalization bounds for deep neural
        networks", uses a form of this type; derived here.
    """
    return _all_dropped(rate, units, "units", "dropout: all units are dropped with rate^units")


@enforced
def dropconnect(rate: Scalar, weights: int) -> Contraction:
    """Bound the coefficient of dropping each weight of a linear map independently.

    ``eta <= 1 - rate^weights``

    Args:
        rate: probability that a weight is dropped.
        weights: number of nonzero weights.

    Returns:
        The coefficient; kind upper, scope channel. Practically 1.

    Raises:
        ValueError: for a rate outside [0, 1] or weights < 1.
    """
    return _all_dropped(rate, weights, "weights", "DropConnect: no weight is left with rate^nnz")


@enforced
def subsampling(nothing_kept: Scalar) -> Contraction:
    """Compute the coefficient of revealing a random subset of the coordinates and which it is.

    ``eta = 1 - P(the subset is empty)``

    A subset of fixed size k >= 1 is never empty: eta = 1, however small k is.

    Args:
        nothing_kept: probability that no coordinate is revealed.

    Returns:
        The coefficient; exact where two inputs may differ in every coordinate.

    Raises:
        ValueError: for a number that is no probability.
    """
    empty = checks.real("nothing_kept", nothing_kept, 0.0, 1.0)
    reason = "random subset: an erasure if it is empty"
    return checks.from_value(1 - empty, empty, reason, divergence="tv")


def _all_dropped(rate: Scalar, count: int, name: str, reason: str) -> Contraction:
    p = checks.real("rate", rate, 0.0, 1.0)
    number: JaxArray = numeric(name, count).astype(p.dtype)
    if checks.concrete(count) and not (host(name, count) >= 1).all():
        raise ValueError(f"{name}={count!r} must be at least 1")
    # All outputs agree with probability rate^count: a bound on total variation, hence on KL.
    return checks.from_log1m(number * checks.log(p), reason, kind="upper", divergence="tv")

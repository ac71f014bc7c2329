"""Numbers that carry what they are: estimates, coefficients, bounds and their premises."""

from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp

from ibjax.typing import (
    Array,
    BiasDirection,
    Bool,
    BoundKind,
    CoefficientKind,
    Divergence,
    Float,
    Scope,
    Subject,
)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["value", "std_error", "ok", "confidence"],
    meta_fields=["bias", "name", "reason", "exact", "about", "candidates"],
)
@dataclass(frozen=True)
class Estimate:
    """A number estimated or computed from data, in nats unless its function says otherwise.

    Attributes:
        value: the raw estimate, never clamped.
        std_error: its standard error; 0 for an exact value, NaN where none is known.
        ok: False where the estimate must not be used (`reason` says what to look at).
        bias: the direction in which it errs on average.
        name: the estimator.
        reason: the static part of why `ok` may be False, and what to do about it.
        exact: computed from known laws or proved, not from a sample: with bias "none" the
            quantity itself, with "up" or "down" a proved bound on it. Only this makes a number
            fit for a certificate; a sample that shows no spread does not.
        confidence: probability with which a limit holds (bias "up" or "down" and `exact`); 1 for
            what is not left to chance.
        about: what a number of nats is the information about: the whole "sample", one "example",
            which member of a "pair" was used, as all of the run or as one "loss" shows it, all mask
            "bits" together, or the "posterior" of one sample; "other" for what is none of these.
            "" leaves it to the caller, as a bare number does.
        candidates: how many there are to choose from, in pairs, their losses and bits.
    """

    value: Float[Array, "*batch"]
    std_error: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(jnp.nan))
    ok: Bool[Array, "*batch"] = field(default_factory=lambda: jnp.array(True))
    bias: BiasDirection = "unknown"
    name: str = ""
    reason: str = ""
    exact: bool = False
    confidence: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(1.0))
    about: Subject = ""
    candidates: int = 2

    def __post_init__(self) -> None:
        _known_subject(self.about)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["value", "log1m"],
    meta_fields=["kind", "scope", "reason", "divergence"],
)
@dataclass(frozen=True)
class Contraction:
    """A strong data-processing coefficient in [0, 1].

    Attributes:
        value: the coefficient eta.
        log1m: log(1 - eta), accurate where eta rounds to 1.
        kind: exact, upper, lower or estimate. Only exact and upper enter a certificate.
        scope: channel (any input law), input (one input law) or instance (one variable).
        reason: where the number comes from, in words.
        divergence: for which divergence it holds: kl, tv (total variation) or chi2. The
            coefficient of total variation is at least that of any f-divergence.
    """

    value: Float[Array, "*batch"]
    log1m: Float[Array, "*batch"]
    kind: CoefficientKind = "exact"
    scope: Scope = "channel"
    reason: str = ""
    divergence: Divergence = "kl"


@dataclass(frozen=True)
class Assumption:
    """One premise of a theorem, in one sentence, with how it is checked."""

    name: str
    statement: str
    checked: str = "by the user"


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["value", "information", "std_error", "vacuous", "holds", "confidence"],
    meta_fields=["name", "kind", "assumptions", "note", "about", "candidates"],
)
@dataclass(frozen=True)
class BoundValue:
    """The value of a generalization bound and what kind of number it is.

    Attributes:
        value: the bound, in units of the loss; NaN where an input is missing or a checkable
            premise fails.
        information: the information it was computed from, in nats; NaN where it uses none.
        std_error: standard error of `value` where it is estimated; NaN where unknown.
        vacuous: True where the bound says no more than the range of the loss does.
        holds: whether the premises that can be computed hold.
        name: the registered name.
        kind: certificate, estimate or diagnostic.
        assumptions: names of the premises.
        note: one line for people, for instance why a published formula is no certificate.
        confidence: probability with which a certificate holds over what was sampled; 1 for one
            that nothing sampled enters.
        about: what `information` is about, as in `Estimate`. A bound that does not say it cannot
            be given as information to another one.
        candidates: as in `Estimate`.
    """

    value: Float[Array, "*batch"]
    information: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(jnp.nan))
    std_error: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(jnp.nan))
    vacuous: Bool[Array, "*batch"] = field(default_factory=lambda: jnp.array(False))
    holds: Bool[Array, "*batch"] = field(default_factory=lambda: jnp.array(True))
    name: str = ""
    kind: BoundKind = "diagnostic"
    assumptions: tuple[str, ...] = ()
    note: str = ""
    confidence: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(1.0))
    about: Subject = ""
    candidates: int = 2

    def __post_init__(self) -> None:
        _known_subject(self.about)


def _known_subject(about: Subject) -> None:
    if about not in get_args(Subject):
        raise ValueError(f"about={about!r} is no subject; choose one of {get_args(Subject)}")

"""Whether the information in a record is about what a theorem takes.

`Estimate` and `BoundValue` say what their nats are the information about, set by the function that
makes them. One step tells little about an example and n times as much about the sample, so that a
bound which takes the one must not be given the other: what is a certificate then would be too small
by the root of n. A bare number, or an `Estimate` that does not say, is the caller's claim.
"""

from typing import Any

import numpy as np

from ibjax.arguments import concrete
from ibjax.interface import BoundValue, Estimate
from ibjax.typing import Subject

WORDS: dict[Subject, str] = {
    "": "something that it does not say",
    "sample": "the whole sample, I(S; W)",
    "posterior": "the posterior of one sample, its divergence from the prior",
    "example": "single examples, a mean of I(Z_i; W) or the like",
    "pair": "single pairs or slots, which of their members was used",
    "loss": "single members of pairs, whether a loss on one shows that it was used",
    "bits": "all mask bits together, given the pairs",
    "other": "no information of the weights that bounds take",
}

_ENOUGH: dict[Subject, tuple[Subject, ...]] = {
    "sample": ("sample", "posterior"),
    "posterior": ("posterior",),
    "bits": ("bits", "sample", "posterior"),
    "example": ("example", "sample", "posterior"),
    "pair": ("pair", "bits", "example", "sample", "posterior"),
    "loss": ("loss", "pair", "bits", "example", "sample", "posterior"),
}
"""What may stand in for what, since it is not smaller; of a posterior that is so on average."""

_REMEDY: dict[tuple[Subject, Subject], str] = {
    ("example", "sample"): "; the sum over the n examples is, see sum_over_examples",
    ("pair", "bits"): "; fast_rate takes that of pairs",
    ("loss", "bits"): "; binary_js takes that of losses",
    ("loss", "pair"): '; binary_js, or fast_rate with form="js", takes that of losses',
}

COUNTED: tuple[Subject, ...] = ("pair", "loss", "bits")
"""Subjects that are as many things as there are candidates."""


def subject_of(n: Any, single: Subject = "example") -> Subject:
    """What a theorem about n examples takes: of one of them, what is about single ones.

    Args:
        n: number of examples, perhaps traced.
        single: "example", or "pair" for mask bits, which otherwise are all of them together.
    """
    if concrete(n) and np.ndim(n) == 0 and np.asarray(n) == 1:
        return single
    return "sample" if single == "example" else "bits"


def check_subject(
    argument: str, record: Estimate | BoundValue, needed: Subject, candidates: int = 2
) -> None:
    """Refuse the information of a record that is about less than what is needed.

    Args:
        argument: of the caller, for the message.
        record: which says what it is about.
        needed: what the theorem takes.
        candidates: how many it has to choose from; of K the gap is K/(K - 1) of a mean.

    Raises:
        ValueError: naming both.
    """
    given, name = record.about, record.name or f"a nameless {type(record).__name__}"
    if not given and isinstance(record, BoundValue):
        raise ValueError(
            f"{argument} comes from {name}, which does not say what its information is about: "
            "state about= where it is made, or give the number"
        )
    if given and given not in _ENOUGH[needed]:
        raise ValueError(
            f"{argument} comes from {name}, which is about {WORDS[given]}; this bound takes what "
            f"is about {WORDS[needed]}{_REMEDY.get((given, needed), '')}"
        )
    if given in COUNTED and needed in COUNTED and record.candidates != candidates:
        raise ValueError(
            f"{argument} comes from {name} for {record.candidates} candidates; this bound was "
            f"asked for {candidates}: give the same number"
        )

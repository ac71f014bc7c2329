"""What the information in a record is about: the sample, single examples, or mask bits.

`Estimate` and `BoundValue` carry a number of nats and the name of what computed it. One step tells
little about an example and n times as much about the sample, so that a bound which takes the one
must not be given the other: what is a certificate then would be too small by the root of n.
"""

import re
from typing import Any, Literal

import numpy as np

from ibjax.arguments import concrete

Subject = Literal["sample", "example", "pair", "bits"]

WORDS: dict[Subject, str] = {
    "sample": "the whole sample, I(S; W)",
    "example": "single examples, a mean of I(Z_i; W) or the like",
    "pair": "single pairs or slots, which of their members was used",
    "bits": "all mask bits together, given the pairs",
}

_NAMES: dict[Subject, str] = {
    "sample": "noisy_sgd_information sample_information_total xu_raginsky depth depth_published "
    "absolute_gap account_absolute_gap account_likely_gap noisy_sgd rate_distortion last_layer "
    "gaussian_divergence thermodynamic_divergence free_energy_divergence finite_width_divergence "
    "pac_bayes_kl free_energy thermodynamic gaussian_posterior two_stage",
    "example": "per_example_information measured_information sample_information "
    "decayed_information individual individual_kl individual_at_error individual_cumulant "
    "depth_examples account_gap account_test_error account_gap_at_error account_depth "
    "sample_gradient incoherence incoherence_kl noisy_sgd_kl path_prior negrea null_gradient "
    "li_luo_qiao wang_gao_calmon",
    "pair": "membership_information stepwise_information membership_upper membership_certificate "
    "trajectory_cmi trajectory_cmi_certified trajectory_pair trajectory_pair_certified "
    "test_prior haghifam k_ghost path_membership f_cmi f_cmi_published e_cmi ld_cmi ld_cmi_pair "
    "ld_cmi_conservative single_loss cmi_limit per_class information_profile "
    "f_information_mutual f_information_mutual_tv f_information_chi2 f_information_hellinger "
    "f_information_tv f_information_js leave_one_out leave_one_out_interpolation single_example "
    "fast_rate_pair fast_rate_kl_half fast_rate_linear fast_rate_basic fast_rate_js "
    "interpolation",
    "bits": "steinke_zakynthinou",
}

SUBJECTS: dict[str, Subject] = {
    name: subject for subject, names in _NAMES.items() for name in names.split()
}
"""By the names of the library's own records; others say nothing of what they are about."""

_ENOUGH: dict[Subject, tuple[Subject, ...]] = {
    "sample": ("sample",),
    "bits": ("bits", "sample"),
    "example": ("example", "sample"),
    "pair": ("pair", "bits", "example", "sample"),
}
"""What may stand in for what, since it is not smaller."""


_OF = re.compile(r"_of_(\d+)$")
_TWO = (
    "membership_information membership_upper stepwise_information membership_certificate haghifam "
    "trajectory_cmi trajectory_cmi_certified trajectory_pair trajectory_pair_certified test_prior"
).split()


def of_candidates(name: str, candidates: int) -> str:
    """The name of a record about which of so many candidates a slot holds; of two it is bare."""
    return name if candidates == 2 else f"{name}_of_{candidates}"


def check_candidates(argument: str, name: str, candidates: int) -> None:
    """Refuse information about another number of candidates: the gap is K/(K - 1) of a mean.

    Raises:
        ValueError: naming both numbers.
    """
    found = _OF.search(name)
    if _OF.sub("", name) not in _TWO:
        return
    known = int(found[1]) if found else 2
    if known != candidates:
        raise ValueError(
            f"{argument} comes from {_OF.sub('', name)} for {known} candidates; this bound was "
            f"asked for {candidates}: give the same number"
        )


def subject_of(n: Any, single: Subject = "example") -> Subject:
    """What a theorem about n examples takes: of one of them, what is about single ones.

    Args:
        n: number of examples, perhaps traced.
        single: "example", or "pair" for mask bits, which otherwise are all of them together.
    """
    if concrete(n) and np.ndim(n) == 0 and np.asarray(n) == 1:
        return single
    return "sample" if single == "example" else "bits"


def check_subject(argument: str, name: str, needed: Subject) -> None:
    """Refuse the information of a record that is about less than what is needed.

    Args:
        argument: of the caller, for the message.
        name: of the record.
        needed: what the theorem takes.

    Raises:
        ValueError: naming both.
    """
    given = SUBJECTS.get(_OF.sub("", name))
    if given is None or given in _ENOUGH[needed]:
        return
    remedy = ""
    if (given, needed) == ("example", "sample"):
        remedy = "; the sum over the n examples is, as a number or under a name of its own"
    raise ValueError(
        f"{argument} comes from {name}, which is about {WORDS[given]}; this bound takes what is "
        f"about {WORDS[needed]}{remedy}"
    )

"""Bounds along the path of noisy SGD: steps, trajectories, and the slots followed on them."""

from ibjax.bounds.paths.decayed import decayed_information
from ibjax.bounds.paths.disjoint import gaussian_contraction, wang_gao_calmon
from ibjax.bounds.paths.membership import (
    haghifam,
    k_ghost,
    log_likelihood_ratios,
    membership_information,
    stepwise_information,
)
from ibjax.bounds.paths.noisy_sgd import noisy_sgd_information, sample_information
from ibjax.bounds.paths.slots import membership_upper, path_membership, path_prior
from ibjax.bounds.paths.trajectory import li_luo_qiao, negrea, null_gradient, virtual_noise

__all__ = [
    "decayed_information",
    "gaussian_contraction",
    "haghifam",
    "k_ghost",
    "li_luo_qiao",
    "log_likelihood_ratios",
    "membership_information",
    "membership_upper",
    "negrea",
    "noisy_sgd_information",
    "null_gradient",
    "path_membership",
    "path_prior",
    "sample_information",
    "stepwise_information",
    "virtual_noise",
    "wang_gao_calmon",
]

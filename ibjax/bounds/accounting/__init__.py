"""The information accountant: what a noisy-SGD run can reveal, by how its batches are drawn."""

from ibjax.bounds.accounting.contracted import joint_depth
from ibjax.bounds.accounting.deviation import exceedance_probability, likely_gap
from ibjax.bounds.accounting.epochs import bins_epoch, shuffled_epoch
from ibjax.bounds.accounting.information import per_example_information, sample_information_total
from ibjax.bounds.accounting.measured import hidden_share, measured_information
from ibjax.bounds.accounting.mixtures import mixture_kl
from ibjax.bounds.accounting.monte_carlo import (
    mean_upper_limit,
    membership_certificate,
    membership_gain,
)
from ibjax.bounds.accounting.path_density import PathTerms, path_certificate, path_terms
from ibjax.bounds.accounting.subsets import fixed_step
from ibjax.bounds.accounting.summary import Account, account
from ibjax.bounds.accounting.survival import (
    SurvivalSplit,
    given_survival,
    survival_limit,
    survival_split,
)

__all__ = [
    "Account",
    "PathTerms",
    "SurvivalSplit",
    "account",
    "bins_epoch",
    "exceedance_probability",
    "fixed_step",
    "given_survival",
    "hidden_share",
    "joint_depth",
    "likely_gap",
    "mean_upper_limit",
    "measured_information",
    "membership_certificate",
    "membership_gain",
    "mixture_kl",
    "path_certificate",
    "path_terms",
    "per_example_information",
    "sample_information_total",
    "shuffled_epoch",
    "survival_limit",
    "survival_split",
]

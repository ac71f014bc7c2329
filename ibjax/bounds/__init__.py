"""Generalization bounds: arithmetic on information, losses and masks, and their inversions."""

from ibjax.bounds import invert
from ibjax.bounds.accounting import (
    Account,
    account,
    bins_epoch,
    exceedance_probability,
    fixed_step,
    given_survival,
    joint_depth,
    likely_gap,
    mean_upper_limit,
    membership_certificate,
    membership_gain,
    mixture_kl,
    path_certificate,
    path_terms,
    per_example_information,
    sample_information_total,
    shuffled_epoch,
    survival_limit,
    survival_split,
)
from ibjax.bounds.evidence.arrays import from_arrays
from ibjax.bounds.evidence.assumptions import assumptions
from ibjax.bounds.evidence.evaluation import evaluate, row_nulls
from ibjax.bounds.evidence.floor import measured_floor
from ibjax.bounds.evidence.moment import at, gap, mean_over_replicas, replica_errors
from ibjax.bounds.evidence.registry import Bound, registry
from ibjax.bounds.falsification import falsify
from ibjax.bounds.layers.depth import depth, sample_complexity
from ibjax.bounds.layers.examplewise import depth_examples
from ibjax.bounds.layers.floor import depth_floor
from ibjax.bounds.layers.funnel import funnel, funnel_layers, tail_lipschitz
from ibjax.bounds.layers.label_term import label_deviation
from ibjax.bounds.layers.last_layer import last_layer
from ibjax.bounds.layers.two_stage import two_stage
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
from ibjax.bounds.posteriors.gaussian import gaussian_posterior
from ibjax.bounds.posteriors.occam import code_length, integer_bits, occam
from ibjax.bounds.posteriors.pac_bayes import (
    free_energy,
    free_energy_divergence,
    gaussian_divergence,
    pac_bayes_kl,
    thermodynamic,
    thermodynamic_divergence,
)
from ibjax.bounds.stability.coupled_flips import flip_masks, flip_stability
from ibjax.bounds.stability.plans import gaussian_line, sliced_wasserstein, wasserstein
from ibjax.bounds.stability.replacement import replace_one
from ibjax.bounds.stability.transport import (
    algorithmic_transport,
    depth_tv,
    variation_from_information,
)
from ibjax.bounds.supersamples import plugin
from ibjax.bounds.supersamples.by_class import per_class
from ibjax.bounds.supersamples.cmi import e_cmi, f_cmi, ld_cmi, single_loss
from ibjax.bounds.supersamples.divergences import f_information
from ibjax.bounds.supersamples.examples import remembered
from ibjax.bounds.supersamples.fast_rates import (
    binary_js,
    fast_rate,
    interpolation,
    steinke_zakynthinou,
)
from ibjax.bounds.supersamples.leave_one_out import leave_one_out
from ibjax.bounds.supersamples.limits import cmi_limit, masks_needed
from ibjax.bounds.supersamples.membership_matrix import from_membership
from ibjax.bounds.supersamples.nulls import Null, null, verdict
from ibjax.bounds.supersamples.plugin import cluster_interval, mask_interval
from ibjax.bounds.supersamples.profile import information_profile
from ibjax.bounds.weights.classic import individual, random_subset, xu_raginsky
from ibjax.bounds.weights.compressed import rate_distortion, sliced_weights, smoothed_information
from ibjax.bounds.weights.cumulants import individual_cumulant
from ibjax.bounds.weights.deviations import absolute_gap, deviation_probability
from ibjax.bounds.weights.hierarchical import binary_gaussian, finite_weights, gibbs

__all__ = [
    "Account",
    "Bound",
    "Null",
    "absolute_gap",
    "account",
    "algorithmic_transport",
    "assumptions",
    "at",
    "binary_gaussian",
    "binary_js",
    "bins_epoch",
    "cluster_interval",
    "cmi_limit",
    "code_length",
    "decayed_information",
    "depth",
    "depth_examples",
    "depth_floor",
    "depth_tv",
    "deviation_probability",
    "e_cmi",
    "evaluate",
    "exceedance_probability",
    "f_cmi",
    "f_information",
    "falsify",
    "fast_rate",
    "finite_weights",
    "fixed_step",
    "flip_masks",
    "flip_stability",
    "free_energy",
    "free_energy_divergence",
    "from_arrays",
    "from_membership",
    "funnel",
    "funnel_layers",
    "gap",
    "gaussian_contraction",
    "gaussian_divergence",
    "gaussian_line",
    "gaussian_posterior",
    "gibbs",
    "given_survival",
    "haghifam",
    "individual",
    "individual_cumulant",
    "information_profile",
    "integer_bits",
    "interpolation",
    "invert",
    "joint_depth",
    "k_ghost",
    "label_deviation",
    "last_layer",
    "ld_cmi",
    "leave_one_out",
    "li_luo_qiao",
    "likely_gap",
    "log_likelihood_ratios",
    "mask_interval",
    "masks_needed",
    "mean_over_replicas",
    "mean_upper_limit",
    "measured_floor",
    "membership_certificate",
    "membership_gain",
    "membership_information",
    "membership_upper",
    "mixture_kl",
    "negrea",
    "noisy_sgd_information",
    "null",
    "null_gradient",
    "occam",
    "pac_bayes_kl",
    "path_certificate",
    "path_membership",
    "path_prior",
    "path_terms",
    "per_class",
    "per_example_information",
    "plugin",
    "random_subset",
    "rate_distortion",
    "registry",
    "remembered",
    "replace_one",
    "replica_errors",
    "row_nulls",
    "sample_complexity",
    "sample_information",
    "sample_information_total",
    "shuffled_epoch",
    "single_loss",
    "sliced_wasserstein",
    "sliced_weights",
    "smoothed_information",
    "steinke_zakynthinou",
    "stepwise_information",
    "survival_limit",
    "survival_split",
    "tail_lipschitz",
    "thermodynamic",
    "thermodynamic_divergence",
    "two_stage",
    "variation_from_information",
    "verdict",
    "virtual_noise",
    "wang_gao_calmon",
    "wasserstein",
    "xu_raginsky",
]

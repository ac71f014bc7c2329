"""Estimators of mutual information: arrays in, nats out, each with how it errs."""

from ibjax.mi.consistency import SelfConsistency, self_consistency
from ibjax.mi.contrastive import ConditionalBounds, known_conditional
from ibjax.mi.copula import cca, gaussian_copula
from ibjax.mi.entropies import (
    conditional_discrete,
    conditional_entropy,
    entropy,
    gaussian_entropy,
    knn_entropy,
)
from ibjax.mi.exact import discrete, gaussian, gaussian_conditional, gaussian_mixture
from ibjax.mi.histogram import binned, plug_in
from ibjax.mi.k_slices import k_sliced
from ibjax.mi.kernel_dependence import HsicTest, cka, hsic, hsic_test
from ibjax.mi.knn import conditional_ksg, ksg
from ibjax.mi.latent_codes import latent
from ibjax.mi.matrix_entropy import (
    RenyiInformation,
    median_width,
    renyi_entropy,
    renyi_information,
    renyi_total_correlation,
    silverman_width,
)
from ibjax.mi.mixed_samples import mixed, ross
from ibjax.mi.noisy import MixtureBounds, kde_bounds, sample_propagation
from ibjax.mi.objectives import Objective, objectives
from ibjax.mi.registry import Estimator, all_applicable, estimators
from ibjax.mi.resampling import Null, permutation, with_std_error
from ibjax.mi.slices import max_sliced, sliced
from ibjax.mi.variational import neural

__all__ = [
    "ConditionalBounds",
    "Estimator",
    "HsicTest",
    "MixtureBounds",
    "Null",
    "Objective",
    "RenyiInformation",
    "SelfConsistency",
    "all_applicable",
    "binned",
    "cca",
    "cka",
    "conditional_discrete",
    "conditional_entropy",
    "conditional_ksg",
    "discrete",
    "entropy",
    "estimators",
    "gaussian",
    "gaussian_conditional",
    "gaussian_copula",
    "gaussian_entropy",
    "gaussian_mixture",
    "hsic",
    "hsic_test",
    "k_sliced",
    "kde_bounds",
    "knn_entropy",
    "known_conditional",
    "ksg",
    "latent",
    "max_sliced",
    "median_width",
    "mixed",
    "neural",
    "objectives",
    "permutation",
    "plug_in",
    "renyi_entropy",
    "renyi_information",
    "renyi_total_correlation",
    "ross",
    "sample_propagation",
    "self_consistency",
    "silverman_width",
    "sliced",
    "with_std_error",
]

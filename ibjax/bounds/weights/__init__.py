"""Bounds from the information between the sample and the weights."""

from ibjax.bounds.weights.classic import individual, random_subset, sum_over_examples, xu_raginsky
from ibjax.bounds.weights.compressed import rate_distortion, sliced_weights, smoothed_information
from ibjax.bounds.weights.cumulants import individual_cumulant
from ibjax.bounds.weights.deviations import absolute_gap, deviation_probability
from ibjax.bounds.weights.hierarchical import binary_gaussian, finite_weights, gibbs

__all__ = [
    "absolute_gap",
    "binary_gaussian",
    "deviation_probability",
    "finite_weights",
    "gibbs",
    "individual",
    "individual_cumulant",
    "random_subset",
    "rate_distortion",
    "sliced_weights",
    "smoothed_information",
    "sum_over_examples",
    "xu_raginsky",
]

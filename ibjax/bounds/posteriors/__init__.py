"""PAC-Bayes bounds of posteriors over the weights, and code lengths."""

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

__all__ = [
    "code_length",
    "free_energy",
    "free_energy_divergence",
    "gaussian_divergence",
    "gaussian_posterior",
    "integer_bits",
    "occam",
    "pac_bayes_kl",
    "thermodynamic",
    "thermodynamic_divergence",
]

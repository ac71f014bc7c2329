"""Strong data-processing coefficients: how much information a noisy layer must lose."""

from ibjax.contraction import diagnostics
from ibjax.contraction.catalogue import (
    binary,
    erasure,
    poisson,
    randomized_response,
    stochastic_unit,
    symmetric,
    z_channel,
)
from ibjax.contraction.combine import compose, nfold
from ibjax.contraction.discrete import chi2, kl, tv
from ibjax.contraction.effective import EffectiveDepth, effective_depth
from ibjax.contraction.layers import network
from ibjax.contraction.masks import dropconnect, dropout, subsampling
from ibjax.contraction.noise import (
    gaussian_noise,
    gaussian_noise_tv,
    jointly_gaussian,
    laplace_noise,
    uniform_noise,
)
from ibjax.contraction.norms import conv_norm, dense_norm, mapped_diameter, pool_norm
from ibjax.contraction.one_input import kl_for_input, kl_for_input_upper

__all__ = [
    "EffectiveDepth",
    "binary",
    "chi2",
    "compose",
    "conv_norm",
    "dense_norm",
    "diagnostics",
    "dropconnect",
    "dropout",
    "effective_depth",
    "erasure",
    "gaussian_noise",
    "gaussian_noise_tv",
    "jointly_gaussian",
    "kl",
    "kl_for_input",
    "kl_for_input_upper",
    "laplace_noise",
    "mapped_diameter",
    "network",
    "nfold",
    "poisson",
    "pool_norm",
    "randomized_response",
    "stochastic_unit",
    "subsampling",
    "symmetric",
    "tv",
    "uniform_noise",
    "z_channel",
]

"""Strong data-processing coefficients: how much information a noisy layer must lose."""

from ibjax.contraction.catalogue import binary as binary
from ibjax.contraction.catalogue import erasure as erasure
from ibjax.contraction.catalogue import poisson as poisson
from ibjax.contraction.catalogue import randomized_response as randomized_response
from ibjax.contraction.catalogue import stochastic_unit as stochastic_unit
from ibjax.contraction.catalogue import symmetric as symmetric
from ibjax.contraction.catalogue import z_channel as z_channel
from ibjax.contraction.combine import compose as compose
from ibjax.contraction.combine import nfold as nfold
from ibjax.contraction.discrete import chi2 as chi2
from ibjax.contraction.discrete import kl as kl
from ibjax.contraction.discrete import tv as tv
from ibjax.contraction.layers import network as network
from ibjax.contraction.masks import dropconnect as dropconnect
from ibjax.contraction.masks import dropout as dropout
from ibjax.contraction.masks import subsampling as subsampling
from ibjax.contraction.noise import gaussian_noise as gaussian_noise
from ibjax.contraction.noise import gaussian_noise_tv as gaussian_noise_tv
from ibjax.contraction.noise import jointly_gaussian as jointly_gaussian
from ibjax.contraction.noise import laplace_noise as laplace_noise
from ibjax.contraction.noise import uniform_noise as uniform_noise
from ibjax.contraction.norms import conv_norm as conv_norm
from ibjax.contraction.norms import dense_norm as dense_norm
from ibjax.contraction.norms import mapped_diameter as mapped_diameter

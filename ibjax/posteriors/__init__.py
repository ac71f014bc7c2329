"""Certificates for people who train without noise: learnt posteriors and short descriptions."""

from ibjax.posteriors.backprop import LearntPosterior as LearntPosterior
from ibjax.posteriors.backprop import learn_posterior as learn_posterior
from ibjax.posteriors.subspace import Compressed as Compressed
from ibjax.posteriors.subspace import compress as compress
from ibjax.posteriors.subspace import decode as decode

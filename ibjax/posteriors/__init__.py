"""Certificates for people who train without noise: learnt posteriors and short descriptions."""

from ibjax.posteriors.backprop import LearntPosterior, draw, learn_posterior
from ibjax.posteriors.subspace import Compressed, compress, decode

__all__ = ["Compressed", "LearntPosterior", "compress", "decode", "draw", "learn_posterior"]

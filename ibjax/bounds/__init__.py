"""Generalization bounds: arithmetic on information, losses and masks, and their inversions."""

from ibjax.bounds import invert as invert
from ibjax.bounds.classic import individual as individual
from ibjax.bounds.classic import xu_raginsky as xu_raginsky
from ibjax.bounds.noisy_sgd import noisy_sgd_information as noisy_sgd_information
from ibjax.bounds.noisy_sgd import sample_information as sample_information

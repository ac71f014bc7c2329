"""The nouns of ibjax: what one stage hands to the next. Imports nothing of ibjax but `typing`.

Arrays are the data of each pytree; names, kinds and scopes are static metadata, so that they
survive `jit` and `vmap` and can never be averaged with the numbers they describe.
"""

from ibjax.interface.data import Dataset, Supersample
from ibjax.interface.evidence import BATCHINGS, Evidence, Moment
from ibjax.interface.networks import BatchStatistics, Hyper, LayerFacts, Network
from ibjax.interface.values import Assumption, BoundValue, Contraction, Estimate

__all__ = [
    "BATCHINGS",
    "Assumption",
    "BatchStatistics",
    "BoundValue",
    "Contraction",
    "Dataset",
    "Estimate",
    "Evidence",
    "Hyper",
    "LayerFacts",
    "Moment",
    "Network",
    "Supersample",
]

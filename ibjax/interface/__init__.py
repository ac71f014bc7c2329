"""The nouns of ibjax: what one stage hands to the next. Imports nothing of ibjax but `typing`.

Arrays are the data of each pytree; names, kinds and scopes are static metadata, so that they
survive `jit` and `vmap` and can never be averaged with the numbers they describe.
"""

from ibjax.interface.data import Dataset as Dataset
from ibjax.interface.data import Supersample as Supersample
from ibjax.interface.evidence import BATCHINGS as BATCHINGS
from ibjax.interface.evidence import Evidence as Evidence
from ibjax.interface.evidence import Moment as Moment
from ibjax.interface.networks import BatchStatistics as BatchStatistics
from ibjax.interface.networks import Hyper as Hyper
from ibjax.interface.networks import LayerFacts as LayerFacts
from ibjax.interface.networks import Network as Network
from ibjax.interface.values import Assumption as Assumption
from ibjax.interface.values import BoundValue as BoundValue
from ibjax.interface.values import Contraction as Contraction
from ibjax.interface.values import Estimate as Estimate

"""Generalization bounds: arithmetic on information, losses and masks, and their inversions.

The public names of each room are listed in the room.
"""

from ibjax.bounds import (
    accounting,
    evidence,
    invert,
    layers,
    paths,
    posteriors,
    stability,
    supersamples,
    weights,
)
from ibjax.bounds.accounting import *
from ibjax.bounds.evidence import *
from ibjax.bounds.falsification import falsify
from ibjax.bounds.layers import *
from ibjax.bounds.paths import *
from ibjax.bounds.posteriors import *
from ibjax.bounds.stability import *
from ibjax.bounds.supersamples import *
from ibjax.bounds.weights import *

__all__ = ["falsify", "invert"]
__all__ += accounting.__all__
__all__ += evidence.__all__
__all__ += layers.__all__
__all__ += paths.__all__
__all__ += posteriors.__all__
__all__ += stability.__all__
__all__ += supersamples.__all__
__all__ += weights.__all__

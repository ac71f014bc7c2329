"""Maximum entropy: how strictly the softmax of a layer applies the principle, and why not."""

from ibjax.maxent.correlation import binarise as binarise
from ibjax.maxent.correlation import permutation_corrected as permutation_corrected
from ibjax.maxent.correlation import permute_within as permute_within
from ibjax.maxent.correlation import total_correlation as total_correlation
from ibjax.maxent.duality import Solution as Solution
from ibjax.maxent.duality import drop_features as drop_features
from ibjax.maxent.duality import law as law
from ibjax.maxent.duality import solve as solve
from ibjax.maxent.exact import Decomposition as Decomposition
from ibjax.maxent.exact import decompose as decompose
from ibjax.maxent.identity import Moments as Moments
from ibjax.maxent.identity import NormalisedResidual as NormalisedResidual
from ibjax.maxent.identity import joint_table as joint_table
from ibjax.maxent.identity import moment_residual as moment_residual
from ibjax.maxent.identity import moments as moments
from ibjax.maxent.measures import conditions as conditions
from ibjax.maxent.measures import layers as layers
from ibjax.maxent.probes import Probes as Probes
from ibjax.maxent.probes import probe as probe
from ibjax.maxent.recursion import Chain as Chain
from ibjax.maxent.recursion import Units as Units
from ibjax.maxent.recursion import chain as chain
from ibjax.maxent.recursion import units as units
from ibjax.maxent.replicated import across as across
from ibjax.maxent.replicated import columns as columns
from ibjax.maxent.residuals import Conditions as Conditions

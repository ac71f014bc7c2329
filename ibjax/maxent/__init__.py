"""Maximum entropy: how strictly the softmax of a layer applies the principle, and why not."""

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

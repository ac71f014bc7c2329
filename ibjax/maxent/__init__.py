"""Maximum entropy: how strictly the softmax of a layer applies the principle, and why not."""

from ibjax.maxent.correlation import (
    binarise,
    permutation_corrected,
    permute_within,
    total_correlation,
)
from ibjax.maxent.duality import Solution, drop_features, law, solve
from ibjax.maxent.exact import Decomposition, decompose
from ibjax.maxent.identity import Moments, NormalisedResidual, joint_table, moment_residual, moments
from ibjax.maxent.measures import conditions, layers
from ibjax.maxent.neural_collapse import FORMULAS, collapse, collapse_columns, collapse_errors
from ibjax.maxent.probes import Probes, probe
from ibjax.maxent.recursion import Chain, Units, chain, units
from ibjax.maxent.replicated import across, columns
from ibjax.maxent.residuals import Conditions
from ibjax.maxent.scatter import Collapse

__all__ = [
    "FORMULAS",
    "Chain",
    "Collapse",
    "Conditions",
    "Decomposition",
    "Moments",
    "NormalisedResidual",
    "Probes",
    "Solution",
    "Units",
    "across",
    "binarise",
    "chain",
    "collapse",
    "collapse_columns",
    "collapse_errors",
    "columns",
    "conditions",
    "decompose",
    "drop_features",
    "joint_table",
    "law",
    "layers",
    "moment_residual",
    "moments",
    "permutation_corrected",
    "permute_within",
    "probe",
    "solve",
    "total_correlation",
    "units",
]

"""The information bottleneck, its dual, the Gaussian case, and the information plane."""

from ibjax.bottleneck.annealing import anneal
from ibjax.bottleneck.coordinates import plane
from ibjax.bottleneck.critical import critical_beta, global_critical_beta, split_eigenvalues
from ibjax.bottleneck.deep import Variational, VariationalBottleneck, label_law, variational
from ibjax.bottleneck.discrete import Bottleneck, curve, dual_ib, generalised_ib, ib
from ibjax.bottleneck.drawing import draw
from ibjax.bottleneck.exponential import Clusters, dual_ib_statistics
from ibjax.bottleneck.hard import deterministic_ib
from ibjax.bottleneck.icosahedron import symmetric_rule, symmetric_rule_joint
from ibjax.bottleneck.jointly_gaussian import GaussianBottleneck, gaussian_ib
from ibjax.bottleneck.record import Plane
from ibjax.bottleneck.squared import squared_ib
from ibjax.bottleneck.sweeps import Form

__all__ = [
    "Bottleneck",
    "Clusters",
    "Form",
    "GaussianBottleneck",
    "Plane",
    "Variational",
    "VariationalBottleneck",
    "anneal",
    "critical_beta",
    "curve",
    "deterministic_ib",
    "draw",
    "dual_ib",
    "dual_ib_statistics",
    "gaussian_ib",
    "generalised_ib",
    "global_critical_beta",
    "ib",
    "label_law",
    "plane",
    "split_eigenvalues",
    "squared_ib",
    "symmetric_rule",
    "symmetric_rule_joint",
    "variational",
]

"""The information bottleneck, its dual, the Gaussian case, and the information plane."""

from ibjax.bottleneck.annealing import anneal as anneal
from ibjax.bottleneck.coordinates import Plane as Plane
from ibjax.bottleneck.coordinates import plane as plane
from ibjax.bottleneck.critical import critical_beta as critical_beta
from ibjax.bottleneck.critical import global_critical_beta as global_critical_beta
from ibjax.bottleneck.critical import split_eigenvalues as split_eigenvalues
from ibjax.bottleneck.deep import Variational as Variational
from ibjax.bottleneck.deep import VariationalBottleneck as VariationalBottleneck
from ibjax.bottleneck.deep import label_law as label_law
from ibjax.bottleneck.deep import variational as variational
from ibjax.bottleneck.discrete import Bottleneck as Bottleneck
from ibjax.bottleneck.discrete import curve as curve
from ibjax.bottleneck.discrete import dual_ib as dual_ib
from ibjax.bottleneck.discrete import generalised_ib as generalised_ib
from ibjax.bottleneck.discrete import ib as ib
from ibjax.bottleneck.drawing import draw as draw
from ibjax.bottleneck.exponential import Clusters as Clusters
from ibjax.bottleneck.exponential import dual_ib_statistics as dual_ib_statistics
from ibjax.bottleneck.hard import deterministic_ib as deterministic_ib
from ibjax.bottleneck.icosahedron import symmetric_rule as symmetric_rule
from ibjax.bottleneck.icosahedron import symmetric_rule_joint as symmetric_rule_joint
from ibjax.bottleneck.jointly_gaussian import GaussianBottleneck as GaussianBottleneck
from ibjax.bottleneck.jointly_gaussian import gaussian_ib as gaussian_ib
from ibjax.bottleneck.squared import squared_ib as squared_ib
from ibjax.bottleneck.sweeps import Form as Form

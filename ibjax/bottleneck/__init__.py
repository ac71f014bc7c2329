"""The information bottleneck, its dual, and the Gaussian case."""

from ibjax.bottleneck.critical import critical_beta as critical_beta
from ibjax.bottleneck.discrete import Bottleneck as Bottleneck
from ibjax.bottleneck.discrete import curve as curve
from ibjax.bottleneck.discrete import dual_ib as dual_ib
from ibjax.bottleneck.discrete import ib as ib
from ibjax.bottleneck.jointly_gaussian import GaussianBottleneck as GaussianBottleneck
from ibjax.bottleneck.jointly_gaussian import gaussian_ib as gaussian_ib

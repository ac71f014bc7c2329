"""What data say about contraction: estimates from below the coefficients, never certificates.

Every number here sits under the coefficient that a theorem needs: estimated maximal correlation
<= chi-square coefficient of the input law <= KL coefficient of the input law <= that of the
channel; and the ratio of two informations belongs to one variable alone. They come as
`Estimate`, which no certified bound accepts as a coefficient.
"""

from ibjax.contraction.diagnostics.correlation import canonical_correlation as canonical_correlation
from ibjax.contraction.diagnostics.correlation import kernel_correlation as kernel_correlation
from ibjax.contraction.diagnostics.ratios import Ratio as Ratio
from ibjax.contraction.diagnostics.ratios import information_ratio as information_ratio
from ibjax.contraction.diagnostics.ratios import replicate_ratio as replicate_ratio
from ibjax.contraction.diagnostics.soft_hgr import Features as Features
from ibjax.contraction.diagnostics.soft_hgr import soft_hgr as soft_hgr
from ibjax.contraction.diagnostics.tables import Counted as Counted
from ibjax.contraction.diagnostics.tables import chi2_information as chi2_information
from ibjax.contraction.diagnostics.tables import from_counts as from_counts
from ibjax.contraction.diagnostics.tables import h_score as h_score

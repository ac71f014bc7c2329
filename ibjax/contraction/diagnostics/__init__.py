"""What data say about contraction: estimates from below the coefficients, never certificates.

Every number here sits under the coefficient that a theorem needs: estimated maximal correlation
<= chi-square coefficient of the input law <= KL coefficient of the input law <= that of the
channel; and the ratio of two informations belongs to one variable alone. They come as
`Estimate`, which no certified bound accepts as a coefficient.
"""

from ibjax.contraction.diagnostics.correlation import canonical_correlation, kernel_correlation
from ibjax.contraction.diagnostics.ratios import Ratio, information_ratio, replicate_ratio
from ibjax.contraction.diagnostics.soft_hgr import Features, soft_hgr
from ibjax.contraction.diagnostics.tables import Counted, chi2_information, from_counts, h_score

__all__ = [
    "Counted",
    "Features",
    "Ratio",
    "canonical_correlation",
    "chi2_information",
    "from_counts",
    "h_score",
    "information_ratio",
    "kernel_correlation",
    "replicate_ratio",
    "soft_hgr",
]

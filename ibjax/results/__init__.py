"""Results of a sweep as `xarray.Dataset`s: measured, put together, on disk and back.

xarray and pandas are imported where they are first used: in a sweep, beside a training.
"""

from ibjax.results.cells import fingerprint, pool_digest, provenance, recorded, to_dataset
from ibjax.results.comparison import compared
from ibjax.results.grid import axes, combine, from_evidence
from ibjax.results.layout import COLLAPSE, CONDITIONS, FORMAT
from ibjax.results.store import read, tree, write
from ibjax.results.taken import cell, evidence

__all__ = [
    "COLLAPSE",
    "CONDITIONS",
    "FORMAT",
    "axes",
    "cell",
    "combine",
    "compared",
    "evidence",
    "fingerprint",
    "from_evidence",
    "pool_digest",
    "provenance",
    "read",
    "recorded",
    "to_dataset",
    "tree",
    "write",
]

"""Results of a sweep as `xarray.Dataset`s: measured, put together, on disk and back."""

from ibjax.environment import describe as environment
from ibjax.environment import version as version
from ibjax.results.cells import fingerprint as fingerprint
from ibjax.results.cells import pool_digest as pool_digest
from ibjax.results.cells import provenance as provenance
from ibjax.results.cells import recorded as recorded
from ibjax.results.cells import to_dataset as to_dataset
from ibjax.results.grid import axes as axes
from ibjax.results.grid import combine as combine
from ibjax.results.grid import compared as compared
from ibjax.results.grid import from_evidence as from_evidence
from ibjax.results.layout import CONDITIONS as CONDITIONS
from ibjax.results.layout import FORMAT as FORMAT
from ibjax.results.store import read as read
from ibjax.results.store import tree as tree
from ibjax.results.store import write as write
from ibjax.results.taken import cell as cell
from ibjax.results.taken import evidence as evidence

__all__ = [
    "CONDITIONS",
    "FORMAT",
    "axes",
    "cell",
    "combine",
    "compared",
    "environment",
    "evidence",
    "fingerprint",
    "from_evidence",
    "pool_digest",
    "provenance",
    "read",
    "recorded",
    "to_dataset",
    "tree",
    "version",
    "write",
]

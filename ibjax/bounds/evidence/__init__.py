"""From the evidence of a run to its rows: fields, one checkpoint, premises, registry."""

from ibjax.bounds.evidence.arrays import from_arrays
from ibjax.bounds.evidence.assumptions import assumptions
from ibjax.bounds.evidence.dissection import Parts, dissect, one_change
from ibjax.bounds.evidence.evaluation import evaluate, row_nulls
from ibjax.bounds.evidence.floor import measured_floor
from ibjax.bounds.evidence.moment import at, gap, mean_over_replicas, replica_errors
from ibjax.bounds.evidence.registry import Bound, registry

__all__ = [
    "Bound",
    "Parts",
    "assumptions",
    "at",
    "dissect",
    "evaluate",
    "from_arrays",
    "gap",
    "mean_over_replicas",
    "measured_floor",
    "one_change",
    "registry",
    "replica_errors",
    "row_nulls",
]

"""A bench for breaking bounds: random learners solved exactly, and an adversary."""

from ibjax.bounds.falsification.bench import Verdict as Verdict
from ibjax.bounds.falsification.bench import falsify as falsify
from ibjax.bounds.falsification.bench import families as families
from ibjax.bounds.falsification.family import Family as Family
from ibjax.bounds.falsification.rows import Row as Row
from ibjax.bounds.falsification.rows import rows as rows

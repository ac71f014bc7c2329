"""ibjax: information-theoretic generalization bounds for noisy deep networks, in JAX.

The pipeline, one subpackage a stage::

    data -> networks, langevin -> Evidence -> mi, contraction -> bounds -> results -> report

Subpackages and nouns load on first use, so that ``import ibjax`` costs next to nothing and the
command line can be interrupted while JAX loads.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ibjax import bottleneck as bottleneck
    from ibjax import bounds as bounds
    from ibjax import contraction as contraction
    from ibjax import data as data
    from ibjax import infinite as infinite
    from ibjax import langevin as langevin
    from ibjax import maxent as maxent
    from ibjax import mi as mi
    from ibjax import networks as networks
    from ibjax import pipeline as pipeline
    from ibjax import posteriors as posteriors
    from ibjax import report as report
    from ibjax import reproduce as reproduce
    from ibjax import results as results
    from ibjax import sweep as sweep
    from ibjax import teacher as teacher
    from ibjax.interface import Assumption as Assumption
    from ibjax.interface import BoundValue as BoundValue
    from ibjax.interface import Contraction as Contraction
    from ibjax.interface import Dataset as Dataset
    from ibjax.interface import Estimate as Estimate
    from ibjax.interface import Evidence as Evidence
    from ibjax.interface import Hyper as Hyper
    from ibjax.interface import LayerFacts as LayerFacts
    from ibjax.interface import Network as Network
    from ibjax.interface import Supersample as Supersample

__version__ = "0.1.0"

_NOUNS = (
    "Assumption",
    "BoundValue",
    "Contraction",
    "Dataset",
    "Estimate",
    "Evidence",
    "Hyper",
    "LayerFacts",
    "Network",
    "Supersample",
)

_STAGES = (
    "bottleneck",
    "bounds",
    "contraction",
    "data",
    "infinite",
    "langevin",
    "maxent",
    "mi",
    "networks",
    "pipeline",
    "posteriors",
    "report",
    "reproduce",
    "results",
    "sweep",
    "teacher",
)


def __getattr__(name: str) -> Any:
    """Load a stage, or the nouns, on first use."""
    if name in _NOUNS:
        return getattr(import_module("ibjax.interface"), name)
    if name in _STAGES:
        return import_module(f"ibjax.{name}")
    raise AttributeError(f"module 'ibjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_NOUNS, *_STAGES])

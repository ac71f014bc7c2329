"""ibjax: information-theoretic generalization bounds for noisy deep networks, in JAX.

The pipeline, one subpackage a stage::

    data -> networks, langevin -> Evidence -> mi, contraction -> bounds -> results -> report

Subpackages and nouns load on first use, so that ``import ibjax`` costs next to nothing and the
command line can be interrupted while JAX loads.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibjax import (
        bottleneck,
        bounds,
        contraction,
        data,
        infinite,
        langevin,
        maxent,
        mi,
        networks,
        pipeline,
        posteriors,
        report,
        reproduce,
        results,
        sweep,
        teacher,
    )
    from ibjax.interface import (
        Assumption,
        BoundValue,
        Contraction,
        Dataset,
        Estimate,
        Evidence,
        Hyper,
        LayerFacts,
        Network,
        Supersample,
    )

__version__ = "0.1.0"

__all__ = [
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
]


def __getattr__(name: str) -> object:
    """Load a stage, or the nouns, on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'ibjax' has no attribute {name!r}")
    from importlib import import_module

    if name[0].isupper():
        return globals().setdefault(name, getattr(import_module("ibjax.interface"), name))
    return import_module(f"ibjax.{name}")


def __dir__() -> list[str]:
    return sorted([*(name for name in globals() if name.startswith("__")), *__all__])

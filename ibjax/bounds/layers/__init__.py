"""Bounds through the layers of a noisy network: depth, label term, floor."""

from ibjax.bounds.layers.depth import depth, sample_complexity
from ibjax.bounds.layers.examplewise import depth_examples
from ibjax.bounds.layers.floor import depth_floor
from ibjax.bounds.layers.funnel import funnel, funnel_layers, tail_lipschitz
from ibjax.bounds.layers.label_term import label_deviation
from ibjax.bounds.layers.last_layer import last_layer
from ibjax.bounds.layers.two_stage import two_stage

__all__ = [
    "depth",
    "depth_examples",
    "depth_floor",
    "funnel",
    "funnel_layers",
    "label_deviation",
    "last_layer",
    "sample_complexity",
    "tail_lipschitz",
    "two_stage",
]

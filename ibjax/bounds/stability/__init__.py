"""Bounds from what replacing one example changes."""

from ibjax.bounds.stability.coupled_flips import flip_masks, flip_stability
from ibjax.bounds.stability.plans import gaussian_line, sliced_wasserstein, wasserstein
from ibjax.bounds.stability.replacement import replace_one
from ibjax.bounds.stability.transport import (
    algorithmic_transport,
    depth_tv,
    variation_from_information,
)

__all__ = [
    "algorithmic_transport",
    "depth_tv",
    "flip_masks",
    "flip_stability",
    "gaussian_line",
    "replace_one",
    "sliced_wasserstein",
    "variation_from_information",
    "wasserstein",
]

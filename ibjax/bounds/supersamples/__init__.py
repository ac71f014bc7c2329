"""Bounds from replicas trained on masked halves of supersamples, with their nulls and errors."""

from ibjax.bounds.supersamples import plugin
from ibjax.bounds.supersamples.by_class import per_class
from ibjax.bounds.supersamples.cmi import e_cmi, f_cmi, ld_cmi, single_loss
from ibjax.bounds.supersamples.divergences import f_information
from ibjax.bounds.supersamples.examples import remembered, remembered_by_class
from ibjax.bounds.supersamples.fast_rates import (
    binary_js,
    fast_rate,
    interpolation,
    steinke_zakynthinou,
)
from ibjax.bounds.supersamples.leave_one_out import leave_one_out
from ibjax.bounds.supersamples.limits import cmi_limit, masks_advice, masks_needed, resolution
from ibjax.bounds.supersamples.membership_matrix import from_membership
from ibjax.bounds.supersamples.nulls import Null, null, verdict
from ibjax.bounds.supersamples.plugin import cluster_interval, mask_interval
from ibjax.bounds.supersamples.profile import information_profile

__all__ = [
    "Null",
    "binary_js",
    "cluster_interval",
    "cmi_limit",
    "e_cmi",
    "f_cmi",
    "f_information",
    "fast_rate",
    "from_membership",
    "information_profile",
    "interpolation",
    "ld_cmi",
    "leave_one_out",
    "mask_interval",
    "masks_advice",
    "masks_needed",
    "null",
    "per_class",
    "plugin",
    "remembered",
    "remembered_by_class",
    "resolution",
    "single_loss",
    "steinke_zakynthinou",
    "verdict",
]

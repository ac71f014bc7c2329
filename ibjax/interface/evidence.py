"""What was measured on the replicas of one configuration: a whole run, or one moment of it."""

import math
from typing import Any, NamedTuple

from ibjax.interface.fields import documented
from ibjax.typing import Array

BATCHINGS = (
    "full",
    "epochs",
    "whole_epochs",
    "without_replacement",
    "poisson",
    "fixed",
    "with_replacement",
)
"""Ways to draw batches, in the order of their codes in `Evidence.batching`."""


class Evidence(NamedTuple):
    """Everything measured on the replicas of one configuration; bounds are arithmetic on it.

    Leading axes: k1 supersamples, k2 masks; E checkpoints; n pairs; T steps; L hidden layers.
    Missing pieces are NaN arrays of the right shape (or shape ()), never None. What each field is
    stands in `fields.FIELDS`, from which the list below is made.
    """

    index: Array
    mask: Array
    labels: Array
    predictions: Array
    train_error: Array
    test_error: Array
    train_loss: Array
    diverged: Array
    checkpoints: Array
    step_sizes: Array
    noise_stds: Array
    clip: Array
    gradient_norm: Array
    batch_size: Array
    dim: Array
    gradient_information: Array
    sample_information: Array
    incoherence_information: Array
    trajectory_cmi: Array
    trajectory_cmi_llr: Array
    test_prior_information: Array
    likelihood_ratio: Array
    layer_diameter: Array
    layer_noise: Array
    layer_log1m: Array
    num_classes: Array
    exchangeable: Array
    batching: Any = math.nan
    smallest_batch: Any = math.nan
    shared_batches: Any = math.nan
    bounded_steps: Any = math.nan
    classes_given: Any = math.nan
    membership_information: Any = math.nan
    radius: Any = math.nan


Evidence.__doc__ = f"{Evidence.__doc__}\n    Attributes:\n{documented()}\n    "


class Moment(Evidence):
    """The evidence of one checkpoint: the fields of `Evidence` without their checkpoint axis.

    A type of its own, so that a whole run and one moment of it cannot be taken for each other;
    `bounds.at` makes it. ``checkpoints`` is then the number of steps done, and the sizes of later
    steps are zero.
    """

    __slots__ = ()

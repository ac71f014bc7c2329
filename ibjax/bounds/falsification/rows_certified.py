"""Rows of measured path information: its mean, and the registered bounds that take its limit."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import invert
from ibjax.bounds.falsification.rows import Row, known
from ibjax.interface import BATCHINGS, Moment

RUNS = 400
"""Runs that all say what is true on average: the limits are then limits of the truth."""


def _moment(n, step_sizes, noise_stds, clip, membership_mean, train_error) -> Moment:
    missing: dict[str, Any] = dict.fromkeys(Moment._fields, math.nan)
    each = jnp.ones((RUNS, 1))
    given: dict[str, Any] = {
        "mask": np.zeros((RUNS, 1, n), int),
        "diverged": np.zeros((RUNS, 1), bool),
        "step_sizes": step_sizes,
        "noise_stds": noise_stds,
        "checkpoints": 2,
        "clip": clip,
        "batch_size": np.float64(n),
        "batching": np.float64(BATCHINGS.index("full")),
        "smallest_batch": np.float64(n),
        "shared_batches": 0.0,
        "exchangeable": 1.0,
        "bounded_steps": 1.0,
        "membership_information": membership_mean * each,
        "train_error": train_error * each,
        "test_error": train_error * each,
    }
    return Moment(**missing | given)


def _registered(name: str):
    def given(n, step_sizes, noise_stds, clip, membership_mean, train_error, pairs_given):
        from ibjax.bounds.evidence.registry import registry

        moment = _moment(n, step_sizes, noise_stds, clip, membership_mean, train_error)
        return registry()[name].function(moment)

    return given


def _mean(membership_mean):
    return known(membership_mean)


def _inverted(membership_mean):
    return invert.phi(jnp.minimum(membership_mean, jnp.log(2.0)))


def _at_error(membership_mean, train_error):
    return invert.pair(train_error, jnp.minimum(membership_mean, jnp.log(2.0))) - train_error


ROWS = (
    Row("membership_information", _mean, "path_information"),
    Row("membership_inverted", _inverted),
    Row("membership_at_error", _at_error, "gap"),
    Row("trajectory_cmi_certified", _registered("trajectory_cmi_certified")),
    Row("trajectory_pair_certified", _registered("trajectory_pair_certified"), "gap"),
)

"""From the evidence of one checkpoint to the inputs of the bounds, and the measured gap."""

import jax.numpy as jnp

from ibjax.interface import Estimate, Evidence
from ibjax.typing import Array, Float

_ALONG = (
    "predictions",
    "train_error",
    "test_error",
    "train_loss",
    "gradient_information",
    "sample_information",
    "incoherence_information",
    "trajectory_cmi",
    "trajectory_cmi_llr",
    "test_prior_information",
    "likelihood_ratio",
)
"""Fields with a checkpoint axis, (k1, k2, E, ...)."""


def at(evidence: Evidence, checkpoint: int = -1) -> Evidence:
    """The evidence of one checkpoint: its axis removed, later steps given size zero.

    Args:
        evidence: of a whole run.
        checkpoint: which one; the last by default.
    """
    steps = jnp.asarray(evidence.checkpoints)[checkpoint]
    past = jnp.arange(jnp.shape(evidence.step_sizes)[0]) < steps
    now = {name: jnp.asarray(getattr(evidence, name))[:, :, checkpoint] for name in _ALONG}
    sizes = jnp.where(past, jnp.asarray(evidence.step_sizes), 0.0)
    return evidence._replace(**now, checkpoints=steps, step_sizes=sizes)


def mean_over_replicas(values: Float[Array, "k1 k2"], diverged: Array) -> Estimate:
    """Mean over the replicas that did not diverge, with a standard error.

    The supersamples are the independent units: the error is the standard deviation of their
    means over sqrt(k1). With one supersample the masks stand in for them, which understates the
    error because they share their examples.

    Args:
        values: one number a replica.
        diverged: replicas to leave out.

    Returns:
        An `Estimate`; NaN and not ok where every replica diverged.
    """
    valid = ~jnp.asarray(diverged) & jnp.isfinite(values)
    if values.shape[0] == 1:
        values, valid = values.T, valid.T
    counts = jnp.sum(valid, axis=1)
    sums = jnp.sum(jnp.where(valid, values, 0.0), axis=1)
    rows = jnp.where(counts > 0, sums / jnp.maximum(counts, 1), 0.0)
    present = counts > 0
    units = jnp.sum(present)
    mean = jnp.sum(rows * present) / units
    spread = jnp.sum(present * (rows - mean) ** 2) / (units - 1)
    return Estimate(
        value=mean,
        std_error=jnp.sqrt(spread / units),
        ok=units > 0,
        bias="none",
        name="mean over replicas",
        reason="every replica diverged: lower the learning rate or raise the temperature",
    )


def gap(evidence: Evidence) -> Estimate:
    """Measured generalization gap of one checkpoint: mean of test error minus training error.

    Args:
        evidence: of one checkpoint, see `at`.
    """
    difference = jnp.asarray(evidence.test_error) - jnp.asarray(evidence.train_error)
    return mean_over_replicas(difference, evidence.diverged)

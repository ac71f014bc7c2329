"""From the evidence of a run to that of one checkpoint, and the measured gap."""

import operator
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.environment import analysis_device
from ibjax.interface import Estimate, Evidence, Moment
from ibjax.interface.fields import FIELDS
from ibjax.signatures import enforced
from ibjax.typing import Array, Float

_ALONG = tuple(name for name, field in FIELDS.items() if field.along)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def in_float64(
    function: Callable[_Arguments, _Result],
) -> Callable[_Arguments, _Result]:
    """The function of arrays in float64, whatever the caller's precision; NumPy arrays come back.

    Computed on the host, see `analysis_device`.

    Inside a trace the precision is the trace's own.
    """

    @wraps(function)
    def analysed(*args: _Arguments.args, **keywords: _Arguments.kwargs) -> _Result:
        if not checks.concrete(*jax.tree.leaves((args, keywords))):
            return function(*args, **keywords)
        args, keywords = jax.tree.map(_wide, (args, keywords))
        with jax.enable_x64(True), jax.default_device(analysis_device()):
            return on_host(function(*args, **keywords))

    return analysed


def on_host(result: Any) -> Any:
    """Every array of a result as NumPy's."""
    if isinstance(result, dict):  # in its own order, which a pytree would not keep
        return {name: on_host(value) for name, value in result.items()}
    return jax.tree.map(np.asarray, result)


def _wide(leaf: Any) -> Any:
    array = np.asarray(leaf) if hasattr(leaf, "dtype") else leaf
    floating = hasattr(array, "dtype") and jnp.issubdtype(array.dtype, jnp.floating)
    return array.astype(np.float64) if floating else array


@enforced
def at(evidence: Evidence, checkpoint: int = -1) -> Moment:
    """The evidence of one checkpoint: its axis removed, later steps given size zero.

    Args:
        evidence: of a whole run; a `Moment` is returned as it is.
        checkpoint: which one; the last by default.

    Raises:
        ValueError: if there is no such checkpoint, or the fields along training differ in shape.
    """
    if isinstance(evidence, Moment):
        if checkpoint != -1:
            raise ValueError(
                f"checkpoint={checkpoint}: this is the evidence of one checkpoint already; give "
                "that of the whole run"
            )
        return evidence
    times = np.shape(evidence.checkpoints)
    if len(times) != 1:
        raise ValueError(f"evidence.checkpoints has shape {times}; give the steps done, (E,)")
    try:
        checkpoint = operator.index(checkpoint)
    except TypeError:
        raise ValueError(f"checkpoint={checkpoint} must be a whole number, a place in it") from None
    if not -times[0] <= checkpoint < times[0]:
        raise ValueError(f"checkpoint={checkpoint} does not exist; the run has {times[0]}")
    # On the host where the numbers are known: no precision is lost to the caller's setting.
    xp: Any = np if checks.concrete(*jax.tree.leaves(evidence)) else jnp
    along = {name: xp.asarray(getattr(evidence, name)) for name in _ALONG}
    replicas = (*np.shape(evidence.mask)[:2], *times)
    for name, values in along.items():
        # NaN alone, of shape (), stands for what was never measured.
        if values.ndim and values.shape[:3] != replicas:
            raise ValueError(f"evidence.{name} has shape {values.shape}; it must begin {replicas}")
    now = {name: v[:, :, checkpoint] if v.ndim else v for name, v in along.items()}
    steps = xp.asarray(evidence.checkpoints)[checkpoint]
    held = np.shape(evidence.step_sizes)[0]
    if xp is np and held and steps > held:
        raise ValueError(
            f"evidence.step_sizes holds {held} steps, fewer than the {steps:g} that checkpoint "
            f"{checkpoint} comes after; give that of every step"
        )
    past = xp.arange(held) < steps
    sizes = xp.where(past, xp.asarray(evidence.step_sizes), 0.0)
    rest = evidence._asdict() | now | {"checkpoints": steps, "step_sizes": sizes}
    return Moment(**rest)


@enforced
def mean_over_replicas(values: Float[Array, "k1 k2"], diverged: Array) -> Estimate:
    """Mean over the replicas that did not diverge, with a standard error.

    The supersamples are the independent units: the error is the standard deviation of their
    means over sqrt(k1). With one supersample the masks stand in for them, which understates the
    error because they share their examples.

    Args:
        values: one number a replica.
        diverged: replicas to leave out.

    Returns:
        An `Estimate`; NaN and not ok where every replica diverged, or where one that did not has
        no number: what is missing is not left out in silence.

    Raises:
        ValueError: for shapes other than (k1, k2).
    """
    values, left_out = jnp.asarray(values), checks.flags("diverged", diverged)
    if values.ndim != 2 or left_out.shape != values.shape:
        raise ValueError(
            f"values has shape {values.shape} and diverged {left_out.shape}; give one number a "
            "replica in both, (k1, k2)"
        )
    valid = ~left_out
    missing = jnp.any(valid & ~jnp.isfinite(values))
    if values.shape[0] == 1:
        values, valid = values.T, valid.T
    counts = jnp.sum(valid, axis=1)
    sums = jnp.sum(jnp.where(valid, values, 0.0), axis=1)
    rows = jnp.where(counts > 0, sums / jnp.maximum(counts, 1), 0.0)
    present = counts > 0
    units = jnp.sum(present)
    mean = jnp.where(missing, jnp.nan, jnp.sum(rows * present) / units)
    spread = jnp.sum(present * (rows - mean) ** 2) / (units - 1)
    return Estimate(
        value=mean,
        std_error=jnp.sqrt(spread / units),
        ok=(units > 0) & ~missing,
        bias="none",
        name="mean over replicas",
        reason="every replica diverged (lower the learning rate), or one has no number",
        about="",  # of any numbers
    )


def survivors(evidence: Moment) -> Float[Array, ""]:
    """Share of the replicas that did not diverge."""
    return jnp.mean(~jnp.asarray(evidence.diverged, bool))


@enforced
def replica_errors(evidence: Moment) -> tuple[Float[Array, "k1 k2"], Float[Array, "k1 k2"]]:
    """Training and test error of every replica; a diverged network errs everywhere.

    With its loss defined, the theorems cover all replicas: a diverged one has errors 1 and gap 0.
    One that diverges later has the errors it had.
    """
    given = evidence.diverged, evidence.train_error, evidence.test_error
    # On the host where the numbers are known: no program of XLA for each operation.
    xp: Any = np if checks.concrete(*given) else jnp
    gone, train, test = xp.asarray(given[0], bool), xp.asarray(given[1]), xp.asarray(given[2])
    lost = gone & (xp.isnan(train) | xp.isnan(test))
    one = xp.ones((), train.dtype)
    return xp.where(lost, one, train), xp.where(lost, one, test)


@enforced
@in_float64
def gap(evidence: Evidence, checkpoint: int = -1) -> Estimate:
    """Measured generalization gap: mean of test error minus training error, in float64.

    A diverged replica counts with gap 0, since it errs everywhere; leaving it out would measure
    the gap of other replicas than those a bound is about.

    Args:
        evidence: of a whole run, or of one checkpoint, see `at`.
        checkpoint: which checkpoint of a run; the last by default.

    Returns:
        The mean with its standard error over supersamples; not ok where every replica diverged.

    Raises:
        ValueError: if there is no such checkpoint, or the fields along training differ in shape.
    """
    now = at(evidence, checkpoint)
    # Layers, of which every depth has others, are left out: one program for all.
    nothing = {name: None for name, field in FIELDS.items() if field.dims == ("layer",)}
    return _gap(now._replace(**nothing))


@jax.jit
def _gap(now: Moment) -> Estimate:
    train, test = replica_errors(now)
    mean = mean_over_replicas(test - train, jnp.zeros(train.shape, bool))
    alive = survivors(now) > 0
    value = jnp.where(alive, mean.value, jnp.nan)
    ok, reason = mean.ok & alive, "every replica diverged"
    return replace(mean, value=value, ok=ok, name="measured gap", reason=reason, about="other")

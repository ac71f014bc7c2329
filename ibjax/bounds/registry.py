"""The bounds that apply to evidence: one row each, and the function that evaluates them all."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp

from ibjax.bounds import invert
from ibjax.bounds.classic import individual, xu_raginsky
from ibjax.bounds.evidence import at, mean_over_replicas
from ibjax.bounds.layered import depth
from ibjax.bounds.noisy_sgd import noisy_sgd_information, sample_information
from ibjax.bounds.supersample import f_cmi, ld_cmi
from ibjax.interface import BoundValue, Contraction, Evidence
from ibjax.typing import BoundKind

_SIGMA = 0.5
"""Sub-Gaussian parameter of the 0-1 loss."""


@dataclass(frozen=True)
class Bound:
    """One row of the registry.

    Attributes:
        name: key in tables and files.
        function: from the evidence of one checkpoint to the value; pure.
        kind: certificate, estimate or diagnostic.
        inputs: the fields of `Evidence` it reads, and no other.
        assumptions: names in `assumptions()`.
        reference: key in the bibliography.
        summary: one line for people.
    """

    name: str
    function: Callable[[Evidence], BoundValue]
    kind: BoundKind
    inputs: tuple[str, ...]
    assumptions: tuple[str, ...]
    reference: str
    summary: str


def registry() -> dict[str, Bound]:
    """Every bound on evidence by name, certificates first."""
    return {row.name: row for row in _ROWS}


def evaluate(
    evidence: Evidence, checkpoint: int = -1, names: Sequence[str] | None = None
) -> dict[str, BoundValue]:
    """Registered bounds at one checkpoint, in the order of the registry.

    A bound whose inputs are missing, or whose checkable premises fail, is NaN with
    ``holds=False``; none raises.

    Args:
        evidence: of a run.
        checkpoint: which checkpoint; the last by default.
        names: which bounds; all by default.

    Raises:
        ValueError: for a name that is not registered.
    """
    rows = registry()
    for name in names or ():
        if name not in rows:
            raise ValueError(f"names holds {name!r}; choose among {list(rows)}")
    now = at(evidence, checkpoint)
    chosen = [row for row in rows.values() if names is None or row.name in names]
    return {row.name: _labelled(row, row.function(now)) for row in chosen}


def _labelled(row: Bound, value: BoundValue) -> BoundValue:
    """The value under the row's name and kind; NaN where the premises fail."""
    known = jnp.isfinite(value.value)
    ok = value.holds & known
    return replace(
        value,
        value=jnp.where(ok, value.value, jnp.nan),
        vacuous=value.vacuous & ok,
        holds=ok,
        name=row.name,
        kind=row.kind,
        assumptions=row.assumptions,
    )


def _size(evidence: Evidence) -> int:
    return evidence.mask.shape[-1]


def _premises(evidence: Evidence):
    """Whether clipping and weight noise, which the certificates rest on, were in force."""
    return _noisy(evidence) & jnp.isfinite(evidence.clip)


def _noisy(evidence: Evidence):
    """Whether every step is known and added noise, and no batch depended on the data."""
    sizes = jnp.asarray(evidence.step_sizes)
    noisy = jnp.all((sizes == 0) | ((sizes > 0) & (jnp.asarray(evidence.noise_stds) > 0)))
    return noisy & (jnp.asarray(evidence.exchangeable) > 0)


def _noise(evidence: Evidence):
    """Noise of the steps in use; one elsewhere, where the step size is zero."""
    return jnp.where(jnp.asarray(evidence.step_sizes) > 0, jnp.asarray(evidence.noise_stds), 1.0)


def _weight_information(evidence: Evidence):
    return noisy_sgd_information(
        evidence.step_sizes, _noise(evidence), evidence.clip, evidence.dim, form="log"
    ).value


def _example_information(evidence: Evidence):
    return sample_information(
        evidence.step_sizes,
        _noise(evidence),
        evidence.clip,
        evidence.batch_size,
        _size(evidence),
        evidence.dim,
        form="log",
    ).value


def _coefficients(evidence: Evidence) -> Contraction:
    log1m = jnp.asarray(evidence.layer_log1m)
    used = ~jnp.isnan(log1m)
    safe = jnp.where(used, log1m, -jnp.inf)
    return Contraction(-jnp.expm1(safe), safe, "upper", "channel", "layers of the evidence")


def _xu_raginsky(evidence: Evidence) -> BoundValue:
    value = xu_raginsky(_weight_information(evidence), _size(evidence), _SIGMA)
    return replace(value, holds=value.holds & _premises(evidence))


def _individual(evidence: Evidence) -> BoundValue:
    value = individual(_example_information(evidence)[None], _SIGMA)
    return replace(value, holds=value.holds & _premises(evidence))


def _certified_depth(evidence: Evidence) -> BoundValue:
    value = depth(
        _example_information(evidence) * _size(evidence),
        _coefficients(evidence),
        _size(evidence),
        _SIGMA,
        num_classes=jnp.asarray(evidence.num_classes),
    )
    return replace(value, holds=value.holds & _premises(evidence))


def _published_depth(evidence: Evidence) -> BoundValue:
    value = depth(
        _weight_information(evidence),
        _coefficients(evidence),
        _size(evidence),
        _SIGMA,
        variant="published",
    )
    return replace(value, holds=value.holds & _premises(evidence))


def _measured(values, evidence: Evidence, examples: int) -> BoundValue:
    """sqrt(2 sigma^2 I / examples) at the mean over replicas, which sits inside the root."""
    mean = mean_over_replicas(jnp.asarray(values), evidence.diverged)
    bound = xu_raginsky(mean.value, examples, _SIGMA)
    slope = bound.value / (2 * mean.value)
    holds = bound.holds & _noisy(evidence) & mean.ok
    return replace(bound, std_error=mean.std_error * slope, holds=holds)


def _gradient(evidence: Evidence) -> BoundValue:
    return _measured(evidence.gradient_information, evidence, _size(evidence))


def _sample_gradient(evidence: Evidence) -> BoundValue:
    return _measured(evidence.sample_information, evidence, 1)


def _incoherence(evidence: Evidence) -> BoundValue:
    return _measured(evidence.incoherence_information, evidence, 1)


def _trajectory(evidence: Evidence) -> BoundValue:
    """phi^-1 of the mean information: concave, so it goes outside the mean over slots."""
    mean = mean_over_replicas(jnp.asarray(evidence.trajectory_cmi), evidence.diverged)
    value = invert.phi(mean.value)
    slope = 1 / jnp.arctanh(value)  # derivative of the inverse of phi
    result = BoundValue(value, mean.value, mean.std_error * slope, value >= 1, _noisy(evidence))
    return replace(result, holds=result.holds & mean.ok)


def _test_prior(evidence: Evidence) -> BoundValue:
    mean = mean_over_replicas(jnp.asarray(evidence.test_prior_information), evidence.diverged)
    value = jnp.sqrt(2 * mean.value)
    error = mean.std_error / value
    return BoundValue(value, mean.value, error, value >= 1, _noisy(evidence) & mean.ok)


def _losses(evidence: Evidence):
    return (jnp.asarray(evidence.predictions) != jnp.asarray(evidence.labels)[:, None]).astype(
        jnp.int32
    )


def _valid(evidence: Evidence):
    return ~jnp.asarray(evidence.diverged)


def _f_cmi(evidence: Evidence) -> BoundValue:
    classes = float(evidence.num_classes)
    if math.isnan(classes):
        missing = jnp.array(jnp.nan)
        return BoundValue(missing, missing, missing, holds=jnp.array(False))
    return f_cmi(evidence.predictions, evidence.mask, int(classes), valid=_valid(evidence))


def _ld_cmi(evidence: Evidence) -> BoundValue:
    return ld_cmi(_losses(evidence), evidence.mask, valid=_valid(evidence))


_TRAJECTORY = ("iid", "bounded_loss", "data_independent_batches", "clipped", "weight_noise")
_PATH = ("iid", "bounded_loss", "data_independent_batches", "weight_noise", "monte_carlo")
_STEPS = ("step_sizes", "noise_stds", "checkpoints", "exchangeable")

_ROWS = (
    Bound(
        "individual",
        _individual,
        "certificate",
        (*_STEPS, "clip", "batch_size", "dim", "mask"),
        _TRAJECTORY,
        "bu2020",
        "per-example trajectory information under clipping, individual-sample bound",
    ),
    Bound(
        "depth",
        _certified_depth,
        "certificate",
        (*_STEPS, "clip", "batch_size", "dim", "mask", "layer_log1m", "num_classes"),
        (*_TRAJECTORY, "fresh_layer_noise", "channel_contraction"),
        "zhang2018",
        "depth bound, repaired: the label term stands beside the contracted input term",
    ),
    Bound(
        "xu_raginsky",
        _xu_raginsky,
        "certificate",
        (*_STEPS, "clip", "dim", "mask"),
        _TRAJECTORY,
        "pensia2018",
        "trajectory information under clipping, I(S;W) bound",
    ),
    Bound(
        "trajectory_cmi",
        _trajectory,
        "estimate",
        (*_STEPS, "trajectory_cmi", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "exact information of the path about the masks, by likelihood ratios; never vacuous",
    ),
    Bound(
        "test_prior",
        _test_prior,
        "estimate",
        (*_STEPS, "test_prior_information", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "the path against a prior that tests which member was used (theta = sigmoid)",
    ),
    Bound(
        "sample_gradient",
        _sample_gradient,
        "estimate",
        (*_STEPS, "sample_information", "diverged", "mask"),
        _PATH,
        "negrea2019",
        "measured per-example gradient norms along the trajectory",
    ),
    Bound(
        "incoherence",
        _incoherence,
        "estimate",
        (*_STEPS, "incoherence_information", "diverged", "mask"),
        _PATH,
        "negrea2019",
        "measured gradient incoherence along the trajectory",
    ),
    Bound(
        "noisy_sgd",
        _gradient,
        "estimate",
        (*_STEPS, "gradient_information", "diverged", "mask"),
        _PATH,
        "pensia2018",
        "measured batch-gradient norms along the trajectory, I(S;W) bound",
    ),
    Bound(
        "f_cmi",
        _f_cmi,
        "estimate",
        ("predictions", "mask", "num_classes", "diverged"),
        ("supersample", "bounded_loss", "plug_in"),
        "harutyunyan2021",
        "information of the predictions about the masks",
    ),
    Bound(
        "ld_cmi",
        _ld_cmi,
        "estimate",
        ("predictions", "labels", "mask", "diverged"),
        ("supersample", "bounded_loss", "plug_in"),
        "wang2023",
        "information of the loss differences about the masks",
    ),
    Bound(
        "depth_published",
        _published_depth,
        "diagnostic",
        (*_STEPS, "clip", "dim", "mask", "layer_log1m"),
        (*_TRAJECTORY, "labels_contract"),
        "zhang2018",
        "depth bound as published: eta^(L/2) times the I(S;W) bound; no certificate",
    ),
)

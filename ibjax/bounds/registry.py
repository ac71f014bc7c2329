"""The bounds that apply to evidence: one row each, and the function that evaluates them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp

from ibjax.bounds import measures, replica_tables
from ibjax.bounds.evidence import at
from ibjax.interface import BoundValue, Evidence
from ibjax.typing import BoundKind


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

    A bound whose inputs are missing (those of supersamples: with fewer than two masks each), or
    whose checkable premises fail, is NaN with ``holds=False``; none raises on evidence of the
    engine or of `from_arrays`.

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


_TRAJECTORY = ("iid", "bounded_loss", "data_independent_batches", "clipped", "weight_noise")
_PATH = ("iid", "bounded_loss", "data_independent_batches", "weight_noise", "monte_carlo")
_TABLES = ("predictions", "labels", "mask", "diverged")
_STEPS = ("step_sizes", "noise_stds", "checkpoints", "exchangeable")

_ROWS = (
    Bound(
        "individual",
        measures.examples,
        "certificate",
        (*_STEPS, "clip", "batch_size", "dim", "mask"),
        _TRAJECTORY,
        "bu2020",
        "per-example trajectory information under clipping, individual-sample bound",
    ),
    Bound(
        "depth",
        measures.certified_depth,
        "certificate",
        (*_STEPS, "clip", "batch_size", "dim", "mask", "layer_log1m", "num_classes"),
        (*_TRAJECTORY, "fresh_layer_noise", "channel_contraction"),
        "zhang2018",
        "depth bound, repaired: the label term stands beside the contracted input term",
    ),
    Bound(
        "xu_raginsky",
        measures.weights,
        "certificate",
        (*_STEPS, "clip", "gradient_norm", "dim", "mask"),
        _TRAJECTORY,
        "pensia2018",
        "trajectory information under clipping, I(S;W) bound",
    ),
    Bound(
        "trajectory_cmi",
        measures.trajectory,
        "estimate",
        (*_STEPS, "trajectory_cmi", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "exact information of the path about the masks, by likelihood ratios; never vacuous",
    ),
    Bound(
        "trajectory_pair",
        measures.trajectory_pair,
        "estimate",
        (*_STEPS, "trajectory_cmi", "train_error", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "the same with the training error, loss differences of 0-1 losses; below phi's inverse",
    ),
    Bound(
        "test_prior",
        measures.test_prior,
        "estimate",
        (*_STEPS, "test_prior_information", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "the path against a prior that tests which member was used (theta = sigmoid)",
    ),
    Bound(
        "sample_gradient",
        measures.sample_gradient,
        "estimate",
        (*_STEPS, "sample_information", "diverged", "mask"),
        _PATH,
        "negrea2019",
        "measured per-example gradient norms along the trajectory",
    ),
    Bound(
        "incoherence",
        measures.incoherence,
        "estimate",
        (*_STEPS, "incoherence_information", "diverged", "mask"),
        _PATH,
        "negrea2019",
        "measured gradient incoherence along the trajectory",
    ),
    Bound(
        "incoherence_kl",
        measures.incoherence_kl,
        "estimate",
        (*_STEPS, "incoherence_information", "train_error", "diverged"),
        _PATH,
        "negrea2019",
        "gradient incoherence with the training error, binary relative entropy inverted",
    ),
    Bound(
        "noisy_sgd",
        measures.batch_gradient,
        "estimate",
        (*_STEPS, "gradient_information", "diverged", "mask"),
        _PATH,
        "pensia2018",
        "measured batch-gradient norms along the trajectory, I(S;W) bound",
    ),
    Bound(
        "noisy_sgd_kl",
        measures.batch_gradient_kl,
        "estimate",
        (*_STEPS, "gradient_information", "train_error", "diverged", "mask"),
        _PATH,
        "pensia2018",
        "batch-gradient norms with the training error, binary relative entropy inverted",
    ),
    Bound(
        "f_cmi",
        measures.predictions,
        "estimate",
        ("predictions", "mask", "num_classes", "diverged"),
        replica_tables.ASSUMPTIONS,
        "harutyunyan2021",
        "information of the predictions about the masks",
    ),
    Bound(
        "e_cmi",
        measures.loss_pairs,
        "estimate",
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "hellstrom2022",
        "information of the pairs of losses about the masks",
    ),
    Bound(
        "ld_cmi",
        measures.loss_differences,
        "estimate",
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "wang2023",
        "information of the loss differences about the masks",
    ),
    Bound(
        "single_loss",
        measures.single_losses,
        "estimate",
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "wang2023",
        "information of one member's loss about the masks, centred: half the published bound",
    ),
    Bound(
        "ld_cmi_pair",
        measures.loss_differences_pair,
        "estimate",
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "wang2023",
        "loss differences with the training error, inverted together",
    ),
    Bound(
        "depth_published",
        measures.published_depth,
        "diagnostic",
        (*_STEPS, "clip", "gradient_norm", "dim", "mask", "layer_log1m"),
        (*_TRAJECTORY, "labels_contract"),
        "zhang2018",
        "depth bound as published: eta^(L/2) times the I(S;W) bound; no certificate",
    ),
)

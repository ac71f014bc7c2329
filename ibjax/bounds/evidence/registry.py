"""The bounds that apply to evidence: one row each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, get_args

import jax.numpy as jnp

from ibjax.bounds import outcome
from ibjax.bounds.evidence import certified_paths, premises, rows, tabulated
from ibjax.bounds.evidence.assumptions import assumptions as known_assumptions
from ibjax.bounds.evidence.declared import declared
from ibjax.bounds.kinds import weakest
from ibjax.bounds.supersamples import replica_tables
from ibjax.interface import BoundValue, Moment
from ibjax.interface.fields import FIELDS
from ibjax.typing import BoundKind


@dataclass(frozen=True)
class Bound:
    """One row of the registry.

    The kind is stated nowhere: it follows from what the row reads, and can only be lowered.

    Attributes:
        name: key in tables and files.
        measure: from the evidence of one checkpoint to the value, which says what its information
            is about; pure.
        inputs: the fields of `Evidence` it reads, and no other; those that checking its
            assumptions reads are added.
        assumptions: names in `assumptions()`.
        reference: keys in the bibliography, apart by a space.
        summary: one line for people.
        limits: measured inputs of which only an upper confidence limit enters.
        lowered: the best kind the row may have, whatever its inputs.
    """

    name: str
    measure: Callable[..., BoundValue]
    inputs: tuple[str, ...]
    assumptions: tuple[str, ...]
    reference: str
    summary: str
    limits: tuple[str, ...] = ()
    lowered: BoundKind = "certificate"

    def __post_init__(self) -> None:
        for said, names, known in (
            ("inputs", self.inputs, FIELDS),
            ("limits", self.limits, self.inputs),
            ("assumptions", self.assumptions, known_assumptions()),
            ("lowered", (self.lowered,), get_args(BoundKind)),
        ):
            if wrong := [name for name in names if name not in known]:
                raise ValueError(
                    f"{said} of {self.name} holds {wrong[0]!r}; choose among {[*known]}"
                )
        checked = premises.inputs(self.assumptions)
        object.__setattr__(self, "inputs", tuple(dict.fromkeys((*self.inputs, *checked))))

    @property
    def kind(self) -> BoundKind:
        """Certificate if it reads settings and checked facts alone, else estimate; or lower."""
        measured = any(FIELDS[name].measured for name in set(self.inputs) - set(self.limits))
        return weakest("estimate" if measured else "certificate", self.lowered)

    def function(self, moment: Moment, **given: Any) -> BoundValue:
        """The value under the row's name, its premises checked; NaN where one fails.

        The kind is the weakest of what the computation found and what the inputs allow.

        Args:
            moment: the evidence of one checkpoint.
            given: what else the measure takes.
        """
        value = self.measure(declared(moment, self.name, self.inputs), **given)
        got = jnp.asarray(value.value)
        if got.shape or jnp.issubdtype(got.dtype, jnp.complexfloating):
            raise ValueError(f"{self.name} gives {got.dtype} {got.shape}; give one real number")
        known = jnp.isfinite(got)
        ok = value.holds & known & premises.hold(moment, self.assumptions)
        # A difference of two losses spans twice the range of one; their gap does not.
        reached = outcome.reaches(jnp.asarray(value.value), 2 * rows.SIGMA)
        found = replace(
            value,
            value=jnp.where(ok, value.value, jnp.nan),
            vacuous=(value.vacuous | reached) & ok,
            holds=ok,
            name=self.name,
            kind=weakest(value.kind, self.kind),
            assumptions=self.assumptions,
        )
        path = self.measure in certified_paths.MEASURES
        return certified_paths.advised(found, moment) if path else found


def registry() -> dict[str, Bound]:
    """Every bound on evidence by name, certificates first."""
    found = {row.name: row for row in _ROWS}
    if len(found) < len(_ROWS):
        names = [row.name for row in _ROWS]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two rows of the registry are named {twice!r}; give each its own name")
    return found


_TRAJECTORY = (
    "iid",
    "bounded_loss",
    "data_independent_batches",
    "clipped",
    "weight_noise",
    "every_replica",
)
_PATH = ("iid", "bounded_loss", "data_independent_batches", "weight_noise", "monte_carlo")
_RUNS = (
    "bounded_loss",
    "data_independent_batches",
    "clipped",
    "weight_noise",
    "every_replica",
    "supersample",
    "independent_runs",
)
_TABLES = ("predictions", "labels", "mask", "diverged")
_STEPS = ("step_sizes", "noise_stds", "checkpoints")
_HIDDEN = (*_STEPS, "clip", "batch_size", "batching", "shared_batches", "smallest_batch", "mask")
_EXAMPLES = (*_HIDDEN, "dim", "radius")
_DRAWN = ("clip", "batch_size", "batching", "smallest_batch", "mask", "diverged")

_ROWS = (
    Bound(
        "individual",
        rows.examples,
        _EXAMPLES,
        _TRAJECTORY,
        "bu2020",
        "information of the path about one example under clipping, tight form of Pinsker's",
    ),
    Bound(
        "individual_kl",
        rows.examples_with_limit,
        (*_EXAMPLES, "train_error", "index"),
        (*_TRAJECTORY, "upper_limit"),
        "bu2020",
        "the same with an upper confidence limit on the training error; never above it",
        limits=("train_error",),
    ),
    Bound(
        "depth",
        rows.certified_depth,
        (*_EXAMPLES, "layer_log1m", "num_classes"),
        (*_TRAJECTORY, "fresh_layer_noise", "channel_contraction", "class_number"),
        "zhang2018 he2025",
        "depth bound, repaired: only the input term contracts, the label term stays",
    ),
    Bound(
        "xu_raginsky",
        rows.weights,
        _EXAMPLES,
        _TRAJECTORY,
        "xu2017 pensia2018",
        "information of the path about the sample under clipping, I(S;W) bound",
    ),
    Bound(
        "trajectory_cmi_certified",
        certified_paths.trajectory,
        (*_STEPS, *_DRAWN, "membership_information"),
        _RUNS,
        "haghifam2020",
        "information of the path about the masks, upper confidence limit given the supersamples",
        limits=("membership_information",),
    ),
    Bound(
        "trajectory_pair_certified",
        certified_paths.trajectory_pair,
        (*_STEPS, *_DRAWN, "membership_information", "train_error"),
        _RUNS,
        "haghifam2020",
        "the same with an upper limit on the training error, inverted together",
        limits=("membership_information", "train_error"),
    ),
    Bound(
        "individual_at_error",
        rows.examples_at_error,
        (*_EXAMPLES, "train_error"),
        (*_TRAJECTORY, "monte_carlo"),
        "bu2020",
        "individual at the measured training error, binary relative entropy inverted",
    ),
    Bound(
        "trajectory_cmi",
        rows.trajectory,
        (*_STEPS, "trajectory_cmi", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "exact information of the path about the masks, by likelihood ratios; never vacuous",
    ),
    Bound(
        "trajectory_pair",
        rows.trajectory_pair,
        (*_STEPS, "trajectory_cmi", "train_error", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "the same with the training error, loss differences of 0-1 losses; below phi's inverse",
    ),
    Bound(
        "test_prior",
        rows.test_prior,
        (*_STEPS, "test_prior_information", "diverged"),
        (*_PATH, "supersample"),
        "haghifam2020",
        "the path against a prior that tests which member was used (theta = sigmoid)",
    ),
    Bound(
        "sample_gradient",
        rows.sample_gradient,
        (*_HIDDEN, "sample_information", "diverged"),
        _PATH,
        "negrea2019",
        "measured per-example gradient norms along the trajectory, batches hidden",
    ),
    Bound(
        "incoherence",
        rows.incoherence,
        (*_STEPS, "incoherence_information", "diverged", "mask"),
        _PATH,
        "negrea2019",
        "measured gradient incoherence along the trajectory",
    ),
    Bound(
        "incoherence_kl",
        rows.incoherence_kl,
        (*_STEPS, "incoherence_information", "train_error", "diverged"),
        _PATH,
        "negrea2019",
        "gradient incoherence with the training error, binary relative entropy inverted",
    ),
    Bound(
        "noisy_sgd",
        rows.batch_gradient,
        (*_STEPS, "gradient_information", "diverged", "mask"),
        _PATH,
        "xu2017 pensia2018",
        "measured batch-gradient norms along the trajectory, I(S;W) bound",
    ),
    Bound(
        "noisy_sgd_kl",
        rows.batch_gradient_kl,
        (*_STEPS, "gradient_information", "train_error", "diverged", "mask"),
        _PATH,
        "pensia2018",
        "batch-gradient norms with the training error, binary relative entropy inverted",
    ),
    Bound(
        "f_cmi",
        tabulated.predictions,
        ("predictions", "labels", "mask", "num_classes", "diverged"),
        replica_tables.ASSUMPTIONS,
        "harutyunyan2021",
        "information of the predictions about the masks",
    ),
    Bound(
        "e_cmi",
        tabulated.loss_pairs,
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "hellstrom2022",
        "information of the pairs of losses about the masks",
    ),
    Bound(
        "ld_cmi",
        tabulated.loss_differences,
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "wang2023",
        "information of the loss differences about the masks",
    ),
    Bound(
        "single_loss",
        tabulated.single_losses,
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "wang2023",
        "information of one member's loss about the masks, centred: half the published bound",
    ),
    Bound(
        "ld_cmi_pair",
        tabulated.loss_differences_pair,
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "wang2023",
        "loss differences with the training error, inverted together",
    ),
    Bound(
        "ld_cmi_conservative",
        tabulated.loss_differences_conservative,
        _TABLES,
        replica_tables.ASSUMPTIONS,
        "wang2023",
        "plug-in of balanced masks, mean before the root: not below the truth in expectation",
    ),
    Bound(
        "f_cmi_published",
        tabulated.predictions_published,
        ("predictions", "labels", "mask", "num_classes", "diverged"),
        replica_tables.ASSUMPTIONS,
        "harutyunyan2021",
        "plug-in information of the predictions, mean of roots: mostly bias at few masks",
    ),
    Bound(
        "depth_published",
        rows.published_depth,
        (*_EXAMPLES, "layer_log1m"),
        (*_TRAJECTORY, "labels_contract"),
        "zhang2018",
        "depth bound as published: eta^(L/2) times the I(S;W) bound; no certificate",
        lowered="diagnostic",
    ),
)

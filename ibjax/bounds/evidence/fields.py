"""The fields of `Evidence` in their order, once: axes, unit, storage, whether it was measured.

Everything that must know them reads this table: the view of one checkpoint, evidence from saved
arrays, the results file, and the kind of a bound, which follows from what it reads.
"""

from typing import NamedTuple

REPLICA = ("supersample", "mask_id")
"""Axes of what there is one of for every replica."""

_ALONG = (*REPLICA, "checkpoint")


class Field(NamedTuple):
    """What is known of one field.

    Attributes:
        dims: its axes, by the names of the results file.
        measured: whether it came out of training, and another run would give another number; else
            it is a setting, or a fact that was checked.
        unit: of its values.
        stored: data type in a results file; that of the array where empty.
        least: smallest value that can be right, where there is one.
    """

    dims: tuple[str, ...] = ()
    measured: bool = False
    unit: str = "1"
    stored: str = ""
    least: float | None = None

    @property
    def along(self) -> bool:
        """Whether each replica has one value a checkpoint."""
        return self.dims[:3] == _ALONG


_PAIRS = ("supersample", "pair", "column")
_INFORMATION = Field(_ALONG, measured=True, unit="nat", least=0.0)
_RATE = Field(_ALONG, measured=True, unit="probability", least=0.0)
_SETTING = Field(least=0.0)

FIELDS: dict[str, Field] = {
    "index": Field(_PAIRS, stored="int32"),
    "mask": Field((*REPLICA, "pair"), stored="int8"),
    "labels": Field(_PAIRS, stored="int16"),
    "predictions": Field((*_ALONG, "pair", "column"), measured=True, stored="int16"),
    "train_error": _RATE,
    "test_error": _RATE,
    "train_loss": Field(_ALONG, measured=True, unit="nat"),
    "diverged": Field(REPLICA),
    "checkpoints": Field(("checkpoint",)),
    "step_sizes": Field(("step",), least=0.0),
    "noise_stds": Field(("step",), least=0.0),
    "clip": _SETTING,
    "gradient_norm": _SETTING,
    "batch_size": _SETTING,
    "dim": _SETTING,
    "gradient_information": _INFORMATION,
    "sample_information": _INFORMATION,
    "incoherence_information": _INFORMATION,
    "trajectory_cmi": _INFORMATION,
    # The one estimate of information that can be negative in a replica.
    "trajectory_cmi_llr": Field(_ALONG, measured=True, unit="nat"),
    "test_prior_information": _INFORMATION,
    "likelihood_ratio": Field(_ALONG, measured=True, least=0.0),
    "layer_diameter": Field(("layer",), least=0.0),
    "layer_noise": Field(("layer",), least=0.0),
    "layer_log1m": Field(("layer",)),
    "num_classes": _SETTING,
    "exchangeable": _SETTING,
    "batching": _SETTING,
    "smallest_batch": _SETTING,
    "shared_batches": _SETTING,
    "bounded_steps": _SETTING,
    "classes_given": _SETTING,
    "membership_information": _INFORMATION,
    "radius": _SETTING,
}


def named(*dims: str) -> tuple[str, ...]:
    """The fields with exactly these axes, in order."""
    return tuple(name for name, field in FIELDS.items() if field.dims == dims)

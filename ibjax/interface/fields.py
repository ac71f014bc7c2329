"""The fields of `Evidence` in their order, once: axes, unit, storage, and what each one is.

Everything that must know them reads this table: the documentation of `Evidence`, the view of one
checkpoint, evidence from saved arrays, the results file, and the kind of a bound, which follows
from what it reads.
"""

import textwrap
from functools import partial
from typing import Literal, NamedTuple

REPLICA = ("supersample", "mask_id")
"""Axes of what there is one of for every replica."""

_ALONG = (*REPLICA, "checkpoint")
_SIZES = {
    "supersample": "k1",
    "mask_id": "k2",
    "checkpoint": "E",
    "pair": "n",
    "column": "2",
    "step": "T",
    "layer": "L",
}


class Field(NamedTuple):
    """What is known of one field.

    Attributes:
        dims: its axes, by the names of the results file.
        measured: whether it came out of training, and another run would give another number; else
            it is a setting, or a fact that was checked.
        unit: of its values.
        stored: data type in a results file; that of the array where empty.
        least: smallest value that can be right, where there is one.
        most: the largest, likewise.
        values: "real" numbers, a "count" of something, or a "flag", 1 for yes and 0 for no.
        what: what it is, in the words of the documentation.
    """

    dims: tuple[str, ...] = ()
    measured: bool = False
    unit: str = "1"
    stored: str = ""
    least: float | None = None
    what: str = ""
    most: float | None = None
    values: Literal["real", "count", "flag"] = "real"

    @property
    def along(self) -> bool:
        """Whether each replica has one value a checkpoint."""
        return self.dims[:3] == _ALONG

    @property
    def shape(self) -> str:
        """Its axes by the letters of their lengths, such as ``(k1, k2, E)``; empty for a scalar."""
        letters = [_SIZES.get(dim, dim) for dim in self.dims]
        return f"({', '.join(letters)}{',' * (len(letters) == 1)})" if letters else ""

    @property
    def words(self) -> str:
        """Shape, unit and meaning, as the documentation has them."""
        unit = "" if self.unit == "1" else self.unit
        return ", ".join(part for part in (self.shape, unit, self.what) if part)


_PAIRS = ("supersample", "pair", "column")
_information = partial(Field, _ALONG, True, "nat", "", 0.0)
_rate = partial(Field, _ALONG, True, "probability", "", 0.0)
_setting = partial(Field, (), False, "1", "", 0.0)
_count = partial(Field, (), False, "1", "", 1.0, values="count")
_flag = partial(Field, (), False, "1", "", 0.0, values="flag")

FIELDS: dict[str, Field] = {
    "index": Field(_PAIRS, stored="int32", what="pool positions of the pairs"),
    "mask": Field((*REPLICA, "pair"), stored="int8", what="training column of each pair"),
    "labels": Field(
        _PAIRS,
        stored="int16",
        what="-1 where they are not known and `predictions` holds the 0-1 loss",
    ),
    "predictions": Field(
        (*_ALONG, "pair", "column"),
        measured=True,
        stored="int16",
        what="predicted class, one fresh draw of the layer noise",
    ),
    "train_error": _rate(
        "0-1 error on the training members, averaged over noise draws; 1, as the test error, where "
        "the replica diverged"
    ),
    "test_error": _rate("the same on the other members"),
    "train_loss": Field(
        _ALONG, measured=True, unit="nat", what="training loss (surrogate) at the checkpoints"
    ),
    "diverged": Field(REPLICA, what="whether the parameters left the finite numbers"),
    "checkpoints": Field(("checkpoint",), what="steps done at each checkpoint"),
    "step_sizes": Field(
        ("step",), least=0.0, what="eta_t; NaN where the update rule has none that are known"
    ),
    "noise_stds": Field(
        ("step",),
        least=0.0,
        what="standard deviation of the noise added to the weights; 0 for none, or none of this "
        "form",
    ),
    "clip": _setting("per-example gradient norm bound enforced in training; inf if none"),
    "gradient_norm": _setting(
        "root mean square, over the choice of the batch, of the largest norm a step's gradient can "
        "have; for the record, since bounds derive it from `clip` and `batching`"
    ),
    "batch_size": _count("b, a float scalar"),
    "dim": _count("number of trained parameters d"),
    "gradient_information": _information("cumulative sum of eta^2 |g_B|^2 / (2 s^2)"),
    "sample_information": _information(
        "cumulative sum of eta^2 / (2 s^2) * (1/n) sum_{i in B} |g_i|^2/b^2"
    ),
    "incoherence_information": _information(
        "the same with the gradient of the average of the other examples subtracted (Negrea et al. "
        "prior)"
    ),
    "trajectory_cmi": _information(
        "information of the path about which member of a pair was trained on, mean over pairs, "
        "Rao-Blackwell estimate; NaN if not accounted for"
    ),
    # The one estimate of information that can be negative in a replica.
    "trajectory_cmi_llr": Field(
        _ALONG, measured=True, unit="nat", what="the same from the log-likelihood ratio alone"
    ),
    "test_prior_information": _information("cost of the binary-test prior (Haghifam et al.)"),
    "likelihood_ratio": Field(
        _ALONG,
        measured=True,
        least=0.0,
        what="mean likelihood ratio of wrong to right; expectation 1 (a check)",
    ),
    "layer_diameter": Field(
        ("layer",), least=0.0, what="diameter of the outputs of each hidden layer"
    ),
    "layer_noise": Field(
        ("layer",), least=0.0, what="noise of each hidden layer, standard deviation"
    ),
    "layer_log1m": Field(
        ("layer",),
        what="log(1 - eta_l) of each hidden layer, channel scope, exact or upper",
        most=0.0,
    ),
    "num_classes": _count("K, a float scalar")._replace(least=2.0),
    "exchangeable": _flag("1 where batches and stopping were chosen independently of the data"),
    "batching": _setting(
        "how batches were drawn, a position in `BATCHINGS`; NaN where it is not known, and the "
        "worst of them is then counted"
    ),
    "smallest_batch": _count(
        "fewest examples that a step's gradient was averaged over: b, and less where a last batch "
        "is shorter and divided by its own size"
    ),
    "shared_batches": _flag(
        "1 where all replicas saw the same batches or the same noise, so that the measured gap is "
        "the one given these; 0 where each drew its own"
    ),
    "bounded_steps": _flag(
        "1 where every example's gradient was kept within `clip`, also one that was not finite, so "
        "that the bounds cover replicas that diverged"
    ),
    "classes_given": _flag(
        "1 where `num_classes` is known, not counted from the labels that occur"
    ),
    "membership_information": _information(
        "sum over steps of what each tells about which member was trained on, given the path "
        "before it and not the mask: mean over pairs, rounded upwards. Its mean over masks and "
        "seeds is that of `trajectory_cmi`, but no value exceeds a quarter of the largest "
        "divergences, so that it has confidence limits"
    ),
    "radius": _setting(
        "of the ball the weights were projected to before each step, where what was evaluated are "
        "those of the last step, themselves or projected; inf for no projection, and NaN, where it "
        "is not known, counts as that"
    ),
}


def named(*dims: str) -> tuple[str, ...]:
    """The fields with exactly these axes, in order."""
    return tuple(name for name, field in FIELDS.items() if field.dims == dims)


def documented() -> str:
    """The fields as the section of a docstring, one entry each: shape, unit, meaning."""
    entries = (f"{name}: {field.words}." for name, field in FIELDS.items())
    wrapper = textwrap.TextWrapper(98, " " * 8, " " * 12, break_on_hyphens=False)
    return "\n".join(map(wrapper.fill, entries))

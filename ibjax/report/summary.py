"""The numbers of one checkpoint of a results file, ready for a table or a picture."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import xarray

LOSS_RANGE = 1.0
"""Range of the 0-1 loss: a bound at or above it is vacuous."""

HEADLINES = (
    "individual",
    "depth",
    "xu_raginsky",
    "individual_at_error",
    "sample_gradient",
    "trajectory_pair",
    "ld_cmi",
    "depth_published",
)
"""The bounds that tell the story: shown by default."""

_CONDITIONS = {
    "maxent_moment_residual": "moment residual",
    "maxent_duality_gap": "duality gap, nats",
    "maxent_linear_gap": "linear gap, nats",
    "maxent_total_correlation": "TC(T|Y), nats",
    "maxent_nc1": "NC1 tr(S_W S_B+)/K",
    "maxent_vci": "collapse index VCI",
    "maxent_angles": "NC2 angles off simplex",
    "maxent_duality": "NC3 head off means",
    "maxent_nearest_mean": "NC4 not nearest mean",
}


class Row(NamedTuple):
    """One quantity over the depths.

    Attributes:
        name: what it is.
        kind: measured, certificate, estimate or diagnostic.
        values: one a depth; NaN where it does not apply.
        errors: half-width of the 95 % interval; NaN where none is known.
        vacuous: where the bound says nothing.
        null: what the row reads where masks mean nothing, NaN for rows without one.
        null_spread: standard deviation of one such reading.
        confidence: probability with which a certificate holds.
    """

    name: str
    kind: str
    values: np.ndarray
    errors: np.ndarray
    vacuous: np.ndarray
    null: np.ndarray | None = None
    null_spread: np.ndarray | None = None
    confidence: float = 1.0

    @property
    def has_null(self) -> bool:
        """Whether any depth has a null."""
        return self.null is not None and bool(np.isfinite(self.null).any())


class Summary(NamedTuple):
    """Errors, gap and bounds against depth at one checkpoint.

    Attributes:
        depths: numbers of hidden layers.
        step: updates done.
        rows: the quantities.
        diverged: replicas that diverged, one count a depth; they err everywhere.
        replicas: replicas a depth.
        masks: replicas a supersample.
        supersamples: independent units of the intervals.
        contracted: 1 - eta^(L/2), the share of the bound that the layers take away; kept as a
            difference from 1 because it is often far below the rounding of 1.
        floor: the least eta^(L/2) that the training predictions allow.
        conditions: maximum-entropy conditions of the last layer after training, where the file
            has them and the checkpoint is the last.
    """

    depths: list[int]
    step: int
    rows: list[Row]
    diverged: np.ndarray
    replicas: int
    masks: int
    supersamples: int
    contracted: np.ndarray
    floor: np.ndarray
    conditions: list[Row]

    def row(self, name: str) -> Row:
        """The row called `name`."""
        return next(r for r in self.rows if r.name == name)


def t_quantile(units: int) -> float:
    """97.5 % quantile of Student's t for the mean of `units` independent units."""
    from scipy import stats

    return float(stats.t.ppf(0.975, units - 1)) if units > 1 else math.nan


def summarise(
    dataset: "xarray.Dataset", checkpoint: int = -1, names: Sequence[str] | None = None
) -> Summary:
    """The rows of a table: training and test error, gap, then the bounds.

    Intervals are Student t over supersamples, the independent units (over masks where there is
    one supersample).

    Args:
        dataset: a results file, see `results.read`.
        checkpoint: which evaluation along training.
        names: which bounds, in the order of the file; all by default.

    Raises:
        ValueError: for a bound that is not in the file.
    """
    now = dataset.isel(checkpoint=checkpoint)
    units = now.sizes["supersample"]
    quantile = t_quantile(units if units > 1 else now.sizes["mask_id"])
    never = np.zeros(now.sizes["depth"], bool)

    def measured(name: str, label: str) -> Row:
        values = now[name].values
        mean, error = _cluster_mean(values)
        return Row(label, "measured", mean, quantile * error, never)

    rows = [measured("train_error", "train error"), measured("test_error", "test error")]
    gap, gap_error = now["gap"].values, now["gap_std_error"].values
    rows.append(Row("gap", "measured", gap, quantile * gap_error, never))
    for name in _chosen(now["bound_name"].values.tolist(), names):
        one = now.sel(bound_name=name)
        rows.append(
            Row(
                name,
                str(one["bound_kind"].values),
                one["bound_value"].values,
                quantile * one["bound_std_error"].values,
                one["bound_vacuous"].values.astype(bool),
                one["bound_null"].values,
                one["bound_null_spread"].values,
                float(np.nanmin(one["bound_confidence"].values)),
            )
        )
    # log eta = log(1 - e^log1m) keeps what lies far below the rounding of 1
    log_eta = np.log1p(-np.exp(dataset["layer_log1m"].values))
    return Summary(
        depths=dataset["depth"].values.tolist(),
        step=int(now["checkpoints"].values),
        rows=rows,
        diverged=dataset["diverged"].values.reshape(len(never), -1).sum(axis=1),
        replicas=now.sizes["supersample"] * now.sizes["mask_id"],
        masks=now.sizes["mask_id"],
        supersamples=units,
        contracted=-np.expm1(0.5 * np.nansum(log_eta, axis=1)),
        floor=now["layer_floor"].values,
        conditions=[
            Row(label, str(now[name].attrs["kind"]), mean, quantile * error, never)
            for name, label in _CONDITIONS.items()
            if name in now and checkpoint in (-1, dataset.sizes["checkpoint"] - 1)
            for mean, error in [_cluster_mean(now[name].values)]
        ],
    )


def _chosen(stored: list[str], names: Sequence[str] | None) -> list[str]:
    unknown = [name for name in names or () if name not in stored]
    if unknown:
        raise ValueError(f"bounds holds {unknown[0]!r}; the file has {', '.join(stored)}")
    return [name for name in stored if names is None or name in names]


def headlines(dataset: "xarray.Dataset") -> list[str]:
    """The bounds of the file that a table shows unless asked for more; all if it has none."""
    stored = dataset["bound_name"].values.tolist()
    return [name for name in stored if name in HEADLINES] or stored


def label(entry: Any) -> str:
    """A class of the configuration as text: one label, or the labels of a group."""
    return ",".join(map(str, entry)) if isinstance(entry, list | tuple) else str(entry)


def _cluster_mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error over supersamples of (depth, supersample, mask) values."""
    import warnings

    axis = 2 if values.shape[1] > 1 else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        units = np.nanmean(values, axis=axis)
        mean = np.nanmean(units, axis=1)
        count = np.sum(np.isfinite(units), axis=1)
        error = np.nanstd(units, axis=1, ddof=1) / np.sqrt(count)
    return mean, error


def configuration(dataset: "xarray.Dataset") -> dict[str, Any]:
    """The configuration a results file carries."""
    import json

    return json.loads(dataset.attrs["config"])

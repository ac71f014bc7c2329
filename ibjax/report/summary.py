"""The numbers of one checkpoint of a results file, ready for a table or a picture."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import xarray

LOSS_RANGE = 1.0
"""Range of the 0-1 loss: a bound at or above it is vacuous."""

_CONDITIONS = {
    "maxent_moment_residual": "moment residual",
    "maxent_duality_gap": "duality gap, nats",
    "maxent_linear_gap": "linear gap, nats",
    "maxent_total_correlation": "TC(T|Y), nats",
}


class Row(NamedTuple):
    """One quantity over the depths.

    Attributes:
        name: what it is.
        kind: measured, certificate, estimate or diagnostic.
        values: one a depth; NaN where it does not apply.
        errors: half-width of the 95 % interval; NaN where none is known.
        vacuous: where the bound says nothing.
    """

    name: str
    kind: str
    values: np.ndarray
    errors: np.ndarray
    vacuous: np.ndarray


class Summary(NamedTuple):
    """Errors, gap and bounds against depth at one checkpoint.

    Attributes:
        depths: numbers of hidden layers.
        step: updates done.
        rows: the quantities.
        diverged: replicas left out, one count a depth.
        replicas: replicas a depth.
        supersamples: independent units of the intervals.
        contracted: 1 - eta^(L/2), the share of the bound that the layers take away; kept as a
            difference from 1 because it is often far below the rounding of 1.
        conditions: maximum-entropy conditions of the last layer after training, where the file
            has them and the checkpoint is the last.
    """

    depths: list[int]
    step: int
    rows: list[Row]
    diverged: np.ndarray
    replicas: int
    supersamples: int
    contracted: np.ndarray
    conditions: list[Row]

    def row(self, name: str) -> Row:
        """The row called `name`."""
        return next(r for r in self.rows if r.name == name)


def t_quantile(units: int) -> float:
    """97.5 % quantile of Student's t for the mean of `units` independent units."""
    from scipy import stats

    return float(stats.t.ppf(0.975, units - 1)) if units > 1 else math.nan


def summarise(dataset: "xarray.Dataset", checkpoint: int = -1) -> Summary:
    """The rows of a table: training and test error, gap, then every bound.

    Intervals are Student t over supersamples, the independent units (over masks where there is
    one supersample).

    Args:
        dataset: a results file, see `results.read`.
        checkpoint: which evaluation along training.
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
    for name in now["bound_name"].values.tolist():
        one = now.sel(bound_name=name)
        rows.append(
            Row(
                name,
                str(one["bound_kind"].values),
                one["bound_value"].values,
                quantile * one["bound_std_error"].values,
                one["bound_vacuous"].values.astype(bool),
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
        supersamples=units,
        contracted=-np.expm1(0.5 * np.nansum(log_eta, axis=1)),
        conditions=[
            Row(label, str(now[name].attrs["kind"]), mean, quantile * error, never)
            for name, label in _CONDITIONS.items()
            if name in now and checkpoint in (-1, dataset.sizes["checkpoint"] - 1)
            for mean, error in [_cluster_mean(now[name].values)]
        ],
    )


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

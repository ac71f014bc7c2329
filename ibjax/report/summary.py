"""The numbers of a results file along one of its axes, ready for a table or a picture."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray

from ibjax import results
from ibjax.report import axes
from ibjax.report.moments import LOSS_RANGE as LOSS_RANGE
from ibjax.report.moments import check_numbers, moment, present, stored, usable
from ibjax.results import layout

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

_KINDS = ("certificate", "estimate", "diagnostic", "unknown")


class Row(NamedTuple):
    """One quantity along the axis.

    Attributes:
        name: what it is.
        kind: measured, certificate, estimate or diagnostic; unknown where the file has lost it.
        values: one a point; NaN where it does not apply.
        errors: half-width of the 95 % interval; NaN where none is known.
        vacuous: where the bound says nothing.
        null: what the row reads where masks mean nothing, NaN for rows without one.
        null_spread: standard deviation of one such reading.
        confidence: probability with which a certificate holds.
        shared: whether it was measured under batches or noise that all replicas share, at a point.
    """

    name: str
    kind: str
    values: np.ndarray
    errors: np.ndarray
    vacuous: np.ndarray
    null: np.ndarray | None = None
    null_spread: np.ndarray | None = None
    confidence: float = 1.0
    shared: bool = False

    @property
    def has_null(self) -> bool:
        """Whether any point has a null."""
        return self.null is not None and bool(np.isfinite(self.null).any())


class Summary(NamedTuple):
    """Errors, gap and bounds along one axis, the others at one place.

    Attributes:
        axis: name of the axis, None where the file has none.
        points: its coordinates.
        fixed: coordinates on the other axes.
        steps: updates done, one a point.
        rows: the quantities.
        diverged: replicas that diverged, one count a point; they err everywhere.
        replicas: replicas a point, the most of any.
        masks: replicas a supersample, the most of any.
        supersamples: independent units of the intervals of the errors, the most of any.
        measured_on: replicas and supersamples that gap and bounds are of, where the file holds
            fewer of them now; else None.
        shared: where all replicas had the same batches or noise, so that errors, gap and their
            intervals are those given this draw, one a point.
        contracted: 1 - eta^(L/2), the share of the bound that the layers take away; kept as a
            difference from 1 because it is often far below the rounding of 1.
        floor: the least eta^(L/2) that the training predictions allow.
        conditions: maximum-entropy conditions of the last layer after training, where the file
            has them and the checkpoint is the last.
        counts: supersamples, and masks of each, at every point.
    """

    axis: str | None
    points: list[Any]
    fixed: dict[str, Any]
    steps: list[int]
    rows: list[Row]
    diverged: np.ndarray
    replicas: int
    masks: int
    supersamples: int
    contracted: np.ndarray
    floor: np.ndarray
    conditions: list[Row]
    measured_on: tuple[int, int] | None = None
    shared: np.ndarray = np.zeros(0, bool)
    counts: tuple[tuple[int, int], ...] = ()

    @property
    def depths(self) -> list[int]:
        """Numbers of hidden layers, where the axis is the depth."""
        if self.axis != "depth":
            raise ValueError(f"the axis is {self.axis}, not depth; see points")
        return self.points

    @property
    def step(self) -> int:
        """Updates done at the last point."""
        return self.steps[-1]

    def row(self, name: str) -> Row:
        """The row called `name`."""
        return next(r for r in self.rows if r.name == name)


def summarise(
    dataset: xarray.Dataset,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
    axis: str | None = None,
) -> Summary:
    """The rows of a table: training and test error, gap, then the bounds.

    Intervals are Student t over supersamples, the independent units (over masks where there is
    one supersample). What a file has lost is left out.

    Args:
        dataset: a results file, see `results.read`.
        checkpoint: which evaluation along training, of those each cell has.
        names: which bounds, in the order of the file; all by default.
        axis: along which axis, ``checkpoint`` for steps along training; by default the first with
            several values.

    Raises:
        ValueError: for a bound or an axis that is not in the file, and where another axis has
            several values: choose one by ``dataset.sel``, or see `summaries`.
    """
    found = summaries(dataset, checkpoint, names, axis)
    if len(found) > 1:
        raise ValueError(
            f"the file has {len(found)} places beside the axis {found[0].axis} "
            f"({', '.join(found[0].fixed)}); choose one by dataset.sel, or use report.summaries"
        )
    return found[0]


def summaries(
    dataset: xarray.Dataset,
    checkpoint: int = -1,
    names: Sequence[str] | None = None,
    axis: str | None = None,
) -> list[Summary]:
    """A `Summary` along the axis for every place on the other axes; arguments as `summarise`."""
    along = axes.check_axis(dataset, axis)
    shown = _chosen(stored(dataset), names)
    check_numbers(dataset)
    return [
        _along(dataset.isel(place), along, axes.coordinates(dataset, place), checkpoint, shown)
        for place in axes.panels(dataset, along)
    ]


def _along(
    part: xarray.Dataset, axis: str | None, fixed: dict[str, Any], checkpoint: int, names: list
) -> Summary:
    if axis == "checkpoint":
        cells = [(part, i) for i in range(len(usable(part)))]
    elif axis is None:
        cells = [(part, checkpoint)]
    else:
        cells = [(part.isel({axis: i}), checkpoint) for i in range(part.sizes[axis])]
    moments = [moment(cell, at, names) for cell, at in cells]
    if axis == "checkpoint":
        points = [m.step for m in moments]
    else:
        points = [None] if axis is None else results.axes(part)[axis]
    shared = np.array([m.shared for m in moments])
    rows = _transposed([m.rows for m in moments])
    rows = [r._replace(shared=r.kind == "measured" and bool(shared.any())) for r in rows]
    counts = tuple(m.replicas for m in moments)
    return Summary(
        axis,
        points,
        fixed,
        [m.step for m in moments],
        rows,
        np.array([m.diverged for m in moments]),
        max(k1 * k2 for k1, k2 in counts),
        max(k2 for _, k2 in counts),
        max(k1 for k1, _ in counts),
        np.array([m.contracted for m in moments]),
        np.array([m.floor for m in moments]),
        _transposed([m.conditions for m in moments]),
        _before(part),
        shared,
        counts,
    )


def _before(part: xarray.Dataset) -> tuple[int, int] | None:
    """Replicas and supersamples that were trained, where some are no longer in the file."""
    supersamples, masks = layout.units(part)
    if (supersamples, masks) == present(part):
        return None
    return supersamples * masks, supersamples


def checkpoints(dataset: xarray.Dataset) -> int:
    """How many evaluations along training the cells of a file have; the most of any."""
    if "checkpoint" not in dataset.dims:
        return 1
    return max(len(usable(dataset.isel(place))) for place in axes.panels(dataset, None))


def _transposed(moments: list[dict[str, dict[str, Any]]]) -> list[Row]:
    rows = []
    for name in dict.fromkeys(name for rows_of in moments for name in rows_of):
        cells = [rows_of.get(name, {}) for rows_of in moments]

        def each(part: str, missing: Any = math.nan, cells=cells) -> np.ndarray:
            return np.array([cell.get(part, missing) for cell in cells], float)

        kinds = [str(cell["kind"]) for cell in cells if cell.get("kind")]
        kinds.sort(key=lambda kind: _KINDS.index(kind) if kind in _KINDS else 0)
        confidence = each("confidence", 1.0)
        sure = float(np.nanmin(confidence)) if np.isfinite(confidence).any() else 1.0
        rows.append(
            Row(
                name,
                kinds[-1],
                each("value"),
                each("error"),
                np.nan_to_num(each("vacuous", 0.0)).astype(bool),
                each("null"),
                each("null_spread"),
                sure,
            )
        )
    return rows


def _chosen(stored: list[str], names: Sequence[str] | None) -> list[str]:
    unknown = [name for name in names or () if name not in stored]
    if unknown:
        raise ValueError(f"bounds holds {unknown[0]!r}; the file has {', '.join(stored) or 'none'}")
    return [name for name in stored if names is None or name in names]


def headlines(dataset: xarray.Dataset) -> list[str]:
    """The bounds of the file that a table shows unless asked for more; all if it has none."""
    there = stored(dataset)
    return [name for name in there if name in HEADLINES] or there

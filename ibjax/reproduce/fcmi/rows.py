"""Rows of the f-CMI experiment: the published numbers, and gap and bounds of trained cells.

The published bound is a mean of roots of plug-in information, which a few dozen masks lift far
above zero where nothing is remembered. Beside each stand its null, the same number under masks
dealt anew, and the corrected bound: tables of little bias, the mean first and the root last.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray

from ibjax import bounds
from ibjax.interface import BoundValue

BATCH = 128
"""Examples a step, or all where there are fewer."""


class Published(NamedTuple):
    """Gap and f-CMI bound as printed; their spread over supersamples read off the figure."""

    gap: float
    f_cmi: float
    gap_spread: float = math.nan
    f_cmi_spread: float = math.nan


PUBLISHED = {
    "standard": {
        75: Published(0.08924, 0.24268, 0.023, 0.052),
        250: Published(0.03627, 0.10733),
        1000: Published(0.01553, 0.04673),
        4000: Published(0.00806, 0.02571),
    },
    "deterministic": {
        75: Published(0.08347, 0.22257, 0.020, 0.041),
        250: Published(0.03451, 0.09499),
        1000: Published(0.01411, 0.04081),
        4000: Published(0.00814, 0.02655),
    },
    "wide": {
        75: Published(0.09253, 0.23986, 0.019, 0.046),
        250: Published(0.03739, 0.11018),
        1000: Published(0.01335, 0.03949),
        4000: Published(0.00789, 0.02541),
    },
}
"""Printed by the authors' program; "wide" shares its randomness as "deterministic" does."""


class Beside(NamedTuple):
    """What belongs beside a plug-in bound, all supersamples together, one number a checkpoint.

    Attributes:
        null: mean of the plug-in bound under masks dealt anew.
        null_spread: standard deviation of one such bound.
        corrected: the bound from tables of little bias, their largest bias added.
        corrected_error: its standard error, which covers that bias.
        corrected_null: mean of the corrected bound under masks dealt anew; mostly the bias added.
        corrected_null_spread: standard deviation of one such bound.
        above: 1 where the corrected information is above its null, 0 where it is not, NaN where
            there is no number.
    """

    null: np.ndarray
    null_spread: np.ndarray
    corrected: np.ndarray
    corrected_error: np.ndarray
    corrected_null: np.ndarray
    corrected_null_spread: np.ndarray
    above: np.ndarray


class Row(NamedTuple):
    """One variant and size; each statistic with one number a supersample, (k1, checkpoints).

    `beside` holds what was not stored by earlier versions, by bound; empty for their files.
    """

    variant: str
    n: int
    epochs: np.ndarray
    gap: np.ndarray
    train_error: np.ndarray
    bounds: dict[str, np.ndarray]
    seconds: float
    replicas: int
    diverged: int
    beside: dict[str, Beside] = {}  # noqa: RUF012  (a NamedTuple default, never mutated)


BOUNDS = ("f-CMI", "e-CMI", "ld-CMI", "single loss", "pair JS")
"""Names of the bounds of a row, loosest first."""

DRAWS = 100
"""Deals of the masks for a null: its mean has an error of a tenth of the spread."""

Call = tuple[Callable[..., BoundValue], tuple[Any, ...], dict[str, Any]]
"""A bound, its values with further arguments, and its keywords."""


def row(variant: str, n: int, cells: list[xarray.Dataset]) -> Row:
    """Gap and bounds of every supersample and checkpoint, and what belongs beside the bounds."""
    each = [_moments(c) for c in cells]
    # Diverged replicas are NaN and left out; the row counts them.
    gaps = [(c.test_error - c.train_error).mean("mask_id").values for c in cells]
    trains = [c.train_error.mean("mask_id").values for c in cells]
    masks, valid = (np.stack(parts) for parts in zip(*((m.masks, m.valid) for m in each)))
    times = range(cells[0].sizes["checkpoint"])
    values: dict[str, list[list[float]]] = {name: [] for name in BOUNDS}
    beside: dict[str, list[tuple[float, ...]]] = {name: [] for name in BOUNDS}
    with jax.enable_x64(True):
        for m in each:
            found = [
                {k: _value(c, m.masks[None], m.valid[None]) for k, c in _calls(m.at(t))}
                for t in times
            ]
            for name in BOUNDS:
                values[name].append([one[name] for one in found])
        for t in times:
            together = [np.concatenate(parts) for parts in zip(*(m.at(t) for m in each))]
            for name, call in _calls(together):
                beside[name].append(_beside(call, masks, valid))
    steps = math.ceil(n / min(BATCH, n))
    return Row(
        variant,
        n,
        cells[0].step.values / steps,
        np.array(gaps),
        np.array(trains),
        {name: np.array(v) for name, v in values.items()},
        sum(float(c.attrs["seconds"]) for c in cells),
        sum(c.sizes["mask_id"] for c in cells),
        sum(int(c.diverged.sum()) for c in cells),
        {name: Beside(*np.array(v).T) for name, v in beside.items()},
    )


class _Moments(NamedTuple):
    """The arrays of one supersample: predictions (k2, checkpoints, n, 2) and what they are of."""

    predictions: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    valid: np.ndarray

    def at(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Predictions and losses, (1, k2, n, 2), at one checkpoint."""
        predictions = self.predictions[None, :, t]
        return predictions, (predictions != self.labels).astype(np.int32)


def _moments(c: xarray.Dataset) -> _Moments:
    predictions, masks = (c[k].values.astype(np.int32) for k in ("predictions", "mask"))
    return _Moments(predictions, c.labels.values, masks, c.diverged.values == 0)


def _calls(now: Any) -> Iterator[tuple[str, Call]]:
    predictions, losses = now
    yield "f-CMI", (bounds.f_cmi, (predictions, 2), {})
    yield "e-CMI", (bounds.e_cmi, (losses,), {})
    yield "ld-CMI", (bounds.ld_cmi, (losses,), {})
    yield "single loss", (bounds.single_loss, (losses,), {})
    yield "pair JS", (bounds.ld_cmi, (losses,), {"inversion": "pair"})


def _value(call: Call, masks: np.ndarray, valid: np.ndarray) -> float:
    bound, (values, *rest), keywords = call
    return float(bound(values, masks, *rest, valid=valid, **keywords).value)


def _beside(call: Call, masks: np.ndarray, valid: np.ndarray) -> tuple[float, ...]:
    bound, (values, *rest), keywords = call

    def null(**how: Any) -> bounds.Null:
        deals = {"draws": DRAWS, "exact": False}
        return bounds.null(bound, values, masks, *rest, valid=valid, **deals, **how)

    plain, keywords = null(**keywords), keywords | {"correction": "polynomial"}
    found = bound(values, masks, *rest, valid=valid, **keywords)
    law = null(**keywords)
    said = bounds.verdict(found, law, masks.shape[1])
    above = {"no null": math.nan, "above its null": 1.0}.get(said, 0.0)
    numbers = (plain.mean, plain.spread, found.value, found.std_error, law.mean, law.spread)
    return (*(float(x) for x in numbers), above)


def centre(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over supersamples (first axis) of which a replica is left.

    The deviation is NaN where fewer than two are.
    """
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    return mean, np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def lost(rows: list[Row]) -> str:
    """What was left out of rows, in words; empty if nothing."""
    bad, total = sum(r.diverged for r in rows), sum(r.replicas for r in rows)
    return f" {bad} of {total} replicas diverged and are left out." if bad else ""

"""Rows of the f-CMI experiment: the published numbers, and gap and bounds of trained cells."""

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ibjax import bounds

if TYPE_CHECKING:
    import xarray

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


class Row(NamedTuple):
    """One variant and size; each statistic with one number a supersample, (k1, checkpoints)."""

    variant: str
    n: int
    epochs: np.ndarray
    gap: np.ndarray
    train_error: np.ndarray
    bounds: dict[str, np.ndarray]
    seconds: float
    replicas: int
    diverged: int


BOUNDS = ("f-CMI", "e-CMI", "ld-CMI", "single loss", "pair JS")
"""Names of the bounds of a row, loosest first."""


def row(variant: str, n: int, cells: "list[xarray.Dataset]") -> Row:
    """Gap and bounds of every supersample and checkpoint."""
    gaps, trains = [], []
    values: dict[str, list[list[float]]] = {name: [] for name in BOUNDS}
    for c in cells:
        valid = c.diverged.values[None] == 0
        # Diverged replicas are NaN and left out; the row counts them.
        gaps.append((c.test_error - c.train_error).mean("mask_id").values)
        trains.append(c.train_error.mean("mask_id").values)
        each: dict[str, list[float]] = {name: [] for name in BOUNDS}
        masks = c.mask.values[None].astype(np.int32)
        for t in range(c.sizes["checkpoint"]):
            predictions = c.predictions.values[:, t][None].astype(np.int32)
            losses = (predictions != c.labels.values[None, None]).astype(np.int32)
            for name, value in _bounds(predictions, losses, masks, valid):
                each[name].append(value)
        for name in BOUNDS:
            values[name].append(each[name])
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
    )


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


def caveat(masks: int) -> str:
    """What the numbers of a row are."""
    ceiling = math.log(2) - 1 / (2 * masks)
    return (
        "gap: measured test minus training error. Bounds are plug-in estimates over "
        f"{masks} masks: biased up where predictions hardly depend on the masks, down where they "
        f"say nearly all (no more than about {ceiling:.3f} of log 2 = 0.693 nats can be seen). "
        "They use the test labels and certify nothing."
    )


def losses(rows: list[Row]) -> str:
    """What was left out of rows, in words; empty if nothing."""
    bad, total = sum(r.diverged for r in rows), sum(r.replicas for r in rows)
    return f" {bad} of {total} replicas diverged and are left out." if bad else ""


def dataset(rows: list[Row], options: dict[str, Any]) -> "xarray.Dataset":
    """The rows with their axes; checkpoints of one size beyond those of another are NaN."""
    import xarray

    from ibjax import environment

    axes = ("supersample", "checkpoint")
    each = []
    for r in rows:
        numbers = {"gap": (r.gap, "measured"), "train_error": (r.train_error, "measured")}
        numbers |= {name: (values, "plug-in estimate") for name, values in r.bounds.items()}
        variables = {
            name.replace(" ", "_").replace("-", "_"): (
                axes,
                values,
                {"units": "loss (0-1)", "kind": kind, "long_name": name},
            )
            for name, (values, kind) in numbers.items()
        }
        variables |= {
            "epoch": (("checkpoint",), r.epochs, {"units": "1"}),
            "replicas": ((), r.replicas, {"units": "1"}),
            "diverged": ((), r.diverged, {"units": "1"}),
        }
        place = {"variant": [r.variant], "n": [r.n]}
        each.append(xarray.Dataset(variables).expand_dims(place))
    found = xarray.combine_by_coords(each) if len(each) > 1 else each[0]
    assert isinstance(found, xarray.Dataset)
    found.attrs = {**environment.describe(), "options": json.dumps(options, sort_keys=True)}
    return found


def _bounds(predictions, losses, masks, valid):
    yield "f-CMI", float(bounds.f_cmi(predictions, masks, 2, valid=valid).value)
    yield "e-CMI", float(bounds.e_cmi(losses, masks, valid=valid).value)
    yield "ld-CMI", float(bounds.ld_cmi(losses, masks, valid=valid).value)
    yield "single loss", float(bounds.single_loss(losses, masks, valid=valid).value)
    yield "pair JS", float(bounds.ld_cmi(losses, masks, inversion="pair", valid=valid).value)

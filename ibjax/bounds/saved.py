"""Evidence from arrays that were saved elsewhere, by any framework."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ibjax.interface import Evidence

_REQUIRED = ("mask",)
_OUTCOMES = ("losses", "predictions", "labels", "num_classes")
_PER_REPLICA = (
    "train_loss",
    "gradient_information",
    "sample_information",
    "incoherence_information",
    "trajectory_cmi",
    "trajectory_cmi_llr",
    "test_prior_information",
    "likelihood_ratio",
)
_PER_STEP = ("step_sizes", "noise_stds")
_PER_LAYER = ("layer_diameter", "layer_noise", "layer_log1m")
_SCALARS = ("clip", "gradient_norm", "batch_size", "dim", "exchangeable")
_COUNTS = {"batch_size": 1, "dim": 1, "num_classes": 2}
"""Whole numbers, with the smallest."""

_FREE = ("train_loss", "trajectory_cmi_llr")
"""May be negative: a loss, and the one estimate of information that can be in a replica."""

NAMES = (*_REQUIRED, *_OUTCOMES, "diverged", *_PER_REPLICA, *_PER_STEP, *_PER_LAYER, *_SCALARS)
"""Every array that can be given."""


def from_arrays(arrays: Mapping[str, Any]) -> Evidence:
    """The evidence of trained replicas of one configuration, from arrays by name.

    What is not given is NaN, and bounds that need it are missing. The trajectory bounds also
    need ``exchangeable = 1``: your word that batches and stopping did not look at the data.

    Args:
        arrays: ``mask`` (k1, k2, n) says which member of each pair (column 0 or 1) each replica
            was trained on; then either ``losses`` (k1, k2, n, 2), the 0-1 loss on both members,
            or ``predictions`` (k1, k2, n, 2) with ``labels`` (k1, n, 2), both integers from 0,
            and optionally ``num_classes``. Optional: ``diverged`` (k1, k2); measured information
            (k1, k2), in nats, at least 0; ``step_sizes`` and ``noise_stds`` (T,); ``layer_log1m``
            (L,), the log(1 - eta) of each layer; ``clip``, ``gradient_norm`` (the clip unless
            given), ``batch_size``, ``dim`` and ``exchangeable``.

    Returns:
        `Evidence` with one checkpoint, for `evaluate` and `gap`.

    Raises:
        ValueError: for a name that is not known, a missing one, a shape that does not fit, or
            values out of range.
    """
    unknown = sorted(set(arrays) - set(NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a known array; choose among {', '.join(NAMES)}")
    mask = _mask(arrays)
    k1, k2, n = mask.shape
    predictions, labels, num_classes = _outcomes(arrays, k1, k2, n)
    diverged = _array(arrays, "diverged", (k1, k2), False).astype(bool)
    diverged = diverged | np.any(predictions < 0, axis=(-1, -2))
    wrong = np.where(diverged[..., None, None], np.nan, predictions != labels[:, None])
    trained = np.take_along_axis(wrong, mask[..., None], axis=-1)[..., 0]
    ghost = np.take_along_axis(wrong, 1 - mask[..., None], axis=-1)[..., 0]
    known = {name: _array(arrays, name, (k1, k2), keep=~diverged) for name in _PER_REPLICA}
    known = {name: values[:, :, None] for name, values in known.items()}
    steps = {name: _vector(arrays, name) for name in _PER_STEP}
    if steps["step_sizes"].shape != steps["noise_stds"].shape:
        raise ValueError(
            f"step_sizes has {len(steps['step_sizes'])} steps but noise_stds "
            f"{len(steps['noise_stds'])}; give one value a step in both"
        )
    scalars = {name: _array(arrays, name, ()) for name in _SCALARS}
    if np.isnan(scalars["gradient_norm"]):
        scalars["gradient_norm"] = scalars["clip"]
    return Evidence(
        index=np.full((k1, n, 2), -1),
        mask=mask,
        labels=labels,
        predictions=predictions[:, :, None],
        train_error=trained.mean(axis=-1)[:, :, None],
        test_error=ghost.mean(axis=-1)[:, :, None],
        diverged=diverged,
        checkpoints=np.array([len(steps["step_sizes"])]),
        num_classes=np.asarray(num_classes, np.float64),
        **known,
        **steps,
        **{name: _vector(arrays, name, 0) for name in _PER_LAYER},
        **scalars,
    )


def _mask(arrays: Mapping[str, Any]) -> np.ndarray:
    if "mask" not in arrays:
        raise ValueError("mask is missing; give (k1, k2, n) integers, the column trained on")
    mask = np.asarray(arrays["mask"])
    if mask.ndim != 3 or mask.shape[2] < 2 or mask.size == 0:
        raise ValueError(f"mask has shape {mask.shape}; it must be (k1, k2, n) with n >= 2")
    if not np.isin(mask, (0, 1)).all():
        raise ValueError("mask must hold 0 and 1 only: the column of the pair trained on")
    return mask.astype(np.int32)


def _outcomes(arrays: Mapping[str, Any], k1: int, k2: int, n: int) -> tuple[Any, Any, float]:
    """Predictions, labels and number of classes; 0-1 losses are predictions of label 0."""
    pairs = (k1, k2, n, 2)
    if "losses" in arrays:
        if "predictions" in arrays:
            raise ValueError("losses and predictions are both given; keep one of them")
        losses = _array(arrays, "losses", pairs)
        if not np.isin(losses, (0, 1)).all():
            odd = losses[~np.isin(losses, (0, 1))].flat[0]
            raise ValueError(
                f"losses holds {odd}; the 0-1 loss is needed: save whether each prediction was "
                "wrong, and mark replicas without one in diverged"
            )
        return losses.astype(np.int32), np.zeros((k1, n, 2), np.int32), np.nan
    if "predictions" not in arrays or "labels" not in arrays:
        raise ValueError("losses are missing; give losses, or predictions and labels")
    predictions = _whole(arrays, "predictions", pairs)
    labels = _whole(arrays, "labels", (k1, n, 2))
    most = int(max(predictions.max(), labels.max())) + 1
    given = _array(arrays, "num_classes", ())
    num_classes = max(most, 2) if np.isnan(given) else int(given)
    if labels.min() < 0 or most > num_classes:
        raise ValueError(
            f"labels and predictions reach from {labels.min()} to {most - 1}; they must lie in "
            f"0..{num_classes - 1} (a prediction of -1 marks a diverged replica)"
        )
    return predictions, labels, float(num_classes)


def _whole(arrays: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    values = _array(arrays, name, shape)
    if not np.all(values == np.round(values)):
        raise ValueError(f"{name} must hold whole numbers, the classes from 0")
    return values.astype(np.int32)


def _array(
    arrays: Mapping[str, Any],
    name: str,
    shape: tuple[int, ...],
    missing: Any = np.nan,
    keep: Any = True,
) -> np.ndarray:
    """An array by its name, its type and shape checked, and its range where `keep` is true."""
    if name not in arrays:
        return np.full(shape, missing)
    values = np.asarray(arrays[name])
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {values.dtype}; give numbers")
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}; it must be {shape} to fit the mask")
    values = values.astype(np.float64)
    bad, allowed = _outside(name, values)
    if np.any(bad & keep):
        raise ValueError(f"{name} holds {values[bad & keep].flat[0]:g}; it must be {allowed}")
    return values


def _outside(name: str, values: np.ndarray) -> tuple[np.ndarray, str]:
    """Which values cannot be right, and what can; NaN marks a missing one."""
    if name in _COUNTS:
        low = _COUNTS[name]
        whole = (values >= low) & (values < 2**31) & (values == np.floor(values))
        return ~whole & ~np.isnan(values), f"a whole number of at least {low}"
    if name == "layer_log1m":
        return values > 0, "log(1 - eta) of a coefficient, at most 0"
    if name in (*_PER_REPLICA, *_PER_STEP, *_PER_LAYER, *_SCALARS) and name not in _FREE:
        return values < 0, "at least 0"
    return np.zeros(values.shape, bool), ""


def _vector(arrays: Mapping[str, Any], name: str, missing: int = 1) -> np.ndarray:
    if name not in arrays:
        return np.full(missing, np.nan)
    shape = np.shape(arrays[name])
    if len(shape) != 1:
        raise ValueError(f"{name} has shape {shape}; it must be a vector")
    return _array(arrays, name, shape)

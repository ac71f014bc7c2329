"""Evidence from arrays that were saved elsewhere, by any framework."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ibjax.bounds.supersamples import mistakes
from ibjax.interface import BATCHINGS, Evidence
from ibjax.interface.fields import FIELDS, REPLICA, Field, named
from ibjax.signatures import enforced

_OUTCOMES = ("mask", "losses", "predictions", "labels")
_PER_REPLICA = tuple(
    name
    for name in named(*REPLICA, "checkpoint")
    if name not in ("train_error", "test_error")  # these follow from the losses
)
_PER_STEP = named("step")
_PER_LAYER = named("layer")
_SCALARS = tuple(name for name in named() if name != "classes_given")
NAMES = (*_OUTCOMES, "diverged", *_PER_REPLICA, *_PER_STEP, *_PER_LAYER, *_SCALARS)
"""Every array that can be given."""


@enforced
def from_arrays(arrays: Mapping[str, Any]) -> Evidence:
    """The evidence of trained replicas of one configuration, from arrays by name.

    What is not given is NaN, and bounds that need it are missing. The trajectory bounds also
    need ``exchangeable = 1``: your word that initial weights (of a resumed run: those before its
    first step, whose steps all count), batches and stopping did not look at the data; and
    how batches were drawn, without which the worst case is counted: as if each held one example
    or, where replicas may share them, were a Poisson batch of all.

    Args:
        arrays: by name; those of replicas may lack the axis k1 where there is one supersample.
            ``mask`` (k1, k2, n) says which member of each pair (column 0 or 1) each replica
            was trained on; then either ``losses`` (k1, k2, n, 2), the loss on both members, 0 or
            1 or anything between (cross-entropy or squared error clipped and scaled to [0, 1]),
            or ``predictions`` (k1, k2, n, 2) with ``labels`` (k1, n, 2), both integers from 0,
            and optionally ``num_classes``: the depth bound needs it, since the labels that
            happen to occur do not tell. Optional: ``diverged`` (k1, k2), replicas without an
            outcome, which count as wrong everywhere; measured information (k1, k2), in nats, at
            least 0; ``step_sizes`` and ``noise_stds`` (T,); ``layer_log1m`` (L,), the
            log(1 - eta) of each layer; ``clip``, ``batch_size``, ``dim``, ``exchangeable``;
            ``batching``, a name of `interface.BATCHINGS`, and ``smallest_batch`` where the last
            one is averaged over its own size; ``shared_batches``, 0 where every replica drew its
            own, without which they are counted as known; ``bounded_steps``, 1 where a gradient
            that was not finite was kept within the clip too; ``radius``, where every step started
            from weights projected to that ball and the outcomes are those of the last weights
            (not of an average over the path); ``gradient_norm`` for the record.

    Returns:
        `Evidence` with one checkpoint, for `evaluate` and `gap`.

    Raises:
        ValueError: for a name that is not known, a missing one, a shape that does not fit, or
            values out of range.
    """
    unknown = sorted(set(arrays) - set(NAMES))
    if unknown:
        close = mistakes.close_name(unknown[0], NAMES) or f"; choose among {', '.join(NAMES)}"
        raise ValueError(f"{unknown[0]!r} is not a known array{close}")
    if np.ndim(arrays.get("mask", 0.0)) == 2:
        alone = (*_OUTCOMES, "diverged", *_PER_REPLICA)
        arrays = {k: np.asarray(v)[None] if k in alone else v for k, v in arrays.items()}
    mask = _mask(arrays)
    k1, k2, n = mask.shape
    diverged = _diverged(arrays, k1, k2)
    predictions, labels, num_classes, given = _outcomes(arrays, diverged, k1, k2, n)
    diverged = diverged | np.any(predictions < 0, axis=(-1, -2))
    wrong = np.where(labels[:, None] < 0, predictions, predictions != labels[:, None])
    wrong = np.where(diverged[..., None, None], 1.0, wrong)
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
    return Evidence(
        index=np.full((k1, n, 2), -1),
        mask=mask,
        labels=labels,
        predictions=predictions[:, :, None],
        train_error=trained.mean(axis=-1)[:, :, None],
        test_error=ghost.mean(axis=-1)[:, :, None],
        diverged=diverged,
        checkpoints=np.array([len(steps["step_sizes"])]),
        classes_given=np.asarray(1.0 if given else np.nan),
        **known,
        **steps,
        **_layers(arrays),
        **_settings(arrays, n) | {"num_classes": np.asarray(num_classes, np.float64)},
    )


def _layers(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What is known of each layer; NaN for what is not given of those there are."""
    counts = {name: np.size(arrays[name]) for name in _PER_LAYER if name in arrays}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ValueError(f"numbers of layers disagree: {listed}; give one a layer in each")
    return {name: _vector(arrays, name, max(counts.values(), default=0)) for name in _PER_LAYER}


def _settings(arrays: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
    """The scalars, the way of drawing batches as its code, and what follows from them."""
    found = {name: _array(arrays, name, ()) for name in _SCALARS if name != "batching"}
    found["batching"] = np.asarray(_batching(arrays), np.float64)
    way = None if np.isnan(found["batching"]) else BATCHINGS[int(found["batching"])]
    b = found["batch_size"]
    if b > n:
        raise ValueError(f"batch_size={b:g} exceeds the n = {n} examples; give at most n")
    if way == "full" and b != n:
        raise ValueError(f"batch_size={b:g} with batching='full'; the full batch has n = {n}")
    if found["smallest_batch"] > b:
        raise ValueError(f"smallest_batch={found['smallest_batch']:g} exceeds batch_size={b:g}")
    if way == "whole_epochs" and np.isnan(found["smallest_batch"]) and not np.isnan(b):
        found["smallest_batch"] = np.asarray(n % int(b) or b)
    return found


def _batching(arrays: Mapping[str, Any]) -> float:
    """The code of how batches were drawn, from its name; NaN where it is not given."""
    if "batching" not in arrays:
        return np.nan
    value = np.asarray(arrays["batching"])
    name = str(value.item()) if value.size == 1 else str(value)
    if name not in BATCHINGS:
        raise ValueError(f"batching={name!r} is unknown; choose among {', '.join(BATCHINGS)}")
    return float(BATCHINGS.index(name))


def _diverged(arrays: Mapping[str, Any], k1: int, k2: int) -> np.ndarray:
    values = _array(arrays, "diverged", (k1, k2), 0.0)
    if not np.isin(values, (0, 1)).all():
        raise ValueError("diverged must hold 0 and 1 only: whether each replica diverged")
    return values.astype(bool)


def _mask(arrays: Mapping[str, Any]) -> np.ndarray:
    if "mask" not in arrays:
        raise ValueError("mask is missing; give (k1, k2, n) integers, the column trained on")
    mask = np.asarray(arrays["mask"])
    if mask.ndim != 3 or mask.shape[2] < 2 or mask.size == 0:
        raise ValueError(f"mask has shape {mask.shape}; it must be (k1, k2, n) with n >= 2")
    if not np.isin(mask, (0, 1)).all():
        raise ValueError("mask must hold 0 and 1 only: the column of the pair trained on")
    return mask.astype(np.int32)


def _outcomes(
    arrays: Mapping[str, Any], diverged: np.ndarray, k1: int, k2: int, n: int
) -> tuple[np.ndarray, np.ndarray, float, bool]:
    """Predictions, labels, number of classes and whether it was given.

    Where only losses are known they stand for predictions, with labels of -1; real ones as they
    are.
    """
    pairs = (k1, k2, n, 2)
    gone = diverged[..., None, None]
    classes = float(_array(arrays, "num_classes", ()))
    given = not np.isnan(classes)
    if "losses" in arrays:
        if np.shape(arrays["losses"]) == pairs[:-1]:
            raise ValueError(
                f"losses has shape {pairs[:-1]} like the mask, one number an example: call the "
                "mask `membership` where it says which model was trained on which example; of "
                f"pairs give both members, {pairs}"
            )
        for name in ("predictions", "labels"):
            if name in arrays:
                raise ValueError(
                    f"losses and {name} are both given; keep one of them: predictions with "
                    "labels, which hold more, or losses"
                )
        losses = np.where(gone, 1.0, _array(arrays, "losses", pairs, keep=~gone))
        if not ((losses >= 0) & (losses <= 1)).all():
            odd = losses[~((losses >= 0) & (losses <= 1))].flat[0]
            raise ValueError(
                f"losses holds {odd}; give losses in [0, 1]: whether each prediction was wrong, or "
                "real ones clipped and scaled to that range (`ibjax bounds --clip`), and mark "
                "replicas without one in diverged"
            )
        whole = np.isin(losses, (0, 1)).all()
        held = losses.astype(np.int32) if whole else losses
        return held, np.full((k1, n, 2), -1, np.int32), classes, given
    if "predictions" not in arrays or "labels" not in arrays:
        raise ValueError("losses are missing; give losses, or predictions and labels")
    predictions = _whole("predictions", np.where(gone, -1, _array(arrays, "predictions", pairs)))
    labels = _whole("labels", _array(arrays, "labels", (k1, n, 2)))
    most = int(max(predictions.max(), labels.max())) + 1
    num_classes = int(classes) if given else max(most, 2)
    if labels.min() < 0 or most > num_classes:
        raise ValueError(
            f"labels and predictions reach from {labels.min()} to {most - 1}; they must lie in "
            f"0..{num_classes - 1} (a prediction of -1 marks a diverged replica)"
        )
    return predictions, labels, float(num_classes), given


def _whole(name: str, values: np.ndarray) -> np.ndarray:
    if not np.all((values == np.round(values)) & (np.abs(values) < 2**31)):
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
    known, field = ~np.isnan(values), FIELDS.get(name, Field())
    if field.values == "count":
        whole = (values >= field.least) & (values < 2**31) & (values == np.floor(values))
        return ~whole & known, f"a whole number of at least {field.least:g}"
    if field.values == "flag":
        return ~np.isin(values, (0, 1)) & known, "1 for yes or 0 for no"
    if name in _PER_STEP:
        return ~(np.isfinite(values) & (values >= 0)), "finite and at least 0"
    if field.most is not None:
        return values > field.most, f"at most {field.most:g}"
    if field.least is not None:
        return values < field.least, f"at least {field.least:g}"
    return np.zeros(values.shape, bool), ""


def _vector(arrays: Mapping[str, Any], name: str, missing: int = 1) -> np.ndarray:
    if name not in arrays:
        return np.full(missing, np.nan)
    shape = np.shape(arrays[name])
    if len(shape) != 1 or (name in _PER_STEP and not shape[0]):
        raise ValueError(f"{name} has shape {shape}; it must be a vector, not an empty one")
    return _array(arrays, name, shape)

"""One file for the replicas of a supersample: written whole or not at all, skipped when there."""

import hashlib
import importlib.metadata
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ibjax import results
from ibjax.interface import Dataset, Supersample
from ibjax.reproduce.outcome import Log

if TYPE_CHECKING:
    import xarray

    from ibjax.langevin import Config

_FORMAT = 1


def cell(
    path: Path,
    settings: dict[str, Any],
    key: Any,
    config: "Config",
    pool: Dataset,
    pairs: Supersample,
    log: Log,
) -> "xarray.Dataset":
    """The replicas of one supersample, from its file if that holds the same settings.

    A file of other settings, or of another version of ibjax, is made anew.

    Args:
        path: the file.
        settings: what the numbers depend on, as JSON.
        key: root key of the training randomness.
        config: the run.
        pool: the data.
        pairs: one supersample, ``index`` (1, n, 2) and ``mask`` (1, k2, n).
        log: says what is done.

    Returns:
        Predictions (mask, checkpoint, pair, column), errors, masks, labels and index.
    """
    digest = fingerprint(settings)
    found = _read(path)
    if found is not None and found.attrs.get("fingerprint") == digest:
        log(f"{path.stem}: finished before")
        return found
    if path.exists():
        why = "cannot be read" if found is None else "has other settings or another version"
        log(f"{path.stem}: the stored file {why} and is made anew")
    from ibjax import langevin

    start = time.perf_counter()
    e = langevin.run_replicas(key, config, pool, pairs)
    seconds = time.perf_counter() - start
    dataset = _dataset(e)
    dataset.attrs = {
        "settings": json.dumps(settings, sort_keys=True),
        "fingerprint": digest,
        "seconds": seconds,
        "steps": config.steps,
    }
    results.write(dataset, path)
    gap = float(np.nanmean((e.test_error - e.train_error)[..., -1]))
    log(f"{path.stem}: {e.diverged.size} replicas in {seconds:.0f} s, gap {gap:.4f}")
    return dataset


def fingerprint(settings: dict[str, Any]) -> str:
    """A name for the settings and the version of ibjax, the same in every process."""
    version = importlib.metadata.version("ibjax")
    text = json.dumps({"format": _FORMAT, "ibjax": version, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> "xarray.Dataset | None":
    import xarray

    if not path.exists():
        return None
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as stored:
            return stored.load()
    except (OSError, ValueError, KeyError):
        return None  # not ours, or cut short


def _dataset(e: Any) -> "xarray.Dataset":
    import xarray

    along = ("mask_id", "checkpoint")
    units = {"units": "probability"}
    return xarray.Dataset(
        {
            "predictions": ((*along, "pair", "column"), e.predictions[0].astype(np.int8)),
            "train_error": (along, e.train_error[0], units),
            "test_error": (along, e.test_error[0], units),
            "train_loss": (along, e.train_loss[0], {"units": "nat"}),
            "mask": (("mask_id", "pair"), e.mask[0].astype(np.int8)),
            "labels": (("pair", "column"), e.labels[0].astype(np.int8)),
            "index": (("pair", "column"), e.index[0].astype(np.int32)),
            "diverged": (("mask_id",), e.diverged[0].astype(np.int8)),
            "step": (("checkpoint",), np.asarray(e.checkpoints)),
        }
    )

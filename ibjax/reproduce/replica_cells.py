"""The replicas of a supersample on disk: written whole, grown mask by mask, never overwritten."""

import hashlib
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from ibjax import environment, files
from ibjax.interface import Dataset, Supersample
from ibjax.reproduce.outcome import Log, stretches

if TYPE_CHECKING:
    from ibjax.langevin import Config

_FORMAT = 3
BLOCK = 10
"""Replicas between two writes on a processor; accelerators train all at once."""


def cell(
    path: Path,
    settings: dict[str, Any],
    key: Any,
    config: "Config",
    pool: Dataset,
    pairs: Supersample,
    log: Log,
) -> tuple[xarray.Dataset, Path]:
    """The replicas of one supersample, from its file as far as it holds them.

    The name of the file ends in the fingerprint of the settings, so that other settings, or
    another version of ibjax, have files of their own. Mask u and its replica do not depend on how
    many masks there are: a file with fewer is continued, of one with more the first are taken.

    Args:
        path: the file, without the fingerprint.
        settings: what the numbers depend on besides the number of masks, as JSON.
        key: root key of the training randomness.
        config: the run.
        pool: the data.
        pairs: one supersample, ``index`` (1, n, 2) and ``mask`` (1, k2, n).
        log: says what is done.

    Returns:
        Predictions (mask, checkpoint, pair, column), errors, masks, labels and index; and the
        file they are in.

    Raises:
        OSError: if the file cannot be written.
    """
    settings = settings | {"steps": config.steps, "checkpoints": config.checkpoints}
    settings = settings | {"data": files.digest(pool.x, pool.y, pool.num_classes)}
    digest = fingerprint(settings)
    path = path.with_name(f"{path.stem}-{digest}{path.suffix}")
    masks = np.asarray(pairs.mask)
    name = path.stem.removesuffix(f"-{digest}")
    found = stored(path, name, log)
    done = 0 if found is None else found.sizes["mask_id"]
    if found is not None:
        if not np.array_equal(found.mask.values[: masks.shape[1]], masks[0, :done]):
            raise ValueError(f"{path}: holds other masks than these settings draw; remove it")
        if done >= masks.shape[1]:
            log(f"{name}: finished before")
            return found.isel(mask_id=slice(masks.shape[1])), path
        log(f"{name}: {done} of {masks.shape[1]} replicas finished before")
    for first, end in _blocks(done, masks.shape[1]):
        start = time.perf_counter()
        e = _trained(key, config, pool, pairs, first, end, stretches(log, name))
        seconds = time.perf_counter() - start
        block, before = _dataset(e), {} if found is None else found.attrs
        found = block if found is None else _joined(found, block)
        found.attrs = {
            **environment.merged([*([before] if before else []), environment.describe()]),
            "settings": json.dumps(settings, sort_keys=True),
            "fingerprint": digest,
            "seconds": before.get("seconds", 0.0) + seconds,
            "steps": config.steps,
            "seed": settings.get("seed", -1),
        }
        files.write(found, path)
        last = (e.test_error - e.train_error)[~e.diverged][:, -1]
        gap = last.mean() if last.size else math.nan
        lost = f", {int(e.diverged.sum())} diverged" if e.diverged.any() else ""
        log(f"{name}: replicas {first + 1} to {end} in {seconds:.0f} s, gap {gap:.4f}{lost}")
    assert found is not None
    return found, path


def stored(path: Path, name: str, log: Log) -> xarray.Dataset | None:
    """A data set that is there and whole; None if it must be made, and why where it is damaged."""
    if not path.exists():
        return None
    try:
        return files.read(path)
    except (ValueError, OSError) as error:
        log(f"{name}: the stored file cannot be read and is made anew ({error})")
        return None


def fingerprint(settings: dict[str, Any]) -> str:
    """A name for the settings and the version of ibjax, the same in every process."""
    text = json.dumps(
        {"format": _FORMAT, "ibjax": environment.version("ibjax"), **settings}, sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _blocks(done: int, masks: int):
    """Stretches of replicas that are trained and stored together."""
    import jax

    if jax.default_backend() != "cpu":
        return [(done, masks)]
    devices = jax.local_device_count()
    step = -(-BLOCK // devices) * devices
    return [(first, min(first + step, masks)) for first in range(done, masks, step)]


def _trained(key, config, pool, pairs, first: int, last: int, progress):
    from ibjax import langevin

    block = Supersample(pairs.index, pairs.mask[:, first:last])
    return langevin.run_replicas(key, config, pool, block, first_mask=first, progress=progress)


def _joined(stored: xarray.Dataset, block: xarray.Dataset) -> xarray.Dataset:
    return xarray.concat(
        [stored, block],
        "mask_id",
        data_vars="minimal",
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="override",
    )


def _dataset(e: Any) -> xarray.Dataset:
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

"""One door to every data set: `load` by name."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.data import originals, preparing, splits, tfds
from ibjax.data.sources import sources
from ibjax.interface import Dataset
from ibjax.signatures import enforced


def names() -> tuple[str, ...]:
    """What `load` accepts, for people; the last entry stands for the rest of TFDS."""
    return (*sources(), *originals.names(), "any TFDS name")


@enforced
def load(
    name: str,
    split: str = "train",
    *,
    classes: Sequence[Any] | None = None,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
) -> Dataset:
    """Load a split of a data set by name, whole, as arrays.

    Args:
        name: ``"digits"`` (8 x 8 grey images embedded in scikit-learn: no network, no files),
            ``"two_gaussians"`` (`two_gaussians` with 4000 examples a split, dim 10, separation
            2 and a fixed key), a `Source` that an installed package adds, or any TFDS
            classification data set of images of one size or of numeric columns, prepared in
            ArrayRecord format: ``"mnist"``, ``"iris"``, ``"name/config:version"``. No TensorFlow
            is involved.
        split: ``"train"``, ``"test"``, or TFDS's language: ``"train[:1000]"``,
            ``"train[:80%]"``, ``"train+test"``. ``"digits"`` has ``"all"`` besides.
        classes: keep the examples of these labels only and relabel them 0, 1, ... in the
            order given; a group of labels becomes one class, ((0, 2, 4), (1, 3, 5)).
        data_dir: directory of prepared TFDS data; default the environment variable
            TFDS_DATA_DIR, else ``~/tensorflow_datasets``.
        download: when the data are not there, fetch and prepare them. `mnist`,
            `fashion_mnist` and `cifar10` come from their original files, checksums verified;
            other names are left to TFDS, which needs TensorFlow to prepare some of them.

    Returns:
        ``x`` float32: images (n, height, width, channels) in [0, 1], or numeric columns (n, d)
        in the order of their names, unscaled. ``y`` int32 (n,). Stored splits keep their
        order, the same as TFDS's, and stay in memory for the next call.

    Raises:
        ValueError: unknown name, split or class, or data that are not of this kind.
        FileNotFoundError: a TFDS data set that is not in `data_dir`.
        ImportError: a TFDS data set where tensorflow-datasets is not installed.
        ConnectionError: the download failed.
    """
    row = sources().get(name)
    if row is None:
        x, y, num_classes = tfds.read(name, _folder(name, data_dir, download), split)
        truth: dict[str, float] = {}
    else:
        stored = row.read()
        x, y = _cut(name, split, stored.splits)
        num_classes, truth = stored.num_classes, dict(stored.truth)
    y = arguments.labels(f"the labels of {name!r}", y, num_classes)
    if classes is not None:
        x, y, kept = selected(name, x, y, num_classes, classes)
        # a truth about all classes says nothing of some of them
        truth = truth if kept == num_classes else {}
        num_classes = kept
    if x.dtype == np.uint8:
        x = np.divide(x, 255, dtype=np.float32)
    return Dataset(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32), num_classes, name, truth)


def _folder(name: str, data_dir: str | os.PathLike | None, download: bool) -> Path:
    root = tfds.directory(data_dir)
    folder = tfds.locate(name, root)
    if folder is None and download:
        _check_known(name, root)
        plain = name.partition(":")[0]
        folder = (
            originals.download(plain, root)
            if plain in originals.names()
            else preparing.prepare_stock(name, root)
        )
    if folder is None:
        _check_known(name, root)
        raise FileNotFoundError(
            f"name={name!r} is not in data_dir={str(root)!r}: load it once with download=True, or "
            "set data_dir or TFDS_DATA_DIR to the directory that holds it"
        )
    return folder


def _check_known(name: str, root: Path) -> None:
    if Path(name).is_file():
        raise ValueError(f"name={name!r} is a file: read it with data.from_file({name!r})")
    base = name.partition(":")[0].partition("/")[0]
    known = tfds.known()
    if base in known:
        return
    close = difflib.get_close_matches(base, known, n=3)
    raise ValueError(
        f"name={name!r} is no data set: use one of {names()}"
        + (f" (similar: {', '.join(close)})" if close else "")
        + f"; prepared in {str(root)!r}: {', '.join(tfds.prepared(root)) or 'none'}"
    )


def _cut(
    name: str, split: str, parts: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    pieces = splits.parse(split, {part: len(y) for part, (_, y) in parts.items()}, name=name)
    x = np.concatenate([parts[p.split][0][p.start : p.stop] for p in pieces])
    y = np.concatenate([parts[p.split][1][p.start : p.stop] for p in pieces])
    return x, y


def selected(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    num_classes: int,
    classes: Sequence[int | Sequence[int]],
) -> tuple[np.ndarray, np.ndarray, int]:
    """Examples of the labels chosen, relabelled 0, 1, ..., and the number of classes.

    Raises:
        ValueError: for labels of `name` that there are not, or twice the same.
    """
    groups = [_group(name, num_classes, entry) for entry in classes]
    wanted = [label for group in groups for label in group]
    if not groups or len(set(wanted)) != len(wanted):
        raise ValueError(
            f"classes={tuple(classes)!r} must be different labels of {name!r}, or groups of "
            f"them: use each of 0 to {num_classes - 1} at most once"
        )
    relabel = np.full(num_classes, -1, np.int32)
    for new, group in enumerate(groups):
        relabel[group] = new
    labels = relabel[y]
    keep = labels >= 0
    return x[keep], labels[keep], len(groups)


def _group(name: str, num_classes: int, entry: int | Sequence[int]) -> list[int]:
    """The labels that one entry of `classes` stands for."""
    labels = np.atleast_1d(np.asarray(entry))
    whole = labels.dtype.kind in "iu" and labels.ndim == 1 and labels.size > 0
    if not whole or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"classes holds {entry!r}; the labels of {name!r} are 0 to {num_classes - 1}: give "
            "whole numbers, or groups of them"
        )
    return [int(label) for label in labels]

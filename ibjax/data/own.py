"""Examples of one's own: from a .npz file, and with their labels made into other classes."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ibjax import archives, arguments
from ibjax.data.catalogue import selected
from ibjax.interface import Dataset
from ibjax.signatures import enforced


@enforced
def from_file(path: str | os.PathLike) -> Dataset:
    """The examples of a .npz file: ``x`` (n, ...) and ``y`` (n,), and perhaps ``num_classes``.

    Whole numbers stay whole, so that a network may look tokens up, but for images (n, height,
    width, ...) of bytes, which are scaled to [0, 1]. Other numbers become float32 and are not
    scaled.

    Args:
        path: the file; no code of it runs.

    Returns:
        A data set named as the file, with classes 0 to the largest label unless the file says
        how many there are.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read.
        ValueError: if it is no such archive, lacks x or y, holds other arrays besides, or they do
            not fit each other.
    """
    arrays = archives.archive(Path(path))
    for name in ("x", "y"):
        if name not in arrays:
            raise ValueError(
                f"{path}: holds {', '.join(arrays)} and no {name}; save it with "
                "numpy.savez(path, x=inputs, y=labels)"
            )
    others = sorted(set(arrays) - {"x", "y", "num_classes"})
    if others:
        raise ValueError(
            f"{path}: holds {', '.join(others)} besides x, y and num_classes, which nothing here "
            "reads; keep what is to be used in x and y, and leave the rest out of the file"
        )
    x, y = arrays["x"], arrays["y"]
    if x.dtype == np.uint8 and x.ndim >= 3:
        x = np.divide(x, 255, dtype=np.float32)
    x = arguments.inputs("x", x)
    if len(x) != y.size and y.ndim < 2:
        raise ValueError(f"{path}: x has {len(x)} examples but y {y.size}; match them")
    classes = _classes(path, y, arrays.get("num_classes"))
    labels = arguments.labels("y", y, classes)
    if (labels == labels[0]).all():
        raise ValueError(
            f"{path}: y holds one label, {labels[0]}, and there is nothing to tell apart; give "
            "examples of two classes or more"
        )
    return Dataset(x, labels, classes, Path(path).name)


def _classes(path: str | os.PathLike, y: np.ndarray, stated: np.ndarray | None) -> int:
    """How many classes there are: as stated, or as the largest label says."""
    if stated is not None:
        number = stated.ravel()
        if number.size != 1:
            raise ValueError(f"{path}: num_classes has shape {stated.shape}; give one number")
        if number.dtype.kind not in "iuf" or not number[0] == np.floor(number[0]) < 2**31:
            raise ValueError(f"{path}: num_classes={number[0]} must be a whole number")
        return arguments.whole("num_classes", int(number[0]), 2)
    highest = y.max() if y.ndim == 1 and y.size and y.dtype.kind in "biuf" else 1
    if not np.isfinite(highest):
        return 2
    if highest >= max(len(y), 2) and np.all(y == np.floor(y)):
        raise ValueError(
            f"{path}: y reaches {highest} with {len(y)} examples, which are no class numbers; make "
            "them so by numpy.unique(y, return_inverse=True)[1], or state num_classes"
        )
    return max(int(highest) + 1, 2)


@enforced
def relabelled(dataset: Dataset, classes: Sequence[int | Sequence[int]]) -> Dataset:
    """The examples of some labels alone, which become the classes 0, 1, ... in the order given.

    Args:
        dataset: the examples.
        classes: labels, or groups of them, each of which becomes one class.

    Raises:
        ValueError: for labels that there are not, or twice the same.
    """
    y = arguments.labels("dataset.y", dataset.y, dataset.num_classes)
    x, y, number = selected(dataset.name, np.asarray(dataset.x), y, dataset.num_classes, classes)
    return Dataset(x, y, number, dataset.name)

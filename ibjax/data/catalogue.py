"""One door to every data set: `load` by name."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from ibjax.data import embedded, splits
from ibjax.interface import Dataset


def load(
    name: str,
    split: str = "train",
    *,
    classes: Sequence[int] | None = None,
    data_dir: str | None = None,
    download: bool = False,
) -> Dataset:
    """Load one split of a data set by name, whole, as arrays.

    Args:
        name: ``"digits"`` (embedded, no files).
        split: ``"train"``, ``"test"``, or TFDS's language: ``"train[:1000]"``,
            ``"train[:80%]"``, ``"train+test"``. ``"digits"`` has ``"all"`` besides.
        classes: keep the examples of these labels only and relabel them 0, 1, ... in the
            order given.
        data_dir: directory of the prepared data sets.
        download: fetch the data when they are not there.

    Returns:
        ``x`` float32 (images (n, height, width, channels) in [0, 1]), ``y`` int32 (n,), the
        number of classes, and the name.

    Raises:
        ValueError: unknown name, split or class.

    """
    if name == "digits":
        x, y = _cut(name, split, embedded.digits())
        num_classes = 10
    else:
        raise ValueError(f"name={name!r} is no data set: use 'digits'")
    if classes is not None:
        x, y, num_classes = _select(name, x, y, num_classes, classes)
    return Dataset(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32), num_classes, name)


def _cut(
    name: str, split: str, parts: dict[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    pieces = splits.parse(split, {part: len(y) for part, (_, y) in parts.items()}, name=name)
    x = np.concatenate([parts[p.split][0][p.start : p.stop] for p in pieces])
    y = np.concatenate([parts[p.split][1][p.start : p.stop] for p in pieces])
    return x, y


def _select(
    name: str, x: np.ndarray, y: np.ndarray, num_classes: int, classes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, int]:
    wanted = [int(label) for label in classes]
    unknown = [label for label in wanted if not 0 <= label < num_classes]
    if not wanted or unknown or len(set(wanted)) != len(wanted):
        raise ValueError(
            f"classes={tuple(classes)!r} must be different labels of {name!r}: "
            f"use some of 0 to {num_classes - 1}"
        )
    relabel = np.full(num_classes, -1, np.int32)
    relabel[wanted] = np.arange(len(wanted))
    new = relabel[y]
    keep = new >= 0
    return x[keep], new[keep], len(wanted)

"""Checks of the data a run trains on."""

from typing import Any

import numpy as np

from ibjax.interface import Dataset


def pool_arrays(dataset: Dataset, index: np.ndarray, mask: np.ndarray) -> tuple[Any, Any]:
    """Inputs and labels of the pool in the precision of training.

    Raises:
        ValueError: if pool, pairs and masks do not fit each other, or the pool is unusable.
    """
    x = np.asarray(dataset.x, np.float32)
    y = np.asarray(dataset.y, np.int32)
    if index.ndim != 3 or index.shape[2] != 2:
        raise ValueError(f"supersample.index has shape {index.shape}; it must be (k1, n, 2)")
    if mask.ndim != 3 or (mask.shape[0], mask.shape[2]) != index.shape[:2]:
        raise ValueError(
            f"supersample.mask has shape {mask.shape}; with index {index.shape} it must be "
            f"({index.shape[0]}, k2, {index.shape[1]})"
        )
    if index.shape[1] < 2:
        raise ValueError(f"n={index.shape[1]} training examples are too few; give n >= 2")
    if index.min() < 0 or index.max() >= len(x):
        raise ValueError(
            f"supersample.index reaches from {index.min()} to {index.max()} but the data set "
            f"{dataset.name!r} has {len(x)} examples; draw it with size={len(x)}"
        )
    if not np.isin(mask, (0, 1)).all():
        raise ValueError("supersample.mask must hold 0 and 1 only")
    if len(x) != len(y):
        raise ValueError(f"dataset.x has {len(x)} examples but dataset.y {len(y)}; match them")
    if y.min() < 0 or y.max() >= dataset.num_classes:
        raise ValueError(
            f"dataset.y reaches from {y.min()} to {y.max()}; labels must lie in "
            f"0..{dataset.num_classes - 1} (num_classes={dataset.num_classes})"
        )
    if not np.isfinite(x).all():
        raise ValueError("dataset.x holds NaN or infinite values; remove those examples first")
    return x, y

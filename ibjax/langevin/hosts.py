"""Replicas over several hosts: each process trains its share, and all see every result."""

from typing import Any

import jax
import numpy as np


def share(total: int) -> np.ndarray:
    """Rows of 0..total-1 this process trains; the last is repeated so that all have as many.

    What a replica computes depends on its row alone, so the split changes no number.
    """
    each = -(-total // jax.process_count())
    return np.minimum(jax.process_index() * each + np.arange(each), total - 1)


def gather(tree: Any, total: int) -> Any:
    """Results of every process in the order of their rows, on all of them.

    Args:
        tree: arrays whose first axis runs over the rows of this process, see `share`.
        total: rows in all.
    """
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    parts = multihost_utils.process_allgather(tree)
    return jax.tree.map(lambda a: _flat(np.asarray(a))[:total], parts)


def least(count: int) -> int:
    """The smallest number that any process has; every process must ask."""
    if jax.process_count() == 1:
        return count
    from jax.experimental import multihost_utils

    return int(np.min(multihost_utils.process_allgather(np.asarray(count))))


def _flat(parts: np.ndarray) -> np.ndarray:
    """Processes and their rows as one axis; a shape with -1 is none where an array is empty."""
    return parts.reshape(parts.shape[0] * parts.shape[1], *parts.shape[2:])


def first() -> bool:
    """Whether this is the process that reads and writes files."""
    return jax.process_index() == 0


def agreed(yes: bool) -> bool:
    """What the first process says; every process must ask."""
    if jax.process_count() == 1:
        return yes
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(yes)))

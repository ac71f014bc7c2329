"""The options of `conditions`, checked once for all layers of a network."""

from typing import Any, NamedTuple

import jax

from ibjax.maxent import checks
from ibjax.typing import Array, Key


class Settings(NamedTuple):
    """The checked options that every layer of one network shares."""

    labels: Array
    num_classes: int
    table: bool
    correlation: str
    l2: Any
    folds: int
    width: int
    key: Key


def settle(
    labels: Any,
    rows: int,
    *,
    num_classes: int | None,
    strong: str,
    correlation: str,
    l2: Any,
    folds: int,
    width: int,
    key: Key | None,
) -> Settings:
    """Check the options once and fill in what depends on the size of the data."""
    labels, num_classes = checks.classes(labels, rows, num_classes)
    if strong not in ("features", "table"):
        raise ValueError(f"strong={strong!r} is unknown; give 'features' or 'table'")
    kinds = ("auto", "binary", "gaussian", "pairwise")
    if correlation not in kinds:
        raise ValueError(f"correlation={correlation!r} is unknown; choose one of {kinds}")
    if l2 is None:
        l2 = 0.0 if strong == "table" else 1 / rows
    checks.nonnegative("l2", l2)
    root = jax.random.key(0) if key is None else key
    table = strong == "table"
    return Settings(labels, num_classes, table, correlation, l2, folds, width, root)

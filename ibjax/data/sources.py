"""The data sets that need no files: one row each, and those that other packages add."""

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ibjax.data import embedded, synthetic
from ibjax.randomness import pinned, seed_key

GROUP = "ibjax.data"
"""Entry points of this group are functions without arguments that give a `Source`."""

SIZE, DIM, SEPARATION = 4000, 10, 2.0


class Stored(NamedTuple):
    """What a source holds: every split whole, in its order.

    Attributes:
        splits: ``{split: (x (n, ...), y (n,))}``; bytes are scaled to [0, 1] when loaded.
        num_classes: K.
        truth: what is known of the law, by name; empty where nothing is.
    """

    splits: Mapping[str, tuple[np.ndarray, np.ndarray]]
    num_classes: int
    truth: Mapping[str, float] = {}


@dataclass(frozen=True)
class Source:
    """A named data set.

    Attributes:
        name: what `load` calls it.
        summary: one line for people.
        read: gives everything it holds; called at each `load`, so it keeps what is dear to make.
    """

    name: str
    summary: str
    read: Callable[[], Stored]


def sources() -> dict[str, Source]:
    """Every row by name: ours, then those of installed packages.

    A package adds one by an entry point in the group ``ibjax.data`` that names a function
    ``() -> Source``; it is loaded when its name is first asked for, never at import.

    Raises:
        ValueError: for an entry point that gives no `Source`, or one whose name is taken.
    """
    rows = {row.name: row for row in _OURS}
    for entry in importlib.metadata.entry_points(group=GROUP):
        row = entry.load()()
        if not isinstance(row, Source):
            raise ValueError(
                f"entry point {entry.value!r} of {GROUP} gives {type(row).__name__}, no Source"
            )
        if row.name in rows:
            raise ValueError(f"entry point {entry.value!r} of {GROUP}: {row.name!r} is taken")
        rows[row.name] = row
    return rows


def _digits() -> Stored:
    return Stored(embedded.digits(), 10)


def _two_gaussians() -> Stored:
    with pinned():
        drawn = [synthetic.two_gaussians(seed_key(seed), SIZE, DIM, SEPARATION) for seed in (0, 1)]
    splits = {s: (np.asarray(d.x), np.asarray(d.y)) for s, d in zip(("train", "test"), drawn)}
    return Stored(splits, 2, drawn[0].truth)


_OURS = (
    Source("digits", "8 x 8 grey images of ten digits, embedded in scikit-learn", _digits),
    Source(
        "two_gaussians",
        f"two Gaussian classes in {DIM} dimensions, {SIZE} examples a split, of known error",
        _two_gaussians,
    ),
)

"""The split language of TFDS (``train[:80%]``, ``train+test[10:20]``), without TFDS."""

import re
from collections.abc import Mapping
from typing import NamedTuple

_ONE = re.compile(r"^(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?$")


class Piece(NamedTuple):
    """Examples ``start`` to ``stop`` (exclusive) of one stored split."""

    split: str
    start: int
    stop: int


def parse(text: str, sizes: Mapping[str, int], *, name: str) -> tuple[Piece, ...]:
    """The stored examples that a split expression names, in order.

    Numbers count examples, ``%`` counts per cent (rounded to the nearest example), negative
    ones count from the end, and slices beyond the end are cut as Python does.

    Args:
        text: ``split``, ``split[a:b]`` or several of them joined by ``+``.
        sizes: the number of examples in each stored split.
        name: the data set, for the error message.

    Returns:
        One piece per term of the sum.

    Raises:
        ValueError: unknown split, a slice that cannot be read, or one that is empty.
    """
    pieces = []
    for term in text.split("+"):
        match = _ONE.match(term.strip())
        if match is None or match[1] not in sizes:
            raise ValueError(
                f"split={text!r} is not in data set {name!r}: use one of {sorted(sizes)}, "
                "a slice such as 'train[:1000]' or 'train[:80%]', or a sum with '+'"
            )
        size = sizes[match[1]]
        start, stop, _ = slice(_place(match[2], size), _place(match[3], size)).indices(size)
        if stop <= start:
            raise ValueError(
                f"split={text!r} of data set {name!r} is empty: {match[1]!r} has {size} examples"
            )
        pieces.append(Piece(match[1], start, stop))
    return tuple(pieces)


def _place(text: str | None, size: int) -> int | None:
    if text is None:
        return None
    return round(int(text[:-1]) * size / 100) if text.endswith("%") else int(text)

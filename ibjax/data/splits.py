"""The split language of TFDS (``train[:80%]``, ``train+test[10:20]``), without TFDS.

Data that need no TFDS, such as the embedded digits, are cut in this language too, and
`tfds.core.ReadInstruction` costs the import of TFDS, a second or more, before anything is read.
Pieces are those of ReadInstruction wherever it has some; what is said otherwise here is that a
slice of so many examples is cut at the end, as Python does, where ReadInstruction refuses it, and
that a piece without examples is refused. ReadInstruction's shards and its ``all`` are no part of
it.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

_PLACE = r"(?:(-?\d+(?:\.\d+)?)(%?))?"
_ONE = re.compile(rf"^([\w-]+)(?:\[{_PLACE}:{_PLACE}\])?$")


class Piece(NamedTuple):
    """Examples ``start`` to ``stop`` (exclusive) of one stored split."""

    split: str
    start: int
    stop: int


def parse(text: str, sizes: Mapping[str, int], *, name: str) -> tuple[Piece, ...]:
    """The stored examples that a split expression names, in order.

    Numbers count examples; with a ``%`` on either both are per cent, rounded to the nearest
    example. Negative ones count from the end, and slices beyond the end are cut as Python does.

    Args:
        text: ``split``, ``split[a:b]`` or several of them joined by ``+``.
        sizes: the number of examples in each stored split.
        name: the data set, for the error message.

    Returns:
        One piece per term of the sum.

    Raises:
        ValueError: unknown split, a slice that cannot be read, one beyond 100 per cent, or one
            that is empty.
    """
    pieces = []
    for term in text.split("+"):
        match = _ONE.match(term.strip())
        part, first, unit, last, other = match.groups() if match else ("",) * 5
        shares = "%" in (unit, other)
        if part not in sizes or not (shares or "." not in f"{first}{last}"):
            raise ValueError(
                f"split={text!r} is not in data set {name!r}: use one of {sorted(sizes)}, "
                "a slice such as 'train[:1000]' or 'train[:80%]', or a sum with '+'"
            )
        size = sizes[part]
        if shares and any(end is not None and abs(float(end)) > 100 for end in (first, last)):
            raise ValueError(
                f"split={text!r} of data set {name!r}: with a % both ends are per cent, of which "
                f"there are 100; {part!r} has {size} examples"
            )
        ends = (
            None if end is None else round(float(end) * size / 100) if shares else int(end)
            for end in (first, last)
        )
        start, stop, _ = slice(*ends).indices(size)
        if stop <= start:
            raise ValueError(
                f"split={text!r} of data set {name!r} is empty: {part!r} has {size} examples"
            )
        pieces.append(Piece(part, start, stop))
    return tuple(pieces)

"""What a reproduction is and what it gives."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Log = Callable[[str], None]


class Outcome(NamedTuple):
    """A table for the terminal and the files that were written."""

    table: Any
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Reproduction:
    """A named experiment.

    Attributes:
        name: what `ibjax reproduce` calls it.
        summary: one line for people.
        run: ``(folder, quick, log) -> Outcome``; where it has options, they come fourth.
        options: a frozen dataclass of its own options, all with defaults, or None.
    """

    name: str
    summary: str
    run: Callable[..., Outcome]
    options: type | None = None


def bound_text(value: float, error: float = math.nan, digits: int = 3, limit: float = 1.0) -> str:
    """A bound on a gap as text, with its error where known; vacuous ones say so."""
    text = f"{value:.{digits}f}"
    if not math.isnan(error):
        text += f"±{error:.{digits}f}"
    return f"{text} vacuous" if value >= limit else text


def save(figure: Any, path: Path) -> Path:
    """Write a picture, whole or not at all."""
    from ibjax import results

    path.parent.mkdir(parents=True, exist_ok=True)
    results.put(path, lambda part: figure.savefig(part, dpi=150))
    return path

"""The progress of a sweep."""

import time
from typing import TYPE_CHECKING, Any

from ibjax.experiment import Experiment, Point, at, named, points

if TYPE_CHECKING:
    from rich.console import Console


class Progress:
    """A bar on a terminal, a line a finished cell elsewhere, with the time that is left.

    What is left is worked out from what was trained since the start; cells taken from disk cost
    nothing.
    """

    def __init__(self, console: "Console", experiment: Experiment, *, quiet: bool = False):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.console, self.quiet = console, quiet
        self.work = {_key(p): _work(at(experiment, p)) for p in points(experiment)}
        self.left, self.taken = dict(self.work), 0.0
        self.done: set[Any] = set()
        self.started: float | None = None
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        shown = console.is_terminal and not quiet
        self.bar = Progress(*columns, console=console, disable=not shown)
        self.task = self.bar.add_task("compiling", total=sum(self.work.values()), left="")

    def __enter__(self) -> "Progress":
        self.started = time.monotonic()
        if not self.bar.disable:  # a disabled bar of rich before 15 ends in an empty line
            self.bar.start()
        return self

    def __exit__(self, *raised: Any) -> None:
        if not self.bar.disable:
            self.bar.stop()

    def report(self, point: Point, done: int, total: int) -> None:
        """Move on to `done` of `total` replica-steps in a cell."""
        key = _key(point)
        before, self.left[key] = self.left[key], self.work[key] * (1 - done / total)
        if (key, "trained") in self.done or done < total:
            self.taken += before - self.left[key]
            self.done.add((key, "trained"))
        position = sum(self.work.values()) - sum(self.left.values())
        description, left = f"training {named(point)}", self.remaining()
        self.bar.update(self.task, completed=position, description=description, left=left)
        if not self.console.is_terminal and done == total and key not in self.done:
            self.done.add(key)
            count = sum(1 for v in self.left.values() if not v)
            more = f" ({count} of {len(self.work)}{', ' + left if left else ''})"
            self.log(f"{named(point)}: done" + (more if len(self.work) > 2 else ""))

    def remaining(self) -> str:
        """The time that is left, in words; empty where nothing is known or left."""
        todo = sum(self.left.values())
        if self.started is None or not self.taken or not todo:
            return ""
        return f"{lasting((time.monotonic() - self.started) / self.taken * todo)} left"

    def log(self, message: str) -> None:
        """A line above the bar."""
        if not self.quiet:
            self.console.print(message, soft_wrap=True)


def lasting(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def _key(point: Point) -> tuple[Any, ...]:
    return tuple(point.items())


def _work(cell: Any) -> float:
    """Replica-steps of a cell by the size of its batches and network, in no unit."""
    from ibjax.experiment import batch_size

    layers = 1 if cell.network is not None else cell.depths[0] * (cell.width / 32) ** 2 + 1
    return cell.supersamples * cell.masks * cell.steps * batch_size(cell) * layers

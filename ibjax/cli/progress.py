"""The progress of a sweep."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from ibjax.pipeline import Experiment


class Progress:
    """A bar on a terminal, a line a finished depth elsewhere."""

    def __init__(self, console: "Console", experiment: "Experiment"):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.console, self.experiment, self.finished = console, experiment, []
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
        )
        shown = console.is_terminal
        self.bar = Progress(*columns, TimeElapsedColumn(), console=console, disable=not shown)
        per_depth = experiment.supersamples * experiment.masks * experiment.steps
        self.task = self.bar.add_task("compiling", total=per_depth * len(experiment.depths))

    def __enter__(self) -> "Progress":
        self.bar.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.bar.__exit__(*raised)

    def report(self, depth: int, done: int, total: int) -> None:
        """Move on to `done` of `total` replica-steps at this depth."""
        position = self.experiment.depths.index(depth) * total + done
        self.bar.update(self.task, completed=position, description=f"training depth {depth}")
        if not self.console.is_terminal and done == total and depth not in self.finished:
            self.finished.append(depth)
            self.log(f"depth {depth}: done")

    def log(self, message: str) -> None:
        """A line above the bar."""
        self.console.print(message, soft_wrap=True)

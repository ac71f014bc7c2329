"""`ibjax show`: the table and the picture of a results file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ibjax.cli.terminal import present


@dataclass(frozen=True)
class Show:
    """Print the table and redraw the picture of a results file."""

    file: Annotated[Path, tyro.conf.Positional]
    """Results file written by `ibjax run`."""
    checkpoint: int = -1
    """Which evaluation along training, from 0; the last by default."""


def execute(command: Show) -> None:
    """Read a results file and show it."""
    from ibjax import results

    dataset = results.read(command.file)
    count = dataset.sizes["checkpoint"]
    if not -count <= command.checkpoint < count:
        raise ValueError(f"checkpoint={command.checkpoint}: the file has {count}, 0 to {count - 1}")
    present(dataset, command.file, command.checkpoint)

"""`ibjax run`: from data to a table of bounds."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from ibjax.cli import cluster
from ibjax.cli.progress import Progress
from ibjax.cli.terminal import chosen, console, prepare_devices, present
from ibjax.pipeline import Experiment


def _label(words: list[str]) -> int | tuple[int, ...]:
    """A label, or a group of labels joined by commas, as a class."""
    labels = tuple(int(word) for word in words[0].split(","))
    return labels[0] if len(labels) == 1 else labels


Label = Annotated[
    int | tuple[int, ...],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="LABEL[,LABEL...]",
        instance_from_str=_label,
        is_instance=lambda value: isinstance(value, int | tuple),
        str_from_instance=lambda value: [_written(value)],
    ),
]


def _written(value: int | tuple[int, ...]) -> str:
    """A class as it is written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class Run(Experiment):
    """Train noisy-SGD replicas for several depths and print a table of bounds."""

    classes: tuple[Label, ...] = Experiment.classes
    """Labels to tell apart; labels joined by commas become one class."""
    all_bounds: bool = False
    """Show every bound; the file holds all of them anyway."""
    out: Path = Path("ibjax-results/results.nc")
    """Results file (netCDF); the picture and the finished cells lie beside it."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""
    distributed: bool = False
    """Share the replicas with the other processes of a cluster. Set by itself under Slurm and
    Open MPI; elsewhere JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID say who
    they are. The first process alone writes files."""


def execute(command: Run) -> None:
    """Train what is missing, then show the results."""
    from ibjax import sweep

    cluster.join(command.distributed)
    prepare_devices(command.cache)
    path = _results_path(command.out)
    experiment = Experiment(**{f.name: getattr(command, f.name) for f in fields(Experiment)})
    with Progress(console(stderr=True), experiment) as progress:
        dataset = sweep.run(experiment, path, progress=progress.report, log=progress.log)
    if dataset:
        present(dataset, path, names=chosen(dataset, (), command.all_bounds))


def _results_path(out: Path) -> Path:
    return out if out.suffix == ".nc" else out / "results.nc"

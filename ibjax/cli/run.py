"""`ibjax run`: from data to a table of bounds."""

from dataclasses import dataclass, fields
from pathlib import Path

from ibjax.cli import cluster
from ibjax.cli.progress import Progress
from ibjax.cli.terminal import console, prepare_devices, present
from ibjax.pipeline import Experiment


@dataclass(frozen=True)
class Run(Experiment):
    """Train noisy-SGD replicas for several depths and print a table of bounds."""

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
        present(dataset, path)


def _results_path(out: Path) -> Path:
    return out if out.suffix == ".nc" else out / "results.nc"

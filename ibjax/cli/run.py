"""`ibjax run`: from data to a table of bounds."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from ibjax.cli import cluster
from ibjax.cli.progress import Progress
from ibjax.cli.terminal import chosen, console, prepare_devices, present
from ibjax.experiment import Experiment, Point, points


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


def _several(kind: type) -> Any:
    """One or several numbers of a kind."""

    def read(words: list[str]) -> Any:
        if not words:
            raise ValueError("give one value or several")
        values = tuple(kind(word) for word in words)
        return values[0] if len(values) == 1 else values

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar=f"{kind.__name__.upper()} [{kind.__name__.upper()} ...]",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, kind | int | tuple),
        str_from_instance=lambda value: [
            str(v) for v in (value if isinstance(value, tuple) else (value,))
        ],
    )


Counts = Annotated[int | tuple[int, ...], _several(int)]
Numbers = Annotated[float | tuple[float, ...], _several(float)]


@dataclass(frozen=True)
class Run(Experiment):
    """Train noisy-SGD replicas over every product of the values given, and print a table of bounds.

    Sizes, rates, noises and seeds take one value or several: `--train-size 60 120 --seed 0 1`.
    """

    dataset: str = "digits"
    """Data set: "digits" (embedded), any TFDS name, or a .npz file of x and y."""
    data: Path | None = None
    """The same for a .npz file: x (n, ...) and y (n,), perhaps num_classes."""
    classes: tuple[Label, ...] = ()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Labels to tell apart; labels joined by commas become one class. By default even against odd
    labels of a data set known by name, and all labels of one's own."""
    network: str | None = None
    """A network of one's own in the place of the built-in one: "module:function" or "file.py:name"
    of a flax module (linen or nnx) or a Network. Its code is run."""
    depths: Counts = Experiment.depths
    """Numbers of hidden layers."""
    width: Counts = Experiment.width
    """Units per hidden layer."""
    train_size: Counts = Experiment.train_size
    """Training examples n of each replica (the pool must hold 2n)."""
    steps: Counts = Experiment.steps
    """Updates."""
    batch_size: Counts | None = None
    """Examples per update; a quarter of the training examples by default."""
    learning_rate: Numbers = Experiment.learning_rate
    """Step size eta."""
    inverse_temperature: Numbers = Experiment.inverse_temperature
    """Inverse temperature beta of the mean loss: each update adds N(0, 2 eta / beta)."""
    layer_noise: Numbers = Experiment.layer_noise
    """Standard deviation of the noise after each hidden activation."""
    clip: Numbers = Experiment.clip
    """Largest norm of a per-example gradient; what the certificates rest on."""
    radius: Numbers | None = None
    """Radius of a ball the weights are projected to before each step; no ball by default. With
    noise of the order of the ball the last weights are certified better than the path."""
    seed: Counts = Experiment.seed
    """Root of all randomness."""
    config: Path | None = None
    """Settings to start from: the .toml beside an earlier result. Other options change them."""
    bounds: tuple[str, ...] = ()
    """Which bounds to show; the main ones by default. The file holds all of them anyway."""
    all_bounds: bool = False
    """Show every bound; the file holds all of them anyway."""
    axis: str | None = None
    """What the columns are and what runs to the right in the picture: depth, train_size,
    learning_rate, ..., or checkpoint for steps along training."""
    name: str | None = None
    """Name of the run: its files are `NAME.nc` and so on beside the results file's place."""
    out: Path = Path("ibjax-results/results.nc")
    """Results file (netCDF); picture, settings and finished cells lie beside it."""
    dry_run: bool = False
    """Say what would be done, with memory and time from a short probe, and do nothing."""
    quiet: bool = False
    """Print nothing but errors and, at the end, the names of the files."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""
    distributed: bool = False
    """Share the replicas with the other processes of a cluster. Set by itself under Slurm and
    Open MPI; elsewhere JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID say who
    they are. The first process alone writes files."""


def defaults(words: list[str]) -> Run:
    """What options are by default: those of the file after ``--config``, where there is one.

    Raises:
        ValueError: for a file that holds no settings.
    """
    from ibjax import toml

    given = [word for word in words if word == "--config" or word.startswith("--config=")]
    if not given:
        return Run()
    at = words.index(given[-1])
    place = given[-1].partition("=")[2] or (words[at + 1] if at + 1 < len(words) else "")
    if not place or place.startswith("--"):
        raise ValueError("--config needs a file; see ibjax run --help")
    found = toml.read(Path(place))
    options = {word.split("=", 1)[0].removeprefix("--") for word in words if word[:2] == "--"}
    if "data" in options:  # an option of the same setting
        options.add("dataset")
        found.pop("dataset", None)
    for name in toml.objects(Path(place)):
        if name not in options:
            raise ValueError(
                f"{place}: its {name} was an object of Python, which no file holds; give --{name}, "
                "or repeat it in Python"
            )
    groups = (tuple(g) if isinstance(g, list) else g for g in found.pop("classes", ()))
    return Run(**found, classes=tuple(groups), config=Path(place))


def experiment_of(command: Run) -> Experiment:
    """The experiment that the options describe.

    Raises:
        ValueError: for a data set given twice.
    """
    chosen = {f.name: getattr(command, f.name) for f in fields(Experiment)}
    if command.data is not None:
        if command.dataset not in (Run.dataset, str(command.data)):
            raise ValueError(f"--data and --dataset {command.dataset} are both given; keep one")
        if command.data.suffix != ".npz":
            raise ValueError(f"data={command.data} must be a .npz file of x and y")
        chosen["dataset"] = str(command.data)
    return Experiment(**{**chosen, "classes": command.classes or None})


def execute(command: Run) -> None:
    """Train what is missing, then show the results."""
    from ibjax import blank, sweep, threads

    cluster.join(command.distributed)
    prepare_devices(command.cache)
    path = _results_path(command.out, command.name)
    experiment = experiment_of(command)
    if command.dry_run:
        from ibjax.cli import dry_run

        dry_run.execute(experiment, path, console())
        return
    with (
        threads.beside(1) as beside,
        Progress(console(stderr=True), experiment, quiet=command.quiet) as progress,
    ):
        drawing, last = sweep.once(lambda _: beside.submit(blank.prepare)), points(experiment)[-1]

        def report(point: Point, done: int, total: int) -> None:
            if point == last:
                drawing("")  # what goes wrong in it does so again at the picture, after the table
            progress.report(point, done, total)

        dataset = sweep.run(experiment, path, progress=report, log=progress.log)
    if dataset:
        names = chosen(dataset, command.bounds, command.all_bounds)
        present(dataset, path, names=names, axis=command.axis, quiet=command.quiet)


_OTHER_FILES = (".csv", ".txt", ".json", ".md", ".tex", ".png", ".pdf", ".svg", ".toml", ".yaml")
_OTHER_FILES += (".npz", ".npy", ".h5", ".hdf5", ".parquet", ".zarr", ".netcdf", ".cells", ".nc")
"""Endings of files; what ends in another, or is there already, may be a folder."""


def _results_path(out: Path, name: str | None) -> Path:
    if out.suffix != ".nc" and out.suffix.lower() in _OTHER_FILES and not out.is_dir():
        raise ValueError(f"--out {out} must end in .nc, for netCDF, or name a folder")
    place = out if out.suffix == ".nc" else out / "results.nc"
    if name is None:
        return place
    if not name or Path(name).name != name or name in (".", ".."):
        raise ValueError(f"name={name!r} must be the name of a file without folders")
    return place.with_name(f"{name.removesuffix('.nc')}.nc")

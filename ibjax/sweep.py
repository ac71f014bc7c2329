"""A sweep, one cell at a time, resumable: finished cells are kept and never redone."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ibjax import arguments, bounds, files, networks, pipeline, results, toml
from ibjax.environment import expanded
from ibjax.experiment import Experiment, Point, at, axes, points
from ibjax.interface import Dataset, Supersample
from ibjax.langevin import hosts

if TYPE_CHECKING:
    import xarray

Report = Callable[[Point, int, int], None]
"""Called with (coordinates of a cell, replica-steps done in it, replica-steps of it)."""


class Plan(NamedTuple):
    """What a sweep will do.

    Attributes:
        experiment: the sweep.
        points: coordinates of every cell, in order.
        pool: the examples.
        network: one's own as the engine takes it, or None.
        recorded: what the configuration says of it.
        data: hash of the pool.
        store: folder of the finished cells.
    """

    experiment: Experiment
    points: list[Point]
    pool: Dataset
    network: Any
    recorded: dict[str, Any]
    data: str
    store: Path

    def cell(self, point: Point) -> Experiment:
        """The experiment of one cell."""
        return at(self.experiment, point)

    def place(self, point: Point) -> Path:
        """The file of one cell."""
        name = results.fingerprint(self.cell(point), point.get("depth"), self.data, self.recorded)
        return self.store / f"{name}.nc"

    def places(self, point: Point) -> list[Path]:
        """Where a finished cell may lie: its own file, and those of the sweeps beside this one."""
        own = self.place(point)
        others = sorted(self.store.parent.glob("*.cells"))
        return [own, *(other / own.name for other in others if other != self.store)]

    @property
    def padded_to(self) -> int | None:
        """Room for layers where one program serves every depth: on accelerators."""
        depths = [p["depth"] for p in self.points if "depth" in p]
        several = len(set(depths)) > 1 and not self.experiment.maxent
        return max(depths) if several and jax.default_backend() != "cpu" else None


def plan(settings: Experiment, path: str | os.PathLike) -> Plan:
    """Everything a sweep needs, loaded and checked before anything is trained.

    Args:
        settings: the sweep.
        path: its results file; the finished cells lie beside it.

    Raises:
        ValueError: if the experiment cannot run.
    """
    pipeline.check(settings)
    pool = pipeline.load_pool(settings)
    network = pipeline.load_network(settings, pool)
    recorded: dict[str, Any] = {}
    if network is not None:
        x = arguments.inputs("dataset.x", pool.x[:2])
        digest = networks.digest(network, x, pool.num_classes)
        recorded = results.recorded(network, digest, settings.network)
    if "clip" in recorded and isinstance(settings.clip, tuple):
        raise ValueError(
            f"clip={settings.clip}: {recorded['network']} draws or keeps more than parameters and "
            "is trained without per-example clipping; give one value"
        )
    store = expanded(path).with_suffix(".cells")
    return Plan(
        settings, points(settings), pool, network, recorded, results.pool_digest(pool), store
    )


def run(
    experiment: Experiment,
    path: str | os.PathLike = "ibjax-results/results.nc",
    *,
    progress: Report | None = None,
    log: Callable[[str], None] = lambda message: None,
) -> "xarray.Dataset":
    """Run every cell of a sweep and write the results file, with its settings beside it.

    A cell is stored under ``<path without suffix>.cells`` as soon as it is finished, named by
    the hash of its configuration, data, network and versions. Started again, the sweep skips the
    cells whose file is whole and whose hash agrees, and runs the others; sweeps that overlap share
    cells. Cells that differ in learning rate, temperature, clip, layer noise or seed alone share
    one compiled program. Where `jax.distributed` has been initialised every process calls this;
    the first one alone reads and writes files.

    A file of another sweep in the same place, if this one does not hold all its cells, is kept
    under a name with a number.

    Args:
        experiment: what to run.
        path: the results file; ``.toml`` beside it says what was run.
        progress: told how far training is.
        log: told what was found on disk and, before the first training, what the masks can show.

    Returns:
        The combined data set, as written; an empty one in every process but the first.

    Raises:
        ValueError: if the experiment cannot run.
        OSError: if `path` cannot be written; found out before training.
    """
    import xarray

    path = expanded(path)
    pipeline.check(experiment)
    _all_writable(path)
    todo = plan(experiment, path)
    cells, pairs, told = [], {}, once(log)
    for point in todo.points:
        one: Any = todo.cell(point)
        drawn = (one.train_size, one.seed)
        if drawn not in pairs:
            pairs[drawn] = pipeline.draw(one, todo.pool)
        cells.append(_cell(todo, point, pairs[drawn], progress, log, told))
    if not hosts.first():
        return xarray.Dataset()
    together = results.combine(cells, axes(experiment))
    _keep_aside(path, together, log)
    results.write(together, path)
    files.put(path.with_suffix(".toml"), toml.written(experiment).encode())
    return together


def once(log: Callable[[str], None]) -> Callable[[str], None]:
    """A log that says one thing, the first time it is told."""
    said: list[str] = []

    def tell(message: str) -> None:
        if not said:
            said.append(message)
            log(message)

    return tell


def _cell(
    todo: Plan,
    point: Point,
    pairs: Supersample,
    progress: Report | None,
    log: Callable[[str], None],
    before: Callable[[str], None],
) -> "xarray.Dataset":
    """One cell, taken from disk or computed and stored; `before` is told what masks can show."""
    one: Any = todo.cell(point)
    total = one.supersamples * one.masks * one.steps
    place = todo.place(point)
    cell = None
    if hosts.first():
        _borrow(*todo.places(point))
        cell = finished(place, point, pairs, log)
    if not hosts.agreed(cell is not None):

        def report(done: int, whole: int) -> None:
            if progress is not None:
                progress(point, done, whole)

        before(bounds.masks_advice(one.masks, letters=3, balanced=one.masks % 2 == 0))
        computed = pipeline.run_cell(
            one,
            point.get("depth"),
            todo.pool,
            pairs,
            progress=report,
            network=todo.network,
            padded_to=todo.padded_to,
        )
        cell = results.to_dataset(computed, one, point.get("depth"), todo.data, todo.recorded)
        if hosts.first():
            files.write(cell, place)
    if progress is not None:
        progress(point, total, total)
    return cell  # pyright: ignore[reportReturnType]


def _borrow(place: Path, *others: Path) -> None:
    """Take a cell that another sweep beside this one has finished."""
    for other in others:
        if place.exists():
            return
        with contextlib.suppress(OSError):
            if other.is_file():
                files.put(place, other.read_bytes())


def finished(
    place: Path,
    point: Point,
    pairs: Supersample,
    log: Callable[[str], None] = lambda message: None,
) -> "xarray.Dataset | None":
    """The stored cell, or None if it must be computed."""
    if not place.exists():
        return None
    try:
        cell = files.read(place)
        same = cell.attrs["cells"] == place.stem
        drawn = ((cell["index"], pairs.index), (cell["mask"], pairs.mask))
    except (KeyError, ValueError, OSError) as error:
        log(f"{named(point)}: stored cell is unusable and will be redone ({error})")
        return None
    if not same or not all(np.array_equal(a, b) for a, b in drawn):
        log(f"{named(point)}: stored cell is of another configuration and will be redone")
        return None
    log(f"{named(point)}: finished before, taken from {place}")
    return cell


def named(point: Point) -> str:
    """A cell in words: ``depth 2, train size 60``."""
    words = (f"{name.replace('_', ' ')} {_number(v)}" for name, v in point.items())
    return ", ".join(words) or "the run"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _keep_aside(path: Path, new: "xarray.Dataset", log: Callable[[str], None]) -> None:
    """Rename the files of another sweep in the same place, unless the new one holds its cells."""
    if not path.exists():
        return
    try:
        old = files.read(path).attrs
        inside = set(str(old["cells"]).split()) <= set(new.attrs["cells"].split())
    except (KeyError, ValueError, OSError):
        inside = False  # whatever it is, it is not ours to lose
    if inside:
        return
    number = 1
    while (aside := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    os.replace(path, aside)
    for suffix in (".png", ".pdf", ".svg", ".toml"):
        beside = path.with_suffix(suffix)
        if beside.is_file():
            os.replace(beside, aside.with_suffix(suffix))
    log(f"{path}: held other settings, kept as {aside}")


def _all_writable(path: Path) -> None:
    """Find out on the first process whether results can be stored; tell the others."""
    problem = None
    if hosts.first():
        try:
            files.check_writable(path.with_suffix(".cells"))
            for suffix in (path.suffix, ".png", ".toml"):
                files.check_place(path.with_suffix(suffix))
        except (OSError, ValueError) as error:
            problem = error
    if hosts.agreed(problem is not None):
        raise problem or OSError("the first process cannot store results; see its message")

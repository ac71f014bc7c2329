"""A sweep, one cell at a time, resumable: finished cells are kept and never redone."""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ibjax import bounds, files, pipeline, results, threads, toml
from ibjax.environment import expanded
from ibjax.experiment import Experiment, Point, axes, named, training
from ibjax.interface import Supersample
from ibjax.langevin import hosts
from ibjax.langevin.checks import repeated
from ibjax.langevin.config import static
from ibjax.langevin.replicas import compile_for
from ibjax.plan import Plan, borrow, finished, plan
from ibjax.predecessor import BESIDE, alone, keep_aside
from ibjax.randomness import pinned

if TYPE_CHECKING:
    import xarray

Cells = list[tuple[Point, Supersample]]
Report = Callable[[Point, int, int], None]
"""Called with (coordinates of a cell, replica-steps done in it, replica-steps of it)."""


def run(
    experiment: Experiment,
    path: str | os.PathLike = "ibjax-results/results.nc",
    *,
    progress: Report | None = None,
    log: Callable[[str], None] = lambda message: None,
    mapped: bool | None = None,
) -> "xarray.Dataset":
    """Run every cell of a sweep and write the results file, with its settings beside it.

    A cell is stored under ``<path without suffix>.cells`` as soon as it is finished, named by
    the hash of its configuration, data, network and versions. Started again, the sweep skips the
    cells whose file is whole and whose hash agrees, and runs the others; sweeps that overlap share
    cells. While one cell is trained, those before it are bounded and stored, the next one is
    compiled for and, the first time, what the masks can show is worked out. Cells that differ in
    learning rate, temperature, clip, layer noise or seed alone share one compiled program; on
    accelerators they are trained at once, mapped like replicas, and those of several depths with
    them, as many at a time as keep the device busy, and each is stored as soon as its own replicas
    are trained. Where `jax.distributed` has been initialised every process calls this; the first
    one alone reads and writes files.

    A file of another sweep in the same place, if this one does not hold all its cells, is kept
    under a name with a number.

    Args:
        experiment: what to run.
        path: the results file; ``.toml`` beside it says what was run.
        progress: told how far training is.
        log: told what was found on disk and, before the first trained cell is done, what the masks
            can show.
        mapped: train the cells that share a program as replicas of it, or one after the other; by
            default as replicas on accelerators.

    Returns:
        The combined data set, as written; an empty one in every process but the first.

    Raises:
        ValueError: if the experiment cannot run.
        OSError: if `path` cannot be written; found out before training.
    """
    path = expanded(path)
    if path.suffix in (*BESIDE, ".cells"):
        raise ValueError(
            f"path={path} would lie where settings, pictures or cells do; let it end in .nc"
        )
    pipeline.check(experiment)
    _all_writable(path)
    todo = plan(experiment, path)
    pairs = _drawn(todo)
    at_once = jax.default_backend() != "cpu" if mapped is None else mapped
    _tell_of_copies(todo, log)
    _tell_of_classes(todo, log)
    groups = _groups(todo, pairs, at_once)
    with threads.beside(1) as beside, _Kept(todo, progress, log) as kept:
        for group, later in itertools.zip_longest(groups, groups[1:], fillvalue=[]):
            ahead = once(lambda _, later=later: kept.go_ahead(beside, later))
            _cells(todo, group, _telling(progress, ahead, kept), log, kept)
        kept.settle(0)
    cells = [kept.found[_key(point)] for point in todo.points]
    if not hosts.first():
        import xarray

        return xarray.Dataset()
    together = results.combine(cells, axes(experiment))
    with alone(path.with_suffix(".cells")):
        keep_aside(path, together.attrs, log)
        results.write(together, path)
        files.put(path.with_suffix(".toml"), toml.written(experiment).encode())
    return together


_SOME = 0.01
"""Share of examples equal to another from which on it is said."""


def _tell_of_copies(todo: Plan, log: Callable[[str], None]) -> None:
    """Say that examples come more than once: whether they are independent the user must know."""
    if not hosts.first():
        return
    copies, size = repeated(np.asarray(todo.pool.x)), len(todo.pool.y)
    if copies > _SOME * size:
        log(
            f"{copies} of the {size} inputs of {todo.pool.name!r} are equal to an earlier one: "
            "certificates and the measured gap hold if independent draws repeat themselves so, and "
            "not where examples were copied to have more of them"
        )


def _tell_of_classes(todo: Plan, log: Callable[[str], None]) -> None:
    """Say that classes have no example: the network and what counts classes has room for them."""
    there, number = np.unique(np.asarray(todo.pool.y)), int(todo.pool.num_classes)
    if not hosts.first() or len(there) == number:
        return
    missing = sorted(set(range(number)) - set(there.tolist()))
    named = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
    log(
        f"{todo.pool.name!r} has no example of {len(missing)} of its {number} classes ({named}), "
        "which count all the same; labels are made 0 to the number of classes by "
        "numpy.unique(y, return_inverse=True)[1]"
    )


def once(log: Callable[[str], object]) -> Callable[[str], None]:
    """A log that says one thing, the first time it is told."""
    said: list[str] = []

    def tell(message: str) -> None:
        if not said:
            said.append(message)
            log(message)

    return tell


class _Kept:
    """The cells of a sweep: those that are there, and two that are being bounded and stored.

    That is done beside the training of others, and waited for whatever ends the run: what is
    trained is not lost. What goes wrong in it ends the run at the next report of progress.
    """

    def __init__(self, todo: Plan, progress: Report | None, log: Callable[[str], None]) -> None:
        self.todo, self.progress, self.log = todo, progress, log
        self.found: dict[Any, Any] = {}
        self.waiting: list[tuple[Point, Future[xarray.Dataset]]] = []
        self.advice: Future[None] | None = None
        self.beside = ThreadPoolExecutor(1)

    def __enter__(self) -> "_Kept":
        return self

    def __exit__(self, *raised: Any) -> None:
        try:
            if left := [point for point, cell in self.waiting if not cell.done()]:
                points = ", ".join(map(named, left))
                self.log(f"{points}: trained, stored before the run ends; interrupt to lose it")
                wait([cell for _, cell in self.waiting])
        finally:
            self.beside.shutdown(wait=False)

    def go_ahead(self, beside: ThreadPoolExecutor, later: Cells) -> None:
        """Begin what can be done while a cell is trained; what the masks can show once."""
        if self.advice is None:
            self.advice = beside.submit(_advise, self.todo.experiment.masks, self.log)
        beside.submit(_compile, self.todo, later)

    def take(self, point: Point, trained: pipeline.Trained) -> None:
        """Bound and store a trained cell after the one before it."""
        self.settle(1)
        self.waiting.append((point, self.beside.submit(_stored, self.todo, point, trained)))

    def settle(self, most: int = 2) -> None:
        """Hold the cells that are stored by now, and say so; wait for all but so many others."""
        while self.waiting and (self.waiting[0][1].done() or len(self.waiting) > most):
            point, cell = self.waiting.pop(0)
            self.found[_key(point)] = cell.result()
            if self.advice is not None:
                self.advice.result()
            _tell(self.todo, point, self.progress)


@pinned()
def _stored(todo: Plan, point: Point, trained: pipeline.Trained) -> "xarray.Dataset":
    """A trained cell with its bounds, in its file on the first process."""
    computed, one = pipeline.bound_cell(trained), todo.cell(point)
    cell = results.to_dataset(computed, one, point.get("depth"), todo.data, todo.recorded)
    if hosts.first():
        files.write(cell, todo.place(point))
    return cell


def _telling(progress: Report | None, begun: Callable[[str], None], kept: _Kept) -> Report:
    """A report that also says when training has begun, and which cell before it is stored."""

    def report(point: Point, done: int, total: int) -> None:
        kept.settle()
        if done < total:
            begun("")
        if progress is not None:
            progress(point, done, total)

    return report


def _key(point: Point) -> tuple[Any, ...]:
    return tuple(point.items())


def _drawn(todo: Plan) -> Cells:
    """Every cell with its supersamples; cells of one size and seed share them."""
    pairs: dict[Any, Supersample] = {}
    cells = []
    for point in todo.points:
        one: Any = todo.cell(point)
        drawn = (one.train_size, one.seed)
        if drawn not in pairs:
            pairs[drawn] = pipeline.draw(one, todo.pool)
        cells.append((point, pairs[drawn]))
    return cells


def _advise(masks: Any, log: Callable[[str], None]) -> None:
    """Say what so many masks can show."""
    log(bounds.masks_advice(masks, letters=3, balanced=masks % 2 == 0))


def _compile(todo: Plan, group: Cells) -> None:
    """The programs of a cell that is trained next, while its predecessor is trained and bounded."""
    if len(group) == 1 and not any(place.exists() for place in todo.places(group[0][0])):
        ((point, pairs),) = group
        config = training(todo.cell(point), todo.network, todo.padded_to)
        compile_for(config, todo.pool, pairs)


def _groups(todo: Plan, cells: Cells, at_once: bool) -> list[Cells]:
    """The cells that are trained together: those that share a program, or each alone."""
    if not at_once or todo.experiment.maxent:
        return [[cell] for cell in cells]
    groups: dict[Any, Cells] = {}
    for point, pairs in cells:
        config = training(todo.cell(point), todo.network, todo.padded_to)
        groups.setdefault((static(config), config.stops, pairs.mask.shape), []).append(
            (point, pairs)
        )
    return list(groups.values())


def _cells(
    todo: Plan,
    group: Cells,
    progress: Report | None,
    log: Callable[[str], None],
    kept: _Kept,
) -> None:
    """Have the cells of a group kept, taken from disk or trained."""
    missing = []
    for point, pairs in group:
        cell = None
        if hosts.first():
            borrow(*todo.places(point))
            cell = finished(todo.place(point), point, pairs, log)
        if not hosts.agreed(cell is not None):
            missing.append((point, pairs))
            continue
        kept.found[_key(point)] = cell
        _tell(todo, point, progress)
    if missing:
        for (point, _), trained in zip(missing, _trained(todo, missing, len(group), progress)):
            kept.take(point, trained)


def _tell(todo: Plan, point: Point, progress: Report | None) -> None:
    """Say that a cell is done."""
    one: Any = todo.cell(point)
    total = one.supersamples * one.masks * one.steps
    if progress is not None:
        progress(point, total, total)


def _trained(
    todo: Plan, cells: Cells, of: int, progress: Report | None
) -> Iterator[pipeline.Trained]:
    """One cell alone, or some `of` several that share a program as its replicas."""
    given = 0

    def report(done: int, whole: int) -> None:
        each = whole // len(cells)
        for number in range(given, len(cells)):
            # Trained is not done: a cell is done when it is stored.
            mine = min(done - number * each, each - 1)
            if progress is not None and mine > 0:
                progress(cells[number][0], mine, each)

    how: Any = {"progress": report, "network": todo.network, "padded_to": todo.padded_to}
    if of > 1:
        ones, drawn = zip(*((todo.cell(point), pairs) for point, pairs in cells))
        for trained in pipeline.train_cells(ones, todo.pool, drawn, of=of, **how):
            yield trained
            given += 1
        return
    ((point, pairs),) = cells
    yield pipeline.train_cell(todo.cell(point), point.get("depth"), todo.pool, pairs, **how)


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

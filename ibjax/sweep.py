"""A depth sweep, one cell at a time, resumable: finished cells are kept and never redone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ibjax import bounds, files, pipeline, results
from ibjax.environment import expanded
from ibjax.interface import Supersample
from ibjax.langevin import hosts
from ibjax.pipeline import Experiment

if TYPE_CHECKING:
    import xarray

Report = Callable[[int, int, int], None]
"""Called with (depth, replica-steps done at this depth, replica-steps of a depth)."""


def run(
    experiment: Experiment,
    path: Path,
    *,
    progress: Report | None = None,
    log: Callable[[str], None] = lambda message: None,
) -> "xarray.Dataset":
    """Run every depth of an experiment and write the results file.

    A cell is stored under ``<path without suffix>.cells`` as soon as it is finished, named by
    the hash of its configuration, data and versions. Started again, the sweep skips the cells
    whose file is whole and whose hash agrees, and runs the others. Where `jax.distributed` has been
    initialised every process calls this; the first one alone reads and writes files.

    Args:
        experiment: what to run.
        path: the results file.
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
    store = path.with_suffix(".cells")
    _all_writable(store, path)
    total = experiment.supersamples * experiment.masks * experiment.steps
    pool, pairs = pipeline.load(experiment)
    data, cells, advised = results.pool_digest(pool), [], False
    for depth in experiment.depths:
        place = store / f"{results.fingerprint(experiment, depth, data)}.nc"
        cell = _finished(place, experiment, depth, pairs, log) if hosts.first() else None
        if not hosts.agreed(cell is not None):
            if not advised:
                log(_advice(experiment.masks))
                advised = True

            def report(done: int, whole: int, depth: int = depth) -> None:
                if progress is not None:
                    progress(depth, done, whole)

            computed = pipeline.run_cell(experiment, depth, pool, pairs, progress=report)
            cell = results.to_dataset(computed, experiment, depth, data)
            if hosts.first():
                files.write(cell, place)
        if progress is not None:
            progress(depth, total, total)
        cells.append(cell)
    if not hosts.first():
        return xarray.Dataset()
    together = results.combine(cells)
    files.write(together, path)
    return together


def _advice(masks: int) -> str:
    """What the supersample bounds can see with so many masks."""
    return bounds.masks_advice(masks, letters=3, balanced=masks % 2 == 0)


def _finished(
    place: Path, experiment: Experiment, depth: int, pairs: Supersample, log: Callable[[str], None]
) -> "xarray.Dataset | None":
    """The stored cell, or None if it must be computed."""
    if not place.exists():
        return None
    try:
        cell = results.read(place)
    except (ValueError, OSError) as error:
        log(f"depth {depth}: stored cell is unusable and will be redone ({error})")
        return None
    drawn = ((cell["index"], pairs.index), (cell["mask"], pairs.mask))
    same = cell.attrs["cells"] == place.stem and cell["depth"].values.tolist() == [depth]
    if not same or not all(np.array_equal(a, b) for a, b in drawn):
        log(f"depth {depth}: stored cell is of another configuration and will be redone")
        return None
    log(f"depth {depth}: finished before, taken from {place}")
    return _deepened(cell, max(experiment.depths))


def _deepened(cell: "xarray.Dataset", layers: int) -> "xarray.Dataset":
    """The cell with its layer axis as long as this sweep needs."""
    present = cell.sizes["layer"]
    if present > layers:
        return cell.isel(layer=slice(layers))
    return cell.pad(layer=(0, layers - present)) if present < layers else cell


def _all_writable(store: Path, path: Path) -> None:
    """Find out on the first process whether results can be stored; tell the others."""
    problem = None
    if hosts.first():
        try:
            files.check_writable(store)
            for place in (path, path.with_suffix(".png")):
                files.check_place(place)
        except (OSError, ValueError) as error:
            problem = error
    if hosts.agreed(problem is not None):
        raise problem or OSError("the first process cannot store results; see its message")

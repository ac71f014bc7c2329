"""What a sweep will do, loaded and checked before anything is trained, and what it finds done."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ibjax import arguments, files, networks, pipeline, results
from ibjax.environment import expanded
from ibjax.experiment import Experiment, Point, at, named, points
from ibjax.interface import Dataset, Supersample

if TYPE_CHECKING:
    import xarray


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
    if "clip" in recorded and settings.clip != Experiment.clip:
        raise ValueError(
            f"clip={settings.clip}: {recorded['network']} draws or keeps more than parameters and "
            "is trained without per-example clipping; leave it out"
        )
    store = expanded(path).with_suffix(".cells")
    return Plan(
        settings, points(settings), pool, network, recorded, results.pool_digest(pool), store
    )


def borrow(place: Path, *others: Path) -> None:
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

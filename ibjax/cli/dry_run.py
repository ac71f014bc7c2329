"""`ibjax run --dry-run`: what a sweep would do, its memory and its time, from a short probe."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from ibjax import experiment, langevin, pipeline
from ibjax.cli.progress import lasting
from ibjax.environment import amount
from ibjax.experiment import Experiment
from ibjax.langevin.checks import pool_arrays
from ibjax.langevin.config import static
from ibjax.langevin.programs import fitting
from ibjax.langevin.run import Pairs
from ibjax.plan import Plan, finished, plan
from ibjax.randomness import seed_key

if TYPE_CHECKING:
    from rich.console import Console

_STEPS = (1, 4)
"""Updates of the two short runs; their difference in time is that of the updates between."""

_REPLICAS = 64
"""Most replicas of the probe."""


def execute(settings: Experiment, path: Path, out: "Console") -> None:
    """Print cells, replicas, memory and time; nothing is written."""
    todo = plan(settings, path)
    cells: list[Any] = [todo.cell(point) for point in todo.points]
    pairs = [pipeline.draw(cell, todo.pool) for cell in cells]
    there = [
        any(finished(place, point, pair) is not None for place in todo.places(point))
        for point, pair in zip(todo.points, pairs)
    ]
    missing = [cell for cell, yes in zip(cells, there) if not yes]
    replicas = settings.supersamples * settings.masks
    axes = experiment.axes(settings)
    grid = " x ".join(f"{len(v)} {k.replace('_', ' ')}" for k, v in axes.items()) or "one"
    out.print(f"cells: {len(cells)} ({grid}), {sum(there)} of them finished before")
    out.print(f"replicas: {replicas} a cell, {replicas * len(missing)} to train")
    shapes = {(static(_training(todo, cell)), cell.train_size) for cell in missing}
    out.print(f"programs: {len(shapes)} to compile")
    out.print(f"results: {path}", soft_wrap=True)
    if not missing:
        out.print("time: none, all cells are there")
        return
    largest = max(missing, key=_work)
    memory, step, rest = _probe(todo, largest, pairs[cells.index(largest)])
    out.print(f"memory: {amount(memory)} for the largest chunk of replicas on a device")
    scale = step / _work(largest)
    seconds = sum(scale * _work(c) * c.steps + rest * min(c.checkpoints, c.steps) for c in missing)
    out.print(
        f"time: {lasting(seconds)}, without the compilation of {len(shapes)} programs (by a probe "
        f"of {_STEPS[1]} updates of the largest cell)"
    )


def _training(todo: Plan, cell: Any) -> langevin.Config:
    return experiment.training(cell, todo.network, todo.padded_to)


def _work(cell: Any) -> float:
    """Cost of one update of a cell's replicas, in no unit: batch times weights."""
    size = 1 if cell.network is not None else cell.width * (64 + cell.depths[0] * cell.width)
    return experiment.batch_size(cell) * size


def _probe(todo: Plan, cell: Any, pairs: Any) -> tuple[int, float, float]:
    """Memory of a chunk in bytes; seconds of an update and of an evaluation of a cell."""
    config = _training(todo, cell)
    pool = todo.pool
    total = cell.supersamples * cell.masks
    x = pool_arrays(pool, config.network)[0]
    programs, _, _ = fitting(config, Pairs(cell.train_size), x, total, pool.num_classes)
    few = max(min(_REPLICAS // cell.supersamples, cell.masks), 1)
    some = pairs._replace(mask=pairs.mask[:, :few])
    key, took = seed_key(cell.seed), {}
    for steps in _STEPS:
        short = replace(config, steps=steps, checkpoints=1)
        langevin.run_replicas(key, short, pool, some)  # compiles
        start = time.monotonic()
        jax.block_until_ready(langevin.run_replicas(key, short, pool, some).train_loss)
        took[steps] = (time.monotonic() - start) * cell.masks / few
    one, several = (took[s] for s in _STEPS)
    step = max((several - one) / (_STEPS[1] - _STEPS[0]), 1e-9)
    return programs.bytes, step, max(one - step, 0.0)

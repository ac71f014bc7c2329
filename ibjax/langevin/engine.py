"""Many replicas in chunks, on every device of every host: the loop around the compiled programs."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from ibjax.langevin import hosts
from ibjax.langevin.config import Config
from ibjax.langevin.programs import Kind, fitting
from ibjax.typing import Key

Progress = Callable[[int, int], None]
"""Called with (replica-steps done, replica-steps in all)."""

_SEGMENT = 100
"""Steps between two reports of progress; the numbers do not depend on it."""


class Replicas(NamedTuple):
    """The replicas of all hosts; leading axes (R,).

    Attributes:
        kind: what one of them is.
        keys: of their randomness.
        rows: positions in the pool, as `kind` has them.
        values: what they share, as `kind` has it.
    """

    kind: Kind
    keys: Key
    rows: Any
    values: Any


class Trained(NamedTuple):
    """What came of them; leading axes (R, E), and (R,) for the last weights.

    Attributes:
        measured: what the run measured at each checkpoint.
        checkpoints: flat weights at each, None unless asked for.
        observed: what was observed at each, None without an observation.
        last: flat weights at the end, None unless asked for.
    """

    measured: Any
    checkpoints: np.ndarray | None
    observed: Any
    last: np.ndarray | None


def train(
    config: Config,
    replicas: Replicas,
    x: np.ndarray,
    y: np.ndarray,
    num_classes: int,
    stops: tuple[int, ...],
    *,
    look: Callable[..., Any] | None = None,
    weights: bool | str = False,
    progress: Progress | None = None,
) -> Trained:
    """Train all replicas and measure them; every host must call, and gets the results of all.

    The chunks of `in_turn`, whose arguments these are, in one piece.
    """
    given = config, replicas, x, y, num_classes, stops
    parts = in_turn(*given, look=look, weights=weights, progress=progress)
    return jax.tree.map(lambda *a: np.concatenate(a), *parts)


def in_turn(
    config: Config,
    replicas: Replicas,
    x: np.ndarray,
    y: np.ndarray,
    num_classes: int,
    stops: tuple[int, ...],
    *,
    look: Callable[..., Any] | None = None,
    weights: bool | str = False,
    progress: Progress | None = None,
    at_once: int | None = None,
) -> Iterator[Trained]:
    """What `train` gives, one chunk after the other in the order of the replicas.

    Args:
        config: the run.
        replicas: which.
        x: inputs of the pool.
        y: its labels.
        num_classes: K.
        stops: updates done at each checkpoint, increasing.
        look: compiles an observation, see `programs.fitting`.
        weights: those at the end, or of all "checkpoints".
        progress: called after every stretch of steps.
        at_once: replicas of all hosts that the programs have room for where memory allows; all of
            them by default. Runs that give the same number share programs, however many replicas
            each has; places without one repeat the last.
    """
    total = replicas.keys.shape[0]
    room = len(hosts.share(total if at_once is None else at_once))
    programs, seen, chunk = fitting(config, replicas.kind, x, room, num_classes, look)
    whole, split = programs.shardings
    values, x_, y_ = jax.device_put((replicas.values, x, y), whole)
    prepared = x_ if programs.prepare is None else programs.prepare(x_)
    # On the host, where taking some of them is no program.
    words, own = np.asarray(jax.random.key_data(replicas.keys)), replicas.rows
    done, stretch = 0, hosts.least(chunk) * jax.process_count()
    for first in range(0, total, stretch):
        count = min(stretch, total - first)
        here = first + hosts.share(count)
        own_count = len(here)
        chosen = here[np.minimum(np.arange(chunk), own_count - 1)]
        mine = jax.tree.map(lambda a, i=chosen: np.asarray(a)[i], (words, own))
        words_here, rows = jax.device_put(mine, split)
        keys = jax.random.wrap_key_data(words_here)
        training, whole_pool = (keys, values, rows, prepared, y_), (keys, values, rows, x_, y_)
        state, step, taken = programs.init(keys, values), 0, []
        for stop in stops:
            while step < stop:
                until = min(step + _SEGMENT, stop)
                steps = jax.device_put(_ints(step, until), whole)
                state = programs.advance(state, *steps, *training)
                done += (until - step) * own_count
                step = until
                if progress is not None:
                    jax.block_until_ready(state)
                    whole_run = total * stops[-1]
                    progress(min(done * jax.process_count(), whole_run), whole_run)
            (at,) = jax.device_put(_ints(stop), whole)
            measured = programs.evaluate(state, at, *whole_pool)
            looked = None if seen is None else seen.program(state.weights, keys, at)
            kept = state.weights if weights == "checkpoints" else None
            taken.append(jax.device_get((measured, kept, looked)))
        along = jax.tree.map(lambda *a: np.stack(a, axis=1), *taken)
        last = jax.device_get(state.weights) if weights and weights != "checkpoints" else None
        got = jax.tree.map(lambda a, keep=own_count: a[:keep], (along, last))
        (measured, kept, observed), last = hosts.gather(got, count)
        yield Trained(measured, kept, observed, last)


def _ints(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(v, np.int32) for v in values)

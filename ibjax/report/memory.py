"""Which examples and classes are remembered: tables and pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray

from ibjax import blank
from ibjax.bounds.supersamples.examples import ClassMemory, Examples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table

_SURE, _UNSURE = "#D55E00", "#0072B2"

_TICKS = 30
"""Most classes that are named on an axis."""

HEADS = ("memory", "low", "high", "with it", "without", "sure among all")
"""What `examples` tells of each example, after its place."""

CLASS_HEADS = ("class", "examples", "memory", "low", "high")
"""What `classes` tells of each class."""


class Memory(NamedTuple):
    """What the replicas of one depth remember.

    Attributes:
        examples: one number an example, (k1, n, 2), see `bounds.remembered`.
        classes: one a class, see `bounds.remembered_by_class`.
        index: position of each example in the pool.
    """

    examples: Examples
    classes: ClassMemory
    index: np.ndarray


def memory(
    dataset: xarray.Dataset, depth: int | None = None, checkpoint: int = -1, **point: Any
) -> Memory:
    """What the replicas of one cell of a results file remember, by example and by class.

    Args:
        dataset: a results file of `ibjax run`.
        depth: hidden layers of the replicas; the first depth of the file by default.
        checkpoint: which evaluation along training.
        **point: coordinates on the other axes, such as ``train_size=60``; the first by default.

    Raises:
        ValueError: if the file has no such depth or checkpoint.
    """
    import jax

    from ibjax import bounds, results
    from ibjax.bounds.evidence import tabulated

    chosen = point if depth is None else point | {"depth": depth}
    first = {name: values[0] for name, values in results.axes(dataset).items()}
    found = results.evidence(dataset, **(first | chosen))
    now = bounds.at(found, checkpoint)
    valid = ~np.asarray(now.diverged, bool)
    with jax.enable_x64(True):
        losses = tabulated.losses(now)
        each = bounds.remembered(losses, now.mask, valid=valid)
        classes = bounds.remembered_by_class(
            losses, now.mask, now.labels, int(now.num_classes), valid=valid
        )
    return Memory(each, classes, np.asarray(now.index))


def examples(found: Examples) -> list[tuple[Any, ...]]:
    """Every example whose memory is known: its place, then `HEADS`; highest lower end first."""
    low = np.asarray(found.low)
    order = np.argsort(-low, axis=None)[: int(np.isfinite(low).sum())]
    places = np.stack(np.unravel_index(order, low.shape), -1).tolist()
    numbers = [np.asarray(part).ravel()[order].tolist() for part in found]
    return [(*place, *row) for place, row in zip(places, zip(*numbers))]


def classes(found: ClassMemory, names: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Every class that has examples, see `CLASS_HEADS`.

    Args:
        found: one number a class.
        names: of the classes; their numbers by default.
    """
    names = range(len(found.memory)) if names is None else names
    parts = (np.asarray(x).tolist() for x in (found.examples, found.memory, found.low, found.high))
    return [(label, *row) for label, row in zip(names, zip(*parts)) if row[0]]


def examples_table(found: Examples, columns: Sequence[str], count: int) -> "Table":
    """The examples that are remembered most, with their 95 % intervals.

    Args:
        found: one number an example.
        columns: what each axis of it is.
        count: how many.
    """
    heads = (*columns, "memory", "95 % interval", "with it", "without", "")
    table = _table("Remembered most", heads)
    for row in examples(found)[:count]:
        *place, value, low, high, inside, outside, sure = row
        said = "sure among all" if sure else ""
        numbers = (f"{value:.3f}", _interval(low, high), f"{inside:.3f}", f"{outside:.3f}")
        table.add_row(*map(str, place), *numbers, said)
    return table


def classes_table(found: ClassMemory, names: Sequence[Any] | None = None) -> "Table":
    """Memory of each class with its 95 % interval.

    Args:
        found: one number a class.
        names: of the classes; their numbers by default.
    """
    table = _table("By class", ("class", "examples", "memory", "95 % interval"))
    for label, number, value, low, high in classes(found, names):
        interval = _interval(low, high) if np.isfinite(low) else ""
        table.add_row(str(label), str(number), f"{value:.4f}", interval)
    return table


def remembered_examples(
    found: Examples | xarray.Dataset,
    ax: "Axes | None" = None,
    *,
    count: int = 30,
    depth: int | None = None,
    checkpoint: int = -1,
) -> "Axes":
    """The examples that are remembered most, with intervals, the surest first.

    Filled points are sure among all examples together. The grey curve has every example, in the
    order of its memory, on the scale of the whole axis.

    Args:
        found: of `bounds.remembered`, or a results file.
        ax: to draw on; a new one by default.
        count: how many.
        depth: of a results file, as in `memory`.
        checkpoint: of a results file.

    Raises:
        ValueError: count < 1; nothing known of any example.
    """
    if count < 1:
        raise ValueError(f"count={count} must be at least 1")
    index = None
    if not isinstance(found, tuple):
        found, _, index = memory(found, depth, checkpoint)
    rows = examples(found)
    if not rows:
        raise ValueError("no example was both trained on and left out: nothing is known of memory")
    ax = blank.axes(ax)
    shown = rows[:count]
    names = [_name(tuple(row[: -len(HEADS)]), index) for row in shown]
    value, low, high, _, _, sure = (np.array(x) for x in zip(*(r[-len(HEADS) :] for r in shown)))
    at, every = np.arange(len(shown)), np.sort([row[-len(HEADS)] for row in rows])[::-1]
    ax.axhline(0.0, color="0.6", linewidth=0.8)
    ax.plot(
        np.linspace(0, max(len(shown) - 1, 1), len(every)),
        every,
        color="0.7",
        label=f"all {len(every)} examples, by memory",
    )
    for choose, colour, face, label in (
        (sure.astype(bool), _SURE, _SURE, "sure among all examples"),
        (~sure.astype(bool), _UNSURE, "white", "95 % interval"),
    ):
        if choose.any():
            ends = np.stack([value - low, high - value])[:, choose]
            ax.errorbar(
                at[choose],
                value[choose],
                np.maximum(ends, 0.0),
                fmt="o",
                color=colour,
                markerfacecolor=face,
                label=label,
                capsize=2,
            )
    ax.set_xticks(at, names, rotation=90, fontsize=7)
    ax.set_xlabel("example of the pool" if index is not None else "example")
    ax.set_ylabel("loss without it minus loss with it")
    ax.legend(frameon=False, fontsize=8)
    return ax


def remembered_classes(
    found: ClassMemory | xarray.Dataset,
    ax: "Axes | None" = None,
    *,
    names: Sequence[Any] | None = None,
    depth: int | None = None,
    checkpoint: int = -1,
) -> "Axes":
    """Memory of each class with its 95 % interval.

    Args:
        found: of `bounds.remembered_by_class`, or a results file.
        ax: to draw on; a new one by default.
        names: of the classes; their numbers by default.
        depth: of a results file, as in `memory`.
        checkpoint: of a results file.
    """
    if not isinstance(found, tuple):
        found = memory(found, depth, checkpoint).classes
    ax = blank.axes(ax)
    value, low, high = (np.asarray(x) for x in (found.memory, found.low, found.high))
    known = np.flatnonzero(np.asarray(found.examples) > 0).tolist()
    ends = np.nan_to_num(np.stack([value - low, high - value])[:, known])
    ax.axhline(0.0, color="0.6", linewidth=0.8)
    ax.errorbar(known, value[known], ends, fmt="s", color=_UNSURE, capsize=3)
    if len(known) <= _TICKS:
        ax.set_xticks(known, [str(k if names is None else names[k]) for k in known])
    ax.set_xlabel("class")
    ax.set_ylabel("loss without minus loss with an example")
    return ax


def memory_figure(
    found: Examples,
    classes: "ClassMemory | None" = None,
    count: int = 30,
    names: Sequence[Any] | None = None,
) -> "Figure":
    """Both pictures side by side; the first alone where the classes are not known."""
    if classes is None:
        out, ax = blank.figure((7, 4.4))
        remembered_examples(found, ax, count=count)
        return out
    out, (left, right) = blank.figure((10, 4.4), 1, 2, width_ratios=(2.2, 1))
    remembered_examples(found, left, count=count)
    remembered_classes(classes, right, names=names)
    return out


def _name(place: tuple[int, ...], index: np.ndarray | None) -> str:
    return str(index[place]) if index is not None else " ".join(map(str, place))


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"


def _table(title: str, heads: Sequence[str]) -> "Table":
    return blank.table(heads, title, wrap=True)

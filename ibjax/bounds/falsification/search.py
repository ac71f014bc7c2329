"""An adversary: random local search over the tables of a family for the largest truth / bound."""

from collections.abc import Callable

import numpy as np

from ibjax.bounds.falsification.family import Tables

WALKERS = 24
"""Models that are changed side by side."""

ENOUGH = 10.0
"""A ratio at which the search ends: the bound is broken beyond all doubt."""

FURTHEST = 45.0
"""Logits stay within this; e^-45 is as good as zero."""


def take(tables: Tables, index: np.ndarray | slice) -> Tables:
    """Some of the models."""
    return {name: table[index] for name, table in tables.items()}


def worst(tables: Tables, ratios: np.ndarray, count: int = WALKERS) -> tuple[Tables, np.ndarray]:
    """The models of largest ratio, largest first; those without an answer come last."""
    order = np.argsort(-np.where(np.isnan(ratios), -1.0, ratios), kind="stable")[:count]
    return take(tables, order), ratios[order]


def climb(
    rng: np.random.Generator,
    tables: Tables,
    ratios: np.ndarray,
    evaluate: Callable[[Tables], np.ndarray],
    steps: int,
) -> tuple[Tables, np.ndarray]:
    """Change models at random and keep what raises their ratio.

    A step moves one coordinate, some of them or a whole table of each walker, by an amount drawn
    over three orders of magnitude, or copies a table from another walker. From time to time the
    lower half starts again from the upper. It ends early at a ratio above `ENOUGH`.

    Args:
        rng: source of the changes.
        tables: where to start.
        ratios: of these.
        evaluate: ``tables -> ratios``.
        steps: how often each walker is changed.

    Returns:
        The tables of all walkers, worst model first, and their ratios.
    """
    # Walkers without an answer are below all others, whose ratios may be zero.
    current = np.where(np.isnan(ratios), -1.0, ratios)
    for step in range(steps):
        moved = _changed(rng, tables)
        there = evaluate(moved)
        better = there > current
        current = np.where(better, there, current)
        tables = {
            k: np.where(better.reshape(-1, *(1,) * (v.ndim - 1)), moved[k], v)
            for k, v in tables.items()
        }
        if (current > ENOUGH).any():
            break
        if step % 25 == 24 and len(current) > 1:
            order = np.argsort(-current, kind="stable")
            half = len(order) // 2
            order[len(order) - half :] = order[:half]
            tables, current = take(tables, order), current[order]
    return worst(tables, current, len(current))


def _changed(rng: np.random.Generator, tables: Tables) -> Tables:
    """A new model near each walker."""
    count = len(next(iter(tables.values())))
    names = list(tables)
    # One table of a walker at a time, or all of them.
    chosen = rng.integers(len(names) + 1, size=count)
    size = np.exp(rng.uniform(np.log(0.01), np.log(10.0), count))
    out = {}
    for i, name in enumerate(names):
        table = tables[name]
        flat = table.reshape(count, -1)
        entries = flat.shape[1]
        share = rng.choice([1 / entries, 0.2, 1.0], (count, 1))
        hit = rng.random(flat.shape) < share
        hit[np.arange(count), rng.integers(entries, size=count)] = True
        hit &= ((chosen == i) | (chosen == len(names)))[:, None]
        moved = flat + np.where(hit, size[:, None] * rng.normal(size=flat.shape), 0.0)
        copied = (chosen == i) & (rng.random(count) < 0.15)
        moved = np.where(copied[:, None], flat[rng.permutation(count)], moved)
        out[name] = np.clip(moved, -FURTHEST, FURTHEST).reshape(table.shape)
    return out

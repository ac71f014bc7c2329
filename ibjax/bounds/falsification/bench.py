"""Put bounds against every family of exactly solved models, and against the adversary."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import jax
import numpy as np

from ibjax.bounds.checks import choice, static_whole
from ibjax.bounds.falsification import feeding, finite, paths, replicas, supersamples
from ibjax.bounds.falsification.family import Family, Tables
from ibjax.bounds.falsification.rows import Row, rows, truth_of
from ibjax.bounds.falsification.search import climb, take, worst
from ibjax.typing import Key

CHUNK = 1024
"""Models solved at once."""

TRUTHS = ("gap", "size", "absolute_gap", "test_error")
"""What a user's function may be a bound on."""


@dataclass(frozen=True)
class Verdict:
    """What became of one bound.

    Attributes:
        name: of the bound.
        kind: what its values call themselves: certificate, estimate or diagnostic; "upper" for a
            bound on information, "claim" for a plain number. A published form that is known to
            fail, or whose premise no model has, is a diagnostic whatever it calls itself.
        theorem: whether it claims to hold, so that a violation is an error: not for a diagnostic.
        truth: what it must not fall below.
        models: models for which it gave a number, those of the search included.
        violations: how many of these exceed it by more than rounding.
        ratio: largest truth / bound; above 1 exactly if there was a violation.
        family: of the model that attains it.
        value: the bound there.
        target: the truth there.
        note: one line for people.
        model: the unconstrained tables of that model, see `family.Tables`.
        fields: all exact quantities of that model, and what its family has in common.
    """

    name: str
    kind: str
    theorem: bool
    truth: str
    models: int
    violations: int
    ratio: float
    family: str
    value: float
    target: float
    note: str = ""
    model: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    fields: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def broken(self) -> bool:
        """Whether a model exceeds the bound."""
        return self.violations > 0

    def __str__(self) -> str:
        """One line."""
        said = f"{self.violations} violations" if self.broken else "no violation"
        return (
            f"{self.name} ({self.kind}): {said} in {self.models} models, largest "
            f"{self.truth} / bound {self.ratio:.4f} ({self.family})"
        )


def families() -> dict[str, Family]:
    """Every family of exactly solved models by name."""
    every = (finite, supersamples, replicas, paths)
    return {f.name: f for module in every for f in module.families()}


@overload
def falsify(
    function: str | Callable[..., Any],
    *,
    models: int = ...,
    key: Key | None = ...,
    search: int = ...,
    truth: str = ...,
) -> Verdict: ...


@overload
def falsify(
    function: Sequence[str] | None = None,
    *,
    models: int = ...,
    key: Key | None = ...,
    search: int = ...,
    truth: str = ...,
) -> dict[str, Verdict]: ...


def falsify(
    function: str | Callable[..., Any] | Sequence[str] | None = None,
    *,
    models: int = 1000,
    key: Key | None = None,
    search: int = 100,
    truth: str = "gap",
) -> Verdict | dict[str, Verdict]:
    """Try to break a bound: the largest truth / bound over exactly solved random learners.

    Each model is a small learning problem whose gap, informations and coefficients are finite
    sums, see `families`. A bound is fed exact quantities only, so that a ratio above 1 refutes it
    (or its premises, where the model lacks them); no number of models proves it.

    Args:
        function: a row of `falsification.rows` by name, or several; all of them by default. Or
            any function: it is called with exact quantities by the names of its arguments, such
            as ``information, n, sigma``, and returns a number or a `BoundValue`. It is put
            against every family that has all it needs.
        models: random models a family; families that are slow to solve draw fewer.
        key: source of all randomness; ``jax.random.key(0)`` by default.
        search: steps of the adversary from the worst random models of two families; 0 for none.
        truth: what a function of your own bounds: "gap" (signed), "size" (its absolute value),
            "absolute_gap" (E|L - L_S|) or "test_error". Rows know what they bound.

    Returns:
        A `Verdict`; one a name where several are asked for.

    Raises:
        ValueError: unknown names, arguments no family knows, a function that says nothing on any
            model, models < 1 or search < 0.

    Example:
        >>> falsify(lambda information, n: (information / n) ** 0.5, models=20, search=0).broken
        False
    """
    models, search = static_whole("models", models), static_whole("search", search, 0)
    choice("truth", truth, TRUTHS)
    chosen = _chosen(function, truth)
    seed = jax.random.key_data(jax.random.key(0) if key is None else key)
    state = [int(v) for v in np.asarray(seed).ravel()]
    every = families()
    names = _names(every)
    facing = {row.name: _facing(row, every, names) for row in chosen}
    records: dict[str, list[_Record]] = {row.name: [] for row in chosen}
    for index, family in enumerate(every.values()):
        against = [row for row in chosen if family.name in facing[row.name]]
        if against:
            rng = np.random.default_rng([*state, index])
            for record in _random(rng, family, against, models):
                records[record.row.name].append(record)
    verdicts = {}
    for index, row in enumerate(chosen):
        own = records[row.name]
        if not any(r.tried for r in own):
            raise ValueError(
                f"{row.name} gave no number for any model of {', '.join(facing[row.name])}; it "
                "must return a number that is not NaN, or a BoundValue that holds"
            )
        rng = np.random.default_rng([*state, 1000 + index])
        ranked = sorted(own, key=lambda r: -r.top)
        for record in ranked[:2] if search else ():
            _search(rng, record, search)
        verdicts[row.name] = _verdict(row, own)
    alone = isinstance(function, str) or callable(function)
    return next(iter(verdicts.values())) if alone else verdicts


@dataclass
class _Record:
    """How one row fares in one family."""

    row: Row
    family: Family
    kind: str = ""
    tried: int = 0
    violations: int = 0
    tables: Tables | None = None
    ratios: np.ndarray | None = None
    top: float = -1.0
    at: tuple[float, float] = (np.nan, np.nan)

    def evaluate(self, tables: Tables) -> feeding.Scores:
        """Scores of a batch, counted; the worst model of all is remembered."""
        fields = self.family.solve(tables)
        (found,) = feeding.answers([self.row.function], self.family, fields)
        return self.count(fields, found)

    def count(self, fields: dict[str, Any], found: feeding.Answer) -> feeding.Scores:
        """Scores of a batch whose bounds are known, counted."""
        self.kind = found.kind
        scores = feeding.compare(*truth_of(self.row, fields, found.value))
        said = ~np.isnan(scores.ratio)
        self.tried += int(said.sum())
        self.violations += int(np.sum(scores.ratio > 1))
        if said.any():
            i = int(np.nanargmax(scores.ratio))
            if scores.ratio[i] > self.top:
                self.top = float(scores.ratio[i])
                self.at = float(scores.truth[i]), float(scores.value[i])
        return scores

    def keep(self, tables: Tables, ratios: np.ndarray) -> None:
        """Remember the worst models of all batches so far."""
        if self.tables is not None and self.ratios is not None:
            tables = {k: np.concatenate([v, self.tables[k]]) for k, v in tables.items()}
            ratios = np.concatenate([ratios, self.ratios])
        self.tables, self.ratios = worst(tables, ratios)


def _random(
    rng: np.random.Generator, family: Family, against: list[Row], models: int
) -> list[_Record]:
    """Draw and solve the models of a family once, for all rows."""
    records = [_Record(row, family) for row in against]
    left = max(1, round(models * family.share))
    while left:
        count = min(left, CHUNK)
        tables = family.draw(rng, count)
        fields = family.solve(tables)
        found = feeding.answers([row.function for row in against], family, fields)
        for record, value in zip(records, found):
            record.keep(tables, record.count(fields, value).ratio)
        left -= count
    return records


def _search(rng: np.random.Generator, record: _Record, steps: int) -> None:
    """Let the adversary go on from the worst random models of a family."""
    if record.tables is None or record.ratios is None:
        return
    # Slow families get fewer steps, as they get fewer models.
    steps = max(1, round(steps * max(record.family.share, 0.2)))
    start = record.tables, record.ratios
    record.tables, record.ratios = climb(
        rng, *start, lambda tables: record.evaluate(tables).ratio, steps
    )


def _verdict(row: Row, records: list[_Record]) -> Verdict:
    """Everything about the worst model of a row."""
    best = max(records, key=lambda r: r.top)
    assert best.tables is not None
    model = take(best.tables, slice(0, 1))
    fields = best.family.solve(model)
    return Verdict(
        name=row.name,
        kind=best.kind if row.theorem else "diagnostic",
        theorem=row.theorem and best.kind != "diagnostic",
        truth=row.truth,
        models=sum(r.tried for r in records),
        violations=sum(r.violations for r in records),
        ratio=best.top,
        family=best.family.name,
        model={k: v[0] for k, v in model.items()},
        fields=dict(best.family.facts) | {k: v[0] for k, v in fields.items()},
        value=best.at[1],
        target=best.at[0],
        note=row.note,
    )


def _chosen(function: Any, truth: str) -> list[Row]:
    """The rows asked for."""
    known = rows()
    if function is None:
        return list(known.values())
    if callable(function):
        name = getattr(function, "__name__", type(function).__name__)
        return [Row(name, function, truth)]
    names = [function] if isinstance(function, str) else list(function)
    if not names:
        raise ValueError("function names no bound; give at least one, or None for all")
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 3) or list(known)[:3]
            raise ValueError(
                f"{name!r} is no bound of the bench; did you mean {' or '.join(near)}? "
                "bounds.falsification.rows() lists all"
            )
    return [known[name] for name in dict.fromkeys(names)]


def _names(every: dict[str, Family]) -> dict[str, set[str]]:
    """What each family knows, by name."""
    rng = np.random.default_rng(0)
    return {k: {*f.facts, *f.solve(f.draw(rng, 1))} for k, f in every.items()}


def _facing(row: Row, every: dict[str, Family], names: dict[str, set[str]]) -> list[str]:
    """Families that have all a row needs."""
    needed = feeding.wants(row.function).needed
    unknown = [n for n in needed if not any(n in known for known in names.values())]
    if unknown:
        listed = ", ".join(sorted(set().union(*names.values())))
        raise ValueError(
            f"{row.name} needs {', '.join(unknown)}, which no family of models has; it may ask "
            f"for {listed}"
        )

    def fits(name: str) -> bool:
        family, truth = every[name], row.truth
        wanted = "gap" if truth == "size" or row.compare is not None else truth
        if not {*needed, wanted} <= names[name]:
            return False
        return all(family.facts.get(k) in values for k, values in row.only.items())

    found = [name for name in every if fits(name)]
    if not found:
        raise ValueError(
            f"no family of models has all that {row.name} needs: {', '.join(needed)} and "
            f"{row.truth}"
        )
    return found

"""What became of a bound: scores counted over the models, and the worst of them kept."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ibjax.bounds.falsification import feeding
from ibjax.bounds.falsification.family import Family, Tables
from ibjax.bounds.falsification.rows import Row, truth_of
from ibjax.bounds.falsification.search import climb, take, worst

CHUNK = 1024
"""Models solved at once."""


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
        silent: models for which it gave none (NaN, or a value that does not hold), where nothing
            was tried.
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
    silent: int = 0
    model: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    fields: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def broken(self) -> bool:
        """Whether a model exceeds the bound."""
        return self.violations > 0

    def __str__(self) -> str:
        """One line."""
        said = f"{self.violations} violations" if self.broken else "no violation"
        without = f" ({self.silent} more without a number)" if self.silent else ""
        return (
            f"{self.name} ({self.kind}): {said} in {self.models} models{without}, largest "
            f"{self.truth} / bound {self.ratio:.4f} ({self.family})"
        )


@dataclass
class Record:
    """How one row fares in one family."""

    row: Row
    family: Family
    kind: str = ""
    tried: int = 0
    silent: int = 0
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
        self.silent += int((~said).sum())
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


def random_models(
    rng: np.random.Generator, family: Family, against: list[Row], models: int
) -> list[Record]:
    """Draw and solve the models of a family once, for all rows."""
    records = [Record(row, family) for row in against]
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


def search_on(rng: np.random.Generator, record: Record, steps: int) -> None:
    """Let the adversary go on from the worst random models of a family."""
    if record.tables is None or record.ratios is None:
        return
    # Slow families get fewer steps, as they get fewer models.
    steps = max(1, round(steps * max(record.family.share, 0.2)))
    start = record.tables, record.ratios
    record.tables, record.ratios = climb(
        rng, *start, lambda tables: record.evaluate(tables).ratio, steps
    )


def verdict(row: Row, records: list[Record]) -> Verdict:
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
        silent=sum(r.silent for r in records),
        violations=sum(r.violations for r in records),
        ratio=best.top,
        family=best.family.name,
        model={k: v[0] for k, v in model.items()},
        fields=dict(best.family.facts) | {k: v[0] for k, v in fields.items()},
        value=best.at[1],
        target=best.at[0],
        note=row.note,
    )

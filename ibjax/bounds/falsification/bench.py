"""Put bounds against every family of exactly solved models, and against the adversary."""

import difflib
import functools
from collections.abc import Callable, Sequence
from typing import Any, overload

import jax
import numpy as np

from ibjax.bounds.checks import choice, static_whole
from ibjax.bounds.falsification import (
    feeding,
    finite,
    given_pairs,
    paths,
    projected,
    replicas,
    supersamples,
)
from ibjax.bounds.falsification.family import Family
from ibjax.bounds.falsification.records import Record, Verdict, random_models, search_on, verdict
from ibjax.bounds.falsification.rows import Row, rows
from ibjax.frozen import plain
from ibjax.signatures import enforced
from ibjax.typing import Key

TRUTHS = ("gap", "size", "absolute_gap", "test_error")
"""What a user's function may be a bound on."""


def families() -> dict[str, Family]:
    """Every family of exactly solved models by name."""
    every = (finite, supersamples, replicas, paths, projected, given_pairs)
    return {f.name: f for module in every for f in module.families()}


@overload
def falsify(
    function: str | Callable[..., Any],
    *,
    models: int = ...,
    key: Key | None = ...,
    search: int = ...,
    truth: str = ...,
    among: Sequence[str] | None = ...,
) -> Verdict: ...


@overload
def falsify(
    function: Sequence[str] | None = None,
    *,
    models: int = ...,
    key: Key | None = ...,
    search: int = ...,
    truth: str = ...,
    among: Sequence[str] | None = ...,
) -> dict[str, Verdict]: ...


@enforced
def falsify(
    function: str | Callable[..., Any] | Sequence[str] | None = None,
    *,
    models: int = 1000,
    key: Key | None = None,
    search: int = 100,
    truth: str = "gap",
    among: Sequence[str] | None = None,
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
        among: names of the families to use; all by default.

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
    every = _among(among)
    names = _names(every)
    facing = {row.name: _facing(row, every, names) for row in chosen}
    records: dict[str, list[Record]] = {row.name: [] for row in chosen}
    for index, family in enumerate(every.values()):
        against = [row for row in chosen if family.name in facing[row.name]]
        if against:
            rng = np.random.default_rng([*state, index])
            for record in random_models(rng, family, against, models):
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
            search_on(rng, record, search)
        verdicts[row.name] = verdict(row, own)
    alone = isinstance(function, str) or callable(function)
    return next(iter(verdicts.values())) if alone else verdicts


def _chosen(function: Any, truth: str) -> list[Row]:
    """The rows asked for."""
    known = rows()
    if function is None:
        return list(known.values())
    if callable(function):
        name = getattr(function, "__name__", type(function).__name__)
        return [Row(name, _anew(function), truth)]
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


def _anew(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one of its own, so that no program of an earlier call is taken for it."""

    @functools.wraps(plain(function))
    def called(**given: Any) -> Any:
        return plain(function)(**given)

    return called


def _among(among: Sequence[str] | None) -> dict[str, Family]:
    """The families asked for."""
    every = families()
    for name in among or ():
        if name not in every:
            raise ValueError(f"among holds {name!r}; choose among {', '.join(every)}")
    return {name: f for name, f in every.items() if among is None or name in among}


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

"""From checked replicas to the value of a supersample bound: information, root, error.

Two orders of averaging. The published one takes the root of each pair's information and then
means, with a plug-in or a corrected information. The other takes the mean information first and
the root last: roots of single pairs are biased by the noise of each, the root of a mean by that
of the mean alone. "polynomial" adds the largest bias its tables can have to the mean;
"conservative" is the plug-in of balanced masks, whose mean is not below the truth.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, outcome
from ibjax.bounds.means import left_out, mean_and_error
from ibjax.bounds.supersamples import (
    flips,
    jackknife,
    letters,
    mean_first,
    plugin,
    polynomial,
    replica_tables,
    words,
)
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.bounds.supersamples.rules import (
    CORRECTIONS,
    MEAN_FIRST,
    ROOTS,
    Numbers,
    Rule,
    apply,
    root,
)
from ibjax.interface import BoundValue
from ibjax.typing import JaxArray

Split = Callable[..., tuple[JaxArray, JaxArray]]

_TRACED = 40
"""Most masks for which the tables of every split are held where the masks are not known yet."""


def check(rule: Rule, data: Data, inversions: tuple[str, ...]) -> None:
    """Refuse unknown names and combinations that estimate nothing.

    Raises:
        ValueError: naming the argument.
    """
    checks.choice("inversion", rule.inversion, inversions)
    checks.choice("correction", rule.correction, CORRECTIONS)
    if rule.pooled and rule.correction in MEAN_FIRST:
        raise ValueError(
            f"correction={rule.correction!r} is for one table a pair; a pooled table has little "
            "bias: leave correction out"
        )
    real = not jnp.issubdtype(data.values.dtype, jnp.integer)
    if real and rule.correction not in (None, *MEAN_FIRST):
        raise ValueError(
            f"correction={rule.correction!r} needs whole counts, but losses are real numbers; "
            "use 'polynomial', or integers for 0-1 losses"
        )


def evaluate(rule: Rule, data: Data, width: float = 1.0) -> BoundValue:
    """The bound; `width` is the length of the interval the losses lie in."""
    tables = _tables(rule, data)
    numbers = mean_first.numbers(data, tables, rule) if rule.means_first else _plain(data, rule)
    remarks = odd_masks(rule.correction, data)
    text = replica_tables.note(rule.correction, rule.pooled)
    return outcome.result(
        width * numbers.value,
        name=rule.name,
        kind="estimate",
        limit=width * (1.0 - numbers.rate),
        assumptions=replica_tables.ASSUMPTIONS,
        information=numbers.information,
        about=rule.about,
        std_error=width * numbers.error,
        note="; ".join((text, *remarks)),
    )


def odd_masks(correction: str | None, data: Data) -> tuple[str, ...]:
    """What to say of the masks beside a bound; nothing under jit, where they are not known."""
    remarks = replica_tables.remarks(data)
    if correction == "conservative" and checks.concrete(*data):
        if not bool(replica_tables.balanced(data).all()):
            remarks += ("missing: a pair does not train in half of its masks",)
    return remarks


def shuffled(
    rules: tuple[Rule, ...],
    datas: tuple[Data, ...],
    deals: JaxArray,
    masks: JaxArray,
    split: Split | None = None,
    given: Any = (),
) -> list[tuple[JaxArray, JaxArray]]:
    """Values (for losses in [0, 1]) and information of bounds under other masks, (draws,) each.

    Args:
        rules: what is evaluated.
        datas: the values of each, of the same replicas.
        deals: whose mask each replica gets, (draws, k1, k2); see `flips.strangers`.
        masks: that are dealt, (k1, k2, more).
        split: makes the bits of the pairs (k1, k2, n) and what to use of them from the masks of a
            deal and `given`; None where the masks are these bits, and what is used that of the
            values. The draws are made one at a time: all together are hundreds of times as large.
        given: further arguments of `split`.
    """
    small = masks.astype(jnp.int8)
    tables = _dealt_tables(rules, datas[0], deals, masks, split, given)
    # What several rules count is handed over once, so that it is counted once.
    held = {id(data.values): data for data in datas}
    whose = tuple(list(held).index(id(data.values)) for data in datas)
    return _shuffled(tuple(held.values()), deals, small, given, tables, rules, split, whose)


def _dealt_tables(rules, data, deals, masks, split, given) -> polynomial.Lookup | None:
    """The tables of the splits of all deals."""
    sizes = [rule.size for rule in rules if rule.correction == "polynomial"]
    if not sizes or data.tables is not None:
        return data.tables
    valid = data.valid
    if split is None and checks.concrete(masks, valid) and np.asarray(valid).all():
        # Shuffling whole masks of replicas that are all in use changes no count.
        return tables_of([(masks, valid)], max(sizes))
    if not checks.concrete(deals, masks, valid, *given):
        return _every_split(data.masks.shape[1], max(sizes))
    # On the host, where the few operations of a deal need no program of XLA.
    host, valid, *rest = (np.asarray(part) for part in (masks, valid, *given))
    drawn = (np.take_along_axis(host, deal[..., None], 1) for deal in np.asarray(deals))
    used = ((bits, valid) if split is None else split(bits, *rest) for bits in drawn)
    return tables_of(used, max(sizes))


@partial(jax.jit, static_argnames=("rules", "split", "whose"))
def _shuffled(held, deals, masks, given, tables, rules, split, whose):
    # What replicas show is the same in every draw.
    datas = letters.all_shown(rules, [held[place] for place in whose])

    def one(deal):
        drawn = flips.dealt(masks, deal)
        bits, valid = (drawn, datas[0].valid) if split is None else split(drawn, *given)
        sides = words.sides(bits, valid)
        new = {"masks": bits, "valid": valid, "sides": sides, "tables": tables}
        moved = [d._replace(**new) for d in datas]
        found = iter(mean_first.informed(rules, moved, tables))
        return [
            mean_first.read(rule, data, *next(found))[:4]
            if rule.means_first
            else _plain(data, rule)[:2]
            for rule, data in zip(rules, moved)
        ]

    # Inverted outside the loop, for all draws at once.
    return [
        (mean_first.value_of(rule, *found), found[0] * found[3]) if rule.means_first else found
        for rule, found in zip(rules, jax.lax.map(one, deals))
    ]


def _tables(rule: Rule, data: Data) -> polynomial.Lookup | None:
    """The tables of all splits of the replicas that occur, also with a group left out."""
    if rule.correction != "polynomial" or data.tables is not None:
        return data.tables
    if not checks.concrete(data.masks, data.valid):
        return _every_split(data.masks.shape[1], rule.size)
    return tables_of([(data.masks, data.valid)], rule.size, error=True)


def _every_split(replicas: int, letters: int) -> polynomial.Lookup:
    if replicas > _TRACED:
        raise ValueError(
            f"correction='polynomial' with {replicas} masks that are not known yet (under "
            f"jit); give known masks, or at most {_TRACED}"
        )
    splits = {(a, b) for a in range(replicas + 1) for b in range(replicas + 1 - a)}
    return polynomial.lookup(splits, letters)


def tables_of(
    draws: Iterable[tuple[Any, Any]], letters: int, *, error: bool = False
) -> polynomial.Lookup:
    """The tables of all splits of known masks, on the host.

    Args:
        draws: masks (k1, k2, n) and what is used of them, of the same shape.
        letters: most letters of an alphabet.
        error: whether an error is made, which needs the splits with one group left out too.
    """
    splits: set[tuple[int, int]] = set()
    for masks, valid in draws:
        every = np.asarray(valid)
        ones = (np.asarray(masks) == 1) & every
        zeros, ones = _by_group(every & ~ones), _by_group(ones)
        left_out = zip(zeros, ones) if error else ()
        for less in ((0, 0), *left_out):
            sides = zeros.sum(0) - less[0], ones.sum(0) - less[1]
            splits |= set(zip(*(side.ravel().tolist() for side in sides)))
    return polynomial.lookup(splits, letters)


def _by_group(flags: np.ndarray) -> np.ndarray:
    """How many replicas of each group have a flag, (groups, k1, n)."""
    replicas = flags.shape[1]
    group = jackknife.groups(replicas)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(jackknife.count(replicas)))
    return np.add.reduceat(flags[:, order], starts, axis=1, dtype=int).swapaxes(0, 1)


@partial(jax.jit, static_argnames="rule")
def _plain(data: Data, rule: Rule) -> Numbers:
    """Means of roots (or the inversion of means) of plug-in or corrected information."""
    draws = int(np.prod(data.masks.shape)) if rule.pooled else data.masks.shape[1]
    use = jnp.any(data.valid, (1, 2)) & data.legal if rule.pooled else replica_tables.usable(data)
    fair = jnp.where(replica_tables.fair(data) | rule.pooled, 1.0, jnp.nan)
    nothing = jnp.zeros((), jnp.result_type(float))
    each = tables = nothing
    if rule.pooled:
        tables = letters.counts(rule.alphabet, rule.size, data)
    else:
        cells = _information(data, rule, draws)
        each = replica_tables.pair_mean(data, jnp.mean(cells, 1))
        if rule.inversion in ROOTS:
            cells = root(cells, rule.inversion)
            roots = rule.factor * replica_tables.pair_mean(data, jnp.mean(cells, 1))
            value, error = mean_and_error(roots, use)
            information, _ = mean_and_error(each, use)
            return Numbers(fair * value, fair * information, fair * error, nothing, nothing)
    wrong, trained = replica_tables.train_error(data)

    def found(use):
        if rule.pooled:
            joint = jnp.sum(jnp.where(use[:, None, None, None, None], tables, 0.0), (0, 2))
            both = jnp.all(jnp.sum(joint, -1) > 0)
            info = plugin.mutual_information(joint, rule.correction, draws)
            mean = jnp.where(both, jnp.mean(info), jnp.nan)
        else:
            mean, _ = mean_and_error(each, use)
        rate = jnp.sum(wrong * use) / jnp.sum(trained * use)
        return apply(rule, mean, rate), mean, rate

    value, information, rate = found(use)
    rate = jnp.zeros_like(rate) if rule.inversion in ROOTS else rate
    error = left_out(lambda use: found(use)[0], use, value)
    return Numbers(fair * value, fair * information, fair * error, rate, nothing)


def _information(data: Data, rule: Rule, draws: int) -> JaxArray:
    """Plug-in or corrected information of each table, (k1, c, n)."""
    if rule.correction is None:
        return letters.plug_in_information(rule.alphabet, rule.size, data, data.tables)
    tables = letters.counts(rule.alphabet, rule.size, data)
    if rule.correction != "permutation":
        return plugin.mutual_information(tables, rule.correction, draws)
    weights = letters.weights(rule.alphabet, rule.size, data)
    mean = jax.lax.cond(
        flips.complementary(data),
        lambda: flips.flip_mean(weights, data),
        lambda: plugin.permutation_mean(tables, draws),
    )
    return plugin.mutual_information(tables) - mean

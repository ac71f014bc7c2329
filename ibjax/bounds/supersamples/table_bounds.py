"""From checked replicas to the value of a supersample bound: information, root, error.

Two orders of averaging. The published one takes the root of each pair's information and then
means, with a plug-in or a corrected information. The other takes the mean information first and
the root last: roots of single pairs are biased by the noise of each, the root of a mean by that
of the mean alone. "polynomial" adds the largest bias its tables can have to the mean;
"conservative" is the plug-in of balanced masks, whose mean is not below the truth.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.bounds.means import mean_and_error
from ibjax.bounds.supersamples import (
    flips,
    jackknife,
    letters,
    mean_first,
    plugin,
    polynomial,
    replica_tables,
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
    tables = _tables((rule,), data, _one(data.masks), _one(data.valid))
    numbers = mean_first.numbers(data, tables, rule) if rule.means_first else _plain(data, rule)
    remarks = odd_masks(rule.correction, data)
    text = replica_tables.note(rule.correction, rule.pooled)
    return checks.result(
        width * numbers.value,
        name=rule.name,
        kind="estimate",
        limit=width * (1.0 - numbers.rate),
        assumptions=replica_tables.ASSUMPTIONS,
        information=numbers.information,
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
    rules: tuple[Rule, ...], datas: tuple[Data, ...], masks: JaxArray, valid: JaxArray | None = None
) -> list[tuple[JaxArray, JaxArray]]:
    """Values (for losses in [0, 1]) and information of bounds under other masks, (draws,) each.

    Args:
        rules: what is evaluated.
        datas: the values of each, of the same replicas.
        masks: of each draw, (draws, k1, k2, n).
        valid: what to use in each draw; that of the values unless given.
    """
    use = _one(datas[0].valid) if valid is None else valid
    return _shuffled(datas, masks, valid, _tables(rules, datas[0], masks, use), rules)


@partial(jax.jit, static_argnames="rules")
def _shuffled(datas, masks, valid, tables: polynomial.Lookup | None, rules: tuple[Rule, ...]):
    # What replicas show is the same in every draw.
    datas = [d._replace(shown=letters.shown(r.alphabet, r.size, d)) for r, d in zip(rules, datas)]

    def one(drawn):
        moved = [d._replace(masks=drawn[0]) for d in datas]
        moved = moved if drawn[1] is None else [d._replace(valid=drawn[1]) for d in moved]
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
        for rule, found in zip(rules, jax.lax.map(one, (masks, valid)))
    ]


def _tables(rules: Any, data: Data, masks: Any, valid: Any) -> polynomial.Lookup | None:
    """The tables of all splits of the replicas that occur, also with a group left out."""
    sizes = [rule.size for rule in rules if rule.correction == "polynomial"]
    if not sizes or data.tables is not None:
        return data.tables
    replicas = data.masks.shape[1]
    if not checks.concrete(masks, valid):
        if replicas > _TRACED:
            raise ValueError(
                f"correction='polynomial' with {replicas} masks that are not known yet (under "
                f"jit); give known masks, or at most {_TRACED}"
            )
        splits = {(a, b) for a in range(replicas + 1) for b in range(replicas + 1 - a)}
        return polynomial.lookup(splits, max(sizes))
    return tables_of(np.asarray(masks), np.asarray(valid), max(sizes))


def tables_of(bits: np.ndarray, valid: np.ndarray, letters: int) -> polynomial.Lookup:
    """The tables of all splits of known masks, on the host.

    Args:
        bits: masks (draws, k1, k2, n); of one draw also the splits with a group left out.
        valid: what is used, of a shape that broadcasts to that of the masks.
        letters: most letters of an alphabet.
    """
    replicas = bits.shape[2]
    group = jackknife.groups(replicas)
    every = np.broadcast_to(valid, bits.shape)
    # Shuffling whole masks of replicas that are all in use changes no count.
    several = slice(None, 1) if every.all() else slice(None)
    splits: set[tuple[int, int]] = set()
    for drawn, use in zip(bits[several], every[several]):
        # The error needs the splits with one group left out; the draws of a null have no error.
        for left in (-1, *range(jackknife.count(replicas))) if len(bits) == 1 else (-1,):
            kept = use & (group != left)[None, :, None]
            sides = [np.sum(kept & (drawn == side), 1).ravel() for side in (0, 1)]
            splits |= set(zip(*(side.tolist() for side in sides)))
    return polynomial.lookup(splits, letters)


def _one(array: JaxArray) -> Any:
    """A leading axis of one, without losing a known array to a trace."""
    return np.asarray(array)[None] if checks.concrete(array) else array[None]


@partial(jax.jit, static_argnames="rule")
def _plain(data: Data, rule: Rule) -> Numbers:
    """Means of roots (or the inversion of means) of plug-in or corrected information."""
    tables = letters.counts(rule.alphabet, rule.size, data)
    draws = int(np.prod(data.masks.shape)) if rule.pooled else data.masks.shape[1]
    use = jnp.any(data.valid, (1, 2)) & data.legal if rule.pooled else replica_tables.usable(data)
    fair = jnp.where(replica_tables.fair(data) | rule.pooled, 1.0, jnp.nan)
    nothing = jnp.zeros((), tables.dtype)
    each = nothing
    if not rule.pooled:
        info = jnp.mean(_information(data, tables, rule, draws), 1)
        each = replica_tables.pair_mean(data, info)
        if rule.inversion in ROOTS:
            cells = root(_information(data, tables, rule, draws), rule.inversion)
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
    units = use.shape[0]
    if units < 2:
        error = jnp.full_like(value, jnp.nan)
    else:
        left = jax.vmap(lambda s: found(use & (jnp.arange(units) != s))[0])(jnp.arange(units))
        error = mean_and_error(left, use)[1] * (jnp.sum(use) - 1)
    return Numbers(fair * value, fair * information, fair * error, rate, nothing)


def _information(data: Data, tables: JaxArray, rule: Rule, draws: int) -> JaxArray:
    """Plug-in or corrected information of each table, (k1, c, n)."""
    if rule.correction != "permutation":
        return plugin.mutual_information(tables, rule.correction, draws)
    raw = plugin.mutual_information(tables)
    weights = letters.weights(rule.alphabet, rule.size, data)
    within = flips.flip_mean(weights, data)
    every = plugin.permutation_mean(tables, draws)
    return raw - jnp.where(flips.complementary(data), within, every)

"""From checked replicas to the value of a supersample bound: information, root, error.

Two orders of averaging. The published one takes the root of each pair's information and then
means, with a plug-in or a corrected information. The other takes the mean information first and
the root last: roots of single pairs are biased by the noise of each, the root of a mean by that
of the mean alone. "polynomial" adds the largest bias its tables can have to the mean;
"conservative" is the plug-in of balanced masks, whose mean is not below the truth.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert
from ibjax.bounds.means import mean_and_error
from ibjax.bounds.root import sub_gaussian
from ibjax.bounds.supersamples import flips, jackknife, letters, plugin, polynomial, replica_tables
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.interface import BoundValue
from ibjax.typing import JaxArray

MEAN_FIRST = ("polynomial", "conservative")
CORRECTIONS = (*plugin.CORRECTIONS, *MEAN_FIRST)
ROOTS = ("sqrt", "phi")

_TRACED = 40
"""Most masks for which the tables of every split are held where the masks are not known yet."""

Z = 1.959964


@dataclass(frozen=True)
class Rule:
    """What a bound counts and what it makes of it.

    Attributes:
        name: of the bound.
        alphabet: one of `letters.SIZES`.
        size: letters of the alphabet.
        correction: one of `CORRECTIONS`.
        inversion: "sqrt", "phi" or the name of an inversion of the mean information.
        pooled: one table for all pairs and supersamples.
        factor: of the root.
    """

    name: str
    alphabet: str
    size: int
    correction: str | None
    inversion: str
    pooled: bool = False
    factor: float = 1.0


class Numbers(NamedTuple):
    """Value in units of a loss in [0, 1], information in nats, error, training error, allowance."""

    value: JaxArray
    information: JaxArray
    error: JaxArray
    rate: JaxArray
    allowance: JaxArray


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
    numbers = _numbers(data, _tables(rule, data, _one(data.masks), _one(data.valid)), rule)
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
    rule: Rule, data: Data, masks: JaxArray, valid: JaxArray | None = None
) -> tuple[JaxArray, JaxArray]:
    """Values (for losses in [0, 1]) and information under other masks, (draws, k1, k2, n).

    Args:
        rule: what is evaluated.
        data: the values.
        masks: of each draw.
        valid: what to use in each draw; that of `data` unless given.
    """
    use = _one(data.valid) if valid is None else valid
    return _shuffled(data, masks, valid, _tables(rule, data, masks, use), rule)


@partial(jax.jit, static_argnames="rule")
def _shuffled(data: Data, masks, valid, tables: polynomial.Lookup | None, rule: Rule):
    def one(drawn):
        masks, use = drawn
        moved = data._replace(masks=masks, valid=data.valid if use is None else use)
        numbers = _numbers(moved, tables, rule)
        return numbers.value, numbers.information

    return jax.lax.map(one, (masks, valid))


def _numbers(data: Data, tables: polynomial.Lookup | None, rule: Rule) -> Numbers:
    if rule.correction in MEAN_FIRST:
        return _mean_first(data, tables, rule)
    return _plain(data, rule)


def _tables(rule: Rule, data: Data, masks: Any, valid: Any) -> polynomial.Lookup | None:
    """The tables of all splits of the replicas that occur, also with a group left out."""
    if rule.correction != "polynomial":
        return None
    if data.tables is not None:
        return data.tables
    replicas = data.masks.shape[1]
    if not checks.concrete(masks, valid):
        if replicas > _TRACED:
            raise ValueError(
                f"correction='polynomial' with {replicas} masks that are not known yet (under "
                f"jit); give known masks, or at most {_TRACED}"
            )
        splits = {(a, b) for a in range(replicas + 1) for b in range(replicas + 1 - a)}
        return polynomial.lookup(splits, rule.size)
    return tables_of(np.asarray(masks), np.asarray(valid), rule.size)


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


def root(information: JaxArray, inversion: str) -> JaxArray:
    """sqrt(2 I) or the inverse of phi, of the positive part."""
    positive = jnp.maximum(information, 0.0)
    return sub_gaussian(positive) if inversion == "sqrt" else invert.phi(positive)


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
        return _apply(rule, mean, rate), mean, rate

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


def _apply(rule: Rule, information: JaxArray, rate: JaxArray) -> JaxArray:
    if rule.inversion in ROOTS:
        return rule.factor * root(information, rule.inversion)
    return getattr(invert, rule.inversion)(rate, jnp.maximum(information, 0.0)) - rate


@partial(jax.jit, static_argnames="rule")
def _mean_first(data: Data, tables: polynomial.Lookup | None, rule: Rule) -> Numbers:
    """Mean information with its allowance for bias, root last, error of both."""

    def by_supersample(data: Data) -> tuple[JaxArray, JaxArray, JaxArray]:
        if tables is None:
            counted = letters.counts(rule.alphabet, rule.size, data)
            info = jnp.mean(plugin.mutual_information(counted), 1)
            allowed = jnp.zeros_like(info)
        else:
            info, allowed = letters.polynomial_information(rule.alphabet, rule.size, data, tables)
        wrong, trained = replica_tables.train_error(data)
        mean, allowance = (replica_tables.pair_mean(data, each) for each in (info, allowed))
        return mean, allowance, wrong / jnp.maximum(trained, 1)

    use = replica_tables.usable(data)
    info, allowed, rates = by_supersample(data)
    mean, over_supersamples = mean_and_error(info, use)
    allowance, _ = mean_and_error(allowed, use)
    rate, rate_over = mean_and_error(rates, use)
    replicas = data.masks.shape[1]
    group = jnp.asarray(jackknife.groups(replicas))

    def without(g):
        kept = data._replace(valid=data.valid & (group != g)[None, :, None])
        left, _, rates = by_supersample(kept)
        return left, rates

    deleted = jax.lax.map(without, jnp.arange(jackknife.count(replicas)))
    shared = jnp.all(data.masks == data.masks[:1])
    spread = jackknife.larger(over_supersamples, jackknife.error(deleted[0], use, shared))
    value = _apply(rule, mean_plus := jnp.maximum(mean, 0.0) + allowance, rate)
    low = _apply(rule, jnp.maximum(mean, 0.0) - allowance - Z * spread, rate)
    high = _apply(rule, jnp.maximum(mean_plus, mean + allowance + Z * spread), rate)
    error = jnp.maximum(value - low, high - value) / Z
    if rule.inversion in ROOTS:
        rate = jnp.zeros_like(rate)
    else:
        moved = jackknife.larger(rate_over, jackknife.error(deleted[1], use, shared))
        ends = (jnp.maximum(rate - moved, 0.0), jnp.minimum(rate + moved, 1.0))
        changes = [jnp.abs(_apply(rule, mean_plus, end) - value) for end in ends]
        error += jnp.maximum(*changes)
    fit = replica_tables.fair(data)
    if tables is None:
        fit &= jnp.all(replica_tables.balanced(data))
    known = jnp.where(fit, 1.0, jnp.nan)
    return Numbers(known * value, known * mean, known * error, rate, allowance)

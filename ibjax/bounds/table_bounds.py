"""From checked replicas to the value of a supersample bound: information, root, error.

Two orders of averaging. The published one takes the root of each pair's information and then
means, with a plug-in or a corrected information. "polynomial" takes the mean information first,
adds the largest bias its tables can have, and takes the root last: roots of single pairs are
biased by the noise of each, the root of a mean by that of the mean alone.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, flips, invert, letters, plugin, polynomial, replica_tables
from ibjax.bounds.replica_tables import Data
from ibjax.interface import BoundValue
from ibjax.typing import JaxArray

CORRECTIONS = (*plugin.CORRECTIONS, "polynomial")
ROOTS = ("sqrt", "phi")

_TRACED = 40
"""Most masks for which the tables of every split are held where the masks are not known yet."""

_GROUPS = 30
"""Most groups of masks that the jackknife leaves out in turn."""

_Z = 1.959964


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
    if rule.pooled and rule.correction == "polynomial":
        raise ValueError(
            "correction='polynomial' is for one table a pair; a pooled table has little bias: "
            "leave correction out"
        )
    real = not jnp.issubdtype(data.values.dtype, jnp.integer)
    if real and rule.correction not in (None, "polynomial"):
        raise ValueError(
            f"correction={rule.correction!r} needs whole counts, but losses are real numbers; "
            "use 'polynomial', or integers for 0-1 losses"
        )


def evaluate(rule: Rule, data: Data, width: float = 1.0) -> BoundValue:
    """The bound; `width` is the length of the interval the losses lie in."""
    tables = _tables(rule, data, data.masks[None])
    numbers = _polynomial(data, tables, rule) if tables else _plain(data, rule)
    remarks = replica_tables.remarks(data)
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


def shuffled(rule: Rule, data: Data, masks: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Values (for losses in [0, 1]) and information under other masks, (draws, k1, k2, n)."""
    return _shuffled(data, masks, _tables(rule, data, masks), rule)


@partial(jax.jit, static_argnames="rule")
def _shuffled(data: Data, masks: JaxArray, tables: polynomial.Lookup | None, rule: Rule):
    def one(masks):
        moved = data._replace(masks=masks)
        numbers = _polynomial(moved, tables, rule) if tables else _plain(moved, rule)
        return numbers.value, numbers.information

    return jax.lax.map(one, masks)


def group_count(replicas: int) -> int:
    """Groups of masks (2 v and 2 v + 1 together) that the jackknife leaves out in turn."""
    return min((replicas + 1) // 2, _GROUPS)


def _group(replicas: int) -> np.ndarray:
    return (np.arange(replicas) // 2) % group_count(replicas)


def _tables(rule: Rule, data: Data, masks: JaxArray) -> polynomial.Lookup | None:
    """The tables of all splits of the replicas that occur, also with a group left out."""
    if rule.correction != "polynomial":
        return None
    replicas = data.masks.shape[1]
    if not checks.concrete(masks, data.valid):
        if replicas > _TRACED:
            raise ValueError(
                f"correction='polynomial' with {replicas} masks that are not known yet (under "
                f"jit); give known masks, or at most {_TRACED}"
            )
        splits = {(a, b) for a in range(replicas + 1) for b in range(replicas + 1 - a)}
        return polynomial.lookup(splits, rule.size)
    bits, use, group = np.asarray(masks), np.asarray(data.valid), _group(replicas)
    splits: set[tuple[int, int]] = set()
    # Shuffling whole masks of replicas that are all in use changes no count.
    for drawn in bits[:1] if use.all() else bits:
        for left in (-1, *range(group_count(replicas))):
            kept = use & (group != left)[None, :, None]
            sides = [np.sum(kept & (drawn == side), 1).ravel() for side in (0, 1)]
            splits |= set(zip(*(side.tolist() for side in sides)))
    return polynomial.lookup(splits, rule.size)


def root(information: JaxArray, inversion: str) -> JaxArray:
    """sqrt(2 I) or the inverse of phi, of the positive part."""
    positive = jnp.maximum(information, 0.0)
    return jnp.sqrt(2 * positive) if inversion == "sqrt" else invert.phi(positive)


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
            value, error = replica_tables.mean_and_error(roots, use)
            information, _ = replica_tables.mean_and_error(each, use)
            return Numbers(fair * value, fair * information, fair * error, nothing, nothing)
    wrong, trained = replica_tables.train_error(data)

    def found(use):
        if rule.pooled:
            joint = jnp.sum(jnp.where(use[:, None, None, None, None], tables, 0.0), (0, 2))
            both = jnp.all(jnp.sum(joint, -1) > 0)
            info = plugin.mutual_information(joint, rule.correction, draws)
            mean = jnp.where(both, jnp.mean(info), jnp.nan)
        else:
            mean, _ = replica_tables.mean_and_error(each, use)
        rate = jnp.sum(wrong * use) / jnp.sum(trained * use)
        return _apply(rule, mean, rate), mean, rate

    value, information, rate = found(use)
    rate = jnp.zeros_like(rate) if rule.inversion in ROOTS else rate
    units = use.shape[0]
    if units < 2:
        error = jnp.full_like(value, jnp.nan)
    else:
        left = jax.vmap(lambda s: found(use & (jnp.arange(units) != s))[0])(jnp.arange(units))
        error = replica_tables.mean_and_error(left, use)[1] * (jnp.sum(use) - 1)
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
def _polynomial(data: Data, tables: polynomial.Lookup, rule: Rule) -> Numbers:
    """Mean information of little bias with its allowance, root last, error of both."""

    def by_supersample(data: Data) -> tuple[JaxArray, JaxArray, JaxArray]:
        info, allowed = letters.polynomial_information(rule.alphabet, rule.size, data, tables)
        wrong, trained = replica_tables.train_error(data)
        means = (replica_tables.pair_mean(data, each) for each in (info, allowed))
        return *means, wrong / jnp.maximum(trained, 1)

    use = replica_tables.usable(data)
    info, allowed, rates = by_supersample(data)
    mean, over_supersamples = replica_tables.mean_and_error(info, use)
    allowance, _ = replica_tables.mean_and_error(allowed, use)
    rate, rate_over = replica_tables.mean_and_error(rates, use)
    replicas = data.masks.shape[1]
    groups, group = group_count(replicas), jnp.asarray(_group(replicas))

    def without(g):
        kept = data._replace(valid=data.valid & (group != g)[None, :, None])
        left, _, rates = by_supersample(kept)
        return left, rates

    deleted = jax.lax.map(without, jnp.arange(groups))
    shared = jnp.all(data.masks == data.masks[:1])
    spread = _larger(over_supersamples, _jackknife(deleted[0], use, shared))
    value = _apply(rule, mean_plus := jnp.maximum(mean, 0.0) + allowance, rate)
    low = _apply(rule, jnp.maximum(mean, 0.0) - allowance - _Z * spread, rate)
    high = _apply(rule, jnp.maximum(mean_plus, mean + allowance + _Z * spread), rate)
    error = jnp.maximum(value - low, high - value) / _Z
    if rule.inversion in ROOTS:
        rate = jnp.zeros_like(rate)
    else:
        moved = _larger(rate_over, _jackknife(deleted[1], use, shared))
        ends = (jnp.maximum(rate - moved, 0.0), jnp.minimum(rate + moved, 1.0))
        changes = [jnp.abs(_apply(rule, mean_plus, end) - value) for end in ends]
        error += jnp.maximum(*changes)
    fair = jnp.where(replica_tables.fair(data), 1.0, jnp.nan)
    return Numbers(fair * value, fair * mean, fair * error, rate, allowance)


def _larger(a: JaxArray, b: JaxArray) -> JaxArray:
    """The larger of two errors; the other where one is unknown."""
    return jnp.where(jnp.isnan(a), b, jnp.where(jnp.isnan(b), a, jnp.maximum(a, b)))


def _jackknife(left: JaxArray, use: JaxArray, shared: JaxArray) -> JaxArray:
    """Error over the masks from values with each group left out, (groups, k1).

    Groups of different supersamples are independent, unless all have the same masks.
    """
    groups, units = left.shape[0], jnp.sum(use)
    if groups < 2:
        return jnp.full((), jnp.nan, left.dtype)
    left = jnp.where(use, left, 0.0)
    apart = jnp.sum((left - left.mean(0)) ** 2) / units**2
    means = jnp.sum(left, 1) / units
    together = jnp.sum((means - means.mean()) ** 2)
    return jnp.sqrt((groups - 1) / groups * jnp.where(shared, together, apart))

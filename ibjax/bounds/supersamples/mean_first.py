"""Bounds that take the mean information first and the root last, several from the same replicas.

Letters are counted once for all of them, and once more with each group of masks left out.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds.means import mean_and_error
from ibjax.bounds.supersamples import jackknife, letters, polynomial, replica_tables, words
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.bounds.supersamples.rules import ROOTS, Numbers, Rule, Z, apply
from ibjax.typing import JaxArray


class Means(NamedTuple):
    """Means over the pairs of each supersample, see `means`.

    Attributes:
        information: before any allowance, (k1,).
        allowance: the largest bias of it, (k1,).
        left: information with each group of masks left out, (groups, k1).
    """

    information: JaxArray
    allowance: JaxArray
    left: JaxArray


class Read(NamedTuple):
    """Means over supersamples, and the errors of two of them; `known` is 1, or NaN without one."""

    mean: JaxArray
    allowance: JaxArray
    rate: JaxArray
    known: JaxArray
    over_supersamples: JaxArray
    rate_over: JaxArray


def means(
    rules: Sequence[Rule], datas: Sequence[Data], tables: polynomial.Lookup | None
) -> list[Means]:
    """What the bounds that mean first are made of, of the same replicas, counted at once."""
    data, replicas = datas[0], datas[0].masks.shape[1]
    group, number = jackknife.groups(replicas), jackknife.count(replicas)
    # What replicas show and where they train is packed once: a group is left out of the words.
    sides = words.sides(data.masks, data.valid)
    datas = [d._replace(sides=sides) for d in letters.all_shown(rules, datas)]

    # Means over coins are found with and without each group at once.
    coins: dict[Any, JaxArray] = {}
    for rule, d in zip(rules, datas):
        key = letters.counted(rule, d)
        real = rule.correction == "polynomial" and d.shown is None
        if real and tables is not None and key not in coins:
            coins[key] = letters.coin_information(rule.alphabet, rule.size, d, tables, group)
    whose = [letters.counted(rule, d) for rule, d in zip(rules, datas)]
    of_left = {key: info[1:] for key, info in coins.items()}

    def without(left_out):
        g, bits, apart = left_out
        valid = data.valid & (jnp.asarray(group) != g)[None, :, None]
        kept = sides.without(bits)
        moved = [
            d._replace(valid=valid, sides=kept, coins=apart.get(key))
            for key, d in zip(whose, datas)
        ]
        return [information for information, _ in informed(rules, moved, tables)]

    datas = [
        d._replace(coins=coins[key][0] if key in coins else None) for key, d in zip(whose, datas)
    ]
    left = jax.lax.map(without, (jnp.arange(number), words.of_groups(group, number), of_left))
    return [Means(*each, out) for each, out in zip(informed(rules, datas, tables), left)]


def informed(
    rules: Sequence[Rule], datas: Sequence[Data], tables: polynomial.Lookup | None
) -> list[tuple[JaxArray, JaxArray]]:
    """Mean information of each supersample and its allowance, of the rules that mean first."""
    first = [(rule, data) for rule, data in zip(rules, datas) if rule.means_first]
    # Rules that count the same letters of the same values share what is found.
    wanted = {
        letters.counted(r, d): (r.alphabet, r.size, d)
        for r, d in first
        if r.correction == "polynomial"
    }
    found = {}
    if wanted and tables is not None:
        found = dict(zip(wanted, letters.polynomial_information(list(wanted.values()), tables)))
    out = []
    for rule, data in first:
        if rule.correction == "polynomial":
            pairs = found[letters.counted(rule, data)]
        else:
            info = jnp.mean(letters.plug_in_information(rule.alphabet, rule.size, data, tables), 1)
            pairs = info, jnp.zeros_like(info)
        out.append(tuple(replica_tables.pair_mean(data, each) for each in pairs))
    return out


def _rates(data: Data) -> JaxArray:
    wrong, trained = replica_tables.train_error(data)
    return wrong / jnp.maximum(trained, 1)


def _rates_without(data: Data) -> JaxArray:
    """Training errors with each group of masks left out, (groups, k1)."""
    replicas = data.masks.shape[1]
    kept = jackknife.groups(replicas) != np.arange(jackknife.count(replicas))[:, None]
    wrong, trained = (
        jnp.einsum("gr,sr->gs", jnp.asarray(kept, part.dtype), part, precision="highest")
        for part in replica_tables.train_errors(data)
    )
    return wrong / jnp.maximum(trained, 1)


def read(rule: Rule, data: Data, information: JaxArray, allowance: JaxArray) -> Read:
    """The means over supersamples of what `informed` gave, and of the training error."""
    use = replica_tables.usable(data)
    mean, over_supersamples = mean_and_error(information, use)
    rates = jnp.zeros_like(information) if rule.inversion in ROOTS else _rates(data)
    rate, rate_over = mean_and_error(rates, use)
    fit = replica_tables.fair(data)
    if rule.correction == "conservative":
        fit &= jnp.all(replica_tables.balanced(data))
    known = jnp.where(fit, 1.0, jnp.nan)
    allowed = mean_and_error(allowance, use)[0]
    return Read(mean, allowed, rate, known, over_supersamples, rate_over)


def value_of(
    rule: Rule, mean: JaxArray, allowance: JaxArray, rate: JaxArray, known: JaxArray
) -> JaxArray:
    """The bound at these means: the allowance is added before the root."""
    return known * apply(rule, jnp.maximum(mean, 0.0) + allowance, rate)


@partial(jax.jit, static_argnames="rule")
def numbers(data: Data, tables: polynomial.Lookup | None, rule: Rule) -> Numbers:
    """Mean information with its allowance for bias, root last, error of both."""
    found = means((rule,), (data,), tables)[0] if data.means is None else data.means
    now = read(rule, data, found.information, found.allowance)
    mean, allowance, rate, known, over_supersamples, rate_over = now
    use = replica_tables.usable(data)
    shared = jnp.all(data.masks == data.masks[:1])
    spread = jackknife.larger(over_supersamples, jackknife.error(found.left, use, shared))
    value = apply(rule, mean_plus := jnp.maximum(mean, 0.0) + allowance, rate)
    low = apply(rule, jnp.maximum(mean, 0.0) - allowance - Z * spread, rate)
    high = apply(rule, jnp.maximum(mean_plus, mean + allowance + Z * spread), rate)
    error = jnp.maximum(value - low, high - value) / Z
    if rule.inversion not in ROOTS:
        left = _rates_without(data)
        moved = jackknife.larger(rate_over, jackknife.error(left, use, shared))
        ends = (jnp.maximum(rate - moved, 0.0), jnp.minimum(rate + moved, 1.0))
        changes = [jnp.abs(apply(rule, mean_plus, end) - value) for end in ends]
        error += jnp.maximum(*changes)
    return Numbers(known * value, known * mean, known * error, rate, allowance)

"""Replicas as bits of words, and what a thousand of them need."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import hypergeom

from ibjax import bounds
from ibjax.bounds.supersamples import (
    flips,
    jackknife,
    letters,
    mean_first,
    polynomial,
    replica_tables,
    table_bounds,
    words,
)
from ibjax.bounds.supersamples.cmi import ld_cmi_plan


def plan(k1, k2, n, seed=0):
    rng = np.random.default_rng(seed)
    masks = rng.integers(2, size=(k1, k2, n))
    chance = np.where(np.arange(2) == masks[..., None], 0.1, 0.4)
    losses = (rng.random(chance.shape) < chance).astype(int)
    keywords = {"correction": "polynomial", "inversion": "pair"}
    return ld_cmi_plan(losses, masks, valid=rng.random((k1, k2)) < 0.9, **keywords)


@pytest.mark.parametrize("k2", [1, 31, 32, 70])
def test_sides_are_counted_with_groups_left_out(k2):
    _, data, _ = plan(2, max(k2, 2), 5)
    group, number = jackknife.groups(data.masks.shape[1]), jackknife.count(data.masks.shape[1])
    sides = words.sides(data.masks, data.valid)
    for g, bits in enumerate(words.of_groups(group, number)):
        kept = data.valid & (group != g)[None, :, None]
        wanted = [((data.masks == side) & kept).sum(1) for side in (0, 1)]
        for found, count in zip(sides.without(bits).sizes(), wanted):
            np.testing.assert_array_equal(found, count)


def test_groups_left_out_of_words_are_replicas_left_out(x64):
    rule, data, _ = plan(2, 70, 4)
    tables = table_bounds.tables_of([(data.masks, data.valid)], rule.size, error=True)
    (found,) = mean_first.means((rule,), (data,), tables)
    rates = mean_first._rates_without(data)
    group = jackknife.groups(70)
    for g in (0, 7, 29):
        left = data._replace(valid=data.valid & (group != g)[None, :, None])
        ((info, _),) = mean_first.informed((rule,), (left,), tables)
        np.testing.assert_allclose(found.left[g], info, rtol=1e-12)
        wrong, trained = replica_tables.train_error(left)
        np.testing.assert_allclose(rates[g], wrong / trained, rtol=1e-12)


def test_deals_are_made_one_at_a_time(x64):
    """Two hundred deals of masks together would take two hundred times those at hand."""
    rule, data, _ = plan(1, 64, 500)
    data = data._replace(tables=table_bounds.tables_of([(data.masks, data.valid)], rule.size))
    deals = flips.strangers(jax.random.key(0), data, 200)
    assert deals.shape == (200, 1, 64)
    small = data.masks.astype(jnp.int8)
    given = (data,), deals, small, (), data.tables
    program = table_bounds._shuffled.lower(*given, (rule,), None, (0,))
    held = program.compile().memory_analysis().temp_size_in_bytes
    assert held < 20 * data.masks.size * 8  # 200 deals would be ten times as much


@pytest.mark.parametrize(("draws", "size"), [(65, 30), (100, 97), (200, 200)])
def test_thinning_many_draws_is_hypergeometric(draws, size):
    exact = hypergeom.pmf(np.arange(size + 1), draws, np.arange(draws + 1)[:, None], size)
    np.testing.assert_allclose(polynomial._thin(draws, size).toarray(), exact, atol=1e-12)


def test_tables_hold_one_side_of_a_split_in_few_sizes(x64):
    """The other side is its transposed; masks drawn anew mostly find their program compiled."""
    masks = np.random.default_rng(0).integers(2, size=(1, 200, 300))
    held = table_bounds.tables_of([(masks, np.ones(masks.shape, bool))], 4, error=True)
    index = np.asarray(held.index)
    np.testing.assert_array_equal(index, index.T)
    a, b = next((a, b) for a, b in np.argwhere(index >= 0) if a > b + 10)
    table = np.asarray(held.table[index[a, b]])[: b + 1, : a + 1]
    np.testing.assert_allclose(table.T, polynomial.split_table(int(a), int(b)), atol=1e-15)
    numbers = np.arange(1, 1025)
    rounded = np.array([polynomial._rounded_up(int(v)) for v in numbers])
    assert (rounded >= numbers).all() and len(set(rounded)) == 7 + 4 * 8
    assert (rounded[64:] <= 1.125 * numbers[64:]).all()


def test_turning_every_mask_and_pair_over_changes_nothing(x64):
    """Splits with more masks on either side read the same tables."""
    rng = np.random.default_rng(3)
    masks = (rng.random((1, 80, 6)) < 0.6).astype(int)
    losses = rng.integers(2, size=(1, 80, 6, 2))
    for real in (losses, losses * 0.7):
        one = bounds.e_cmi(real[:, :40], masks[:, :40], correction="polynomial")
        turned = bounds.e_cmi(real[:, :40, :, ::-1], 1 - masks[:, :40], correction="polynomial")
        np.testing.assert_allclose(one.information, turned.information, rtol=1e-12)


@pytest.mark.parametrize("alphabet", ["pair", "single", "codes"])
def test_plug_in_information_is_the_same_looked_up(x64, alphabet):
    """Of uneven masks with replicas left out; pairs without one side tell nothing."""
    rng = np.random.default_rng(5)
    masks = rng.integers(2, size=(2, 9, 40))
    masks[0, :, 0] = 1
    valid = rng.random((2, 9, 40)) < 0.9
    size = letters.SIZES.get(alphabet, 5)
    values = rng.integers(5, size=(2, 9, 40, 1)) if alphabet == "codes" else None
    if values is None:
        values = rng.integers(2, size=(2, 9, 40, 2))
    data = replica_tables.Data(
        jnp.asarray(values), jnp.asarray(masks), jnp.asarray(valid), jnp.array(True)
    )
    tables = table_bounds.tables_of([(masks, valid)], size)
    found = letters.plug_in_information(alphabet, size, data, tables)
    plain = letters.plug_in_information(alphabet, size, data, None)
    np.testing.assert_allclose(found, plain, rtol=1e-13, atol=1e-16)
    assert not found[0, :, 0].any()
    # What is exactly zero stays so: the roots of single pairs would show its rounding.
    np.testing.assert_array_equal(np.asarray(found) == 0, np.asarray(plain) == 0)
    other = table_bounds.tables_of([(masks[:, :3], valid[:, :3])], size)
    absent = letters.plug_in_information(alphabet, size, data, other)
    assert np.isnan(absent[1]).any()

"""Plug-in information: a slow twin, exact null means, corrections, intervals."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import expected_mutual_information

from ibjax.bounds import plugin


def slow_tables(values, masks, m):
    tables = np.zeros((*values.shape[1:], 2, m))
    for r in range(values.shape[0]):
        for cell in np.ndindex(*values.shape[1:]):
            tables[(*cell, masks[(r, *cell)], values[(r, *cell)])] += 1
    return tables


@pytest.mark.parametrize("m", [3, 25])
def test_counts_and_information_agree_with_loops(x64, m):
    rng = np.random.default_rng(m)
    values, masks = rng.integers(m, size=(30, 2, 4)), rng.integers(2, size=(30, 2, 4))
    tables = plugin.counts(values, masks, m)
    np.testing.assert_array_equal(tables, slow_tables(values, masks, m))
    info = plugin.mutual_information(tables)
    for cell in np.ndindex(2, 4):
        twin = mutual_info_score(values[(slice(None), *cell)], masks[(slice(None), *cell)])
        assert float(info[cell]) == pytest.approx(twin, abs=1e-12)
    relabelled = plugin.relabel(values)
    assert int(relabelled.max()) < 30
    again = plugin.mutual_information(plugin.counts(relabelled, masks, 30))
    np.testing.assert_allclose(again, info, atol=1e-12)


def test_counts_leave_out_invalid_replicas(x64):
    rng = np.random.default_rng(0)
    values, masks = rng.integers(3, size=(12, 5)), rng.integers(2, size=(12, 5))
    valid = np.arange(12) % 3 > 0
    np.testing.assert_array_equal(
        plugin.counts(values, masks, 3, valid), slow_tables(values[valid], masks[valid], 3)
    )
    assert np.isnan(plugin.mutual_information(jnp.zeros((2, 3))))


# Value law independent of fair masks, and E sqrt(2 I), E sqrt(2 I_MM^+) over 30 draws.
NULL = [
    ((0.5, 0.5), (0.149, 0.068)),
    ((0.1, 0.9), (0.163, 0.114)),
    ((0.02, 0.98), (0.091, 0.088)),
    ((0.05, 0.9, 0.05), (0.238, 0.197)),
]


def null_means(cells, draws):
    """E I and E I_MM by linearity: N I sums x log x over binomial cells and margins."""
    x = np.arange(draws + 1)
    entropic = x * np.log(np.maximum(x, 1))

    def mean(p):
        return stats.binom.pmf(x, draws, p) @ entropic

    def bins(p):
        return 1 - (1 - p) ** draws

    rows, columns = cells.sum(1), cells.sum(0)
    raw = sum(map(mean, cells.ravel())) - sum(map(mean, rows)) - sum(map(mean, columns))
    margins = sum(map(bins, rows)) + sum(map(bins, columns))
    correction = (margins - sum(map(bins, cells.ravel())) - 1) / (2 * draws)
    return raw / draws + np.log(draws), raw / draws + np.log(draws) + correction


@pytest.mark.parametrize(("law", "printed"), NULL)
def test_exact_means_under_independence(x64, law, printed):
    """Every table of 30 independent fair masks and values, by its multinomial weight."""
    m, draws = len(law), 30
    cells = np.array([law, law]) / 2
    columns = [c for c in itertools.product(range(draws + 1), repeat=m) if sum(c) == draws]
    tables = np.array(
        [
            (top, np.subtract(column, top))
            for column in columns
            for top in itertools.product(*[range(c + 1) for c in column])
        ],
        float,
    )
    weights = stats.multinomial.pmf(tables.reshape(-1, 2 * m), draws, cells.ravel())
    raw = np.asarray(plugin.mutual_information(tables))
    corrected = np.asarray(plugin.mutual_information(tables, "miller_madow"))
    np.testing.assert_allclose(
        (weights @ raw, weights @ corrected), null_means(cells, draws), atol=1e-11
    )
    roots = [weights @ np.sqrt(2 * np.maximum(v, 0)) for v in (raw, corrected)]
    np.testing.assert_allclose(roots, printed, atol=6e-4)
    if m == 2:
        full = np.asarray(plugin.mutual_information(tables, "permutation", draws))
        assert abs(weights @ full) < 1e-9


def test_permutation_mean_is_the_mean_over_all_permutations(x64):
    values = np.array([0, 0, 1, 2, 2, 1])
    masks = np.array([0, 1, 1, 0, 1, 1])
    every = [mutual_info_score(values, np.array(p)) for p in itertools.permutations(masks.tolist())]
    table = plugin.counts(values, masks, 3)
    assert float(plugin.permutation_mean(table, 6)) == pytest.approx(np.mean(every), abs=1e-12)
    assert float(plugin.permutation_mean(table, 40)) == pytest.approx(np.mean(every), abs=1e-12)


@pytest.mark.parametrize("rows", [[[5, 180, 5915], [180, 5, 5915]], [[0, 3, 40], [2, 0, 9]]])
def test_permutation_mean_of_large_tables_in_either_precision(dtype, rows):
    table = np.array(rows, dtype)
    n = int(table.sum())
    # The twin of scikit-learn is a sum over the same hypergeometric laws in double precision.
    twin = expected_mutual_information(np.array(rows), n)
    found = float(plugin.permutation_mean(table, n))
    assert found == pytest.approx(twin, rel=1e-9 if dtype == np.float64 else 1e-4)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=2, max_size=20))
def test_jackknife_is_its_definition(x64, draws):
    masks, values = np.array(draws).T
    n = len(draws)
    left = [mutual_info_score(np.delete(values, j), np.delete(masks, j)) for j in range(n)]
    twin = n * mutual_info_score(values, masks) - (n - 1) * np.mean(left)
    table = slow_tables(values, masks, 3)
    found = float(plugin.mutual_information(table, "jackknife"))
    assert found == pytest.approx(twin, abs=1e-9)


def test_duplicated_replicas_change_only_the_corrections(x64):
    table = np.array([[3.0, 1, 2], [0, 4, 1]])
    assert float(plugin.mutual_information(table)) == pytest.approx(
        float(plugin.mutual_information(2 * table)), abs=1e-12
    )
    once = plugin.mutual_information(table, "miller_madow")
    twice = plugin.mutual_information(2 * table, "miller_madow")
    assert float(twice) > float(once)


def test_merging_values_loses_information(x64):
    table = np.random.default_rng(1).integers(0, 6, size=(40, 2, 4)).astype(float)
    merged = table[..., :2].sum(-1, keepdims=True), table[..., 2:]
    full = plugin.mutual_information(table)
    assert np.all(full >= plugin.mutual_information(np.concatenate(merged, -1)) - 1e-12)
    assert np.all(full <= np.log(2) + 1e-12) and np.all(full >= -1e-12)


def test_cluster_interval_covers(x64):
    rng = np.random.default_rng(2)
    samples = rng.normal(0.3, 0.1, size=(300, 20))
    keys = jax.random.split(jax.random.key(0), 300)
    inside = jax.vmap(lambda k, v: plugin.cluster_interval(k, v, draws=200))(keys, samples)
    cover = np.mean((inside.low <= 0.3) & (inside.high >= 0.3))
    assert 0.86 < cover < 0.99
    with pytest.raises(ValueError, match="at least 2"):
        plugin.cluster_interval(keys[0], [0.1])
    with pytest.raises(ValueError, match="level=1"):
        plugin.cluster_interval(keys[0], [0.1, 0.2], level=1)


def test_mask_interval_is_centred_below_the_biased_plugin(x64):
    """Under independence I = 0: the reflected interval must not sit above the plug-in."""
    rng = np.random.default_rng(3)
    values, masks = rng.integers(2, size=(30, 40)), rng.integers(2, size=(30, 40))
    point = float(plugin.mutual_information(plugin.counts(values, masks, 2)).mean())
    interval = plugin.mask_interval(jax.random.key(1), values, masks, 2)
    centre = (float(interval.low) + float(interval.high)) / 2
    # Resampling adds about one more 1/(2 k2) of bias; reflecting removes it.
    assert centre == pytest.approx(point - 1 / 60, abs=0.006)


def test_jit_and_vmap(dtype):
    table = np.array([[[3, 1, 2], [0, 4, 1]], [[1, 1, 1], [2, 0, 5]]], dtype)
    for correction in plugin.CORRECTIONS:

        def info(t, correction=correction):
            return plugin.mutual_information(t, correction, 12)

        eager = info(table)
        assert eager.dtype == dtype
        tolerance = 1e-12 if dtype == "float64" else 2e-6
        np.testing.assert_allclose(jax.jit(info)(table), eager, atol=tolerance)
        np.testing.assert_allclose(jax.vmap(info)(table), eager, atol=tolerance)
    with pytest.raises(ValueError, match="correction='magic'"):
        plugin.mutual_information(table, "magic")

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

from ibjax.bounds.supersamples import plugin


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


@pytest.mark.parametrize("m", [3, 25])
def test_draws_outside_their_alphabet_are_refused(m):
    key, low = jax.random.key(0), np.zeros((4, 2), int)
    for bad in (low + m, low - 1, low + 0.5, low + np.nan):
        with pytest.raises(ValueError, match=rf"values holds .* integers in 0\.\.{m - 1}"):
            plugin.counts(bad, low, m)
        with pytest.raises(ValueError, match="values holds"):
            plugin.mask_interval(key, bad, low, m)
    with pytest.raises(ValueError, match=r"masks holds 2; give integers in 0\.\.1"):
        plugin.counts(low, np.uint8(2) + low, m)
    with pytest.raises(ValueError, match="masks holds 2"):
        plugin.mask_interval(key, low, low + 2, m)
    with pytest.raises(ValueError, match="masks has shape"):
        plugin.counts(low, low[:, :1], m)
    with pytest.raises(ValueError, match="at least 2 replicas"):
        plugin.mask_interval(key, low[:1], low[:1], m)
    # A diverged replica may hold anything.
    diverged = np.where(np.arange(4)[:, None] == 1, np.nan, low)
    table = plugin.counts(diverged, low, m, np.arange(4) != 1)
    np.testing.assert_array_equal(table, slow_tables(low[:3], low[:3], m))


# Value law independent of fair masks, draws, and E sqrt(2 I), E sqrt(2 I_MM^+).
NULL = [
    ((0.5, 0.5), 30, (0.149, 0.068)),
    ((0.1, 0.9), 30, (0.163, 0.114)),
    ((0.02, 0.98), 30, (0.091, 0.088)),
    ((0.05, 0.9, 0.05), 30, (0.238, 0.197)),
    ((0.5, 0.5), 40, (0.1285, 0.0562)),
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


@pytest.mark.parametrize(("law", "draws", "printed"), NULL)
def test_exact_means_under_independence(x64, law, draws, printed):
    """Every table of independent fair masks and values, by its multinomial weight."""
    m = len(law)
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


def test_exact_means_of_four_equal_values(x64):
    """All tables of 30 draws: columns in falling order, weighted by how many orders they have."""
    tables, weights, cells = [], [], np.full((2, 4), 1 / 8)
    for column in itertools.product(range(31), repeat=4):
        if sum(column) == 30 and list(column) == sorted(column, reverse=True):
            top = np.indices([c + 1 for c in column]).reshape(4, -1).T
            tables.append(np.stack([top, np.array(column) - top], 1).astype(float))
            law = stats.multinomial.pmf(tables[-1].reshape(-1, 8), 30, cells.ravel())
            weights.append(law * len(set(itertools.permutations(column))))
    weights, tables = np.concatenate(weights), np.concatenate(tables)
    values = [np.asarray(plugin.mutual_information(tables, c)) for c in (None, "miller_madow")]
    means = [weights @ v for v in values]
    np.testing.assert_allclose(means, null_means(cells, 30), atol=1e-9)
    np.testing.assert_allclose(means, (0.056986, 0.009402), atol=6e-7)
    roots = [weights @ np.sqrt(2 * np.maximum(v, 0)) for v in values]
    np.testing.assert_allclose(roots, (0.31031, 0.12902), atol=6e-6)


@pytest.mark.parametrize(
    ("draws", "mean", "root"),
    [(40, 0.0408806, 0.26309), (100, 0.0154146, 0.16173), (1000, 0.0015038, 0.05052)],
)
def test_means_under_independence_shrink_with_the_draws(x64, draws, mean, root):
    cells = np.full((2, 4), 1 / 8)
    assert null_means(cells, draws)[0] == pytest.approx(mean, abs=1e-7)
    tables = np.random.default_rng(draws).multinomial(draws, cells.ravel(), 20_000)
    info = np.asarray(plugin.mutual_information(tables.reshape(-1, 2, 4)))
    for sample, known in ((info, mean), (np.sqrt(2 * info), root)):
        assert sample.mean() == pytest.approx(known, abs=4 * sample.std() / 141)


@pytest.mark.parametrize("draws", [10, 30, 100])
def test_perfect_dependence_reads_below_log_two(x64, draws):
    """Fair masks that the value repeats: the plug-in is the entropy of the masks drawn."""
    ones = np.arange(draws + 1.0)
    tables = np.zeros((draws + 1, 2, 2))
    tables[:, 0, 0], tables[:, 1, 1] = draws - ones, ones
    info = np.asarray(plugin.mutual_information(tables))
    np.testing.assert_allclose(info, stats.entropy([ones / draws, 1 - ones / draws]), atol=1e-12)
    mean = stats.binom.pmf(ones, draws, 0.5) @ info
    assert mean == pytest.approx(np.log(2) - 1 / (2 * draws), abs=0.7 / draws**2)


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


def test_cluster_interval_leaves_out_what_is_not_finite(x64):
    key = jax.random.key(4)
    values = np.array([0.1, np.nan, 0.5, 0.2, np.inf])
    found = plugin.cluster_interval(key, values, level=0.9, draws=500)
    rows = np.asarray(jax.random.randint(key, (500, 5), 0, 3))
    means = [np.mean([(0.1, 0.5, 0.2)[j] for j in row[:3]]) for row in rows]
    point = np.mean([0.1, 0.5, 0.2])
    wanted = 2 * point - np.quantile(means, [0.95, 0.05])
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    traced = jax.jit(lambda v: plugin.cluster_interval(key, v, level=0.9, draws=500))
    np.testing.assert_allclose(traced(values), found, atol=1e-12)
    assert np.isnan(traced(np.array([0.1, np.nan]))).all()
    with pytest.raises(ValueError, match="1 finite; one supersample has no spread"):
        plugin.cluster_interval(key, [0.1, np.nan])


def test_mask_interval_is_its_definition(x64):
    rng = np.random.default_rng(5)
    masks = rng.integers(2, size=(25, 3))
    values = np.where(rng.random((25, 3)) < 0.3, 2, masks)
    key = jax.random.key(2)

    def mean(rows):
        return np.mean([mutual_info_score(values[rows, i], masks[rows, i]) for i in range(3)])

    resampled = [mean(rows) for rows in np.asarray(jax.random.randint(key, (60, 25), 0, 25))]
    wanted = 2 * mean(np.arange(25)) - np.quantile(resampled, [0.9, 0.1])
    found = plugin.mask_interval(key, values, masks, 3, level=0.8, draws=60)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


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

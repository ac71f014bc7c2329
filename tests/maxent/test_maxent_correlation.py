"""Conditional total correlation against closed forms, enumeration and an independent twin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from ibjax import maxent
from ibjax.maxent import correlation


def test_plugin_equals_enumeration(x64):
    """Rows that repeat a law exactly give its exact TC: uncorrected plug-in = decompose."""
    counts = np.array([[9, 1], [2, 18], [3, 27], [36, 4]])
    letters = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    rows = [(x, y) for x in range(4) for y in range(2) for _ in range(counts[x, y])]
    features = letters[[x for x, _ in rows]]
    labels = np.array([y for _, y in rows])
    found = maxent.total_correlation(features, labels, correct=False)
    np.testing.assert_allclose(found.value, 0.30220088950224655, atol=1e-13)
    assert found.bias == "unknown"
    pairs = maxent.total_correlation(features, labels, method="pairwise", correct=False)
    np.testing.assert_allclose(pairs.value, found.value, atol=1e-13)
    np.testing.assert_allclose(pairs.std_error, found.std_error, atol=1e-13)
    both = maxent.total_correlation(features, labels)
    # Miller-Madow by hand: 8 used unit cells, 8 used joint cells, 2 classes, 2 units.
    np.testing.assert_allclose(found.value - both.value, (8 - 2 - (8 - 4)) / 200, atol=1e-13)


def test_three_way_parity_is_invisible_to_pairs(x64):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (4000, 2))
    features = np.hstack([bits, bits.sum(axis=1, keepdims=True) % 2]).astype(float)
    labels = rng.integers(0, 2, 4000)
    whole = maxent.total_correlation(features, labels)
    assert abs(float(whole.value) - np.log(2)) < 4 * float(whole.std_error) + 1e-3
    for method in ("pairwise", "gaussian"):
        blind = maxent.total_correlation(features, labels, method=method)
        assert abs(float(blind.value)) < 4 * float(blind.std_error) + 1e-3, method


@pytest.mark.parametrize("monotone", [False, True])
def test_gaussian_copula_closed_form(x64, monotone):
    """-1/2 sum pi_k logdet Corr_k, unchanged by increasing maps of each unit."""
    rng = np.random.default_rng(1)
    labels = (np.arange(6000) % 3 == 0).astype(int)
    corr = [np.array([[1, 0.6, 0.2], [0.6, 1, 0], [0.2, 0, 1]]), np.eye(3) * 0.6 + 0.4]
    roots = np.stack([np.linalg.cholesky(c) for c in corr])
    features = np.einsum("nij,nj->ni", roots[labels], rng.normal(size=(6000, 3)))
    features = features + labels[:, None]
    if monotone:
        features = np.exp(features) * [1, 100, 0.01]
    truth = -0.5 * sum(p * np.log(np.linalg.det(c)) for p, c in zip((2 / 3, 1 / 3), corr))
    found = maxent.total_correlation(features, labels, method="gaussian")
    assert bool(found.ok)
    assert 0.005 < float(found.std_error) < 0.02
    assert abs(float(found.value) - truth) < 3 * float(found.std_error)


def test_gaussian_correction_removes_the_bias(x64):
    """At independence with d close to n the Wishart mean is exact; the raw value is far off."""
    rng = np.random.default_rng(2)
    labels = np.zeros(40, int)
    features = jnp.asarray(rng.normal(size=(200, 40, 10)))

    def mean(correct):
        def one(array):
            options = {"method": "gaussian", "num_classes": 2, "correct": correct}
            return maxent.total_correlation(array, labels, **options).value

        values = jax.jit(jax.vmap(one))(features)
        return float(values.mean()), float(values.std() / 200**0.5)

    raw, _ = mean(False)
    value, error = mean(True)
    assert raw > 0.5
    # Normal scores are a little less spread than normals, hence the extra 0.02.
    assert abs(value) < 4 * error + 0.02


def test_ties_get_average_ranks(x64):
    """Rectified units share their zeros; breaking ties by position would couple the units."""
    rng = np.random.default_rng(3)
    features = np.maximum(rng.normal(size=(1500, 4)) - 0.8, 0)
    labels = rng.integers(0, 2, 1500)
    found = maxent.total_correlation(features, labels, method="gaussian")
    assert abs(float(found.value)) < 0.02
    constant = features.copy()
    constant[:, 3] = 0
    dropped = maxent.total_correlation(constant, labels, method="gaussian")
    assert bool(jnp.isfinite(dropped.value))


def test_not_enough_data_is_flagged():
    rng = np.random.default_rng(4)
    features, labels = rng.normal(size=(20, 12)), rng.integers(0, 2, 20)
    for method in ("binary", "gaussian", "pairwise"):
        found = maxent.total_correlation(features, labels, method=method)
        assert not bool(found.ok)
        assert found.reason


def test_one_unit_has_none():
    found = maxent.total_correlation(np.arange(6.0)[:, None], [0, 1, 0, 1, 0, 1])
    assert float(found.value) == 0 and found.bias == "none"


def test_normal_scores_rank_within_classes_and_average_ties(x64):
    """Against scipy's ranks, class by class; values rounded so that ties abound."""
    rng = np.random.default_rng(8)
    features, labels = np.round(rng.normal(size=(60, 3)), 1), rng.integers(0, 3, 60)
    scores = correlation._normal_scores(jnp.asarray(features), jax.nn.one_hot(labels, 4))
    for k in range(3):
        rank = scipy.stats.rankdata(features[labels == k], axis=0)
        truth = scipy.stats.norm.ppf(rank / (np.sum(labels == k) + 1))
        np.testing.assert_allclose(scores[labels == k], truth, atol=1e-12)


def test_permutations_keep_columns_within_classes(x64):
    rng = np.random.default_rng(5)
    features, labels = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    mixed = np.asarray(maxent.permute_within(jax.random.key(0), features, labels))
    for k in range(3):
        for j in range(3):
            before, after = features[labels == k, j], mixed[labels == k, j]
            np.testing.assert_array_equal(np.sort(before), np.sort(after))
    assert (mixed != features).mean() > 0.8


def test_the_plug_in_errs_either_way(x64):
    """Copies of a unit share its plug-in entropy, too small; independent units err upwards."""
    draws = np.random.default_rng(3).integers(0, 2, (30, 25, 3)).astype(float)

    def mean(units):
        found = [maxent.total_correlation(v, np.zeros(25, int), correct=False) for v in units]
        assert {f.bias for f in found} == {"unknown"}
        return np.mean([f.value for f in found])

    assert mean(draws[..., [0, 0]]) < np.log(2) - 0.01
    assert mean(draws[..., :2]) > 0.01


def test_permutation_correction(x64):
    """Near zero for independent units where the raw plug-in is not; keeps most of a real TC."""
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, 400)
    alone = rng.integers(0, 2, (400, 6)).astype(float)
    raw = maxent.total_correlation(alone, labels, correct=False)
    fixed = maxent.permutation_corrected(jax.random.key(1), alone, labels)
    assert float(raw.value) > 0.1
    assert abs(float(fixed.value)) < 4 * float(fixed.std_error)
    assert fixed.bias == "unknown"
    alone[:, 1] = alone[:, 0]
    tied = maxent.permutation_corrected(jax.random.key(1), alone, labels)
    assert 0.5 < float(tied.value) < np.log(2) + 4 * float(tied.std_error)


@pytest.mark.parametrize("method", ["binary", "gaussian", "pairwise"])
def test_correlation_jit_and_vmap(x64, method):
    rng = np.random.default_rng(7)
    features, labels = rng.normal(size=(2, 80, 3)), rng.integers(0, 2, (2, 80))

    def one(features, labels):
        return maxent.total_correlation(features, labels, method=method, num_classes=2)

    batch = jax.jit(jax.vmap(one))(features, labels)
    for index in range(2):
        eager = one(features[index], labels[index])
        np.testing.assert_allclose(batch.value[index], eager.value, atol=1e-12)
        np.testing.assert_allclose(batch.std_error[index], eager.std_error, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maxent.total_correlation(np.zeros((4, 2)), [0, 1, 0]), "labels has shape"),
        (lambda: maxent.total_correlation(np.zeros((4, 2)), [0, 1, 0, 1], method="mi"), "method"),
        (lambda: maxent.total_correlation(np.zeros((1, 2)), [0]), "at least 2 rows"),
        (lambda: maxent.total_correlation(np.zeros((2, 2)), [0.5, 1]), "integers"),
        (
            lambda: maxent.permutation_corrected(
                jax.random.key(0), np.zeros((4, 2)), [0, 1, 0, 1], permutations=1
            ),
            "permutations=1",
        ),
    ],
)
def test_bad_input_to_correlation(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("method", ["binary", "gaussian", "pairwise"])
def test_traced_features_that_are_no_numbers_are_not_ok(method):
    features = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    features[3, 0] = np.nan
    labels = np.arange(200) % 2
    run = jax.jit(lambda t: maxent.total_correlation(t, labels, method=method, num_classes=2))
    got = run(features)
    assert np.isnan(got.value) and not bool(got.ok)
    assert not bool(run(features[:, :1]).ok)

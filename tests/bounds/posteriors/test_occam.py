"""Certificates from code lengths: known values, Kraft's inequality, exact codes."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ibjax import bounds


@pytest.mark.parametrize(
    "bits,n,error,loss",
    [
        (1000, 60000, 0.02, 0.0491386932),
        (5000, 60000, 0.02, 0.1072716553),
        (200, 1000, 0.03, 0.2108262540),
    ],
)
def test_known_values(x64, bits, n, error, loss):
    found = bounds.occam(error, bits, n, 0.05)
    np.testing.assert_allclose(found.value + error, loss, atol=2e-10)
    assert found.kind == "certificate" and float(found.confidence) == pytest.approx(0.95)
    np.testing.assert_allclose(found.information, bits * np.log(2), rtol=1e-12)
    # Cheaper than PAC-Bayes for a point mass, by log(2 sqrt n), and than Hoeffding.
    assert found.value < bounds.pac_bayes_kl(error, bits * np.log(2), n, delta=0.05).value
    assert found.value < np.sqrt((bits * np.log(2) + np.log(20)) / (2 * n))


def test_limits_and_order(x64):
    values = np.asarray(bounds.occam(0.1, np.arange(0.0, 3000, 100), 1000, 0.05).value)
    assert (np.diff(values) >= 0).all() and (np.diff(values[:5]) > 0).all()
    # Without bits: above the exact binomial limit of one fixed predictor, and near it.
    exact = stats.beta.ppf(0.95, 101, 900)
    loss = float(bounds.occam(0.1, 0.0, 1000, 0.05).value) + 0.1
    assert exact < loss < exact + 0.01
    np.testing.assert_allclose(
        bounds.occam(0.0, 10, 100, 0.05).value, 1 - np.exp(-(10 * np.log(2) + np.log(20)) / 100)
    )
    assert bool(bounds.occam(0.1, 1e6, 1000, 0.05).vacuous)


def test_it_holds_over_samples(x64):
    """All 64 predictors of 6 bits at once fail in at most delta of the samples."""
    rng = np.random.default_rng(0)
    risks = np.linspace(0.05, 0.5, 64)
    errors = rng.binomial(200, risks, (4000, 64)) / 200
    limits = np.asarray(bounds.occam(errors, 6.0, 200, 0.2).value) + errors
    assert np.mean((limits < risks).any(axis=1)) <= 0.2


@pytest.mark.parametrize(
    "counts,enumerative,kt",
    [
        ((100, 50, 25, 25), 339.044348 + 20.389637, 360.805941),
        ((1000, 0, 0, 24), 187.993963, 179.506454),
        ((4, 2, 1, 1), 9.714245518 + 7.366322214, None),
    ],
)
def test_code_lengths(counts, enumerative, kt):
    letters = np.repeat(np.arange(4), counts)
    found = bounds.code_length(letters, 4, method="enumerative")
    np.testing.assert_allclose(found, enumerative, atol=2e-6)
    if kt is not None:
        np.testing.assert_allclose(bounds.code_length(letters, 4), kt, atol=2e-6)
    np.random.default_rng(0).shuffle(letters)
    np.testing.assert_allclose(bounds.code_length(letters, 4, method="enumerative"), found)


@pytest.mark.parametrize("method", ["kt", "enumerative"])
@pytest.mark.parametrize("n,c", [(1, 3), (4, 3), (8, 2), (5, 1), (0, 4)])
def test_kraft(method, n, c):
    words = itertools.product(range(c), repeat=n)
    total = sum(2.0 ** -bounds.code_length(np.array(w, int), c, method=method) for w in words)
    np.testing.assert_allclose(total, 1, rtol=1e-10)


def test_integers():
    assert [bounds.integer_bits(k) for k in (1, 2, 3, 4, 1000)] == [1, 3, 3, 5, 19]
    total = sum(2.0 ** -bounds.integer_bits(k) for k in range(1, 2**14))
    assert total < 1 and math.isclose(total, 1, abs_tol=1e-3)


@pytest.mark.parametrize(
    "call,word",
    [
        (lambda: bounds.occam(1.5, 1, 10, 0.1), "train_error"),
        (lambda: bounds.occam(0.5, -1, 10, 0.1), "bits"),
        (lambda: bounds.occam(0.5, 1, 0, 0.1), "n"),
        (lambda: bounds.occam(0.5, 1, 10, 0.0), "delta"),
        (lambda: bounds.code_length([0, 5], 4), "letters"),
        (lambda: bounds.code_length([0.5], 4), "letters"),
        (lambda: bounds.code_length([0], 4, method="zip"), "method"),
        (lambda: bounds.code_length([0], 0), "alphabet"),
        (lambda: bounds.integer_bits(0), "number"),
    ],
)
def test_refusals(call, word):
    with pytest.raises(ValueError, match=word):
        call()

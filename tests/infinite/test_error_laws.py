"""0-1 errors of Gaussian ensembles against scipy's normal laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ibjax import infinite


def test_error_probability_is_a_normal_tail(x64):
    rng = np.random.default_rng(0)
    mean, variance = rng.normal(size=20), rng.uniform(0.1, 3, 20)
    sign = rng.choice([-1, 1], 20)
    expected = stats.norm.cdf(-sign * mean / np.sqrt(variance))
    out = infinite.error_probability(mean, variance, sign)
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    sure = infinite.error_probability([1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1, -1, 1])
    np.testing.assert_array_equal(sure, [0.0, 1.0, 0.5])


@pytest.mark.parametrize("correlation,tolerance", [(0.0, 1e-12), (-0.6, 1e-9), (0.97, 1e-6)])
def test_pair_errors_are_the_bivariate_normal_law(x64, correlation, tolerance):
    deviation = np.array([0.7, 1.9])
    cov = np.outer(deviation, deviation) * np.array([[1, correlation], [correlation, 1]])
    mean = np.array([0.4, -0.3])
    compute = jax.jit(infinite.pair_errors)
    for signs in ([1, 1], [1, -1], [-1, -1]):
        flip = np.diag(signs)
        law = stats.multivariate_normal(flip @ mean, flip @ cov @ flip, abseps=1e-12, releps=1e-12)
        table = compute(mean, cov, jnp.array(signs))
        np.testing.assert_allclose(table[1, 1], law.cdf(np.zeros(2)), atol=tolerance)
        single = infinite.error_probability(mean, deviation**2, signs)
        np.testing.assert_allclose(table.sum(1)[1], single[0], rtol=1e-12)
        np.testing.assert_allclose(table.sum(0)[1], single[1], rtol=1e-12)
        np.testing.assert_allclose(table.sum(), 1.0, rtol=1e-12)
    together = infinite.pair_errors(
        np.stack([mean, mean]), np.stack([cov, cov]), np.array([[-1, -1], [1, 1]])
    )
    np.testing.assert_allclose(together[0], table, rtol=1e-12)
    np.testing.assert_allclose(together[1], compute(mean, cov, jnp.ones(2)), rtol=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="variance"):
        infinite.error_probability(0.0, -1.0, 1)
    with pytest.raises(ValueError, match="mean"):
        infinite.pair_errors(np.zeros(3), np.eye(3), np.ones(3))


def test_signs_are_not_classes():
    for bad in ([0, 1], [True, False], [2, -1]):
        with pytest.raises(ValueError, match="-1 or 1"):
            infinite.error_probability([0.5, 0.5], [1.0, 1.0], bad)
        with pytest.raises(ValueError, match="-1 or 1"):
            infinite.pair_errors(np.zeros(2), np.eye(2), bad)
    traced = jax.jit(lambda s: infinite.error_probability(np.array([0.5, 0.5]), 1.0, s))
    got = traced(np.array([0, 1]))
    assert np.isnan(got[0]) and 0 < got[1] < 0.5

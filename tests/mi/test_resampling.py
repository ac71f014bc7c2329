import jax
import numpy as np
import pytest

from ibjax import mi


def correlated(n, rho, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, 1))


def test_the_jackknife_is_its_definition(x64):
    x, y = correlated(53, 0.5, 0)  # three samples stay in every estimate
    got = mi.with_std_error(mi.cca, blocks=5)(x, y)
    left = []
    for b in range(5):
        keep = np.setdiff1d(np.arange(53), np.arange(10 * b, 10 * b + 10))
        left.append(float(mi.cca(x[keep], y[keep]).value))
    np.testing.assert_allclose(got.std_error, np.sqrt(4 * np.var(left)), rtol=1e-9)
    full = float(mi.cca(x, y).value)
    np.testing.assert_allclose(got.value, full, rtol=1e-12)
    fair = mi.with_std_error(mi.cca, blocks=5, corrected=True)(x, y)
    np.testing.assert_allclose(fair.value, full - 4 * (np.mean(left) - full), rtol=1e-9)
    assert fair.bias == "unknown" and got.bias == mi.cca(x, y).bias


def test_the_jackknife_error_is_the_spread(x64):
    for estimator, factor in ((mi.cca, 1.0), (mi.ksg, 1.25)):  # neighbours: known to be too large
        estimate = mi.with_std_error(estimator, blocks=10)
        found = [estimate(*correlated(300, 0.7, s)) for s in range(40)]
        spread = np.std([float(e.value) for e in found])
        errors = np.mean([float(e.std_error) for e in found])
        np.testing.assert_allclose(errors, factor * spread, rtol=0.25)


def test_the_jackknife_removes_the_bias_of_counts(x64):
    rng = np.random.default_rng(0)
    estimate = mi.with_std_error(mi.plug_in, blocks=20, corrected=True)
    x, y = rng.integers(0, 3, (2, 40, 200))
    raw = np.mean([float(mi.plug_in(a, b).value) for a, b in zip(x, y)])
    fair = np.mean([float(estimate(a, b).value) for a, b in zip(x, y)])
    assert raw > 0.007 and abs(fair) < 0.3 * raw


def test_shuffling_tells_dependence_from_none(x64):
    key = jax.random.key(0)
    null = mi.permutation(key, mi.ksg, *correlated(200, 0.8, 0), permutations=39)
    assert float(null.p_value) == pytest.approx(1 / 40)
    assert null.values.shape == (39,)
    np.testing.assert_allclose(
        null.corrected.value,
        mi.ksg(*correlated(200, 0.8, 0)).value - null.values.mean(),
        rtol=1e-9,
    )
    assert float(null.corrected.std_error) > float(mi.ksg(*correlated(200, 0.8, 0)).std_error)
    chances = []
    for seed in range(20):
        x, y = correlated(60, 0.0, seed)
        chances.append(float(mi.permutation(key, mi.cca, x, y, permutations=19).p_value))
    assert 0.3 < np.mean(chances) < 0.75 and min(chances) >= 0.05


def test_shuffled_classes_stay_classes(x64):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (2, 60))
    null = mi.permutation(jax.random.key(0), mi.plug_in, x, y, permutations=50)
    np.testing.assert_allclose(null.values.mean(), 4 / 120, rtol=0.35)


def test_bad_resampling_is_refused_by_name():
    with pytest.raises(ValueError, match="blocks=1"):
        mi.with_std_error(mi.ksg, blocks=1)
    with pytest.raises(ValueError, match="5 samples"):
        mi.with_std_error(mi.ksg)(np.ones(5), np.ones(5))
    with pytest.raises(ValueError, match="permutations=0"):
        mi.permutation(jax.random.key(0), mi.ksg, np.ones(5), np.ones(5), permutations=0)
    with pytest.raises(ValueError, match="pair"):
        mi.permutation(jax.random.key(0), mi.ksg, np.ones(5), np.ones(6))

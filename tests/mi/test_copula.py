import jax
import numpy as np
import pytest
from scipy.stats import norm, rankdata

from ibjax import mi


def correlated(n, rho, seed, dim=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, dim))


def test_one_pair_is_the_correlation_of_normal_scores(x64):
    x, y = correlated(100, 0.6, 0)
    y[:20] = y[0]  # ties share their mean rank
    scores = [norm.ppf(rankdata(v[:, 0]) / 101) for v in (x, y)]
    rho = np.corrcoef(*scores)[0, 1]
    np.testing.assert_allclose(
        mi.gaussian_copula(x, y).value, -0.5 * np.log1p(-(rho**2)), rtol=1e-12
    )
    r = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
    got = mi.cca(x, y, corrected=False).value
    np.testing.assert_allclose(got, -0.5 * np.log1p(-(r**2)), rtol=1e-12)


@pytest.mark.parametrize(
    ("dx", "n", "bias"),
    [(1, 100, 0.00512807), (5, 1000, 0.01258183), (25, 10_000, 0.03133307)],
)
def test_the_bias_of_a_gaussian_fit(dx, n, bias, x64):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, n, dx))
    raw, fair = mi.cca(x, y, corrected=False), mi.cca(x, y)
    np.testing.assert_allclose(raw.value - fair.value, bias, atol=1e-8)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_gaussian_samples_of_several_dimensions_within_three_errors(rho, x64):
    truth = -1.5 * np.log1p(-(rho**2))
    for f in (mi.cca, lambda a, b: mi.gaussian_copula(a, b, corrected=True)):
        values = np.array([float(f(*correlated(300, rho, s, 3)).value) for s in range(40)])
        assert abs(values.mean() - truth) < 3 * values.std() / np.sqrt(40) + 0.002
    errors = [float(mi.cca(*correlated(300, 0.6, s, 3)).std_error) for s in range(3)]
    if rho:
        np.testing.assert_allclose(values.std(), np.mean(errors), rtol=0.3)


def test_the_copula_sees_no_monotone_map(x64):
    x, y = correlated(300, 0.7, 1, 3)
    want = mi.gaussian_copula(x, y).value
    np.testing.assert_allclose(mi.gaussian_copula(np.exp(x), y**3).value, want, rtol=1e-12)
    turned = mi.cca(x @ [[1.0, 2, 0], [0, 1, 0], [3, 0, 2]] + 5, y)
    np.testing.assert_allclose(turned.value, mi.cca(x, y).value, rtol=1e-9)


def test_maps_over_layers_and_flags(dtype):
    x, y = np.stack([correlated(60, r, i, 2) for i, r in enumerate((0.1, 0.5, 0.9))], axis=1)
    x, y = x.astype(dtype), y.astype(dtype)
    f = mi.gaussian_copula if dtype == "float32" else mi.cca
    want = [float(f(a, b).value) for a, b in zip(x, y)]
    got = jax.jit(jax.vmap(f))(x, y)
    np.testing.assert_allclose(got.value, want, rtol=1e-4 if dtype == "float32" else 1e-12)
    assert got.value.dtype == dtype and got.ok.all()
    assert not bool(f(np.ones((60, 2)), y[0]).ok)
    if dtype == "float32":
        assert not bool(f(x[0][:5], y[0][:5]).ok)


def test_the_error_of_the_covariance_is_not_that_of_a_gaussian_law_for_heavy_tails(x64):
    pairs = [correlated(400, 0.8, s) for s in range(60)]
    found = [mi.cca(np.sinh(x), np.sinh(y)) for x, y in pairs]
    spread, error = np.std([f.value for f in found]), np.mean([f.std_error for f in found])
    assert 0.7 < spread / error < 1.6
    x, y = pairs[0]
    x, y = x - x.mean(), y - y.mean()
    u, v = x[:, 0] / x.std(), y[:, 0] / y.std()
    rho = np.mean(u * v)
    each = (u**2 + v**2 - (u**2 - 2 * rho * u * v + v**2) / (1 - rho**2)) / 2
    want = np.hypot(each.std() / 20, np.sqrt(0.5) / 400)
    np.testing.assert_allclose(mi.cca(x, y).std_error, want, rtol=1e-9)


@pytest.mark.parametrize("f", [mi.cca, lambda x, y: mi.gaussian_copula(x, y, corrected=True)])
def test_errors_cover_nothing_at_independence(f, x64):
    """The first order alone is near zero just where the sample shows no correlation."""
    x, y = np.random.default_rng(0).normal(size=(2, 500, 100, 1))
    found = jax.jit(jax.vmap(f))(x, y)
    away = np.abs(np.asarray(found.value / found.std_error))
    assert np.mean(away < 1.96) > 0.95

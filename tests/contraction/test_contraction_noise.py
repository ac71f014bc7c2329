import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from ibjax import contraction

GAUSS = {
    0.1: (0.0099016248, 0.0796556746),
    0.5: (0.2040542656, 0.3829249225),
    1: (0.5504004908, 0.6826894921),
    1.5: (0.8027574978, 0.8663855975),
    2: (0.9314025912, 0.9544997361),
    3: (0.9958489203, 0.9973002039),
    4: (0.9999017813, 0.9999366575),
}


@pytest.mark.parametrize("r", GAUSS)
def test_gaussian_noise_to_ten_digits(x64, r):
    got = contraction.gaussian_noise(2 * r, 1.0)
    assert got.value == pytest.approx(GAUSS[r][0], abs=6e-11)
    assert contraction.gaussian_noise_tv(6 * r, 3.0).value == pytest.approx(GAUSS[r][1], abs=6e-11)
    assert 1 - np.exp(-r * r / 2) <= got.value <= 1 - np.exp(-r * r)
    exact = quad(lambda z: norm.pdf(z) * np.tanh(r * (r + z)) ** 2, -12, 12, epsabs=1e-13)[0]
    assert got.value == pytest.approx(exact, abs=1e-12)


def test_gaussian_noise_where_the_coefficient_rounds_to_one(x64):
    known = {5: -13.928880796, 10: -52.088840374, 20: -202.773006378}
    for r, log1m in known.items():
        assert contraction.gaussian_noise(2 * r, 1.0).log1m == pytest.approx(log1m, abs=1e-9)
    for r in (60.0, 500.0):
        asymptote = -r * r / 2 + 0.5 * np.log(np.pi / 2) - np.log(r)
        exact = asymptote + np.log1p(-(np.pi**2) / (8 * r * r))
        assert contraction.gaussian_noise(r, 0.5).log1m == pytest.approx(exact, abs=2e-5)


def test_gaussian_noise_without_noise_or_bounds():
    for diameter, std in ((np.inf, 1.0), (1.0, 0.0), (np.inf, 0.0)):
        got = contraction.gaussian_noise(diameter, std)
        assert float(got.value) == 1.0 and float(got.log1m) == -np.inf
    assert float(contraction.gaussian_noise(0.0, 1.0).value) == 0.0


def test_gaussian_noise_in_both_precisions(dtype):
    r = np.array([0.01, 0.99, 1.0, 1.01, 8.0], dtype)
    got = contraction.gaussian_noise(2 * r, np.ones((), dtype))
    assert got.value.dtype == dtype
    assert np.all(np.diff(got.log1m) < 0)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    want = [quad(lambda z, x=x: norm.pdf(z) / np.cosh(x * z), -12, 12)[0] for x in r.astype(float)]
    np.testing.assert_allclose(
        got.log1m, np.log(want) - r.astype(float) ** 2 / 2, rtol=tolerance, atol=tolerance
    )


def test_gradient_jit_and_vmap_of_gaussian_noise(x64):
    def f(d):
        return contraction.gaussian_noise(d, 0.7).value

    d = np.array([0.3, 1.39, 1.41, 3.0])
    step = 1e-6
    numeric = [(f(x + step) - f(x - step)) / (2 * step) for x in d]
    np.testing.assert_allclose(jax.vmap(jax.grad(f))(d), numeric, rtol=1e-7)
    np.testing.assert_allclose(jax.jit(f)(d), [f(x) for x in d], rtol=1e-13)


def test_laplace_and_uniform_noise(x64):
    known = {0.5: 0.0522154684, 1.0: 0.1707513044, 2.0: 0.4430953623}
    for d, eta in known.items():
        assert contraction.laplace_noise(2 * d, 2.0).value == pytest.approx(eta, abs=6e-11)
    assert contraction.laplace_noise(1e4, 1.0).log1m == pytest.approx(-5e3 + np.log(np.pi / 2))
    assert contraction.uniform_noise([0.3], 1.0).value == pytest.approx(0.3)
    assert contraction.uniform_noise([0.5, 0.2], 1.0).value == pytest.approx(0.6)
    assert float(contraction.uniform_noise([0.5, 2.0], 1.0).value) == 1.0


def test_jointly_gaussian(x64):
    a1, a2 = np.array([[1, 0.5], [0, 2]]), np.array([[1.0, -1.0]])
    s1 = a1 @ a1.T + 0.25 * np.eye(2)
    first = np.block([[np.eye(2), a1.T], [a1, s1]])
    assert contraction.jointly_gaussian(first, 2).value == pytest.approx(0.94535739, abs=6e-9)
    second = np.block([[s1, s1 @ a2.T], [a2 @ s1, a2 @ s1 @ a2.T + 1]])
    got = contraction.jointly_gaussian(second, 2)
    assert got.value == pytest.approx(0.78947368, abs=6e-9)
    assert (got.kind, got.scope) == ("exact", "input")
    chain = contraction.jointly_gaussian([[1.25, 1.25], [1.25, 1.75]], 1).value
    assert chain == pytest.approx(0.7142857143, abs=6e-11)


def test_a_weak_observation_attains_the_gaussian_coefficient(x64):
    def information(noise, total):
        return 0.5 * np.log((1 + noise) * total / ((1 + noise) * total - 1))

    for noise, ratio in [(1, 0.6586831611), (100, 0.7134733313), (1e4, 0.7142775514)]:
        kept = information(noise, 1.75) / information(noise, 1.25)
        assert kept == pytest.approx(ratio, abs=1e-8)
        assert kept < contraction.jointly_gaussian([[1.25, 1.25], [1.25, 1.75]], 1).value


@given(st.floats(0.01, 50), st.floats(1.001, 3))
def test_more_noise_contracts_more(r, factor):
    with jax.enable_x64(True):
        for function in (contraction.gaussian_noise, contraction.laplace_noise):
            assert function(r, factor).log1m > function(r, 1.0).log1m
        total = contraction.gaussian_noise_tv(r, 1.0)
        assert contraction.gaussian_noise(r, 1.0).log1m >= total.log1m


def test_bad_numbers_are_refused():
    for call in (
        lambda: contraction.gaussian_noise(-1.0, 1.0),
        lambda: contraction.gaussian_noise(1.0, -1.0),
        lambda: contraction.gaussian_noise(1.0, np.nan),
        lambda: contraction.uniform_noise([1.0], 0.0),
        lambda: contraction.jointly_gaussian(np.eye(2), 2),
    ):
        with pytest.raises(ValueError, match="give"):
            call()

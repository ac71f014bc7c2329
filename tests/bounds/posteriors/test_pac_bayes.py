"""PAC-Bayes and free-energy divergences against Gaussian closed forms."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax.bounds.posteriors import pac_bayes


def test_kl_inverse_and_confidence(x64):
    plain = pac_bayes.pac_bayes_kl(0.0, 5.0, 100)
    assert float(plain.value) == pytest.approx(-np.expm1(-0.05), abs=1e-9)
    sure = pac_bayes.pac_bayes_kl(0.0, 5.0, 100, delta=0.05)
    budget = (5 + np.log(2 * 10 / 0.05)) / 100
    assert float(sure.value) == pytest.approx(-np.expm1(-budget), abs=1e-9)
    assert sure.kind == "certificate" and not bool(sure.vacuous)
    assert bool(pac_bayes.pac_bayes_kl(0.5, 1e6, 10).vacuous)


FAST = jax.jit(lambda r, d, n: pac_bayes.pac_bayes_kl(r, d, n).value)


@given(st.floats(0, 1), st.floats(0, 50), st.integers(10, 1000))
def test_below_pinsker_and_decreasing_in_n(x64, rate, divergence, n):
    value = float(FAST(rate, divergence, n))
    assert value <= np.sqrt(divergence / (2 * n)) + 1e-9
    assert float(FAST(rate, divergence, 2 * n)) <= value + 1e-12


def test_gaussian_divergence(x64):
    mean, std = np.array([0.3, -1.0]), np.array([0.5, 2.0])
    value = pac_bayes.gaussian_divergence(mean, std, 0.1, 1.5)
    twin = 0.0
    for m, s in zip(mean, std):
        twin += np.log(1.5 / s) + (s**2 + (m - 0.1) ** 2) / (2 * 1.5**2) - 0.5
    assert float(value.value) == pytest.approx(twin, abs=1e-12)
    assert float(pac_bayes.gaussian_divergence(mean, 1.5, mean, 1.5).value) == 0
    assert np.isinf(pac_bayes.gaussian_divergence(mean, 0.0, mean, 1.5).value)


def gibbs(n=10, d=2, beta=50.0):
    """|w - z|^2/2 with prior N(0, I), z ~ N(0, I): E L under nu_s (up to what z alone adds)."""

    def loss(s):
        # nu_s = N(s/(1+s) zbar, 1/(1+s)); E|zbar|^2 = d/n. The spread of z is d (1 - 1/n)/2.
        fit = d / (1 + s) + (d / n) / (1 + s) ** 2
        return (fit + d * (1 - 1 / n)) / 2

    return loss, beta


def test_thermodynamic_integration_of_a_gaussian(x64):
    loss, beta = gibbs()
    exact = 3.04755035
    grid = np.linspace(0, beta, 9)
    left = pac_bayes.thermodynamic_divergence(loss(grid), grid)
    assert left.bias == "up"
    values = []
    for points in (2, 9, 2**16 + 1):
        grid = np.linspace(0, beta, points)
        values.append(float(pac_bayes.thermodynamic_divergence(loss(grid), grid).value))
    assert values == sorted(values, reverse=True)
    assert exact <= values[-1] == pytest.approx(exact, abs=2e-3)
    assert values[0] == pytest.approx(54.01768551, abs=1e-8)
    energy = pac_bayes.free_energy_divergence(loss(0.0), loss(beta), beta)
    assert float(energy.value) == pytest.approx(54.01768551, abs=1e-8)
    # Direct divergence of the two Gaussians.
    var = 1 / (1 + beta)
    direct = 2 * (var - 1 - np.log(var)) / 2 + (beta / (1 + beta)) ** 2 * (2 / 10) / 2
    assert direct == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(
    ("t", "info", "divergence", "energy"),
    [
        (0.1, 0.001103, 0.019557, 9.951462),
        (0.5, 0.040290, 0.374295, 34.493064),
        (1.0, 0.236781, 1.103115, 46.949513),
        (3.0, 1.611843, 2.936613, 53.890339),
    ],
)
def test_langevin_path_started_at_its_prior(x64, t, info, divergence, energy):
    """Drift -(w - zbar) - w/beta, noise 2/beta: an OU path with all laws in closed form."""
    n, d, beta = 10, 2, 50.0
    rate = 1 + 1 / beta
    keep = np.exp(-rate * t)
    gain = (1 - keep) / rate
    var = keep**2 + (1 - keep**2) / (beta * rate)
    twin_info = d / 2 * np.log1p(gain**2 / (n * var))
    twin_kl = (d * (var - 1 - np.log(var)) + gain**2 * d / n) / 2
    loss = (d * var + (1 - gain) ** 2 * d / n + d * (1 - 1 / n)) / 2
    first = (d + d / n + d * (1 - 1 / n)) / 2
    found = pac_bayes.free_energy_divergence(first, loss, beta)
    np.testing.assert_allclose(
        (twin_info, twin_kl, float(found.value)), (info, divergence, energy), atol=6e-7
    )
    assert twin_info <= twin_kl <= float(found.value)
    bound = pac_bayes.free_energy(first, loss, beta, n)
    assert float(bound.value) == pytest.approx(np.sqrt(energy / (2 * n)), abs=1e-7)
    assert bound.kind == "estimate" and bool(bound.holds)


def test_negative_divergence_does_not_hold(x64):
    assert not bool(pac_bayes.free_energy(0.5, 0.6, 10.0, 100).holds)


def test_jit_vmap_and_refusals(dtype):
    rate, kl = np.array([0.0, 0.1, 0.3], dtype), np.array([1.0, 5.0, 2.0], dtype)
    eager = pac_bayes.pac_bayes_kl(rate, kl, 100, delta=0.1)
    assert eager.value.dtype == dtype
    mapped = jax.vmap(lambda r, k: pac_bayes.pac_bayes_kl(r, k, 100, delta=0.1).value)(rate, kl)
    loop = [pac_bayes.pac_bayes_kl(r, k, 100, delta=0.1).value for r, k in zip(rate, kl)]
    traced = jax.jit(lambda r, k: pac_bayes.pac_bayes_kl(r, k, 100, delta=0.1).value)(rate, kl)
    for values in (mapped, loop, traced):
        np.testing.assert_allclose(values, eager.value, atol=1e-6)
    with pytest.raises(ValueError, match="delta holds 0"):
        pac_bayes.pac_bayes_kl(0.1, 1.0, 10, delta=0.0)
    with pytest.raises(ValueError, match="does not increase"):
        pac_bayes.thermodynamic_divergence([1.0, 0.5], [0.5, 1.0])
    with pytest.raises(ValueError, match="one loss a temperature"):
        pac_bayes.thermodynamic_divergence([1.0, 0.5], [0.0])

"""PAC-Bayes over the path: exact divergences of a linear model, and the exponential inequality."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds.kinds import proved
from ibjax.interface import Estimate

OU = [  # mean of the sample, eta, beta, T, expected A
    (0.5, 0.1, 50, 20, 2.010285027425),
    (0.3, 0.1, 500, 50, 7.098184357562),
    (1.0, 0.05, 200, 100, 26.790690306739),
]


def simulate(key, mean, eta, beta, steps, runs, prior=0.0):
    """Paths of W - eta (W - mean) + s xi from 0, against drift prior * W; A and M of each."""
    std = np.sqrt(2 * eta / beta)

    def step(carry, xi):
        w, energy, martingale = carry
        apart = (w - mean) - prior * w
        terms = bounds.path_terms(eta / std, apart**2, apart * xi)
        w = w - eta * (w - mean) + std * xi
        return (w, energy + terms.energy, martingale + terms.martingale), None

    start = tuple(jnp.zeros((3, runs)))
    (w, energy, martingale), _ = jax.lax.scan(step, start, jax.random.normal(key, (steps, runs)))
    return w, energy, martingale


@pytest.mark.parametrize("mean, eta, beta, steps, printed", OU)
def test_expected_energy_is_the_divergence_of_the_paths(x64, mean, eta, beta, steps, printed):
    decay = (1 - eta) ** 2
    t = np.arange(steps)
    second = decay**t * mean**2 + 2 * eta / beta * (1 - decay**t) / (1 - decay)
    assert np.sum(eta * beta / 4 * second) == pytest.approx(printed, abs=6e-13)
    # The same from the two Gaussian laws of the path: KL(N(m, C) || N(0, C_0)).
    noise, ones = 2 * eta / beta, np.tril(np.ones((steps, steps)))
    response = (1 - eta) ** np.clip(t[:, None] - t, 0, None) * ones
    centre = mean * (1 - (1 - eta) ** (t + 1))
    cov, cov_0 = noise * response @ response.T, noise * ones @ ones.T
    inverse = np.linalg.inv(cov_0)
    volume = np.linalg.slogdet(cov_0)[1] - np.linalg.slogdet(cov)[1]
    divergence = np.trace(inverse @ cov) - steps + centre @ inverse @ centre + volume
    assert divergence / 2 == pytest.approx(printed, rel=1e-8)
    _, energy, martingale = simulate(jax.random.key(0), mean, eta, beta, steps, 4000)
    error = float(jnp.std(energy)) / np.sqrt(4000)
    assert float(jnp.mean(energy)) == pytest.approx(printed, abs=5 * error)
    spread = float(jnp.std(martingale))
    assert abs(float(jnp.mean(martingale))) < 5 * spread / np.sqrt(4000)
    assert spread**2 == pytest.approx(2 * printed, rel=0.15)


def test_a_prior_at_the_origin_pays_a_fixed_energy(x64):
    _, energy, martingale = simulate(jax.random.key(1), 0.5, 0.1, 50, 20, 2000, prior=1.0)
    np.testing.assert_allclose(energy, 20 * 0.1 * 50 * 0.25 / 4, rtol=1e-12)
    assert float(jnp.var(martingale)) == pytest.approx(2 * float(energy[0]), rel=0.15)


@pytest.fixture(scope="module")
def classifiers():
    """Runs of an OU classifier, each on its own sample: signs of w predict signs z, n = 20."""
    with jax.enable_x64(True):
        n, p, runs = 20, 0.7, 4000
        keys = jax.random.split(jax.random.key(3), 2)
        z = jnp.where(jax.random.bernoulli(keys[0], p, (n, runs)), 1.0, -1.0)
        w, energy, martingale = simulate(keys[1], jnp.mean(z, 0), 0.1, 20, 5, runs)
        wrong = jnp.mean((jnp.sign(w) != z).astype(float), 0)
        risk = jnp.where(w > 0, 1 - p, p)
        return n, np.asarray(wrong), np.asarray(risk), np.asarray(energy - martingale)


def _kl(q, p):
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(q > 0, q * np.log(q / p), 0.0)
        return first + np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - p)), 0.0)


def test_the_exponential_inequality(x64):
    """E exp(n kl - log dQ/dP) is its value under the prior: sum_k C(n,k) (k/n)^k (1-k/n)^(n-k).

    The samples are summed over exactly, by their number k of positive labels, since every k has
    about the same part in it; the paths are simulated. Plain means miss the rare k: 4.43 +- .31
    has been seen for the 6.29 of twenty examples, whatever the risks within (0, 1).
    """
    n, p, runs = 20, 0.7, 2000
    k = np.arange(n + 1.0)
    choose = np.array([math.comb(n, j) for j in range(n + 1)], float)
    exact = np.sum(choose * (k / n) ** k * (1 - k / n) ** (n - k))
    keys = jax.random.split(jax.random.key(4), n + 1)
    paths = jax.jit(jax.vmap(lambda key, mean: simulate(key, mean, 0.1, 4, 5, runs)))
    w, energy, martingale = (np.asarray(a) for a in paths(keys, jnp.asarray(2 * k / n - 1)))
    wrong = np.where(w > 0, 1 - k[:, None] / n, k[:, None] / n)
    values = np.exp(n * _kl(wrong, np.where(w > 0, 1 - p, p)) - (energy - martingale))
    mass = choose * p**k * (1 - p) ** (n - k)
    error = np.sqrt(np.sum(mass**2 * values.var(1) / runs))
    assert error < 0.02 * exact
    assert mass @ values.mean(1) == pytest.approx(exact, abs=5 * error)
    assert exact == pytest.approx(6.2935846, abs=6e-8) and exact < 2 * np.sqrt(n) < 8.945
    for p in (0.5, 0.01):
        law = choose * p**k * (1 - p) ** (n - k)
        assert law @ np.exp(n * _kl(k / n, p)) == pytest.approx(exact, rel=1e-12)
    # Losses within [0, 1] have smaller moments: here halves, whose sum is that of twice as many.
    j = np.arange(2 * n + 1.0)
    halves = np.array([math.comb(2 * n, i) for i in range(2 * n + 1)], float) / 4.0**n
    assert halves @ np.exp(n * _kl(j / (2 * n), 0.5)) < 0.5 * exact


def test_the_certificate_fails_less_often_than_delta(x64, classifiers):
    n, wrong, risk, density = classifiers
    delta = 0.2

    def limit(error, log_density):
        return error + bounds.path_certificate(error, log_density, n, delta).value

    found = jax.vmap(limit)(jnp.asarray(wrong), jnp.asarray(density))
    failed = np.mean(np.asarray(found) < risk)
    assert failed <= delta + 4 * np.sqrt(delta * (1 - delta) / 4000)


def test_several_runs_and_choices(x64):
    one = bounds.path_certificate(0.1, 10.0, 500, 0.05)
    assert one.kind == "certificate" and float(one.confidence) == pytest.approx(0.95)
    bracket = 10 + np.log(2 * np.sqrt(500) / 0.05)
    assert float(one.information) == pytest.approx(bracket, rel=1e-12)
    limit = float(bounds.invert.kl(0.1, bracket / 500))
    assert float(one.value) == pytest.approx(limit - 0.1, rel=1e-12)
    pair = bounds.path_certificate(np.array([0.05, 0.15]), np.array([4.0, 16.0]), 500, 0.05)
    assert float(pair.value) == pytest.approx(float(one.value), rel=1e-12)
    best = bounds.path_certificate(0.1, 10.0, 500, 0.05, choices=7)
    assert float(best.information) == pytest.approx(bracket + np.log(7), rel=1e-12)
    lucky = bounds.path_certificate(0.1, -100.0, 500, 0.05)
    assert float(lucky.value) == 0 and bool(lucky.holds)
    for gone in (jnp.nan, -jnp.inf, np.array([-np.inf, 4.0])):
        rates = np.full(np.shape(gone), 0.1)
        assert not bool(bounds.path_certificate(rates, gone, 500, 0.05).holds)
    assert bool(bounds.path_certificate(0.1, 1e6, 500, 0.05).vacuous)


def test_of_a_limit_on_the_training_error_the_worst_below_it_counts(x64):
    """kl^-1(l, c) - l falls again: at a limit of 1 it is 0, whatever the training error is."""
    n, density, delta = 500, 10.0, 0.04
    c = (density + np.log(2 * np.sqrt(n) / delta)) / n
    for limit in (0.05, 0.6, 1.0):
        rates = np.linspace(0, limit, 400)
        worst = np.max(np.asarray(bounds.invert.kl(rates, c)) - rates)
        given = proved(jnp.asarray(limit), "limit", "other", confidence=0.99)
        got = bounds.path_certificate(given, density, n, delta)
        assert worst - 1e-12 <= float(got.value) <= worst + 1e-5
        assert got.kind == "certificate" and float(got.confidence) == pytest.approx(0.95)
        # As a number it counts as known, and what it is added to bounds the test error.
        plain = limit + float(bounds.path_certificate(limit, density, n, delta).value)
        assert plain == pytest.approx(float(bounds.invert.kl(limit, c)), rel=1e-12)
    drawn = Estimate(np.asarray(0.1), np.asarray(0.01), about="other")
    assert bounds.path_certificate(drawn, density, n, delta).kind == "estimate"


@pytest.mark.parametrize("change, message", [
    (dict(train_error=1.5), "train_error holds 1.5"),
    (dict(log_density=np.zeros(2)), "one of each a run"),
    (dict(delta=0.0), "delta holds 0"),
    (dict(n=0), "n=0 must be"),
    (dict(choices=0), "choices=0 must be"),
])  # fmt: skip
def test_refusals(change, message):
    arguments = dict(train_error=0.1, log_density=1.0, n=10, delta=0.1) | change
    with pytest.raises(ValueError, match=message):
        bounds.path_certificate(**arguments)

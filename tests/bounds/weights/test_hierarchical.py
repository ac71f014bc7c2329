import numpy as np
import pytest
from scipy.stats import binom, multivariate_normal, norm

from ibjax import contraction
from ibjax.bounds.layers.two_stage import two_stage
from ibjax.bounds.weights.hierarchical import binary_gaussian, finite_weights, gibbs


@pytest.mark.parametrize(
    ("prior", "gamma", "n", "std", "gap", "symmetrised"),
    [
        (1, 5, 10, 1, 0.1818181818, 0.9090909091),
        (4, 20, 20, 0.5, 0.0248447205, 0.4968944099),
    ],
)
def test_the_gap_of_a_gibbs_posterior_times_its_temperature(
    x64, prior, gamma, n, std, gap, symmetrised
):
    variance = 1 / (1 / prior + 2 * gamma)
    shrink = 2 * gamma * variance
    assert 2 * shrink * std**2 / n == pytest.approx(gap, abs=6e-11)
    assert shrink**2 * std**2 / (n * variance) == pytest.approx(symmetrised, abs=6e-11)
    assert gap * gamma == pytest.approx(symmetrised, abs=1e-8)


def test_no_finite_gibbs_posterior_breaks_the_bound(x64):
    """Two Bernoulli losses of opposite sign; I and the gap by enumeration of the counts."""
    n = 10
    ones = np.arange(n + 1)
    for bias in (0.5, 0.7, 0.95):
        law = binom.pmf(ones, n, bias)
        for gamma in (0.5, 3.0, 30.0):
            losses = np.stack([ones / n, 1 - ones / n], 1)
            posterior = np.exp(-gamma * losses)
            posterior /= posterior.sum(1, keepdims=True)
            risk = np.array([bias, 1 - bias])
            gap = np.sum(law[:, None] * posterior * (risk - losses))
            bound = gibbs(gamma, n, 0.5)
            assert 0 < gap <= bound.value == pytest.approx(0.5 * gamma / n)
            w = law @ posterior
            info = np.sum(law[:, None] * posterior * np.log(posterior / w))
            assert info <= gamma * gap


def test_gibbs_with_layers(x64):
    half = contraction.symmetric(0.1)
    free = gibbs(5.0, 10, 1.0, [half], label_information=0.0)
    assert free.value == pytest.approx(2 * 5 * 0.64 / 10)
    gap = float(gibbs(5.0, 10, 1.0, [half], label_information=0.3).value)
    assert gap**2 == pytest.approx(0.2 * (0.3 + 0.64 * 5 * gap))
    with pytest.raises(ValueError, match="labels bypass"):
        gibbs(5.0, 10, 1.0, [half])
    with pytest.raises(ValueError, match="scope"):
        local = contraction.chi2([0.5, 0.5], np.eye(2))
        gibbs(5.0, 10, 1.0, [local], label_information=0.0)


def test_finite_weights(x64):
    assert finite_weights(100, 2**4) == pytest.approx(400 * np.log(2))
    with pytest.raises(ValueError, match="alphabet"):
        finite_weights(1, 0)


@pytest.mark.parametrize(
    ("n", "vc", "bound"), [(1000, 10, 0.2216308418), (10000, 50, 0.1674092319)]
)
def test_two_stages(x64, n, vc, bound):
    got = two_stage(n // 2, n // 2, vc)
    assert got.value == pytest.approx(bound, abs=6e-11)
    assert (got.name, got.kind) == ("two_stage", "certificate")
    layered = two_stage(n // 2, n // 2, vc, [0.5] * 4, variant="published")
    assert layered.value == pytest.approx(bound / 4, abs=6e-11)
    assert layered.kind == "diagnostic"
    certified = two_stage(n // 2, n // 2, vc, [0.5] * 4)
    eta, away = 0.5**4, 0.5 / np.sqrt(n // 2)
    joint = (1 - eta) * away + np.sqrt(eta * bound**2 - eta * (1 - eta) * away**2)
    assert certified.value == pytest.approx(joint, abs=6e-11)
    assert certified.value < bound / 4 + away
    with pytest.raises(ValueError, match="n_cover"):
        two_stage(vc - 1, 10, vc)


@pytest.mark.parametrize(
    ("setting", "known"),
    [
        ((50, 10, 1, 1), (0.1793162, 0.1383288, 0.0409875, 0.0229058, 0.1070182)),
        ((50, 10, 1, 0), (0.5, 0.3305432, 0.1694568, 0.1001010, 0.2237197)),
        ((200, 20, 1, 0.5), (0.3357197, 0.2782084, 0.0575113, 0.0153617, 0.0876405)),
    ],
)
def test_the_analytic_binary_gaussian_network(setting, known):
    got = binary_gaussian(*setting)
    found = (got.test, got.train, got.gap, got.output_divergence, got.output_bound)
    np.testing.assert_allclose(found, known, atol=1.2e-6)
    n, d = setting[:2]
    assert got.input_information == pytest.approx(d / 2 * np.log(n / (n - 1)))
    assert got.gap <= got.output_bound <= got.input_bound
    assert binary_gaussian(50, 10, 1, 1).wasserstein == pytest.approx(0.1417780402, abs=6e-11)


@pytest.mark.parametrize("n", [5, 20])
def test_the_binary_gaussian_network_in_one_dimension(n):
    """The signs of w and of a training point are those of two correlated Gaussians."""
    got = binary_gaussian(n, 1, 1, 1)
    together = multivariate_normal([1, 1], [[1, 1 / n], [1 / n, 1 / n]]).cdf([0, 0])
    point, weight = norm.cdf(-1), norm.cdf(-np.sqrt(n))
    assert got.train == pytest.approx(point + weight - 2 * together, abs=1e-12)
    assert got.test == pytest.approx(point + weight - 2 * point * weight, abs=1e-12)
    assert got.output_divergence == pytest.approx(0.5 * np.log(n / (n - 1)), abs=1e-12)
    with pytest.raises(ValueError, match="n="):
        binary_gaussian(1, 1, 1, 1)


def test_the_binary_gaussian_network_by_simulation():
    got = binary_gaussian(5, 3, 1.0, 0.5)
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(40_000, 5, 3)) + np.array([0.5, 0, 0])
    w = sample.mean(1)
    train = np.mean(np.einsum("rnd,rd->rn", sample, w) < 0, 1)
    fresh = rng.normal(size=(40_000, 3)) + np.array([0.5, 0, 0])
    gaps = (np.einsum("rd,rd->r", fresh, w) < 0) - train
    assert got.gap == pytest.approx(gaps.mean(), abs=4 * gaps.std() / 200)

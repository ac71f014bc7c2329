import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from ibjax import data

KEY = jax.random.key(11)


def _mutual_information(separation, rate=0.0):
    """I(X;Y) of one-dimensional classes by adaptive quadrature of the definition."""

    def integrand(t):
        p = stats.norm.pdf(t, [-separation / 2, separation / 2])
        joint = np.array([(1 - rate) * p + rate * p[::-1]]) / 2
        mixture = p.sum() / 2
        return float(np.sum(np.where(joint > 0, joint * np.log(2 * joint / mixture), 0.0)))

    edge = 12 + separation / 2
    return integrate.quad(integrand, -edge, edge, epsabs=1e-13, epsrel=1e-12, limit=400)[0]


@pytest.mark.parametrize("separation", [0.0, 0.3, 2.0, 6.0])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_truth_of_two_gaussians_by_adaptive_quadrature(separation, rate):
    law = data.label_noise(KEY, data.two_gaussians(KEY, 4, 3, separation), rate)
    expected = _mutual_information(separation, rate)
    assert law.truth["mutual_information"] == pytest.approx(expected, abs=1e-11)
    clean = stats.norm.cdf(-separation / 2)
    error = clean * (1 - rate) + (1 - clean) * rate
    assert law.truth["bayes_error"] == pytest.approx(min(error, 1 - error), abs=1e-14)


@given(st.floats(0, 40), st.floats(0, 1))
def test_truths_respect_fano_and_the_entropy(separation, rate):
    law = data.label_noise(KEY, data.two_gaussians(KEY, 4, 3, separation), rate)
    error, information = law.truth["bayes_error"], law.truth["mutual_information"]
    # Fano below, Hellman and Raviv above: h(error) >= H(Y|X) >= 2 log 2 error
    conditional = math.log(2) - information
    entropy = float(stats.entropy([error, 1 - error]))
    assert 2 * math.log(2) * error - 1e-12 <= conditional <= entropy + 1e-12


def test_two_gaussians_follow_their_law(x64):
    n, dim, separation = 40_000, 4, 1.5
    law = data.two_gaussians(KEY, n, dim, separation)
    assert law.x.shape == (n, dim) and law.x.dtype == np.float64 and law.y.dtype == np.int32
    x, y = np.asarray(law.x), np.asarray(law.y)
    projection = x.sum(axis=1) / math.sqrt(dim)
    for label, sign in ((0, -1), (1, 1)):
        part = projection[y == label]
        assert part.mean() == pytest.approx(sign * separation / 2, abs=5 / math.sqrt(len(part)))
        assert part.var() == pytest.approx(1, abs=5 * math.sqrt(2 / len(part)))
    errors = np.mean((projection > 0) != y)
    bayes = law.truth["bayes_error"]
    assert errors == pytest.approx(bayes, abs=5 * math.sqrt(bayes / n))
    assert abs(y.mean() - 0.5) < 5 * 0.5 / math.sqrt(n)


def test_correlated_gaussians_follow_their_law(x64):
    n, rho = 40_000, -0.7
    law = data.correlated_gaussians(KEY, n, 2, rho)
    covariance = np.cov(np.concatenate([law.x, law.y], axis=1).T)
    expected = np.block([[np.eye(2), rho * np.eye(2)], [rho * np.eye(2), np.eye(2)]])
    np.testing.assert_allclose(covariance, expected, atol=5 * math.sqrt(2 / n))
    assert law.truth["mutual_information"] == pytest.approx(-math.log(1 - 0.49), abs=1e-14)
    near = data.correlated_gaussians(KEY, 2, 3, 1 - 1e-12).truth["mutual_information"]
    assert near == pytest.approx(-1.5 * (math.log(1 - (1 - 1e-12)) + math.log(2)), abs=1e-9)


def test_label_noise_moves_labels_uniformly_to_the_others():
    n, classes, rate = 60_000, 3, 0.3
    pool = data.two_gaussians(KEY, n, 1, 1.0)._replace(num_classes=classes, truth={})
    noisy = data.label_noise(KEY, pool, rate)
    assert noisy.y.dtype == pool.y.dtype and noisy.truth == {"label_noise": rate}
    shift = np.asarray((noisy.y - pool.y) % classes)
    counts = np.bincount(shift, minlength=3) / n
    np.testing.assert_allclose(counts, [0.7, 0.15, 0.15], atol=5 * 0.5 / math.sqrt(n))
    np.testing.assert_array_equal(noisy.x, pool.x)


def test_label_noise_at_the_ends():
    pool = data.two_gaussians(KEY, 200, 1, 1.0)
    np.testing.assert_array_equal(data.label_noise(KEY, pool, 0.0).y, pool.y)
    np.testing.assert_array_equal(data.label_noise(KEY, pool, 1.0).y, 1 - pool.y)


@given(st.integers(2, 6), st.floats(0, 1), st.floats(0, 1))
def test_noises_in_a_row_compose_as_channels_do(classes, first, second):
    pool = data.two_gaussians(KEY, 4, 1, 1.0)._replace(num_classes=classes, truth={})
    twice = data.label_noise(KEY, data.label_noise(KEY, pool, first), second)

    def channel(rate):
        return (1 - rate) * np.eye(classes) + rate * (1 - np.eye(classes)) / (classes - 1)

    product = channel(first) @ channel(second)
    assert twice.truth["label_noise"] == pytest.approx(1 - product[0, 0], abs=1e-12)


def test_bayes_error_of_several_classes_by_enumeration():
    posterior = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    clean = 1 - posterior.max(axis=1).mean()
    pool = data.two_gaussians(KEY, 4, 1, 1.0)
    pool = pool._replace(num_classes=4, truth={"bayes_error": clean})
    rate = 0.6
    noisy = (1 - rate) * posterior + rate * (1 - posterior) / 3
    expected = 1 - noisy.max(axis=1).mean()
    truth = data.label_noise(KEY, pool, rate).truth
    assert truth["bayes_error"] == pytest.approx(expected, abs=1e-14)
    # beyond 1 - 1/K the best class is no longer the best: no claim is made
    assert "bayes_error" not in data.label_noise(KEY, pool, 0.9).truth


def test_jit_vmap_and_grad(x64):
    def draw(key, separation, rate):
        law = data.label_noise(key, data.two_gaussians(key, 6, 2, separation), rate)
        return law.x, law.y, law.truth

    eager = draw(KEY, 1.5, 0.2)
    traced = jax.jit(draw)(KEY, 1.5, 0.2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), eager, traced)

    def paired(key, correlation):
        law = data.correlated_gaussians(key, 6, 2, correlation)
        return law.x, law.y, law.truth

    keys = jax.random.split(KEY, 3)
    mapped = jax.vmap(paired)(keys, jnp.array([0.1, 0.5, -0.9]))
    for i, rho in enumerate((0.1, 0.5, -0.9)):
        one = jax.tree.map(lambda a, i=i: a[i], mapped)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), one, paired(keys[i], rho)
        )
    # d Phi(-s/2) / ds
    slope = jax.grad(lambda s: draw(KEY, s, 0.0)[2]["bayes_error"])(1.5)
    assert slope == pytest.approx(-stats.norm.pdf(0.75) / 2, abs=1e-12)
    slope = jax.grad(lambda s: draw(KEY, s, 0.0)[2]["mutual_information"])(1.5)
    step = (_mutual_information(1.5 + 1e-4) - _mutual_information(1.5 - 1e-4)) / 2e-4
    assert slope == pytest.approx(step, abs=1e-7)


def test_loaded_by_name_both_splits_carry_the_truth():
    train, test = data.load("two_gaussians"), data.load("two_gaussians", "test[:50%]")
    assert train.x.shape == (4000, 10) and test.x.shape == (2000, 10)
    assert train.truth == test.truth and train.num_classes == 2
    assert not np.array_equal(train.x[:2000], test.x)
    assert data.load("two_gaussians", classes=(0,)).truth == {}


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: data.two_gaussians(KEY, 0, 1, 1.0), "n=0"),
        (lambda: data.two_gaussians(KEY, 1, 1, -1.0), "separation=-1.0"),
        (lambda: data.two_gaussians(KEY, 1, 1, math.nan), "separation=nan"),
        (lambda: data.correlated_gaussians(KEY, 1, 0, 0.5), "dim=0"),
        (lambda: data.correlated_gaussians(KEY, 1, 1, 1.0), "correlation=1.0"),
        (lambda: data.label_noise(KEY, data.two_gaussians(KEY, 1, 1, 1.0), 1.5), "rate=1.5"),
        (
            lambda: data.label_noise(KEY, data.correlated_gaussians(KEY, 1, 1, 0.5), 0.1),
            "num_classes=0",
        ),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()

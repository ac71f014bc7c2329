import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma

from ibjax import mi


def correlated(n, rho, seed, dim=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, dim))


def slow_ksg(x, y, k, algorithm):
    n, terms = len(x), []
    for i in range(n):
        dx, dy = np.abs(x - x[i]).max(1), np.abs(y - y[i]).max(1)
        joint = np.maximum(dx, dy)
        joint[i] = np.inf
        nearest = np.argsort(joint, kind="stable")[:k]
        if algorithm == 1:
            eps = joint[nearest[-1]]
            nx, ny = (dx < eps).sum() - 1, (dy < eps).sum() - 1
            terms.append(digamma(nx + 1) + digamma(ny + 1))
        else:
            nx, ny = (dx <= dx[nearest].max()).sum() - 1, (dy <= dy[nearest].max()).sum() - 1
            terms.append(digamma(nx) + digamma(ny))
    return digamma(k) + digamma(n) - (algorithm == 2) / k - np.mean(terms)


@pytest.mark.parametrize("algorithm", [1, 2])
@pytest.mark.parametrize("method", ["blocks", "tree"])
@pytest.mark.parametrize("dim", [1, 3])
def test_ksg_is_its_slow_twin(algorithm, method, dim, x64):
    x, y = correlated(150, 0.6, 0, dim)
    got = mi.ksg(x, y, 4, algorithm=algorithm, method=method, block=64)
    np.testing.assert_allclose(got.value, slow_ksg(x, y, 4, algorithm), rtol=1e-12)
    assert bool(got.ok) and got.bias == "down"


def test_ksg_equals_scikit_learns_up_to_its_scaling(x64):
    from sklearn.feature_selection import mutual_info_regression

    x, y = correlated(800, 0.7, 1)
    x, y = x / x.std(), y / y.std()  # scikit-learn scales both and clips at zero
    theirs = mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0)[0]
    np.testing.assert_allclose(mi.ksg(x, y).value, theirs, atol=1e-6)


@pytest.mark.parametrize("name", ["ksg", "ksg_2", "gaussian_copula"])
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_gaussian_samples_are_met_within_three_standard_errors(name, rho, x64):
    estimator = {e.name: e.function for e in mi.estimators()}[name]
    values, errors = [], []
    for seed in range(6):
        got = estimator(*correlated(2000, rho, seed))
        values.append(float(got.value))
        errors.append(float(got.std_error))
    truth = -0.5 * np.log1p(-(rho**2))
    error = np.mean(errors) / np.sqrt(6) + 1 / 2000
    assert abs(np.mean(values) - truth) < 3 * error
    assert np.std(values) < 2 * np.mean(errors)


def test_jit_vmap_and_the_order_of_samples(x64):
    x, y = np.stack([correlated(60, r, i) for i, r in enumerate((0.1, 0.5, 0.9))], axis=1)
    for f in (mi.ksg, mi.gaussian_copula, lambda a, b: mi.binned(a, b, 5)):
        one_by_one = [float(f(a, b).value) for a, b in zip(x, y)]
        together = jax.jit(jax.vmap(f))(x, y)
        np.testing.assert_allclose(together.value, one_by_one, rtol=1e-9)
        turned = f(x[0][::-1], y[0][::-1])
        np.testing.assert_allclose(turned.value, one_by_one[0], rtol=1e-9)
        np.testing.assert_allclose(f(y[0], x[0]).value, one_by_one[0], rtol=1e-9)


def test_estimates_are_not_clamped():
    values = [float(mi.ksg(*correlated(60, 0.0, s)).value) for s in range(8)]
    assert min(values) < 0


@pytest.mark.parametrize("name", ["ksg", "ksg_2", "gaussian_copula", "binned_10"])
def test_constant_inputs_are_flagged(name):
    estimator = {e.name: e.function for e in mi.estimators()}[name]
    got = estimator(np.ones((40, 1)), correlated(40, 0.0, 0)[0])
    assert not bool(got.ok) and got.reason


def test_too_few_samples_are_flagged():
    assert not bool(mi.ksg([0.1, 0.5, 0.2], [0.3, 0.1, 0.9], k=3).ok)


def test_discrete_tables_and_gaussian_covariances(x64):
    flip = np.array([[0.45, 0.05], [0.05, 0.45]])
    np.testing.assert_allclose(mi.discrete(flip).value, 0.3680642072, atol=1e-10)
    np.testing.assert_allclose(mi.discrete(1000 * flip).value, 0.3680642072, atol=1e-10)
    np.testing.assert_allclose(mi.discrete(np.outer([0.3, 0.7], [0.2, 0.8])).value, 0, atol=1e-15)
    cov = np.array([[1.0, 1.0], [1.0, 1.25]])
    np.testing.assert_allclose(mi.gaussian(cov, 1).value, 0.8047189562, atol=1e-10)
    a = np.array([[1, 0.5], [0, 2]])
    cov = np.block([[np.eye(2), a.T], [a, a @ a.T + 0.25 * np.eye(2)]])
    np.testing.assert_allclose(mi.gaussian(cov, 2).value, 2.2271736481, atol=1e-9)
    joint = np.random.default_rng(0).random((4, 5))
    np.testing.assert_allclose(mi.discrete(joint).value, mi.discrete(joint.T).value, atol=1e-14)


def test_a_determined_gaussian_is_infinite_and_flagged(x64):
    got = mi.gaussian(np.array([[1.0, 1.0], [1.0, 1.0]]), 1)
    assert np.isinf(got.value) and not bool(got.ok)


def test_kde_bounds_of_two_points(x64):
    lower, upper = mi.kde_bounds(np.array([[1.0], [-1.0]]), 1.0)
    np.testing.assert_allclose(lower.value, np.log(2) - np.log1p(np.exp(-0.5)), atol=1e-12)
    np.testing.assert_allclose(upper.value, np.log(2) - np.log1p(np.exp(-2.0)), atol=1e-12)
    assert lower.value < 0.3368308203 < upper.value
    assert not bool(mi.kde_bounds(np.ones((3, 2)), 0.0).lower.ok)


def test_plug_in_and_bins_agree_on_classes(x64):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 3, 200)
    y = (x + rng.integers(0, 2, 200)) % 3
    table = np.zeros((3, 3))
    np.add.at(table, (x, y), 1)
    want = float(mi.discrete(table).value)
    np.testing.assert_allclose(mi.plug_in(x, y).value, want, rtol=1e-12)
    np.testing.assert_allclose(mi.binned(x, y, 3).value, want, rtol=1e-12)
    assert list(mi.all_applicable(x, y)) == ["plug_in"]
    assert "ksg" in mi.all_applicable(x.astype(float), y)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: mi.ksg(np.ones(3), np.ones(4)), "x has 3"),
        (lambda: mi.ksg(np.ones((3, 2, 2)), np.ones(3)), "x has shape"),
        (lambda: mi.ksg([1.0, np.nan], [1.0, 2.0]), "NaN"),
        (lambda: mi.ksg(np.ones(9), np.ones(9), k=0), "k=0"),
        (lambda: mi.binned(np.ones(9), np.ones(9), 1), "bins=1"),
        (lambda: mi.discrete([[0.5, -0.1]]), "nonnegative"),
        (lambda: mi.discrete([1.0]), "table"),
        (lambda: mi.gaussian(np.eye(3), 3), "dim_x=3"),
        (lambda: mi.gaussian(np.array([[1.0, 0.5], [0.1, 1.0]]), 1), "symmetric"),
        (lambda: mi.gaussian(np.array([[1.0, 2.0], [2.0, 1.0]]), 1), "negative eigenvalue"),
        (lambda: mi.kde_bounds(np.ones((3, 1)), -1.0), "std=-1"),
        (lambda: mi.plug_in(np.ones(3, int), np.ones(4, int)), "shapes"),
    ],
)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_infinite_noise_means_no_information(x64):
    lower, upper = mi.kde_bounds(jnp.linspace(0, 1, 9), 1e6)
    np.testing.assert_allclose([lower.value, upper.value], 0.0, atol=1e-9)

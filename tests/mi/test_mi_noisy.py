import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi


def test_kde_bounds_of_two_points(x64):
    lower, upper = mi.kde_bounds(np.array([[1.0], [-1.0]]), 1.0)
    np.testing.assert_allclose([lower.value, upper.value], [0.21907020, 0.56621917], atol=1e-8)
    np.testing.assert_allclose(lower.value, np.log(2) - np.log1p(np.exp(-0.5)), atol=1e-12)
    assert (lower.bias, upper.bias) == ("down", "up")


def test_kde_bounds_hold_the_exact_value_between_them(x64):
    m = np.random.default_rng(0).normal(size=(6, 7)) * np.array([[0.1], [0.5], [1], [2], [4], [9]])
    for row in m:
        lower, upper = mi.kde_bounds(row, 0.8)
        exact = float(mi.gaussian_mixture(row, 0.8).value)
        assert float(lower.value) < exact < float(upper.value) <= np.log(7) + 1e-12


def test_kde_bounds_are_their_slow_twin_and_map(x64):
    m = np.random.default_rng(0).normal(size=(3, 50, 4))
    d = ((m[0][:, None] - m[0][None]) ** 2).sum(-1)
    for bound, scale in zip(mi.kde_bounds(m[0], 0.5, block=16), (8, 2)):
        want = -np.mean(np.log(np.mean(np.exp(-d / scale / 0.25), axis=1)))
        np.testing.assert_allclose(bound.value, want, rtol=1e-12)
    mapped = jax.jit(jax.vmap(lambda v: mi.kde_bounds(v, 0.5).upper.value))(m)
    np.testing.assert_allclose(
        mapped, [float(mi.kde_bounds(v, 0.5).upper.value) for v in m], rtol=1e-12
    )
    lower, upper = mi.kde_bounds(jnp.linspace(0, 1, 9), 1e6)
    np.testing.assert_allclose([lower.value, upper.value], 0.0, atol=1e-9)


@pytest.mark.parametrize("gap", [0.5, 2.0, 8.0])
def test_propagated_centres_meet_the_exact_mixture(gap, x64):
    got = mi.sample_propagation(
        jax.random.key(1), [[0.0], [gap]], 1.0, draws=4000, error="monte_carlo"
    )
    exact = float(mi.gaussian_mixture([0.0, gap], 1.0).value)
    assert abs(float(got.value) - exact) < 3 * float(got.std_error)
    assert 0 < float(got.std_error) < 0.02 and bool(got.ok)


def test_a_gaussian_layer_within_three_errors(x64):
    # S ~ N(0, I_2), T = S + N(0, I_2): I = log 2
    means = np.random.default_rng(0).normal(size=(8, 1000, 2))
    keys = jax.random.split(jax.random.key(0), 8)
    found = jax.jit(jax.vmap(lambda k, m: mi.sample_propagation(k, m, 1.0)))(keys, means)
    values = np.asarray(found.value)
    one_by_one = mi.sample_propagation(keys[0], means[0], 1.0, block=64).value
    np.testing.assert_allclose(one_by_one, values[0], rtol=1e-12)
    # plug-in bias downwards, of order c^d / n here
    assert abs(values.mean() - np.log(2)) < 3 * values.std() / np.sqrt(8) + 0.02
    np.testing.assert_allclose(values.std(), np.mean(found.std_error), rtol=0.6)
    assert found.ok.all() and found.bias == "down"


def test_a_second_noisy_layer_subtracts_what_the_first_blurred(x64):
    # T = X + N(0, 1) + N(0, 1): I(X;T) = log(3/2)/2 < I(S;T)
    rng = np.random.default_rng(0)
    s = rng.normal(size=(1000, 1)) + rng.normal(size=(1000, 1))
    each = rng.normal(size=(40, 1, 1)) + rng.normal(size=(40, 300, 1))
    got = mi.sample_propagation(jax.random.key(0), s, 1.0, conditional=each)
    assert abs(float(got.value) - 0.5 * np.log(1.5)) < 3 * float(got.std_error)
    assert got.bias == "unknown" and bool(got.ok)


def test_saturation_and_silence_are_flagged(x64):
    # shapes of the tests above, whose programs serve again
    key, m = jax.random.key(0), 1e4 * np.random.default_rng(0).normal(size=(1000, 2))
    got = mi.sample_propagation(key, m, 0.01, block=64)
    assert float(got.value) == pytest.approx(np.log(1000), rel=1e-5) and not bool(got.ok)
    assert not bool(mi.sample_propagation(key, m, 0.0, block=64).ok)
    two = mi.sample_propagation(key, [[0.0], [9.0]], 0.01, draws=4000, error="monte_carlo")
    assert float(two.value) == pytest.approx(np.log(2)) and bool(two.ok)
    assert not bool(mi.kde_bounds([[1.0], [-1.0]], 0.0).lower.ok)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"std": -1.0}, "std=-1"),
        ({"draws": 0}, "draws=0"),
        ({"draws": 1, "error": "monte_carlo"}, "draws=1"),
        ({"error": "both"}, "error='both'"),
        ({"conditional": np.ones((3, 4, 5))}, "conditional has shape"),
        ({"conditional": np.ones((1, 4, 2))}, "at least 2"),
    ],
)
def test_bad_settings_are_refused_by_name(options, named):
    with pytest.raises(ValueError, match=named):
        mi.sample_propagation(jax.random.key(0), np.ones((9, 2)), **{"std": 1.0, **options})
    if "std" in options:
        with pytest.raises(ValueError, match=named):
            mi.kde_bounds(np.ones((3, 1)), -1.0)

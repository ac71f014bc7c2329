import jax
import numpy as np
import pytest

from ibjax import mi


def correlated(n, rho, seed, dim):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, dim))


def test_slices_of_a_gaussian_within_three_errors(x64):
    # theta, phi have correlation rho cos(angle), the angle of uniform directions in the plane
    angles = np.linspace(0, 2 * np.pi, 20_001)[:-1]
    truth = -0.5 * np.log1p(-(0.9**2) * np.cos(angles) ** 2).mean()
    got = mi.sliced(jax.random.key(0), *correlated(1000, 0.9, 0, 2), slices=100)
    assert abs(float(got.value) - truth) < 3 * float(got.std_error)
    assert float(got.std_error) < 0.06 and got.bias == "unknown" and bool(got.ok)


def test_in_one_dimension_a_slice_is_the_whole(x64):
    x, y = correlated(200, 0.8, 1, 1)
    got = mi.sliced(jax.random.key(0), x, y, slices=5)
    np.testing.assert_allclose(got.value, mi.ksg(x, y).value, rtol=1e-9)
    np.testing.assert_allclose(got.std_error, mi.ksg(x, y).std_error, rtol=1e-6)


def test_trees_and_blocks_see_the_same_slices(x64):
    x, y = correlated(1000, 0.8, 2, 2)
    key = jax.random.key(3)
    on_host = mi.sliced(key, x, y, slices=4).value
    compiled = jax.jit(lambda a, b: mi.sliced(key, a, b, slices=4).value)(x, y)
    np.testing.assert_allclose(on_host, compiled, rtol=1e-9)


def test_slices_map_over_layers(x64):
    x, y = np.stack([correlated(80, r, i, 3) for i, r in enumerate((0.0, 0.9))], axis=1)
    keys = jax.random.split(jax.random.key(0), 2)
    f = jax.jit(jax.vmap(lambda k, a, b: mi.sliced(k, a, b, slices=3, estimator=mi.cca).value))
    want = [mi.sliced(k, a, b, slices=3, estimator=mi.cca).value for k, a, b in zip(keys, x, y)]
    np.testing.assert_allclose(f(keys, x, y), want, rtol=1e-10)


def test_the_best_slice_finds_one_informative_direction(x64):
    # of ten coordinates one is shared: the best slice has all, the mean slice almost nothing
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2000, 10))
    y[:, 3] = 0.9 * x[:, 7] + np.sqrt(1 - 0.81) * y[:, 3]
    truth = -0.5 * np.log1p(-0.81)
    best = mi.max_sliced(jax.random.key(0), x, y, slices=4)
    mean = mi.sliced(jax.random.key(0), x, y, slices=4)
    assert abs(float(best.value) - truth) < 4 * float(best.std_error)
    assert float(mean.value) < 0.2 * truth


def test_the_best_slice_of_independent_samples_is_fair(x64):
    values = []
    for seed in range(12):
        x, y = correlated(200, 0.0, seed, 4)
        values.append(float(mi.max_sliced(jax.random.key(seed), x, y, slices=16).value))
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(12) + 1e-3


def test_constants_are_flagged_and_settings_refused(x64):
    x = np.random.default_rng(0).normal(size=(200, 1))
    assert not bool(mi.sliced(jax.random.key(0), np.ones((200, 1)), x, slices=5).ok)
    for call, named in (
        (lambda: mi.sliced(jax.random.key(0), x, x, slices=1), "slices=1"),
        (lambda: mi.max_sliced(jax.random.key(0), x, x, slices=0), "slices=0"),
        (lambda: mi.max_sliced(jax.random.key(0), x[:5], x[:5]), "5 samples"),
    ):
        with pytest.raises(ValueError, match=named):
            call()

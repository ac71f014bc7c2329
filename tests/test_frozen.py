"""What depends on a function of the user's follows what it computes, though it be one object."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds, infinite, mi, teacher
from ibjax.frozen import frozen

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 2)).astype("f")
Y = (X + RNG.normal(size=(24, 2))).astype("f")
KEY = jax.random.key(0)


def kernel(factor):
    given = {"depth": 2, "w_std": 1.0, "b_std": 0.0}
    f = lambda x: jnp.tanh(factor[0] * x)  # noqa: E731
    dual = infinite.quadrature(f, 8).dual
    yield lambda: infinite.mlp_kernels(X[:3], activation=f, **given).nngp
    yield lambda: infinite.mlp_kernels(X[:3], activation=jax.jit(f), **given).nngp
    yield lambda: infinite.mlp_nngp_rate(X[:3], activation=f, **given)
    own = infinite.Activation(jnp.tanh, dual)
    yield lambda: infinite.mlp_kernels(X[:3], activation=own, **given).nngp


def limits(factor):
    f = lambda x: jnp.tanh(factor[0] * x)  # noqa: E731
    given = {"rho": 0.7, "eps": 0.1, "noise": 0.3}
    yield lambda: teacher.gamp(X, Y[:, 0], f, steps=2, **given).mean
    yield lambda: teacher.state_evolution(f, 1.0, steps=2, nodes=(21, 41, 61), **given).q


def estimates(factor):
    def estimator(x, y):
        found = mi.gaussian_copula(x, y)
        return replace(found, value=factor[0] * found.value)

    yield lambda: mi.permutation(KEY, estimator, X, Y, permutations=3).values
    yield lambda: mi.sliced(KEY, X, Y, slices=2, estimator=estimator).value
    yield lambda: mi.k_sliced(KEY, X, Y, dim=1, slices=2, estimator=estimator).value


def verdicts(factor):
    def bound(information, n, sigma):
        return factor[0] * jnp.sqrt(2 * sigma**2 * information / n)

    one = {"models": 4, "search": 0, "among": ["finite, n=2"]}
    yield lambda: bounds.falsify(bound, **one).ratio
    yield lambda: bounds.falsify(jax.jit(bound), **one).ratio


@pytest.mark.parametrize("make", [kernel, limits, estimates, verdicts])
def test_a_function_that_has_changed_gives_its_own_numbers(make):
    factor = [1.0]
    for call in make(factor):
        factor[0] = 1.0
        first = np.asarray(call())
        factor[0] = 3.0
        assert not np.allclose(call(), first, rtol=1e-3)
        factor[0] = 1.0
        np.testing.assert_array_equal(call(), first)


def test_what_has_not_changed_runs_the_same_program():
    from ibjax.infinite.kernel_matrix import _mlp_kernels

    def run():
        infinite.mlp_kernels(X[:3], depth=2, activation=jnp.cosh, w_std=1.0, b_std=0.0)

    run()
    before = _mlp_kernels._cache_size()
    run()
    assert _mlp_kernels._cache_size() == before


def test_a_function_may_hold_what_is_being_traced():
    def value(slope):
        given = {"depth": 2, "w_std": 1.0, "b_std": 0.0}
        found = infinite.mlp_kernels(X[:2], activation=infinite.leaky(slope), **given)
        assert frozen(lambda x: slope * x, X) != frozen(lambda x: slope * x, X)
        return found.nngp[0, 1]

    slope, step = jax.jit(jax.value_and_grad(value))(0.2)
    assert np.isfinite(slope) and np.isfinite(step)

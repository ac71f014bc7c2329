import math
from functools import partial

import jax
import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.special import digamma

from ibjax import mi

HERE = partial(mi.knn_entropy, k=4, block=40)


@pytest.mark.parametrize("norm", ["chebyshev", "euclidean"])
@pytest.mark.parametrize("dim", [1, 3])
def test_neighbour_entropy_is_its_slow_twin(norm, dim, x64):
    x = np.random.default_rng(0).normal(size=(100, dim))
    k, power = 4, np.inf if norm == "chebyshev" else 2
    radius = KDTree(x).query(x, k + 1, p=power)[0][:, -1]
    ball = 2.0**dim if norm == "chebyshev" else math.pi ** (dim / 2) / math.gamma(dim / 2 + 1)
    want = digamma(100) - digamma(k) + math.log(ball) + dim * np.mean(np.log(radius))
    np.testing.assert_allclose(mi.knn_entropy(x, k, norm=norm, block=40).value, want, rtol=1e-12)


@pytest.mark.parametrize("norm", ["chebyshev", "euclidean"])
def test_uniform_and_gaussian_entropies_within_three_errors(norm, x64):
    rng = np.random.default_rng(1)
    for draw, truth in (
        (lambda: rng.random((1500, 1)) * 3, np.log(3)),
        (lambda: rng.normal(size=(1500, 1)), 0.5 * np.log(2 * np.pi * np.e)),
    ):
        found = [mi.knn_entropy(draw(), norm=norm) for _ in range(6)]
        error = np.mean([float(e.std_error) for e in found]) / np.sqrt(6)
        assert abs(np.mean([float(e.value) for e in found]) - truth) < 3 * error + 0.01


def test_entropy_moves_with_scale_and_maps(x64):
    x = np.random.default_rng(0).normal(size=(5, 100, 3))
    want = np.array([float(HERE(v).value) for v in x])
    np.testing.assert_allclose(jax.jit(jax.vmap(HERE))(x).value, want, rtol=1e-12)
    np.testing.assert_allclose(HERE(8 * x[0]).value, want[0] + 3 * np.log(8), rtol=1e-12)


def test_atoms_have_no_differential_entropy(x64):
    got = HERE(np.zeros((100, 3)))
    assert np.isneginf(got.value) and not bool(got.ok)
    assert not bool(mi.knn_entropy([0.0, 1.0], 3).ok)
    with pytest.raises(ValueError, match="norm='taxi'"):
        mi.knn_entropy(np.ones(9), norm="taxi")

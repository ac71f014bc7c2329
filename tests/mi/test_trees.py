"""Trees on the host give what comparing all pairs gives, wherever they are taken."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi
from ibjax.mi import host, knn, resampling


@pytest.fixture
def by_blocks(monkeypatch):
    """The value of a call without any tree."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(host, "_FEWEST", {4: 10**9})
            return function()

    return call


def samples(step, dims=1, n=1100):
    rng = np.random.default_rng(dims)
    x = rng.normal(size=(n, dims))
    y, z = 0.6 * x + 0.8 * rng.normal(size=(n, dims)), rng.normal(size=(n, 1))
    return [np.round(v / step) * step for v in (x, y, z)] if step else [x, y, z]


@pytest.mark.parametrize("step", [0, 0.1])
@pytest.mark.parametrize("dims", [1, 2])
def test_every_estimator_counts_as_by_blocks(step, dims, by_blocks, x64):
    """Rounded values too: all neighbours at the distance of the k-th count in algorithm 2."""
    x, y, z = samples(step, dims)
    classes = np.digitize(y[:, 0], [-1.0, 0.0, 1.0])
    calls = [
        lambda: mi.ksg(x, y, scale=None),
        lambda: mi.ksg(x, y, algorithm=2, scale=None),
        lambda: mi.mixed(x, y),
        lambda: mi.ross(x, classes),
        lambda: mi.mixed(x, classes),
        lambda: mi.conditional_ksg(x, y, z, scale=None),
        lambda: mi.knn_entropy(x + 1e-3 * z * bool(step)),
        lambda: mi.knn_entropy(x + 1e-3 * z * bool(step), norm="euclidean", scale="standardise"),
    ]
    for call in calls:
        tree, blocks = call(), by_blocks(call)
        np.testing.assert_allclose(tree.value, blocks.value, atol=1e-12)
        np.testing.assert_allclose(tree.std_error, blocks.std_error, atol=1e-12)
        assert bool(tree.ok) == bool(blocks.ok)


def test_trees_are_for_known_samples_in_few_dimensions():
    many = np.zeros((60_000, 1))
    assert host.trees_win(8, many) and not host.trees_win(9, many)
    assert host.trees_win(1, many[:1000]) and not host.trees_win(4, many[:999])
    assert not host.trees_win(5, many[:1000]) and host.trees_win(5, many[:6000])
    assert not jax.jit(lambda v: host.trees_win(1, v))(many)


def test_classes_have_no_dimension_where_trees_are_chosen():
    wide, classes = jnp.zeros((1000, 4)), jnp.zeros(1000, int)
    assert resampling._by_trees(mi.ross, wide, classes)
    assert resampling._by_trees(partial(mi.mixed, k=4), classes, wide)
    assert not resampling._by_trees(mi.mixed, classes, classes)
    assert not resampling._by_trees(mi.ksg, wide, classes)


def test_resampling_goes_through_the_trees(monkeypatch, x64):
    """In one program all pairs would be compared anew for each block and each permutation."""
    x, y, _ = samples(0, n=1300)
    found = mi.with_std_error(mi.ksg, blocks=5)(x, y)
    null = mi.permutation(jax.random.key(0), mi.ksg, x, y, permutations=3)
    seen = []
    monkeypatch.setattr(knn, "_by_blocks", lambda *args: seen.append(args))
    again = mi.with_std_error(partial(mi.ksg, k=3), blocks=5)(x, y)
    other = mi.permutation(jax.random.key(0), partial(mi.ksg, k=3), x, y, permutations=3)
    for kind in (partial(mi.sliced, slices=2), partial(mi.k_sliced, dim=1, slices=2)):
        estimator = partial(kind, jax.random.key(1))
        assert np.isfinite(mi.with_std_error(estimator, blocks=5)(x, y).std_error)
    assert not seen
    np.testing.assert_allclose(again.std_error, found.std_error, rtol=1e-12)
    np.testing.assert_allclose(other.values, null.values, rtol=1e-12)
    slow = mi.permutation(jax.random.key(0), lambda a, b: mi.mixed(a, b), x, y, permutations=3)
    fast = mi.permutation(jax.random.key(0), mi.mixed, x, y, permutations=3)
    np.testing.assert_allclose(fast.values, slow.values, atol=1e-12)

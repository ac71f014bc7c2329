import jax
import numpy as np
import pytest
from scipy.special import digamma

from ibjax import mi


def classes(n, seed, size=3, gap=1.5):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, size, n)
    return gap * y + rng.normal(size=n), y


def test_ross_is_scikit_learns(x64):
    from sklearn.feature_selection import mutual_info_classif

    x, y = classes(1000, 0)
    y[0], y[1:3] = 8, 9  # a class of one and a class of two
    x = x / x.std()
    theirs = mutual_info_classif(x[:, None], y, n_neighbors=3, random_state=0)[0]
    np.testing.assert_allclose(mi.ross(x, y).value, theirs, atol=1e-6)
    np.testing.assert_allclose(mi.ross(x, y, block=64).value, mi.ross(x, y).value, rtol=1e-12)


def test_ross_meets_a_known_mixture(x64):
    truth = float(mi.gaussian_mixture([0.0, 1.5, 3.0], 1.0).value)
    found = [mi.ross(*classes(1000, s)) for s in range(8)]
    error = np.mean([float(e.std_error) for e in found]) / np.sqrt(8)
    assert abs(np.mean([float(e.value) for e in found]) - truth) < 3 * error
    found = [mi.mixed(*classes(1000, s)) for s in range(8)]
    assert abs(np.mean([float(e.value) for e in found]) - truth) < 3 * error


def slow_mixed(x, y, k):
    n, terms = len(x), []
    for i in range(n):
        dx, dy = np.abs(x - x[i]).max(1), np.abs(y - y[i]).max(1)
        joint = np.maximum(dx, dy)
        rho = np.sort(joint)[k]
        if rho == 0:
            counts = [(d == 0).sum() for d in (joint, dx, dy)]
        else:
            counts = [k, (dx < rho).sum(), (dy < rho).sum()]
        terms.append(digamma(counts[0]) + np.log(n) - digamma(counts[1]) - digamma(counts[2]))
    return np.mean(terms)


def test_mixed_is_its_slow_twin_with_atoms_and_without(x64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = x[:, :1] + rng.normal(size=(120, 1))
    y[::3] = 0.0
    x[::4] = 1.0
    for scale, (a, b) in ((None, (x, y)), ("standardise", (x / x.std(0), y / y.std(0)))):
        want = slow_mixed(a, b, 3)
        np.testing.assert_allclose(mi.mixed(x, y, 3, scale=scale, block=50).value, want, rtol=1e-12)


def test_mixed_meets_the_zero_inflated_law(x64):
    # X uniform on 5 classes, Y uniform on [X, X + 2]: I = log 5 - (4/5) log 2
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (8, 1000))
    y = x + 2 * rng.random((8, 1000))
    found = jax.jit(jax.vmap(mi.mixed))(x.astype(float), y)
    error = np.mean(found.std_error) / np.sqrt(8)
    assert abs(np.mean(found.value) - (np.log(5) - 0.8 * np.log(2))) < 3 * error + 0.01


def test_labels_map_and_permute(x64):
    x, y = np.stack([classes(80, s)[0] for s in range(4)]), classes(80, 0)[1]
    want = [float(mi.ross(v, y).value) for v in x]
    got = jax.jit(jax.vmap(mi.ross, (0, None)))(x, y)
    np.testing.assert_allclose(got.value, want, rtol=1e-12)
    np.testing.assert_allclose(mi.ross(x[0][::-1], 7 - 2 * y[::-1]).value, want[0], rtol=1e-12)


def test_what_classes_cannot_carry_is_flagged(x64):
    x = np.random.default_rng(0).normal(size=80)
    assert not bool(mi.ross(x, np.zeros(80, int)).ok)
    assert not bool(mi.ross(x, np.arange(80)).ok)
    assert not bool(mi.ross(np.ones(80), np.arange(80) % 2).ok)
    assert not bool(mi.mixed(np.ones((120, 2)), np.arange(120.0), 3, block=50).ok)
    assert not bool(mi.mixed(x[:3], x[:3]).ok)
    for labels, named in ((x, "dtype"), (np.zeros(4, int), "shape")):
        with pytest.raises(ValueError, match=named):
            mi.ross(x, labels)

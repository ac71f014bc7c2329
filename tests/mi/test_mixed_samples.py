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
        elif (dx == rho).sum() + (dy == rho).sum() > 1:
            counts = [(d <= rho).sum() - 1 for d in (joint, dx, dy)]
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


@pytest.mark.parametrize("grain", [0.002, 0.01, 0.05, 0.3])
def test_rounded_samples_have_ties_that_count(dtype, grain):
    rng = np.random.default_rng(3)
    z, y, noise = rng.normal(size=(3, 900))
    near, far = (np.round(v / grain) * grain for v in (z, z + y))
    near, far, other = (v.astype(dtype) for v in (near, far, np.round(noise / grain) * grain))
    strangers, own = rng.integers(0, 4, 900), (near > 0).astype(int)
    for f in (mi.mixed, *([jax.jit(mi.mixed)] if grain == 0.01 else [])):
        # strict counts give 0.2 to 0.3 for strangers, 0.9 for the sign and 0.7 for the pair
        assert abs(float(f(near, strangers).value)) < 0.08
        law = own.mean()
        entropy = -law * np.log(law) - (1 - law) * np.log(1 - law)
        assert float(f(near, own).value) == pytest.approx(entropy, abs=0.01)
        assert float(f(near, far).value) == pytest.approx(0.3466, abs=0.08)
        assert abs(float(f(near, other).value)) < 0.09
    assert abs(float(mi.ross(near, strangers).value)) < 0.09


def test_trees_and_blocks_count_ties_alike(x64):
    from ibjax.mi import class_estimates as counts
    from ibjax.mi.checks import blur, pair

    rng = np.random.default_rng(4)
    for grain in (1e-9, 0.01, 0.3):
        x = np.round(rng.normal(size=(400, 2)) / grain) * grain
        y = np.round((x[:, :1] + rng.normal(size=(400, 1))) / grain) * grain
        both = pair(x, y, "standardise")
        near = max(blur(x, both.x), blur(y, both.y))
        codes = (y[:, 0] > 0).astype(np.int32)
        for tree, blocks, other in (
            (counts.mixed_by_tree, counts.mixed, both.y),
            (counts.classes_by_tree, counts.classes, codes),
            (counts.ross_by_tree, counts.ross, codes),
        ):
            want, got = tree(both.x, other, 3, near), blocks(both.x, other, 3, 90, near)
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_atoms_beside_densities_are_no_dependence(dtype):
    # strict counts see 0.1 nats here at any of these sizes
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 1200)).astype(dtype)
    x[rng.random(1200) < 0.25], y[rng.random(1200) < 0.33] = 1.0, 0.0
    got = mi.mixed(x, y)
    assert bool(got.ok) and abs(float(got.value)) < 3 * float(got.std_error)


def test_classes_seen_once_are_no_information(dtype):
    rng = np.random.default_rng(6)
    ids = rng.integers(0, 10**6, (2, 1000))
    few, well = ids % 300, ids % 4
    assert not bool(mi.mixed(*ids).ok) and not bool(jax.jit(mi.mixed)(*few).ok)
    assert bool(mi.mixed(*well).ok) and abs(float(mi.mixed(*well).value)) < 0.02


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

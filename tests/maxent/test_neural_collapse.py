"""Neural collapse: exact laws, invariances, degenerate cases, an independent computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from ibjax import maxent


def simplex(classes=4, d=10, radius=2.0, s=0.3):
    """Class means on a simplex of norm `radius`; noise +- s sqrt(d) e_j, covariance s^2 I."""
    frame = np.eye(classes) - 1 / classes
    basis = np.linalg.svd(frame)[2][: classes - 1]
    means = np.zeros((classes, d))
    means[:, : classes - 1] = radius * np.sqrt(classes / (classes - 1)) * frame @ basis.T
    noise = s * np.sqrt(d) * np.concatenate([np.eye(d), -np.eye(d)])
    points = (means[:, None] + noise).reshape(-1, d)
    return points, np.repeat(np.arange(classes), 2 * d), means


def by_definition(x, y, head=None):
    """Every measure from the d x d scatters with NumPy's pseudo-inverse."""
    present = np.unique(y)
    k, n = len(present), len(y)
    mu = np.array([x[y == c].mean(0) for c in present])
    m = mu - mu.mean(0)
    share = np.array([np.mean(y == c) for c in present])
    covs = [np.cov(x[y == c].T, bias=True) for c in present]
    s_w = sum(p * c for p, c in zip(share, covs))
    s_b = m.T @ m / k
    around = mu - x.mean(0)
    s_bw = (share[:, None] * around).T @ around
    s_t = np.cov(x.T, bias=True)
    np.testing.assert_allclose(s_t, s_w + s_bw, atol=1e-12)
    rank = np.linalg.matrix_rank(s_b)
    norms = np.linalg.norm(m, axis=1)
    cos = (m / norms[:, None]) @ (m / norms[:, None]).T
    off = ~np.eye(k, dtype=bool)
    target = (np.eye(k) - 1 / k) / np.sqrt(k - 1)
    gram = m @ m.T
    fisher = np.trace(np.linalg.pinv(s_t, rcond=1e-9) @ s_bw)
    v = np.array([np.trace(c) for c in covs])
    apart = ((mu[:, None] - mu) ** 2).sum(-1)
    found = {
        "nc1": np.trace(s_w @ np.linalg.pinv(s_b, rcond=1e-9)) / k,
        "ratio": np.trace(s_w) / np.trace(s_b),
        "fisher": fisher,
        "vci": 1 - fisher / rank,
        "norms": norms.std() / norms.mean(),
        "angles": np.abs(cos + 1 / (k - 1))[off].mean(),
        "structure": np.linalg.norm(gram / np.linalg.norm(gram) - target),
        "cdnv": ((v[:, None] + v) / (2 * np.where(off, apart, 1)))[off].mean(),
        "rank": rank,
        "classes": k,
    }
    if head is not None:
        w, b = head
        rows = w.T[present]
        found["duality"] = np.linalg.norm(rows / np.linalg.norm(rows) - m / np.linalg.norm(m))
        size = np.linalg.norm(rows, axis=1)
        found["head_norms"] = size.std() / size.mean()
        named = present[np.argmax((x @ w + b)[:, present], axis=1)]
        closest = present[np.argmin(((x[:, None] - mu) ** 2).sum(-1), axis=1)]
        found["nearest_mean"] = np.mean(named != closest)
    assert n
    return found


def test_simplex_has_the_known_values(x64):
    x, y, means = simplex()
    found = maxent.collapse(x, y, head=(means.T, np.zeros(4)))
    truth = {
        "nc1": 0.050625,
        "nc1_rank": 0.0675,
        "ratio": 0.225,
        "fisher": 2.810304449649,
        "vci": 0.063231850117,
        "cdnv": 0.084375,
        "norms": 0,
        "angles": 0,
        "structure": 0,
        "duality": 0,
        "head_norms": 0,
        "nearest_mean": 0,
        "rank": 3,
        "classes": 4,
        "degenerate": 0,
    }
    for name, value in truth.items():
        np.testing.assert_allclose(getattr(found, name), value, atol=1e-11, err_msg=name)
    assert bool(found.ok)
    assert set(maxent.FORMULAS) < set(maxent.Collapse._fields)


def test_linear_maps_keep_the_invariant_index_alone(x64):
    x, y, _ = simplex()
    rng = np.random.default_rng(0)
    before = maxent.collapse(x, y)
    rotation = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    turned = maxent.collapse(3 * x @ rotation + 5, y)
    for a, b in zip(before, turned):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)
    # A map of condition 1e6 in its units alone, then a random one.
    mapped = maxent.collapse(x * np.geomspace(1e-3, 1e3, 10), y)
    np.testing.assert_allclose(mapped.vci, before.vci, rtol=1e-9)
    mapped = maxent.collapse(x @ rng.normal(size=(10, 10)), y)
    np.testing.assert_allclose(mapped.vci, 0.063231850117, rtol=1e-9)
    assert abs(float(mapped.nc1) - 0.050625) > 0.01
    assert float(mapped.norms) > 0.02 and float(mapped.angles) > 0.02


@pytest.mark.parametrize("d", [5, 40])
def test_against_the_definition_with_unbalanced_and_absent_classes(x64, d):
    rng = np.random.default_rng(d)
    y = rng.choice([0, 1, 3, 4], p=[0.5, 0.2, 0.2, 0.1], size=300)
    x = rng.normal(size=(300, d)) * rng.uniform(0.5, 2, d) + rng.normal(size=(5, d))[y] + 100
    head = rng.normal(size=(d, 5)), rng.normal(size=5)
    found = maxent.collapse(x, y, head=head, num_classes=5)
    for name, value in by_definition(x, y, head).items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-8, err_msg=name)
    assert bool(found.ok)


def test_fewer_examples_than_units(x64):
    """The Gram matrix gives what the scatter gives, and the flag says it is not to be used."""
    rng = np.random.default_rng(1)
    y = np.arange(30) % 3
    x = rng.normal(size=(30, 50)) + rng.normal(size=(3, 50))[y]
    found = maxent.collapse(x, y)
    for name, value in by_definition(x, y).items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-8, atol=1e-9, err_msg=name)
    assert float(found.vci) < 1e-9 and not bool(found.ok)


@pytest.mark.parametrize("m", [0.5, 1.0, 2.0])
def test_two_gaussians(x64, m):
    """NC1 = 1/(2 m^2) and VCI = 1/(1 + m^2), from points with exactly these moments."""
    x = np.array([m - 1, m + 1, -m - 1, -m + 1])[:, None].repeat(3, axis=0)
    found = maxent.collapse(x, np.repeat([0, 0, 1, 1], 3))
    np.testing.assert_allclose([found.nc1, found.vci], [1 / (2 * m**2), 1 / (1 + m**2)], rtol=1e-12)


def test_collapsed_on_a_line_is_no_simplex(x64):
    s = 0.1
    noise = s * np.sqrt(2) * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    x = (np.array([[-1.0, 0], [0, 0], [1, 0]])[:, None] + noise).reshape(-1, 2)
    found = maxent.collapse(x, np.repeat([0, 1, 2], 4))
    np.testing.assert_allclose(found.nc1, 0.005, rtol=1e-12)
    assert float(found.rank) == 1 and float(found.degenerate) == 1
    # The two classes left have cosine -1, half from that of a simplex of three.
    np.testing.assert_allclose(found.angles, 0.5, rtol=1e-12)


def test_what_collapse_leaves_and_what_equal_means_hide(x64):
    """H(Y|T) of two Gaussians; I(T;Y) of equal means and deviations 1 and s, all in the gap.

    The best softmax on equal means is the prior, so the linear gap is the whole information:
    deviations of `test_small_index_needs_strict_layer_and_not_conversely` are of this law.
    """
    t, weight = np.polynomial.legendre.leggauss(1200)
    t, weight = 40 * t, 40 * weight

    def entropy_given(first, second):
        mixed = first + second
        both = special.xlogy(first, first / mixed) + special.xlogy(second, second / mixed)
        return -weight @ np.where(mixed > 0, both, 0) / 2

    for m, known in ((0.5, 0.5817256984), (1, 0.3563163602), (2, 0.0604269865)):
        with np.errstate(invalid="ignore"):
            found = entropy_given(stats.norm.pdf(t, m), stats.norm.pdf(t, -m))
        np.testing.assert_allclose(found, known, atol=1e-9)
        # The Bayes error is Phi(-m); its binary entropy is at least what is left.
        error = stats.norm.cdf(-m)
        assert found <= -error * np.log(error) - (1 - error) * np.log1p(-error)
    for s, known in ((2, 0.0927333817), (3, 0.1864940191)):
        with np.errstate(invalid="ignore"):
            left = entropy_given(stats.norm.pdf(t), stats.norm.pdf(t, scale=s))
        np.testing.assert_allclose(np.log(2) - left, known, atol=1e-9)


def test_equal_means_are_not_collapsed_though_they_inform(x64):
    x = np.array([-1.0, 1, -1, 1, -3, 3, -3, 3])[:, None] + 7.3
    found = maxent.collapse(x, np.repeat([0, 1], 4))
    assert float(found.nc1) == np.inf and float(found.vci) == 1 and float(found.rank) == 0
    assert np.isnan(float(found.angles)) and np.isnan(float(found.norms))


def test_perfect_collapse(x64):
    _, y, means = simplex()
    found = maxent.collapse(means[y], y)
    np.testing.assert_allclose([found.nc1, found.ratio, found.vci], 0, atol=1e-12)


def test_flags_and_dead_units(x64):
    x, y, _ = simplex()
    lonely = maxent.collapse(np.r_[x, np.ones((1, 10))], np.r_[y, 4])
    assert not bool(lonely.ok) and float(lonely.classes) == 5
    single = maxent.collapse(x, np.zeros(80, int), num_classes=4)
    assert not bool(single.ok) and np.isnan(float(single.nc1))
    # Dead and copied units add no direction: the invariant index stays, and its flag.
    padded = maxent.collapse(np.hstack([x, np.zeros((80, 30)), x[:, :3]]), y)
    np.testing.assert_allclose(padded.vci, 0.063231850117, rtol=1e-9)
    assert bool(padded.ok)


def test_columns_are_calls_and_survive_a_diverged_replica():
    dtype = "float32"
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, (4, 90))
    layers = [
        (rng.normal(size=(4, 90, d)) + rng.normal(size=(3, d))[y]).astype(dtype) for d in (4, 6)
    ]
    head = rng.normal(size=(4, 6, 3)).astype(dtype), rng.normal(size=(4, 3)).astype(dtype)
    layers[1][3, 0, 0] = np.nan
    found = maxent.collapse_columns(layers, y, head=head)
    rtol = 1e-4
    for r in (0, 2):
        for layer in range(2):
            own = (head[0][r], head[1][r]) if layer else None
            one = maxent.collapse(layers[layer][r], y[r], head=own, num_classes=3)
            for a, b in zip(found, one):
                np.testing.assert_allclose(a[r, layer], b, rtol=rtol, atol=rtol)
    assert found.nc1.dtype == dtype
    assert np.isnan(found.nc1[3, 1]) and np.isnan(found.vci[3, 1]) and not bool(found.ok[3, 1])
    assert bool(found.ok[3, 0])
    mapped = jax.vmap(lambda x, t: maxent.collapse(x, t, num_classes=3))(layers[0], jnp.asarray(y))
    np.testing.assert_allclose(mapped.vci, found.vci[:, 0], rtol=rtol)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_the_unit_of_the_features_says_nothing(scale):
    """In float32: NC1 was lost at 1e10 and at 1e-10, and the distance from a simplex was 1."""
    x, y, means = (part.astype(np.float32) for part in simplex())
    found = maxent.collapse(x * np.float32(scale), y.astype(int), head=(means.T, np.zeros(4)))
    assert bool(found.ok)
    np.testing.assert_allclose([found.nc1, found.vci], [0.050625, 0.063231850117], rtol=1e-4)
    np.testing.assert_allclose([found.structure, found.duality, found.norms], 0, atol=1e-3)


def test_one_point_and_a_head_that_is_none_are_not_ok():
    x, y, means = (part.astype(np.float32) for part in simplex())
    for value in (0.0, 0.1, 1e6):
        assert not bool(maxent.collapse(np.full((80, 3), np.float32(value)), y.astype(int)).ok)
    broken = maxent.collapse(x, y.astype(int), head=(means.T * np.nan, np.zeros(4)))
    assert not bool(broken.ok) and np.isnan(broken.nearest_mean) and np.isfinite(broken.nc1)


def test_jackknife_error_is_the_spread_over_samples(x64):
    def draw(seed):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 3, 400)
        return rng.normal(size=(400, 4)) + 1.5 * np.eye(3, 4)[y], y

    values = np.array([[float(f) for f in maxent.collapse(*draw(s))[:5]] for s in range(60)])
    errors = maxent.collapse_errors(*draw(100))
    np.testing.assert_allclose([float(f) for f in errors[:5]], values.std(0, ddof=1), rtol=0.5)
    assert float(errors.rank) == 0 and bool(errors.ok)


def test_small_index_needs_strict_layer_and_not_conversely(x64):
    """The quadrants of collapse and strictness: a common covariance is strict at every NC1."""
    rng = np.random.default_rng(3)
    y = np.arange(1000) % 2
    wide = rng.normal(size=(1000, 1)) + np.where(y, 0.3, -0.3)[:, None]
    near = 0.05 * rng.normal(size=(1000, 1)) + np.where(y, 1.0, -1.0)[:, None]
    unequal = rng.normal(size=(1000, 1)) * np.where(y, 3.0, 1.0)[:, None]
    gaps, index = [], []
    for x in (wide, near, unequal):
        gaps.append(float(maxent.conditions(x, y, width=32).linear_gap.value))
        index.append(float(maxent.collapse(x, y).vci))
    assert index[0] > 0.8 and abs(gaps[0]) < 0.02  # large, strict
    assert index[1] < 0.01 and abs(gaps[1]) < 0.02  # small, strict
    # Large, not strict: 0.1864940191 in the population, which the sample has to some 0.02.
    assert index[2] > 0.95 and abs(gaps[2] - 0.1864940191) < 0.06


@pytest.mark.parametrize(
    "call,word",
    [
        (lambda: maxent.collapse(np.ones(3), [0, 1, 0]), "features"),
        (lambda: maxent.collapse(np.ones((3, 1)), [0, 1]), "labels"),
        (lambda: maxent.collapse(np.ones((3, 1)), [0, 1, 5], num_classes=3), "labels"),
        (lambda: maxent.collapse([[np.nan], [1.0]], [0, 1]), "features"),
        (lambda: maxent.collapse(np.ones((4, 2)), [0, 1] * 2, head=(np.ones((2, 3)), 0)), "head"),
        (lambda: maxent.collapse_errors(np.ones((4, 2)), [0, 1] * 2, groups=5), "groups"),
        (lambda: maxent.collapse_columns([], [0]), "features"),
        (lambda: maxent.collapse_columns([np.ones((1, 4, 2)), np.ones((1, 3, 2))], [[0]]), "same"),
    ],
)
def test_refusals(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_columns_bring_collapse_and_its_mean_over_replicas():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (4, 200))
    features = rng.normal(size=(4, 200, 3)) + 2 * np.eye(3)[labels]
    features[3, 0, 0] = np.nan
    head = np.broadcast_to(np.eye(3), (4, 3, 3)), np.zeros((4, 3))
    found, collapse = maxent.columns(
        [features, 2 * features], labels, head=head, width=8, collapse=True
    )
    alone = maxent.columns([features, 2 * features], labels, head=head, width=8)
    np.testing.assert_array_equal(found.linear_gap.value, alone.linear_gap.value)
    want = maxent.collapse_columns([features, 2 * features], labels, head=head)
    for name in maxent.Collapse._fields:
        np.testing.assert_array_equal(getattr(collapse, name), getattr(want, name))
    mean = maxent.across(collapse)
    three = np.asarray(collapse.vci)[:3]
    np.testing.assert_allclose(mean.vci.value, three.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(mean.vci.std_error, three.std(axis=0, ddof=1) / 3**0.5, rtol=1e-3)
    assert mean.vci.ok.all() and mean.vci.name == maxent.FORMULAS["vci"]
    # below the last layer there is no head to compare with
    assert np.isnan(mean.duality.value[0]) and not bool(mean.duality.ok[0])
    assert np.isfinite(mean.duality.value[1])

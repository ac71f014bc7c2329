from functools import partial

import jax
import numpy as np
import pytest
from scipy.special import digamma

from ibjax import mi
from ibjax.mi.host import tree_counts


def correlated(n, rho, seed, dim=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, dim))


def slow_counts(x, y, k, algorithm, power=np.inf):
    counts = []
    for i in range(len(x)):
        dx, dy = (np.linalg.norm(v - v[i], power, axis=1) for v in (x, y))
        joint = np.maximum(dx, dy)
        joint[i] = np.inf
        nearest = np.argsort(joint, kind="stable")[:k]
        if algorithm == 1:
            eps = joint[nearest[-1]]
            counts.append([(dx < eps).sum(), (dy < eps).sum()])
        else:
            within = [(d <= d[nearest].max()).sum() - 1 for d in (dx, dy)]
            counts.append(within)
    return np.array(counts).T


def slow_ksg(x, y, k, algorithm, power=np.inf):
    nx, ny = slow_counts(x, y, k, algorithm, power)
    mean = np.mean(digamma(nx) + digamma(ny))
    return digamma(k) + digamma(len(x)) - (algorithm == 2) / k - mean


@pytest.mark.parametrize("algorithm", [1, 2])
@pytest.mark.parametrize("dim", [1, 3])
def test_ksg_is_its_slow_twin(algorithm, dim, x64):
    x, y = correlated(120, 0.6, 0, dim)
    x = x * np.geomspace(0.1, 10, dim)
    for scale, (a, b) in (
        (None, (x, y)),
        ("standardise", (x / x.std(0), y / y.std(0))),
    ):
        want = slow_ksg(a, b, 4, algorithm)
        for options in ({"method": "blocks", "block": 50}, {"method": "tree"}):
            got = mi.ksg(x, y, 4, algorithm=algorithm, scale=scale, **options)
            np.testing.assert_allclose(got.value, want, rtol=1e-12)
            assert bool(got.ok) and got.bias == "unknown" and not got.exact


def test_euclidean_distances_are_of_each_variable(x64):
    x, y = correlated(120, 0.6, 0, 3)
    got = mi.ksg(x, y, 4, norm="euclidean", scale=None, block=50)
    np.testing.assert_allclose(got.value, slow_ksg(x, y, 4, 1, power=2), rtol=1e-12)
    x, y = x[:, :1], y[:, :1]  # on a line all norms are one
    want = mi.ksg(x, y, 4, block=50).value
    for method in ("tree", "blocks"):
        same = mi.ksg(x, y, 4, norm="euclidean", method=method, block=50).value
        np.testing.assert_allclose(same, want, rtol=1e-12)


def test_counts_on_the_host_survive_rounding():
    # a coarse grid with offsets makes many distances equal up to their last bit
    rng = np.random.default_rng(0)
    x = (rng.integers(0, 40, (300, 1)) * 0.1) + 1e3
    y = rng.integers(0, 40, (300, 2)) * 0.1 + rng.normal(size=(300, 2)) * 1e-9
    nx, ny, radius = tree_counts(x, y, 3, 1)
    for i in range(300):
        assert nx[i] == (np.abs(x - x[i]).max(1) < radius[i]).sum()
        assert ny[i] == (np.abs(y - y[i]).max(1) < radius[i]).sum()


def test_ksg_equals_scikit_learns_up_to_its_scaling(x64):
    from sklearn.feature_selection import mutual_info_regression

    x, y = correlated(120, 0.7, 1)
    x, y = x / x.std(), y / y.std()  # scikit-learn scales both and clips at zero
    theirs = mutual_info_regression(x, y[:, 0], n_neighbors=4, random_state=0)[0]
    np.testing.assert_allclose(mi.ksg(x, y, 4, block=50).value, theirs, atol=1e-6)


def test_the_tree_is_taken_for_many_samples_in_few_dimensions(x64, monkeypatch):
    from ibjax.mi import knn

    def refuse(*args):
        raise AssertionError("blocks")

    monkeypatch.setattr(knn, "_by_blocks", refuse)
    x, y = correlated(1000, 0.5, 0)
    assert bool(mi.ksg(x, y).ok)
    with pytest.raises(AssertionError, match="blocks"):
        mi.ksg(np.tile(x, 4) + correlated(1000, 0, 1, 4)[0], y)
    with pytest.raises(AssertionError, match="blocks"):
        mi.ksg(x, y, method="blocks")


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_gaussian_samples_are_met_within_three_standard_errors(rho, x64):
    for algorithm in (1, 2):
        found = [mi.ksg(*correlated(2000, rho, seed), algorithm=algorithm) for seed in range(8)]
        values = np.array([float(e.value) for e in found])
        error = np.mean([float(e.std_error) for e in found])
        truth = -0.5 * np.log1p(-(rho**2))
        assert abs(values.mean() - truth) < 3 * error / np.sqrt(8)
        assert 0.3 * error < values.std() < 2 * error


def test_many_layers_in_one_call(x64):
    x, y = np.stack([correlated(60, r, i) for i, r in enumerate(np.linspace(0, 0.9, 64))], 1)
    together = jax.jit(jax.vmap(mi.ksg))(x, y)
    one_by_one = [float(mi.ksg(a, b).value) for a, b in zip(x, y)]
    np.testing.assert_allclose(together.value, one_by_one, rtol=1e-12)
    assert together.ok.all() and together.value.shape == (64,)


def test_many_neighbours_and_many_dimensions(x64):
    x, y = correlated(80, 0.8, 2, 40)
    np.testing.assert_allclose(mi.ksg(x, y, 9, scale=None).value, slow_ksg(x, y, 9, 1), rtol=1e-12)


def test_memory_stays_below_the_block(x64):
    from ibjax.mi.knn import _by_blocks

    n, rows = 20_000, 16
    spec = jax.ShapeDtypeStruct((n, 2), np.float64)
    used = _by_blocks.lower(spec, spec, 3, 1, rows, True).compile().memory_analysis()
    assert used.temp_size_in_bytes < 12 * rows * n * 8  # all pairs would take 3.2 GB


def test_rounding_does_not_depend_on_what_made_the_samples(x64):
    # fused with the product below, distances would be rounded in two ways and counts change
    x, y = correlated(60, 0.8, 1)
    a = -1 / np.sqrt(1.0000001)
    want = float(mi.ksg(a * x, a * y).value)

    def made_inside(v):
        return mi.ksg(x @ v[None], y @ v[None]).value

    got = jax.jit(lambda v: jax.lax.map(made_inside, v))(np.full((3, 1), a))
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_ksg_does_not_depend_on_shift_scale_or_monotone_order(x64):
    x, y = correlated(120, 0.5, 3)
    ksg = partial(mi.ksg, k=4, block=50)
    want = float(ksg(x, y).value)
    np.testing.assert_allclose(ksg(4 * x + 1, 4 * y - 3).value, want, rtol=1e-12)
    assert abs(float(ksg(np.exp(x), y**3).value) - want) < 0.15


def test_estimates_are_not_clamped(x64):
    values = [float(mi.ksg(*correlated(60, 0.0, s)).value) for s in range(8)]
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize("method", ["blocks", "tree"])
def test_what_neighbours_cannot_measure_is_flagged(method, x64):
    x, y = correlated(60, 0.5, 0)
    constant, classes = np.ones((60, 1)), np.round(y)
    repeated = np.repeat(x[:12], 5, axis=0)
    for a, b in ((constant, y), (x, constant), (x, classes), (repeated, repeated)):
        got = mi.ksg(a, b, method=method)
        assert not bool(got.ok) and got.reason
    assert not bool(mi.ksg([0.1, 0.5, 0.2], [0.3, 0.1, 0.9], k=3, method=method).ok)
    for a, b in ((x, np.tanh(x)), (3 * y, np.sin(y))):  # layers without noise
        assert not bool(mi.ksg(a, b, method=method).ok)
    few = x.copy()
    few[1] = few[0]  # a pair of equal values among many does no harm
    assert bool(mi.ksg(few, y, method=method).ok)


def slow_conditional(x, y, z, k):
    terms = []
    for i in range(len(x)):
        dx, dy, dz = (np.abs(v - v[i]).max(1) for v in (x, y, z))
        xz, yz = np.maximum(dx, dz), np.maximum(dy, dz)
        joint = np.sort(np.maximum(xz, yz))
        eps = joint[k]  # the sample itself is the first
        counts = [(d < eps).sum() for d in (xz, yz, dz)]
        terms.append(digamma(counts[0]) + digamma(counts[1]) - digamma(counts[2]))
    return digamma(k) - np.mean(terms)


def test_conditional_information_is_its_slow_twin(x64):
    x, y = correlated(400, 0.6, 0)
    z = correlated(400, 0.0, 5, 2)[0]
    np.testing.assert_allclose(
        mi.conditional_ksg(x, y, z, 4, scale=None, block=30).value,
        slow_conditional(x, y, z, 4),
        rtol=1e-12,
    )
    a, b, c = (v / v.std(0) for v in (x, y, z))
    np.testing.assert_allclose(
        mi.conditional_ksg(1e3 * x, y, z * [1e-3, 1e3], 4, block=30).value,
        slow_conditional(a, b, c, 4),
        rtol=1e-12,
    )


def test_conditional_information_of_equal_variables_is_not_ok(x64):
    """I(X;X|Z) is infinite: 2.5 nats at 400 samples were called ok; X given by Z is not it."""
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, 400, 1))
    assert not bool(mi.conditional_ksg(x, x, z, block=30).ok)
    assert not bool(mi.conditional_ksg(x, -2 * x + 1, z, block=30).ok)
    assert bool(mi.conditional_ksg(z, y, z, block=30).ok)
    assert bool(mi.conditional_ksg(x, x + y, z, block=30).ok)


def test_conditional_information_removes_a_common_cause(x64):
    # X - Z - Y and a common cause: I(X;Y) > 0 = I(X;Y|Z); the second of z is idle
    rng = np.random.default_rng(0)
    z = rng.normal(size=(8, 400, 2))
    x, y = z[..., :1] + rng.normal(size=(2, 8, 400, 1))
    found = [mi.conditional_ksg(a, b, c, 4, block=30) for a, b, c in zip(x, y, z)]
    values = [float(e.value) for e in found]
    assert all(bool(e.ok) for e in found)
    assert abs(np.mean(values)) < 3 * np.mean([float(e.std_error) for e in found]) / np.sqrt(8)
    whole = [float(mi.ksg(a, b, method="tree").value) for a, b in zip(x, y)]
    assert np.mean(whole) > 0.12  # truth 0.1438
    law = np.array([[2.0, 1, 1], [1, 2, 1], [1, 1, 1]])
    np.testing.assert_allclose(mi.gaussian_conditional(law, 1, 1).value, 0, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: mi.ksg(np.ones(3), np.ones(4)), "x has 3"),
        (lambda: mi.ksg(np.ones((3, 2, 2)), np.ones(3)), "x has shape"),
        (lambda: mi.ksg([1.0, np.nan], [1.0, 2.0]), "NaN"),
        (lambda: mi.ksg([1.0], [1.0]), "1 samples"),
        (lambda: mi.ksg(np.ones(9), np.ones(9), k=0), "k=0"),
        (lambda: mi.ksg(np.ones(9), np.ones(9), algorithm=3), "algorithm=3"),
        (lambda: mi.ksg(np.ones(9), np.ones(9), block=0), "block=0"),
        (lambda: mi.ksg(np.ones(9), np.ones(9), norm="taxi"), "norm='taxi'"),
        (lambda: mi.ksg(np.eye(9), np.eye(9), norm="euclidean", method="tree"), "blocks"),
        (lambda: jax.jit(lambda v: mi.ksg(v, v, method="tree").value)(np.ones(9)), "host"),
        (lambda: mi.conditional_ksg(np.ones(9), np.ones(9), np.ones(8)), "z 8"),
        (lambda: mi.conditional_ksg(np.ones(9), np.ones(9), np.ones(9), 0), "k=0"),
    ],
)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()

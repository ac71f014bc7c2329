"""Samples as people have them: wide integers, half precision, offsets, ties, few of many."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi
from ibjax.mi.registry import variable

HALVES = [np.float16, jnp.bfloat16]


def correlated(n, rho, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)


def test_integers_do_not_wrap(dtype):
    rng = np.random.default_rng(0)
    which = rng.permutation(np.arange(4000) % 4)
    ids = np.array([5, 5 + 2**32, 7, 9])[which]
    for x in (ids, ids.tolist(), ids.astype(np.uint64)):
        np.testing.assert_allclose(mi.plug_in(x, x).value, np.log(4), rtol=1e-6)
    z = which + rng.normal(size=4000)
    for f in (mi.ross, mi.mixed):
        np.testing.assert_allclose(f(z, ids).value, f(z, which).value, rtol=1e-6)
        np.testing.assert_allclose(f(z, which == 1).value, f(z, 1 * (which == 1)).value, rtol=1e-6)
    big = np.array([[2**33 + 4, 4], [4, 2**33 + 4]])
    assert float(mi.discrete(big).value) == pytest.approx(np.log(2), abs=2e-8)
    assert float(mi.discrete(big.tolist()).value) == pytest.approx(np.log(2), abs=2e-8)
    p = big / big.sum()
    # -sum p log p is .693147192: what float32 holds of it
    assert float(mi.conditional_entropy(big).value) == pytest.approx(
        -(p[0] * np.log(2 * p[0])).sum() * 2, abs=1e-9
    )
    x, y = correlated(4000, 0.5**0.5)
    wide = 1_600_000_000_000_000_000 + (6e10 * x).astype(np.int64)
    want = mi.cca(x, y).value
    for v in (wide, wide.astype(np.uint64)):
        np.testing.assert_allclose(mi.cca(v, y).value, want, rtol=1e-5)
    np.testing.assert_allclose(mi.ksg(wide, y).value, mi.ksg(x, y).value, atol=1e-3)
    null = mi.permutation(jax.random.key(0), mi.plug_in, ids, ids, permutations=5)
    np.testing.assert_allclose(null.corrected.value + null.values.mean(), np.log(4), rtol=1e-5)


@pytest.mark.parametrize("half", HALVES)
def test_half_precision_is_counted_exactly(half):
    bits = np.arange(400) % 2
    for v in (bits.astype(half), jnp.asarray(bits, half)):
        got = mi.binned(v, v, 2)
        assert float(got.value) == pytest.approx(np.log(2), rel=1e-6) and bool(got.ok)
        assert got.value.dtype == np.float32
    traced = jax.jit(lambda v: mi.binned(v, v, 2).value)(jnp.asarray(bits, half))
    assert float(traced) == pytest.approx(np.log(2), rel=1e-6)
    x, y = correlated(3000, 0.5**0.5)
    for f in (mi.cca, mi.gaussian_copula, mi.mixed):
        got = f(x.astype(half), y.astype(half))
        # rounded samples have ties and a little noise
        assert float(got.value) == pytest.approx(0.3466, abs=0.06) and np.isfinite(got.std_error)
    assert np.isfinite(mi.kde_bounds(x[:50].astype(half), 1.0).upper.value)


def test_an_offset_costs_no_digits():
    x, y = correlated(2000, 0.5**0.5)
    for f in (mi.mixed, mi.ksg, mi.cca, mi.gaussian_copula, lambda a, b: mi.binned(a, b, 5)):
        np.testing.assert_allclose(f(x + 1e6, y).value, f(x, y).value, atol=1e-3)
    np.testing.assert_allclose(
        mi.kde_bounds(x[:99] + 1e8, 0.5).upper.value,
        mi.kde_bounds(x[:99], 0.5).upper.value,
        rtol=1e-4,
    )
    a, b = x[:300], y[:300]
    far = mi.neural(jax.random.key(0), a + 2.0**40, b, steps=10).value
    np.testing.assert_allclose(far, mi.neural(jax.random.key(0), a, b, steps=10).value, atol=0.02)


def test_undersampled_tables_are_not_ok(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 10**6, (2, 1000))
    for corrected in (False, True):
        assert not bool(mi.plug_in(x, y, corrected=corrected).ok)
        assert not bool(mi.binned(x * 1.0, y * 1.0, 200, corrected=corrected).ok)
    a, b = rng.integers(0, 8, (2, 1000))  # sixteen samples a cell
    assert bool(mi.plug_in(a, b).ok) and bool(mi.binned(a * 1.0, b * 1.0, 8).ok)
    a, b = rng.integers(0, 32, (2, 1000))  # one a cell: plug-in .55, corrected .27, truth 0
    assert not bool(mi.plug_in(a, b).ok) and not bool(mi.plug_in(a, b, corrected=True).ok)
    # one variable well covered, the other not
    assert not bool(mi.plug_in(np.arange(1000), np.arange(1000) % 2).ok)
    assert not bool(jax.jit(mi.plug_in)(a, b).ok)


def test_bits_are_no_gaussian(dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 4000)
    y = x ^ (rng.random(4000) < 0.01)
    truth = np.log(2) + 0.01 * np.log(0.01) + 0.99 * np.log(0.99)
    assert float(mi.plug_in(x, y).value) == pytest.approx(truth, abs=0.02)
    for f in (mi.gaussian_copula, mi.cca, mi.ksg):
        got = f(x.astype(dtype), y.astype(dtype))
        assert not bool(got.ok) and "plug_in" in got.reason
    found = mi.all_applicable(x == 1, y == 1)
    assert set(found) == {"plug_in", "plug_in_corrected"}
    z = rng.normal(size=4000)
    assert set(mi.all_applicable(z, y == 1)) == {"ross", "mixed"}
    assert set(mi.all_applicable(z, np.stack([x, y], 1) == 1)) == {"ross", "mixed"}
    assert "ksg" in mi.all_applicable(z[:99], z[99:198] + 1)
    assert "4 classes" in variable("y", np.stack([x, y], 1) == 1).note
    note = variable("x", np.stack([z, 0 * z, x], 1)).note
    assert "1 constant" in note and "20 values" in note and "standard deviation" in note


def test_the_sign_of_a_cut(dtype):
    x, y = correlated(4000, 0.75, 3)  # .4133 nats
    got = mi.binned(x, y, 10)
    assert float(got.value) < 0.39 and got.bias == "unknown" and bool(got.ok)
    rows = {e.name: e.bias for e in mi.estimators()}
    assert rows["binned_10"] == rows["binned_10_mass"] == rows["plug_in"] == "unknown"
    copy = np.random.default_rng(0).integers(0, 5, 60)
    # of a variable with itself the plug-in value is its entropy, which errs downwards
    values = [
        float(mi.plug_in(c, c).value) for c in np.random.default_rng(0).integers(0, 5, (50, 60))
    ]
    assert np.mean(values) < np.log(5) - 0.01 and not mi.plug_in(copy, copy).exact


def test_units_of_nearest_neighbours(dtype):
    rng = np.random.default_rng(1)
    u, v = rng.random((2, 4000)).astype(dtype)
    y = (u + v) / 2
    want = float(mi.ksg(u, y).value)
    assert want == pytest.approx(0.5, abs=0.05)
    for a in (1e-3, 100.0):
        np.testing.assert_allclose(mi.ksg((a * u).astype(dtype), y).value, want, atol=2e-3)
    raw = float(mi.ksg((100 * u).astype(dtype), y, scale=None).value)
    assert raw < 0.4  # one unit system, one estimator
    s, t = correlated(4000, 0.5**0.5)
    x = np.stack([1e-3 * s, 1e3 * rng.normal(size=4000)], 1).astype(dtype)
    assert float(mi.ksg(x, t.astype(dtype)).value) == pytest.approx(0.3466, abs=0.05)
    side = (t > 0).astype(int)  # I(s; side) = .1931
    for f in (mi.ross, mi.mixed):
        assert float(f(x, side).value) == pytest.approx(0.1931, abs=0.05)
        assert float(f(x, side, scale=None).value) < 0.05
    key, few = jax.random.key(0), slice(0, 1000)
    sliced = mi.sliced(key, x[few], t[few], slices=8)
    same = mi.sliced(key, x[few] * np.array([1e3, 1e-3], dtype), t[few], slices=8)
    np.testing.assert_allclose(sliced.value, same.value, atol=5e-3)
    with pytest.raises(ValueError, match="scale='units'"):
        mi.ksg(s, t, scale="units")
    h = [float(mi.knn_entropy(v, scale="standardise").value) for v in (x[few], x[few] * 2)]
    assert h[1] - h[0] == pytest.approx(2 * np.log(2), abs=1e-4)


def test_exact_dependence_at_rounding_is_flagged(dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3)).astype(dtype)
    y = x @ rng.normal(size=(3, 2)).astype(dtype)
    for f in (mi.cca, jax.jit(mi.cca)):
        assert not bool(f(x, y).ok)
    assert not bool(mi.gaussian_copula(x, np.exp(x[:, :1])).ok)
    cov = np.cov(np.concatenate([x, y], 1).T).astype(dtype)
    assert not bool(mi.gaussian(cov, 3).ok) and not bool(mi.gaussian_entropy(cov).ok)
    law = np.array([[1, 0, 0.6], [0, 0, 0], [0.6, 0, 1]], dtype)  # a coordinate that is constant
    assert float(mi.gaussian(law, 2).value) == pytest.approx(-0.5 * np.log(0.64), rel=1e-6)
    law = np.array([[1, 1, 0.6], [1, 1, 0.6], [0.6, 0.6, 1]], dtype)  # one that is there twice
    assert float(mi.gaussian(law, 2).value) == pytest.approx(-0.5 * np.log(0.64), rel=1e-6)
    assert not bool(jax.jit(lambda c: mi.gaussian(c, 2).ok)(law))
    assert not bool(mi.mixed(x[:, 0], np.tanh(x[:, 0])).ok)


def test_one_class_left_after_dropping_singles(dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=60).astype(dtype)
    labels = np.where(np.arange(60) < 58, 0, np.arange(60))
    for f in (mi.ross, mi.mixed):
        assert not bool(f(x, labels).ok) and not bool(jax.jit(f)(x, labels).ok)
        many = np.tile(x, 20) + rng.normal(size=1200)
        assert not bool(f(many, np.where(np.arange(1200) < 1198, 0, np.arange(1200))).ok)


@pytest.mark.parametrize("name", ["ross", "mixed"])
def test_trees_count_like_blocks(name, x64):
    rng = np.random.default_rng(0)
    f, n = getattr(mi, name), 1100
    y = rng.integers(0, 4, n)
    y[0], y[1:3] = 8, 9
    for x in (y + rng.normal(size=n), y[:, None] * [0.5, 1, 0] + rng.normal(size=(n, 3))):
        x = np.where(rng.random(x.shape) < 0.3, 0.0, x)  # ties
        np.testing.assert_allclose(f(x, y).value, jax.jit(f)(x, y).value, rtol=1e-9)
        np.testing.assert_allclose(f(x, y).std_error, jax.jit(f)(x, y).std_error, rtol=1e-6)
        if name == "mixed":
            z = np.where(rng.random(n) < 0.3, 1.0, y + rng.normal(size=n))
            np.testing.assert_allclose(f(x, z).value, jax.jit(f)(x, z).value, rtol=1e-9)


@pytest.mark.parametrize("algorithm", [1, 2])
def test_ties_cost_nothing_and_change_nothing(algorithm, x64):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1200))
    x[::2], y[::3] = 0, 0
    for a in (x, np.stack([x, y[::-1]], 1)):
        tree = mi.ksg(a, y, algorithm=algorithm, method="tree")
        blocks = mi.ksg(a, y, algorithm=algorithm, method="blocks")
        if algorithm == 1:  # which of several equally far neighbours is the k-th, no one says
            np.testing.assert_allclose(tree.value, blocks.value, rtol=1e-9)
        assert not bool(tree.ok) and not bool(blocks.ok)


def test_time_on_tied_data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20_000))
    tied = np.where(np.arange(20_000) % 2, 0.0, x)

    def seconds(call):
        call()
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    smooth = seconds(lambda: mi.ksg(x, y))
    assert seconds(lambda: mi.ksg(tied, y)) < 5 * smooth + 0.5  # was forty times
    bits = rng.integers(0, 2, (2, 5000, 2))
    quick = seconds(lambda: mi.sliced(jax.random.key(0), *bits, slices=16))
    assert quick < 10  # was a minute


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: mi.ksg(np.ones(9) * 1j, np.ones(9)), "x holds complex"),
        (lambda: mi.discrete(np.eye(2) * 1j), "joint holds complex"),
        (lambda: mi.plug_in(np.ones(9) * 1j, np.ones(9, int)), "x holds complex"),
        (lambda: mi.ksg(np.ones((9, 0)), np.ones(9)), "x has shape"),
        (lambda: mi.cca(np.ones(9), np.ones((9, 0))), "y has shape"),
        (lambda: mi.all_applicable(np.ones((0, 2)), np.ones(0)), "x has shape"),
        (lambda: mi.ross(np.ones((9, 0)), np.ones(9, int)), "x has shape"),
        (lambda: mi.sliced(jax.random.key(0), np.ones(9), np.ones(9), slices=2.0), "slices=2.0"),
    ],
)
def test_unusable_types_are_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()

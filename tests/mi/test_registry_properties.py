"""What holds for every estimator: units and names mean nothing, NaN is never ok."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibjax import mi

ROWS = {e.name: e for e in mi.estimators()}
QUICK = [name for name in ROWS if not name.startswith(("neural", "latent"))]
OF_NUMBERS = [name for name in QUICK if ROWS[name].applies_to != "discrete"]
OF_CLASSES = [name for name in QUICK if ROWS[name].applies_to != "continuous"]
N = 120


def call(row):
    if row.random:
        return lambda x, y: row.function(jax.random.key(0), x, y, slices=2)
    return row.function


def made(kind, seed, dtype="float64", each=1):
    """Two columns, one of them noise, and a scalar or four classes that depend on the first."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 2)).astype(dtype)
    y = (0.8 * x[:, 0] + 0.6 * rng.normal(size=N)).astype(dtype)
    if kind == "continuous":
        return x, np.repeat(y[:, None], each, 1) + np.arange(each, dtype=dtype) * x[:, 1:]
    classes = np.digitize(y, [-0.8, 0.0, 0.8])
    return (x, classes) if kind == "mixed" else (np.digitize(x[:, 0], [-0.5, 0.5]), classes)


@pytest.mark.parametrize("name", OF_NUMBERS)
@given(powers=st.lists(st.integers(-6, 6), min_size=4, max_size=4), seed=st.integers(0, 1))
@settings(max_examples=4)
def test_units_do_not_matter(name, powers, seed):
    row = ROWS[name]
    scale = 10.0 ** np.array(powers)
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            x, y = made(row.applies_to, seed, dtype, row.each)
            want = call(row)(x, y)
            moved = y if row.applies_to == "mixed" else y * scale[2 : 2 + y.shape[1]].astype(dtype)
            got = call(row)(x * scale[:2].astype(dtype), moved)
            assert bool(got.ok) == bool(want.ok) and got.value.dtype == dtype
            # multiplying rounds the samples, and a count or a cell may change
            atol = 2e-3 if dtype == "float32" else 1e-9
            np.testing.assert_allclose(got.value, want.value, atol=atol)


@pytest.mark.parametrize("name", ["neural_infonce", "neural_nwj"])
def test_units_do_not_matter_to_critics(name):
    x, y = made("continuous", 0, "float32")
    f = ROWS[name].function
    want = f(jax.random.key(0), x, y, steps=20)
    # powers of two are exact: the same training, step for step
    got = f(
        jax.random.key(0), x * np.float32([2.0**20, 2.0**-20]), y * np.float32(2.0**15), steps=100
    )
    np.testing.assert_allclose(got.value, want.value, rtol=1e-6)


@pytest.mark.parametrize("name", OF_CLASSES)
@given(
    names=st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4, unique=True),
    wide=st.booleans(),
)
@settings(max_examples=5)
def test_names_of_classes_do_not_matter(name, names, wide):
    row = ROWS[name]
    f = call(row)
    for x64 in (False, True):
        with jax.enable_x64(x64):
            x, y = made(row.applies_to, 1)
            want = float(f(x, y).value)
            called = (
                np.array(names)[y]
                if wide
                else np.random.default_rng(names[0] % 97).permutation(4)[y]
            )
            np.testing.assert_allclose(f(x, called).value, want, rtol=1e-6)
            if row.applies_to == "discrete":
                np.testing.assert_allclose(f(np.array(names)[x], called).value, want, rtol=1e-6)
            flag = y > 1
            np.testing.assert_allclose(f(x, flag).value, f(x, ~flag).value, rtol=1e-6)
            np.testing.assert_allclose(f(x, flag).value, f(x, 5 - 3 * flag).value, rtol=1e-6)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_what_is_no_number_is_never_ok(name):
    row = ROWS[name]
    f = call(row)
    x, y = made(row.applies_to, 0, "float32", row.each)
    good, spoilt = f(x, y), []
    for bad in (np.nan, np.inf, -np.inf):
        v = x.copy()
        v[::10, 0] = bad
        with pytest.raises(ValueError, match="NaN"):
            f(v, y)
        spoilt.append(v)
    together = jax.jit(jax.vmap(f, (0, None)))(np.stack([x, *spoilt]), y)
    assert together.ok.tolist() == [bool(good.ok), False, False, False]
    assert np.isnan(together.value[1:]).all()
    np.testing.assert_allclose(together.value[0], good.value, rtol=2e-3, atol=2e-3)


FEW: dict = dict(steps=20, seeds=1, dim=2, widths=(8,))


def test_trained_estimators_of_what_is_no_number():
    x, y = made("continuous", 0, "float32")
    x[3] = np.nan
    for f in (partial(mi.neural, steps=20), partial(mi.latent, **FEW)):
        got = jax.jit(lambda a, f=f: f(jax.random.key(0), a, y))(x)
        assert not bool(got.ok) and np.isnan(got.value)


def test_units_do_not_matter_to_codes():
    x, y = made("continuous", 0, "float32")
    scale = np.float32([2.0**20, 2.0**-20])
    want = mi.latent(jax.random.key(0), x, y, **FEW)
    got = mi.latent(jax.random.key(0), x * scale, y * np.float32(2.0**15), **FEW)
    np.testing.assert_allclose(got.value, want.value, rtol=1e-6)
    assert bool(got.ok) == bool(want.ok)


def test_other_estimators_of_what_is_no_number():
    x, y = made("continuous", 0, "float32")
    bad = x.copy()
    bad[5] = np.nan
    key = jax.random.key(0)

    @jax.jit
    def everything(v):
        return (
            *mi.kde_bounds(v, 1.0),
            mi.conditional_ksg(v, y, x),
            mi.conditional_ksg(x, y, v),
            mi.knn_entropy(v),
            mi.sample_propagation(key, v, 1.0),
        )

    for got in everything(bad):
        assert not bool(got.ok) and not got.exact
    null = mi.permutation(key, lambda a, b: mi.cca(a, b), x, y, permutations=5)
    assert np.isfinite(null.p_value)
    nothing = jax.jit(lambda v: mi.permutation(key, mi.cca, v, y, permutations=5).p_value)(bad)
    assert np.isnan(nothing)

import jax
import numpy as np
import pytest

from ibjax import mi


def slow_plug_in(a, b):
    _, i = np.unique(a, axis=0, return_inverse=True)
    _, j = np.unique(b, axis=0, return_inverse=True)
    table = np.zeros((i.max() + 1, j.max() + 1))
    np.add.at(table, (i.ravel(), j.ravel()), 1)
    return float(mi.discrete(table).value), table


def slow_cells(v, bins):
    low, high = v.min(0), v.max(0)
    return np.clip(((v - low) / (high - low) * bins).astype(int), 0, bins - 1)


def test_bins_are_a_table_of_their_cells(x64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = x[:, :2] + rng.normal(size=(300, 2))
    want, table = slow_plug_in(slow_cells(x, 4), slow_cells(y, 4))
    np.testing.assert_allclose(mi.binned(x, y, 4).value, want, rtol=1e-12)
    occupied = [(table.sum(a) > 0).sum() for a in (1, 0)]
    excess = ((table > 0).sum() - sum(occupied) + 1) / 600
    got = mi.binned(x, y, 4, corrected=True)
    np.testing.assert_allclose(got.value, want - excess, rtol=1e-12)
    assert got.bias == mi.binned(x, y, 4).bias == "unknown"


def test_cells_of_equal_mass(x64):
    x = np.random.default_rng(0).normal(size=60)
    np.testing.assert_allclose(mi.binned(x, x, 6, cells="mass").value, np.log(6), rtol=1e-12)
    np.testing.assert_allclose(
        mi.binned(np.exp(5 * x), x, 6, cells="mass").value, np.log(6), rtol=1e-12
    )
    tied = np.repeat([0.0, 1.0], 30)  # equal values share a cell, whatever the number of bins
    np.testing.assert_allclose(mi.binned(tied, tied, 6, cells="mass").value, np.log(2), rtol=1e-12)


def test_a_layer_of_distinct_cells_saturates_at_log_n(x64):
    x = np.random.default_rng(0).normal(size=(50, 40))
    np.testing.assert_allclose(mi.binned(x, x, 30).value, np.log(50), rtol=1e-12)


def test_classes_are_a_table(x64):
    rng = np.random.default_rng(3)
    x = rng.integers(-3, 3, 200) * 10**8
    y = (x // 10**8 + rng.integers(0, 2, 200)) % 3
    want, table = slow_plug_in(x, y)
    got = mi.plug_in(x, y)
    np.testing.assert_allclose(got.value, want, rtol=1e-12)
    p = table / 200
    with np.errstate(all="ignore"):
        ratio = np.log(p / p.sum(1, keepdims=True) / p.sum(0))
    local = np.repeat(ratio[p > 0], table[p > 0].astype(int))
    np.testing.assert_allclose(got.std_error, local.std(ddof=1) / np.sqrt(200), rtol=1e-10)
    assert not bool(mi.plug_in(x, np.zeros(200, int)).ok)


def test_the_correction_meets_independence(x64):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 4, (2, 200, 400))

    @jax.jit
    @jax.vmap
    def both(a, b):
        return mi.plug_in(a, b).value, mi.plug_in(a, b, corrected=True).value

    raw, fair = both(x, y)
    np.testing.assert_allclose(raw.mean(), 9 / 800, rtol=0.1)
    assert abs(fair.mean()) < 3 * raw.std() / np.sqrt(200) + 2e-4


def test_counting_takes_memory_of_order_n():
    spec = jax.ShapeDtypeStruct((30_000, 4), np.float32)
    program = jax.jit(lambda a, b: mi.binned(a, b, 10).value).lower(spec, spec).compile()
    assert program.memory_analysis().temp_size_in_bytes < 300 * 30_000


def test_bins_map_over_layers(x64):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4, 80, 2))
    want = [float(mi.binned(a, b, 3).value) for a, b in zip(x, y)]
    got = jax.jit(jax.vmap(lambda a, b: mi.binned(a, b, 3)))(x, y).value
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert not bool(mi.binned(np.ones((80, 2)), y[0], 3).ok)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: mi.binned(np.ones(9), np.ones(9), 1), "bins=1"),
        (lambda: mi.binned(np.ones(9), np.ones(9), 2**30), "overflows"),
        (lambda: mi.binned(np.ones(9), np.ones(9), 2, cells="wide"), "cells='wide'"),
        (lambda: mi.plug_in(np.ones(3, int), np.ones(4, int)), "shapes"),
        (lambda: mi.plug_in(np.ones(3), np.ones(3, int)), "dtypes"),
    ],
)
def test_bad_cells_are_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()

import dataclasses

import jax
import numpy as np
import pytest

from ibjax import mi
from ibjax.mi import registry

ROWS = {e.name: e for e in mi.estimators()}
QUICK = [e.name for e in mi.estimators() if not e.name.startswith(("neural", "latent"))]


def made(kind, n, rho, seed, each=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, each))
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, each))
    if kind == "continuous":
        return x, y
    classes = np.digitize(y[:, 0], [-0.5, 0.5])
    return (x, classes) if kind == "mixed" else (np.digitize(x[:, 0], [-0.5, 0.5]), classes)


def call(row):
    """The row as a function of two samples."""
    if row.random:
        return lambda x, y: row.function(jax.random.key(0), x, y)
    return row.function


def test_names_are_unique_and_rows_say_what_they_are():
    rows = mi.estimators()
    assert len({e.name for e in rows}) == len(rows)
    for e in rows:
        assert e.summary and e.bias in ("none", "up", "down", "unknown")
        assert e.applies_to in ("continuous", "mixed", "discrete")


@pytest.mark.parametrize("name", QUICK)
def test_the_row_tells_the_bias_that_the_estimate_carries(name, x64):
    row = ROWS[name]
    n = 900 if "binned" in name else 90  # a hundred cells want samples
    got = call(row)(*made(row.applies_to, n, 0.6, 0, row.each))
    assert got.bias == row.bias and bool(got.ok) and not got.exact
    assert got.value.shape == got.std_error.shape == got.ok.shape == ()
    assert float(got.std_error) > 0


@pytest.mark.parametrize("name", QUICK)
def test_jit_is_eager_and_vmap_is_a_loop(name, x64):
    row = ROWS[name]
    f = call(row)
    x, y = (
        np.stack(v) for v in zip(*[made(row.applies_to, 90, r, 1, row.each) for r in (0.1, 0.8)])
    )
    want = [f(a, b) for a, b in zip(x, y)]
    got = jax.jit(jax.vmap(f))(x, y)
    np.testing.assert_allclose(got.value, [e.value for e in want], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.std_error, [e.std_error for e in want], rtol=1e-6)
    assert got.ok.tolist() == [bool(e.ok) for e in want]


@pytest.mark.parametrize("name", [n for n in QUICK if n != "max_sliced"])
def test_the_order_of_the_samples_says_nothing(name, x64):
    # max_sliced splits the samples by position
    row = ROWS[name]
    x, y = made(row.applies_to, 90, 0.6, 2, row.each)
    order = np.random.default_rng(0).permutation(90)
    want = float(call(row)(x, y).value)
    np.testing.assert_allclose(call(row)(x[order], y[order]).value, want, rtol=1e-10)


@pytest.mark.parametrize("name", QUICK)
def test_dependence_is_told_from_none(name, x64):
    row = ROWS[name]
    close, none = (call(row)(*made(row.applies_to, 90, r, 3, row.each)) for r in (0.95, 0.0))
    assert float(close.value) > float(none.value) + 0.2


@pytest.mark.parametrize("name", QUICK)
def test_constant_inputs_are_flagged(name, x64):
    row = ROWS[name]
    x, y = made(row.applies_to, 90, 0.5, 0, row.each)
    got = call(row)(np.ones_like(x), y) if row.applies_to != "mixed" else call(row)(x, 0 * y)
    assert not bool(got.ok) and got.reason


@pytest.mark.parametrize("kind", ["continuous", "mixed", "discrete"])
def test_what_applies_is_what_runs(kind, x64):
    x, y = made(kind, 90, 0.7, 4)
    found = mi.all_applicable(x, y)
    assert list(found) == [e.name for e in mi.estimators() if e.applies_to == kind and not e.random]
    for name, estimate in found.items():
        np.testing.assert_allclose(estimate.value, call(ROWS[name])(x, y).value, rtol=1e-12)
    if kind == "mixed":
        turned = mi.all_applicable(y, x)
        assert {k: float(v.value) for k, v in turned.items()} == {
            k: float(v.value) for k, v in found.items()
        }


def test_a_key_adds_the_random_ones(monkeypatch):
    x, y = made("continuous", 30, 0.7, 4)
    seen = []

    def record(*arguments):
        seen.append(arguments)
        return mi.discrete(np.eye(2))

    rows = tuple(dataclasses.replace(e, function=record) for e in mi.estimators())
    monkeypatch.setattr(registry, "estimators", lambda: rows)
    key = jax.random.key(0)
    found = mi.all_applicable(x, y, key=key)
    assert list(found) == [
        e.name for e in rows if e.applies_to == "continuous" and e.together == 2 and e.each == 1
    ]
    wide = np.ones((200, 5)) * np.arange(200.0)[:, None]
    whole = registry.all_applicable(wide, wide, key=key)
    assert list(whole) == [e.name for e in rows if e.applies_to == "continuous"]
    assert "latent" not in registry.all_applicable(wide[:99], wide[:99], key=key)
    assert "k_sliced_2" not in registry.all_applicable(wide, wide[:, :1], key=key)
    del seen[len(found) :]
    assert {"neural_infonce", "neural_nwj", "sliced", "max_sliced"} <= set(found)
    for name, arguments in zip(found, seen):
        assert len(arguments) == 2 + ROWS[name].random
        assert not ROWS[name].random or arguments[0] is key


@pytest.mark.parametrize(("classes", "apart", "columns", "side"), [(5, 1, 1, 1), (2, 10, 3, -1)])
def test_the_error_of_nearest_neighbours_has_no_direction(classes, apart, columns, side):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, (120, 100))
    x = rng.normal(size=(120, 100, columns))
    x[:, :, 0] += apart * labels
    found = jax.vmap(mi.ross)(x.astype(np.float32), labels)
    grid = np.linspace(-9, 9 + apart * classes, 9001)
    p = np.exp(-0.5 * (grid[:, None] - apart * np.arange(classes)) ** 2) / np.sqrt(2 * np.pi)
    terms = p * np.log(np.maximum(p, 1e-300) / np.maximum(p.mean(1, keepdims=True), 1e-300))
    off = np.asarray(found.value) - terms.mean(1).sum() * (grid[1] - grid[0])
    assert side * off.mean() > 3 * off.std() / 120**0.5 > 0 and found.bias == "unknown"
    nearest = ("ksg", "ksg_2", "sliced", "max_sliced", "k_sliced_2", "latent", "ross", "mixed")
    assert {ROWS[name].bias for name in nearest} == {"unknown"}

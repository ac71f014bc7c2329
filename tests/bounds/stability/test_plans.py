import builtins
import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, wasserstein_distance

from ibjax import bounds
from ibjax.bounds.stability.plans import on_the_line, with_margins


def cost(x, y, plan):
    return np.sum(plan * np.linalg.norm(x[:, None] - y, axis=-1))


def test_the_line_against_scipy(x64):
    rng = np.random.default_rng(0)
    for n, m in ((7, 7), (5, 11)):
        x, y = rng.normal(size=n), rng.normal(size=m) + 1
        got = bounds.wasserstein(x, y)
        assert got.value == pytest.approx(wasserstein_distance(x, y), abs=1e-12)
        assert got.bias == "up"
        assert float(jax.jit(on_the_line)(x, y)) == pytest.approx(float(got.value), abs=1e-13)
    assert float(bounds.wasserstein([0.0, 1.0], [1.0, 0.0]).value) == 0.0


def test_clouds_of_other_sizes_are_an_assignment_of_their_copies(x64):
    """n and m points of equal weight are n m points each, every x m times and every y n times."""
    rng = np.random.default_rng(1)
    for n, m in ((3, 4), (5, 2), (1, 6)):
        x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 0.5
        copies = bounds.wasserstein(np.repeat(x, m, axis=0), np.repeat(y, n, axis=0))
        assert bounds.wasserstein(x, y).value == pytest.approx(float(copies.value), abs=1e-10)


def test_an_exact_plan_costs_what_that_of_pot_does(x64):
    ot = pytest.importorskip("ot", reason="POT is not installed; the copies above stand for it")
    rng = np.random.default_rng(2)
    for n, m in ((7, 7), (20, 13)):
        x, y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + 0.3
        theirs = ot.emd2([], [], ot.dist(x, y, "euclidean"))
        assert bounds.wasserstein(x, y).value == pytest.approx(float(theirs), abs=1e-9)


def test_an_exact_plan_is_the_best_assignment(x64):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 5, 3))
    best = min(cost(x, y[list(p)], np.eye(5) / 5) for p in itertools.permutations(range(5)))
    assert bounds.wasserstein(x, y).value == pytest.approx(best, abs=1e-12)
    # Doubled points change the sizes, not the distance.
    assert bounds.wasserstein(np.repeat(x, 2, 0), y).value == pytest.approx(best, abs=1e-9)
    shifted = bounds.wasserstein(x, x + np.array([3.0, 4.0, 0.0]))
    assert shifted.value == pytest.approx(5.0, abs=1e-12)


def test_sliced_distances_are_below(x64):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 30, 4))
    low = bounds.sliced_wasserstein(jax.random.key(0), x, y + 0.5)
    assert low.value < bounds.wasserstein(x, y + 0.5).value
    assert low.bias == "unknown"


@given(st.integers(0, 10**6))
def test_repaired_margins_are_feasible(seed):
    plan = np.random.default_rng(seed).random((4, 6)).astype(np.float32)
    got = np.asarray(with_margins(plan / plan.sum()))
    assert np.all(got >= 0)
    np.testing.assert_allclose(got.sum(1), 1 / 4, rtol=1e-5)
    np.testing.assert_allclose(got.sum(0), 1 / 6, rtol=1e-5)


def test_the_entropic_plan_never_costs_less():
    pytest.importorskip("ott", reason="needs the extra: pip install 'ibjax[ot]'")
    rng = np.random.default_rng(3)
    with jax.enable_x64(True):
        for n, m, epsilon in ((12, 25, None), (20, 20, 0.05)):
            x, y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
            exact = float(bounds.wasserstein(x, y).value)
            above = float(bounds.wasserstein(x, y, method="entropic", epsilon=epsilon).value)
            assert exact - 1e-12 <= above < 1.15 * exact


def test_without_the_extra_the_message_names_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("ott"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"ibjax\[ot\]"):
        bounds.wasserstein(np.eye(3), np.eye(3), method="entropic")


def test_two_gaussians_on_the_line(x64):
    for a, s, b, t in ((0.3, 1.0, -0.2, 0.5), (0.0, 1.0, 0.0, 1.5), (1.0, 2.0, 0.0, 2.0)):
        z = np.linspace(-12, 12, 200_001)
        exact = np.trapezoid(norm.pdf(z) * np.abs(z * (s - t) + a - b), z)
        assert bounds.gaussian_line(a, s, b, t) == pytest.approx(exact, abs=1e-7)
    assert float(bounds.gaussian_line(1.0, 1.0, 3.0, 1.0)) == 2.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bounds.wasserstein(np.ones((3, 2)), np.ones((3, 3))), "dimension"),
        (lambda: bounds.wasserstein(np.ones((3, 2)), np.ones((3, 2)), method="sliced"), "method"),
        (lambda: bounds.wasserstein([np.nan], [1.0]), "finite"),
        (lambda: bounds.wasserstein(np.ones((600, 2)), np.ones((500, 2))), "entropic"),
        (lambda: jax.jit(lambda x: bounds.wasserstein(x, x).value)(np.eye(2)), "traced"),
        (lambda: bounds.gaussian_line(0.0, -1.0, 0.0, 1.0), "std"),
    ],
)
def test_what_is_no_pair_of_clouds_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()

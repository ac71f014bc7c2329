"""Fast rates, interpolation, leave-one-out: arithmetic, orderings and enumerations."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import bounds
from ibjax.bounds import invert
from ibjax.interface import Estimate

FORMS = ("pair", "kl_half", "linear", "basic", "js")
FAST = {f: jax.jit(lambda r, i, f=f: bounds.fast_rate(r, i, form=f).value) for f in FORMS}


def test_whole_sample(x64):
    value = bounds.steinke_zakynthinou(0.5, 100)
    assert float(value.value) == pytest.approx(0.1)
    assert value.kind == "certificate" and float(value.std_error) == 0
    evaluated = bounds.steinke_zakynthinou(0.5, 100, evaluated=True)
    assert float(evaluated.value) == pytest.approx(np.sqrt(2 * (0.5 + np.log(2)) / 100))


@given(st.floats(0, 1), st.floats(0, 0.69))
def test_pair_is_the_tightest_of_its_family(x64, rate, info):
    values = {form: float(function(rate, info)) for form, function in FAST.items()}
    for form in ("kl_half", "linear", "basic"):
        assert values["pair"] <= values[form] + 1e-9
    assert values["pair"] >= -1e-12
    assert values["js"] <= float(FAST["pair"](rate, 2 * info)) + 1e-9


def test_closed_constants(x64):
    golden = np.log((1 + np.sqrt(5)) / 2)
    assert float(FAST["basic"](0.1, 0.05)) == pytest.approx(0.1 + 0.05 / golden, abs=1e-12)
    assert float(FAST["linear"](0.0, 0.1)) == pytest.approx(0.274, abs=1e-3)
    c = np.linspace(0.01, 80, 4000)
    best = bounds.fast_rate(np.full(4000, 0.05), 0.02, form="basic", c=c).value
    assert float(best.min()) + 0.05 == pytest.approx(float(invert.pair(0.05, 0.02)), abs=1e-5)
    vacuous = bounds.fast_rate(0.3, 0.6)
    assert bool(vacuous.vacuous) and float(vacuous.value) <= 0.7 + 1e-12


def test_information_with_an_error(x64):
    noisy = Estimate(np.array(0.05), np.array(0.01), bias="up")
    value = bounds.fast_rate(0.1, noisy)
    assert value.kind == "estimate"
    slope = (invert.pair(0.1, 0.05) - invert.pair(0.1, 0.049)) / 0.001
    assert float(value.std_error) == pytest.approx(float(slope) * 0.01, rel=0.1)
    assert float(bounds.fast_rate(0.1, 0.05).std_error) == 0


def test_interpolation_and_binary_js(x64):
    found = bounds.interpolation(np.array([0.0, 0.1]), 0.308065).value
    assert float(found[0]) == pytest.approx(0.444444, abs=2e-6)
    assert np.isnan(found[1])
    assert not bool(bounds.interpolation(0.1, 0.2).holds)
    # dJS between 0.1 and 0.3, then back.
    h = lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p)  # noqa: E731
    info = h(0.2) - (h(0.1) + h(0.3)) / 2
    assert float(bounds.binary_js(0.1, info).value) == pytest.approx(0.2, abs=1e-9)


def test_leave_one_out_on_an_enumerated_memoriser(x64):
    """Three cells, label 1, unseen 0: every point set of size n + 1 = 3, by exact weights."""
    sets = np.array(list(itertools.product(range(3), repeat=3)))
    losses = np.zeros((27, 3, 3), int)
    for s, points in enumerate(sets):
        for u in range(3):
            seen = set(np.delete(points, u))
            losses[s, u] = [p not in seen for p in points]
    value = bounds.leave_one_out(losses)
    info = []
    for table in losses:
        rows = [tuple(r) for r in table]
        info.append(np.log(3) - np.mean([np.log(rows.count(r)) for r in rows]))
    assert float(value.information) == pytest.approx(np.mean(info), abs=1e-12)
    assert float(value.value) == pytest.approx(1.5 * np.mean(np.sqrt(np.array(info) / 2)))
    test_error = np.mean([losses[:, u, u] for u in range(3)])
    assert test_error == pytest.approx((2 / 3) ** 2)
    assert test_error <= float(value.value)
    assert test_error <= float(value.information) / np.log(3) + 1e-12
    traced = jax.jit(bounds.leave_one_out)(losses)
    assert float(traced.value) == pytest.approx(float(value.value), abs=1e-12)
    assert np.isnan(bounds.leave_one_out(losses[:1]).std_error)


def test_vmap_is_the_loop(x64):
    rate, info = np.array([0.0, 0.1, 0.4]), np.array([0.01, 0.1, 0.3])
    for form, function in FAST.items():
        loop = [float(function(r, i)) for r, i in zip(rate, info)]
        mapped = jax.vmap(lambda r, i, form=form: bounds.fast_rate(r, i, form=form).value)
        np.testing.assert_allclose(mapped(rate, info), loop, atol=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="form='slow'"):
        bounds.fast_rate(0.1, 0.1, form="slow")
    with pytest.raises(ValueError, match="train_error holds 2"):
        bounds.fast_rate(2.0, 0.1)
    with pytest.raises(ValueError, match=r"give .k1, n . 1, n . 1."):
        bounds.leave_one_out(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="other values"):
        bounds.leave_one_out(np.full((2, 3, 3), 2))

"""Fast rates, interpolation, leave-one-out: arithmetic, orderings and enumerations."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import bounds
from ibjax.bounds import checks, invert
from ibjax.interface import BoundValue, Estimate

FORMS = ("pair", "kl_half", "linear", "basic", "js")
FAST = {f: jax.jit(lambda r, i, f=f: bounds.fast_rate(r, i, form=f).value) for f in FORMS}


def test_whole_sample(x64):
    value = bounds.steinke_zakynthinou(0.5, 100)
    assert float(value.value) == pytest.approx(0.1)
    assert value.kind == "estimate" and np.isnan(value.std_error)
    evaluated = bounds.steinke_zakynthinou(0.5, 100, evaluated=True)
    assert float(evaluated.value) == pytest.approx(np.sqrt(2 * (0.5 + np.log(2)) / 100))


def test_whole_sample_in_phi_form(x64):
    value = bounds.steinke_zakynthinou(20.0, 100, inversion="phi")
    assert float(value.value) == pytest.approx(float(invert.phi(0.2)), abs=1e-12)
    assert float(value.value) < float(bounds.steinke_zakynthinou(20.0, 100).value)
    evaluated = bounds.steinke_zakynthinou(20.0, 100, evaluated=True, inversion="phi")
    assert float(evaluated.value) == pytest.approx(float(invert.phi(0.2 + np.log(2) / 100)))
    whole = bounds.steinke_zakynthinou(np.array([70.0, 69.31]), 100, inversion="phi")
    assert bool(whole.vacuous[0]) and not bool(whole.vacuous[1]) and float(whole.value[0]) == 1
    # A memoriser of n = 2 labels, I(W; U) = 2 log 2: the gap 1 is met.
    assert float(bounds.steinke_zakynthinou(2 * np.log(2), 2, inversion="phi").value) == 1
    with pytest.raises(ValueError, match="inversion='root'"):
        bounds.steinke_zakynthinou(1.0, 10, inversion="root")


def test_the_phi_form_bounds_the_mean_of_signs(x64):
    """S = mean of n fair signs, selected by a threshold on |S|: I = -log P(|S| >= t)."""
    signs = np.array(list(itertools.product([-1, 1], repeat=9))).mean(1)
    for t in np.unique(np.abs(signs)):
        chosen = np.abs(signs) >= t
        info, gap = -np.log(chosen.mean()), np.abs(signs[chosen]).mean()
        found = bounds.steinke_zakynthinou(info, 9, evaluated=True, inversion="phi").value
        assert gap <= float(found) + 1e-12
        up = signs >= t
        found = bounds.steinke_zakynthinou(-np.log(up.mean()), 9, inversion="phi").value
        assert signs[up].mean() <= float(found) + 1e-12


def test_standard_errors_of_the_information_carry_over(x64):
    noisy = Estimate(np.array(0.3), np.array(0.01), bias="up")
    got = bounds.interpolation(0.0, noisy)
    assert got.kind == "estimate" and float(got.std_error) == pytest.approx(0.01 / np.log(2))
    root = bounds.steinke_zakynthinou(noisy, 20)
    assert float(root.std_error) == pytest.approx(0.01 / np.sqrt(2 * 0.3 * 20))
    evaluated = bounds.steinke_zakynthinou(noisy, 20, evaluated=True)
    assert float(evaluated.std_error) == pytest.approx(0.01 / np.sqrt(2 * (0.3 + np.log(2)) * 20))
    curved = bounds.steinke_zakynthinou(noisy, 20, inversion="phi")
    assert float(curved.std_error) == pytest.approx(0.01 / 20 / np.arctanh(curved.value), rel=0.02)
    # At the cap the slope is zero and the error is not.
    capped = bounds.steinke_zakynthinou(Estimate(np.array(0.7), np.array(0.1)), 1, inversion="phi")
    assert float(capped.value) == 1 and 0.02 < float(capped.std_error) < 0.1
    for function in (bounds.steinke_zakynthinou, lambda i, n: bounds.fast_rate(0.1, i)):
        exact = function(Estimate(np.array(0.0), np.array(0.0), bias="none", exact=True), 10)
        assert exact.kind == "certificate" and float(exact.std_error) == 0


def memoriser(k2=6):
    """Training loss 0, test loss 1: gap 1, from few masks."""
    masks = np.random.default_rng(0).integers(0, 2, (3, k2, 10))
    return (np.arange(2) != masks[..., None]).astype(int), masks


def test_measured_information_makes_no_certificate(x64):
    losses, masks = memoriser()
    measured = bounds.ld_cmi(losses, masks)
    single = bounds.single_loss(losses, masks)
    for got in (
        bounds.fast_rate(0.0, measured),
        bounds.fast_rate(0.0, measured.information),
        bounds.interpolation(0.0, measured),
        bounds.interpolation(0.0, measured.information),
        bounds.binary_js(0.0, single),
        bounds.binary_js(0.0, single.information),
        bounds.steinke_zakynthinou(measured.information, 10),
    ):
        assert got.kind == "estimate" and np.isnan(got.std_error) and bool(got.holds)
    chained = bounds.fast_rate(0.0, measured)
    assert float(chained.value) < 1, "too few masks: no upper bound"
    same = bounds.ld_cmi(losses, masks, inversion="pair")
    assert float(chained.value) == pytest.approx(float(same.value), abs=1e-12)
    assert float(chained.information) == float(measured.information)
    assert "plug_in" in chained.assumptions and chained.note == measured.note
    assert sorted(chained.assumptions) == sorted({"supersample", *measured.assumptions})
    jitted = jax.jit(bounds.fast_rate)(0.0, measured)
    assert jitted.kind == "estimate" and float(jitted.value) == pytest.approx(float(chained.value))
    with pytest.raises(ValueError, match=r"from ld_cmi, .* fast_rate takes that of pairs"):
        bounds.steinke_zakynthinou(measured, 10)
    with pytest.raises(ValueError, match=r'from single_loss, .*form="js"'):
        bounds.fast_rate(0.0, single)
    with pytest.raises(ValueError, match=r"from single_loss, .*; binary_js"):
        bounds.interpolation(0.0, single)


def test_a_bound_passes_on_its_kind(x64):
    def bound(kind, info=0.2, holds=True):
        numbers = (np.array(0.5), np.array(info), np.array(0.3))
        return BoundValue(*numbers, holds=np.array(holds), kind=kind, about="pair")

    for kind in ("certificate", "estimate", "diagnostic"):
        got = bounds.fast_rate(0.1, bound(kind))
        assert got.kind == kind and float(got.value) == float(bounds.fast_rate(0.1, 0.2).value)
        assert float(got.std_error) == 0 if kind == "certificate" else np.isnan(got.std_error)
    assert float(bounds.fast_rate(0.1, bound("estimate", -0.02)).value) == pytest.approx(0)
    broken = bounds.fast_rate(0.1, bound("certificate", holds=False))
    assert np.isnan(broken.value) and not bool(broken.holds)
    rate = Estimate(np.array(0.1), np.array(0.01), bias="none")
    assert bounds.fast_rate(rate, bound("certificate")).kind == "estimate"
    assert bounds.fast_rate(rate, bound("diagnostic")).kind == "diagnostic"
    assert checks.weakest("estimate", "certificate") == "estimate"


def test_the_error_of_the_training_error_enters(x64):
    known = Estimate(np.array(0.2), np.array(0.0), bias="none", exact=True)
    noisy = Estimate(np.array(0.2), np.array(0.01), bias="none")
    rate = Estimate(np.array(0.1), np.array(0.001), bias="none")
    slopes = jax.grad(lambda r, i: invert.pair(r, i) - r, argnums=(0, 1))(0.1, 0.2)
    alone = bounds.fast_rate(rate, known)
    assert alone.kind == "estimate"
    assert float(alone.std_error) == pytest.approx(float(slopes[0]) * 0.001, rel=0.02)
    both = bounds.fast_rate(rate, noisy)
    assert float(both.std_error) == pytest.approx(
        float(slopes[0]) * 0.001 + float(slopes[1]) * 0.01, rel=0.1
    )
    exact = Estimate(np.array(0.1), np.array(0.0), bias="none", exact=True)
    assert bounds.fast_rate(exact, known).kind == "certificate"
    assert bounds.fast_rate(Estimate(np.array(0.1), np.array(0.0)), known).kind == "estimate"
    # Capped at a test error of 1 the gap is 1 - l; at l = 0 the slope is infinite, the error not.
    capped = bounds.fast_rate(Estimate(np.array(0.5), np.array(0.02)), 0.6 + 0 * known.value)
    assert np.isnan(capped.std_error), "the error of a plain information is unknown"
    high = Estimate(np.array(0.6), np.array(0.0), bias="none", exact=True)
    capped = bounds.fast_rate(Estimate(np.array(0.5), np.array(0.02)), high)
    assert float(capped.std_error) == pytest.approx(0.02)
    edge = bounds.fast_rate(Estimate(np.array(0.0), np.array(0.02)), known)
    moved = float(invert.pair(0.02, 0.2)) - 0.02 - float(invert.pair(0.0, 0.2))
    assert float(edge.std_error) == pytest.approx(moved)
    doubtful = bounds.interpolation(Estimate(np.array(0.0), np.array(0.1)), known)
    assert doubtful.kind == "estimate" and np.isnan(doubtful.std_error)
    assert bounds.interpolation(0.0, known).kind == "certificate"


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
    stated = Estimate(np.array(0.05), np.array(0.0), bias="up", exact=True)
    assert float(bounds.fast_rate(0.1, stated).std_error) == 0
    assert bounds.fast_rate(0.1, stated).kind == "certificate"


def test_interpolation_and_binary_js(x64):
    found = bounds.interpolation(np.array([0.0, 0.1]), 0.308065).value
    assert float(found[0]) == pytest.approx(0.444444, abs=2e-6)
    assert np.isnan(found[1])
    assert not bool(bounds.interpolation(0.1, 0.2).holds)
    # dJS between 0.1 and 0.3, then back.
    h = lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p)  # noqa: E731
    info = h(0.2) - (h(0.1) + h(0.3)) / 2
    assert float(bounds.binary_js(0.1, info).value) == pytest.approx(0.2, abs=1e-9)


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

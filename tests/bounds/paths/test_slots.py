"""Bounds from informations of single runs and slots: reductions, inversions, confidence."""

import jax
import numpy as np
import pytest

from ibjax import bounds

INFO = np.random.default_rng(0).exponential(0.1, size=(50, 4))


def test_the_root_of_the_mean_is_above_the_mean_of_roots(x64):
    valid = bounds.path_prior(INFO)
    legacy = bounds.path_prior(INFO, reduction="mean_of_sqrt")
    assert float(valid.value) == pytest.approx(np.sqrt(INFO.mean() / 2), rel=1e-12)
    assert float(legacy.value) == pytest.approx(np.sqrt(INFO / 2).mean(), rel=1e-12)
    assert float(legacy.value) < float(valid.value)
    assert (valid.kind, legacy.kind) == ("estimate", "diagnostic") and "no bound" in legacy.note
    runs = INFO.mean(1)
    error = runs.std(ddof=1) / np.sqrt(50) / (4 * float(valid.value))
    assert float(valid.std_error) == pytest.approx(error, rel=1e-9)


def test_inversions_are_ordered(x64):
    rate, mean = 0.1, INFO.mean()
    values = {
        form: float(bounds.path_membership(INFO, form=form, train_error=rate).value)
        for form in ("pair", "kl", "phi", "sqrt")
    }
    assert values["pair"] <= values["kl"] <= values["sqrt"]
    assert values["pair"] <= values["phi"] <= values["sqrt"] == pytest.approx(np.sqrt(2 * mean))
    prior = bounds.path_prior(INFO, train_error=rate)
    assert float(prior.value) == pytest.approx(float(bounds.invert.kl(rate, mean)) - rate)
    assert float(prior.value) <= float(bounds.path_prior(INFO).value)
    many = bounds.path_membership(INFO, candidates=10**6, form="kl", train_error=rate)
    assert float(many.value) == pytest.approx(float(prior.value), rel=1e-5)


def test_an_estimate_below_zero_bounds_by_zero(x64):
    below = bounds.path_membership(np.array([-0.02, 0.01]))
    assert abs(float(below.value)) < 1e-12
    assert float(below.information) == pytest.approx(-0.005)


def test_the_confidence_limit_covers(x64):
    """Y ~ N(-k, 2k): the limit lies above the known information in nearly every repetition."""
    rng, k, truth = np.random.default_rng(1), 0.5, 0.11142148
    y = -k + np.sqrt(2 * k) * rng.normal(size=(60, 300, 1))
    limits = jax.vmap(lambda r: bounds.membership_upper(r, 0.1).value)(y)
    assert np.mean(np.asarray(limits) < truth) <= 0.1
    assert np.mean(limits) < np.log(2)
    tighter = [float(bounds.membership_upper(y[0], d).value) for d in (0.01, 0.1, 0.5)]
    assert tighter == sorted(tighter, reverse=True)
    info = bounds.membership_upper(y[0], 0.05)
    assert info.bias == "up" and bounds.k_ghost(info, 2).kind == "certificate"


def test_free_energy_and_grids_with_confidence(x64):
    plain = bounds.free_energy(0.7, 0.4, 50.0, 1000)
    sure = bounds.free_energy(0.7, 0.4, 50.0, 1000, delta=0.05)
    penalty = np.log(2 * np.sqrt(1000) / 0.05)
    assert float(plain.value) == pytest.approx(np.sqrt(15 / 2000), rel=1e-12)
    assert float(sure.value) == pytest.approx(np.sqrt((15 + penalty) / 2000), rel=1e-12)
    rate = bounds.free_energy(0.7, 0.4, 50.0, 1000, delta=0.05, train_error=0.1)
    known = bounds.pac_bayes_kl(0.1, 15.0, 1000, delta=0.05)
    assert float(rate.value) == pytest.approx(float(known.value), rel=1e-9)
    grid, losses = np.array([0.0, 10.0, 50.0]), np.array([0.7, 0.5, 0.4])
    coarse = bounds.thermodynamic(losses[[0, 2]], grid[[0, 2]], 1000)
    fine = bounds.thermodynamic(losses, grid, 1000, delta=0.05, train_error=0.1)
    assert float(coarse.value) == pytest.approx(float(plain.value), rel=1e-12)
    assert float(fine.information) == pytest.approx(10 * 0.7 + 40 * 0.5 - 50 * 0.4)
    assert float(fine.value) < float(rate.value)


def test_a_gaussian_posterior_pays_for_its_draws_and_its_grid(x64):
    mean, widths = np.array([0.1, -0.2]), np.array([0.5, 1.0])
    got = bounds.gaussian_posterior(0.1, 1000, mean, 0.6, 0.0, widths, 500, delta=0.05)
    info = min(float(bounds.gaussian_divergence(mean, 0.6, 0.0, w).value) for w in widths)
    rate = float(bounds.invert.kl(0.1, np.log(100) / 1000))
    budget = (info + np.log(2 * 2 * np.sqrt(500) / 0.05)) / 500
    assert float(got.value) == pytest.approx(float(bounds.invert.kl(rate, budget)) - 0.1, rel=1e-9)
    assert got.kind == "certificate" and not bool(got.vacuous)


def test_a_run_that_diverged_pays_for_no_other(x64):
    """Minus infinity is no information: neither a floor nor the maximum with 0 may swallow it."""
    good = np.linspace(-1, 1, 20)[:, None]
    assert bool(bounds.membership_upper(np.where(good < 0, -np.inf, good), 0.1).ok)
    for bad in (np.inf, np.nan):
        lost = bounds.membership_upper(np.where(good > 0.9, bad, good), 0.1)
        assert not bool(lost.ok) and np.isnan(lost.value)
    for call in (bounds.path_prior, bounds.path_membership):
        assert not bool(call(np.array([-np.inf, 0.1, 0.2])).holds)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: bounds.path_prior(np.zeros((2, 2, 2))), "information has shape"),
        (lambda: bounds.path_prior(INFO, reduction="median"), "reduction='median'"),
        (lambda: bounds.path_membership(INFO, form="best"), "form='best'"),
        (lambda: bounds.path_membership(INFO, candidates=3), "form='phi' is for 2"),
        (lambda: bounds.path_membership(INFO, form="pair"), "train_error=None"),
        (lambda: bounds.membership_upper(np.zeros((1, 1)), 0.1), "R >= 2"),
        (lambda: bounds.membership_upper(np.zeros((5, 1)), 0.0), "delta holds 0"),
    ],
)
def test_refusals(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_jit_is_eager(dtype):
    info = INFO.astype(dtype)
    for call in (bounds.path_prior, bounds.path_membership):
        eager = call(info)
        assert eager.value.dtype == dtype
        traced = jax.jit(call)(info)
        np.testing.assert_allclose(traced.value, eager.value, rtol=1e-5)

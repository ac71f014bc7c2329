"""The joint depth bound, the floor under it, and the exact label term at any sample size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom

from ibjax import bounds, contraction
from ibjax.interface import Estimate

GRID = np.array([1e-4, 1e-3, 0.05, 0.174, 2.0])


def joint(info, eta, away, n=1):
    """For information a sample, loss range 1."""
    return bounds.depth(n * info, eta, n, 0.5, label_deviation=away)


@pytest.mark.parametrize(
    ("info", "eta", "n", "value"),
    [
        (0.174, 1.0, 120, 0.2949576241),
        (0.174, 0.5, 1000, 0.2163223442),
        (0.174, 0.1, 1000, 0.1073833493),
        (0.05, 0.3, 1000, 0.0973668710),
        (2.0, 0.05, 100, 0.2708411068),
        (0.001, 0.3, 120, 0.0223606798),
    ],
)
def test_closed_form(x64, info, eta, n, value):
    got = bounds.depth(n * info, [eta], n, 0.5, num_classes=2)
    assert got.kind == "certificate" and float(got.value) == pytest.approx(value, abs=6e-11)
    away = 0.5 / np.sqrt(n)
    assert float(got.value) <= min(np.sqrt(info / 2), away + np.sqrt(eta * info / 2)) + 1e-15
    x = np.linspace(0, info, 20001)
    rising = np.sqrt((x + eta * (info - x)) / 2)
    falling = away + np.sqrt(eta * (info - x) / 2)
    assert float(got.value) == pytest.approx(np.max(np.minimum(rising, falling)), abs=2e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_never_above_the_bound_without_layers(dtype):
    i, eta, away = np.meshgrid(GRID, [0.0, 1e-6, 0.3, 0.99999, 1.0], [0.0, 0.01, 0.2, 1.0])
    i, eta, away = (v.ravel().astype(dtype) for v in (i, eta, away))
    alone = bounds.xu_raginsky(10 * i, 10, 0.5).value
    with_labels = bounds.depth(10 * i, eta[:, None], 10, 0.5, label_information=7 * away).value
    classes = joint(i, eta[:, None], away).value
    slack = 1 + 4 * np.finfo(dtype).eps
    assert np.all(np.asarray(classes) <= np.asarray(alone))
    assert np.all(np.asarray(with_labels) <= np.asarray(alone) * slack)
    plain = np.sqrt(eta * i / 2) + away
    assert np.all(np.asarray(classes) <= plain * slack)
    before = np.sqrt((0.7 * away + eta * i) / 2)
    assert np.all(np.asarray(with_labels) <= before * slack)
    both = bounds.depth(
        10 * i, eta[:, None], 10, 0.5, label_information=7 * away, label_deviation=away
    ).value
    np.testing.assert_allclose(both, np.minimum(classes, with_labels), rtol=slack - 1)


def test_smooth_where_the_label_term_takes_over(x64):
    """At D = sqrt(I/2) both branches and their slopes meet; at the ends nothing is infinite."""
    value = jax.jit(jax.value_and_grad(lambda i, e, d: joint(i, e, d).value, (0, 1, 2)))
    start = 2 * 0.1**2
    (low, before), (high, after) = (value(start * (1 + h), [0.4], 0.1) for h in (-1e-7, 1e-7))
    assert float(high) == pytest.approx(float(low), abs=1e-7)
    for a, b in zip(before, after):
        assert np.asarray(b) == pytest.approx(np.asarray(a), abs=1e-5)
    for args in ((0.0, [0.5], 0.1), (0.1, [0.0], 0.1), (0.1, [1.0], 0.0), (0.1, [0.5], 0.0)):
        assert all(np.all(np.isfinite(g)) for g in value(*args)[1]), args
    slopes = value(0.1, [0.4], 0.1)[1]
    for k, at in enumerate((0.1, 0.4, 0.1)):
        ends = []
        for h in (-1e-6, 1e-6):
            args = [0.1, [0.4], 0.1]
            args[k] = [at + h] if k == 1 else at + h
            ends.append(float(value(*args)[0]))
        assert float(np.ravel(slopes[k])[0]) == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-6)


def test_measured_inputs_of_the_joint_form(x64):
    rough = Estimate(jnp.array(0.1), jnp.array(1e-3), bias="none")
    got = bounds.depth(1.0, [0.5], 5, 0.5, num_classes=9, label_deviation=rough)
    assert got.kind == "estimate"
    moved = bounds.depth(1.0, [0.5], 5, 0.5, num_classes=9, label_deviation=0.101)
    assert float(got.std_error) == pytest.approx(float(moved.value - got.value), rel=0.01)
    lost = Estimate(jnp.array(0.1), ok=jnp.array(False), bias="none")
    assert np.isnan(bounds.depth(1.0, [0.5], 5, 0.5, num_classes=2, label_deviation=lost).value)
    assert np.isnan(bounds.depth(1.0, [0.5], 5, 0.5, label_information=lost).value)


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ([[0.18, 0.02], [0.08, 0.72]], 0.729537204140),
        ([[0.5, 0.0], [0.1, 0.4]], 0.816496580928),
        ((np.eye(3) * 0.85 + 0.05) / 3, 0.85),
        ([[40, 10], [10, 40]], 0.6),
        ([[30, 20, 0], [30, 20, 0]], 0.0),
        ([[5, 0, 0], [0, 0, 5], [0, 0, 0]], 1.0),
    ],
)
def test_the_floor_of_a_confusion_matrix(x64, table, value):
    got = bounds.depth_floor(table)
    assert float(got.value) == pytest.approx(value, abs=1e-11)
    assert got.bias == "up" and not got.exact and np.isnan(got.std_error)
    assert float(jax.jit(bounds.depth_floor)(np.asarray(table)).value) == pytest.approx(
        value, abs=1e-11
    )


def test_no_channel_is_below_its_floor(x64):
    """Y - X - T with any decision on T; attained where T is a noisy copy of a binary Y."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        labels = rng.dirichlet(np.ones(4), size=3) * rng.dirichlet(np.ones(3))[:, None]
        channel = rng.dirichlet(np.full(5, 0.5), size=4)
        decision = np.eye(3)[rng.integers(0, 3, 5)]
        eta = float(contraction.kl(channel).value)
        rho = float(bounds.depth_floor(labels @ channel @ decision).value)
        assert rho <= np.sqrt(eta) + 1e-12
        # What the floor leaves of the bound without layers.
        got = bounds.depth(3.0, eta, 50, 0.5, num_classes=3).value
        assert float(got) >= rho * np.sqrt(3.0 / 100) - 1e-12
    flip = np.array([[0.8, 0.2], [0.2, 0.8]])
    assert float(bounds.depth_floor(flip / 2).value) ** 2 == pytest.approx(
        float(contraction.kl(flip).value)
    )
    for bad, words in (([0.5], "table"), ([[-1.0, 2.0]], "confusion"), ([[0.0]], "all zero")):
        with pytest.raises(ValueError, match=words):
            bounds.depth_floor(bad)


LAWS = ([0.1] * 10, [1 / 3, 2 / 3], [0.5, 0.499, 0.001], [1e-6, 1 - 1e-6])
SIZES = (1, 2, 60, 60_000, 20_000_000, 300_000_000)


def deviation(law, n):
    """De Moivre's form with scipy's binomial, of the law as it was rounded."""
    p = np.asarray(law, np.float64)
    p = np.minimum(p, 1 - p)
    k = np.minimum(np.floor(n * p), n - 1)
    return float(np.sum(p * (1 - p) * binom.pmf(k, n - 1, p)))


@pytest.mark.parametrize("law", LAWS)
def test_the_label_term_at_any_size_in_single_precision(law):
    traced = jax.jit(bounds.label_deviation)
    single = np.asarray(law, np.float32)
    for n in SIZES:
        got = bounds.label_deviation(law, n)
        assert got.dtype == jnp.float32
        assert float(got) == pytest.approx(deviation(law, n), rel=1e-7), n
        assert float(traced(single, n)) == pytest.approx(deviation(single, n), rel=4e-7), n
        assert float(got) <= 0.5 * np.sqrt((len(law) - 1) / n)


def test_the_label_term_in_double_precision(x64):
    traced = jax.jit(bounds.label_deviation)
    for law in LAWS[:-1]:
        for n in SIZES:
            truth = deviation(law, n)
            assert float(bounds.label_deviation(law, n)) == pytest.approx(truth, rel=1e-12)
            assert float(traced(np.array(law), n)) == pytest.approx(truth, rel=1e-12)
    slope = jax.grad(lambda p: bounds.label_deviation(jnp.array([p, 1 - p]), 10))(0.234)
    ends = [float(bounds.label_deviation([p, 1 - p], 10)) for p in (0.234 - 1e-6, 0.234 + 1e-6)]
    assert float(slope) == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-6)
    assert float(bounds.label_deviation([0.0, 1.0], 5)) == 0.0


def test_joint_sensitivity_against_a_root_finder(x64):
    """The crossing of both bounds by bisection, for a loss of another range and parameter."""
    info, eta, n, sigma, span, dev = 3.0, 0.3, 40, 0.8, 2.5, 0.04

    def apart(x):
        rising = np.sqrt(2 * sigma**2 * (x + eta * (info / n - x)))
        return rising - span * dev - np.sqrt(2 * sigma**2 * eta * (info / n - x))

    x = brentq(apart, 0, info / n)
    value = np.sqrt(2 * sigma**2 * (x + eta * (info / n - x)))
    got = bounds.depth(info, [eta], n, sigma, label_deviation=dev, loss_range=span)
    assert float(got.value) == pytest.approx(value, abs=1e-10)

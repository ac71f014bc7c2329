"""Diagnostics stay below what they diagnose, and no certificate takes them."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import bounds, contraction
from ibjax.contraction import diagnostics
from ibjax.interface import Estimate

K3 = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.25, 0.25, 0.5]])
BITS = [(a, b) for a in (0, 1) for b in (0, 1)]


def masked_bits(keep=0.5):
    """Two bits, each put to 0 with probability 1 - keep."""
    out = np.zeros((4, 4))
    for i, (a, b) in enumerate(BITS):
        for m, n in BITS:
            weight = (keep if m else 1 - keep) * (keep if n else 1 - keep)
            out[i, BITS.index((a * m, b * n))] += weight
    return out


def test_the_kl_coefficient_of_one_input_law(x64):
    uniform = contraction.kl_for_input(np.full(3, 1 / 3), K3)
    assert uniform.value == pytest.approx(0.3237068064, abs=6e-11)
    assert (uniform.kind, uniform.scope) == ("lower", "input")
    other = contraction.kl_for_input([0.5, 0.3, 0.2], K3)
    assert other.value == pytest.approx(0.34290395, abs=6e-9)
    assert other.value > contraction.chi2([0.5, 0.3, 0.2], K3).value + 1e-6
    bits = contraction.kl_for_input(np.full(4, 0.25), masked_bits())
    assert bits.value == pytest.approx(np.log(4 / 3) / np.log(2), abs=6e-11)
    assert contraction.chi2(np.full(4, 0.25), masked_bits()).value == pytest.approx(1 / 3)
    assert contraction.kl(masked_bits()).value == pytest.approx(0.75, abs=1e-12)
    summed = masked_bits() @ np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert contraction.kl(summed).value == pytest.approx(0.75, abs=1e-12)
    assert contraction.chi2(np.full(4, 0.25), summed).value == pytest.approx(1 / 3)


def test_dropout_of_two_units_under_correlated_inputs(x64):
    """Values -1 and 1, keep one half: between the coefficient of one unit and 1 - 0.5^2."""
    values = [(a, b) for a in (-1, 1) for b in (-1, 1)]
    outputs = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    channel = np.zeros((4, 9))
    for i, v in enumerate(values):
        for keep in BITS:
            channel[i, outputs.index((v[0] * keep[0], v[1] * keep[1]))] += 0.25
    for law, eta in (([0.25] * 4, 0.5), ([0.45, 0.05, 0.05, 0.45], 0.70)):
        assert contraction.kl_for_input(law, channel).value == pytest.approx(eta, abs=2e-6)


@given(st.integers(0, 10**6))
def test_the_chain_of_coefficients(seed):
    rng = np.random.default_rng(seed)
    channel, law = rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.full(3, 2.0))
    with jax.enable_x64(True):
        local = float(contraction.chi2(law, channel).value)
        low = float(contraction.kl_for_input(law, channel, steps=200).value)
        high = float(contraction.kl_for_input_upper(law, channel).value)
        total = float(diagnostics.chi2_information(law[:, None] * channel).value)
        everywhere = float(contraction.kl(channel).value)
    tests = rng.dirichlet(np.ones(3), 300)
    out = law @ channel

    def divergence(a, b):
        return np.sum(a * np.log(a / b), -1)

    tried = np.max(divergence(tests @ channel, out) / divergence(tests, law))
    assert local - 1e-12 <= low and tried <= low + 1e-9 and low <= high + 1e-9
    assert high <= everywhere + 1e-12 and local <= total + 1e-12


def test_correlations_of_a_gaussian_pair():
    rng = np.random.default_rng(0)
    mix = np.array([[1.0, 0], [0.5, 2]])
    x = rng.normal(size=(1000, 2))
    t = x @ mix + 0.7 * rng.normal(size=(1000, 2))
    squares = np.linalg.eigvalsh(mix @ np.linalg.inv(mix.T @ mix + 0.49 * np.eye(2)) @ mix.T)
    for got in (
        diagnostics.canonical_correlation(x, t),
        diagnostics.kernel_correlation(jax.random.key(0), x, t, features=32),
    ):
        assert got.bias == "unknown" and abs(got.value - squares[1]) < 4 * got.std_error
    trained = diagnostics.soft_hgr(jax.random.key(0), x, t, rank=2, steps=100)
    assert trained.correlation.value == pytest.approx(squares[1], abs=0.03)
    # Products of powers are the squared correlations of Hermite polynomials.
    all_squares = sorted(squares[0] ** i * squares[1] ** j for i in range(4) for j in range(4))
    best = sum(all_squares[-3:-1])
    spread = 8 * trained.objective.std_error
    assert 0.8 * squares.sum() < 2 * trained.objective.value < best + spread


def test_linear_features_miss_what_trained_ones_find():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1000, 2))
    t = np.stack([x[:, 0] ** 2, x[:, 1] ** 2], 1) + 0.5 * rng.normal(size=(1000, 2))
    exact = 2 / (2 + 0.25)  # correlation ratio of T on X, a lower bound
    assert diagnostics.canonical_correlation(x, t).value < 0.05
    kernel = diagnostics.kernel_correlation(jax.random.key(0), x, t, features=32)
    trained = diagnostics.soft_hgr(jax.random.key(0), x, t, rank=2, steps=100)
    for got in (kernel, trained.correlation):
        assert exact - 0.05 < got.value < 1


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_held_out_correlation_is_not_above_the_truth_on_average(x64, rho):
    """Few rows: a plain square is 0.11 too high without dependence and 0.07 at 0.4."""
    z = np.random.default_rng(0).normal(size=(2, 4000, 20, 1))
    t = rho * z[0] + np.sqrt(1 - rho**2) * z[1]
    found = jax.vmap(diagnostics.canonical_correlation)(z[0], t)
    spread = float(found.value.std())
    assert float(found.value.mean()) <= rho**2 + 3 * spread / 4000**0.5
    assert float(found.value.mean()) > rho**2 - 0.04
    assert 0.5 < float(found.std_error.mean()) / spread < 1.5


def test_fitted_rows_mislead_and_held_out_rows_do_not():
    rng = np.random.default_rng(2)
    x, t = rng.normal(size=(60, 20)), rng.normal(size=(60, 20))
    centred = [np.linalg.qr(v - v.mean(0))[0] for v in (x, t)]
    in_sample = np.linalg.svd(centred[0].T @ centred[1])[1][0] ** 2
    assert in_sample > 0.7
    assert diagnostics.canonical_correlation(x, t).value < 0.3


def test_squares_of_correlations_of_rows_that_depend_are_too_large_where_there_is_none():
    x, t = np.random.default_rng(1).normal(size=(2, 80, 20, 1)).astype(np.float32)
    found = jax.vmap(diagnostics.canonical_correlation)(x, x * t)
    assert float(found.value.mean()) > 0.05 and found.bias == "unknown"  # the truth is 0


def test_information_ratios_with_intervals(x64):
    a, b = Estimate(np.float64(0.3), np.float64(0.03)), Estimate(np.float64(0.6), np.float64(0.04))
    got = diagnostics.information_ratio(a, b)
    assert got.value == pytest.approx(0.5) and bool(got.ok)
    for r in (got.low, got.high):  # the ends solve |a - r b| = z sd
        assert abs(0.3 - r * 0.6) == pytest.approx(1.959963985 * np.hypot(0.03, r * 0.04))
    weak = diagnostics.information_ratio(a, Estimate(np.float64(0.05), np.float64(0.04)))
    assert not bool(weak.ok) and np.isnan(weak.low)
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2000, 12)) * 0.1 + 1
    later = 0.4 * base + 0.02 * rng.normal(size=(2000, 12))
    found = diagnostics.replicate_ratio(later, base)
    inside = (found.low <= 0.4) & (0.4 <= found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / 2000))
    with pytest.raises(ValueError, match="replicates"):
        diagnostics.replicate_ratio(later[0, :2], base[0, :2])


def test_ratios_telescope_to_the_last_information(x64):
    infos = [0.8047189562, 0.4236489302, 0.2, 0.07]
    ratios = [
        float(diagnostics.information_ratio(Estimate(np.float64(b)), Estimate(np.float64(a))).value)
        for a, b in itertools.pairwise(infos)
    ]
    assert infos[0] * np.prod(ratios) == pytest.approx(infos[-1], rel=1e-14)


def test_chi_square_information_and_the_h_score(x64):
    joint = K3 / 3
    singular = np.linalg.svd(joint / np.sqrt(joint.sum(1)[:, None] * joint.sum(0)))[1]
    exact = np.sum(singular[1:] ** 2)
    assert diagnostics.chi2_information(joint).value == pytest.approx(exact, abs=1e-13)
    counts = np.array([[16, 2, 2], [4, 12, 4], [5, 5, 10]])
    x, y = (np.repeat(v.ravel(), counts.ravel()) for v in np.indices((3, 3)))
    score = diagnostics.h_score(np.eye(3)[x], y, 3)
    assert score.value == pytest.approx(float(diagnostics.chi2_information(counts).value))
    with pytest.raises(ValueError, match="labels"):
        diagnostics.h_score(np.eye(3), np.zeros(2, int), 2)


def test_coefficients_from_counts_cover_the_truth(x64):
    rng = np.random.default_rng(0)
    truth = float(contraction.tv(K3).value)
    tables = [np.stack([rng.multinomial(100, row) for row in K3]) for _ in range(20)]
    found = [diagnostics.from_counts(t) for t in tables]
    assert all(f.tv_upper.value >= truth for f in found)
    many = diagnostics.from_counts((K3 * 10**6).astype(int))
    assert many.kl.value == pytest.approx(0.3759620473, abs=1e-8)
    assert many.tv_upper.value == pytest.approx(0.6, abs=0.01)
    assert {found[0].kl.kind, found[0].tv_upper.kind} == {"estimate"}
    with pytest.raises(ValueError, match="every input"):
        diagnostics.from_counts([[1, 2], [0, 0]])


def test_no_certificate_takes_a_diagnostic(x64):
    x = np.random.default_rng(0).normal(size=(100, 2))
    found = diagnostics.canonical_correlation(x, x + 1)
    for etas in (found, [found, found]):
        with pytest.raises(ValueError, match="Estimate"):
            bounds.depth(1.0, etas, 10, 0.5, num_classes=2)
        shown = bounds.depth(1.0, etas, 10, 0.5, variant="published")
        assert shown.kind == "diagnostic"
    for low in (contraction.kl_for_input([0.5, 0.5], np.eye(2)),):
        with pytest.raises(ValueError, match="lower"):
            bounds.depth(1.0, low, 10, 0.5, num_classes=2)
    counted = diagnostics.from_counts([[5, 5], [3, 7]])
    with pytest.raises(ValueError, match="estimate"):
        bounds.depth(1.0, counted.tv_upper, 10, 0.5, num_classes=2)


def test_bad_rows_are_refused():
    for call, words in (
        (lambda: diagnostics.canonical_correlation(np.ones((9, 2)), np.ones((8, 2))), "shape"),
        (lambda: diagnostics.canonical_correlation(np.ones((6, 2)), np.ones((6, 2))), "rows"),
        (lambda: diagnostics.soft_hgr(jax.random.key(0), np.ones(20), np.ones(20), rank=0), "rank"),
        (lambda: diagnostics.chi2_information(np.zeros((2, 2))), "joint"),
    ):
        with pytest.raises(ValueError, match=words):
            call()

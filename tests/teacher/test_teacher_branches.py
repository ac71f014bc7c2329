"""Several fixed points: thresholds, branches and hard phases."""

from functools import partial

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ibjax import teacher
from ibjax.teacher.folded import STEP, _clean, _noisy, folded_means
from ibjax.teacher.priors import scalar_problem
from ibjax.teacher.quadrature import even_mean_of_narrow, even_mean_of_scaled


def test_rademacher_sign_thresholds(x64):
    found = teacher.thresholds("sign", prior="rademacher")
    assert float(found.algorithmic) == pytest.approx(1.492631818, abs=1e-9)
    assert float(found.spinodal_mmse[0]) == pytest.approx(0.106338579, abs=1e-8)
    assert float(found.information_theoretic) == pytest.approx(1.244683990, abs=1e-9)
    assert float(found.weak_recovery) == 0


def test_rademacher_sign_branches(x64):
    alpha = np.array([0.5, 1.0, 1.2, 1.24468, 1.24469, 1.3, 1.45, 1.4926, 1.4927])
    # Padded to the length other tests have compiled.
    padded = np.append(alpha, np.ones(41 - alpha.size))
    limits = teacher.bayes_limits("sign", padded, prior="rademacher")
    limits = type(limits)(*(np.asarray(x)[: alpha.size] for x in limits))
    slow = [0.293089030054, 0.560714737095, 0.668661379867]
    np.testing.assert_allclose(limits.q[:3], slow, atol=6e-13)
    np.testing.assert_allclose(
        limits.q_algorithmic[5:7], [0.725870692947, 0.828757178743], atol=6e-13
    )
    np.testing.assert_allclose(limits.q[4:], 1.0)
    np.testing.assert_array_equal(limits.hard, [0, 0, 0, 0, 1, 1, 1, 1, 0])
    # All ln 2 nats a weight are known beyond the jump.
    np.testing.assert_allclose((alpha * limits.mi_per_sample)[4:], np.log(2), rtol=1e-12)
    assert float(limits.generalization_error[3]) == pytest.approx(0.186665829, abs=2e-5)


def test_noisy_identity_has_two_folds(x64):
    found = teacher.thresholds("identity", prior="rademacher", noise=0.1)
    low, jump, high = (
        float(x) for x in (found.spinodals[1], found.information_theoretic, found.spinodals[0])
    )
    assert low < jump < high == pytest.approx(float(found.algorithmic))
    below = teacher.bayes_limits("identity", jump - 1e-7, noise=0.1, prior="rademacher")
    above = teacher.bayes_limits("identity", jump + 1e-7, noise=0.1, prior="rademacher")
    assert not below.hard and above.hard
    assert float(above.q) - float(below.q) > 0.05
    assert float(above.free_entropy) == pytest.approx(float(below.free_entropy), abs=1e-6)
    points = teacher.fixed_points("identity", jump, noise=0.1, prior="rademacher")
    np.testing.assert_array_equal(points.stable[:4], [True, False, True, False])
    assert np.isfinite(points.q[2]) and np.isnan(points.q[3])
    f = np.asarray(points.free_entropy)
    assert f[0] == pytest.approx(f[2], abs=1e-9) and f[1] < f[0]


def test_absolute_value(x64):
    found = teacher.thresholds("abs")
    assert float(found.weak_recovery) == pytest.approx(0.5, abs=1e-9)
    assert float(found.information_theoretic) == pytest.approx(1.0, abs=1e-6)
    assert float(found.algorithmic) == pytest.approx(1.128471407, abs=1e-9)
    assert float(found.spinodal_mmse[0]) == pytest.approx(0.153354, abs=1e-5)
    alpha = np.array([0.4, 0.6, 0.8, 1.0, 1.1, 1.128, 1.129])
    limits = teacher.bayes_limits("abs", alpha)
    slow = [0.0, 0.0518202721, 0.2162274903, 0.4762635835, 0.6907887769]
    np.testing.assert_allclose(limits.q_algorithmic[:5], slow, atol=6e-11)
    np.testing.assert_allclose(limits.q[4:], 1.0)
    np.testing.assert_array_equal(limits.hard, [0, 0, 0, 0, 1, 1, 0])
    # Without any overlap the best guess of |z| is its mean.
    assert float(limits.generalization_error[0]) == pytest.approx(1 - 2 / np.pi, abs=1e-12)


def test_absolute_value_with_noise(x64):
    # Weak recovery: S^2 over the chi-square of the second Hermite mode, by adaptive quadrature.
    start, top = 0.60428768138677, 4.0
    t, w = np.polynomial.legendre.leggauss(40)
    alpha = np.append(start + (top - start) * (t + 1) / 2, [start - 1e-9, top])
    limits = teacher.bayes_limits("abs", alpha, noise=0.1)
    q, rate, total = (np.asarray(x) for x in (limits.q, limits.next_sample_mi, limits[1]))
    assert q[-2] < 1e-12 < q[0] and q[-1] == pytest.approx(0.9596091181705, abs=1e-12)
    # Area theorem: before recovery every sample says the same.
    area = (top - start) / 2 * w @ rate[:-2]
    assert area + start * total[-2] == pytest.approx(top * total[-1], abs=1e-9)
    assert rate[-2] == pytest.approx(total[-2], abs=1e-12)
    assert not np.any(limits.hard)


@pytest.mark.parametrize(
    "kappa, u", [(0.0, 1.0), (1e-2, 0.005), (0.3, 1.0), (0.3, 3.0), (5.0, 1.0)]
)
def test_folded_normal_by_quadrature(x64, kappa, u):
    def density(y, u):
        if kappa == 0:
            return (norm.pdf(y - u) + norm.pdf(y + u)) * (y >= 0)
        b = np.sqrt(kappa * (1 + kappa))
        sides = (
            norm.pdf(y, v, np.sqrt(1 + kappa)) * norm.cdf((v * kappa + y) / b) for v in (u, -u)
        )
        return sum(sides)

    def score_squared(y):
        h = 1e-3
        ends = (density(y, u + k * h) for k in (-2, -1, 1, 2))
        slope = np.dot([1, -8, 8, -1], list(ends)) / (12 * h)
        return slope**2 / density(y, u)

    low, high = -8 * np.sqrt(kappa), u + 8 * np.sqrt(1 + kappa)
    points = sorted({0.0, 5 * np.sqrt(kappa), u})
    options = {"epsabs": 1e-12, "limit": 300, "points": points}
    fisher = (1 + kappa) * quad(score_squared, low, high, **options)[0]
    entropy = quad(lambda y: -np.log(density(y, u)) * density(y, u), low, high, **options)[0]
    channel = partial(_noisy, kappa, fine=u < 0.01) if kappa else _clean
    got = channel(np.array([u]))[:, 0]
    assert float(got[0]) == pytest.approx(fisher, rel=1e-8)
    assert float(got[1]) == pytest.approx(1 - fisher, abs=1e-8)
    lost = 0.5 * np.log(2 * np.pi * np.e * (1 + kappa)) - entropy
    assert float(got[2]) == pytest.approx(lost, abs=1e-10)


@pytest.mark.parametrize("kappa", [1e-4, 0.3, 20.0])
def test_nearly_constant_means_need_few_nodes(x64, kappa):
    """The short rule just below the slope it is for, beside the long one."""
    noisy, slope = partial(_noisy, np.float64(kappa), fine=True), np.float64(0.0099)
    long = even_mean_of_scaled(noisy, slope, step=0.1)
    np.testing.assert_allclose(even_mean_of_narrow(noisy, slope), long, rtol=1e-13)


def test_noise_far_below_or_above_what_is_unknown(x64):
    """Grids that resolve the edge of little noise were too coarse for the rest of the output."""
    for kappa in (1e-16, 1e-9, 3e-3):
        fine = partial(_noisy, kappa, fine=False, count=3001)
        _, lack, lost = even_mean_of_scaled(fine, np.float64(5.0), step=STEP)
        found = folded_means(np.float64(5.0), np.float64(kappa))
        assert float(found[0]) == pytest.approx(1 - float(lack), abs=1e-10)
        assert float(found[1]) == pytest.approx(float(lost), abs=1e-10)
    for slope, kappa in ((0.005, 1e30), (0.005, 1e11), (3.0, 1e13)):
        mean_alone = 2 / np.pi * np.arcsin(slope**2 / (1 + slope**2))
        found = folded_means(np.float64(slope), np.float64(kappa))
        assert float(found[0]) == pytest.approx(mean_alone, rel=1e-10)
        assert 0 <= float(found[1]) < 1 / kappa
    alpha = np.array([0.3, 1.2, 3.0])
    some, less = (teacher.bayes_limits("abs", alpha, noise=v) for v in (1e-16, 1e-200))
    assert some.mi_per_sample[0] - less.mi_per_sample[0] == pytest.approx(-92 * np.log(10))
    assert not np.any(less.hard) and not np.any(some.hard)
    # Beyond the end of the curve nothing is known: it was taken for the end itself.
    assert np.isfinite(some.mi_per_sample).all()
    assert np.isfinite(less.q).tolist() == [True, False, False]


def test_beyond_the_end_of_the_curve_nothing_is_claimed(x64):
    """y = v + noise: E = 1/(1 + alpha/(E + noise)), to any size of alpha/noise in closed form."""
    for alpha, noise in ((3.0, 1e-16), (1.2, 1e-10), (1e8, 1e-6), (3.0, 1e-30), (1e12, 1e-7)):
        b = alpha + noise - 1
        error = 2 * noise / (b + np.sqrt(b * b + 4 * noise))
        snr = alpha / (error + noise)
        info = np.log1p(error / noise) / 2 + (np.log1p(snr) - snr * error) / (2 * alpha)
        found = teacher.bayes_limits("identity", alpha, noise=noise)
        if snr < np.exp(40):
            assert float(found.mi_per_sample) == pytest.approx(info, rel=1e-7)
        else:
            assert np.isnan(found.mi_per_sample) and np.isnan(found.mmse)
            points = teacher.fixed_points("identity", alpha, noise=noise)
            assert not np.any(np.isinf(points.free_entropy))
    assert float(teacher.bayes_limits("identity", 3.0).q) == 1


def test_no_jump_without_a_fold(x64):
    found = teacher.thresholds("identity", noise=1.0)
    assert np.isnan(found.information_theoretic) and np.isnan(found.algorithmic)
    points = teacher.fixed_points("identity", 1.0, noise=1.0)
    assert np.sum(np.isfinite(points.q)) == 1
    assert float(points.mmse[0]) == pytest.approx((5**0.5 - 1) / 2, abs=1e-14)


@pytest.mark.parametrize("r", [1e-3, 0.3, 0.99, 1.01, 6.0, 40.0])
def test_rademacher_scalar_problem_by_quadrature(x64, r):
    def mean(function):
        def integrand(z):
            return function(r + np.sqrt(r) * z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

        return quad(integrand, -12, 12, epsabs=1e-14, epsrel=1e-13, limit=400, points=[-np.sqrt(r)])

    problem = scalar_problem(np.float64(r), "rademacher")
    mmse, overlap = mean(lambda h: 1 - np.tanh(h))[0], mean(np.tanh)[0]
    assert float(problem.mmse) == pytest.approx(mmse, abs=1e-13)
    assert float(problem.q) == pytest.approx(overlap, abs=1e-13)
    psi = mean(lambda h: np.logaddexp(h, -h) - np.log(2))[0] - r / 2
    assert float(problem.potential) == pytest.approx(psi - r * overlap / 2, abs=1e-12)

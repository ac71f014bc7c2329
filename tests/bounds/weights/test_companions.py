"""Total variation, compression, deviations, decay in time and replace-one stability."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom, norm

from ibjax import bounds, contraction
from ibjax.interface import Estimate


def test_total_variation_from_information(x64):
    got = bounds.variation_from_information([0.0, 0.5, 2.0, np.inf])
    np.testing.assert_allclose(got, [0.0, 0.5, np.sqrt(1 - np.exp(-2)), 1.0], atol=1e-15)
    assert got[2] == pytest.approx(0.92987, abs=6e-6)
    crossing = [float(bounds.variation_from_information(k) ** 2 - k / 2) for k in (1.59, 1.6)]
    assert crossing[0] == pytest.approx(0, abs=1e-15) and crossing[1] < -1e-4
    slope = jax.grad(lambda k: bounds.variation_from_information(k))(0.0)
    assert np.isfinite(slope)


def test_the_depth_bound_in_total_variation(x64):
    layers = [contraction.gaussian_noise_tv(2.0, 1.0)] * 2
    got = bounds.depth_tv([0.1, 0.3], [0.2, 0.4], layers, loss_range=2.0)
    eta = 0.6826894921**2
    assert got.value == pytest.approx(2 * (0.2 + eta * 0.3), abs=1e-9)
    assert got.kind == "certificate" and float(
        bounds.depth_tv([0.1], [0.2]).value
    ) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="scope"):
        local = contraction.chi2([0.5, 0.5], np.eye(2))
        bounds.depth_tv([0.1], [0.2], [local])
    with pytest.raises(ValueError, match="label_variation"):
        bounds.depth_tv([1.1], [0.2])


def test_transport_of_weights_for_the_gaussian_mean(x64):
    """W = mean of Z: given Z_i its law moves by (Z_i - mu)/n and narrows."""
    n, std = 10, 1.0
    full, rest = std / np.sqrt(n), std * np.sqrt(n - 1) / n

    def distance(z):
        return float(bounds.gaussian_line(z / n, rest, 0.0, full)) * norm.pdf(z)

    one = quad(distance, -8, 8)[0]
    got = bounds.algorithmic_transport(np.full(n, one), 1.0)
    # Loss |w - z| is 1-Lipschitz in w; gap by the sum and difference of Gaussians.
    gap = np.sqrt(2 / np.pi) * (np.sqrt(1 + 1 / n) - np.sqrt(1 - 1 / n))
    assert 0 < gap <= got.value < 0.2 and got.kind == "certificate"
    cloudy = bounds.algorithmic_transport(Estimate(np.ones(3), np.full(3, 0.1)), 2.0)
    assert cloudy.kind == "estimate" and cloudy.std_error == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("d", "n", "s", "tau", "gap", "total", "single", "bound"),
    [
        (1, 10, 1, 0, 0.2, np.inf, 0.0526802578, 0.5049479655),
        (2, 10, 1, 0.5, 0.4, 0.3364722366, 0.0289875369, 0.6501063664),
        (5, 50, 2, 0.1, 0.8, 5.4930614433, 0.0448442517, 3.8733941889),
    ],
)
def test_the_gaussian_mean_under_squared_loss(x64, d, n, s, tau, gap, total, single, bound):
    """One-sided sub-Gaussian loss, sigma^2 = 2 d v^2; noise on the weights leaves the gap alone."""
    found = float(bounds.smoothed_information(np.eye(d) * s**2 / n, tau))
    assert found == (np.inf if tau == 0 else pytest.approx(total, abs=6e-11))
    inside = (s**2 / n + tau**2) / (s**2 * (n - 1) / n**2 + tau**2)
    assert d / 2 * np.log(inside) == pytest.approx(single, abs=6e-11)
    v = s**2 * (1 + 1 / n) + tau**2
    got = bounds.individual(np.full(n, d / 2 * np.log(inside)), v * np.sqrt(2 * d))
    assert got.value == pytest.approx(bound, abs=6e-10)
    assert gap == pytest.approx(2 * s**2 * d / n) and gap <= got.value

    def smoothed(noise):
        sigma = np.sqrt(2 * d) * (s**2 * (1 + 1 / n) + noise**2)
        rate = bounds.smoothed_information(np.eye(d) * s**2 / n, noise)
        return float(bounds.rate_distortion(rate, n, sigma, 0.0).value)

    # Deterministic weights have infinite information; with the noise chosen best the bound holds.
    if tau == 0:
        assert smoothed(0.0) == np.inf
        assert gap <= min(smoothed(t) for t in np.linspace(0.05, 2, 40)) < 0.7


def test_rate_and_slices(x64):
    got = bounds.rate_distortion(2.0, 100, 0.5, 0.01)
    assert got.value == pytest.approx(0.5 * np.sqrt(0.04) + 0.01) and got.kind == "certificate"
    drawn = bounds.sliced_weights([1.0, 4.0], 100, 0.5, distance=[0.1, 0.3], lipschitz=0.5)
    each = [0.5 * np.sqrt(0.02) + 0.1, 0.5 * np.sqrt(0.08) + 0.3]
    assert drawn.value == pytest.approx(np.mean(each)) and drawn.kind == "estimate"
    assert drawn.std_error == pytest.approx(np.std(each, ddof=1) / np.sqrt(2))
    assert bounds.sliced_weights(1.0, 100, 0.5).kind == "certificate"
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    exact = 0.5 * np.linalg.slogdet(np.eye(2) + cov / 0.09)[1]
    assert bounds.smoothed_information(cov, 0.3) == pytest.approx(exact)
    with pytest.raises(ValueError, match="distortion"):
        bounds.rate_distortion(1.0, 10, 0.5, -0.1)


def test_a_learner_in_a_random_line(x64):
    """The mean of n Gaussians, projected on a random direction: information of one number."""
    n, d = 20, 30
    whole = float(bounds.smoothed_information(np.eye(d) / n, 0.1))
    line = float(bounds.smoothed_information(1 / n, 0.1))
    assert line == pytest.approx(whole / d)
    assert bounds.sliced_weights(line, n, 1.0).value < bounds.xu_raginsky(whole, n, 1.0).value / 5


def test_absolute_gap_and_its_probability(x64):
    got = bounds.absolute_gap(1.0, 200, 0.5)
    assert got.value == pytest.approx(np.sqrt(0.5 * (1 + np.log(2)) / 200))
    rare = bounds.deviation_probability(0.3, 1.0, 200, 0.5)
    assert rare == pytest.approx((1 + np.log(2)) / (200 * 0.09 * 2 - np.log(2)))
    assert float(bounds.deviation_probability(0.01, 1.0, 20, 0.5)) == 1.0
    # One fixed coin, no information: the exact probability is below.
    counts = np.arange(201)
    exact = np.sum(binom.pmf(counts, 200, 0.5) * (np.abs(counts / 200 - 0.5) > 0.2))
    assert exact < bounds.deviation_probability(0.2, 0.0, 200, 0.5)


def test_the_exact_label_term(x64):
    law, n = np.array([0.2, 0.3, 0.5]), 7
    k = np.arange(n + 1)
    exact = 0.5 * sum(np.sum(binom.pmf(k, n, p) * np.abs(k / n - p)) for p in law)
    got = bounds.label_deviation(law, n)
    assert got == pytest.approx(exact, abs=1e-13)
    assert got < 0.5 * np.sqrt(2 / n)
    assert float(bounds.label_deviation([1.0, 0.0], 5)) == 0.0
    cheap = bounds.depth(1.0, [0.5], n, 0.5, label_deviation=got)
    dear = bounds.depth(1.0, [0.5], n, 0.5, num_classes=3)
    joint = exact / 2 + np.sqrt(0.25 / n - exact**2 / 4)
    assert cheap.value == pytest.approx(joint) and cheap.value < dear.value
    both = bounds.depth(1.0, [0.5], n, 0.5, num_classes=3, label_deviation=got)
    assert float(both.value) == float(cheap.value)
    assert 0.5 * np.sqrt(9 / 50000) == pytest.approx(0.00671, abs=5e-6)


def test_gaussian_noise_wears_old_information_away(x64):
    """Noisy averaging: example 1 is used once, at the first step; W_T is linear Gaussian."""
    steps, rate, noise, size = 6, 0.5, 0.4, 2.0
    used = np.zeros((steps, 2), bool)
    used[0, 0] = used[1:, 1] = True
    plain = bounds.decayed_information(np.full(steps, rate), np.full(steps, noise), used, 1.0, 1, 3)
    step = 1.5 * np.log1p(rate**2 / (3 * noise**2))
    np.testing.assert_allclose(plain.value, [step, 5 * step])
    worn = bounds.decayed_information(
        np.full(steps, rate), np.full(steps, noise), used, 1.0, 1, 3, domain=size
    )
    eta = float(contraction.gaussian_noise(size + 2 * rate, noise).value)
    assert worn.value[0] == pytest.approx(step * eta**5)
    assert worn.value[1] == pytest.approx(5 * step)
    assert worn.bias == "up" and float(worn.std_error[0]) == 0
    silent = bounds.decayed_information(
        np.full(2, rate), np.array([0.0, 1.0]), used[:2], 1.0, 1, 3, domain=size
    )
    assert silent.value[0] == np.inf and np.isfinite(silent.value[1])
    with pytest.raises(ValueError, match="used"):
        bounds.decayed_information([0.1], [0.1], used, 1.0, 1, 3)


def test_decay_refuses_steps_that_use_more_than_the_batch(x64):
    """The mean over b of more than b gradients may be longer than C."""
    steps, used = np.full(2, 0.1), np.array([[True, True, True], [False, True, False]])
    with pytest.raises(ValueError, match="3 examples, more than batch_size=2"):
        bounds.decayed_information(steps, steps, used, 1.0, 2, 3, domain=1.0)
    with pytest.raises(ValueError, match="used holds nan"):
        bounds.decayed_information(steps, steps, np.where(used, 1.0, np.nan), 1.0, 3, 3)
    assert bool(bounds.decayed_information(steps, steps, used, 1.0, 3, 3).ok.all())


def test_a_covariance_that_is_none_is_refused(x64):
    for wrong, named in [
        (np.array([[1.0, 5.0], [0.0, 1.0]]), "not symmetric"),
        (np.diag([1.0, -1.0]), "negative eigenvalue"),
        (-3.0, "covariance holds -3"),
    ]:
        with pytest.raises(ValueError, match=named):
            bounds.smoothed_information(wrong, 1.0)
        assert np.isnan(jax.jit(bounds.smoothed_information)(wrong, 1.0))
    for right in (np.diag([2.0, 0.0]), 2.0):  # which a trace is no reason to refuse
        known = bounds.smoothed_information(right, 1.0)
        assert jax.jit(bounds.smoothed_information)(right, 1.0) == pytest.approx(np.log(3) / 2)
        assert known == pytest.approx(np.log(3) / 2)
    assert np.isnan(bounds.smoothed_information(np.full((2, 2), np.nan), 1.0))


def test_decay_holds_for_a_clipped_chain_by_quadrature(x64):
    """Scalar weights in [-1, 1], Z = +-1 pushes once; I(Z; W_T) on a grid."""
    grid = np.linspace(-6, 6, 1201)
    width, s, a = grid[1] - grid[0], 0.8, 0.5
    before = {z: norm.pdf(grid, -a * z, s) for z in (-1, 1)}
    kernel = norm.pdf(grid[None], np.clip(grid, -1, 1)[:, None] * (1 - a), s)
    infos = []
    for _ in range(3):
        mean = (before[1] + before[-1]) / 2
        infos.append(
            sum(0.5 * np.sum(p * np.log(p / mean + 1e-300)) * width for p in before.values())
        )
        before = {z: p @ kernel * width for z, p in before.items()}
    used = np.array([[True], [False], [False]])
    for t in (1, 2, 3):
        got = bounds.decayed_information(
            np.full(t, a), np.full(t, s), used[:t], 1.0, 1, 1, domain=2.0
        )
        assert infos[t - 1] <= got.value[0]
    assert got.value[0] < 0.9 * 0.5 * np.log1p(a**2 / s**2)


@pytest.mark.parametrize(
    ("steps", "exact", "path", "summed"),
    [
        (1, 0.1682361183, 0.1682361183, 0.1682361183),
        (10, 0.7706108114, 0.8047189562, 1.6823611831),
        (50, 1.0713292989, 1.5222612189, 8.4118059155),
    ],
)
def test_noisy_descent_to_a_gaussian_mean(x64, steps, exact, path, summed):
    """W <- (1 - a) W + a mean + noise: last weights, path and sum of steps, in this order."""
    n, s, a, tau = 10, 1.0, 0.1, 0.05
    shrink = 1 - (1 - a) ** steps
    noise = tau * np.sqrt(np.sum((1 - a) ** (2.0 * np.arange(steps))))
    last = bounds.smoothed_information(shrink**2 * s**2 / n, noise)
    assert last == pytest.approx(exact, abs=6e-11)
    whole = bounds.smoothed_information(np.full((steps, steps), a**2 * s**2 / n), tau)
    assert whole == pytest.approx(path, abs=6e-11)
    stepwise = bounds.noisy_sgd_information(
        np.full(steps, a), np.full(steps, tau), s / np.sqrt(n), 1
    )
    assert stepwise.value == pytest.approx(summed, abs=6e-11)
    assert last <= whole + 1e-12 <= stepwise.value + 2e-12


def test_published_numbers_of_noisy_sgd(x64):
    t = np.arange(1, 101)
    log = bounds.noisy_sgd_information(0.1 / t, np.sqrt(0.01 / t), 1.0, 10)
    linear = bounds.noisy_sgd_information(0.1 / t, np.sqrt(0.01 / t), 1.0, 10, form="linear")
    assert log.value == pytest.approx(2.5546918044, abs=6e-11)
    assert linear.value == pytest.approx(2.5936887588, abs=6e-11)
    assert bounds.xu_raginsky(log, 1000, 0.5).value == pytest.approx(0.0357399762, abs=6e-11)
    assert bounds.xu_raginsky(linear, 1000, 0.5).value == pytest.approx(0.0360117256, abs=6e-11)
    factor = bounds.depth(log, [0.5] * 3, 1000, 0.5, variant="published").value
    assert factor == pytest.approx(0.0357399762 * 0.3535533906, abs=6e-11)
    langevin = [
        bounds.noisy_sgd_information(0.1 / t, np.sqrt(0.1 / t), 1.0, 10, form=f).value
        for f in ("log", "linear")
    ]
    assert langevin[0] == pytest.approx(0.2589621198, abs=6e-11)
    assert langevin[1] == pytest.approx(0.2593688759, abs=6e-11)
    assert langevin[1] <= 0.05 * (np.log(100) + 1) == pytest.approx(0.2802585093, abs=6e-11)


def sign_learner(noise):
    def draw(key, n):
        return jax.random.normal(key, (n,))

    def learn(key, z):
        return jnp.sign(jnp.sum(z) + noise * jax.random.normal(key))

    return draw, learn, lambda w, z: -w * z


def test_replacing_one_example_is_the_gap():
    n, noise = 6, 1.0
    found = bounds.replace_one(jax.random.key(0), *sign_learner(noise), n, 4_000)
    gap = np.sqrt(2 / np.pi) / np.sqrt(n + noise**2)
    for measured in (found.stability, found.gap):
        assert abs(measured.value - gap) < 4 * measured.std_error
    assert abs(found.difference.value) < 4 * found.difference.std_error
    beta = bounds.xu_raginsky(np.log(2), n, 1.0).value
    assert found.stability.value < beta
    with pytest.raises(ValueError, match="runs"):
        bounds.replace_one(jax.random.key(0), *sign_learner(0.0), n, 1)

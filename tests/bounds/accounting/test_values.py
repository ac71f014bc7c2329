"""Printed values that no other test of the accountant holds, by part of it."""

import itertools
import math

import numpy as np
import pytest

from ibjax import bounds, contraction
from ibjax.langevin.accountant import increment

TABLE = [  # n, b, T, eta, beta; gap at training error .02, E |gap|, I(S; W) and its bound before
    (120, 120, 200, 0.1, 500, 0.198174, 0.2995, 20.83, 3.2275),
    (120, 20, 200, 0.1, 500, 0.201419, 0.3026, 21.29, 3.2275),
    (800, 80, 200, 0.1, 500, 0.014975, 0.0489, 3.130, 1.2500),
    (1000, 100, 200, 0.1, 500, 0.011552, 0.0400, 2.503, 1.1180),
    (1000, 10, 2000, 0.1, 500, 0.052646, 0.1204, 28.3, 3.5355),
    (4000, 100, 1600, 0.004, 4000, 0.004220, 0.0169, 1.601, 0.8944),
    (5000, 500, 200, 0.3, 1000, 0.005240, 0.0192, 3.001, 1.2247),
    (60000, 600, 2000, 0.1, 5000, 0.001695, 0.0064, 4.168, 1.4434),
]


@pytest.mark.parametrize("row", TABLE)
def test_account_of_the_table(x64, row):
    n, b, steps, eta, beta, gap, absolute, sample, before = row
    etas = np.full(steps, eta)
    stds = np.sqrt(2 * etas / beta)
    found = bounds.account(
        etas, stds, clip=1.0, batching="poisson", batch_size=b, n=n, dim=None, train_error=0.02
    )
    assert float(found.gap_at_error.value) == pytest.approx(gap, abs=6e-7)
    assert float(found.absolute_gap.value) == pytest.approx(absolute, abs=6e-5)
    assert float(found.per_sample.value) == pytest.approx(sample, rel=2e-3)
    # One channel a step for the whole batch: steps of the mean gradient, as long as the clip.
    whole = bounds.noisy_sgd_information(etas, stds, 1.0, 10**9, form="linear")
    assert float(bounds.xu_raginsky(whole, n, 0.5).value) == pytest.approx(before, abs=6e-5)


@pytest.mark.parametrize("info, n, size, printed", [
    (20.8333333333, 120, 0.5, 0.362967844),
    (2.5025322, 1000, 0.1, 0.165520472),
    (2.5025322, 1000, 0.08, 0.263956244),
])  # fmt: skip
def test_probability_without_the_binary_entropy(x64, info, n, size, printed):
    found = float(bounds.deviation_probability(size, info, n, 0.5))
    assert found == pytest.approx(printed, abs=2e-9)
    assert found == pytest.approx((info + math.log(2)) / (2 * n * size**2 - math.log(2)), rel=1e-9)


def test_the_increment_may_exceed_a_quarter(x64):
    """The gain of a step, averaged over the mask, may not: that is what the average is for."""
    found = float(increment(np.array([0.5]), np.array([1.0]))[0])
    assert found == pytest.approx(0.231536, abs=6e-7) and found > 0.5 / 4
    assert float(bounds.membership_gain(0.5, 1.0)) < 0.5 / 4


PLAIN = [
    (0.174, 0.5, 1000, 0.22437792),
    (0.174, 0.1, 1000, 0.10908518),
    (0.05, 0.3, 1000, 0.10241393),
    (2.0, 0.05, 100, 0.27360680),
    (0.001, 0.3, 120, 0.0578910),
]


@pytest.mark.parametrize("info, eta, n, printed", PLAIN)
def test_joint_depth_against_the_plain_sum(x64, info, eta, n, printed):
    dev = 0.5 / math.sqrt(n)
    assert dev + math.sqrt(eta * info / 2) == pytest.approx(printed, abs=6e-8)
    joint = float(bounds.joint_depth(info, eta, dev))
    assert joint < printed and joint <= math.sqrt(info / 2)


def test_joint_depth_never_above_the_bound_without_layers_whatever_the_numbers(x64):
    rng = np.random.default_rng(0)
    info, eta, dev = (10 ** rng.uniform(-9, high, 20_000) for high in (1, 0, 0.3))
    found = np.asarray(bounds.joint_depth(info, eta, dev))
    assert (found <= np.sqrt(info / 2)).all()
    assert (found <= (dev + np.sqrt(eta * info / 2)) * (1 + 1e-12)).all()
    # Nor below what a contraction of both parts would leave.
    assert (found >= np.sqrt(eta * info / 2) * (1 - 1e-12)).all()


VOTES = [(1, 0.36, 0.2, 1.0), (3, 0.6612923077, 0.104, 1.0268), (5, 0.8096750949, 0.05792, 1.0177),
         (9, 0.9350568383, 0.01958144, 1.0064)]  # fmt: skip


@pytest.mark.parametrize("draws, printed, wrong, ratio", VOTES)
def test_a_vote_sees_every_draw(x64, draws, printed, wrong, ratio):
    """The channel of J draws contracts less; the floor holds with the error of the vote."""
    flip = np.array([[0.8, 0.2], [0.2, 0.8]])
    channel = np.ones((2, 1))
    for _ in range(draws):
        channel = (channel[:, :, None] * flip[:, None, :]).reshape(2, -1)
    eta = float(contraction.kl(channel).value)
    assert eta == pytest.approx(printed, abs=6e-11)
    assert eta <= 1 - (1 - 0.36) ** draws + 1e-12
    ones = np.array([bin(i).count("1") for i in range(2**draws)])
    voted = np.stack([ones < draws / 2, ones > draws / 2], 1).astype(float)
    confusion = channel @ voted / 2
    assert confusion[0, 1] * 2 == pytest.approx(wrong, abs=1e-12)
    floor = float(bounds.depth_floor(confusion).value)
    assert floor == pytest.approx(1 - 2 * wrong, abs=1e-12)
    assert math.sqrt(eta) / floor == pytest.approx(ratio, abs=6e-5)


@pytest.mark.parametrize("n, train, printed", [
    (120, 0.026, 0.4569), (1000, 0.026, 0.1016), (5000, 0.026, 0.0348),
])  # fmt: skip
def test_one_network_against_the_prior_without_drift(x64, n, train, printed):
    found = float(bounds.path_certificate(train, 58.81, n, 0.05).value)
    assert found == pytest.approx(printed, abs=6e-5)


@pytest.mark.parametrize("n, steps, eta, beta, variance, printed", [
    (120, 200, 0.1, 500, 0.25, 0.205695),
    (1000, 200, 0.1, 500, 1.0, 0.039612),
    (5000, 200, 0.3, 1000, 1.0, 0.015704),
    (60_000, 2000, 0.1, 5000, 1.0, 0.004404),
])  # fmt: skip
def test_one_network_against_the_prior_of_half_of_the_data(
    x64, n, steps, eta, beta, variance, printed
):
    density = steps * eta * beta * variance / (4 * n)  # m T eta beta V/(4 n n_0), n_0 = m
    found = float(bounds.path_certificate(0.02, density, n // 2, 0.05).value)
    assert found == pytest.approx(printed, abs=6e-7)


BEFORE = [  # n, b, T, eta, beta; r, the gap with revealed batches, the rule of thumb
    (120, 20, 200, 0.1, 500, 0.25, 0.7217, 0.173611),
    (120, 120, 200, 0.1, 500, 0.0417, 0.2946, 0.173611),
    (800, 80, 200, 0.1, 500, 0.0625, 0.1398, 0.00390625),
    (4000, 100, 1600, 0.004, 4000, 0.0283, 0.0894, 0.0004),
    (5000, 500, 200, 0.3, 1000, 0.0245, 0.0548, 0.0006),
    (60000, 600, 2000, 0.1, 5000, 0.0264, 0.0589, 6.94444e-5),
]


@pytest.mark.parametrize("n, b, steps, eta, beta, r, gap, rule", BEFORE)
def test_columns_of_the_table_before_amplification(x64, n, b, steps, eta, beta, r, gap, rule):
    etas = np.full(steps, eta)
    found = bounds.account(
        etas, np.sqrt(2 * etas / beta), clip=1.0, batching="fixed" if b < n else "full",
        batch_size=b, n=n, dim=None,
    )  # fmt: skip
    assert float(found.shift) == pytest.approx(r, abs=6e-5)
    assert math.sqrt(float(found.per_example.value) / 2) == pytest.approx(gap, abs=6e-5)
    assert float(found.rule_of_thumb) == pytest.approx(rule, rel=3e-6)


def test_tight_pinsker_of_the_table(x64):
    for info, printed in ((0.173611111, 0.291750), (0.177391075, 0.294844)):
        assert float(bounds.invert.envelope(info)) == pytest.approx(printed, abs=6e-7)


def test_a_renyi_order_near_one_is_near_the_nats(x64):
    """Order 1.001 is .0013825; dp-accounting's .0022738 there is a valid bound, and a loose one."""
    q, r, order = 0.1, 0.5, 1.001
    x = np.linspace(-14, 16, 30_001)
    ratio = 1 - q + q * np.exp(r * x - r * r / 2)
    base = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    moment = np.sum(base * ratio * np.expm1((order - 1) * np.log(ratio))) * (x[1] - x[0])
    exact = math.log1p(moment) / (order - 1)
    assert exact == pytest.approx(0.0013825, abs=6e-8)
    assert float(bounds.mixture_kl(q, r)) < exact < 0.0022738


def test_renyi_orders_are_twice_as_large(x64):
    """log(1 + q^2 (e^{r^2} - 1)), the divergence of order two, against the nats of a step."""
    q, r = 0.1, 0.5
    second = math.log1p(q**2 * math.expm1(r * r))
    assert second == pytest.approx(0.00283622827, abs=6e-12)
    assert 1 < second / (2 * float(bounds.mixture_kl(q, r))) < 1.03


def test_order_of_the_ways_to_draw_batches(x64):
    """Poisson below balls and bins and fresh subsets, and these below a permutation."""
    etas = np.full(20, 0.1)
    stds = np.sqrt(2 * etas / 500)
    names = ("poisson", "balls_and_bins", "without_replacement", "epochs")
    values = [
        float(bounds.per_example_information(etas, stds, 1.0, name, 80, 800, None).value)
        for name in names
    ]
    assert all(a < b for a, b in itertools.pairwise(values))

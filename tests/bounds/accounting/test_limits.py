"""Monte-Carlo certificates and diverged replicas: printed values, coverage, identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ibjax import bounds
from ibjax.langevin.accountant import increment

GAIN = [
    (1.0, 0.0, 0.201345471585),
    (0.5, 1.0, 0.0892967175962),
    (0.05, -2.0, 0.00522179238394),
]


@pytest.mark.parametrize("k, y, printed", GAIN)
def test_gain_of_a_step(x64, k, y, printed):
    found = float(bounds.membership_gain(k, y))
    assert found == pytest.approx(printed, rel=1e-10)
    assert float(bounds.membership_gain(k, -y)) == found


def test_gain_averages_the_increment_over_the_mask(x64):
    k = jnp.asarray([0.01, 0.05, 0.5, 2.0, 3.0])
    for y in (-3.0, 0.0, 1.5):
        p = jax.nn.sigmoid(y)
        right, wrong = (increment(k, jnp.full(5, sign * y)) for sign in (1, -1))
        expected = (1 - p) * right + p * wrong
        np.testing.assert_allclose(bounds.membership_gain(k, y), expected, rtol=1e-6)


def test_gain_is_capped_by_a_quarter(dtype):
    k, y = np.meshgrid([0.0, 1e-6, 0.01, 0.3, 2.0, 60.0, 500.0], [-30.0, -2.0, 0.0, 0.4, 9.0])
    found = np.asarray(bounds.membership_gain(k.astype(dtype), y.astype(dtype)))
    p = 1 / (1 + np.exp(-y))
    assert found.dtype == dtype and (found >= 0).all()
    assert (found <= p * (1 - p) * k * (1 + 1e-5)).all() and (found <= k / 4 * (1 + 1e-5)).all()
    entropy = -p * np.log(p) - (1 - p) * np.log1p(-p)
    assert (found <= entropy * (1 + 1e-3) + 1e-7).all()
    single = np.asarray(bounds.membership_gain(1.0, 0.0))
    with jax.enable_x64(True):
        assert single >= float(bounds.membership_gain(1.0, 0.0))


LIMITS = [  # runs; sqrt(2 I) by Bernstein and by kl
    (30, 0.383, 0.3245),
    (100, 0.269, 0.2687),
    (300, 0.2264, 0.2396),
    (1000, 0.2090, 0.2216),
]


@pytest.mark.parametrize("runs, bernstein, kl", LIMITS)
def test_limits_of_the_table(x64, runs, bernstein, kl):
    spread = 0.004 * np.sqrt((runs - 1) / runs)
    values = 0.02 + spread * np.where(np.arange(runs) % 2, 1, -1)
    for method, printed in (("bernstein", bernstein), ("kl", kl)):
        limit = bounds.mean_upper_limit(values, 0.1736, 0.05, method=method)
        assert float(jnp.sqrt(2 * limit.value)) == pytest.approx(printed, abs=6e-4)
        assert limit.exact and limit.bias == "up" and float(limit.confidence) == pytest.approx(0.95)
    best = float(bounds.mean_upper_limit(values, 0.1736, 0.05, method="best").value)
    halves = [
        float(bounds.mean_upper_limit(values, 0.1736, 0.025, method=m).value)
        for m in ("bernstein", "kl")
    ]
    assert best == pytest.approx(min(halves), rel=1e-12)
    # About 80 masks before it beats the a-priori bound.
    assert (np.sqrt(2 * min(halves)) < np.sqrt(0.1736 / 2)) == (runs >= 100)


@pytest.mark.parametrize("method", ["kl", "bernstein", "best"])
def test_limits_cover(x64, method):
    """Bernoulli values, the widest law: the limit fails at most with probability delta."""
    cap, delta, runs, trials = 2.0, 0.1, 30, 2000
    for p in (0.05, 0.5):
        values = cap * np.random.default_rng(0).binomial(1, p, (trials, runs)).astype(float)
        limits = jax.vmap(lambda v: bounds.mean_upper_limit(v, cap, delta, method=method).value)
        failed = np.mean(np.asarray(limits(jnp.asarray(values))) < cap * p)
        assert failed <= delta + 4 * np.sqrt(delta * (1 - delta) / trials)


def test_certificate_given_the_supersample(x64):
    values = np.full(200, 0.01)
    found = bounds.membership_certificate(values, 0.1736, 0.05)
    limit = bounds.mean_upper_limit(values, 0.1736, 0.05)
    assert found.kind == "certificate" and float(found.confidence) == pytest.approx(0.95)
    assert float(found.value) == pytest.approx(float(bounds.invert.phi(limit.value)), rel=1e-12)
    assert "given this supersample" in found.note
    lost = bounds.membership_certificate(np.array([0.01, np.nan]), 0.1736, 0.05)
    assert not bool(lost.holds)


def test_limits_refuse_what_they_do_not_cover(x64):
    with pytest.raises(ValueError, match=r"values holds 0.2, above cap=0.1"):
        bounds.mean_upper_limit(np.array([0.05, 0.2]), 0.1, 0.05)
    with pytest.raises(ValueError, match="values has shape"):
        bounds.mean_upper_limit(np.ones((3, 2)), 1.0, 0.05)
    with pytest.raises(ValueError, match="R >= 2"):
        bounds.mean_upper_limit(np.ones(1), 1.0, 0.05, method="bernstein")
    with pytest.raises(ValueError, match="method"):
        bounds.mean_upper_limit(np.ones(3), 1.0, 0.05, method="plain")
    traced = jax.jit(lambda v: bounds.mean_upper_limit(v, 0.1, 0.05))(jnp.array([0.05, 0.2]))
    assert not bool(traced.ok)


def test_information_split_by_survival(x64):
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.ones(6)).reshape(2, 3)
    split = bounds.survival_split(joint, np.array([1.0, 0.0, 1.0]))
    p = float(split.probability)
    outer = joint.sum(0) * joint.sum(1, keepdims=True)
    information = np.sum(joint * np.log(joint / outer))
    assert p == pytest.approx(joint[:, [0, 2]].sum(), rel=1e-12)
    whole = p * split.given_ok + (1 - p) * split.given_not
    assert float(whole) == pytest.approx(information, rel=1e-12)
    assert float(split.given_ok) <= float(bounds.given_survival(information, p))
    # The two-valued question whether the loss is one, among survivors.
    loss = rng.integers(0, 2, (2, 3)) * np.array([1, 0, 1])
    train = min(np.sum(joint * loss) / p, 1.0)
    test = min(np.sum(outer * loss) / p, 1.0)
    assert test <= float(bounds.invert.kl(train, bounds.given_survival(information, p)))


def test_survival_edges(x64):
    sure = bounds.survival_split(np.full((2, 2), 0.25), np.ones(2))
    assert float(sure.probability) == 1 and float(sure.given_ok) == pytest.approx(0, abs=1e-15)
    assert float(bounds.given_survival(0.1, 0.0)) == np.inf
    for k, runs in [(28, 30), (1, 5), (5, 5), (50, 120)]:
        found = bounds.survival_limit(k, runs, 0.05)
        exact = stats.beta.ppf(0.05, k, runs - k + 1)
        assert float(found.value) == pytest.approx(exact, rel=1e-9)
        assert found.bias == "down" and found.exact
    assert float(bounds.survival_limit(0, 5, 0.05).value) == 0
    with pytest.raises(ValueError, match="survived=6 exceeds runs=5"):
        bounds.survival_limit(6, 5, 0.05)
    with pytest.raises(ValueError, match="give"):
        bounds.survival_split(np.full((2, 2), 0.25), np.ones(3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_limit_of_many_survivors_is_not_above_that_of_the_binomial(x64, dtype):
    for survived, runs in ((990, 1000), (9 * 10**5, 10**6), (10**6, 10**6), (5 * 10**6, 10**7)):
        delta = np.asarray(0.05, dtype)
        low = float(bounds.survival_limit(survived, runs, delta).value)
        exact = stats.beta.ppf(float(delta), survived, runs - survived + 1)
        assert exact - 1e-4 <= low <= exact

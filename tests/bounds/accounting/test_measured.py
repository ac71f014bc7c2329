"""Measured gradient norms with hidden batches: what is left of them, and upper limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ibjax import bounds
from ibjax.interface import BATCHINGS

RUN = (np.full(50, 0.2), np.full(50, np.sqrt(2 * 0.2 / 400.0)), 1.0)


def share(q, r, batching, n=1000, **options):
    """Of one step with these q and r."""
    b = round(q * n)
    return float(bounds.hidden_share([1.0], [1.0], r * b, batching, b, n, **options))


@pytest.mark.parametrize("q", [0.01, 0.1, 0.5, 0.9])
def test_shorter_gradients_cost_no_more_a_square_with_poisson_batches(x64, q):
    rho = np.array([1e-3, 0.1, 0.4, 1.0, 2.0, 5.0])
    cost = np.asarray(bounds.mixture_kl(q, rho))
    for r in rho:
        left = share(q, r, "poisson")
        small = rho <= r
        assert (cost[small] <= left * q * rho[small] ** 2 / 2 * (1 + 1e-10)).all()
        assert left * q * r * r / 2 == pytest.approx(float(bounds.mixture_kl(q, r)), rel=1e-12)


def test_shorter_gradients_cost_no_more_a_square_with_fresh_subsets(x64):
    """KL((1-q) N(h) + q N(g) || (1-q) N(h) + q N(0)) for |g| = rho below the clip, |h| up to it."""
    x = np.linspace(-12, 12, 2401)
    for q in (0.05, 0.3, 0.8):
        for r in (0.1, 0.3, 0.6, 1.5):
            left = share(q, r, "without_replacement")
            for rho in (r / 10, r / 2, r):
                for g in (-rho, rho):
                    for h in (-r, 0.0, r / 3, r):
                        one, other, none = (stats.norm.pdf(x, m) for m in (g, h, 0))
                        p, reference = (1 - q) * other + q * one, (1 - q) * other + q * none
                        exact = np.trapezoid(p * np.log(p / reference), x)
                        assert exact <= left * q * rho**2 / 2 * (1 + 1e-9), (q, r, g, h)


def test_share_at_its_ends(x64):
    for batching in ("poisson", "without_replacement"):
        assert share(0.1, 1e-6, batching) == pytest.approx(0.1, rel=1e-6)
        assert share(0.1, 1e-200, batching) == pytest.approx(0.1, rel=1e-9)
        assert share(1.0, 0.4, batching) == 1 and share(0.1, 100.0, batching) <= 1
        assert share(0.1, np.inf, batching) == 1 and share(0.1, 0.0, batching) <= 0.1 * 1.01
        values = [share(0.1, r, batching) for r in (0.05, 0.2, 0.5, 1.0, 3.0)]
        assert values == sorted(values) and values[0] < 0.102
        assert share(0.1, 0.05, batching, shared_batches=True) == 1
        assert share(0.1, 0.05, batching, smallest_batch=5) == 1
        assert share(0.1, 0.05, batching, smallest_batch=100) < 0.11
        assert np.isnan(bounds.hidden_share([1.0], [1.0], jnp.nan, batching, 5, 50))
    closed = 2 * float(bounds.fixed_step(0.1, 0.5)) / (0.1 * 0.5**2)
    assert share(0.1, 0.5, "without_replacement") == pytest.approx(closed, rel=1e-12)
    # Its second form, K(q, 2r), has no version for shorter gradients.
    assert share(0.01, 1.0, "without_replacement") > 200 * float(bounds.fixed_step(0.01, 1.0))


@pytest.mark.parametrize("name", ["epochs", "whole_epochs", "fixed", "with_replacement", np.nan])
def test_nothing_is_left_out_where_nothing_is_proved(name):
    assert share(0.1, 0.01, name) == 1


def test_share_by_traced_code(dtype):
    etas, stds = jnp.full(3, 0.1, dtype), jnp.full(3, 0.1, dtype)

    @jax.jit
    def traced(code, clip):
        return bounds.hidden_share(etas, stds, clip, code, 20, 100)

    for code, name in enumerate(BATCHINGS):
        b = 100 if name == "full" else 20
        direct = bounds.hidden_share(etas, stds, 1.0, name, b, 100)
        found = traced(float(code), jnp.asarray(1.0, dtype))
        assert found.dtype == direct.dtype == dtype
        assert float(found) == pytest.approx(float(direct), rel=1e-5)
        slope = jax.grad(lambda c, code=code: traced(float(code), c))(jnp.asarray(1.0, dtype))
        assert np.isfinite(slope) and slope >= 0
    low = bounds.hidden_share([0.1], [0.1], 1.0, "without_replacement", 20, 100)
    with jax.enable_x64(True):
        high = bounds.hidden_share([0.1], [0.1], 1.0, "without_replacement", 20, 100)
        assert float(low) >= float(high)


def test_limit_between_the_measured_value_and_the_clip(x64):
    n, b = 1000, 100
    cap = 50 * 0.2 * 400 / 4 / (n * b)
    left = float(bounds.hidden_share(*RUN, "without_replacement", b, n))
    clipped = float(bounds.per_example_information(*RUN, "without_replacement", b, n, None).value)
    values = []
    for runs in (2, 20, 200, 20_000):
        found = bounds.measured_information(
            np.full(runs, 0.3 * cap), *RUN, "without_replacement", b, n, 0.05
        )
        assert found.exact and found.bias == "up" and bool(found.ok)
        assert float(found.confidence) == pytest.approx(0.95)
        limit = float(bounds.mean_upper_limit(np.full(runs, 0.3 * cap), cap, 0.05).value)
        expected = min(left * limit, clipped)
        assert float(found.value) == pytest.approx(expected, rel=1e-9)
        values.append(float(found.value))
    assert values == sorted(values, reverse=True) and values[0] <= clipped
    assert values[-1] == pytest.approx(0.3 * clipped, rel=0.04)
    # Poisson batches may hold every example: the cap is n/b as large.
    wide = bounds.measured_information(np.full(200, 0.3 * cap), *RUN, "poisson", b, n, 0.05)
    assert values[2] < float(wide.value) <= clipped * (1 + 1e-9)


def test_limit_of_lost_runs_and_shared_batches(x64):
    n, b = 1000, 100
    cap = 50 * 0.2 * 400 / 4 / (n * b)
    lost = bounds.measured_information(
        np.array([0.1 * cap, np.nan]), *RUN, "without_replacement", b, n, 0.05
    )
    assert not bool(lost.ok)
    told = bounds.measured_information(
        np.full(500, 0.1 * cap), *RUN, "without_replacement", b, n, 0.05, shared_batches=True
    )
    assert 0.1 * cap < float(told.value) < 0.2 * cap


@pytest.mark.parametrize("change, message", [
    (dict(values=np.ones(4)), "above cap="),
    (dict(batching="with_replacement"), "batching"),
    (dict(batching="shuffled"), "is unknown"),
    (dict(delta=0.0), "delta holds 0"),
    (dict(batch_size=2000), "batch_size=2000 exceeds n=1000"),
])  # fmt: skip
def test_refusals(x64, change, message):
    given = dict(
        values=np.full(4, 1e-4), step_sizes=RUN[0], noise_stds=RUN[1], clip=1.0,
        batching="without_replacement", batch_size=100, n=1000, delta=0.05,
    ) | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        bounds.measured_information(**given)

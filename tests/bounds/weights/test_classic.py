"""Classic bounds: arithmetic, kinds, and the closed forms of Gaussian and Gibbs algorithms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds.weights.classic import random_subset
from ibjax.interface import Estimate


def test_square_root_arithmetic(x64):
    value = bounds.xu_raginsky(0.5, 100, 0.5)
    assert float(value.value) == pytest.approx(np.sqrt(2 * 0.25 * 0.5 / 100), abs=1e-12)
    assert value.kind == "certificate"
    assert float(value.information) == 0.5
    assert float(value.std_error) == 0
    assert bool(value.holds) and not bool(value.vacuous)
    assert bool(bounds.xu_raginsky(200.0, 100, 0.5).vacuous)
    assert bool(bounds.xu_raginsky(np.inf, 100, 0.5).vacuous)


def test_individual_below_whole_sample(x64):
    parts = np.array([0.0, 0.1, 0.4])
    each = bounds.individual(parts, 0.5)
    assert float(each.value) == pytest.approx(np.mean(np.sqrt(parts / 2)), abs=1e-12)
    assert float(each.information) == pytest.approx(parts.mean())
    assert float(each.value) <= float(bounds.xu_raginsky(parts.sum(), 3, 0.5).value)
    equal = bounds.individual(np.full(3, 0.1), 0.5)
    assert float(equal.value) == pytest.approx(float(bounds.xu_raginsky(0.3, 3, 0.5).value))


def test_random_subset_is_the_sqrt_at_the_rest(x64):
    assert float(random_subset(0.4, 10, 9, 0.5).value) == pytest.approx(np.sqrt(0.2))
    assert float(random_subset(0.4, 10, 0, 0.5).value) == pytest.approx(np.sqrt(0.02))
    with pytest.raises(ValueError, match="kept=10"):
        random_subset(0.4, 10, 10, 0.5)


@pytest.mark.parametrize("case", [(10, 1, 1.0, 0.1), (100, 5, 2.0, 0.05)])
def test_gaussian_mean_respects_the_bound(x64, case):
    """W = mean + noise under squared loss: one-sided CGF bound 2 v sqrt(d I_i), v per axis."""
    n, d, variance, noise = case
    whole = d / 2 * np.log1p(variance / (n * noise))
    one = d / 2 * np.log((variance / n + noise) / (variance * (n - 1) / n**2 + noise))
    assert n * one <= whole
    v = variance * (1 + 1 / n) + noise
    # 2 v sqrt(d I) is the square-root form with sigma^2 = 2 d v^2.
    value = bounds.individual(np.full(n, one), np.sqrt(2 * d) * v).value
    printed = {10: 0.38434969, 100: 0.78294617}[n]
    assert float(value) == pytest.approx(printed, abs=1e-8)
    assert 2 * d * variance / n <= float(value)


def test_gibbs_gap_is_the_symmetrised_information(x64):
    """{0, 1} predictors under exp(-beta L_S), P(1) = 0.3, n = 3: everything enumerated."""
    beta, p, n = 4.0, 0.3, 3
    samples = np.stack(np.meshgrid(*[[0, 1]] * n, indexing="ij"), -1).reshape(-1, n)
    weight = np.prod(np.where(samples == 1, p, 1 - p), axis=1)
    risk = np.stack([samples.mean(1), 1 - samples.mean(1)], axis=1)
    law = np.exp(-beta * risk)
    law /= law.sum(1, keepdims=True)
    marginal = weight @ law
    info = np.sum(weight[:, None] * law * np.log(law / marginal))
    lautum = np.sum(weight[:, None] * marginal * np.log(marginal / law))
    gap = weight @ (law @ np.array([p, 1 - p]) - np.sum(law * risk, 1))
    assert info == pytest.approx(0.231481, abs=1e-6)
    assert gap == pytest.approx((info + lautum) / beta, abs=1e-12)
    assert gap == pytest.approx(0.149239, abs=1e-6)
    assert gap <= float(bounds.xu_raginsky(info, n, 0.5).value)


def test_estimates_carry_their_kind_and_error(x64):
    upper = Estimate(jnp.array(0.5), jnp.array(0.0), bias="up", exact=True)
    assert bounds.xu_raginsky(upper, 100, 0.5).kind == "certificate"
    sampled = Estimate(jnp.array(0.5), jnp.array(0.1), bias="up")
    value = bounds.xu_raginsky(sampled, 100, 0.5)
    assert value.kind == "estimate"
    assert float(value.std_error) == pytest.approx(float(value.value) / (2 * 0.5) * 0.1)
    lower = Estimate(jnp.array(0.5), jnp.array(0.0), bias="down", exact=True)
    assert bounds.xu_raginsky(lower, 100, 0.5).kind == "estimate"
    unusable = Estimate(jnp.array(0.5), jnp.array(0.0), ok=jnp.array(False), bias="up")
    assert not bool(bounds.xu_raginsky(unusable, 100, 0.5).holds)


def test_jit_vmap_and_dtype(dtype):
    info = np.array([0.1, 0.5, 2.0], dtype)
    eager = bounds.xu_raginsky(info, 50, 0.5)
    assert eager.value.dtype == dtype
    traced = jax.jit(bounds.xu_raginsky)(info, 50, 0.5)
    np.testing.assert_allclose(traced.value, eager.value, rtol=1e-6)
    mapped = jax.vmap(lambda i: bounds.xu_raginsky(i, 50, 0.5))(info)
    np.testing.assert_allclose(mapped.value, eager.value, rtol=1e-6)
    rows = np.stack([info, info * 2])
    one = [bounds.individual(row, 0.5).value for row in rows]
    np.testing.assert_allclose(jax.vmap(lambda r: bounds.individual(r, 0.5))(rows).value, one)
    np.testing.assert_allclose(bounds.individual(rows, 0.5).value, one)


def test_missing_is_nan_and_wrong_is_refused():
    missing = bounds.xu_raginsky(np.nan, 10, 0.5)
    assert np.isnan(missing.value) and not bool(missing.holds)
    with pytest.raises(ValueError, match="information holds -1"):
        bounds.xu_raginsky(-1.0, 10, 0.5)
    with pytest.raises(ValueError, match="n=0"):
        bounds.xu_raginsky(1.0, 0, 0.5)
    with pytest.raises(ValueError, match="sigma holds 0"):
        bounds.xu_raginsky(1.0, 10, 0.0)
    with pytest.raises(ValueError, match="one value an example"):
        bounds.individual(1.0, 0.5)
    assert np.isnan(jax.jit(bounds.xu_raginsky)(-1.0, 10, 0.5).value)

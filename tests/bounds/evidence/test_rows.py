"""Error bars of the bounds from evidence: inside, at no information, and where capped at 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bounds import invert
from ibjax.bounds.evidence import rows
from ibjax.interface import Evidence

K1, K2, N = 4, 3, 20
MEASURES = {
    "trajectory_pair": ("trajectory_cmi", rows.trajectory_pair, invert.pair, 1),
    "incoherence_kl": ("incoherence_information", rows.incoherence_kl, invert.kl, 1),
    "batch_gradient_kl": ("gradient_information", rows.batch_gradient_kl, invert.kl, N),
}
ROOTS = {
    "trajectory": ("trajectory_cmi", rows.trajectory),
    "test_prior": ("test_prior_information", rows.test_prior),
    "incoherence": ("incoherence_information", rows.incoherence),
    "sample_gradient": ("sample_information", rows.sample_gradient),
    "batch_gradient": ("gradient_information", rows.batch_gradient),
}


def spread(mean, error):
    """(K1, K2) numbers with this mean over supersamples and this standard error of it."""
    steps = np.array([-1.5, -0.5, 0.5, 1.5])
    steps = steps / steps.std(ddof=1) * np.sqrt(K1) * error
    return jnp.asarray(np.broadcast_to((mean + steps)[:, None], (K1, K2)))


def evidence(**fields):
    """One checkpoint of noisy runs; what is not named is missing."""
    base = {name: jnp.array(jnp.nan) for name in Evidence._fields}
    base |= {
        "mask": jnp.zeros((K1, K2, N), int),
        "diverged": jnp.zeros((K1, K2), bool),
        "step_sizes": jnp.full(5, 0.1),
        "noise_stds": jnp.full(5, 0.05),
        "exchangeable": jnp.array(1.0),
    }
    return Evidence(**(base | fields))


@pytest.mark.parametrize("name", list(MEASURES))
def test_both_errors_enter_by_their_slopes(x64, name):
    field, function, inversion, n = MEASURES[name]
    found = function(evidence(**{field: spread(0.05 * n, 0.01 * n)}, train_error=spread(0.1, 0.02)))
    slopes = jax.grad(lambda r, i: inversion(r, i) - r, argnums=(0, 1))(0.1, 0.05)
    error = abs(float(slopes[0])) * 0.02 + abs(float(slopes[1])) * 0.01
    assert float(found.std_error) == pytest.approx(error, rel=1e-9)
    assert float(found.value) == pytest.approx(float(inversion(0.1, 0.05)) - 0.1)


@pytest.mark.parametrize("name", list(MEASURES))
@pytest.mark.parametrize(("rate", "error"), [(0.3, 0.1), (0.0, 0.0), (1.0, 0.0)])
def test_no_information_is_a_bound_of_exactly_zero(x64, name, rate, error):
    """R(l, 0) = l whatever l is: neither the error of l nor the infinite slope in I counts."""
    field, function, *_ = MEASURES[name]
    found = function(evidence(**{field: spread(0.0, 0.0)}, train_error=spread(rate, error)))
    assert float(found.value) == pytest.approx(0, abs=1e-12)
    assert float(found.std_error) == pytest.approx(0, abs=1e-12)


def test_the_cap_leaves_the_error_of_the_training_error(x64):
    given = {"trajectory_cmi": spread(0.65, 0.01), "train_error": spread(0.525, 0.02)}
    found = rows.trajectory_pair(evidence(**given))
    assert float(found.value) == pytest.approx(0.475) and bool(found.vacuous)
    assert float(found.std_error) == pytest.approx(0.02)


@pytest.mark.parametrize("name", list(MEASURES))
def test_no_training_error_leaves_the_error_of_the_information(x64, name):
    """At l = 0 the slope in l is infinite, the error of l zero: no NaN comes of it."""
    field, function, inversion, n = MEASURES[name]
    given = {field: spread(0.05 * n, 0.01 * n), "train_error": spread(0.0, 0.0)}
    slope = 1 / np.log(2) if inversion is invert.pair else np.exp(-0.05)
    assert float(function(evidence(**given)).std_error) == pytest.approx(slope * 0.01, rel=1e-9)


@pytest.mark.parametrize("name", list(ROOTS))
def test_roots_have_the_error_of_the_root_and_none_at_zero(x64, name):
    field, function = ROOTS[name]
    found = function(evidence(**{field: spread(0.1, 0.001)}))
    lower, upper = (
        float(function(evidence(**{field: spread(0.1 + move, 0.0)})).value)
        for move in (-1e-4, 1e-4)
    )
    assert float(found.std_error) == pytest.approx((upper - lower) / 2e-4 * 0.001, rel=1e-4)
    none = function(evidence(**{field: spread(0.0, 0.0)}))
    assert float(none.value) == 0 and float(none.std_error) == 0
    alone = function(evidence(**{field: jnp.full((1, 1), 0.1)}, diverged=jnp.zeros((1, 1), bool)))
    assert np.isnan(alone.std_error)

"""The tight form of Pinsker's inequality and the gap at a limited training error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bounds import invert
from ibjax.bounds.pinsker import _information, steepest_rate

ENVELOPE = [
    (0.01, 0.070671365993),
    (0.05, 0.157673079412),
    (0.1, 0.222355424830),
    (0.17361111111111, 0.291749504275),
    (0.5, 0.485566792473),
    (1.0, 0.664444515090),
    (2.0, 0.865151453232),
]


@pytest.mark.parametrize("i, printed", ENVELOPE)
def test_envelope_values(x64, i, printed):
    assert float(invert.envelope(i)) == pytest.approx(printed, abs=6e-13)


def test_envelope_is_the_largest_gap_and_inverts(x64):
    i = np.array([1e-4, 0.03, 0.3, 5.0])
    rate = np.linspace(0, 1, 20_001)[:, None]
    best = np.max(np.asarray(invert.kl(rate, i)) - rate, axis=0)
    value = np.asarray(invert.envelope(i))
    assert (best <= value * (1 + 1e-12)).all()
    np.testing.assert_allclose(best, value, rtol=1e-7)
    # No rounding is seen on the way back: V(I(t)) against its parametric form.
    t = np.array([1e-6, 1e-3, 0.1, 0.79, 0.81, 2.0, 9.0])
    langevin = np.where(t < 0.01, t / 3 - t**3 / 45, 1 / np.tanh(t) - 1 / t)
    found = np.asarray(invert.envelope(_information(jnp.asarray(t))))
    np.testing.assert_allclose(found, t / 2 * (1 - langevin**2), rtol=1e-12)


def test_information_of_the_parameter(x64):
    t = np.array([0.3, 0.7999999, 0.8000001, 3.0])
    plain = np.log(t / np.sinh(t)) + t / np.tanh(t) - (t / np.sinh(t)) ** 2
    np.testing.assert_allclose(_information(jnp.asarray(t)), plain, rtol=1e-13)


def test_envelope_is_concave_below_pinsker_and_one(dtype):
    i = np.concatenate([[0.0], np.geomspace(1e-12, 100, 60), [np.inf]]).astype(dtype)
    v = np.asarray(invert.envelope(i))
    assert v.dtype == dtype and v[0] == 0 and v[-1] == 1
    assert (v <= np.sqrt(i / 2) * (1 + 1e-6)).all() and (v <= 1).all() and (np.diff(v) >= 0).all()
    slopes = np.diff(v[:-1].astype(float)) / np.diff(i[:-1].astype(float))
    assert (np.diff(slopes) <= 1e-6 * slopes[:-1]).all()
    assert np.isnan(invert.envelope(np.nan))


def test_envelope_gradient(x64):
    for i in (1e-10, 0.02, 0.7, 6.0):
        h = 1e-4 * i
        slope = (invert.envelope(i + h) - invert.envelope(i - h)) / (2 * h)
        assert float(jax.grad(invert.envelope)(i)) == pytest.approx(float(slope), rel=1e-6)
    assert float(jax.grad(invert.envelope)(0.0)) == 0


def test_peaks(x64):
    found = steepest_rate(jnp.array([0.1, 0.17361111111111]))
    np.testing.assert_allclose(found, [0.352434, 0.307048], atol=6e-7)
    gap = invert.kl(found, jnp.array([0.1, 0.17361111111111])) - found
    np.testing.assert_allclose(gap, [ENVELOPE[2][1], ENVELOPE[3][1]], atol=6e-13)


def test_gap_at_a_limited_training_error(x64):
    i = np.array([0.0025025322213, 0.1, 1.0])
    rate = np.linspace(0, 1, 401)[:, None]
    gaps = np.asarray(invert.kl(rate, i)) - rate
    # The largest gap at any training error up to the limit.
    largest = np.maximum.accumulate(gaps, axis=0)
    found = np.asarray(invert.kl_gap(rate, i))
    assert (largest <= found + 1e-12).all()
    np.testing.assert_allclose(found, largest, atol=3e-6)
    assert float(invert.kl(0.02, 0.17361111111111)) == pytest.approx(0.218174317441, abs=6e-12)
    assert float(invert.kl_gap(0.02, i[0])) == pytest.approx(0.031552001098 - 0.02, abs=6e-12)
    assert float(invert.kl(0.026, 0.1)) == pytest.approx(0.163080685922, abs=6e-12)
    assert float(invert.kl_gap(0.0, 0.05)) == pytest.approx(0.048770575499, abs=6e-12)


def test_gap_at_a_limited_training_error_has_a_gradient(x64):
    inner = jax.grad(invert.kl_gap, (0, 1))(0.1, 0.1)
    outer = jax.grad(invert.kl_gap, (0, 1))(0.5, 0.1)
    assert all(np.isfinite(s) and s > 0 for s in inner)
    assert float(outer[0]) == 0
    assert float(outer[1]) == pytest.approx(float(jax.grad(invert.envelope)(0.1)), rel=1e-12)

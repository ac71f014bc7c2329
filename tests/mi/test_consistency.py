"""The three tests of an estimator: sound ones pass, broken ones fail the test they break."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi
from ibjax.interface import Estimate

KEY = jax.random.key(0)


def gaussian(n=800, rho=0.8, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n).astype(np.float32)
    return x, (rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)).astype(np.float32)


def known(value, error=0.01):
    return Estimate(jnp.asarray(value), jnp.asarray(error))


def test_sound_estimators_pass():
    for name in ("cca", "ksg"):
        found = mi.self_consistency(KEY, name, *gaussian(), tolerance=0.1)
        assert bool(found.passed), (name, found)
        np.testing.assert_allclose(found.ratio, 1, atol=0.15)
        np.testing.assert_allclose(found.value.value, 0.51, atol=0.1)


def test_classes():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, 3000)
    y = np.where(rng.random(3000) < 0.2, rng.integers(0, 2, 3000), x % 2)
    found = mi.self_consistency(KEY, "plug_in", x, y)
    assert bool(found.passed)
    assert float(found.processing.value) < -0.1


def test_broken_estimators_fail_what_they_break():
    x, y = gaussian(100)
    constant = mi.self_consistency(KEY, lambda a, b: known(0.5), x, y)
    assert not bool(constant.independence.ok) and not bool(constant.additivity.ok)
    assert bool(constant.processing.ok) and not bool(constant.passed)
    # Grows with the coordinates: padding shows it.
    width = mi.self_consistency(KEY, lambda a, b: known(np.size(a) / len(a) - 1.0), x, y)
    assert not bool(width.padding.ok)
    # Grows with the noise.
    spread = mi.self_consistency(KEY, lambda a, b: known(float(np.var(a)) - 1.0), x, y)
    assert not bool(spread.processing.ok)
    never = mi.self_consistency(KEY, lambda a, b: known(0.0), x, y)
    assert bool(never.passed)
    unfit = Estimate(jnp.asarray(0.0), ok=jnp.asarray(False))
    assert not bool(mi.self_consistency(KEY, lambda a, b: unfit, x, y).passed)
    # An infinite error leaves room for anything.
    lost = mi.self_consistency(KEY, lambda a, b: known(-1e9, np.inf), x, y)
    assert not bool(lost.passed) and not bool(lost.independence.ok)


def test_estimators_with_a_key():
    calls = []

    def random(key, a, b):
        calls.append(np.asarray(jax.random.key_data(key)).tolist())
        return known(0.0)

    mi.self_consistency(KEY, random, *gaussian(50), random=True)
    assert len(calls) == len({tuple(c) for c in calls}) == 7


@pytest.mark.parametrize(
    "change,word",
    [
        (dict(estimator="guess"), "estimator"),
        (dict(x=np.ones(5)), "shape"),
        (dict(x=np.ones(8), y=np.ones(8)), "16"),
    ],
)
def test_refusals(change, word):
    x, y = gaussian(40)
    call = dict(estimator="ksg", x=x, y=y) | change
    with pytest.raises(ValueError, match=word):
        mi.self_consistency(KEY, **call)

"""Statements about depth and shortcuts as properties, exact telescoping, units as labels."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import maxent
from ibjax.maxent.exact import correlation_terms

CUBE = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
seeds = st.integers(0, 2**32 - 1)


def wide(features, rows=8):
    """One shape for all: constant units and letters without mass change nothing."""
    features = np.asarray(features, float)
    return np.pad(features, ((0, rows - len(features)), (0, 5 - features.shape[1])))


def random_chain(rng, depth):
    """A law and layers each of which is a function of the one below (three values, two units)."""
    joint = rng.dirichlet(np.full(16, 0.8)).reshape(8, 2)
    letters = np.arange(8)
    found = []
    for _ in range(depth):
        letters = rng.integers(0, 5, 8)[letters]
        found.append(wide(rng.normal(size=(8, 2))[letters]))
    return joint, found


@given(seeds)
def test_d1_depth_cannot_improve_sufficiency(x64, seed):
    joint, found = random_chain(np.random.default_rng(seed), 3)
    chain = maxent.chain(found, joint, inputs=wide(CUBE))
    residual = np.asarray(chain.sufficiency_residual.value)
    loss, gap = np.asarray(chain.information_loss.value), np.asarray(chain.linear_gap.value)
    assert residual[0] > -1e-12 and (np.diff(residual) > -1e-12).all()
    assert (loss > -1e-12).all() and (gap > -1e-9).all()
    np.testing.assert_allclose(chain.information_regain.value, 0, atol=1e-12)
    np.testing.assert_allclose(residual, np.cumsum(loss), atol=1e-12)
    gain = np.asarray(chain.probe_gain.value)
    np.testing.assert_allclose(gain[1:], gap[:-1] - gap[1:] - loss[1:], atol=1e-12)
    assert chain.sufficiency_residual.bias == "none"


@given(seeds)
def test_d2_concatenation_never_loses(x64, seed):
    """T_l = (h(T_{l-1}), T_{l-1}): no loss, no worse softmax, and TC can only grow."""
    rng = np.random.default_rng(seed)
    joint = rng.dirichlet(np.full(16, 0.8)).reshape(8, 2)
    hidden = np.tanh(2 * CUBE @ rng.normal(size=(3, 2)) + rng.normal(size=2)) > 0
    hidden = hidden.astype(float)
    chain = maxent.chain([np.hstack([hidden, CUBE])], joint, inputs=wide(CUBE))
    assert float(chain.information_loss.value[0]) == pytest.approx(0, abs=1e-12)
    assert float(chain.probe_gain.value[0]) > -1e-8
    plain = correlation_terms(joint, wide(hidden))[1]
    both = correlation_terms(joint, np.hstack([hidden, CUBE]))[1]
    assert float(both) > float(plain) - 1e-12


def test_additive_shortcut_with_a_contraction_is_lossless(x64):
    """x + h(x) with Lip(h) < 1 is one to one; without the shortcut, h loses information."""
    joint = np.random.default_rng(0).dirichlet(np.ones(16)).reshape(8, 2)
    branch = 0.5 * np.maximum(CUBE @ np.ones((3, 3)) / 3 - 0.5, 0)
    found = maxent.chain([wide(branch)], joint), maxent.chain([wide(CUBE + branch)], joint)
    assert float(found[0].information_loss.value[0]) > 0.01
    assert float(found[1].information_loss.value[0]) == pytest.approx(0, abs=1e-12)


def test_layers_that_are_no_chain_show_their_regain(x64):
    """A coarse layer followed by a fine one: sufficiency improves and the books still balance."""
    joint = np.random.default_rng(1).dirichlet(np.ones(16)).reshape(8, 2)
    chain = maxent.chain([wide(CUBE[:, :1]), wide(CUBE[:, 1:])], joint)
    loss, regain = chain.information_loss.value, chain.information_regain.value
    assert float(regain[1]) > 1e-3
    np.testing.assert_allclose(
        chain.sufficiency_residual.value, np.cumsum(loss - regain), atol=1e-12
    )
    assert np.isnan(chain.probe_gain.value[0]) and not bool(chain.probe_gain.ok[0])


def test_stochastic_layer_by_enumerating_its_noise(x64):
    """A flipped bit: I(X;Y|T) = I(X;Y) - I(T;Y) in closed form for a symmetric channel."""
    flip, error = 0.2, 0.1
    rows, joint = [], []
    for x, z in itertools.product([0, 1], repeat=2):
        rows.append((x, x ^ z))
        chance = 0.5 * (flip if z else 1 - flip)
        joint.append([chance * (1 - error), chance * error][:: 1 if x == 0 else -1])
    rows, joint = np.array(rows, float), np.pad(joint, ((0, 4), (0, 0)))
    chain = maxent.chain([wide(rows[:, 1:])], joint, inputs=wide(rows[:, :1]))

    def entropy(p):
        return -p * np.log(p) - (1 - p) * np.log(1 - p)

    truth = entropy(flip * (1 - error) + (1 - flip) * error) - entropy(error)
    np.testing.assert_allclose(chain.sufficiency_residual.value, [truth], atol=1e-13)
    np.testing.assert_allclose(chain.linear_gap.value, [0], atol=1e-10)


def test_chain_under_jit_and_vmap(x64):
    rng = np.random.default_rng(2)
    joint, found = random_chain(rng, 1)
    laws = np.stack([joint, rng.dirichlet(np.ones(16)).reshape(8, 2)])
    batch = jax.jit(jax.vmap(lambda law: maxent.chain(found, law, inputs=wide(CUBE))))(laws)
    for index in range(2):
        one = maxent.chain(found, laws[index], inputs=wide(CUBE))
        for name in one._fields:
            np.testing.assert_allclose(
                getattr(batch, name).value[index], getattr(one, name).value, atol=1e-10
            )


def test_units_that_are_logistic_and_units_that_are_not(x64):
    """A unit that is a halfspace is strict; a parity unit has the whole entropy as its gap."""
    below = np.vstack([CUBE, CUBE])
    half = below.sum(axis=1, keepdims=True) > 1.5
    parity = below[:, :2].sum(axis=1, keepdims=True) == 1
    above = np.hstack([half, parity]).astype(float)
    found = maxent.units(below, above)
    np.testing.assert_allclose(found.entropy.value, np.log(2), atol=1e-14)
    np.testing.assert_allclose(found.given.value, 0, atol=1e-14)
    np.testing.assert_allclose(found.linear_gap.value, [0, np.log(2)], atol=1e-9)
    np.testing.assert_allclose(found.explained, [1, 0], atol=1e-9)


def test_units_recover_the_logistic_weights_of_a_noisy_layer(x64):
    """Rows weighted by P(x) P(t_j|x): the maximum-entropy law is the generating sigmoid."""
    weights, bias = np.array([1.5, -1.0, 0.5]), 0.3
    chance = 1 / (1 + np.exp(-(CUBE @ weights + bias)))
    below = np.vstack([CUBE, CUBE])
    above = np.repeat([0.0, 1.0], 8)[:, None]
    mass = np.concatenate([1 - chance, chance]) / 8
    found = maxent.units(below, np.hstack([above, above]), mass=mass, threshold=0.5)
    fit = found.solution
    np.testing.assert_allclose(fit.weights[0, :, 1] - fit.weights[0, :, 0], weights, atol=1e-9)
    np.testing.assert_allclose(fit.bias[0, 1] - fit.bias[0, 0], bias, atol=1e-9)
    np.testing.assert_allclose(found.linear_gap.value, 0, atol=1e-12)
    np.testing.assert_allclose(found.explained, 1, atol=1e-9)
    entropy = -(chance * np.log(chance) + (1 - chance) * np.log(1 - chance)).mean()
    np.testing.assert_allclose(fit.primal, entropy, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maxent.chain([], np.ones((8, 2))), "empty"),
        (lambda: maxent.chain([CUBE, CUBE[:4]], np.ones((8, 2))), r"features_list\[1\]"),
        (lambda: maxent.units(CUBE, CUBE[:4]), "same rows"),
        (lambda: maxent.units(CUBE, CUBE, mass=np.ones(3)), "mass has shape"),
        (lambda: maxent.units(CUBE, CUBE, mass=-np.ones(8)), "mass"),
        (lambda: maxent.units(CUBE, CUBE, l2=-1), "l2"),
    ],
)
def test_bad_input_to_the_recursion(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Certificates without noise in training: what enters them, and that they hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds, data, posteriors
from ibjax.interface import Dataset, Hyper, Network
from ibjax.networks import MLP, build

TASK = data.load("digits", classes=(0, 1))
TEST = data.load("digits", "test", classes=(0, 1))
KEY = jax.random.key(0)


def network():
    return build(MLP(depth=1, width=8), 2, TASK.x.shape[1:])


def test_learnt_posterior():
    net = network()
    found = posteriors.learn_posterior(
        KEY, net, TASK, prior_steps=200, steps=200, draws=200, learning_rate=3e-3
    )
    assert found.size == len(TASK.y) - round(len(TASK.y) / 2)
    assert found.risk.kind == "certificate" and found.divergence.exact
    assert float(found.risk.confidence) == pytest.approx(0.965)
    # By hand: both inversions and the divergence of diagonal Gaussians.
    mean, std = (np.concatenate([np.ravel(p) for p in jax.tree.leaves(t)]) for t in found[:2])
    assert len(mean) == len(std) and (std > 0).all()
    with jax.enable_x64(True):
        upper = float(bounds.invert.kl(found.train_error, np.log(100) / 200))
        budget = (float(found.divergence.value) + np.log(2 * found.size**0.5 / 0.025)) / found.size
        risk = float(bounds.invert.kl(upper, budget))
    np.testing.assert_allclose(found.train_error_upper, upper, rtol=1e-12)
    np.testing.assert_allclose(found.risk.value, risk, rtol=1e-10)
    logits = net.apply(found.mean, TEST.x, None, Hyper(0.0, 0.0))[0]
    error = np.mean(np.argmax(logits, 1) != np.asarray(TEST.y))
    assert error < float(found.risk.value) < 0.5 and not bool(found.risk.vacuous)


def test_the_gap_of_a_posterior_holds_below_the_limit_of_its_error():
    """One draw tells nothing of the training error: its limit is near 1, where kl^-1 - l is 0."""
    found = posteriors.learn_posterior(KEY, network(), TASK, prior_steps=0, steps=1, draws=1)
    assert found.train_error_upper > 0.98
    with jax.enable_x64(True):
        budget = (float(found.divergence.value) + np.log(2 * found.size**0.5 / 0.025)) / found.size
        largest = float(bounds.invert.envelope(budget))
    assert found.gap.kind == "certificate" and float(found.gap.value) >= largest * (1 - 1e-9)
    assert float(found.gap.confidence) == pytest.approx(0.965)
    assert float(found.risk.confidence) == pytest.approx(0.965)
    assert float(found.risk.value) >= found.train_error_upper


def test_compressed_network_is_what_its_letters_say():
    net = network()
    found = posteriors.compress(KEY, net, TASK, dimension=20, letters=4, steps=200, refine=100)
    again = posteriors.decode(KEY, net, TASK.x[:1], found.letters, found.levels)
    for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(again)):
        np.testing.assert_array_equal(a, b)
    assert found.levels.dtype == np.float16 and found.letters.max() < 4
    codes = [bounds.code_length(found.letters, 4, method=m) for m in ("kt", "enumerative")]
    np.testing.assert_allclose(found.bits, min(codes) + 1 + 64)
    known = bounds.occam(found.train_error, found.bits, len(TASK.y), 0.05)
    np.testing.assert_allclose(found.gap.value, known.value, rtol=1e-5)
    assert found.gap.kind == "certificate"
    logits = net.apply(found.params, TASK.x, None, Hyper(0.0, 0.0))[0]
    error = np.mean(np.argmax(logits, 1) != np.asarray(TASK.y))
    np.testing.assert_allclose(found.train_error, error, atol=1e-6)
    assert error < 0.1 and float(found.risk.value) < 0.5


def test_choices_are_paid_for():
    net = network()
    one, many = (
        posteriors.compress(KEY, net, TASK, dimension=5, letters=2, steps=5, refine=0, choices=c)
        for c in (1, 16)
    )
    np.testing.assert_allclose(many.bits - one.bits, 4)
    assert many.gap.value > one.gap.value


@pytest.mark.parametrize(
    "function,change,word",
    [
        (posteriors.learn_posterior, dict(prior_fraction=1.0), "prior_fraction"),
        (posteriors.learn_posterior, dict(delta=0.0), "delta"),
        (posteriors.learn_posterior, dict(prior_std=0.0), "prior_std"),
        (posteriors.learn_posterior, dict(draws=0), "draws"),
        (posteriors.compress, dict(letters=1), "letters"),
        (posteriors.compress, dict(dimension=0), "dimension"),
        (posteriors.compress, dict(delta=1.0), "delta"),
        (posteriors.compress, dict(choices=0), "choices"),
    ],
)
def test_refusals(function, change, word):
    with pytest.raises(ValueError, match=word):
        function(KEY, network(), TASK, **change)


def test_batch_statistics_and_unpaired_data_are_refused():
    normalised = network()._replace(batch_statistics=object())
    assert isinstance(normalised, Network)
    with pytest.raises(ValueError, match="batch statistics"):
        posteriors.compress(KEY, normalised, TASK)
    padded = build(MLP(depth=1, width=8, padded_to=3), 2, TASK.x.shape[1:])
    with pytest.raises(ValueError, match="padded"):
        posteriors.learn_posterior(KEY, padded, TASK)
    odd = Dataset(jnp.ones((5, 2)), jnp.zeros(4, int), 2, "odd")
    with pytest.raises(ValueError, match="pairs"):
        posteriors.learn_posterior(KEY, network(), odd)


@pytest.mark.parametrize("gate", [1.0, 0.0])
@pytest.mark.parametrize("certify", [posteriors.compress, posteriors.learn_posterior])
def test_a_network_that_compares_the_examples_of_a_batch_is_refused(certify, gate):
    """Its error on one example is no function of weights and example, whatever trains it."""

    def apply(params, x, key, hyper):
        z = x.reshape(len(x), -1) @ params["kernel"]
        return z - params["gate"] * z.mean(0), ()

    shape = (TASK.x[0].size, 2)
    coupled = Network(lambda key, x: {"kernel": jnp.ones(shape), "gate": jnp.array(gate)}, apply)
    with pytest.raises(ValueError, match="another example of its batch"):
        certify(KEY, coupled, TASK)


def test_logits_that_are_not_one_a_class_are_refused():
    """The largest of one logit is always class 0."""
    one = Network(
        lambda key, x: {"kernel": jnp.ones((TASK.x[0].size, 1))},
        lambda params, x, key, hyper: (x.reshape(len(x), -1) @ params["kernel"], ()),
    )
    with pytest.raises(ValueError, match="2 classes"):
        posteriors.compress(KEY, one, TASK)
    with pytest.raises(ValueError, match=r"dataset\.y"):
        posteriors.compress(KEY, network(), TASK._replace(y=np.asarray(TASK.y) + 1))


@pytest.mark.parametrize("certify", [posteriors.compress, posteriors.learn_posterior])
def test_a_data_set_of_copies_is_refused(certify):
    """Half of the copies would learn what the other half is certified on."""
    x, y = (np.concatenate([np.asarray(a)[:50]] * 2) for a in (TASK.x, TASK.y))
    with pytest.raises(ValueError, match="lists every example 2 times"):
        certify(KEY, network(), TASK._replace(x=x, y=y))
    rare = np.flatnonzero(y == 1)
    x, y = (np.concatenate([a[:50], a[:50][rare[rare < 50]]]) for a in (x, y))
    with pytest.raises(ValueError, match="every example of class 1 2 times"):
        certify(KEY, network(), TASK._replace(x=x, y=y))

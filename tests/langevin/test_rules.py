"""Update rules of one's own: optax transformations in the place of a name."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import bounds
from ibjax.interface import Dataset, Supersample
from ibjax.langevin import Config, run_replicas, sgld, track, train
from ibjax.langevin.programs import compiled
from ibjax.networks import MLP

RNG = np.random.default_rng(0)
Y = (np.arange(40) % 2).astype(np.int32)
X = (Y[:, None] * 2 - 1 + 0.3 * RNG.normal(size=(40, 3))).astype(np.float32)
POOL = Dataset(X, Y, 2, "toy")
INDEX = np.stack([RNG.permutation(40)[:20].reshape(10, 2) for _ in range(2)])
PAIRS = Supersample(INDEX, RNG.integers(0, 2, (2, 2, 10)))
CONFIG = Config(MLP(depth=1, width=4), steps=20, batch_size=5, batching="epochs", learning_rate=0.1)
KEY = jax.random.key(0)
CHAIN = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1, weight_decay=1e-3))


def of(rule, **changes):
    return dataclasses.replace(CONFIG, optimizer=rule, **changes)


def test_a_chain_trains_and_its_evidence_says_nothing_of_a_trajectory():
    evidence = run_replicas(KEY, of(CHAIN, steps=60), POOL, PAIRS)
    assert evidence.train_error.mean() < 0.05 and not evidence.diverged.any()
    assert np.isnan(evidence.step_sizes).all() and evidence.step_sizes.shape == (60,)
    assert (evidence.noise_stds == 0).all()
    assert not np.isfinite(evidence.sample_information).any()
    rows = [n for n, r in bounds.registry().items() if "weight_noise" in r.assumptions]
    assert "individual" in rows and "trajectory_cmi" in rows
    for name, value in bounds.evaluate(evidence, names=[*rows, "f_cmi"]).items():
        assert bool(value.holds) == np.isfinite(value.value) == (name == "f_cmi"), name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("sgd", optax.sgd(0.1)),
        ("adam", optax.adam(0.1)),
        ("sgld", sgld(0.1, 2000.0)),
    ],
)
def test_a_named_rule_given_as_a_transformation_trains_the_same_weights(name, rule):
    mine = train(KEY, of(rule), POOL, PAIRS, weights=True)
    theirs = train(KEY, of(name), POOL, PAIRS, weights=True)
    for a, b in zip(jax.tree.leaves(mine.weights), jax.tree.leaves(theirs.weights)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert (mine.evidence.noise_stds == 0).all() and np.isnan(mine.evidence.step_sizes).all()


def test_a_rule_sees_the_parameters_layer_by_layer():
    """Groups by name: the head alone moves."""
    labels = {"hidden": "still", "head": "moves"}

    def label(params):
        return {k: labels.get(k, "still") for k in params}

    rule = optax.multi_transform({"still": optax.set_to_zero(), "moves": optax.sgd(0.1)}, label)
    weights = train(KEY, of(rule, checkpoints=2), POOL, PAIRS, weights="checkpoints").weights
    for name, part in weights.items():
        for leaf in jax.tree.leaves(part):
            moved = np.any(leaf[:, :, 0] != leaf[:, :, 1])
            assert moved == (name == "head"), name


def test_noise_drawn_from_the_key_differs_between_replicas():
    def update(grads, state, params=None, *, key, **extra):
        return jax.tree.map(lambda g: jax.random.normal(key, g.shape), grads), state

    rule = optax.GradientTransformationExtraArgs(lambda params: (), update)
    shared = of(rule, steps=1, batch_size=None, batching=None)
    bias = train(KEY, shared, POOL, PAIRS, weights=True).weights["head"]["bias"].reshape(4, -1)
    assert len(np.unique(bias, axis=0)) == 4


def test_one_transformation_is_compiled_once():
    compiled.cache_clear()
    rule = optax.sgd(0.2)
    for temperature in (10.0, 20.0):
        run_replicas(KEY, of(rule, inverse_temperature=temperature), POOL, PAIRS)
    assert compiled.cache_info().misses == 1
    assert of(rule) == of(rule) and of(rule) != of(optax.sgd(0.2))


def test_what_needs_the_noise_of_sgld_refuses_other_rules():
    with pytest.raises(ValueError, match="account=True with optimizer=an optax transformation"):
        of(CHAIN, account=True)
    with pytest.raises(ValueError, match="optimizer=an optax transformation cannot be tracked"):
        ghosts = np.arange(10, 20)[None]
        track(KEY, of(CHAIN), POOL, np.arange(10)[None], ghosts, np.arange(20, 40)[None])


@pytest.mark.parametrize("wrong", [3, None, "adamw", optax.adam, ("sgd",)])
def test_no_rule_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=r"optimizer=.* is unknown; choose one of"):
        of(wrong)


def changed(update):
    return optax.GradientTransformation(lambda params: jnp.zeros(()), update)


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (optax.polyak_sgd(), "cannot take a step"),
        (optax.multi_transform({"a": optax.sgd(0.1)}, {"nothing": "a"}), "cannot take a step"),
        (changed(lambda g, s, p=None: (jax.tree.leaves(g)[0], s)), "updates of another"),
        (changed(lambda g, s, p=None: (g, s.astype(jnp.int32))), "a state of another"),
    ],
)
def test_a_rule_that_cannot_take_a_step_is_refused_before_training(rule, named):
    with pytest.raises(ValueError, match=f"optimizer .*{named}"):
        run_replicas(KEY, of(rule), POOL, PAIRS)

"""`langevin.train`: the evidence of `run_replicas`, and weights and observations beside it."""

import dataclasses
import gc
import socket
import subprocess
import sys
import weakref
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.interface import Dataset, Supersample
from ibjax.langevin import Config, hyper, run_replicas, train
from ibjax.langevin.programs import compiled
from ibjax.langevin.replicas import replica_keys
from ibjax.langevin.streams import EVALUATION, OBSERVATION
from ibjax.networks import MLP, build

RNG = np.random.default_rng(0)
POOL = Dataset(
    RNG.normal(size=(40, 3)).astype(np.float32), (np.arange(40) % 2).astype(np.int32), 2, "toy"
)
INDEX = np.stack([RNG.permutation(40)[:20].reshape(10, 2) for _ in range(2)])
PAIRS = Supersample(INDEX, RNG.integers(0, 2, (2, 3, 10)))
CONFIG = Config(
    MLP(depth=2, width=4, noise=0.3), steps=12, batch_size=4, checkpoints=3, noise_draws=4
)
KEY = jax.random.key(0)
NETWORK = build(CONFIG.network, 2, (3,))


def look(params, key):
    """Features of the pool, which it closes over, the key itself, and something that is whole."""
    _, features = NETWORK.apply(params, POOL.x, None, hyper(CONFIG))
    small = params["head"]["bias"] < 0
    return {"features": features, "key": jax.random.key_data(key), "small": small, "one": 1.0}


@pytest.fixture(scope="module")
def trained():
    return train(KEY, CONFIG, POOL, PAIRS, observe=look, weights="checkpoints")


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_what_is_observed_changes_no_number_of_the_evidence(trained):
    same(run_replicas(KEY, CONFIG, POOL, PAIRS), trained.evidence)


def test_nothing_is_handed_back_unasked():
    _, weights, observed = train(KEY, CONFIG, POOL, PAIRS)
    assert weights is None and observed is None


def test_weights_have_the_form_of_the_parameters_and_those_at_the_end_are_the_last(trained):
    like = NETWORK.init(KEY, POOL.x[:1])
    assert jax.tree.structure(trained.weights) == jax.tree.structure(like)
    for leaf, one in zip(jax.tree.leaves(trained.weights), jax.tree.leaves(like)):
        assert leaf.shape == (2, 3, 3, *one.shape) and leaf.dtype == one.dtype
        assert isinstance(leaf, np.ndarray)
    last = train(KEY, CONFIG, POOL, PAIRS, weights=True).weights
    same(last, jax.tree.map(lambda a: a[:, :, -1], trained.weights))


def test_weights_evaluated_by_hand_give_the_predictions_and_errors_of_the_evidence(trained):
    keys = replica_keys(KEY, 2, 3, False).reshape(2, 3)
    labels = POOL.y[INDEX]
    for s, u, e in np.ndindex(2, 3, 3):
        params = jax.tree.map(lambda a: a[s, u, e], trained.weights)  # noqa: B023
        key = jax.random.fold_in(keys[s, u], EVALUATION)
        draws = jax.random.split(jax.random.fold_in(key, trained.evidence.checkpoints[e]), 2)
        inputs, h = POOL.x[INDEX[s]].reshape(20, 3), hyper(CONFIG)
        pairs = [h, h._replace(layer_noise=-h.layer_noise)]  # each draw and its opposite
        logits = [NETWORK.apply(params, inputs, k, a)[0] for k in draws for a in pairs]
        guesses = np.argmax(logits, axis=-1).reshape(4, 10, 2)
        np.testing.assert_array_equal(guesses[0], trained.evidence.predictions[s, u, e])
        wrong = (guesses != labels[s]).mean(axis=0)
        own = np.take_along_axis(wrong, np.asarray(PAIRS.mask)[s, u][:, None], axis=1).mean()
        assert trained.evidence.train_error[s, u, e] == pytest.approx(own, abs=1e-6)


def test_observations_are_stacked_over_replicas_and_checkpoints(trained):
    seen = trained.observed
    assert [f.shape for f in seen["features"]] == [(2, 3, 3, 40, 4)] * 2
    assert seen["small"].shape == (2, 3, 3, 2) and seen["small"].dtype == bool
    np.testing.assert_array_equal(seen["one"], np.ones((2, 3, 3)))
    np.testing.assert_array_equal(seen["small"], trained.weights["head"]["bias"] < 0)
    params = jax.tree.map(lambda a: a[1, 2, 1], trained.weights)
    _, features = NETWORK.apply(params, POOL.x, None, hyper(CONFIG))
    for mine, theirs in zip(features, seen["features"]):
        np.testing.assert_allclose(mine, theirs[1, 2, 1], rtol=1e-5, atol=1e-6)


def test_each_replica_and_checkpoint_has_a_key_of_its_own_stream(trained):
    words = trained.observed["key"].reshape(18, 2)
    assert len(np.unique(words, axis=0)) == 18
    own = jax.random.fold_in(replica_keys(KEY, 2, 3, False)[5], OBSERVATION)
    expected = jax.random.key_data(jax.random.fold_in(own, 8))
    np.testing.assert_array_equal(trained.observed["key"][1, 2, 1], expected)


def test_small_chunks_and_masks_added_later_give_the_same(trained):
    little = dataclasses.replace(CONFIG, memory=1)
    same(train(KEY, little, POOL, PAIRS, observe=look, weights="checkpoints"), trained)
    later = PAIRS._replace(mask=PAIRS.mask[:, 1:])
    more = train(KEY, CONFIG, POOL, later, first_mask=1, observe=look, weights=True)
    same(more.observed, jax.tree.map(lambda a: a[:, 1:], trained.observed))
    same(more.weights, jax.tree.map(lambda a: a[:, 1:, -1], trained.weights))


def test_an_observation_too_large_for_the_memory_makes_the_chunks_smaller():
    def large(params, key):
        return jnp.tanh(jax.random.normal(key, (500, 500)) @ jnp.ones((500, 500))).sum()

    def sizes(observe):
        done = []
        config = dataclasses.replace(CONFIG, memory=3 * 10**6, mapping="vmap", checkpoints=1)
        train(KEY, config, POOL, PAIRS, observe=observe, progress=lambda d, _: done.append(d))
        return done

    assert sizes(None) == [72]  # all at once
    assert len(sizes(large)) > 1


def features_of(x, params, key):
    return NETWORK.apply(params, x, None, hyper(CONFIG))[0]


def test_an_observation_lives_no_longer_than_its_run():
    big = jnp.ones((7, 3))

    observe = partial(features_of, big)
    before = compiled.cache_info().currsize
    train(KEY, CONFIG, POOL, PAIRS, observe=observe)
    assert compiled.cache_info().currsize <= before + 1  # that of the training
    gone = weakref.ref(observe), weakref.ref(big)
    del observe, big
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_a_jitted_observation_and_double_precision_change_no_weights(trained):
    with jax.enable_x64(True):
        got = train(KEY, CONFIG, POOL, PAIRS, observe=jax.jit(look), weights="checkpoints")
    same(got.weights, trained.weights)
    assert got.observed["features"][0].dtype == np.float32


SCRIPT = """
import sys, jax, jax.numpy as jnp, numpy as np
path, devices, processes, number, port = sys.argv[1], *map(int, sys.argv[2:])
jax.config.update("jax_num_cpu_devices", devices)
if processes > 1:
    jax.distributed.initialize(f"localhost:{port}", processes, number)
from ibjax import langevin
from ibjax.interface import Dataset, Supersample
from ibjax.networks import MLP
assert (jax.local_device_count(), jax.process_count()) == (devices, processes)
rng = np.random.default_rng(0)
pool = Dataset(rng.normal(size=(40, 3)).astype("f"), np.arange(40) % 2, 2, "toy")
index = np.stack([rng.permutation(40)[:20].reshape(10, 2) for _ in range(1)])
pairs = Supersample(index, rng.integers(0, 2, (1, 5, 10)))
config = langevin.Config(MLP(depth=1, width=4), steps=8, batch_size=4, checkpoints=2)
held = jax.device_put(jnp.asarray(pool.x), jax.local_devices()[0])
def observe(params, key):
    seen = jnp.tanh(held @ params["head"]["kernel"][:3])
    return seen, seen > 0, jax.random.normal(key, (40, 2))
got = langevin.train(jax.random.key(0), config, pool, pairs, observe=observe, weights=True)
np.savez(path, *jax.tree.leaves(got))
"""


def test_several_devices_and_processes_give_the_numbers_of_one(tmp_path):
    with socket.socket() as s:
        s.bind(("localhost", 0))
        port = s.getsockname()[1]
    cases = ((1, 1, 0), (3, 1, 0), (1, 2, 0), (1, 2, 1))
    places = [tmp_path / f"{i}.npz" for i in range(len(cases))]
    started = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(place), *map(str, case), str(port)])
        for place, case in zip(places, cases)
    ]
    assert [process.wait(timeout=300) for process in started] == [0, 0, 0, 0]
    alone, *others = map(np.load, places)
    for found in others:
        assert found.files == alone.files
        for name in alone.files:
            np.testing.assert_array_equal(found[name], alone[name], err_msg=name)


def raises(params, key):
    raise KeyError("missing")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"observe": raises}, "observe fails .*KeyError.*missing"),
        ({"observe": lambda params: params}, "observe fails .*TypeError"),
        ({"observe": lambda params, key: "text"}, "observe fails .*TypeError"),
        ({"observe": lambda params, key: float(params["head"]["bias"][0])}, "observe fails"),
        ({"observe": lambda params, key: None}, "observe gives no arrays"),
        ({"observe": lambda params, key: key}, "observe gives random keys"),
        ({"observe": 3}, "observe=3 cannot be called"),
        ({"weights": "end"}, "weights='end'"),
        ({"weights": 1}, "weights=1"),
        ({"weights": None}, "weights=None"),
    ],
)
def test_what_cannot_be_handed_back_is_refused_before_training(asked, named):
    compiled.cache_clear()
    with pytest.raises(ValueError, match=named) as caught:
        train(KEY, CONFIG, POOL, PAIRS, **asked)
    assert "\n" not in str(caught.value)
    assert compiled.cache_info().misses == 0

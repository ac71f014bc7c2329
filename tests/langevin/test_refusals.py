"""What cannot be trained on is refused before training; what only looks odd is accepted."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import data, langevin
from ibjax.data import embedded
from ibjax.interface import Dataset, Network, Supersample
from ibjax.langevin import Config, run_replicas, track
from ibjax.langevin.checks import check_copies, repeated
from ibjax.langevin.programs import compiled
from ibjax.networks import CNN, MLP, build

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)).astype("f"), np.arange(12) % 2
POOL = Dataset(X, Y, 2, "toy")
PAIRS = Supersample(RNG.permutation(12).reshape(1, 6, 2), RNG.integers(0, 2, (1, 2, 6)))
CONFIG = Config(MLP(1, 2), steps=2)
KEY = jax.random.key(0)
ROWS = np.arange(12).reshape(3, 1, 4)


def replicas(pool, config=CONFIG, key=KEY, pairs=PAIRS):
    return run_replicas(key, config, pool, pairs)


def tracked(pool, config=CONFIG, key=KEY):
    return track(key, config, pool, ROWS[0], ROWS[1][..., None], ROWS[2])


BOTH = pytest.mark.parametrize("train", [replicas, tracked])


@BOTH
@pytest.mark.parametrize(
    ("y", "named"),
    [
        (Y + 0.5, "dataset.y holds 0.5; labels are whole numbers"),
        (np.eye(2)[Y], "argmax"),
        (Y[:, None], r"dataset.y.ravel\(\)"),
        (np.array(["cat", "dog"])[Y], "holds <U3 values"),
        (np.where(Y, np.nan, 0.0), "dataset.y holds nan"),
        (Y + 1, "labels must lie in 0..1"),
        (-Y, "labels must lie in 0..1"),
        (Y * 2**32, "reaches from 0 to 4294967296"),
        (Y + 0j, "complex"),
        ([None, 1] * 6, "object"),
        (np.zeros(0), "empty"),
        (3, "one class number an example"),
        (Y[:-1], "match them"),
    ],
)
def test_labels_that_are_no_class_numbers_are_refused_alike(train, y, named):
    with pytest.raises(ValueError, match=named):
        train(POOL._replace(y=y))


@BOTH
@pytest.mark.parametrize(
    ("x", "named"),
    [
        (np.where(X > 2, X, np.nan), "NaN"),
        (X.astype(np.float64) * 1e60, "infinite values"),
        (X + 0j, "complex"),
        (X.astype(str), "holds <U"),
        (np.full((12, 3), 2**40), "beyond int32"),
        (X[:0], "give one row of numbers"),
    ],
)
def test_inputs_that_are_no_numbers_are_refused_alike(train, x, named):
    with pytest.raises(ValueError, match=named):
        train(POOL._replace(x=x))


@BOTH
def test_whole_numbers_of_every_type_are_the_same_labels(train):
    expected = train(POOL).train_error
    kinds = (float, bool, np.uint8, np.int64, np.float16, "float16", ">f8", ">i4")
    for y in (*(Y.astype(k) for k in kinds), list(map(int, Y)), jnp.asarray(Y, jnp.bfloat16)):
        np.testing.assert_array_equal(train(POOL._replace(y=y)).train_error, expected)


@BOTH
def test_pools_of_copies_are_refused(train):
    """Each example would count as many times, and its copies would be called unseen."""
    x, y = RNG.normal(size=(24, 3)), np.arange(24) % 2
    double = POOL._replace(x=np.concatenate([x, x]), y=np.concatenate([y, y]))
    with pytest.raises(ValueError, match="lists every example 2 times"):
        train(double)
    rare = np.repeat(np.flatnonzero(y), 3)
    more = POOL._replace(x=np.concatenate([x[y == 0], x[rare]]), y=np.repeat([0, 1], [12, 36]))
    with pytest.raises(ValueError, match="every example of class 1 3 times"):
        train(more)


def test_examples_that_come_again_by_chance_are_no_copies():
    x = RNG.integers(0, 3, (400, 2))
    check_copies(x, RNG.integers(0, 2, 400))
    check_copies(np.zeros((40, 2)), np.arange(40) % 2)
    assert repeated(x) == 400 - 9


def test_copies_are_told_by_their_numbers_and_not_their_signs_of_zero():
    """One pair of equal examples is no set of copies, which nothing was listed "1 times" of."""
    x = RNG.normal(size=(40, 3))
    x[:, 0] = 0.0
    twin = np.concatenate([x, x[:1]])
    twin[-1, 0] = -0.0
    check_copies(twin, np.zeros(41, int))
    assert repeated(twin) == 1
    other = np.where(x == 0, -0.0, x)
    with pytest.raises(ValueError, match="lists every example 2 times"):
        check_copies(np.concatenate([x, other]), np.zeros(80, int))


def test_other_numbers_of_the_pool_are_refused():
    with pytest.raises(ValueError, match="num_classes=1"):
        replicas(POOL._replace(num_classes=1, y=0 * Y))
    twice = np.array(PAIRS.index)
    twice[0, 1, 0] = twice[0, 0, 1]
    with pytest.raises(ValueError, match=f"example {twice[0, 1, 0]} twice"):
        replicas(POOL, pairs=PAIRS._replace(index=twice))
    with pytest.raises(ValueError, match="whole numbers"):
        replicas(POOL, pairs=PAIRS._replace(index=PAIRS.index + 0.5))
    with pytest.raises(ValueError, match="twice in one run"):
        track(KEY, CONFIG, POOL, np.zeros((1, 4), int), ROWS[1][..., None], ROWS[2])


def test_the_labels_of_a_loaded_data_set_go_through_the_same_check(monkeypatch):
    odd = {"train": (X, Y + 0.5)}
    monkeypatch.setattr(embedded, "digits", lambda: odd)
    with pytest.raises(ValueError, match="the labels of 'digits' holds"):
        data.load("digits")


@BOTH
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": optax.linear_schedule(0.1, -0.1, 1)}, "learning_rate makes"),
        ({"learning_rate": lambda t: 0.1 / (1 - t)}, "step size inf at step 1"),
        ({"learning_rate": lambda t: jnp.full(3, 0.1) * t}, "one number a step"),
        ({"inverse_temperature": lambda t: 10.0 - 20 * t}, "inverse_temperature makes"),
        ({"inverse_temperature": lambda t: 0.0 * t}, "weight noise inf at step 0"),
        ({"network": build(MLP(1, 2), 3, (3,))}, r"\(3, 3\).*\(3, 2\)"),
        ({"loss": lambda z, y: (z - z.mean(0))[:, 0] ** 2}, "changes with the row"),
    ],
)
def test_what_only_the_run_shows_is_refused_before_anything_is_compiled(train, change, named):
    compiled.cache_clear()
    with pytest.raises(ValueError, match=named):
        train(POOL, dataclasses.replace(CONFIG, **change))
    assert compiled.cache_info().misses == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"batch_size": 4.5}, "batch_size=4.5"),
        ({"batch_size": "4"}, "batch_size='4'"),
        ({"steps": 10.0}, "steps=10.0"),
        ({"learning_rate": np.float32(-1)}, "learning_rate=-1"),
        ({"learning_rate": jnp.array([0.1, 0.2])}, "one positive number"),
        ({"learning_rate": "0.1"}, "no numbers"),
        ({"learning_rate": jnp.float32(jnp.nan)}, "learning_rate=nan"),
        ({"clip": np.float64(-1.0)}, "clip=-1"),
        ({"clip": np.ones(3)}, "clip"),
        ({"loss": "hinge"}, "loss='hinge'"),
        ({"network": MLP}, "network=MLP"),
        ({"network": build(MLP(1, 2), 2, (3,))._replace(layers=(1,))}, "layers holds 1"),
    ],
)
def test_a_wrong_configuration_of_any_type_is_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named):
        dataclasses.replace(CONFIG, **change)


def test_numbers_of_numpy_and_jax_are_numbers():
    plain = dataclasses.replace(CONFIG, learning_rate=0.25, clip=0.5, batch_size=4)
    same = dataclasses.replace(
        CONFIG, learning_rate=jnp.float32(0.25), clip=np.float16(0.5), batch_size=np.int64(4)
    )
    assert same == plain and hash(same) == hash(plain)
    assert Config(CNN([2, 3])) == Config(CNN((2, 3)))


@BOTH
def test_the_environment_and_the_kind_of_key_change_no_number(train):
    expected = train(POOL)
    compiled.cache_clear()
    legacy = jax.random.PRNGKey(0)
    with (
        jax.enable_x64(True),
        jax.threefry_partitionable(False),
        jax.default_prng_impl("rbg"),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.default_matmul_precision("bfloat16"),
        jax.debug_infs(True),
    ):
        got = train(POOL._replace(x=X.astype(np.float64)), key=legacy)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    for key, named in (
        (jax.random.key(0, impl="rbg"), "'rbg'.*threefry2x32"),
        (jax.random.split(KEY), "one key"),
        (0, "no random key"),
    ):
        with pytest.raises(ValueError, match=named):
            train(POOL, key=key)


def test_supersamples_are_drawn_alike_in_every_environment():
    expected = data.supersample(KEY, 100, 20, 2, 4, balanced=True)
    legacy = jax.random.PRNGKey(0)
    with (
        jax.enable_x64(True),
        jax.threefry_partitionable(False),
        jax.default_prng_impl("rbg"),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.default_matmul_precision("bfloat16"),
        jax.debug_infs(True),
    ):
        got = data.supersample(legacy, 100, 20, 2, 4, balanced=True)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    assert got.index.dtype == expected.index.dtype
    with pytest.raises(ValueError, match="rbg"):
        data.supersample(jax.random.key(0, impl="rbg"), 100, 20, 2, 4)


@pytest.mark.parametrize("name", ["account", "shared_randomness"])
@pytest.mark.parametrize("value", ["no", "yes", None, 2, 0.5])
def test_a_flag_that_is_neither_true_nor_false_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}=.*neither True nor False"):
        Config(**{name: value})


def linear(trainable):
    """Logits linear in the input, with weights and offsets."""

    def init(key, x):
        return {"w": jax.random.normal(key, (3, 2)), "b": jnp.zeros(2)}

    def apply(params, x, key, hyper):
        return x @ params["w"] + params["b"], ()

    return Network(init, apply, trainable=trainable)


W, B = jnp.ones((3, 2)), jnp.zeros(2)


@BOTH
@pytest.mark.parametrize(
    ("trainable", "named"),
    [
        (lambda params, hyper: {"w": W / 2, "b": B}, "gives 0.5, which scales"),
        (lambda params, hyper: {"w": -W, "b": B}, "gives -1"),
        (lambda params, hyper: {"w": W * jnp.nan, "b": B}, "gives nan"),
        (lambda params, hyper: {"w": 0 * W, "b": B}, "0 everywhere"),
        (lambda params, hyper: {"w": W}, "another structure"),
        (lambda params, hyper: {"w": W[0], "b": B}, "another structure or other shapes"),
        (lambda params, hyper: {"w": params["w"] > 0, "b": B}, "looks at the parameters"),
        (lambda params, hyper: {"w": W * (params["b"][0] != 0), "b": B + 1}, "looks at"),
        (lambda params, hyper: params["v"], "trainable fails"),
    ],
)
def test_marks_that_are_not_of_what_is_trained_are_refused(train, trainable, named):
    """Halves were counted as half a dimension, though a step moves along all of it."""
    compiled.cache_clear()
    with pytest.raises(ValueError, match="network.trainable.*" + named.replace("trainable ", "")):
        train(POOL, dataclasses.replace(CONFIG, network=linear(trainable)))
    assert compiled.cache_info().misses == 0


def test_frozen_parameters_stay_and_are_no_dimension():
    network = linear(lambda params, hyper: {"w": jnp.ones_like(params["w"]), "b": B})
    got = langevin.train(
        KEY, dataclasses.replace(CONFIG, network=network), POOL, PAIRS, weights=True
    )
    assert float(got.evidence.dim) == 6
    assert not got.weights["b"].any() and got.weights["w"].std() > 0

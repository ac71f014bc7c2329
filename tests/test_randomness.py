"""Same seed, same numbers, whatever the environment says of JAX."""

import jax
import numpy as np
import pytest

from ibjax import data, pipeline, randomness
from ibjax.pipeline import Experiment

TINY = Experiment(depths=(1,), width=4, train_size=10, supersamples=2, masks=3, steps=4)
SETTINGS = {
    "x64": lambda: jax.enable_x64(True),
    "not partitionable": lambda: jax.threefry_partitionable(False),
    "rbg": lambda: jax.default_prng_impl("rbg"),
    "unsafe_rbg": lambda: jax.default_prng_impl("unsafe_rbg"),
    "no old keys": lambda: jax.legacy_prng_key("error"),
    "strict types": lambda: jax.numpy_dtype_promotion("strict"),
    "strict ranks": lambda: jax.numpy_rank_promotion("raise"),
    "half precision": lambda: jax.default_matmul_precision("bfloat16"),
    "no NaN": lambda: jax.debug_nans(True),
    "no transfer": lambda: jax.transfer_guard("disallow"),
}


@pytest.fixture(scope="module")
def reference():
    return _numbers()


def _numbers():
    pool, pairs = pipeline.load(TINY)
    evidence = pipeline.run_cell(TINY, 1, pool, pairs).evidence
    drawn = data.load("two_gaussians", "train[:50]")
    parts = {"pool": pool.x, "index": pairs.index, "masks": pairs.mask, "drawn": drawn.x}
    return {k: np.asarray(v) for k, v in (parts | evidence._asdict()).items() if v is not None}


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_same_seed_gives_the_same_numbers_in_every_environment(reference, setting):
    with SETTINGS[setting]():
        found = _numbers()
    assert found.keys() == reference.keys()
    for name, value in reference.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        assert found[name].dtype == value.dtype, name


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_a_seed_is_the_key_of_jax(seed):
    ours = jax.random.key_data(randomness.seed_key(seed))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(ours, jax.random.key_data(jax.random.key(seed)))


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64, 1.0, True, "0", None])
def test_what_is_no_seed(seed):
    with pytest.raises(ValueError, match="seed="):
        randomness.seed_key(seed)


def test_seeds_shifted_from_outside_are_refused():
    jax.config.update("jax_random_seed_offset", 7)
    try:
        with pytest.raises(ValueError, match="JAX_RANDOM_SEED_OFFSET=7"), randomness.pinned():
            pass
    finally:
        jax.config.update("jax_random_seed_offset", 0)


def keys_of_several():
    return jax.random.split(jax.random.key(5), 3)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 20, 200, 1024, 1025, 2000])
def test_orders_are_those_of_jax(size):
    ours = jax.vmap(lambda k: randomness.permutation(k, size))(keys_of_several())
    theirs = jax.vmap(lambda k: jax.random.permutation(k, size))(keys_of_several())
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("size", [1, 2, 5, 200, 256, 257, 1024, 1100])
@pytest.mark.parametrize("kind", ["any", "equal", "few", "low bits", "ends"])
def test_words_that_agree_in_some_bits_or_all_are_sorted_by_all_and_then_by_place(size, kind):
    rng = np.random.default_rng(size)
    words = rng.integers(0, 2**32, size, np.uint32)
    if kind == "equal":
        words[:] = words[0]
    if kind == "few":
        words = rng.choice(words[:3], size)
    if kind == "low bits":  # those that give way to the places
        words = (words[0] & np.uint32(0xFFFFFFF0)) + rng.integers(0, 16, size, np.uint32)
    if kind == "ends":
        words[: size // 2], words[size // 2 :] = 2**32 - 1, 0
    found = jax.jit(randomness._sorting)(words)
    np.testing.assert_array_equal(found, np.argsort(words, kind="stable"))


@pytest.mark.parametrize("number", [0, 1, 7, 2**31, 2**32 - 1])
def test_keys_of_numbers_are_those_of_jax(number):
    key, data = jax.random.key(3), np.uint32(number)
    ours, theirs = randomness.fold_in(key, data), jax.random.fold_in(key, data)
    np.testing.assert_array_equal(jax.random.key_data(ours), jax.random.key_data(theirs))


def test_keys_of_the_first_numbers_are_the_parts_of_a_key():
    parts = jax.random.split(jax.random.key(3), 4)
    ours = jax.vmap(randomness.fold_in, (None, 0))(jax.random.key(3), np.arange(4))
    np.testing.assert_array_equal(jax.random.key_data(ours), jax.random.key_data(parts))


@pytest.mark.parametrize(
    "shape", [(), (1,), (2,), (3, 5), (1024,), (2, 1025), (16_385,), (70_000,), (0,)]
)
def test_noise_is_that_of_jax(shape):
    key = jax.random.key(8)
    ours = randomness.normal(key, shape)
    assert ours.shape == shape and ours.dtype == np.float32
    np.testing.assert_array_max_ulp(ours, jax.random.normal(key, shape, np.float32), 2)


@pytest.mark.parametrize("setting", ["x64", "not partitionable", "strict types", "no NaN"])
def test_noise_and_orders_do_not_depend_on_the_settings(setting):
    def drawn():
        key = jax.random.key(8, impl=randomness.IMPLEMENTATION)
        order = randomness.permutation(randomness.fold_in(key, 4), 9)
        return np.asarray(randomness.normal(key, (7,))), np.asarray(order)

    plain = drawn()
    with SETTINGS[setting]():
        for mine, theirs in zip(plain, drawn()):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("make", [lambda: jax.random.PRNGKey(2), lambda: jax.random.key(2)])
def test_both_kinds_of_keys(make):
    expected = jax.random.normal(jax.random.fold_in(jax.random.key(2), 1), (5,))
    ours = randomness.normal(randomness.fold_in(make(), 1), (5,))
    np.testing.assert_array_max_ulp(np.asarray(ours), np.asarray(expected), 2)


def test_other_generators_serve_as_they_are():
    key = jax.random.key(2, impl="rbg")
    np.testing.assert_array_equal(
        randomness.permutation(randomness.fold_in(key, 1), 6),
        jax.random.permutation(jax.random.fold_in(key, 1), 6),
    )
    np.testing.assert_array_equal(randomness.normal(key, (6,)), jax.random.normal(key, (6,)))

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

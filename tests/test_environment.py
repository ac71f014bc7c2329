"""Same seed, same numbers; what a process has, and where it may keep things."""

import os
import stat
from pathlib import Path

import jax
import numpy as np
import pytest

from ibjax import data, environment, files, pipeline, randomness
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


def test_memory_is_of_this_machine():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < environment.available_memory() <= total
    assert 0 < environment.device_memory()
    sizes = (0, 1023, 1536, 5 * 2**30, 2**60)
    words = ("0 bytes", "1023 bytes", "1.5 KiB", "5 GiB", "1048576 TiB")
    assert tuple(map(environment.amount, sizes)) == words


@pytest.mark.parametrize("home", ["", "relative", "/proc/nowhere"])
def test_without_a_home_caches_lie_in_a_private_folder(home, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(os.path, "expanduser", lambda p: p.replace("~", home) if home else p)
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    remark = environment.settle_caches()
    folder = tmp_path / f"ibjax-{os.getuid()}"
    assert str(folder) in remark and "\n" not in remark
    assert environment.cache_folder() == folder / "ibjax" / "xla"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert environment.settle_caches() == ""


def test_without_a_home_data_are_looked_for_in_a_folder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda p: p)
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        data.load("mnist")
    with pytest.raises(ValueError, match="without ~"):
        environment.expanded("~/data")


def test_a_usual_home_needs_no_remark(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert environment.settle_caches() == ""
    assert environment.cache_folder() == tmp_path / ".cache" / "ibjax" / "xla"
    assert environment.expanded("~/a") == tmp_path / "a" and environment.home() == Path(tmp_path)


def test_descriptions_keep_every_device_and_version_once():
    one = {"device": "cpu x 2", "versions": '{"jax": "1", "numpy": "2"}'}
    two = {"device": "gpu x 8", "versions": '{"jax": "1", "numpy": "3"}'}
    both = environment.merged([one, two])
    assert both == {"device": "cpu x 2; gpu x 8", "versions": '{"jax": "1", "numpy": "2 / 3"}'}
    assert environment.merged([both, one]) == both and environment.merged([one]) == one
    assert files.digest(1) != files.digest(2)

"""Stored replicas: taken up while they are those asked for, continued, never overwritten."""

import importlib.metadata

import jax
import numpy as np
import pytest

from ibjax import data, langevin
from ibjax.interface import Dataset
from ibjax.networks import MLP
from ibjax.reproduce import replica_cells
from ibjax.reproduce.replica_cells import cell

pytest.importorskip("h5netcdf")


@pytest.fixture
def stored(tmp_path):
    """Asks for the replicas of a small run again and again; returns them and what was said."""
    rng = np.random.default_rng(0)
    pool = Dataset(rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2, 2, "random")
    config = langevin.Config(network=MLP(depth=1, width=4), steps=3, batch_size=4)

    def ask(settings, masks=3):
        said = []
        pairs = data.supersample(jax.random.key(0), 40, n=8, supersamples=1, masks=masks)
        key = jax.random.key(1)
        found, path = cell(tmp_path / "cell.nc", settings, key, config, pool, pairs, said.append)
        return found, said, path

    return ask


def test_the_same_settings_take_up_the_stored_replicas(stored):
    first, said, _ = stored({"n": 8})
    assert len(said) == 1 and "replicas 1 to 3" in said[0]
    again, said, _ = stored({"n": 8})
    assert said == ["cell: finished before"]
    np.testing.assert_array_equal(again.predictions, first.predictions)


def test_other_settings_and_versions_have_files_of_their_own(stored, monkeypatch):
    paths = [stored({"n": 8})[2], stored({"n": 8, "seed": 1})[2]]
    known = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "99" if name == "ibjax" else known(name)
    )
    paths.append(stored({"n": 8})[2])
    assert len(set(paths)) == 3 and all(path.exists() for path in paths)
    assert len(stored({"n": 8})[1]) == 1


def test_more_masks_continue_the_file_and_fewer_are_its_first(stored, monkeypatch):
    """As if all had been trained at once."""
    few, _, path = stored({"n": 8}, 3)
    more, said, same = stored({"n": 8}, 7)
    assert same == path and "3 of 7" in said[0] and "replicas 4 to 7" in said[1]
    np.testing.assert_array_equal(more.predictions[:3], few.predictions)
    some, said, _ = stored({"n": 8}, 5)
    assert said == ["cell: finished before"] and some.sizes["mask_id"] == 5
    path.unlink()
    whole, _, _ = stored({"n": 8}, 7)
    for name in more.data_vars:
        np.testing.assert_array_equal(more[name], whole[name], err_msg=str(name))


def test_an_interrupted_cell_keeps_the_blocks_it_has_finished(stored, monkeypatch):
    monkeypatch.setattr(replica_cells, "BLOCK", 2)
    step = -(-2 // jax.local_device_count()) * jax.local_device_count()
    run = langevin.run_replicas

    def interrupted(*args, first_mask, **keywords):
        if first_mask >= step:
            raise KeyboardInterrupt
        return run(*args, first_mask=first_mask, **keywords)

    with monkeypatch.context() as m:
        m.setattr(langevin, "run_replicas", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stored({"n": 8}, 3 * step)
    _, said, _ = stored({"n": 8}, 3 * step)
    assert f"{step} of {3 * step} replicas finished before" in said[0]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_made_anew(stored, damage):
    whole, _, path = stored({"n": 8})
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        error = whole.test_error.values.tobytes()
        content[bytes(content).index(error) + 2] ^= 4
    path.write_bytes(content[:200] if damage == "cut" else content)
    again, said, _ = stored({"n": 8})
    assert "cannot be read" in said[0] and "replicas 1 to 3" in said[1]
    np.testing.assert_array_equal(again.predictions, whole.predictions)

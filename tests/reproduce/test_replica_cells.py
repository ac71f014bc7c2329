"""Stored replicas: taken up while they are those asked for, made anew otherwise, and said so."""

import importlib.metadata

import jax
import numpy as np
import pytest

from ibjax import data, langevin
from ibjax.interface import Dataset
from ibjax.networks import MLP
from ibjax.reproduce.replica_cells import cell

pytest.importorskip("h5netcdf")


@pytest.fixture
def stored(tmp_path):
    """Asks for the replicas of a small run again and again; returns them and what was said."""
    rng = np.random.default_rng(0)
    pool = Dataset(rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2, 2, "random")
    pairs = data.supersample(jax.random.key(0), 40, n=8, supersamples=1, masks=3)
    config = langevin.Config(network=MLP(depth=1, width=4), steps=3, batch_size=4)
    path = tmp_path / "cell.nc"

    def ask(settings):
        said = []
        found = cell(path, settings, jax.random.key(1), config, pool, pairs, said.append)
        return found, said

    return path, ask


def test_the_same_settings_take_up_the_stored_replicas(stored):
    _, ask = stored
    first, said = ask({"n": 8})
    assert len(said) == 1 and "3 replicas" in said[0]
    again, said = ask({"n": 8})
    assert said == ["cell: finished before"]
    np.testing.assert_array_equal(again.predictions, first.predictions)


def test_other_settings_are_trained_anew(stored):
    _, ask = stored
    ask({"n": 8})
    _, said = ask({"n": 8, "seed": 1})
    assert "other settings" in said[0] and "3 replicas" in said[1]


def test_another_version_of_ibjax_is_trained_anew(stored, monkeypatch):
    _, ask = stored
    ask({"n": 8})
    known = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "99" if name == "ibjax" else known(name)
    )
    _, said = ask({"n": 8})
    assert "another version" in said[0] and "3 replicas" in said[1]


def test_a_file_cut_short_is_trained_anew(stored):
    path, ask = stored
    whole, _ = ask({"n": 8})
    path.write_bytes(path.read_bytes()[:200])
    again, said = ask({"n": 8})
    assert "cannot be read" in said[0] and "3 replicas" in said[1]
    np.testing.assert_array_equal(again.predictions, whole.predictions)

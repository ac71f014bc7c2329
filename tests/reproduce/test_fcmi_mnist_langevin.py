import numpy as np
import pytest

from ibjax import cli
from ibjax.interface import Dataset
from ibjax.langevin.replicas import step_arrays
from ibjax.networks import NormalisedCNN, normalised
from ibjax.reproduce.fcmi import mnist_langevin as langevin


@pytest.fixture
def tiny(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(220, 28, 28, 1)).astype(np.float32)
    pool = Dataset(x, (rng.random(220) < 0.5).astype(np.int32), 2, "noise")
    monkeypatch.setattr(langevin, "mnist", lambda: pool)
    small = {**normalised.PUBLISHED, "standard": NormalisedCNN(((3, 7, 7, 0),), 4)}
    monkeypatch.setattr(normalised, "PUBLISHED", small)


def test_the_noise_of_both_conventions_is_the_stated_one(tiny):
    stds = {}
    for noise in langevin.CONVENTIONS:
        etas, stds[noise] = step_arrays(langevin.configuration(langevin.Options(), noise))
    assert len(etas) == 1600
    np.testing.assert_allclose(etas[[0, 99, 100, 250]], 0.004 * 0.9 ** np.array([0, 0, 1, 2]), 1e-6)
    beta = np.array([10.0, 100.0, 100.0, 10 * np.exp(3.0), 4000.0, 4000.0])
    at = [0, 1, 160, 300, 600, 1500]
    intended = np.sqrt(2 * etas[at] / beta)
    np.testing.assert_allclose(stds["langevin"][at], intended, rtol=1e-5)
    np.testing.assert_allclose(stds["published"][at], intended / beta, rtol=1e-5)
    assert stds["published"][160] == pytest.approx(8.5e-5, rel=0.01)


def test_both_conventions_are_trained_and_resumed(tiny, tmp_path, capsys, check_shown):
    options = langevin.Options(train_size=100, masks=2, epochs=2)
    said = []
    outcome = langevin.run(tmp_path, False, said.append, options)
    plain, nulls = outcome.table.renderables
    assert plain.row_count == nulls.row_count == 4 and len(outcome.files) == 4
    assert "No memory seen with 2 masks" in nulls.caption and plain.caption is None
    check_shown(langevin.NAME, outcome)
    capsys.readouterr()
    assert cli.main(["show", str(outcome.files[-2])]) == 0
    assert "nulls and corrected bounds" in capsys.readouterr().out
    langevin.run(tmp_path, False, said.append, options)
    assert sum("finished before" in line for line in said) == 2


def test_published_epochs_are_among_those_evaluated(tiny):
    for epochs, checkpoints in ((40, 10), (16, 4), (8, 8), (2, 2), (13, 10)):
        config = langevin.configuration(langevin.Options(epochs=epochs), "langevin")
        assert config.checkpoints == checkpoints


def test_impossible_grids_are_refused():
    with pytest.raises(ValueError, match="multiple of 100"):
        langevin.Options(train_size=75)
    with pytest.raises(ValueError, match="noise"):
        langevin.Options(noise=("none",))

"""The published curves of Langevin dynamics: initial values, labels, and the two averages."""

import dataclasses

import numpy as np
import pytest
import xarray

from ibjax.reproduce import reproductions
from ibjax.reproduce.langevin import curves as curves
from ibjax.reproduce.langevin import settings as settings


def test_published_initial_values_are_met(tfds_dir, tmp_path, check_shown):
    """t = 0 and 1 from n = 600, rescaled: within the spread of 10 % of the squared norms."""
    options = curves.Options(data_dir=tfds_dir, slots=128, runs=1, train_size=600)
    outcome = curves.run(tmp_path, True, lambda _: None, options)
    check_shown("langevin-mnist-mlp", outcome)
    got = xarray.open_dataset(outcome.files[0])
    assert got.attrs["comparable"] == 1 and got.checkpoint.values.tolist() == [1, 2]
    for ours, published in (
        ("negrea legacy", settings.MNIST_MLP.negrea),
        ("cmi legacy", settings.MNIST_MLP.cmi),
        ("norm", settings.MNIST_MLP.norm),
    ):
        np.testing.assert_allclose(got[f"bound {ours}"], published[:2], rtol=0.1, err_msg=ours)
    valid = got["bound negrea valid"].values
    assert (valid >= got["bound negrea legacy"].values).all()
    assert outcome.table.row_count == 2 and outcome.files[1].stat().st_size > 10_000


def test_digits_stand_in_under_their_own_name(tmp_path):
    small = settings.cnn((("same", 2, 3), ("pool", 0, 0), ("valid", 3, 3)), 4, uniform=True)
    tiny = dataclasses.replace(settings.MNIST_CNN, network=small)
    said = []
    options = curves.Options(data_dir=str(tmp_path), runs=2, slots=3, steps=3, train_size=40)
    outcome = curves.reproduce(tiny, tmp_path, True, said.append, options)
    assert "digits" in outcome.table.title and "not comparable" in outcome.table.title
    assert any("stand in" in line for line in said)
    assert "/ - /" in next(iter(outcome.table.columns[1].cells))
    got = xarray.open_dataset(outcome.files[0])
    for column, key in ((1, "negrea valid"), (3, "norm"), (4, "exact")):
        said = [cell.endswith(" vacuous") for cell in outcome.table.columns[column].cells]
        assert said == (got[f"bound {key}"].values >= 1).tolist()
    assert (got["bound norm"] >= 1).any()


def test_settings_are_those_of_the_figures():
    assert set(reproductions()) >= {
        s.name
        for s in (settings.MNIST_MLP, settings.MNIST_CNN, settings.FASHION_CNN, settings.CIFAR_CNN)
    }
    for setting, product in (
        (settings.MNIST_MLP, 2400),
        (settings.MNIST_CNN, 500),
        (settings.FASHION_CNN, 1400),
        (settings.CIFAR_CNN, 1500),
    ):
        got = setting.learning_rate(0) * setting.inverse_temperature(0)
        assert float(got) == pytest.approx(product, rel=1e-5)
        assert len(setting.times) == len(setting.negrea) == len(setting.cmi) == len(setting.norm)
        late = 2 * setting.learning_rate(10_000) / setting.inverse_temperature(10_000)
        assert float(late) == pytest.approx(setting.noise[1], rel=1e-3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (curves.Options(dataset="digits", train_size=1790), "train_size=1790"),
        (curves.Options(dataset="digits", steps=5000), "steps=5000"),
    ],
)
def test_options_that_cannot_be_are_refused(options, named, tmp_path):
    with pytest.raises(ValueError, match=named):
        curves.run(tmp_path, True, lambda _: None, options)

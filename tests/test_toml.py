"""Settings in files that people write and change."""

import pytest

from ibjax import toml
from ibjax.cli import run
from ibjax.experiment import Experiment, check

WRONG = {
    'maxent = "no"': "maxent",
    "download = 2": "download",
    "dataset = 3": "dataset",
    'dataset = ["digits"]': "dataset",
    "activation = 3": "activation",
    "data_dir = 3": "data_dir",
    "batching = 1": "batching",
    "classes = 4": "classes",
    'classes = "49"': "classes",
    "classes = [[[4]], 9]": "classes",
    "classes = [4, 9.5]": "classes",
    "classes = [true, 3]": "classes",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_setting_of_another_type_is_named_with_its_file(tmp_path, text):
    place = tmp_path / "a.toml"
    place.write_text(text)
    with pytest.raises(ValueError, match=f"a.toml: {WRONG[text]}="):
        toml.read(place)


@pytest.mark.parametrize(
    "wrong", [{"maxent": "no"}, {"dataset": 3}, {"classes": (4, "9")}, {"depths": True}]
)
def test_the_same_in_python(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
        check(Experiment(**wrong))


def test_what_is_written_is_read(tmp_path):
    place = tmp_path / "a.toml"
    place.write_text(toml.written(Experiment(classes=((0, 2), 3), maxent=True)))
    assert Experiment(**toml.read(place)) == Experiment(classes=((0, 2), 3), maxent=True)


def test_an_object_that_no_file_holds_is_given_again(tmp_path):
    place = tmp_path / "a.toml"
    place.write_text(toml.written(Experiment(network=len)))
    words = ["run", "--config", str(place)]
    with pytest.raises(ValueError, match="--network"):
        run.defaults(words)
    assert run.defaults([*words, "--network", "a.py:b"]).network is None  # the option follows
    place.write_text(place.read_text() + 'network = "a.py:b"\n')
    assert run.defaults(words).network == "a.py:b"


def test_a_data_set_of_an_option_goes_before_that_of_the_file(tmp_path):
    place = tmp_path / "a.toml"
    place.write_text('dataset = "a.npz"\nsteps = 7\n')
    found = run.defaults(["run", "--config", str(place), "--data", "b.npz"])
    assert found.dataset == "digits" and found.steps == 7
    assert run.defaults(["run", "--config", str(place)]).dataset == "a.npz"

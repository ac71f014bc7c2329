"""Mistakes around `ibjax reproduce`: one line before anything is trained."""

import pytest

from ibjax.cli import main


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["reproduce", "fcmi"], ("'fcmi'", "fcmi-mnist", "sign-learner")),
        (["runn"], ("'runn'", "run", "reproduce")),
        (["reproduce", "fcmi-mnist", "--masks", "ten"], ("--masks", "reproduce fcmi-mnist --help")),
        (["reproduce", "fcmi-mnist", "--masks", "1"], ("masks=1", "at least 2")),
        (["reproduce", "linear-classifier", "--learning-rate", "nan"], ("learning_rate=nan",)),
    ],
)
def test_a_mistake_names_what_can_be_asked(words, named, capsys):
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    for name in named:
        assert name in said.err


def test_a_place_that_cannot_be_written_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert main(["reproduce", "sign-learner", "--out", str(tmp_path / "taken")]) == 2
    said = capsys.readouterr()
    assert "taken" in said.err and "--out" in said.err and said.out == ""

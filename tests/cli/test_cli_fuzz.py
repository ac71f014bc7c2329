"""Whatever a person mistypes: one line, status 2, no traceback and no file left behind."""

import contextlib
import io
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibjax import cli
from ibjax.cli import commands
from ibjax.reproduce import reproductions

NOT_POSITIVE = st.one_of(
    st.floats(max_value=0, allow_infinity=True).map(repr), st.just("nan"), st.just("inf")
)
WORDS = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P"), exclude_characters="-"), min_size=1
)


def below(least):
    return st.integers(max_value=least - 1).map(str)


WRONG = {
    "train-size": below(2),
    "width": below(1),
    "supersamples": below(1),
    "masks": below(2),
    "steps": below(1),
    "checkpoints": below(1),
    "depths": below(1),
    "batch-size": st.one_of(below(1), st.integers(201, 10**9).map(str)),
    "learning-rate": NOT_POSITIVE,
    "inverse-temperature": NOT_POSITIVE.filter(lambda value: value != "inf"),
    "layer-noise": st.one_of(st.floats(max_value=-1e-9).map(repr), st.just("nan")),
    "clip": NOT_POSITIVE.filter(lambda value: value != "inf"),
    "radius": NOT_POSITIVE.filter(lambda value: value != "inf"),
    "activation": WORDS.filter(lambda word: word.lower() == "x" or len(word) > 8),
    "dataset": WORDS.map(lambda word: f"no_such_{word}"),
    "seed": st.one_of(st.integers(2**32, 2**70), st.integers(max_value=-1)).map(str)
    | WORDS.filter(lambda word: not word.lstrip("+").replace("_", "").isdigit()),
    "classes": st.integers(10, 99).map(str),
}
HUGE = {
    "supersamples": st.integers(10**12, 10**30),
    "masks": st.integers(10**12, 10**30),
    "steps": st.integers(2**31, 10**30),
    "width": st.integers(10**6, 10**30),
    "depths": st.integers(1001, 10**30),
    "train-size": st.integers(10**6, 10**30),
}
VALUES = st.one_of(
    st.sampled_from(["", "-1", "0", "1", "2", "1e400", "nan", "-inf", "9" * 30, "0x10", "²"]),
    st.sampled_from(["None", "True", "[1,2]", "digits", "relu", "~", "~/x", "/", ".", "..", "-"]),
    st.sampled_from(["a\0b", "\ud800", "é\n", "[red]", "*", "--", "-h=", "x" * 300, "/dev/null"]),
    st.integers(-(2**70), 2**70).map(str),
    WORDS,
)


def fails_in_one_line(arguments):
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stderr(io.StringIO()) as said,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        status = cli.main(arguments)
        left = [f for f in Path(folder).rglob("*") if f.is_file()]
    assert status == 2, arguments
    error = said.getvalue()
    assert error.startswith("ibjax: error: ") and error.count("\n") == 1, (arguments, error)
    assert not left, left
    return error


class Began(BaseException):
    """Work that should have been refused; no command takes it for an error of the user's."""


@pytest.fixture
def refusing(monkeypatch):
    """Training that fails the test at once, where it should not begin."""

    def began(*_, **__):
        raise Began

    rows = {name: replace(row, run=began) for name, row in reproductions().items()}
    monkeypatch.setattr("ibjax.pipeline.train_cell", began)
    monkeypatch.setattr("ibjax.reproduce.reproductions", lambda: rows)


@pytest.mark.parametrize("option", WRONG)
@given(data=st.data())
def test_an_option_out_of_range(refusing, option, data):
    value = data.draw(WRONG[option])
    fails_in_one_line(["run", f"--{option}", value])


@given(st.lists(WORDS, max_size=4).filter(lambda words: words[:1] not in (["run"], ["list"])))
def test_words_that_mean_nothing(words):
    fails_in_one_line(words)


@pytest.mark.parametrize("command", ["show", "bounds", "mi"])
@given(content=st.binary(max_size=400))
def test_a_file_of_random_bytes(command, content):
    starts = {"show": b"\x89HDF\r\n\x1a\n", "bounds": b"PK\x03\x04", "mi": b"\x93NUMPY\x01\x00"}
    with tempfile.TemporaryDirectory() as folder:
        for start in (b"", starts[command]):
            path = Path(folder) / "random"
            path.write_bytes(start + content)
            files = [str(path)] * (2 if command == "mi" else 1)
            assert "random" in fails_in_one_line([command, *files])


@pytest.mark.parametrize("option", HUGE)
@given(data=st.data())
def test_an_absurd_size_is_refused_before_memory_is_asked_for(refusing, option, data):
    value = data.draw(HUGE[option])
    error = fails_in_one_line(["run", f"--{option}", str(value), "--checkpoints", "1"])
    assert str(value) in error and len(error) < 400


def counts():
    for name, row in reproductions().items():
        for field in fields(row.options) if row.options else ():
            if field.name != "classes" and field.type in (int, int | None, tuple[int, ...]):
                yield name, field.name.replace("_", "-")


@pytest.mark.parametrize(("name", "option"), counts())
def test_reproductions_refuse_counts_below_one(refusing, name, option):
    value = "-1" if option == "seed" else "0"
    error = fails_in_one_line(["reproduce", name, f"--{option}", value])
    assert f"{option.replace('-', '_')}=" in error and value in error


class Reached(ValueError):
    """The work would have begun."""


@pytest.fixture
def idle(monkeypatch):
    """Commands that stop where their work would begin."""
    from ibjax import pipeline
    from ibjax.cli import limits

    def stop(*_, **__):
        raise Reached("the work begins")

    monkeypatch.setattr(pipeline, "train_cell", stop)
    monkeypatch.setattr(limits, "solve", stop)
    rows = {name: replace(row, run=stop) for name, row in reproductions().items()}
    monkeypatch.setattr("ibjax.reproduce.reproductions", lambda: rows)


OPTIONS = {
    "run": [f"--{f.name.replace('_', '-')}" for f in fields(commands.COMMANDS["run"].options)],
    "limits": [
        f"--{f.name.replace('_', '-')}" for f in fields(commands.COMMANDS["limits"].options)
    ],
    "show": ["--checkpoint", "--format", "--table", "--picture", "x.nc"],
    "reproduce": ["--out", "--quick", "sign-learner", "fcmi-mnist", "teacher-student", "--seed"],
}


@pytest.mark.parametrize("command", [name for name in OPTIONS if name != "reproduce"])
@given(data=st.data())
def test_any_words_reach_the_work_or_end_in_one_line(idle, command, data):
    any_words(command, data)


@settings(max_examples=max(5, settings().max_examples // 5))  # its parser is the slow one
@given(data=st.data())
def test_any_words_after_reproduce(idle, data):
    any_words("reproduce", data)


def any_words(command, data):
    words = [command]
    for _ in range(data.draw(st.integers(1, 4))):
        words += [data.draw(st.sampled_from(OPTIONS[command])), data.draw(VALUES)]
    if "-h" not in words and "--help" not in words and "--distributed" not in words:
        fails_in_one_line(words)

"""`ibjax falsify`: the table, the exit status, a bound of one's own; mistakes in one line."""

import pytest

from ibjax import cli

QUICK = "--models 40 --no-search --no-cache"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module with a wrong bound, in the working directory."""
    text = "import math\n\nDATA = 3\n\n\ndef half(information, n):\n"
    text += "    return math.sqrt(information / (2 * n)) / 2\n\n\n"
    text += "def sound(information, n):\n    return (information / (2 * n)) ** 0.5\n\n\n"
    text += "def odd(gaap):\n    return gaap\n"
    name = f"mine_{abs(hash(tmp_path)):x}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return name


def test_published_forms_fail_and_certificates_stand(tmp_path, capsys):
    path = tmp_path / "table.csv"
    words = f"falsify xu_raginsky depth_published {QUICK} --table {path}"
    assert cli.main(words.split()) == 0
    said = capsys.readouterr().out
    assert "certificate" in said and "diagnostic" in said and "fails, as is known" in said
    head, *rows = path.read_text().splitlines()
    assert head.startswith("bound,kind") and len(rows) == 2
    assert rows[0].split(",")[4] == "0" and int(rows[1].split(",")[4]) > 0


def test_a_wrong_bound_ends_in_status_one(mine, capsys):
    assert cli.main(f"falsify --function {mine}:half {QUICK}".split()) == 1
    said = capsys.readouterr().out
    assert "half" in said and "BROKEN" in said and "xu_raginsky" not in said
    assert cli.main(f"falsify individual --function {mine}:sound {QUICK}".split()) == 0
    said = capsys.readouterr().out
    assert "sound" in said and "individual" in said


def test_a_bound_that_is_silent_where_it_would_fail_is_seen_through(mine, capsys):
    """Its numbers hold in all models where it gives one."""
    with open(f"{mine}.py", "a") as file:
        file.write("\n\ndef shy(information, n):\n")
        file.write("    return 1.0 if information < 0.05 else math.nan\n")
    assert cli.main(f"falsify --function {mine}:shy {QUICK}".split()) == 0
    said = capsys.readouterr().out
    assert "shy gave no number for" in said and "on which it was not tried" in said
    assert cli.main(f"falsify --function {mine}:sound {QUICK}".split()) == 0
    assert "gave no number" not in capsys.readouterr().out


@pytest.mark.parametrize("ending", [".md", ".tex"])
def test_tables_for_documents(ending, tmp_path, capsys):
    path = tmp_path / f"t{ending}"
    assert cli.main(f"falsify two_stage {QUICK} --table {path}".split()) == 0
    assert "two\\_stage" in path.read_text() or "two_stage" in path.read_text()
    assert str(path) in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("words, message", [
    ("dept", "did you mean depth"),
    ("--function {mine}:odd", "needs gaap, which no family of models has; it may ask for"),
    ("--function {mine}", "must read module:name"),
    ("--function {mine}:none", "has no function none"),
    ("--function {mine}:DATA", "has no function DATA"),
    ("--function no_such_module:f", "cannot import no_such_module"),
    ("xu_raginsky --models 0", "models=0 must be at least 1"),
    ("xu_raginsky --steps -1", "steps=-1 must be at least 0"),
    ("xu_raginsky --table t.png", "must end in .csv, .md, .tex"),
    ("xu_raginsky --table nowhere/t.md", "no such folder"),
])  # fmt: skip
def test_mistakes_end_in_one_line(words, message, mine, capsys):
    assert cli.main(["falsify", *words.format(mine=mine).split()]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1

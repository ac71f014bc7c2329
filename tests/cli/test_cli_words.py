"""Words the command line does not know: the message repeats them as they were typed."""

import csv

import numpy as np
import pytest
from rich.table import Table

import ibjax
from ibjax import bounds, cli, reproduce
from ibjax.cli import choose, exporting


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("bounds x.npz --format csv", "--format (applied to ibjax bounds)"),
        ("run --bogus", "Unrecognized options: --bogus;"),
        ("account -n 5", "-n, 5"),
        ("account --n 5 6", "'6' is one value too many for --n"),
        ("account --n=5 6 --steps 3", "'6' is one value too many for --n)"),
        ("mi x.npy y.npy z.npy", "Unrecognized options: z.npy;"),
    ],
)
def test_an_unknown_word_keeps_its_dashes_and_names_its_option(words, named, capsys):
    assert cli.main(words.split()) == 2
    said = capsys.readouterr().err
    assert named in said and said.count("\n") == 1
    assert ("too many" in said) == ("too many" in named)


@pytest.mark.parametrize(
    "words",
    [
        "bounds {} --out bounds.txt",
        "why {} --table why.txt",
        "plane {} --table plane.nc",
        "mi {0} {0} --table mi.parquet",
        "limits --table limits.doc",
        "reproduce sign-learner --table rows.nc",
    ],
)
def test_a_table_of_no_known_format_is_refused_before_anything_is_read(words, capsys):
    assert cli.main(words.format("missing.npz").split()) == 2
    said = capsys.readouterr().err
    assert "must end in .csv, .md, .tex" in said and said.count("\n") == 1


def test_a_table_does_not_replace_what_is_read(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("1")
    assert cli.main(["mi", str(path), str(path), "--table", str(path)]) == 2
    assert "would replace the file that is read" in capsys.readouterr().err
    assert path.read_text() == "1"


def test_the_cells_of_a_printed_table():
    made = Table("n/d\nexact", "value")
    made.add_row("1", "0.5")
    made.add_row("2", "0.25")
    assert exporting.printed(made) == (["n/d exact", "value"], [["1", "0.5"], ["2", "0.25"]])


def test_why_takes_saved_replicas_apart(tmp_path, capsys):
    rng = np.random.default_rng(0)
    half = rng.integers(0, 2, (3, 4, 10))
    mask = np.stack([half, 1 - half], 2).reshape(3, 8, 10)
    losses = (rng.random((3, 8, 10, 2)) < 0.2).astype(int)
    steps = np.full(6, 0.1)
    known = dict(step_sizes=steps, noise_stds=steps / 2, clip=0.2, batch_size=5, dim=50)
    known |= dict(exchangeable=1, batching="without_replacement", bounded_steps=1)
    source, table = tmp_path / "saved.npz", tmp_path / "why.csv"
    np.savez(source, mask=mask, losses=losses, **known)
    assert cli.main(["why", str(source), "--table", str(table)]) == 0
    said = capsys.readouterr().out
    assert "What would help most: " in said and "Not applicable" not in said
    assert "Bound to gap" in said and "masks" in said
    assert "Certificate to estimate: individual" in said
    with table.open() as stream:
        rows = {row["bound"]: row for row in csv.DictReader(stream)}
    part = rows["individual"]
    assert float(part["root"]) + float(part["inversion"]) == pytest.approx(float(part["="]))
    assert float(part["nat/step"]) * 6 == pytest.approx(float(part["nat/example"]))
    assert rows["ld_cmi"]["nat/step"] == ""
    assert cli.main(["why", str(source), "--bounds", "individual", "ld_cmi"]) == 0
    assert "Certificate to estimate" not in capsys.readouterr().out  # it is below the estimate


@pytest.mark.parametrize("change", [{"noise_stds": np.zeros(6)}, {"exchangeable": 0}])
def test_why_gives_no_advice_on_a_certificate_that_does_not_hold(tmp_path, capsys, change):
    rng, source = np.random.default_rng(0), tmp_path / "saved.npz"
    half = rng.integers(0, 2, (3, 4, 10))
    mask = np.stack([half, 1 - half], 2).reshape(3, 8, 10)
    losses = (rng.random((3, 8, 10, 2)) < 0.2).astype(int)
    steps = np.full(6, 0.1)
    known = dict(step_sizes=steps, noise_stds=steps / 2, clip=0.2, batch_size=5, dim=50)
    known |= dict(exchangeable=1, batching="without_replacement", bounded_steps=1) | change
    np.savez(source, mask=mask, losses=losses, **known)
    assert cli.main(["why", str(source), "--bounds", "individual", "ld_cmi"]) == 0
    said = capsys.readouterr().out
    assert "Not applicable: individual: " in said and "What would help" not in said
    assert " ld_cmi " in said and "Bound to gap: ld_cmi" in said


@pytest.mark.parametrize("what", ["bounds", "estimators"])
def test_what_is_recommended_exists(what, tmp_path, capsys):
    table = tmp_path / "choose.md"
    assert cli.main(["choose", what, "--table", str(table)]) == 0
    named = {name for row in choose.TABLES[what][1] for cell in row for name in _quoted(cell)}
    known = set(bounds.registry()) | set(bounds.__all__)
    for name in named:
        package, _, rest = name.rpartition(".")
        if name.startswith("ibjax reproduce"):
            assert name.split()[-1] in reproduce.reproductions()
        elif package:
            assert rest in getattr(ibjax, package).__all__, name
        else:
            assert name in known, name
    first = choose.TABLES[what][1][0][0]
    assert first in table.read_text() and first.split()[0] in capsys.readouterr().out


def _quoted(text):
    return text.split("`")[1::2]

"""Every number that a command prints is in the file it writes, or follows from it."""

import csv
import math
import re

import numpy as np
import pytest
import xarray
from scipy import stats

from ibjax import blank, cli, reproduce
from ibjax.bottleneck.kernel_entropies import ORDER
from ibjax.cli import exporting
from ibjax.reproduce.outcome import Outcome, Reproduction


def cells(path):
    """Every number of a table that was written, those of its remarks too."""
    with path.open() as stream:
        rows = list(csv.reader(stream))
    found = [word for row in rows for cell in row for word in re.split(r"[\s,]+", cell)]
    return rows, [float(word) for word in found if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", word)]


def test_a_number_that_is_not_there_is_missed(missing):
    assert missing("gap 0.123±.050, n = 7, 1.5e-3", [0.1234, 0.0496, 0.00151]) == []
    assert missing("gap 0.125 and .050 and 1.7e-3", [0.1234, 0.0496, 0.00151]) == [
        "0.125",
        "1.7e-3",
    ]
    assert missing("at most 0.124, 0.125, 0.123", [], [0.1234]) == ["0.125", "0.123"]


def test_bounds(tmp_path, capsys, missing):
    rng = np.random.default_rng(0)
    half = rng.integers(0, 2, (3, 4, 10))
    mask = np.stack([half, 1 - half], 2).reshape(3, 8, 10)
    labels = rng.integers(0, 2, (3, 10, 2))
    wrong = rng.random((3, 8, 10, 2)) < 0.2 + 0.3 * (np.arange(2) != mask[..., None])
    predictions = np.where(wrong, 1 - labels[:, None], labels[:, None])
    source, out, table = (tmp_path / name for name in ("a.npz", "a.csv", "examples.csv"))
    np.savez(source, mask=mask, predictions=predictions, labels=labels, num_classes=2)
    words = ["bounds", str(source), "--examples", "4", "--out", str(out), "--table", str(table)]
    saved = dict(np.load(source))
    np.savez(source, **saved, shared_batches=0)
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "Upper limit of the information" in said and "does not say" not in said
    np.savez(source, **saved)
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "Upper limit of the information" in said and "By class" in said
    assert "if each drew its own batches and noise, which the file does not say" in said
    rows, known = cells(out)
    known += cells(table)[1] + cells(tmp_path / "examples-classes.csv")[1]
    errors = [float(row[3]) for row in rows[1:] if row[3]]
    spreads = [float(row[6]) for row in rows[1:] if row[6]]
    known += [stats.t.ppf(0.975, 2) * e for e in errors] + [2 * s for s in spreads]
    sure = [r for r in rows[1:] if r[1] == "certificate" or r[0].endswith("upper limit")]
    proved = [float(row[i]) for row in sure for i in (2, 4) if row[i]]
    assert missing(said, known, proved) == []
    assert "n = 10, 3 supersamples x 8 masks" in rows[1][-1]


@pytest.mark.parametrize("check", [False, True])
def test_mi(tmp_path, capsys, missing, check):
    rng = np.random.default_rng(1)
    places, table = [tmp_path / "x.npy", tmp_path / "y.npy"], tmp_path / "mi.csv"
    x = rng.normal(size=60) if check else rng.integers(0, 3, 60)
    for place, values in zip(places, (x, x + (rng.normal(size=60) > 0))):
        np.save(place, values)
    more = ["--check", "gaussian_copula"] if check else []
    assert cli.main(["mi", *map(str, places), "--table", str(table), *more]) == 0
    assert missing(capsys.readouterr().out, cells(table)[1]) == []


@pytest.mark.parametrize("method", ["mass", "kde", "renyi"])
def test_plane(tmp_path, capsys, missing, method, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rng = np.random.default_rng(0)
    source, table = tmp_path / "activations.npz", tmp_path / "plane.csv"
    layers = {"a": rng.normal(size=(2, 3, 30, 3)), "b": rng.normal(size=(2, 3, 30, 2))}
    np.savez(source, labels=np.arange(30) % 2, **layers)
    words = ["plane", str(source), "--method", method, "--bins", "4", "--table", str(table)]
    assert cli.main(words) == 0
    rows, known = cells(table)
    heads, groups = rows[0], {}
    for layer, _, checkpoint, *numbers, _ in rows[1:]:
        groups.setdefault((layer, checkpoint), []).append([float(v or "nan") for v in numbers])
    means = np.array([np.mean(g, 0) for g in groups.values()])
    proved = []
    if method == "kde":  # bounds are rounded to the side on which they hold
        upper, lower = means[:, 0], means[:, 1]
        unit = 10.0 ** (np.floor(np.log10(lower)) - 3)
        means, proved = means[:, 2:], upper
        known = [k for k in known if not np.isin(k, (*upper, *lower))]
        known += (np.floor(lower / unit) * unit).tolist()
    known += np.ravel(means).tolist()
    known += [math.log(float(rows[1][heads.index("examples")])), ORDER]  # the order is in its name
    assert missing(capsys.readouterr().out, known, proved) == []


def test_limits(tmp_path, capsys, missing):
    out = tmp_path / "limits.nc"
    words = "limits --readout identity --noise 0.1 --alpha 1 2 --points 5 --dimension 100"
    assert cli.main([*words.split(), "--out", str(out)]) == 0
    with xarray.open_dataset(out, engine="h5netcdf") as found:
        known = [v for name in found.variables for v in np.ravel(found[name].values)]
        known += [v for v in found.attrs.values() if re.fullmatch(r"[-\d.e]+", str(v))]
    assert missing(capsys.readouterr().out, known) == []


def test_reproduce(tmp_path, capsys, missing, monkeypatch):
    """The printed table is the written one, whatever the experiment."""
    from rich.table import Table

    def run(folder, quick, log):
        made = Table("n", "value", title="a title")
        made.add_row("1", "0.512±.031 vacuous")
        made.add_row("2", "-1.25e-3")
        return Outcome(made, ())

    row = Reproduction("tiny", "A tiny one.", run)
    monkeypatch.setattr(reproduce, "reproductions", lambda: {"tiny": row})
    table = tmp_path / "rows.csv"
    words = ["reproduce", "tiny", "--out", str(tmp_path), "--table", str(table)]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    written = table.read_text()
    assert missing(said, [float(t) for t in re.findall(r"-?\d*\.\d+(?:e-?\d+)?", written)]) == []
    assert "0.512±.031 vacuous" in written


@pytest.mark.parametrize("suffix", [".csv", ".md", ".tex"])
def test_several_printed_tables_and_sentences_are_written_whole(tmp_path, suffix):
    """Every cell to the digit it was printed with: none is read as a number and rounded again."""
    from rich.console import Group
    from rich.text import Text

    first = blank.table(("a_b", "x"), "a title", caption="and below\nit", left=("a_b",))
    first.add_row("one, two", "0.157335450")
    second = blank.table(("y",))
    second.add_row("0.480")
    place = tmp_path / f"rows{suffix}"
    exporting.write_printed(place, Group(first, second, Text("yes  it holds\nNO  50% do not")))
    text = place.read_text()
    said = ["a title", "one, two", "0.157335450", "and below", "0.480", "it holds"]
    said += ["50" + ("\\" if suffix == ".tex" else "") + "% do not"]
    places = [text.index(part) for part in said]
    assert places == sorted(places)
    exporting.write_printed(place, first)
    alone = place.read_text()
    assert "0.157335450" in alone and "a title" not in alone
    exporting.write_printed(place, blank.table(("y",)))
    assert "y" in place.read_text()

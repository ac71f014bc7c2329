"""The command line as a person uses it: in a process of its own."""

import contextlib
import io
import os
import subprocess
import sys

import numpy as np
import pandas
import pytest
from rich.table import Table
from scipy import stats

from ibjax import cli, results, rounding
from ibjax.cli import terminal

SMALL = "--width 4 --train-size 10 --supersamples 2 --masks 3 --steps 6 --checkpoints 2".split()


def ibjax(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ibjax", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "140", **environment},
        timeout=240,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    # On one device its programs are those of a sweep in this process, compiled once for both.
    words = ["run", *SMALL, "--depths", "1", "2", "--out", "small.nc"]
    done = ibjax(*words, cwd=folder, JAX_NUM_CPU_DEVICES="1")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_run_prints_the_table_and_names_what_it_wrote(finished):
    folder, done = finished
    for word in ("train error", "test error", "gap", "±", "certificate", "depth 2", "individual"):
        assert word in done.stdout, word
    assert "results: small.nc" in done.stdout and "picture: small.png" in done.stdout
    assert (folder / "small.nc").stat().st_size > 0
    assert (folder / "small.png").read_bytes().startswith(b"\x89PNG")
    advice, *said = done.stderr.splitlines()
    assert advice.startswith("3 masks resolve") and said == ["depth 1: done", "depth 2: done"]


def test_a_run_keeps_its_programs_and_has_a_device_a_core(tmp_path):
    """By the settings of a process that nobody set; what is trained does not matter."""
    code = """
import jax
from ibjax import cli, sweep
def trains(*_, **__):
    jax.jit(lambda x: x + 1)(1.0)
    raise ValueError(f"{jax.local_device_count()} devices")
sweep.run = trains
raise SystemExit(cli.main(["run", "--out", "r.nc"]))
"""
    free = ("JAX_COMPILATION_CACHE_DIR", "JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    environment = {k: v for k, v in os.environ.items() if k not in free}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2 and f"{min(os.cpu_count(), 8)} devices" in done.stderr
    assert any((tmp_path / "cache" / "ibjax" / "xla").rglob("*-cache"))


def test_show_prints_the_same_table_and_redraws_the_picture(finished):
    folder, done = finished
    (folder / "small.png").unlink()
    shown = ibjax("show", "small.nc", cwd=folder)
    assert shown.returncode == 0
    assert shown.stdout == done.stdout
    assert (folder / "small.png").exists()
    early = ibjax("show", "small.nc", "--checkpoint", "0", cwd=folder)
    assert "3 steps" in early.stdout and early.stdout != done.stdout


def test_every_number_of_the_table_is_in_the_file(finished, missing):
    folder, done = finished
    found = results.read(folder / "small.nc").isel(checkpoint=-1)
    numeric = [found[k].values for k in found.variables if found[k].dtype.kind in "biuf"]
    known = np.concatenate([np.ravel(values) for values in numeric]).tolist()
    errors = [found[k].values.ravel() for k in ("bound_std_error", "gap_std_error")]
    for name in ("train_error", "test_error"):
        each = found[name].mean("mask_id")
        errors.append((each.std("supersample", ddof=1) / np.sqrt(2)).values)
        known += each.mean("supersample").values.tolist()
    half_widths = stats.t.ppf(0.975, 1) * np.concatenate(errors)
    known += [*half_widths.tolist(), *(2 * found["bound_null_spread"].values.ravel()).tolist()]
    layers = found["layer_log1m"].fillna(-np.inf)
    eta = np.exp(np.log1p(-np.exp(layers)).sum("layer") / 2)
    known += [*eta.values.tolist(), *(1 - eta).values.tolist(), 95.0, 1.0]
    proved = found["bound_value"].where(found["bound_kind"] == "certificate").values.ravel()
    proved = [*proved.tolist(), *eta.values.tolist()]
    assert "an upper bound under its checked premises, rounded up" in done.stdout
    assert missing(done.stdout.partition("results: ")[0], known, proved) == []


def test_a_table_loses_no_number_to_a_narrow_terminal(capsys):
    numbers = [f"{i}.{'0123456789'[i:]}" for i in range(9)]
    table = Table(*map(str, range(9)))
    table.add_row(*numbers)
    out = terminal.console()
    out.width = 40
    terminal.print_whole(out, table)
    printed = capsys.readouterr().out
    assert all(number in printed for number in numbers)
    assert out.width == 40


def test_show_writes_parquet_or_says_what_is_wrong(finished, capsys, monkeypatch):
    folder, _ = finished
    file, path = str(folder / "small.nc"), folder / "table.parquet"
    pytest.importorskip("pyarrow")
    assert cli.main(["show", file, "--table", str(path), "--format", "csv"]) == 0
    table = pandas.read_csv(io.StringIO(capsys.readouterr().out))
    pandas.testing.assert_frame_equal(pandas.read_parquet(path), table, check_dtype=False)
    for wrong in (folder / "table.xlsx", folder / "nowhere" / "table.csv"):
        assert cli.main(["show", file, "--table", str(wrong), "--format", "csv"]) == 2
        assert str(wrong.parent) in capsys.readouterr().err and not wrong.exists()

    def absent(*args, **kwargs):
        raise ImportError("no engine")

    monkeypatch.setattr(pandas.DataFrame, "to_parquet", absent)
    path.unlink()
    assert cli.main(["show", file, "--table", str(path), "--format", "csv"]) == 2
    assert "pip install pyarrow" in capsys.readouterr().err
    assert not list(folder.glob("*.parquet")) and not list(folder.glob(".*part*"))


def test_show_writes_for_documents_and_programs(finished, capsys):
    folder, done = finished
    file = str(folder / "small.nc")

    def shown(form):
        assert cli.main(["show", file, "--format", form]) == 0
        return capsys.readouterr().out

    names = ("train error", "individual", "depth_published")
    for row in shown("markdown").partition("\n\n")[0].splitlines()[2:]:
        assert row.count("|") == 5
    assert all(f"| {name} " in shown("markdown") for name in names)
    assert r"depth\_published" in shown("latex") and r"\bottomrule" in shown("latex")
    table = pandas.read_csv(io.StringIO(shown("csv")))
    assert set(names) <= set(table.name) and set(table.depth) == {1, 2}
    value = table[(table.name == "individual") & (table.depth == 2)].value.item()
    assert rounding.up(value) in done.stdout
    csv = shown("csv")
    for ending, content in ((".csv", csv), (".md", shown("markdown")), (".tex", shown("latex"))):
        path = folder / f"table{ending}"
        assert cli.main(["show", file, "--table", str(path), "--format", "csv"]) == 0
        assert capsys.readouterr().out == csv and path.read_text() == content
    papers = shown("bibtex")
    assert "@article{bu2020," in papers and papers.count("{") == papers.count("}")
    assert (folder / "small.png").exists()


@pytest.mark.parametrize(("suffix", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_a_picture_as_vectors(finished, suffix, start, capsys):
    folder, _ = finished
    place = folder / f"vector.{suffix}"
    assert cli.main(["show", str(folder / "small.nc"), "--picture", str(place)]) == 0
    assert place.read_bytes().startswith(start)
    assert f"picture: {place}" in capsys.readouterr().out


@pytest.mark.parametrize(("place", "named"), [("x.bmp", ".png, .pdf, .svg"), ("no/x.png", "no")])
def test_a_picture_that_cannot_be_drawn(finished, place, named, capsys):
    folder, _ = finished
    assert cli.main(["show", str(folder / "small.nc"), "--picture", str(folder / place)]) == 2
    assert named in capsys.readouterr().err


def test_show_never_writes_over_what_it_reads(finished, capsys):
    folder, _ = finished
    content = (folder / "small.nc").read_bytes()
    for name, words in (
        ("x.png", ()),
        ("y.nc", ("--picture", "y.png", "--table", "y.csv")),
        ("z.csv", ("--table", "z.csv", "--format", "csv")),
        ("w.pdf", ("--picture", "../" + folder.name + "/w.pdf")),
    ):
        (folder / name).write_bytes(content)
        with contextlib.chdir(folder):
            status = cli.main(["show", name, *words])
        assert status == (0 if name == "y.nc" else 2)
        said = capsys.readouterr()
        assert status == 0 or ("would replace the file" in said.err and said.err.count("\n") == 1)
        assert (folder / name).read_bytes() == content


def test_a_folder_that_takes_no_picture_says_how_to_draw_it_elsewhere(
    finished, capsys, monkeypatch
):
    folder, _ = finished

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert cli.main(["show", str(folder / "small.nc")]) == 2
    said = capsys.readouterr()
    assert "train error" in said.out
    assert "--picture" in said.err and said.err.count("\n") == 1


def test_names_of_files_are_no_markup(finished, capsys):
    folder, _ = finished
    path = folder / "[red]:smile:[" / "x.nc"
    path.parent.mkdir()
    path.write_bytes((folder / "small.nc").read_bytes())
    assert cli.main(["show", str(path)]) == 0
    assert f"results: {path}" in capsys.readouterr().out


def test_list_names_every_bound_estimator_and_data_set():
    done = ibjax("list")
    assert done.returncode == 0
    for word in ("xu_raginsky", "f_cmi", "ksg", "digits", "certificate"):
        assert word in done.stdout, word


def test_mi_prints_every_estimate_with_its_bias(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", x + rng.normal(size=(300, 1)))
    assert cli.main(["mi", str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]) == 0
    said = capsys.readouterr().out
    assert "ksg" in said and "bias" in said and "n = 300" in said


def test_mnist_runs_the_main_job(tfds_dir, tmp_path, capsys):
    options = ["--dataset", "mnist", "--data-dir", tfds_dir, "--classes", "3", "8", "5"]
    more = ["--depths", "1", "--no-cache", "--out", str(tmp_path / "m.nc")]
    assert cli.main(["run", *SMALL, *options, *more]) == 0
    said = capsys.readouterr().out
    assert "mnist, 3 versus 8 versus 5: n = 10" in said and "individual" in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--train-size", "1"], "train_size=1"),
        (["run", "--depths", "0"], "depths"),
        (["run", "--classes", "4", "44"], "44"),
        (["run", "--dataset", "no_such_data"], "no_such_data"),
        (["run", "--layer-noise", "-2"], "noise=-2"),
        (["run", "--out", "/proc/no/place.nc"], "--out"),
        (["show", "absent.nc"], "absent.nc"),
        (["show", __file__], "not a whole netCDF file"),
        (["mi", "absent.npy", "absent.npy"], "absent.npy"),
        (["reproduce", "nothing"], "nothing"),
        (["run", "--steps", "many"], "--steps"),
        (["run", "--no-such-option"], "--no-such-option"),
        (["walk"], "walk"),
        ([], "run, show, why, choose, list, bounds, falsify, limits, mi"),
    ],
)
def test_a_mistake_ends_in_one_line_and_status_two(arguments, named, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("ibjax: error: ") and captured.err.count("\n") == 1
    assert named in captured.err
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", "--help"])
    assert stopped.value.code in (0, None)
    text = capsys.readouterr().out
    for option in (
        "dataset classes depths width train-size supersamples masks steps batch-size "
        "learning-rate inverse-temperature layer-noise seed out"
    ).split():
        assert f"--{option}" in text, option


def test_mi_says_what_it_did_to_the_columns(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = np.stack([1e-3 * rng.normal(size=300), np.ones(300), rng.integers(0, 2, 300)], axis=1)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "bits.npy", x[:, 0] + 1e-3 * rng.normal(size=300) > 0)
    np.save(tmp_path / "ids.npy", np.array([5, 5 + 2**32, 7])[rng.integers(0, 3, 300)])
    assert cli.main(["mi", str(tmp_path / "x.npy"), str(tmp_path / "bits.npy")]) == 0
    said = capsys.readouterr().out
    assert "ross" in said and "ksg" not in said
    line = said.strip().splitlines()[-1]
    for part in ("X: 3 continuous columns", "standard deviation", "1 constant", "1 with 20 values"):
        assert part in line, part
    assert "Y: 2 classes" in line
    assert cli.main(["mi", str(tmp_path / "ids.npy"), str(tmp_path / "ids.npy")]) == 0
    said = capsys.readouterr().out
    assert "1.09" in said and "X: 3 classes" in said

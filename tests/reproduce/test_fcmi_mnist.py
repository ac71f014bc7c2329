from dataclasses import asdict, replace

import numpy as np
import pytest
import xarray
from matplotlib.collections import FillBetweenPolyCollection

from ibjax import bounds, cli, files
from ibjax.interface import Dataset
from ibjax.networks import NormalisedCNN, normalised
from ibjax.reproduce.fcmi import file as fcmi_file
from ibjax.reproduce.fcmi import mnist as fcmi_mnist
from ibjax.reproduce.fcmi import rows as fcmi_rows
from ibjax.reproduce.fcmi.rows import Beside, Row
from ibjax.reproduce.outcome import quickened

OPTIONS = fcmi_mnist.Options(train_size=(12,), masks=4, supersamples=2, epochs=2)


@pytest.fixture
def tiny(monkeypatch):
    """The same experiment on noise, with a network that compiles at once."""
    _tiny(monkeypatch)


def _tiny(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 28, 28, 1)).astype(np.float32)
    pool = Dataset(x, (rng.random(60) < 0.5).astype(np.int32), 2, "noise")
    monkeypatch.setattr(fcmi_mnist, "mnist", lambda: pool)
    small = {**normalised.PUBLISHED, "standard": NormalisedCNN(((3, 7, 7, 0),), 4)}
    monkeypatch.setattr(normalised, "PUBLISHED", small)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A row of networks trained on noise, and its cells."""
    with pytest.MonkeyPatch.context() as patch:
        _tiny(patch)
        pool, folder = fcmi_mnist.mnist(), tmp_path_factory.mktemp("rows")
        cells = [
            fcmi_mnist._train(folder / f"{s}.nc", "standard", 12, s, OPTIONS, pool, print)[0]
            for s in range(2)
        ]
    return fcmi_mnist.row("standard", 12, cells), cells


def test_the_grid_is_trained_once_and_resumed_cell_by_cell(
    tiny, tmp_path, monkeypatch, check_shown
):
    said = []
    outcome = fcmi_mnist.run(tmp_path, False, said.append, OPTIONS)
    assert len(outcome.files) == 2 + 2
    assert outcome.table.row_count == 1 + 2 * len(fcmi_mnist.BOUNDS)
    assert said[0].startswith("4 masks resolve")
    broken = outcome.files[1]
    broken.write_bytes(broken.read_bytes()[:100])
    before = outcome.files[0].stat().st_mtime_ns
    said.clear()
    again = fcmi_mnist.run(tmp_path, False, said.append, OPTIONS)
    assert sum("finished before" in line for line in said) == 1
    assert outcome.files[0].stat().st_mtime_ns == before
    assert [list(c.cells) for c in again.table.columns] == [
        list(c.cells) for c in outcome.table.columns
    ]
    assert not list(tmp_path.rglob("*.part*"))
    stored = xarray.load_dataset(outcome.files[-2], engine="h5netcdf")
    assert stored.f_CMI.dims == ("variant", "n", "supersample", "checkpoint")
    assert stored.f_CMI.attrs["kind"] == "plug-in estimate" and int(stored.replicas.sum()) == 8
    # The null of a cell shown alone is that of a row of one cell, see below.
    monkeypatch.setattr(fcmi_rows, "_beside", lambda *_: (np.nan,) * 7)
    check_shown("fcmi-mnist", outcome)
    # Another grid beside it: every file stays, no number is compared with the published ones.
    longer = fcmi_mnist.run(tmp_path, False, said.append, replace(OPTIONS, epochs=3))
    assert set(longer.files[:2]).isdisjoint(outcome.files) and outcome.files[0].exists()
    assert not any(outcome.table.columns[-1].cells)
    assert "not to be compared" in outcome.table.caption


def test_noise_has_no_memory_and_says_so_beside_its_null(rows):
    found, _ = rows
    beside = found.beside
    assert list(beside) == list(fcmi_mnist.BOUNDS)
    for name, b in beside.items():
        plain = found.bounds[name].mean(0)
        # 24 networks trained for two epochs on labels that are coins remember next to nothing.
        assert (np.abs(plain - b.null) < 5 * b.null_spread).all(), name
        assert (b.above == 0).all() and (b.corrected > b.corrected_null / 2).all()
    table = fcmi_mnist.table([found], OPTIONS)
    assert "No memory seen with 4 masks in standard n = 12: f-CMI, e-CMI" in table.caption
    ours, nulls = (list(column.cells) for column in table.columns[3:5])
    assert all(text.startswith("(") for text in ours[2::2])
    assert nulls[0] == "" and all("±" in text for text in nulls[1:])
    bands = [
        sum(isinstance(c, FillBetweenPolyCollection) for c in ax.collections)
        for ax in fcmi_mnist.figure([found]).axes
    ]
    assert bands == [5, 0, 5]


def test_memory_stands_without_parentheses_and_missing_numbers_are_blank(rows):
    numbers = (0.05, 0.001, 0.3, 0.02, 0.1, 0.01)
    seen, unseen, unknown = (
        Beside(*(np.array([x, x]) for x in (*row, above)))
        for row, above in ((numbers, 1.0), (numbers, 0.0), ((np.nan,) * 6, np.nan))
    )
    beside = dict(zip(fcmi_mnist.BOUNDS, (seen, unseen, unknown, seen, seen)))
    table = fcmi_mnist.table([rows[0]._replace(beside=beside)], OPTIONS)
    ours, nulls = (list(column.cells)[2::2] for column in table.columns[3:5])
    assert ours[:2] == ["0.3000±0.0200", "(0.3000±0.0200)"] and ours[2] == "nan"
    assert nulls[:3] == ["0.1000±0.0200", "0.1000±0.0200", ""]
    assert "in standard n = 12: e-CMI." in table.caption


def test_files_of_earlier_versions_are_shown(rows, tmp_path, capsys):
    found, _ = rows
    old = fcmi_file.dataset([found._replace(beside={})], asdict(OPTIONS), "fcmi-mnist")
    old = old.drop_vars("seconds")
    del old.attrs["reproduction"]
    files.write(old, tmp_path / "old.nc")
    assert cli.main(["show", str(tmp_path / "old.nc")]) == 0
    out = capsys.readouterr().out
    assert "single loss" in out and "corrected" not in out
    assert (tmp_path / "old.png").exists()
    new = fcmi_file.dataset([found, found._replace(n=20)], asdict(OPTIONS), "fcmi-mnist")
    files.write(new, tmp_path / "new.nc")
    picture = tmp_path / "new.svg"
    assert cli.main(["show", str(tmp_path / "new.nc"), "--picture", str(picture)]) == 0
    out = capsys.readouterr().out
    assert out.count("corrected") > 10 and "No memory seen" in out and picture.exists()
    for wrong in (["--format", "csv"], ["--bounds", "f_cmi"], ["--checkpoint", "0"]):
        assert cli.main(["show", str(tmp_path / "new.nc"), *wrong]) == 2
        assert wrong[0] in capsys.readouterr().err
    files.write(new.drop_vars("f_CMI"), tmp_path / "short.nc")
    assert cli.main(["show", str(tmp_path / "short.nc")]) == 2
    assert "lacks f_CMI" in capsys.readouterr().err


def test_masks_in_common_are_cells_of_their_own(tiny, tmp_path):
    pool, said = fcmi_mnist.mnist(), []
    shared = replace(OPTIONS, shared_masks=True)
    cells = [
        fcmi_mnist._train(tmp_path / "a.nc", "standard", 12, s, options, pool, said.append)
        for options in (shared, replace(shared, shared_masks=False))
        for s in range(2)
    ]
    (a, at), (b, _), (c, own), (d, _) = cells
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_array_equal(a.mask, c.mask)
    assert not np.array_equal(c.mask, d.mask) and at != own


def test_quick_spares_what_was_chosen():
    chosen = fcmi_mnist.Options(train_size=(250,), masks=6, variants=("deterministic", "wide"))
    small = quickened(chosen, fcmi_mnist.QUICK)
    assert small == replace(chosen, supersamples=1, epochs=5)


def test_diverged_replicas_are_counted_and_a_lost_supersample_spoils_no_mean(rows):
    _, cells = rows
    lost = cells[1].copy(deep=True)
    for name in ("train_error", "test_error"):
        lost[name][:] = np.nan
    lost["diverged"][:] = 1
    lost["predictions"][:] = -1
    found = fcmi_mnist.row("standard", 12, [cells[0], lost])
    assert (found.replicas, found.diverged) == (8, 4)
    kept = fcmi_mnist.row("standard", 12, cells[:1])
    table = fcmi_mnist.table([found], OPTIONS)
    assert "4 of 8 replicas diverged" in table.caption
    alone = fcmi_mnist.table([kept], OPTIONS)
    assert list(table.columns[3].cells) == list(alone.columns[3].cells)


def test_differences_carry_their_standard_error():
    published = fcmi_mnist.PUBLISHED["standard"][75]
    values = published.gap + np.array([-0.01, 0.0, 0.01, 0.02, -0.02])
    zeros = {name: np.zeros((5, 1)) for name in fcmi_mnist.BOUNDS}
    found = Row("standard", 75, np.array([200]), values[:, None], values[:, None], zeros, 0, 150, 0)
    cells = list(fcmi_mnist.table([found], fcmi_mnist.Options()).columns[-1].cells)
    error = np.sqrt((values.var(ddof=1) + published.gap_spread**2) / 5)
    assert cells[0] == f"+0.0000±{error:.4f} = +0.0 sd"
    assert cells[1].endswith(f"{-published.f_cmi / published.f_cmi_spread:+.1f} sd")
    assert not any(cells[2:])


def test_the_bounds_of_a_row_are_ordered_and_those_of_the_library(rows):
    row, cells = rows
    assert not np.array_equal(cells[0].index, cells[1].index)
    np.testing.assert_array_equal(row.epochs, [1, 2])
    last = {name: values[:, -1] for name, values in row.bounds.items()}
    assert (last["ld-CMI"] <= last["e-CMI"] + 1e-6).all()
    assert (last["e-CMI"] <= last["f-CMI"] + 1e-6).all()
    predictions = np.stack([c.predictions.values[:, -1] for c in cells]).astype(int)
    masks = np.stack([c.mask.values for c in cells]).astype(int)
    whole = bounds.f_cmi(predictions, masks, 2).value
    assert last["f-CMI"].mean() == pytest.approx(float(whole), abs=1e-6)
    wrong = predictions != np.stack([c.labels.values for c in cells])[:, None]
    train = np.take_along_axis(wrong, masks[..., None], -1).mean((1, 2, 3))
    np.testing.assert_allclose(row.train_error[:, -1], train, atol=1e-6)


def test_replicas_share_their_randomness_in_the_deterministic_variant_only():
    for variant, shared in (("standard", False), ("deterministic", True), ("wide", True)):
        config = fcmi_mnist.configuration(variant, 250, 200, "float32")
        assert config.shared_randomness is shared
        assert (config.steps, config.batch_size, config.checkpoints) == (400, 128, 10)
    assert fcmi_mnist.configuration("standard", 75, 200, "float32").steps == 200


def test_mistakes_end_in_one_line(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="variants"):
        fcmi_mnist.Options(variants=("narrow",))
    with pytest.raises(ValueError, match="train_size"):
        fcmi_mnist.Options(train_size=(5000,))
    with pytest.raises(ValueError, match="once"):
        fcmi_mnist.Options(train_size=(75, 75))
    with pytest.raises(ValueError, match="precision='f16'"):
        fcmi_mnist.Options(precision="f16")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="TFDS_DATA_DIR"):
        fcmi_mnist.mnist()


def test_the_pool_is_the_published_share_of_two_digits(tfds_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", tfds_dir)
    pool = fcmi_mnist.mnist()
    assert len(pool.y) == int(0.8 * 11791) and set(np.unique(pool.y)) == {0, 1}
    assert float(pool.x.min()) == pytest.approx(-0.456 / 0.224, abs=1e-5)

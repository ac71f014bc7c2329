"""Bounds on saved arrays, and files that are not what they say."""

import csv
import io
import zipfile
from functools import partial

import jax
import numpy as np
import pytest

from ibjax import bounds, cli, rounding


def save(path, **changes):
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, (3, 8, 10))
    losses = (rng.random((3, 8, 10, 2)) < 0.2).astype(int)
    np.savez(path, **{"mask": mask, "losses": losses, **changes})
    return str(path)


def test_a_table_of_what_applies(tmp_path, capsys):
    out = tmp_path / "bounds.csv"
    assert cli.main(["bounds", save(tmp_path / "saved.npz"), "--out", str(out)]) == 0
    with out.open() as stream:
        rows = {row["quantity"]: row for row in csv.DictReader(stream)}
    assert float(rows["gap"]["value"]) < 1 and rows["gap"]["kind"] == "measured"
    assert float(rows["ld_cmi"]["value"]) > 0 and float(rows["ld_cmi"]["null"]) > 0
    assert rows["individual"]["value"] == "" and "exchangeable" in rows["individual"]["note"]
    out = capsys.readouterr().out
    for word in ("saved.npz: n = 10, 3 supersamples x 8 masks", "gap", "ld_cmi", "estimate"):
        assert word in out, word
    assert "No upper limit on the information: it needs masks" in out
    assert "nats about single members of pairs: single_loss." in out
    assert "nats about single pairs or slots: e_cmi, ld_cmi" in out
    missing = out[out.index("Not applicable with these arrays:") :]
    assert "individual" in missing and "exchangeable is not 1" in missing


def test_shared_noise_is_said_of_what_was_measured_under_it(tmp_path, capsys, monkeypatch):
    out = tmp_path / "bounds.csv"
    for function in (bounds.evaluate, bounds.row_nulls):  # no bound is looked at
        monkeypatch.setattr(bounds, function.__name__, partial(function, names=("individual",)))
    for shared in (1, 0):
        place = save(tmp_path / "saved.npz", shared_batches=shared)
        assert cli.main(["bounds", place, "--out", str(out)]) == 0
        with out.open() as stream:
            notes = {row["quantity"]: row["note"] for row in csv.DictReader(stream)}
        words = "given the batches or noise that all replicas share"
        assert (f"Errors and gap, with their ±: {words}." in capsys.readouterr().out) == shared
        assert (words in notes["gap"]) == (words in notes["train error"]) == shared


def test_masks_that_never_vary_are_named(tmp_path, capsys):
    mask = np.random.default_rng(1).integers(0, 2, (3, 1, 10)).repeat(8, 1)
    assert cli.main(["bounds", save(tmp_path / "same.npz", mask=mask)]) == 0
    out = capsys.readouterr().out
    assert "the mask bit never varies in 30 of 30 pairs" in out
    assert "Not applicable" in out and "ld_cmi" in out.split("Not applicable")[1]


def test_one_supersample_and_correctness_in_the_place_of_losses(tmp_path, capsys):
    half = np.random.default_rng(2).integers(0, 2, (4, 10))
    mask = np.stack([half, 1 - half], 1).reshape(8, 10)
    right = (np.arange(2) == mask[..., None]).astype(int)
    path = save(tmp_path / "one.npz", mask=mask, losses=right)
    assert cli.main(["bounds", path, "--examples", "3"]) == 0
    out = capsys.readouterr().out
    assert "1 supersamples x 8 masks" in out and "no upper limit" in out
    assert "losses hold correctness" in out and "Remembered most" in out


def test_a_matrix_of_models_and_examples(tmp_path, capsys):
    membership = np.random.default_rng(3).integers(0, 2, (24, 10))
    losses = (membership == 0).astype(int)
    path = tmp_path / "pool.npz"
    np.savez(path, membership=membership, losses=losses)
    assert cli.main(["bounds", str(path), "--examples", "1"]) == 0
    out = capsys.readouterr().out
    for word in (
        "24 models, pool of 10 examples",
        "single_example",
        "Above its null",
        "sure among",
    ):
        assert word in out, word
    labels, numbers = np.arange(10) % 3 + 2**40, tmp_path / "pool.csv"
    np.savez(path, membership=membership, losses=losses, labels=labels)
    places = ["--table", str(numbers), "--picture", str(tmp_path / "pool.svg")]
    assert cli.main(["bounds", str(path), "--examples", "2", *places]) == 0
    out = capsys.readouterr().out
    assert "By class" in out and str(2**40) in out and "pool.svg" in out
    rows = numbers.read_text().splitlines()
    assert rows[0] == "example,memory,low,high,with it,without,sure among all" and len(rows) == 11
    assert (tmp_path / "pool.svg").exists()
    for wrong in (["--table", "x.txt"], ["--picture", str(path)], ["--examples", "-1"]):
        assert cli.main(["bounds", str(path), *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    np.savez(path, membership=membership, loses=losses)
    assert cli.main(["bounds", str(path)]) == 2
    assert "did you mean 'losses'?" in capsys.readouterr().err


def test_real_losses_are_clipped_and_what_is_known_from_above_is_said(tmp_path, capsys):
    rng = np.random.default_rng(4)
    half = rng.integers(0, 2, (3, 4, 10))
    mask = np.stack([half, 1 - half], 2).reshape(3, 8, 10)
    losses = rng.gamma(1.0, 2.0, (3, 8, 10, 2))
    diverged = np.zeros((3, 8))
    losses[0, 1], diverged[0, 1] = np.nan, 1
    path = save(tmp_path / "real.npz", mask=mask, losses=losses, diverged=diverged)
    assert cli.main(["bounds", path]) == 2
    assert "--clip" in capsys.readouterr().err
    assert cli.main(["bounds", path, "--clip", "0.5", "4"]) == 0
    out = capsys.readouterr().out
    scaled = (np.clip(losses, 0.5, 4) - 0.5) / 3.5
    with jax.enable_x64(True):
        valid = diverged == 0
        limit = bounds.cmi_limit(np.nan_to_num(scaled), mask, of="ld_cmi", valid=valid)
    said = f"{rounding.up(limit.information)} nats (gap {rounding.up(limit.value)})"
    assert said in " ".join(out.split())
    assert "loss in [0.5, 4]" in " ".join(out.split()) and "Diverged replicas" in out
    for wrong in (["nan"], ["4", "1"], ["0"], ["1", "2", "3"], ["-1"], ["-1e308", "1e308"]):
        assert cli.main(["bounds", path, "--clip", *wrong]) == 2
        assert capsys.readouterr().err.startswith(
            ("ibjax: error: --clip", "ibjax: error: clip=nan")
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"diverged": np.full(24, 2)}, "diverged must hold 0 and 1"),
        ({"diverged": np.full(24, np.nan)}, "diverged must hold 0 and 1"),
        ({"labels": np.full(10, 0.5)}, "labels must hold whole numbers"),
        ({"labels": np.full(10, np.nan)}, "labels must hold whole numbers"),
        ({"labels": np.zeros((24, 10))}, "labels has shape (24, 10); it must be (10,)"),
        ({"members": np.ones(2)}, "did you mean 'membership'?"),
    ],
)
def test_arrays_of_a_pool_that_cannot_be(tmp_path, capsys, changes, said):
    membership = np.random.default_rng(3).integers(0, 2, (24, 10))
    given = {"membership": membership, "losses": 1 - membership, **changes}
    if "members" in given:
        del given["membership"]
    np.savez(tmp_path / "pool.npz", **given)
    assert cli.main(["bounds", str(tmp_path / "pool.npz")]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == ""


def test_a_mask_of_models_and_examples_is_a_membership(tmp_path, capsys):
    bits = np.random.default_rng(3).integers(0, 2, (24, 10))
    assert cli.main(["bounds", save(tmp_path / "a.npz", mask=bits, losses=1 - bits)]) == 2
    assert "call the mask `membership`" in capsys.readouterr().err


def test_a_name_close_to_a_known_one(tmp_path, capsys):
    assert cli.main(["bounds", save(tmp_path / "a.npz", masks=np.ones(2))]) == 2
    assert "did you mean 'mask'?" in capsys.readouterr().err


def header(shape, dtype="<f8"):
    stream = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue()


@pytest.mark.parametrize("keep", [0, 1, 10, 200, 900])
def test_a_truncated_archive_is_one_error(tmp_path, capsys, keep):
    path = tmp_path / "cut.npz"
    whole = (tmp_path / "whole.npz").with_suffix(".npz")
    save(whole)
    path.write_bytes(whole.read_bytes()[:keep])
    assert cli.main(["bounds", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "cut.npz: not a .npz archive" in error


def test_a_huge_array_is_refused_before_it_is_allocated(tmp_path, capsys):
    path = tmp_path / "huge.npz"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("mask.npy", header((10**6, 10**6, 10**3)))
    assert cli.main(["bounds", str(path)]) == 2
    assert "GiB, more than 8" in capsys.readouterr().err
    single = tmp_path / "huge.npy"
    single.write_bytes(header((10**9, 10**9)))
    assert cli.main(["mi", str(single), str(single)]) == 2
    assert "GiB, more than 8" in capsys.readouterr().err


def test_python_objects_are_never_loaded(tmp_path, capsys):
    path = tmp_path / "objects.npz"
    np.savez(path, mask=np.array([{"a": 1}], object))
    assert cli.main(["bounds", str(path)]) == 2
    error = capsys.readouterr().err
    assert "Python objects" in error and error.count("\n") == 1


def test_an_array_that_does_not_fit_is_named(tmp_path, capsys):
    assert cli.main(["bounds", save(tmp_path / "a.npz", extra=np.ones(2))]) == 2
    assert "'extra' is not a known array" in capsys.readouterr().err

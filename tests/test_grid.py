"""Sweeps over several axes: one program for scalars, cells shared, one file, one table."""

import contextlib
import dataclasses
import functools
import io
import json
import os
import shlex
import subprocess
import sys

import flax.linen as nn
import jax
import numpy as np
import pandas
import pytest
import xarray

from ibjax import bounds, experiment, langevin, pipeline, report, results, sweep
from ibjax.bounds import from_arrays
from ibjax.cli import main
from ibjax.interface import Dataset
from ibjax.langevin import programs
from ibjax.langevin import swept as swept_runs
from ibjax.pipeline import Experiment
from ibjax.plan import plan

BASE = Experiment(
    depths=(1,), width=4, train_size=10, supersamples=2, masks=3, steps=6, checkpoints=2
)
GRID = dataclasses.replace(
    BASE, train_size=(10, 7), learning_rate=(0.05, 0.1), layer_noise=(0.1, 0.5)
)
OPTIONS = "--depths 1 --width 4 --supersamples 2 --masks 3 --steps 6 --checkpoints 2".split()
COMMAND = [*OPTIONS, *"--train-size 10 7 --learning-rate 0.05 0.1 --layer-noise 0.1 0.5".split()]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The file of the command line, its data set, and how many programs it compiled."""
    path = tmp_path_factory.mktemp("grid") / "r.nc"
    programs.compiled.cache_clear()  # other tests of this process may have left the same programs
    assert main(["run", *COMMAND, "--out", str(path), "--quiet", "--no-cache"]) == 0
    return path, results.read(path), programs.compiled.cache_info().misses


def test_every_static_shape_is_compiled_once(swept):
    _, dataset, compiled = swept
    assert dataset["gap"].shape == (1, 2, 2, 2, 2) and compiled == 2


def test_swept_settings_are_dimensions_with_their_values(swept):
    _, dataset, _ = swept
    axes = ("depth", "train_size", "learning_rate", "layer_noise")
    for name in ("gap", "bound_value", "bound_null", "train_error", "test_error"):
        assert dataset[name].dims[:4] == axes
    assert dataset["train_size"].values.tolist() == [10, 7]
    assert dataset["learning_rate"].values.tolist() == [0.05, 0.1]
    assert dataset["checkpoint"].values.tolist() == [3, 6]
    assert dataset["index"].dims[0] == "train_size" and dataset["mask"].dims[0] == "train_size"
    assert {c: dataset[c].item() for c in ("width", "steps", "seed")} == {
        "width": 4,
        "steps": 6,
        "seed": 0,
    }
    config = json.loads(dataset.attrs["config"])
    assert config["train_size"] == [10, 7] and config["depths"] == [1]
    assert not np.isnan(dataset["gap"]).any()


def test_each_cell_is_the_run_of_its_own_settings(swept):
    _, dataset, _ = swept
    point = {"depth": 1, "train_size": 7, "learning_rate": 0.1, "layer_noise": 0.5}
    one = experiment.at(GRID, point)
    pool, pairs = pipeline.load(one)
    alone = pipeline.run_cell(one, 1, pool, pairs)
    stored = results.evidence(dataset, **point)
    for name, ours, theirs in zip(stored._fields, alone.evidence, stored):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert float(dataset["gap"].sel(point).isel(checkpoint=-1)) == float(alone.gap[-1].value)
    with pytest.raises(ValueError, match="layer_noise: the file has"):
        results.evidence(dataset, 1, train_size=7, learning_rate=0.1)
    with pytest.raises(ValueError, match="width=9 is not in the file"):
        results.evidence(dataset, width=9)


def test_the_file_is_a_tree_with_the_raw_tables_of_each_cell_below(swept, tmp_path):
    path, dataset, _ = swept
    tree = xarray.open_datatree(path, engine="h5netcdf")
    assert "predictions" not in tree.to_dataset() and "gap" in tree.to_dataset()
    cells = tree["cells"].children
    assert len(cells) == 8
    small = cells["depth=1,train_size=7,learning_rate=0.1,layer_noise=0.5"]
    assert small.sizes["pair"] == 7 and "predictions" in small and "step_sizes" in small
    tree.close()
    assert results.tree(dataset)["cells"].children.keys() == cells.keys()
    results.write(dataset, tmp_path / "again.nc")
    assert results.read(str(tmp_path / "again.nc")).identical(dataset)


def test_sweeps_that_overlap_share_cells(swept, tmp_path, monkeypatch):
    path, dataset, _ = swept
    trained = []
    monkeypatch.setattr(pipeline, "train_cell", lambda *a, **k: trained.append(a))
    one = dataclasses.replace(GRID, train_size=7, learning_rate=(0.1, 0.05), layer_noise=0.5)
    other = sweep.run(one, path.with_name("other.nc"))
    assert trained == [] and other["gap"].dims == ("depth", "learning_rate", "checkpoint")
    np.testing.assert_array_equal(
        other["gap"], dataset["gap"].sel(train_size=7, layer_noise=0.5)[:, ::-1]
    )
    assert other["train_size"].item() == 7


def test_another_sweep_in_the_same_place_keeps_the_last_one(swept, tmp_path):
    log = []
    place = tmp_path / "r.nc"
    (tmp_path / "r.cells").symlink_to(swept[0].with_suffix(".cells"))
    one = dataclasses.replace(BASE, learning_rate=0.05)
    first = sweep.run(one, place)
    place.with_suffix(".png").write_bytes(b"picture")
    sweep.run(dataclasses.replace(BASE, learning_rate=(0.05, 0.1)), place, log=log.append)
    assert not any("kept as" in line for line in log)  # it holds the cell of the first
    sweep.run(dataclasses.replace(BASE, learning_rate=0.1), place, log=log.append)
    assert f"kept as {tmp_path / 'r-1.nc'}" in log[-1]
    both = results.read(tmp_path / "r-1.nc")
    assert both["learning_rate"].values.tolist() == [0.05, 0.1]
    assert (tmp_path / "r-1.png").read_bytes() == b"picture" and (tmp_path / "r-1.toml").exists()
    np.testing.assert_array_equal(both["gap"].sel(learning_rate=0.05), first["gap"])


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """Layer noises, rates and seeds as replicas of one program; how many it compiled."""
    path = tmp_path_factory.mktemp("mapped") / "r.nc"
    programs.compiled.cache_clear()
    found = sweep.run(MAPPED, path, mapped=True)
    return path, found, programs.compiled.cache_info().misses


MAPPED = dataclasses.replace(GRID, train_size=7, seed=(0, 1))


def test_cells_of_one_program_may_be_trained_at_once(swept, at_once):
    _, dataset, _ = swept
    _, found, compiled = at_once
    assert compiled == 1
    mine, theirs = found.sel(seed=0), dataset.sel(train_size=7)
    np.testing.assert_array_equal(mine["predictions"], theirs["predictions"].isel(pair=slice(7)))
    for name in ("gap", "bound_value", "train_loss", "trajectory_cmi", "layer_log1m"):
        np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-5, err_msg=name)
    assert not np.array_equal(mine["gap"], found["gap"].sel(seed=1))


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("batched", [False, True])
def test_cells_trained_at_once_are_stored_one_by_one(at_once, tmp_path, monkeypatch, batched):
    """A kill loses what is being trained; the others stay, and the end is the same to the bit."""
    path, found, _ = at_once
    if batched:  # as on an accelerator, two cells a time
        monkeypatch.setattr(swept_runs, "in_parallel", lambda mapping: True)
        monkeypatch.setattr(swept_runs, "BUSY", 12)
    place, times = tmp_path / "r.nc", []

    def stop(point, done, total):
        if done < total and (point["seed"], point["learning_rate"]) == (1, 0.1):
            raise Stopped

    def cells():
        return {f.name: f.read_bytes() for f in place.with_suffix(".cells").iterdir()}

    with pytest.raises(Stopped):
        sweep.run(MAPPED, place, mapped=True, progress=stop)
    kept = cells()
    assert len(kept) == 5 - batched
    before = programs.compiled.cache_info().misses
    again = sweep.run(
        MAPPED, place, mapped=True, progress=lambda p, d, t: times.append(tuple(p.values()))
    )
    assert programs.compiled.cache_info().misses == before
    assert {name: cells()[name] for name in kept} == kept
    assert cells() == {f.name: f.read_bytes() for f in path.with_suffix(".cells").iterdir()}
    assert again.identical(found) and place.read_bytes() == path.read_bytes()
    assert len(set(times)) == 8 and sum(times.count(t) == 1 for t in set(times)) == len(kept)


def test_settings_beside_a_result_repeat_it_with_one_thing_changed(swept, capsys):
    path, dataset, _ = swept
    again = ["run", "--config", str(path.with_suffix(".toml")), "--no-cache", "--quiet"]
    changed = [*again, "--learning-rate", "0.1", "--train-size", "7", "--name", "changed"]
    assert main([*changed, "--out", str(path)]) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.splitlines()[0].startswith("results: ")
    one = results.read(path.with_name("changed.nc"))
    assert one["gap"].dims == ("depth", "layer_noise", "checkpoint")
    np.testing.assert_array_equal(one["gap"], dataset["gap"].sel(train_size=7, learning_rate=0.1))
    for words, named in (
        (["--config", "absent.toml"], "absent.toml"),
        (["--config"], "--config needs a file"),
        (["--config", str(path)], "not a TOML file"),
    ):
        assert main(["run", *words]) == 2
        assert named in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_done_and_does_nothing(swept, tmp_path, capsys):
    path, _, _ = swept
    before = sorted(p.name for p in path.parent.rglob("*"))
    assert main(["run", *COMMAND, "--out", str(path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "cells: 8 (1 depth x 2 train size x 2 learning rate x 2 layer noise), 8" in said
    assert "time: none" in said
    more = [*COMMAND, "--seed", "0", "1", "--out", str(path), "--dry-run"]
    assert main(["run", *more]) == 0
    said = capsys.readouterr().out
    assert "cells: 16" in said and "8 of them finished" in " ".join(said.split())
    assert "48 to train" in said
    assert "programs: 2" in said and "memory: " in said and "time: about " in said
    assert sorted(p.name for p in path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"learning_rate": (0.1, 0.1)}, "learning_rate=.* lists a value twice"),
        ({"train_size": ()}, "train_size=.* holds no value"),
        ({"train_size": (10, 2.5)}, "train_size=2.5"),
        ({"steps": (5, 0)}, "steps=0"),
        ({"seed": (0, -1)}, "seed=-1"),
        ({"layer_noise": (0.1, -1.0)}, "noise=-1"),
        ({"clip": (1.0, 0.0)}, "clip=0"),
        ({"radius": (1.0, 0.0)}, "radius=0 must be positive"),
        ({"radius": "wide"}, "radius='wide'"),
        ({"batch_size": (5, 11)}, "batch_size=11 exceeds train_size=10"),
        ({"train_size": (10, 5000)}, "train_size=5000 needs 10000 examples"),
        ({"learning_rate": ("a", 0.1)}, "learning_rate='a'"),
        ({"network": nn.Dense(2), "width": 8}, "width=8 speaks of the built-in network"),
        ({"network": nn.Dense(2), "maxent": True}, "maxent=True speaks of"),
        ({"network": "nowhere:f"}, "nowhere cannot be imported"),
    ],
)
def test_a_grid_that_cannot_run_is_refused_before_training(tmp_path, wrong, named):
    base = Experiment() if "network" in wrong else BASE
    with pytest.raises(ValueError, match=named):
        sweep.run(dataclasses.replace(base, **wrong), tmp_path / "r.nc")


def test_cells_of_several_lengths_keep_their_own_steps(swept, tmp_path):
    path, _, _ = swept
    settings = dataclasses.replace(BASE, steps=(6, 4), layer_noise=0.1)
    found = sweep.run(settings, path.with_name("steps.nc"))
    assert found["checkpoint"].values.tolist() == [2, 3, 4, 6]
    known = found["gap"].notnull().squeeze("depth").values
    np.testing.assert_array_equal(known, [[0, 1, 0, 1], [1, 0, 1, 0]])
    summary = report.summarise(found)
    assert summary.axis == "steps" and summary.steps == [6, 4]
    last = [found["gap"].sel(steps=s, checkpoint=s).item() for s in (6, 4)]
    np.testing.assert_allclose(summary.row("gap").values, last)
    stored = results.evidence(results.read(path.with_name("steps.nc")), steps=4)
    assert stored.step_sizes.shape == (4,) and stored.checkpoints.tolist() == [2, 4]
    np.testing.assert_array_equal(bounds.gap(stored).value, last[1])


def test_runs_are_compared_and_joined(swept, capsys, tmp_path):
    _, dataset, _ = swept
    parts = [dataset.sel(train_size=n).drop_vars("layer_noise_std") for n in (10, 7)]
    joined = xarray.concat(parts, dim="train_size", join="outer", data_vars="all")
    np.testing.assert_array_equal(joined["gap"].sel(train_size=7), dataset["gap"].sel(train_size=7))
    stored = results.evidence(
        xarray.concat(
            [dataset.sel(train_size=[n]) for n in (10, 7)],
            "train_size",
            join="outer",
            data_vars="all",
        ),
        train_size=7,
        learning_rate=0.1,
        layer_noise=0.1,
    )
    assert stored.mask.shape == (2, 3, 7)
    places = [tmp_path / f"{n}.nc" for n in ("one", "two")]
    for part, place in zip((dataset.isel(layer_noise=0), dataset.sel(layer_noise=0.5)), places):
        results.write(part.sel(train_size=7), place)
    names = list(map(str, places))
    words = ["show", *names, "--axis", "learning_rate", "--bounds", "individual"]
    assert main([*words, "--picture", str(tmp_path / "p.pdf")]) == 0
    said = capsys.readouterr().out
    assert "eta 0.1" in said and f"results: {names[1]}" in said
    assert "one" in said and "two" in said
    assert (tmp_path / "p.pdf").read_bytes().startswith(b"%PDF")
    assert main(["show", *names, "--picture", names[1]]) == 2


def test_a_table_has_every_axis(swept, tmp_path, capsys):
    path, dataset, _ = swept
    frame = report.frame(dataset)
    assert frame.columns[:5].tolist() == [
        "depth",
        "train_size",
        "learning_rate",
        "layer_noise",
        "step",
    ]
    one = frame[(frame.train_size == 7) & (frame.learning_rate == 0.1) & (frame.layer_noise == 0.5)]
    point = {"train_size": 7, "learning_rate": 0.1, "layer_noise": 0.5}
    value = (
        dataset["bound_value"]
        .sel(point | {"bound_name": "individual"})
        .isel(depth=0, checkpoint=-1)
    )
    assert one[one.name == "individual"].value.item() == value.item()
    assert len(report.frame(dataset, None)) == 2 * len(frame)
    assert main(["show", str(path), "--axis", "train_size", "--format", "latex"]) == 0
    text = capsys.readouterr().out
    assert "n = 7" in text and "layer noise" in text and r"\bottomrule" in text
    assert main(["show", str(path), "--axis", "nothing"]) == 2
    assert "depth, train_size, learning_rate, layer_noise, checkpoint" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"report\.summaries"):
        report.summarise(dataset)
    assert len(report.summaries(dataset, axis="train_size")) == 4


def test_pictures_draw_points_where_they_are(swept):
    _, dataset, _ = swept
    one = dataset.sel(learning_rate=0.1, layer_noise=0.5)
    ax = report.bounds_against(one, "train_size", names=["individual", "ld_cmi"])
    gap = next(c for c in ax.containers if c.get_label() == "gap").lines[0]
    np.testing.assert_allclose(gap.get_xdata(), [10, 7])
    np.testing.assert_allclose(gap.get_ydata(), one["gap"].isel(depth=0, checkpoint=-1))
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "training examples n"
    assert ax.get_ylim()[0] > 1e-5
    assert any("without memory" in str(c.get_label()) for c in ax.collections)
    steps = report.bounds_against(one.isel(train_size=0), "checkpoint", names=["individual"])
    bound = next(c for c in steps.containers if "individual" in c.get_label()).lines[0]
    np.testing.assert_allclose(bound.get_xdata(), [3, 6])
    assert bound.get_linestyle() == "-" and bound.get_markerfacecolor() != "white"
    panels = report.figure(dataset.sel(layer_noise=0.5), axis="train_size")
    titles = [a.get_title() for a in panels.axes]
    assert titles[:2] == ["eta 0.05", "eta 0.1"]
    limits = {a.get_ylim() for a in panels.axes[:2]}
    assert len(limits) == 1


def test_evidence_from_anywhere_becomes_a_file(swept, tmp_path):
    _, dataset, _ = swept
    points = [(n, r) for n in (10, 7) for r in (0.05, 0.1)]
    pieces = [
        results.evidence(dataset, train_size=n, learning_rate=r, layer_noise=0.1) for n, r in points
    ]
    grid = {"train_size": [10, 7], "learning_rate": [0.05, 0.1]}
    made = results.from_evidence(pieces, axes=grid)
    results.write(made, tmp_path / "r.nc")
    assert results.read(tmp_path / "r.nc").identical(made)
    expected = dataset.isel(depth=0, drop=True).sel(layer_noise=0.1, drop=True)
    for name in ("gap", "bound_value", "bound_null", "bound_note", "train_error"):
        np.testing.assert_array_equal(made[name], expected[name])
    long = {"train_size": [n for n, _ in points[:3]], "learning_rate": [r for _, r in points[:3]]}
    fewer = results.from_evidence(pieces[:3], axes=long)
    assert np.isnan(fewer["gap"].sel(train_size=7, learning_rate=0.1)).all()
    with pytest.raises(ValueError, match="no cell lies"):
        results.evidence(fewer, train_size=7, learning_rate=0.1)
    alone = results.from_evidence(pieces[0])
    assert alone["gap"].dims == ("checkpoint",) and "1 supersample" not in str(alone.attrs)
    assert report.summarise(alone).axis is None and "| gap" in report.markdown(alone)
    for wrong, named in (
        ({"train_size": [1, 2, 3]}, "train_size"),
        ({"checkpoint": [1, 2, 3, 4]}, "part of every file"),
        ({"train_size": [1, 1, 1, 2]}, "two pieces in one place"),
    ):
        with pytest.raises(ValueError, match=named):
            results.from_evidence(pieces, axes=wrong)


@contextlib.contextmanager
def bounded_by(*names):
    """The program of a few rows, where no others are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        for function in (bounds.evaluate, bounds.row_nulls):
            patch.setattr(bounds, function.__name__, functools.partial(function, names=names))
        yield


def test_saved_losses_keep_their_fractions(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"mask": rng.integers(0, 2, (2, 3, 10)), "losses": rng.random((2, 3, 10, 2))}
    evidence = bounds.from_arrays(arrays)
    with bounded_by("single_loss"):
        made = results.from_evidence(evidence)
    results.write(made, tmp_path / "r.nc")
    back = results.evidence(results.read(tmp_path / "r.nc"))
    np.testing.assert_array_equal(back.predictions[:, :, 0], arrays["losses"])
    for name, ours, theirs in zip(evidence._fields, evidence, back):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.relu(nn.Conv(2, (3, 3))(x)).mean((1, 2))
        return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))


OWN = """
import flax.linen as nn
class Net(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.relu(nn.Conv(2, (3, 3))(x)).mean((1, 2))
        return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))
"""
SCRIPT = """
ibjax run --network own.py:Net --data own.npz --train-size 7 10 --learning-rate 0.1 0.2 \\
  --supersamples 2 --masks 3 --steps 6 --checkpoints 1 --out own.nc --quiet --no-cache
ibjax show own.nc --axis train_size --table own.tex --picture own.pdf
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A user's own network and data, from a shell script of three lines."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    # So many that no two supersamples share an example: as the digits, which the bounds' program
    # is then that of.
    x, y = rng.normal(size=(4000, 4, 4, 1)), rng.integers(0, 2, 4000)
    (folder / "own.py").write_text(OWN)
    np.savez(folder / "own.npz", x=x, y=y)
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        for line in SCRIPT.replace("\\\n", " ").strip().splitlines():
            assert main(shlex.split(line)[1:]) == 0
    return folder, x, y, said.getvalue()


def test_from_ones_own_network_to_a_table_and_a_figure_in_a_shell(own):
    folder, _, _, said = own
    assert "n = 10" in said and "eta 0.2" in said and "ld_cmi" in said
    assert r"\toprule" in (folder / "own.tex").read_text()
    assert (folder / "own.pdf").read_bytes().startswith(b"%PDF")
    found = results.read(folder / "own.nc")
    assert found["gap"].dims == ("train_size", "learning_rate", "checkpoint")
    last = found.isel(checkpoint=-1)
    assert np.isfinite(last["bound_value"].sel(bound_name="ld_cmi")).all()
    assert np.isnan(last["bound_value"].sel(bound_name="individual")).all()
    config = json.loads(found.attrs["config"])
    assert config["network"] == "own.py:Net" and config["dataset"] == "own.npz"
    for name in ("depths", "width", "layer_noise", "activation", "clip"):
        assert config[name] is None
    assert "depth" not in found.coords and "layer_noise" not in found.coords


def test_from_ones_own_network_to_a_table_and_a_figure_in_python(own, tmp_path):
    folder, x, y, _ = own
    pool = Dataset(x, y, 2, "own.npz")
    mine = Experiment(network=Net(), dataset=pool, train_size=(7, 10), learning_rate=(0.1, 0.2),
                      supersamples=2, masks=3, steps=6, checkpoints=1)  # fmt: skip
    found = sweep.run(mine, tmp_path / "own.nc")
    report.write_table(found, tmp_path / "own.tex", axis="train_size")
    report.figure(found, axis="train_size").savefig(tmp_path / "own.pdf")
    texts = [(place / "own.tex").read_text() for place in (tmp_path, folder)]
    assert texts[0].replace("Net()", "own.py:Net") == texts[1]
    shell = results.read(folder / "own.nc")
    np.testing.assert_array_equal(found["gap"], shell["gap"])
    config = json.loads(found.attrs["config"])
    assert config["network"].startswith("Net(") and "\n" not in config["network"]
    assert config["network_digest"] == json.loads(shell.attrs["config"])["network_digest"]
    assert "# network was given as an object" in (tmp_path / "own.toml").read_text()


def test_padded_depths_give_the_numbers_of_exact_ones():
    settings = dataclasses.replace(BASE, depths=(1, 3))
    pool, pairs = pipeline.load(settings)
    exact = langevin.run_replicas(jax.random.key(0), pipeline.training(settings, 1), pool, pairs)
    runs = [
        langevin.Settings(jax.random.key(0), pipeline.training(settings, d, padded_to=3), pairs)
        for d in settings.depths
    ]
    padded, deep = langevin.train_many(runs, pool)
    for name, a, b in zip(exact._fields, exact, padded):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)
    assert len(deep.layer_log1m) == 3 and deep.dim > padded.dim
    other = pipeline.training(dataclasses.replace(settings, steps=5), 1, padded_to=3)
    with pytest.raises(ValueError, match="another program"):
        langevin.train_many([*runs, langevin.Settings(jax.random.key(0), other, pairs)], pool)
    with pytest.raises(ValueError, match="runs is empty"):
        langevin.train_many([], pool)


def test_accelerators_pad_the_depths(tmp_path, monkeypatch):
    settings = dataclasses.replace(BASE, depths=(1, 3))
    todo = plan(settings, tmp_path / "r.nc")
    assert todo.padded_to is None
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert todo.padded_to == 3
    assert plan(BASE, tmp_path / "r.nc").padded_to is None


def test_kills_in_a_sweep_of_two_axes_lose_nothing(swept, tmp_path):
    """kill -9, IBJAX_KILLS times: whole cells stay whole and are never redone."""
    _, dataset, _ = swept
    path, whole = tmp_path / "r.nc", {}
    store, rng = path.with_suffix(".cells"), np.random.default_rng(1)
    command = [sys.executable, "-m", "ibjax", "run", *COMMAND, "--out", str(path), "--no-cache"]
    for _ in range(int(os.environ.get("IBJAX_KILLS", "1"))):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert child.wait(timeout=6 + 8 * rng.random()) == 0
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        found = {f: f.read_bytes() for f in store.glob("*.nc")} if store.exists() else {}
        assert all(found[f] == content for f, content in whole.items())
        for f in found:
            results.read(f)
        whole = found
    again = sweep.run(GRID, path)
    np.testing.assert_array_equal(again["gap"], dataset["gap"])
    assert not list(tmp_path.rglob(".*.part"))


def test_everything_in_one_call_to_pandas(swept):
    _, dataset, _ = swept
    table = dataset["gap"].to_dataframe()
    assert isinstance(table, pandas.DataFrame) and len(table) == 16


def test_a_data_set_of_ones_own_is_recorded_with_its_own_classes():
    pool = Dataset(np.zeros((8, 2), np.float32), np.arange(8) % 3, 3, "digits")
    recorded = experiment.settings(Experiment(dataset=pool))
    assert recorded["dataset"] == "digits" and recorded["classes"] is None
    assert experiment.settings(Experiment())["classes"] == experiment.EVEN_AND_ODD
    grouped = Experiment(dataset=pool, classes=((0, 2), 1))
    assert experiment.settings(grouped)["classes"] == ((0, 2), 1)


@pytest.fixture(scope="module")
def coins():
    """Coin flips for predictions, with all that limits need, as a data set."""
    rng = np.random.default_rng(0)
    arrays = {"predictions": (3, 4, 5, 2), "labels": (3, 5, 2), "mask": (3, 4, 5)}
    given = {name: rng.integers(0, 2, shape) for name, shape in arrays.items()}
    given |= {"step_sizes": np.full(4, 0.1), "noise_stds": np.full(4, 0.2), "clip": 1.0}
    given |= {"exchangeable": 1, "shared_batches": 0, "bounded_steps": 1, "dim": 7}
    given |= {"batching": "full", "batch_size": 5, "membership_information": np.full((3, 4), 1e-3)}
    whole = from_arrays(given)._replace(index=np.arange(30).reshape(3, 5, 2))
    with bounded_by("individual", "individual_kl", "trajectory_cmi_certified"):
        return results.from_evidence(whole)


def test_evidence_of_chosen_steps_or_pairs_is_refused(coins):
    for step in (slice(None, None, 2), [0, 1]):
        with pytest.raises(ValueError, match="2 of the 4 steps"):
            results.evidence(coins.isel(step=step))
    with pytest.raises(ValueError, match="lists a step twice"):
        results.evidence(coins.isel(step=[0, 0, 1, 1]))
    with pytest.raises(ValueError, match="3 of the 5 pairs"):
        results.evidence(coins.assign_coords(train_size=5).isel(pair=[0, 2, 4]))
    with pytest.raises(ValueError, match="lists a pair twice"):
        results.evidence(coins.isel(pair=[0, 0, 1, 2, 3]))


def test_evidence_of_chosen_replicas_has_no_confidence_limits(coins):
    """Which were chosen may have looked at what they measured."""
    limited = ("individual_kl", "trajectory_cmi_certified")
    holds = coins["bound_holds"].sel(bound_name=list(limited))
    assert holds.all() and (results.evidence(coins).index >= 0).all()
    for part in (coins.isel(supersample=[1, 2]), coins.isel(mask_id=[0, 2])):
        stored = results.evidence(part)
        assert (stored.index == -1).all() and np.isnan(stored.membership_information).all()
    found = bounds.evaluate(stored, names=("individual", *limited))
    assert float(found["individual_kl"].value) == float(found["individual"].value)
    assert not found["trajectory_cmi_certified"].holds
    for axis in ("supersample", "mask_id"):
        with pytest.raises(ValueError, match="it joins several files or lists one twice"):
            results.evidence(coins.isel({axis: [0, 0, 1, 1, 2, 2]}))


def test_evidence_of_joined_runs_or_other_settings_is_refused(swept):
    _, dataset, _ = swept
    at = dict(train_size=7, learning_rate=0.1, layer_noise=0.1)
    joined = xarray.concat([dataset, dataset.assign(clip=0.5)], "supersample", data_vars="all")
    with pytest.raises(ValueError, match=r"has values along supersample, where a run has one"):
        results.evidence(joined, **at)
    scaled = dataset["noise_stds"] * 2
    for changed, named in (
        ({"clip": 0.1}, r"clip is 0\.1 in the data set and 1 in"),
        ({"noise_stds": scaled}, "inverse_temperature is 40 in the data set and 160"),
        ({"step_sizes": dataset["step_sizes"] / 4}, r"learning_rate is 0\.025 in the data"),
    ):
        with pytest.raises(ValueError, match=named):
            results.evidence(dataset.assign(changed), **at)
    parts = [dataset.drop_vars("clip").assign_coords(clip=c) for c in (1.0, 0.5)]
    along = xarray.concat(parts, "clip", data_vars="all", coords="minimal", compat="override")
    assert [float(results.evidence(along, **at, clip=c).clip) for c in (1, 0.5)] == [1, 0.5]
    single = dataset.map(lambda a: a.astype("float32") if a.dtype.kind == "f" else a)
    assert float(results.evidence(single, **at).clip) == 1

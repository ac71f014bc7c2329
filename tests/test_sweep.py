"""The sweep, its files and its reports, end to end on a small grid."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray
from rich.console import Console

from ibjax import bounds, files, pipeline, report, results, sweep
from ibjax.cli import main
from ibjax.interface import fields
from ibjax.pipeline import Experiment
from ibjax.results import cells as result_cells

SMALL = Experiment(
    depths=(1, 2), width=4, train_size=10, supersamples=2, masks=3, steps=6, checkpoints=2
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "r.nc"
    return path, sweep.run(SMALL, path)


def test_a_file_gives_back_what_was_written(finished):
    path, dataset = finished
    again = results.read(path)
    assert again.identical(dataset)
    assert again.sizes["depth"] == 2 and again.sizes["layer"] == 2
    assert json.loads(again.attrs["config"])["train_size"] == 10
    assert {"jax", "ibjax"} <= set(json.loads(again.attrs["versions"]))
    assert again["gap"].attrs["units"] == "loss (0-1)"
    assert again["bound_information"].attrs["units"] == "nat"
    kinds = dict(zip(again["bound_name"].values, again["bound_kind"].values))
    assert kinds["individual"] == "certificate" and kinds["depth_published"] == "diagnostic"
    about = dict(zip(again["bound_name"].values, again["bound_about"].values))
    assert {n: about[n] for n in ("individual", "depth", "single_loss", "trajectory_cmi")} == {
        "individual": "example", "depth": "sample", "single_loss": "loss", "trajectory_cmi": "pair",
    }  # fmt: skip


def test_every_certificate_lies_above_the_measured_gap(finished):
    _, dataset = finished
    sure = dataset.sel(bound_name=dataset["bound_kind"] == "certificate")
    assert sure.sizes["bound_name"] == 6 and bool(sure["bound_holds"].all())
    assert bool((sure["bound_value"] > dataset["gap"] - 3 * dataset["gap_std_error"]).all())
    assert bool((sure["bound_value"].diff("checkpoint") > 0).all())


def test_evidence_survives_the_file(finished):
    path, _ = finished
    pool, pairs = pipeline.load(SMALL)
    for depth in SMALL.depths:
        cell = pipeline.run_cell(SMALL, depth, pool, pairs)
        stored = results.evidence(results.read(path), depth)
        for name, ours, theirs in zip(cell.evidence._fields, cell.evidence, stored):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
    with pytest.raises(ValueError, match="depth=9 is not in the file"):
        results.evidence(results.read(path), 9)


def test_finished_cells_are_taken_and_their_numbers_do_not_change(finished, tmp_path, monkeypatch):
    path, dataset = finished
    trained, log = [], []
    train_cell = pipeline.train_cell
    monkeypatch.setattr(
        pipeline, "train_cell", lambda *a, **k: trained.append(a[1]) or train_cell(*a, **k)
    )
    again = sweep.run(SMALL, path, log=log.append)
    assert trained == [] and len(log) == 2
    assert again.drop_attrs(deep=False).identical(dataset.drop_attrs(deep=False))
    wider = dataclasses.replace(SMALL, depths=(1, 3))
    more = sweep.run(wider, path)
    assert trained == [3] and more["depth"].values.tolist() == [1, 3]
    np.testing.assert_array_equal(more["gap"].sel(depth=1), dataset["gap"].sel(depth=1))
    sweep.run(dataclasses.replace(SMALL, learning_rate=0.2, depths=(1,)), path)
    assert trained == [3, 1]


@pytest.mark.parametrize("damage", ["truncate", "garbage", "empty"])
def test_a_damaged_cell_is_redone_and_said_so(finished, tmp_path, damage):
    _, dataset = finished
    path = tmp_path / "r.nc"
    one = dataclasses.replace(SMALL, depths=(1,))
    sweep.run(one, path)
    (cell,) = path.with_suffix(".cells").iterdir()
    content = cell.read_bytes()
    broken = {"truncate": content[: len(content) // 2], "garbage": b"x" * 5000, "empty": b""}
    cell.write_bytes(broken[damage])
    log = []
    again = sweep.run(one, path, log=log.append)
    assert "will be redone" in log[0]
    np.testing.assert_array_equal(again["gap"].sel(depth=1), dataset["gap"].sel(depth=1))


def test_a_failed_write_leaves_the_old_file_and_no_partial_one(finished, tmp_path, monkeypatch):
    _, dataset = finished
    path = tmp_path / "r.nc"
    results.write(dataset, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space.*as it was"):
        results.write(dataset, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"train_size": 1}, "train_size=1"),
        ({"depths": ()}, "depths"),
        ({"depths": (2, 2)}, "depths"),
        ({"classes": (4,)}, "classes"),
        ({"batch_size": 11}, "batch_size=11"),
        ({"layer_noise": -1.0}, "noise=-1"),
        ({"train_size": 5000}, "5000"),
        ({"classes": (4, 77)}, "77"),
        ({"activation": "swoosh"}, "swoosh"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"seed": -1}, "seed=-1"),
        ({"supersamples": 2**63 - 1}, "at most [0-9]+ replicas"),
        ({"masks": 10**21}, "at most [0-9]+ replicas"),
        ({"width": 10**6}, "at most width=[0-9]+ fits"),
        ({"steps": 10**12}, "at most [0-9]+ can be counted"),
        ({"depths": (1, 10**5)}, "at most 1000 hidden layers"),
    ],
)
def test_an_experiment_that_cannot_run_is_refused_before_training(tmp_path, wrong, named):
    with pytest.raises(ValueError, match=named):
        sweep.run(dataclasses.replace(SMALL, **wrong), tmp_path / "r.nc")


def test_killing_a_run_loses_no_finished_cell(tmp_path):
    """kill -9 beside the training of the second depth; the second start has the first on disk."""
    path = tmp_path / "r.nc"
    script = (
        "import dataclasses; from pathlib import Path; from ibjax import sweep\n"
        "from ibjax.pipeline import Experiment\n"
        f"e = Experiment(**{dataclasses.asdict(SMALL)!r})\n"
        "e = dataclasses.replace(e, depths=(1, 2), steps=6)\n"
        "def stop(point, done, total):\n"
        "    if done == total: print('first', flush=True); __import__('time').sleep(60)\n"
        f"sweep.run(e, Path({str(path)!r}), progress=stop)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline().strip() == "first"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not path.exists()
    log, start = [], time.time()
    dataset = sweep.run(SMALL, path, log=log.append)
    assert len(log) == 2 and log[0].startswith("depth 1: finished before")
    assert log[1].startswith("3 masks resolve")
    assert dataset.sizes["depth"] == 2 and time.time() - start < 60
    assert not [f for f in path.with_suffix(".cells").iterdir() if ".part" in f.name]


def test_what_goes_wrong_beside_a_training_ends_the_run_and_loses_no_cell(tmp_path, monkeypatch):
    def wrong(*masks, **how):
        raise ValueError("no advice")

    monkeypatch.setattr(bounds, "masks_advice", wrong)
    path, told = tmp_path / "r.nc", []
    with pytest.raises(ValueError, match="no advice"):
        sweep.run(dataclasses.replace(SMALL, depths=(1,)), path, progress=lambda *a: told.append(a))
    assert not path.exists() and all(done < total for _, done, total in told)
    (cell,) = path.with_suffix(".cells").glob("*.nc")
    assert files.read(cell).attrs["cells"] == cell.stem


def test_kills_at_random_moments_lose_nothing(finished, tmp_path):
    """kill -9, IBJAX_KILLS times over one sweep: whole cells stay whole and are never redone."""
    _, dataset = finished
    path = tmp_path / "r.nc"
    store = path.with_suffix(".cells")
    options = "--depths 1 2 --width 4 --train-size 10 --supersamples 2 --masks 3 --steps 6"
    command = [sys.executable, "-m", "ibjax", "run", *options.split(), "--checkpoints", "2"]
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    rng, whole, patience = np.random.default_rng(0), {}, 8.0
    for _ in range(int(os.environ.get("IBJAX_KILLS", "2"))):
        child = subprocess.Popen(
            [*command, "--out", str(path)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert child.wait(timeout=patience * rng.random()) == 0
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        found = {f: f.read_bytes() for f in store.glob("*.nc")} if store.exists() else {}
        assert all(found[f] == content for f, content in whole.items())
        for f in found:
            results.read(f)
        if path.exists():
            results.read(path)
        whole = found
    again = sweep.run(SMALL, path)
    np.testing.assert_array_equal(again["gap"], dataset["gap"])
    assert not list(tmp_path.rglob(".*.part"))


def test_table_shows_every_kind_and_what_is_vacuous(finished):
    _, dataset = finished
    console = Console(width=100, record=True, file=open(os.devnull, "w"))
    console.print(report.table(dataset))
    text = console.export_text()
    for word in ("train error", "gap", "certificate", "estimate", "diagnostic", "depth 2"):
        assert word in text
    assert "6 replicas a depth" in text
    high = dataset.assign(bound_value=dataset["bound_value"] * 0 + 7.0)
    high["bound_vacuous"] = dataset["bound_vacuous"] | True
    console.print(report.table(high))
    assert "7 vacuous" in console.export_text()


def test_a_diverged_replica_is_counted_in_the_table(finished):
    _, dataset = finished
    marked = dataset.copy(deep=True)
    marked["diverged"][1, 0, 0] = True
    console = Console(width=120, record=True, file=open(os.devnull, "w"))
    console.print(report.table(marked))
    counted = "counted as wrong everywhere: depth 1: 0 (P(ok) = 1.000), depth 2: 1"
    assert counted in " ".join(console.export_text().split())


def test_the_gap_of_the_table_is_the_mean_over_replicas(finished):
    _, dataset = finished
    summary = report.summarise(dataset)
    last = dataset.isel(checkpoint=-1)
    expected = (last["test_error"] - last["train_error"]).mean(("supersample", "mask_id"))
    np.testing.assert_allclose(summary.row("gap").values, expected, atol=1e-6)
    means = (last["test_error"] - last["train_error"]).mean("mask_id")
    t = 12.706204736  # 97.5 % quantile of Student's t with one degree of freedom
    half = t * means.std("supersample", ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(summary.row("gap").errors, half, rtol=1e-4)


def test_pictures_draw_on_a_given_axis(finished, tmp_path):
    from matplotlib.figure import Figure

    _, dataset = finished
    axes = Figure().subplots()
    assert report.bounds_against_depth(dataset, axes) is axes
    labels = [h.get_label() for h in axes.get_legend_handles_labels()[0]]
    assert "gap" in labels and "individual (certificate)" in labels
    assert report.errors_against_depth(dataset) is not None
    for suffix in ("png", "pdf"):
        place = tmp_path / f"picture.{suffix}"
        report.figure(dataset).savefig(place)
        assert place.stat().st_size > 5000


def test_memory_of_a_results_file_is_that_of_its_examples(finished):
    _, dataset = finished
    found = report.memory(dataset, depth=2)
    one = dataset.sel(depth=2).isel(checkpoint=-1)
    wrong = one["predictions"].values != dataset["labels"].values[:, None]
    inside = np.arange(2) == dataset["mask"].values[..., None]
    with np.errstate(invalid="ignore"):
        by_hand = (wrong & ~inside).sum(1) / (~inside).sum(1) - (wrong & inside).sum(
            1
        ) / inside.sum(1)
    np.testing.assert_allclose(found.examples.memory, by_hand, atol=1e-12)
    assert found.classes.memory.shape == (2,)
    ax = report.remembered_examples(dataset, depth=2, count=3)
    rows = report.examples(found.examples)[:3]
    names = [str(found.index[row[:3]]) for row in rows]
    assert [t.get_text() for t in ax.get_xticklabels()] == names
    report.remembered_classes(dataset)


@pytest.fixture(scope="module")
def one_cell(finished):
    """A sweep of one depth without training: what a cell gives is known, and calls are counted."""
    pool, pairs = pipeline.load(SMALL)
    cell = pipeline.run_cell(SMALL, 1, pool, pairs)
    return dataclasses.replace(SMALL, depths=(1,)), cell


def counted(monkeypatch, cell):
    trained = []
    given(monkeypatch, lambda *a, **k: trained.append(a[1]) or cell)
    return trained


def given(monkeypatch, trains):
    """Training that gives a cell which is bounded already."""
    monkeypatch.setattr(pipeline, "train_cell", trains)
    monkeypatch.setattr(pipeline, "bound_cell", lambda cell: cell)


def test_the_next_cell_is_compiled_for_while_one_trains(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    seen = []

    def trains(experiment, depth, pool, pairs, progress, **more):
        progress(1, 2)
        return cell

    given(monkeypatch, trains)
    monkeypatch.setattr(sweep, "compile_for", lambda config, *_: seen.append(config.network.depth))
    wider, path = dataclasses.replace(experiment, depths=(1, 2, 3)), tmp_path / "r.nc"
    sweep.run(wider, path)
    assert seen == [2, 3]
    todo = sweep.plan(wider, path)
    for depth in (1, 2):
        todo.place({"depth": depth}).unlink()
    sweep.run(wider, path)
    assert seen == [2, 3, 2]  # the third is on disk


def test_a_cell_is_kept_while_the_next_one_trains(one_cell, tmp_path, monkeypatch):
    """Its file is there before it is said to be done; an error in keeping it ends the run."""
    experiment, cell = one_cell
    both, told = dataclasses.replace(experiment, depths=(1, 2)), []
    store = (tmp_path / "r.nc").with_suffix(".cells")

    def bounds(trained):
        assert waiting.wait(60)  # the next one trains
        return trained

    def trains(experiment, depth, pool, pairs, progress, **more):
        if depth == 2:
            waiting.set()
            for done in range(1, 1000):
                progress(done, 1000)
                if told == [1]:
                    break
                time.sleep(0.05)
        return cell

    def report(point, done, total):
        if done == total:
            assert len(list(store.glob("*.nc"))) >= point["depth"]
            told.append(point["depth"])

    waiting = threading.Event()
    given(monkeypatch, trains)
    monkeypatch.setattr(pipeline, "bound_cell", bounds)
    sweep.run(both, tmp_path / "r.nc", progress=report)
    assert told == [1, 2]

    def fails(trained):
        assert begun.wait(60)
        raise OSError("no room for depth 1")

    def begins(point, *_):
        if point["depth"] == 2:
            begun.set()

    begun = threading.Event()
    monkeypatch.setattr(pipeline, "bound_cell", fails)
    for place in store.iterdir():
        place.unlink()
    with pytest.raises(OSError, match="no room for depth 1"):
        sweep.run(both, tmp_path / "r.nc", progress=begins)
    assert not list(store.glob("*.nc"))


def test_an_interruption_keeps_the_cell_before(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell

    def trains(experiment, depth, *_, **more):
        if depth == 2:
            raise KeyboardInterrupt
        return cell

    def bounds(trained):
        time.sleep(0.2)
        return trained

    given(monkeypatch, trains)
    monkeypatch.setattr(pipeline, "bound_cell", bounds)
    both, path, log = dataclasses.replace(experiment, depths=(1, 2)), tmp_path / "r.nc", []
    with pytest.raises(KeyboardInterrupt):
        sweep.run(both, path, log=log.append)
    assert log[-1].startswith("depth 1: trained, stored before")
    assert [f.name for f in path.with_suffix(".cells").iterdir()] == [
        sweep.plan(both, path).place({"depth": 1}).name
    ]


def test_a_cell_is_said_to_be_done_when_it_is_stored(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    path, told = tmp_path / "r.nc", []
    place = sweep.plan(experiment, path).place({"depth": 1})

    def trains(experiment, depth, pool, pairs, progress, **more):
        progress(36, 36)
        return cell

    given(monkeypatch, trains)
    sweep.run(experiment, path, progress=lambda p, d, t: told.append((d == t, place.exists())))
    assert told == [(False, False), (True, True)]


def test_inputs_that_come_again_are_said(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    counted(monkeypatch, cell)
    pool = pipeline.load_pool(experiment)
    some = np.concatenate([np.asarray(pool.x)[:-40], np.asarray(pool.x)[:40]])
    twice = pool._replace(x=some, y=np.concatenate([pool.y[:-40], pool.y[:40]]))
    monkeypatch.setattr(pipeline, "load_pool", lambda experiment: twice)
    log = []
    sweep.run(experiment, tmp_path / "r.nc", log=log.append)
    assert log[0].startswith(f"40 of the {len(pool.y)} inputs of 'digits' are equal")


def test_a_failure_to_compile_ahead_is_left_to_the_training(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell

    def fails(*_):
        raise RuntimeError("no memory")

    def trains(experiment, depth, pool, pairs, progress, **more):
        progress(1, 2)
        return cell

    given(monkeypatch, trains)
    monkeypatch.setattr(sweep, "compile_for", fails)
    found = sweep.run(dataclasses.replace(experiment, depths=(1, 2)), tmp_path / "r.nc")
    assert found["depth"].values.tolist() == [1, 2]


def test_other_data_under_the_same_name_are_another_run(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    trained, path, log = counted(monkeypatch, cell), tmp_path / "r.nc", []
    first = sweep.run(dataclasses.replace(experiment, data_dir="/one"), path)
    again = sweep.run(dataclasses.replace(experiment, data_dir="/two"), path, log=log.append)
    assert trained == [1] and "finished before" in log[0]
    # the cell was made from the first place, whatever the second run was told
    assert json.loads(again.attrs["config"])["data_dir"] == "/one"
    assert again.identical(first)
    load = pipeline.data.load

    def other(*args, **kwargs):
        pool = load(*args, **kwargs)
        return pool._replace(x=pool.x.at[0, 0, 0].add(0.01))

    monkeypatch.setattr(pipeline.data, "load", other)
    sweep.run(dataclasses.replace(experiment, data_dir="/two"), path)
    assert trained == [1, 1]


def test_versions_and_devices_stay_with_the_cells_they_describe(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    trained, path = counted(monkeypatch, cell), tmp_path / "r.nc"
    here = result_cells.environment()
    versions = json.loads(here["versions"])
    gpus = here | {
        "device": "gpu: large x 8",
        "versions": json.dumps(versions | {"numpy": "2.0.0"}),
    }
    monkeypatch.setattr(result_cells, "environment", lambda: gpus)
    sweep.run(experiment, path)
    monkeypatch.setattr(result_cells, "environment", lambda: here)
    assert sweep.run(experiment, path).attrs["device"] == "gpu: large x 8"
    monkeypatch.setattr(results, "to_dataset", _at_depth(results.to_dataset))
    both = sweep.run(dataclasses.replace(experiment, depths=(1, 2)), path)
    assert trained == [1, 2]
    assert both.attrs["device"] == f"gpu: large x 8; {here['device']}"
    numpy = json.loads(both.attrs["versions"])["numpy"]
    assert numpy == f"2.0.0 / {versions['numpy']}"
    made = json.loads(both.attrs["provenance"])
    assert [m["device"] for m in made] == ["gpu: large x 8", here["device"]]
    assert [m["cell"] for m in made] == both.attrs["cells"].split()
    assert json.loads(both.attrs["config"])["depths"] == [1, 2]


def _at_depth(to_dataset):
    """The same cell stands in for every depth."""

    def stored(cell, experiment, depth, *rest):
        return to_dataset(cell, experiment, depth, *rest)

    return stored


def test_no_flipped_bit_of_a_cell_or_a_results_file_passes(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    trained, path = counted(monkeypatch, cell), tmp_path / "r.nc"
    dataset = sweep.run(experiment, path)
    (place,) = path.with_suffix(".cells").iterdir()
    rng = np.random.default_rng(0)
    for file in (path, place):
        whole = file.read_bytes()
        for _ in range(150):
            broken, where = bytearray(whole), rng.integers(len(whole))
            broken[where] ^= 1 << rng.integers(8)
            file.write_bytes(broken)
            with pytest.raises(ValueError, match="not a whole netCDF file") as refused:
                results.read(file)
            assert str(file) in str(refused.value) and "\n" not in str(refused.value)
    log = []
    assert sweep.run(experiment, path, log=log.append).identical(dataset)
    assert trained == [1, 1] and "will be redone" in log[0]
    assert results.read(path).identical(dataset)
    np.testing.assert_array_equal(results.read(place)["gap"], dataset["gap"].isel(depth=0))


def test_a_cell_with_other_masks_is_redone(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    trained, path, log = counted(monkeypatch, cell), tmp_path / "r.nc", []
    sweep.run(experiment, path)
    (place,) = path.with_suffix(".cells").iterdir()
    files.write(results.read(place).assign(mask=lambda d: 1 - d["mask"]), place)
    sweep.run(experiment, path, log=log.append)
    assert trained == [1, 1] and "another configuration" in log[0]


REFUSED = {
    "no attributes": lambda d: d.drop_attrs(deep=False),
    "only the layout": lambda d: d.drop_attrs(deep=False).assign_attrs(ibjax_format=3),
    "another layout": lambda d: d.assign_attrs(ibjax_format=99),
    "the configuration is no JSON": lambda d: d.assign_attrs(config="{"),
    "the configuration is a list": lambda d: d.assign_attrs(config="[1]"),
    "the configuration holds text for a number": lambda d: d.assign_attrs(
        config=d.attrs["config"].replace('"layer_noise": 0.1', '"layer_noise": "x"')
    ),
    "the configuration is a number": lambda d: d.assign_attrs(config=7),
    "an empty axis": lambda d: d.isel(depth=slice(0)),
    "text for numbers": lambda d: d.assign(gap=d["gap"].astype(str)),
    "no variable": lambda d: d.drop_vars(list(d.data_vars)),
}


@pytest.mark.parametrize("variant", REFUSED)
def test_what_is_no_results_file_ends_in_one_line(finished, tmp_path, variant, capsys):
    _, dataset = finished
    path = tmp_path / "variant.nc"
    files.write(REFUSED[variant](dataset), path)
    assert main(["show", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("ibjax: error: ") and "variant.nc" in said.err


THINNED = {
    "one depth": lambda d: d.isel(depth=0),
    "one depth kept as an axis": lambda d: d.isel(depth=[1]),
    "one checkpoint": lambda d: d.isel(checkpoint=0),
    "no values of bounds": lambda d: d.drop_vars("bound_value"),
    "no kinds": lambda d: d.drop_vars(["bound_kind", "bound_about"]),
    "no index": lambda d: d.drop_vars("depth"),
    "no gap": lambda d: d.drop_vars(["gap", "gap_std_error"]),
    "no errors": lambda d: d.drop_vars(["train_error", "test_error"]),
    "no layers, nulls or standard errors": lambda d: d.drop_vars(
        ["layer_log1m", "bound_null", "bound_std_error", "bound_vacuous", "diverged"]
    ),
    "no bounds": lambda d: d.isel(bound_name=slice(0)),
    "one bound": lambda d: d.sel(bound_name="individual"),
    "only the gap": lambda d: d[["gap"]],
    "one supersample": lambda d: d.isel(supersample=0),
    "means over replicas": lambda d: d.drop_vars("bound_note").mean(
        ("supersample", "mask_id"), keep_attrs=True
    ),
    "axes in another order": lambda d: d.transpose(),
    "a short configuration": lambda d: d.assign_attrs(config='{"dataset": "digits"}'),
}


@pytest.mark.parametrize("variant", THINNED)
def test_a_thinned_file_gives_a_table_of_what_is_left(finished, tmp_path, variant, capsys):
    _, dataset = finished
    path = tmp_path / "thinned.nc"
    thinned = THINNED[variant](dataset)
    results.write(thinned, path)
    assert results.read(path).identical(thinned)
    thinned.to_netcdf(path, engine="h5netcdf")  # as a user writes it, without a checksum
    drawn = variant in ("one depth", "no kinds", "only the gap", "means over replicas")
    for form in ("terminal" if drawn else "markdown", "latex", "csv"):
        assert main(["show", str(path), "--format", form]) == 0, form
    assert path.with_suffix(".png").exists() == drawn
    said = capsys.readouterr().out
    label, name = ("gap", "gap") if "gap" in thinned else ("train error", "train_error")
    assert label in said
    last = report.summarise(thinned).row(label).values[-1]
    known = dataset[name].isel(checkpoint=0 if variant == "one checkpoint" else -1)
    at = 0 if variant in ("one depth",) else -1
    expected = known.isel(depth=at)
    if name == "train_error" and variant != "one supersample":
        expected = expected.mean()
    if variant != "one supersample":
        assert last == pytest.approx(float(expected), abs=1e-6)


def test_equal_coordinates_are_places_of_their_own(finished, tmp_path):
    """Two runs joined along an axis that they share: neither stands for both."""
    _, dataset = finished
    other = dataset.assign(gap=dataset["gap"] + 0.25)
    both = xarray.concat([dataset, other], "depth", data_vars="minimal")
    for axis in ("depth", "checkpoint"):
        found = report.summaries(both, axis=axis)
        gaps = np.concatenate([s.row("gap").values for s in found])
        shown = both["gap"].isel(checkpoint=-1) if axis == "depth" else both["gap"]
        np.testing.assert_allclose(np.sort(gaps), np.sort(shown.values.ravel()))
    results.write(both, tmp_path / "both.nc")
    assert results.read(tmp_path / "both.nc").identical(both)
    with pytest.raises(ValueError, match="depth=1 is in the file 2 times"):
        results.evidence(both, 1)
    unknown = dataset.assign_coords(depth=[1.0, np.nan])
    results.write(unknown, tmp_path / "unknown.nc")
    assert results.read(tmp_path / "unknown.nc").identical(unknown)
    assert len(report.summaries(unknown, axis="checkpoint")) == 2


def test_a_file_cannot_claim_a_better_kind_or_confidence_than_its_bounds_have(finished):
    _, dataset = finished
    every = np.full(dataset.sizes["bound_name"], "certificate")
    claimed = report.summarise(dataset.assign_coords(bound_kind=("bound_name", every)))
    plain, best = report.summarise(dataset), bounds.registry()
    for row, named in zip(plain.rows, claimed.rows):
        assert named.kind == (best[row.name].kind if row.name in best else row.kind)
    assert {"certificate", "estimate", "diagnostic"} <= {row.kind for row in claimed.rows}
    assert plain.row("individual_kl").confidence == 0.95
    # the mean over two depths fails where either does
    mean = report.summarise(dataset.mean("depth", keep_attrs=True))
    assert mean.row("individual_kl").confidence == pytest.approx(0.9)
    assert mean.row("individual").confidence == 1
    lost = report.summarise(dataset.drop_vars("bound_confidence"))
    kinds = [lost.row(name).kind for name in ("individual_kl", "individual")]
    assert kinds == ["unknown", "certificate"]


def test_a_mean_of_a_bound_that_holds_at_some_places_is_none(finished):
    _, dataset = finished
    here = (dataset["depth"] == 1) | (dataset["bound_name"] != "individual")
    partly = dataset.assign(
        bound_value=dataset["bound_value"].where(here), bound_holds=dataset["bound_holds"] & here
    )
    mean = partly.drop_vars("bound_note").mean("depth", keep_attrs=True)
    summary = report.summarise(mean)
    assert np.isnan(summary.row("individual").values).all()
    whole = dataset["bound_value"].sel(bound_name="depth").isel(checkpoint=-1).mean()
    assert summary.row("depth").values[0] == pytest.approx(float(whole))
    vacuous = mean.assign(bound_vacuous=mean["bound_vacuous"] * 0.0 + 0.5)
    values, said = (
        [part(row) for row in report.summarise(vacuous).rows if row.kind in ("certificate",)]
        for part in (lambda r: r.values[0], lambda r: r.vacuous[0])
    )
    assert [bool(v >= 1) for v in values] == said


def test_gap_and_bounds_stay_those_of_all_replicas(finished):
    _, dataset = finished
    one = dataset.isel(supersample=[0], mask_id=[0, 2])
    whole, less = report.summarise(dataset), report.summarise(one)
    assert less.measured_on == (6, 2) and whole.measured_on is None and less.replicas == 2
    for name in ("gap", "ld_cmi"):
        np.testing.assert_array_equal(less.row(name).errors, whole.row(name).errors)
    assert "of all 6 replicas of 2 supersamples" in printed(report.table(one))


def test_evidence_of_a_chosen_part_keeps_its_axes(finished):
    _, dataset = finished
    whole = results.evidence(dataset, 2)
    part = results.evidence(dataset.isel(supersample=0, mask_id=1, checkpoint=1), 2)
    assert part.mask.shape == (1, 1, 10) and part.checkpoints.tolist() == [6]
    # what limits are made of is left out: those of chosen replicas would be none
    assert (part.index == -1).all() and np.isnan(part.membership_information).all()
    shapes = {"index": (1, 10, 2), "membership_information": (1, 1, 1)}
    for name, kept, full in zip(whole._fields, part, whole):
        dims = fields.FIELDS[name].dims
        if name in shapes:
            assert np.shape(kept) == shapes[name]
            continue
        chosen = {"supersample": 0, "mask_id": 1, "checkpoint": 1}
        at = tuple(slice(chosen[d], chosen[d] + 1) if d in chosen else slice(None) for d in dims)
        np.testing.assert_array_equal(kept, np.asarray(full)[at], err_msg=name)
    mean = dataset.drop_vars("bound_note").mean("mask_id", keep_attrs=True)
    with pytest.raises(ValueError, match="mask holds other numbers than 0 and 1"):
        results.evidence(mean, 2)
    with pytest.raises(ValueError, match=r"lacks \w+, \w+, \w+ and \d+ more"):
        results.evidence(dataset[["gap"]], 2)


def test_two_grids_merged_have_places_without_a_cell(finished, tmp_path):
    _, dataset = finished
    second = dataset.assign_coords(train_size=9)
    parts = [dataset.isel(depth=[0]), second.isel(depth=[1])]
    merged = xarray.merge(
        [p.expand_dims("train_size") if "train_size" in p.coords else p for p in parts],
        join="outer",
        compat="no_conflicts",
    ).assign_attrs(dataset.attrs)
    results.write(merged, tmp_path / "merged.nc")
    again = results.read(tmp_path / "merged.nc")
    np.testing.assert_array_equal(again["gap"], merged["gap"])
    stored = results.evidence(again, 2, train_size=9)
    np.testing.assert_array_equal(stored.mask, results.evidence(dataset, 2).mask)
    with pytest.raises(ValueError, match="no cell lies"):
        results.evidence(again, 1, train_size=9)


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda d: d.stack(cell=("depth", "checkpoint")), r"reset_index\('cell'\)"),
        (lambda d: d.assign(own=((), object())), "netCDF cannot hold this data set"),
    ],
)
def test_what_a_file_cannot_hold_is_said_in_one_line(finished, tmp_path, made, named):
    with pytest.raises(ValueError, match=named) as error:
        results.write(made(finished[1]), tmp_path / "r.nc")
    assert "\n" not in str(error.value) and not (tmp_path / "r.nc").exists()


def test_a_file_without_a_row_has_an_empty_table_with_its_columns(finished):
    _, dataset = finished
    raw = dataset[["predictions", "mask"]]
    assert len(report.frame(raw)) == 0 and "value" in report.frame(raw)
    assert "neither errors nor gap nor bounds" in printed(report.table(raw))
    with pytest.raises(ValueError, match="gap holds complex128"):
        report.summarise(dataset.assign(gap=dataset["gap"] + 0j))


def printed(renderable):
    console = Console(width=120, record=True, file=open(os.devnull, "w"))
    console.print(renderable)
    return " ".join(console.export_text().split())


def test_a_cell_of_another_program_is_redone(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    trained, path, log = counted(monkeypatch, cell), tmp_path / "r.nc", []
    sweep.run(experiment, path)
    (place,) = path.with_suffix(".cells").iterdir()
    files.read(place).to_netcdf(place, engine="h5netcdf")
    with pytest.raises(ValueError, match="no checksum"):
        files.read(place)
    sweep.run(experiment, path, log=log.append)
    assert trained == [1, 1] and "will be redone" in log[0]


def test_places_that_cannot_hold_results_are_refused_before_training(
    one_cell, tmp_path, monkeypatch
):
    experiment, cell = one_cell
    trained = counted(monkeypatch, cell)
    (tmp_path / "folder.nc").mkdir()
    (tmp_path / "a.png").mkdir()
    (tmp_path / "b.cells").write_text("a file")
    (tmp_path / "file").write_text("a file")
    for place in ("folder.nc", "a.nc", "b.nc", "file/c.nc", f"{'long' * 62}.nc"):
        with pytest.raises((OSError, ValueError), match="--out"):
            sweep.run(experiment, tmp_path / place)
    assert not trained


def test_a_name_may_hold_what_shells_expand(one_cell, tmp_path, monkeypatch):
    experiment, cell = one_cell
    counted(monkeypatch, cell)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "a[1]*?{x}.nc"
    sweep.run(experiment, Path("~") / path.name)
    assert results.read(path) and not Path("~").exists()
    log = []
    sweep.run(experiment, path, log=log.append)
    assert "finished before" in log[0]

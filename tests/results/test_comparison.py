"""Results with different numbers of replicas, layers and places in one table."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from ibjax import bounds, results
from ibjax.bounds.evidence import arrays

report = pytest.importorskip("ibjax.report")


def _evidence(supersamples, masks, layers=1, seed=0, n=6):
    rng = np.random.default_rng(seed)
    shape = (supersamples, masks, n)
    given = {"mask": rng.integers(0, 2, shape), "losses": rng.integers(0, 2, (*shape, 2))}
    return arrays.from_arrays(given | {"layer_log1m": np.full(layers, -2.0)})


FEW, MANY = (2, 4), (3, 6)


@pytest.fixture(scope="module")
def pieces():
    return _evidence(*FEW), _evidence(*MANY, layers=2, seed=1)


@pytest.fixture(scope="module")
def alone(pieces):
    return [results.from_evidence(piece) for piece in pieces]


def _rows(dataset, at, **how):
    summary = report.summarise(dataset, **how)
    return {r.name: (r.values[at], r.errors[at]) for r in summary.rows}


@pytest.fixture(scope="module")
def together(alone):
    return results.compared(dict(zip("ab", alone)))


def test_intervals_are_over_the_replicas_of_each_place(pieces, alone, together, tmp_path):
    joined = results.from_evidence(pieces, axes={"piece": [0, 1]})
    results.write(joined, tmp_path / "joined.nc")
    for found in (joined, results.read(tmp_path / "joined.nc"), together):
        for at, one in enumerate(alone):
            wanted = _rows(one, 0)
            for name, numbers in _rows(found, at).items():
                np.testing.assert_allclose(numbers, wanted[name], rtol=1e-12, err_msg=name)
        summary = report.summarise(found)
        assert summary.counts == (FEW, MANY) and summary.measured_on is None


def test_evidence_of_some_replicas_of_a_place_keeps_no_limit(pieces):
    joined = results.from_evidence(pieces, axes={"piece": [0, 1]})
    whole = results.evidence(joined, piece=0)
    assert whole.mask.shape == pieces[0].mask.shape
    some = joined.isel(supersample=[0])
    assert (results.evidence(some, piece=0).index == -1).all()
    with pytest.raises(ValueError, match="masks"):
        results.evidence(joined.assign(masks=joined["masks"] - 3), piece=0)


def test_every_format_says_what_tells_runs_apart(alone):
    configs = [
        {"dataset": "digits", "clip": 1.0, "seed": 0, "classes": [[0, 2], [1, 3]]},
        {"dataset": "own.npz", "clip": 9.0, "seed": 0, "classes": None},
    ]
    files = {
        name: one.assign_attrs(config=json.dumps(config | {"supersamples": k1, "masks": k2}))
        for name, one, config, (k1, k2) in zip("ab", alone, configs, (FEW, MANY))
    }
    found = results.compared(files)
    assert json.loads(found.attrs["differing"])["clip"] == [1.0, 9.0]
    written = io.StringIO()
    page = Console(file=written, width=300)
    page.print(report.table(found))
    for text in (written.getvalue(), report.markdown(found), report.latex(found)):
        text = text.replace("\\", "")
        for words in (
            "dataset: digits (a), own.npz (b)",
            "clip: 1 (a), 9 (b)",
            "classes: 0,2 versus 1,3 (a), not set (b)",
            "8 to 18 replicas a column; ± is a 95 % interval over 2 to 3 supersamples",
            "several data sets",
            "estimate:",
        ):
            assert words in text, (words, text)
        assert "seed" not in text.replace("seeds", "")


def test_programs_are_told_what_tells_runs_apart(alone):
    files = {
        name: one.assign_attrs(config=json.dumps({"dataset": "digits", "clip": clip}))
        for name, one, clip in zip("ab", alone, (1.0, None))
    }
    table = report.frame(results.compared(files))
    clip = table["clip"]
    assert set(clip[table.run == "a"]) == {1.0} and clip[table.run == "b"].isna().all()
    assert set(table.masks[table.run == "b"]) == {MANY[1]} and "dataset" not in table


def test_files_are_joined_along_a_setting_that_each_has_once(alone):
    files = {
        name: one.assign_coords(width=width).assign_attrs(
            config=json.dumps({"width": width, "x": name})
        )
        for name, one, width in zip("ab", alone, (8, 4))
    }
    found = results.compared(files, "width")
    assert "run" not in found.dims and found["width"].values.tolist() == [4, 8]
    for at, one in ((1, alone[0]), (0, alone[1])):
        for name, numbers in _rows(one, 0).items():
            np.testing.assert_allclose(_rows(found, at, axis="width")[name], numbers, err_msg=name)
    assert "x: a (a), b (b)" in report.markdown(found)
    table = report.frame(found)
    assert set(zip(table.width, table.x, table.masks)) == {(8, "a", FEW[1]), (4, "b", MANY[1])}
    # places in common stay apart by their run; without the axis nothing is joined
    same = {name: one.assign_coords(width=4) for name, one in files.items()}
    assert results.compared(same, "width").sizes["run"] == 2
    assert results.compared(files).sizes["run"] == 2


def test_documents_have_the_rows_of_layers_that_terminals_have(alone):
    written = io.StringIO()
    Console(file=written, width=300).print(report.table(alone[0]))
    for name in ("eta^(L/2)", "least possible"):
        shown = [name in text for text in (written.getvalue(), report.markdown(alone[0]))]
        assert shown[0] == shown[1], name
    assert "eta^(L/2)" in report.markdown(alone[0])


def test_other_examples_under_one_name_are_told(alone):
    made = [json.loads(one.attrs["provenance"])[0] for one in alone]
    files = {
        name: one.assign_attrs(
            config=json.dumps({"dataset": "own.npz"}),
            provenance=json.dumps([about | {"data": digest}]),
        )
        for name, one, about, digest in zip("ab", alone, made, ("12", "34"))
    }
    differing = json.loads(results.compared(files).attrs["differing"])
    assert differing["examples"] == ["12", "34"]
    assert len(json.loads(results.compared(files).attrs["provenance"])) == 2


def test_what_a_run_does_not_have_stays_of_its_type(alone):
    few = alone[0].isel(bound_name=slice(2, None))
    found = results.compared({"a": few, "b": alone[1]})
    for name in found.data_vars:
        if name in alone[1]:
            assert found[name].dtype.kind == alone[1][name].dtype.kind, name
    assert report.table(found) is not None
    missing = alone[0]["bound_name"].values[:2]
    assert set(found["bound_kind"].sel(run="a", bound_name=missing).values) == {""}


def test_a_place_without_a_cell_says_nothing_of_confidence(pieces):
    grid = {"x": [0, 1], "y": [0, 1]}
    found = results.from_evidence(pieces, axes=grid)
    for one in (summary for summary in report.summaries(found)):
        assert all(row.confidence > 0 for row in one.rows if np.isfinite(row.values).any())


def test_what_is_given_of_layers_leaves_the_rest_unknown():
    given = _evidence(2, 2, layers=3)
    assert given.layer_diameter.shape == given.layer_noise.shape == (3,)
    assert np.isnan(given.layer_diameter).all()
    some = {"mask": np.eye(2, dtype=int)[None], "losses": np.zeros((1, 2, 2, 2))}
    with pytest.raises(ValueError, match="layer_noise 2, layer_log1m 3"):
        arrays.from_arrays(some | {"layer_log1m": -np.ones(3), "layer_noise": np.ones(2)})


def test_papers_of_the_bounds_named(alone):
    every = report.bibliography(alone[0])
    some = report.bibliography(alone[0], ["ld_cmi"])
    assert 0 < some.count("@") < every.count("@")
    assert bounds.registry()["ld_cmi"].reference.split()[0] in some

"""What reproductions share: `--quick` spares what was chosen, progress is said now and then."""

from dataclasses import fields

import pytest
import xarray

from ibjax.report import limits
from ibjax.reproduce import outcome, reproductions, stored
from ibjax.reproduce.maxent import layers as maxent_layers
from ibjax.reproduce.plane import networks as information_plane


class Asked(Exception):
    """Carries what an experiment was called with."""


def test_quick_keeps_the_epochs_or_replicas_of_an_information_plane(monkeypatch, tmp_path):
    def experiment(epochs, replicas, log):
        raise Asked(epochs, replicas)

    monkeypatch.setattr(information_plane, "experiment", experiment)
    for options, asked in (({}, (100, 1)), ({"replicas": 3}, (100, 3)), ({"epochs": 7}, (7, 1))):
        with pytest.raises(Asked) as said:
            information_plane.run(tmp_path, True, print, information_plane.Options(**options))
        assert said.value.args == asked


def test_quick_keeps_the_replicas_of_maxent_layers(monkeypatch, tmp_path):
    def exactly(study):
        raise Asked(study.replicas, study.slots)

    monkeypatch.setattr(maxent_layers, "exactly", exactly)
    for options, asked in (({}, (2, 2)), ({"replicas": 3}, (3, 2))):
        with pytest.raises(Asked) as said:
            maxent_layers.run(tmp_path, True, print, maxent_layers.Options(**options))
        assert said.value.args == asked


OPTIONED = {name: row for name, row in reproductions().items() if row.options}


@pytest.mark.parametrize("name", OPTIONED)
def test_a_count_of_none_is_refused_before_any_work(name, tmp_path):
    row = OPTIONED[name]
    plain = row.options()
    counts = [f.name for f in fields(plain) if type(getattr(plain, f.name)) is int]
    counts += [f.name for f in fields(plain) if f.type == int | None]
    counts = [count for count in counts if count != "seed"]
    with pytest.raises(ValueError, match=counts[0]):
        row.run(tmp_path / "made", False, print, row.options(**{counts[0]: 0}))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("ratio", "dimension", "n"), [(2.0, 20, 40), (1e-9, 100, None), (1.1, 6, None), (-1.0, 9, None)]
)
def test_theory_and_samples_stand_at_the_same_ratio(ratio, dimension, n):
    if n is not None:
        assert outcome.sample_size("alpha", ratio, dimension, 10) == n
        return
    with pytest.raises(ValueError, match="alpha holds"):
        outcome.sample_size("alpha", ratio, dimension, 10)


@pytest.mark.parametrize("name", ["teacher-student", "information-kept"])
def test_ratios_that_are_no_number_of_samples_are_refused(name, tmp_path):
    row = reproductions()[name]
    grid = "alpha" if name == "teacher-student" else "linear_alpha"
    for values in ((1e-9,), (1.0, float("nan")), (0.0,)):
        with pytest.raises(ValueError, match="alpha"):
            row.run(tmp_path / "made", False, print, row.options(**{grid: values}))
    assert not (tmp_path / "made").exists()


def test_progress_is_said_at_most_once_in_so_many_seconds(monkeypatch):
    now, said = [0.0], []
    monkeypatch.setattr(outcome.time, "monotonic", lambda: now[0])
    progress = outcome.stretches(said.append, "cell", every=60.0)
    for seconds, done in ((30, 10), (61, 20), (80, 40), (150, 50), (300, 100)):
        now[0] = float(seconds)
        progress(done, 100)
    assert said == [
        "cell: 20% of these replicas trained, 244 s to go",
        "cell: 50% of these replicas trained, 150 s to go",
    ]


def _curve_file(**changes):
    """A file of `ib-curve` of one point, some of it exchanged."""
    pair = ("point", "coordinate")
    columns = {
        "problem": ("point", ["binary"]),
        "known_beta": ("point", [2.0]),
        "ours": (pair, [[0.4, 0.2]]),
        "known": (pair, [[0.4, 0.2]]),
        "critical_beta": ("form", [1.2, 0.1]),
        **dict.fromkeys(("i_tx", "i_ty", "i_ty_decoder"), (("form", "beta"), [[0.1], [0.2]])),
    }
    axes = {"beta": [2.0], "form": ["ib", "dual"]}
    return xarray.Dataset(columns | changes, axes, {"reproduction": "ib-curve"})


def test_a_file_that_holds_something_else_is_no_fault_of_ours():
    assert stored.view(_curve_file()).table.row_count == 1
    words = (("point", "coordinate"), [["many", "few"]])
    for changes in ({"ours": words}, {"known_beta": 2.0}, {"problem": 1.0}):
        with pytest.raises(ValueError, match=r"file of ib-curve that .*run the reproduction again"):
            stored.view(_curve_file(**changes))
    some = xarray.Dataset({"alpha": ("alpha", ["one"])}, attrs={"what": "bayes limits"})
    with pytest.raises(ValueError, match="file of limits that lacks"):
        limits.view(some)

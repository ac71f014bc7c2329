import jax
import numpy as np
import pytest
import xarray as xr

from ibjax import bottleneck
from ibjax.reproduce import reproductions
from ibjax.reproduce.plane import ib_curve, narrowing
from ibjax.reproduce.plane import networks as information_plane
from ibjax.reproduce.plane import view as plane_view
from ibjax.reproduce.plane.verdicts import ACTIVATIONS, verdicts


def course(fall, softmax=1.0, relu=0.0):
    """A made-up result in which tanh T5 falls by `fall` bits and relu T3 by `relu`."""
    shape = (3, 6, 2, 4)
    cells, noise = np.full(shape, 12.0), np.full(shape, 12.0)
    cells[0, 4, :, 2:] -= np.array([fall / 2, fall])
    cells[:, 5, :, 3] -= softmax
    noise[1, 2, :, 3] -= relu
    layered = ("activation", "layer", "replica", "epoch")
    about_y = np.broadcast_to(np.linspace(0.1, 0.9, 4), shape)
    whole = ("activation", "replica", "epoch")
    return xr.Dataset(
        {
            "cells_x": (layered, cells),
            "noise_x": (layered, noise),
            "cells_y": (layered, about_y),
            "noise_y": (layered, about_y),
            "edges_x": (layered, cells),
            "train_accuracy": (whole, np.full((3, 2, 4), 0.95)),
            "test_accuracy": (whole, np.full((3, 2, 4), 0.93)),
            "saturated": (whole, np.full((3, 2, 4), 0.5)),
        },
        {
            "activation": list(ACTIVATIONS),
            "layer": list(narrowing.NAMES),
            "epoch": [0, 30, 1000, 3000],
        },
        {"noise_std": 0.1},
    )


def test_verdicts_hold_and_fail_where_they_should():
    good = {v.name: v.holds for v in verdicts(course(3.0))}
    assert good == dict.fromkeys("abcdef", True)
    for change, failing in (((2.0,), "a"), ((3.0, 0.1), "d"), ((3.0, 1.0, 1.5), "bc")):
        bad = {v.name for v in verdicts(course(*change)) if not v.holds}
        assert bad == set(failing)
    slow = course(3.0)
    slow["train_accuracy"] = slow.train_accuracy - 0.2
    assert [v.name for v in verdicts(slow) if not v.holds] == ["b"]


def test_a_little_network_is_trained_and_measured():
    rule = bottleneck.symmetric_rule()
    got = narrowing.train(
        jax.random.key(0),
        rule.x[::8],
        rule.y[::8],
        "tanh",
        (0, 3),
        replicas=2,
        widths=(10, 3),
        batch=64,
        noise=0.1,
        repeated=(5, 4),
    )
    assert [t.shape for t in got.layers.values()] == [(2, 2, 512, d) for d in (10, 3, 2)]
    bits = information_plane.measure(got, rule.y[::8], "tanh")
    assert set(bits) == {"cells_x", "cells_y", "edges_x", "noise_x", "noise_y"}
    assert (bits["cells_x"] <= 9 + 1e-5).all() and bits["cells_x"][0, 0, 0] > 8.9
    assert not np.array_equal(bits["noise_x"][..., 0], bits["noise_x"][..., 1])
    assert got.repeats["T2"].shape == (2, 2, 5, 4, 3)
    spread = [float(np.std(t, axis=3).max()) for t in got.repeats.values()]
    # the first layer is a function of the input, before its own noise
    assert spread[0] < 1e-6 and min(spread[1:]) > 1e-3


def test_known_numbers_stand_beside_ours_and_every_number_says_what_it_is():
    found = course(3.0)
    numbers, tests = plane_view.tables(found, verdicts(found), 3000).renderables
    rows = list(zip(*(column.cells for column in numbers.columns)))
    at = rows.index(("tanh", "cells", "diagnostic", "30", "0.950", *["12.00"] * 6))
    assert rows[at + 1][2:] == ("known", "30", "", *"12.00 12.00 11.51 9.58 7.24 3.08".split())
    assert "do not belong" in numbers.caption and "None estimates I(X;T)" in numbers.caption
    assert "N(0, 0.01)" in numbers.caption
    found["noise_x"] = found.noise_x * 0 + 3.141
    numbers = plane_view.tables(found, verdicts(found), 3000).renderables[0]
    through = [row for row in zip(*(c.cells for c in numbers.columns)) if row[1] == "noise"]
    assert {row[5:] for row in through} == {("3.15",) * 6}  # an upper limit is rounded up
    assert {row[2] for row in rows} == {"diagnostic", "upper bound", "known", "+- s.e."}
    assert list(tests.columns[0].cells) == list("abcdef")
    failed = plane_view.tables(found, verdicts(course(0.0)), 100).renderables[1]
    assert next(iter(failed.columns[3].cells)) == "fails: needs more epochs"


def test_a_course_is_stored_and_shown(tmp_path, monkeypatch, check_shown):
    monkeypatch.setattr(information_plane, "experiment", lambda *_: course(3.0))
    outcome = information_plane.run(tmp_path, False, lambda _: None)
    check_shown("information-plane", outcome)
    with xr.open_dataset(outcome.files[0], engine="h5netcdf") as stored:
        assert stored.equals(course(3.0))
        assert len(plane_view.figure(stored).axes) == 9


def test_options_are_checked_and_both_are_listed(tmp_path):
    with pytest.raises(ValueError, match="epochs=0"):
        information_plane.run(tmp_path, False, print, information_plane.Options(epochs=0))
    assert {"information-plane", "ib-curve"} <= set(reproductions())


def test_known_points_of_the_curve_are_drawn_beside_ours(tmp_path, monkeypatch, check_shown):
    line = bottleneck.Bottleneck(*[np.linspace(0, 1, 16)] * 9)
    monkeypatch.setattr(ib_curve, "noisy_rule", lambda *_: {"ib": line, "dual": line})
    rows = [ib_curve.Row("made up", 2.0, (0.5, 0.25), (0.5, 0.26))]
    monkeypatch.setattr(ib_curve, "points", lambda: rows)
    outcome = ib_curve.run(tmp_path, True, lambda _: None)
    assert list(outcome.table.columns[-1].cells) == ["1.0e-02"]
    check_shown("ib-curve", outcome)

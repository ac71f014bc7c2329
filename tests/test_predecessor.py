"""What is somebody's own, or of other settings, is never replaced or given to the wrong results."""

import json
import threading
import time

import numpy as np
import pytest
import xarray

from ibjax import experiment, files, sweep, toml
from ibjax.experiment import Experiment
from ibjax.predecessor import alone, keep_aside

OLD, NEW, OWN = (Experiment(depths=1, steps=steps) for steps in (5, 6, 7))


def _attributes(of, cells):
    return {"config": json.dumps(experiment.settings(of)), "cells": cells}


def _results(path, of, cells):
    files.write(xarray.Dataset({"gap": ((), np.asarray(0.0))}, attrs=_attributes(of, cells)), path)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "r.nc"


def _kept(place, cells="new"):
    said = []
    keep_aside(place, _attributes(NEW, cells), said.append)
    return sorted(p.name for p in place.parent.iterdir()), said


def test_settings_go_with_the_results_they_are_of(place):
    _results(place, OLD, "old")
    place.with_suffix(".toml").write_text(toml.written(OLD))
    place.with_suffix(".png").write_bytes(b"picture")
    names, said = _kept(place)
    assert names == ["r-1.nc", "r-1.png", "r-1.toml"] and len(said) == 1


@pytest.mark.parametrize("own", [toml.written(OWN), "[tool.black]\nline-length = 100\n"])
def test_settings_that_are_of_neither_are_kept_apart(place, own):
    _results(place, OLD, "old")
    settings = place.with_suffix(".toml")
    settings.write_text(own)
    names, said = _kept(place)
    assert names == ["r-1.nc", "r-2.toml"] and len(said) == 2
    assert (place.parent / "r-2.toml").read_text() == own
    # the same where there are no results yet, or the new ones hold the old ones
    (place.parent / "r-2.toml").rename(settings)
    assert _kept(place)[0] == ["r-1.nc", "r-2.toml"]
    (place.parent / "r-2.toml").rename(settings)
    (place.parent / "r-1.nc").rename(place)
    assert _kept(place, "old new")[0] == ["r-1.toml", "r.nc"]


def test_settings_changed_by_hand_do_not_go_with_older_results(place):
    """``ibjax run --config r.toml`` after an edit: the file states what the new results are of."""
    _results(place, OLD, "old")
    place.with_suffix(".toml").write_text("# a remark of mine\n" + toml.written(NEW))
    assert _kept(place)[0] == ["r-1.nc", "r.toml"]


def test_a_picture_of_ones_own_is_kept(place):
    place.with_suffix(".png").write_bytes(b"mine")
    names, said = _kept(place)
    assert names == ["r-1.png"] and "r-1.png" in said[0]


def test_no_results_in_the_place_of_their_settings(tmp_path):
    for name in ("r.toml", "r.png", "r.cells"):
        with pytest.raises(ValueError, match=r"let it end in \.nc"):
            sweep.run(OLD, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_results_that_come_at_once_wait_for_each_other(place):
    """Of two sweeps that end together none replaces the results of the other."""
    folder = place.with_suffix(".cells")
    folder.mkdir()
    order, inside = [], threading.Barrier(2)

    def put(experiment, cells):
        inside.wait()
        with alone(folder):
            order.append(cells)
            keep_aside(place, _attributes(experiment, cells), lambda said: None)
            time.sleep(0.05)
            _results(place, experiment, cells)
            order.append(cells)

    threads = [threading.Thread(target=put, args=each) for each in ((OLD, "old"), (NEW, "new"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[0] == order[1] and order[2] == order[3]
    cells = {files.read(p).attrs["cells"] for p in place.parent.glob("*.nc")}
    assert cells == {"old", "new"}

"""Rows of data sets: ours, and those that an installed package adds."""

import importlib.metadata

import numpy as np
import pytest

from ibjax import data
from ibjax.data import Source, Stored

X = np.arange(8, dtype=np.uint8).reshape(8, 1)
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1])


def coins() -> Source:
    return Source("coins", "a few", lambda: Stored({"train": (X, Y)}, 3, {"bayes_error": 0.25}))


class Entry:
    def __init__(self, gives):
        self.gives, self.value = gives, f"somewhere:{gives.__name__}"

    def load(self):
        return self.gives


def installed(monkeypatch, *functions):
    def entry_points(group):
        return [Entry(f) for f in functions] if group == "ibjax.data" else []  # JAX looks, too

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def test_a_package_adds_a_data_set_of_its_own(monkeypatch):
    with pytest.raises(ValueError, match="'coins' is no data set"):
        data.load("coins")
    installed(monkeypatch, coins)
    found = data.load("coins", "train[2:]")
    assert found.num_classes == 3 and found.truth == {"bayes_error": 0.25}
    np.testing.assert_allclose(found.x[:, 0], X[2:, 0] / 255, rtol=1e-6)
    np.testing.assert_array_equal(found.y, Y[2:])
    assert "coins" in data.names() and data.names()[0] == "digits"
    some = data.load("coins", classes=(2, 0))
    assert some.num_classes == 2 and some.truth == {}
    with pytest.raises(ValueError, match="split='test'"):
        data.load("coins", "test")


def test_rows_that_are_none_or_taken_are_refused(monkeypatch):
    def digits():
        return Source("digits", "ours already", coins().read)

    installed(monkeypatch, digits)
    with pytest.raises(ValueError, match="'digits' is taken"):
        data.load("digits")
    installed(monkeypatch, dict)
    with pytest.raises(ValueError, match="gives dict, no Source"):
        data.sources()


def test_every_row_of_ours_loads():
    for name, row in data.sources().items():
        assert row.name == name and row.summary
        assert len(data.load(name).y) == len(row.read().splits["train"][1])


def test_a_file_in_the_place_of_a_name_is_told_where_it_is_read(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=np.zeros((4, 2)), y=[0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"is a file: read it with data\.from_file"):
        data.load(str(path))

"""Weights saved and loaded again: the same numbers in the same containers."""

import sys

import jax
import numpy as np
import pytest

from ibjax.langevin import load_weights, save_weights

WEIGHTS = {
    "first": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "bias": np.ones((2, 3))},
    "hidden": np.zeros((2, 3, 0, 5, 4), np.float32),
    "pair": (np.float32(2.5), [np.array([True, False]), np.arange(3, dtype=np.int32)]),
}


def test_they_come_back_as_they_were(tmp_path):
    place = save_weights(tmp_path / "deep" / "weights", WEIGHTS)
    back = load_weights(place)
    assert jax.tree.structure(back) == jax.tree.structure(WEIGHTS)
    for mine, theirs in zip(jax.tree.leaves(back), jax.tree.leaves(WEIGHTS)):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.shape == np.shape(theirs) and mine.dtype == theirs.dtype
    with pytest.raises(ValueError, match="exists"):
        save_weights(place, WEIGHTS)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"a": "text"}, r"weights\['a'\]"),
        ({1: np.ones(2)}, "key 1"),
        ({"a": None}, "NoneType"),
        ({"k": jax.random.key(0)}, "is a key"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_leaves_nothing(tmp_path, wrong, named):
    with pytest.raises(ValueError, match=named):
        save_weights(tmp_path / "w", wrong)
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        load_weights(tmp_path / "nothing")
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="holds no weights"):
        load_weights(tmp_path / "other")


def test_without_orbax_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    for call in (lambda: save_weights(tmp_path / "w", WEIGHTS), lambda: load_weights(tmp_path)):
        with pytest.raises(ImportError, match=r"ibjax\[weights\]"):
            call()

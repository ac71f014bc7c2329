"""Files of one's own: what is read of them, and the sentence about what is not."""

import numpy as np
import pytest

from ibjax import data

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 2


def saved(tmp_path, **changes):
    arrays = {"x": X, "y": Y, **changes}
    np.savez(tmp_path / "own.npz", **{k: v for k, v in arrays.items() if v is not None})
    return data.from_file(tmp_path / "own.npz")


@pytest.mark.parametrize(
    ("changes", "dtype", "highest", "classes"),
    [
        ({}, "float32", 3, 2),
        ({"x": np.full((12, 2, 2), 255, np.uint8)}, "float32", 1, 2),
        ({"x": np.full((12, 2), 255, np.uint8)}, "int32", 255, 2),
        ({"x": X.astype(">f8"), "y": Y.astype(np.uint64)}, "float32", 3, 2),
        ({"x": np.ones((12, 2), np.float16), "y": Y > 0}, "float32", 1, 2),
        ({"y": Y + 1.0}, "float32", 3, 3),
        ({"y": 40 * Y, "num_classes": 41}, "float32", 3, 41),
        ({"num_classes": 3.0}, "float32", 3, 3),
    ],
)
def test_what_is_read(tmp_path, changes, dtype, highest, classes):
    found = saved(tmp_path, **changes)
    assert found.x.dtype == dtype and found.x.max() <= highest and found.y.dtype == np.int32
    assert found.num_classes == classes and found.name == "own.npz"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"x": None, "data": X}, "no x; save it with"),
        ({"y": np.where(Y, "cat", "dog")}, r"names as numpy\.unique"),
        ({"y": Y.astype(object)}, "Python objects"),
        ({"y": np.int64(1)}, "x has 12 examples but y 1"),
        ({"y": Y[:9]}, "x has 12 examples but y 9"),
        ({"y": np.zeros(12)}, "y holds one label, 0"),
        ({"y": np.eye(2)[Y]}, r"y\.argmax\(axis=1\)"),
        ({"y": Y[:, None]}, r"y\.ravel\(\)"),
        ({"y": X[:, 0]}, "bin real-valued targets"),
        ({"y": np.where(Y, np.nan, 0)}, "y holds nan"),
        ({"y": 2 * Y - 1}, "from -1 to 1"),
        ({"y": 10**6 * Y}, "y reaches 1000000 with 12 examples"),
        ({"x": np.where(X > 1, np.nan, X)}, "NaN or infinite"),
        ({"x": X * 1e200}, "NaN or infinite"),
        ({"x": X + 0j}, "complex128 is not read"),
        ({"num_classes": 2.5}, "num_classes=2.5 must be a whole number"),
        ({"num_classes": np.nan}, "num_classes=nan must be a whole number"),
        ({"num_classes": "two"}, "num_classes=two must be a whole number"),
        ({"num_classes": 1}, "num_classes=1 must be a whole number of at least 2"),
        ({"num_classes": [2, 2]}, "give one number"),
        ({"x_test": X, "groups": Y}, "holds groups, x_test besides x, y and num_classes"),
    ],
)
def test_what_is_not_read_is_said_in_one_sentence(tmp_path, changes, named):
    with pytest.raises(ValueError, match=named) as refused:
        saved(tmp_path, **changes)
    assert "\n" not in str(refused.value)

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ibjax import data
from ibjax.data import embedded


def test_digits_are_those_of_scikit_learn():
    train, test, whole = (data.load("digits", s) for s in ("train", "test", "all"))
    assert train.x.shape == (1437, 8, 8, 1) and test.x.shape == (360, 8, 8, 1)
    assert train.x.dtype == np.float32 and train.y.dtype == np.int32
    assert train.num_classes == 10 and train.name == "digits" and train.truth == {}
    source = load_digits()
    np.testing.assert_array_equal(np.asarray(whole.x)[..., 0] * 16, source.images)
    np.testing.assert_array_equal(whole.y, source.target)
    np.testing.assert_array_equal(np.concatenate([train.y, test.y]), whole.y)
    assert float(np.min(whole.x)) == 0 and float(np.max(whole.x)) == 1


def test_digits_that_lie_elsewhere_come_by_the_library_itself(monkeypatch):
    here = embedded._table()
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    np.testing.assert_array_equal(embedded._table(), here)


def test_classes_relabel_in_the_order_given():
    whole = data.load("digits")
    pair = data.load("digits", classes=(9, 4))
    keep = np.isin(whole.y, (4, 9))
    np.testing.assert_array_equal(pair.x, np.asarray(whole.x)[keep])
    np.testing.assert_array_equal(pair.y, (np.asarray(whole.y)[keep] == 4).astype(int))
    assert pair.num_classes == 2 and pair.y.dtype == np.int32


@pytest.mark.parametrize(
    "split, start, stop",
    [
        ("train[:100]", 0, 100),
        ("train[10:20]", 10, 20),
        ("train[-10:]", 1427, 1437),
        ("train[:80%]", 0, 1150),
        ("train[80%:]", 1150, 1437),
        ("train[:99999]", 0, 1437),
        ("train+test", 0, 1797),
        ("test[-5:]", 1792, 1797),
    ],
)
def test_slices(split, start, stop):
    whole = data.load("digits", "all")
    np.testing.assert_array_equal(data.load("digits", split).y, whole.y[start:stop])


@pytest.mark.parametrize("split", ["validation", "train[", "train[a:b]", "", "train[5:5]"])
def test_a_bad_split_says_what_exists(split):
    with pytest.raises(ValueError, match="'train'"):
        data.load("digits", split)


def test_groups_of_labels_become_classes():
    whole = data.load("digits")
    parity = data.load("digits", classes=((0, 2, 4, 6, 8), (1, 3, 5, 7, 9)))
    np.testing.assert_array_equal(parity.x, whole.x)
    np.testing.assert_array_equal(parity.y, np.asarray(whole.y) % 2)
    assert parity.num_classes == 2
    mixed = data.load("digits", classes=(7, (1, 2)))
    np.testing.assert_array_equal(
        mixed.y, np.where(np.asarray(whole.y) == 7, 0, 1)[np.isin(whole.y, (1, 2, 7))]
    )


BAD = [
    (4, 10),
    (-1, 3),
    (4, 4),
    (),
    ((1, 2), (2, 3)),
    ((), (1,)),
    (4, 9.5),
    ("4", "9"),
    ((1, True),),
]


@pytest.mark.parametrize("classes", BAD)
def test_bad_classes_say_what_exists(classes):
    with pytest.raises(ValueError, match="0 to 9"):
        data.load("digits", classes=classes)


def test_importing_brings_in_no_outside_library():
    program = (
        "import sys, ibjax.data\n"
        "print(*{'sklearn', 'tensorflow_datasets', 'PIL', 'array_record'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == ""

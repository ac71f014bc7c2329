"""Reading prepared TFDS data: MNIST where it lies on this machine, small ones written here."""

import builtins
import sys

import numpy as np
import pytest

from ibjax import data


def test_mnist(tfds_dir):
    train = data.load("mnist", data_dir=tfds_dir)
    test = data.load("mnist", "test", data_dir=tfds_dir)
    assert train.x.shape == (60000, 28, 28, 1) and test.x.shape == (10000, 28, 28, 1)
    assert train.x.dtype == np.float32 and train.y.dtype == np.int32
    assert train.y[:10].tolist() == [4, 1, 0, 7, 8, 1, 2, 7, 1, 6]
    assert (float(train.x.min()), float(train.x.max())) == (0.0, 1.0)
    assert train.num_classes == 10 and train.name == "mnist"
    counts = np.bincount(train.y)
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert "tensorflow" not in sys.modules


def test_mnist_classes_and_slices_agree_with_the_whole(tfds_dir):
    whole = data.load("mnist", "test", data_dir=tfds_dir)
    keep = np.flatnonzero(np.isin(whole.y, (4, 9)))
    pair = data.load("mnist", "test", classes=(4, 9), data_dir=tfds_dir)
    np.testing.assert_array_equal(pair.y, np.asarray(whole.y)[keep] == 9)
    np.testing.assert_array_equal(pair.x, np.asarray(whole.x)[keep])
    part = data.load("mnist:3.0.1", "test[2%:2.5%]", data_dir=tfds_dir)
    np.testing.assert_array_equal(part.x, whole.x[200:250])


def test_mnist_is_what_tfds_reads(tfds_dir):
    import tensorflow_datasets as tfds

    stored = tfds.data_source("mnist", split="test[:20]", data_dir=tfds_dir, download=False)
    ours = data.load("mnist", "test[:20]", data_dir=tfds_dir)
    for record, x, y in zip(stored, ours.x, ours.y):
        np.testing.assert_array_equal(np.divide(record["image"], 255, dtype=np.float32), x)
        assert record["label"] == y


def test_the_data_directory_comes_from_the_environment(tfds_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", tfds_dir)
    assert len(data.load("mnist", "test[:5]").y) == 5


def test_colour_pictures(tfds_dir):
    try:
        test = data.load("cifar10_jpeg_small", "test", data_dir=tfds_dir)
    except (FileNotFoundError, ValueError):
        pytest.skip("needs cifar10_jpeg_small beside MNIST")
    assert test.x.shape == (4000, 32, 32, 3)
    assert np.bincount(test.y).tolist() == [400] * 10


def test_absent_data_say_how_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        data.load("mnist", data_dir=tmp_path)
    message = str(error.value)
    assert "\n" not in message
    for word in ("'mnist'", str(tmp_path), "download=True", "TFDS_DATA_DIR"):
        assert word in message


def test_unknown_names_list_what_exists(tmp_path):
    with pytest.raises(ValueError, match=r"'digits'.*similar: mnist"):
        data.load("mnits", data_dir=tmp_path)
    with pytest.raises(ValueError, match="is no data set"):
        data.load("no_such_thing", data_dir=tmp_path, download=True)


def test_without_tfds_the_rest_works(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.partition(".")[0] == "tensorflow_datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert len(data.load("digits").y) == 1437
    with pytest.raises(ImportError, match="pip install tensorflow-datasets"):
        data.load("mnist", data_dir=tmp_path)


def test_names_need_no_tfds():
    assert data.names()[0] == "digits" and data.names()[-1] == "any TFDS name"
    assert {"mnist", "fashion_mnist", "cifar10"} < set(data.names())


def _write(root, name, features, rows, supervised=None, version="1.0.0"):
    """A small TFDS data set as a user would write it."""
    import tensorflow_datasets as tfds

    dataset_name = name

    class Small(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = dataset_name
        VERSION = tfds.core.Version(version)

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features(tfds.features)),
                supervised_keys=supervised,
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate(rows)

    builder = Small(data_dir=str(root), file_format="array_record")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )


@pytest.mark.parametrize("supervised", [None, ("features", "label")])
def test_columns_are_laid_side_by_side_in_the_order_of_their_names(tmp_path, supervised):
    rows = [
        {
            "features": {"b": i + 0.5, "a": [i, 2 * i], "sex": i % 2, "name": f"row {i}"},
            "label": i % 3,
        }
        for i in range(9)
    ]
    _write(
        tmp_path,
        "columns",
        lambda f: {
            "features": {
                "b": np.float32,
                "a": f.Tensor(shape=(2,), dtype=np.int64),
                "sex": f.ClassLabel(num_classes=2),
                "name": f.Text(),
            },
            "label": f.ClassLabel(num_classes=3),
        },
        rows,
        supervised,
    )
    loaded = data.load("columns", data_dir=tmp_path)
    assert loaded.x.dtype == np.float32 and loaded.x.shape == (9, 4) and loaded.num_classes == 3
    i = np.asarray(loaded.x)[:, 0]
    assert sorted(i) == list(range(9))
    np.testing.assert_array_equal(loaded.x, np.stack([i, 2 * i, i + 0.5, i % 2], axis=1))
    np.testing.assert_array_equal(loaded.y, i % 3)


def test_one_vector_feature_keeps_its_shape_and_integers_count_as_classes(tmp_path):
    rows = [{"v": np.full((2, 3), i, np.float32), "y": i % 4} for i in range(8)]
    _write(
        tmp_path,
        "vectors",
        lambda f: {"v": f.Tensor(shape=(2, 3), dtype=np.float32), "y": np.int64},
        rows,
        ("v", "y"),
    )
    loaded = data.load("vectors", classes=(3, 1), data_dir=tmp_path)
    assert loaded.x.shape == (4, 2, 3)
    np.testing.assert_array_equal(loaded.y, np.where(loaded.x[:, 0, 0] % 4 == 3, 0, 1))


def test_the_newest_version_is_read_unless_one_is_named(tmp_path):
    for version, size in (("1.9.0", 3), ("1.10.0", 5)):
        rows = [{"v": [float(i)], "y": 0} for i in range(size)]
        _write(
            tmp_path,
            "grown",
            lambda f: {
                "v": f.Tensor(shape=(1,), dtype=np.float32),
                "y": f.ClassLabel(num_classes=2),
            },
            rows,
            version=version,
        )
    assert len(data.load("grown", data_dir=tmp_path).y) == 5
    assert len(data.load("grown:1.9.0", data_dir=tmp_path).y) == 3


def test_data_without_a_class_label_are_refused(tmp_path):
    rows = [{"v": [1.0], "price": 2.5}]
    _write(
        tmp_path,
        "prices",
        lambda f: {"v": f.Tensor(shape=(1,), dtype=np.float32), "price": np.float32},
        rows,
        ("v", "price"),
    )
    with pytest.raises(ValueError, match="'price' of 'prices' is no class label"):
        data.load("prices", data_dir=tmp_path)


def test_pictures_of_different_sizes_are_refused(tmp_path):
    from PIL import Image

    rows = [{"image": Image.new("RGB", (4, 4 + i)), "label": 0} for i in range(2)]
    _write(
        tmp_path,
        "ragged",
        lambda f: {"image": f.Image(shape=(None, None, 3)), "label": f.ClassLabel(num_classes=2)},
        rows,
    )
    with pytest.raises(ValueError, match="different sizes"):
        data.load("ragged", data_dir=tmp_path)


def test_a_bad_split_of_tfds_data_lists_the_splits(tmp_path):
    rows = [{"v": [1.0], "y": 0}]
    _write(
        tmp_path,
        "single",
        lambda f: {"v": f.Tensor(shape=(1,), dtype=np.float32), "y": f.ClassLabel(num_classes=2)},
        rows,
    )
    with pytest.raises(ValueError, match=r"use one of \['train'\]"):
        data.load("single", "test", data_dir=tmp_path)


class _Stock:
    """A builder of TFDS that fails, or prepares, as told."""

    def __init__(self, outcome):
        self.outcome = outcome

    def download_and_prepare(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.outcome()


@pytest.mark.parametrize(
    "cause, error, words",
    [
        (ImportError("x", name="tensorflow"), ValueError, "without TensorFlow"),
        (NotImplementedError("TFRECORD"), ValueError, "without TensorFlow"),
        (ImportError("x", name="gcsfs"), ImportError, "pip install gcsfs"),
        (OSError("no route"), ConnectionError, "no route.*check the network"),
    ],
)
def test_what_tfds_cannot_prepare_is_said_in_one_line(cause, error, words, tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds, "builder", lambda name, **kwargs: _Stock(cause))
    with pytest.raises(error, match=words) as caught:
        data.load("iris", data_dir=tmp_path, download=True)
    assert "\n" not in str(caught.value)


def test_what_tfds_can_prepare_is_loaded(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    rows = [{"features": [float(i)] * 4, "label": i % 3} for i in range(6)]

    def prepare():
        _write(
            tmp_path,
            "iris",
            lambda f: {
                "features": f.Tensor(shape=(4,), dtype=np.float32),
                "label": f.ClassLabel(num_classes=3),
            },
            rows,
            ("features", "label"),
        )

    monkeypatch.setattr(tfds, "builder", lambda name, **kwargs: _Stock(prepare))
    loaded = data.load("iris", data_dir=tmp_path, download=True)
    assert loaded.x.shape == (6, 4) and loaded.num_classes == 3
    # now it is there: nothing is prepared again
    monkeypatch.setattr(tfds, "builder", lambda name, **kwargs: _Stock(OSError("no route")))
    assert len(data.load("iris", data_dir=tmp_path, download=True).y) == 6


def test_several_configurations_are_listed(tmp_path):
    for config in ("small", "large"):
        folder = tmp_path / "many" / config / "1.0.0"
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(ValueError, match="many/large"):
        data.load("many", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"prepared in .*: many"):
        data.load("much", data_dir=tmp_path)

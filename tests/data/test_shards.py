"""Damaged, missing and short data files: one clear error that names the file, never other data."""

import json

import numpy as np
import pytest

from ibjax import data
from ibjax.data import preparing, tfds

SIZE = 120


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (SIZE, 8, 8, 1)).astype(np.uint8)
    parts = {"train": (images, rng.integers(0, 10, SIZE))}
    folder = preparing.write(root, "small", "1.0.0", parts)
    return root, folder, _load(root)


def _load(root):
    tfds._cached.cache_clear()
    tfds._sizes.cache_clear()
    found = data.load("small", data_dir=root)
    return np.asarray(found.x), np.asarray(found.y), found.num_classes


@pytest.fixture
def file(prepared, request):
    """One file of the data set, put back afterwards."""
    _, folder, _ = prepared
    (path,) = folder.glob(request.param)
    whole = path.read_bytes()
    yield path
    path.write_bytes(whole)


SHARD, INFO, FEATURES = "*array_record*", "dataset_info.json", "features.json"


def refuses(root, *words):
    with pytest.raises((ValueError, FileNotFoundError)) as refused:
        _load(root)
    said = str(refused.value)
    assert "\n" not in said and all(word in said for word in words), said


@pytest.mark.parametrize("file", [SHARD, INFO, FEATURES], indirect=True)
def test_a_flipped_bit_changes_nothing_or_is_an_error(prepared, file):
    root, folder, whole = prepared
    content, rng, refused = file.read_bytes(), np.random.default_rng(0), 0
    end = min(len(content), 80_000)  # the rest of a shard is padding and the list of its chunks
    for _ in range(40):
        broken = bytearray(content)
        broken[rng.integers(end)] ^= 1 << rng.integers(8)
        file.write_bytes(broken)
        try:
            found = _load(root)
        except (ValueError, FileNotFoundError) as error:
            refused += 1
            assert str(folder) in str(error) or "'small'" in str(error), error
            assert "\n" not in str(error)
        else:
            for ours, theirs in zip(found, whole):
                np.testing.assert_array_equal(ours, theirs)
    assert refused > 3


@pytest.mark.parametrize("file", [SHARD, INFO, FEATURES], indirect=True)
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.5, 0.99])
def test_a_file_that_is_cut_short(prepared, file, keep):
    root, folder, _ = prepared
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    refuses(root, str(folder))


@pytest.mark.parametrize("file", [SHARD], indirect=True)
def test_a_missing_shard_is_named(prepared, file):
    root, *_ = prepared
    file.unlink()
    refuses(root, str(file), "is missing")


@pytest.mark.parametrize("file", [INFO], indirect=True)
@pytest.mark.parametrize(
    "promised", [[SIZE - 1], [SIZE + 1], [SIZE, SIZE], [0], [-1], [-1, SIZE + 1], [2**62, 2**62]]
)
def test_counts_that_disagree_neither_drop_nor_cut_records(prepared, file, promised):
    root, *_ = prepared
    info = json.loads(file.read_text())
    info["splits"][0]["shardLengths"] = list(map(str, promised))
    file.write_text(json.dumps(info))
    refuses(root, "small")


@pytest.mark.parametrize("file", [FEATURES], indirect=True)
@pytest.mark.parametrize(("old", "new"), [('"8"', '"9"'), ('"10"', '"3"'), ("Image", "Imagf")])
def test_features_that_are_not_those_of_the_records(prepared, file, old, new):
    root, *_ = prepared
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    refuses(root, "small")


def test_records_without_a_picture_or_with_two_labels_are_refused():
    from types import SimpleNamespace as Record

    from ibjax.data import records

    def value(**lists):
        return Record(**{f"{k}_list": Record(value=v) for k, v in lists.items()})

    for pictures, labels in (([], [1]), ([b"x"], []), ([b"x"], [1, 2])):
        feature = {"image": value(bytes=pictures), "label": value(int64=labels)}
        message = Record(features=Record(feature=feature))

        class Source:
            def __len__(self):
                return 1

            def __getitems__(self, places, message=message):
                return [message for _ in places]

        with pytest.raises(ValueError, match="not one each"):
            records.images("odd", Source(), lambda r: r, "image", "label", channels=1)

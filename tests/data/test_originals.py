"""Preparation from original files, on small ones laid down here."""

import gzip
import hashlib
import io
import struct
import sys
import tarfile

import numpy as np
import pytest

from ibjax import data
from ibjax.data.preparing import write

SIZES = {"train": 23, "test": 7}


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pictures(rng, n, shape):
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8)


def _lay_idx(folder):
    """Four IDX files as MNIST has them; the arrays and the checksums."""
    rng = np.random.default_rng(0)
    parts = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        n = SIZES[split]
        x, y = _pictures(rng, n, (28, 28)), np.arange(n, dtype=np.uint8) % 10
        images = bytes((0, 0, 8, 3)) + struct.pack(">3I", n, 28, 28) + x.tobytes()
        labels = bytes((0, 0, 8, 1)) + struct.pack(">I", n) + y.tobytes()
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        parts[split] = (x[..., None], y)
    return parts, {path.name: _sha256(path) for path in folder.glob("*.gz")}


def _lay_cifar(folder, drop=None):
    """The binary archive; channels first, as the original stores them."""
    rng = np.random.default_rng(1)
    names = "a b c d e f g h i j".replace(" ", "\n").encode()
    members, parts = {"batches.meta.txt": names}, {}
    batches = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
    for split, files in batches.items():
        xs, ys = [], []
        for file in files:
            x, y = _pictures(rng, 4, (32, 32, 3)), rng.integers(0, 10, 4, dtype=np.uint8)
            planes = x.transpose(0, 3, 1, 2).reshape(4, -1)
            members[file] = np.concatenate([y[:, None], planes], axis=1).tobytes()
            xs.append(x)
            ys.append(y)
        parts[split] = (np.concatenate(xs), np.concatenate(ys))
    path = folder / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if name != drop:
                entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return parts, {path.name: _sha256(path)}


LAY = {"mnist": _lay_idx, "fashion_mnist": _lay_idx, "cifar10": _lay_cifar}


@pytest.fixture
def folders(tmp_path):
    source, target = tmp_path / "source", tmp_path / "tfds"
    source.mkdir()
    return source, target


def _stored_order(split, n):
    # TFDS orders records by the md5 of split and key
    return sorted(range(n), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())


@pytest.mark.parametrize("name", list(LAY))
def test_prepared_files_come_back_whole_and_in_the_order_of_tfds(name, folders):
    source, target = folders
    parts, checksums = LAY[name](source)
    folder = data.prepare(name, source, target, checksums=checksums)
    assert folder.parent == target / name
    for split, (x, y) in parts.items():
        order = _stored_order(split, len(y))
        loaded = data.load(name, split, data_dir=target)
        np.testing.assert_array_equal(loaded.y, y[order])
        np.testing.assert_array_equal(loaded.x, np.divide(x[order], 255, dtype=np.float32))
        assert loaded.num_classes == 10 and loaded.x.dtype == np.float32
    assert "tensorflow" not in sys.modules
    # a second time nothing is read: the files may be gone
    assert data.prepare(name, source / "gone", target, checksums=checksums) == folder


def test_tfds_itself_reads_what_was_prepared(folders):
    import tensorflow_datasets as tfds

    source, target = folders
    parts, checksums = _lay_cifar(source)
    data.prepare("cifar10", source, target, checksums=checksums)
    stored = tfds.data_source("cifar10", split="test", data_dir=str(target), download=False)
    x, y = parts["test"]
    assert len(stored) == len(y)
    for record in stored:
        i = int(record["id"].decode().removeprefix("test_"))
        np.testing.assert_array_equal(record["image"], x[i])
        assert record["label"] == y[i]


def test_a_wrong_checksum_is_refused_and_nothing_is_written(folders):
    source, target = folders
    _lay_idx(source)
    with pytest.raises(ValueError, match="sha256"):
        data.prepare("mnist", source, target)  # against the published checksums
    assert not target.exists()


def test_a_missing_file_is_named(folders):
    source, target = folders
    _, checksums = _lay_idx(source)
    (source / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte\.gz"):
        data.prepare("mnist", source, target, checksums=checksums)


@pytest.mark.parametrize(
    "content, words",
    [
        (bytes((0, 0, 9, 1)) + struct.pack(">I", 2) + b"ab", "no IDX file"),
        (b"\0\0", "no IDX file"),
        (bytes((0, 0, 8, 1)) + struct.pack(">I", 23) + b"ab", "cut short"),
        (bytes((0, 0, 8, 1)) + struct.pack(">I", 2) + b"ab", "23 images and 2 labels"),
    ],
)
def test_damaged_idx_files_are_refused(content, words, folders):
    source, target = folders
    _, checksums = _lay_idx(source)
    labels = source / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=words):
        data.prepare("mnist", source, target, checksums=checksums | {labels.name: _sha256(labels)})


def test_records_are_counted_after_writing(tmp_path):
    parts = {"train": (np.zeros((3, 28, 28, 1), np.uint8), np.zeros(4, np.uint8))}
    with pytest.raises(RuntimeError, match="3 of 4 records"):
        write(tmp_path, "short", "1.0.0", parts)


def test_a_cifar_archive_without_a_batch_is_refused(folders):
    source, target = folders
    _, checksums = _lay_cifar(source, drop="data_batch_3.bin")
    with pytest.raises(ValueError, match=r"lacks cifar-10-batches-bin/data_batch_3.bin"):
        data.prepare("cifar10", source, target, checksums=checksums)


def test_download_verifies_keeps_and_prepares(folders):
    source, target = folders
    parts, checksums = _lay_idx(source)
    sources = {file: ((source / file).as_uri(), sha256) for file, sha256 in checksums.items()}
    broken = dict(sources)
    first, *_, last = sources
    broken[last] = (sources[last][0], "0" * 64)
    with pytest.raises(ValueError, match="sha256"):
        data.download("mnist", target, sources=broken)
    kept = target / "downloads" / "mnist"
    assert not list(kept.glob("*.part")) and not (kept / last).exists()
    # what was right is not fetched again
    (source / first).unlink()
    data.download("mnist", target, sources=sources)
    assert len(data.load("mnist", "test", data_dir=target).y) == len(parts["test"][1])


def test_a_failed_download_names_address_and_folder(folders):
    source, target = folders
    missing = (source / "train-images-idx3-ubyte.gz").as_uri()
    with pytest.raises(ConnectionError, match="put it in"):
        data.download("mnist", target, sources={"train-images-idx3-ubyte.gz": (missing, "0")})


@pytest.mark.parametrize("function", [data.prepare, data.download])
def test_unknown_originals(function, tmp_path):
    with pytest.raises(ValueError, match="'fashion_mnist'"):
        function("svhn", tmp_path)

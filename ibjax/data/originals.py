"""MNIST, Fashion-MNIST and CIFAR-10 from their original files, without TensorFlow."""

import gzip
import hashlib
import os
import struct
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ibjax import files as stored
from ibjax.data import preparing, tfds
from ibjax.environment import expanded
from ibjax.signatures import enforced

Parts = dict[str, tuple[np.ndarray, np.ndarray]]


class _Original(NamedTuple):
    version: str  # of the TFDS data set of the same name and content
    homepage: str


_ORIGINALS = {
    "mnist": _Original("3.0.1", "http://yann.lecun.com/exdb/mnist/"),
    "fashion_mnist": _Original("3.0.1", "https://github.com/zalandoresearch/fashion-mnist"),
    "cifar10": _Original("3.0.2", "https://www.cs.toronto.edu/~kriz/cifar.html"),
}
_FASHION = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
]
_CIFAR = "cifar-10-binary.tar.gz"
_CIFAR_FOLDER = "cifar-10-batches-bin"
_CIFAR_SHAPE = (3, 32, 32)


def names() -> tuple[str, ...]:
    """The data sets that `prepare` knows."""
    return tuple(_ORIGINALS)


@enforced
def prepare(
    name: str,
    source_dir: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    *,
    checksums: Mapping[str, str] | None = None,
) -> Path:
    """Turn the original files of a data set into a TFDS data set that reads without TensorFlow.

    Args:
        name: ``"mnist"``, ``"fashion_mnist"`` (four ``.gz`` files in IDX format each) or
            ``"cifar10"`` (``cifar-10-binary.tar.gz``; the Python version is a pickle, which
            could run anything, and is not read).
        source_dir: where the files lie, under their original names.
        data_dir: data directory to write to; default TFDS_DATA_DIR, else
            ``~/tensorflow_datasets``.
        checksums: ``{file name: sha256}``; default the published ones, as TFDS ships them.

    Returns:
        The folder of the prepared data set. One that is there already is left as it is.

    Raises:
        ValueError: unknown name, a file whose checksum or content is wrong.
        FileNotFoundError: a file is missing.
    """
    original = _find(name)
    root = tfds.directory(data_dir)
    present = tfds.locate(f"{name}:{original.version}", root)
    if present is not None:
        return present
    if checksums is None:
        checksums = {file: sha256 for file, (_, sha256) in tfds.checksums(name).items()}
    files = {}
    for file, sha256 in checksums.items():
        path = expanded(source_dir) / file
        if not path.is_file():
            raise FileNotFoundError(
                f"{name} needs {file} in source_dir={str(source_dir)!r}: put it there, under "
                "that name"
            )
        with path.open("rb") as opened:
            _agrees(str(path), hashlib.file_digest(opened, "sha256").hexdigest(), sha256)
        files[file] = path
    label_names = _FASHION if name == "fashion_mnist" else None
    if name == "cifar10":
        parts, label_names = _cifar(files[_CIFAR])
    else:
        parts = _mnist(files)
    return preparing.write(
        root,
        name,
        original.version,
        parts,
        label_names=label_names,
        with_id=name == "cifar10",
        homepage=original.homepage,
    )


@enforced
def download(
    name: str,
    data_dir: str | os.PathLike | None = None,
    *,
    sources: Mapping[str, tuple[str, str]] | None = None,
) -> Path:
    """Fetch the original files into ``data_dir/downloads/<name>`` and `prepare` them.

    Files that are there already and whose checksum is right are not fetched again.

    Args:
        name: ``"mnist"``, ``"fashion_mnist"`` (four ``.gz`` files in IDX format each) or
            ``"cifar10"`` (``cifar-10-binary.tar.gz``; the Python version is a pickle, which could
            run anything, and is not read).
        data_dir: data directory to write to; default TFDS_DATA_DIR, else ``~/tensorflow_datasets``.
        sources: ``{file name: (address, sha256)}``; default the published ones.

    Returns:
        The folder of the prepared data set.

    Raises:
        ValueError: unknown name, or a file whose checksum is wrong.
        ConnectionError: a file could not be fetched.
    """
    original = _find(name)
    root = tfds.directory(data_dir)
    present = tfds.locate(f"{name}:{original.version}", root)
    if present is not None:
        return present
    if sources is None:
        sources = tfds.checksums(name)
    folder = root / "downloads" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, (url, sha256) in sources.items():
        if not (folder / file).is_file():
            _fetch(url, folder / file, sha256)
    return prepare(name, folder, root, checksums={f: sha256 for f, (_, sha256) in sources.items()})


def _find(name: str) -> _Original:
    if name not in _ORIGINALS:
        raise ValueError(f"name={name!r} has no original files here: use one of {names()}")
    return _ORIGINALS[name]


def _fetch(url: str, target: Path, sha256: str) -> None:
    """One file, whole and right or not at all.

    A download library would bring a cache, whose place is the data directory here, and a file put
    in place by other means than all others here.
    """

    def fill(local: BinaryIO) -> None:
        found = hashlib.sha256()
        with urllib.request.urlopen(url, timeout=60) as remote:
            while piece := remote.read(2**20):
                found.update(piece)
                local.write(piece)
        _agrees(f"{url} as fetched", found.hexdigest(), sha256)

    # whole and right or not there: an interrupted download is never mistaken
    stored.check_writable(target.parent, "data_dir")
    try:
        stored.put(target, fill)
    except (urllib.error.URLError, OSError) as error:
        raise ConnectionError(
            f"{url} could not be fetched ({error}): check the network, or get the file elsewhere "
            f"and put it in {target.parent}"
        ) from error


def _agrees(what: str, found: str, sha256: str) -> None:
    if found != sha256:
        raise ValueError(
            f"{what} has sha256 {found}, not {sha256}: delete it and get the original file"
        )


def _mnist(files: Mapping[str, Path]) -> Parts:
    parts = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = _idx(files[f"{prefix}-images-idx3-ubyte.gz"], 3)
        labels = _idx(files[f"{prefix}-labels-idx1-ubyte.gz"], 1)
        if len(images) != len(labels):
            raise ValueError(
                f"{split} has {len(images)} images and {len(labels)} labels: get matching files"
            )
        parts[split] = (images[..., None], labels)
    return parts


def _idx(path: Path, axes: int) -> np.ndarray:
    """Read an IDX file of bytes: magic 0x0000 08 <axes>, the sizes, then the data."""
    with gzip.open(path) as file:
        data = file.read()
    header = 4 * (1 + axes)
    if len(data) < header or data[:4] != bytes((0, 0, 8, axes)):
        raise ValueError(f"{path} is no IDX file of bytes with {axes} axes: get the original file")
    shape = struct.unpack(f">{axes}I", data[4:header])
    if len(data) - header != int(np.prod(shape)):
        raise ValueError(f"{path} is cut short: its header promises {shape}; get it again")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _cifar(path: Path) -> tuple[Parts, list[str]]:
    """Read the binary version straight from the archive: nothing is unpacked to disk."""
    with tarfile.open(path, "r:gz") as archive:
        train = [_member(archive, f"data_batch_{i}.bin") for i in range(1, 6)]
        test = _member(archive, "test_batch.bin")
        label_names = _member(archive, "batches.meta.txt").decode().split()
    return {"train": _cifar_records(b"".join(train)), "test": _cifar_records(test)}, label_names


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    try:
        file = archive.extractfile(f"{_CIFAR_FOLDER}/{name}")
    except KeyError:
        file = None
    if file is None:
        raise ValueError(f"{_CIFAR} lacks {_CIFAR_FOLDER}/{name}: get the binary version")
    return file.read()


def _cifar_records(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    size = 1 + int(np.prod(_CIFAR_SHAPE))
    if len(data) % size:
        raise ValueError(f"{_CIFAR} has a batch that is no multiple of {size} bytes: get it again")
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    images = records[:, 1:].reshape(-1, *_CIFAR_SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0]

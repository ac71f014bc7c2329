"""TFDS data sets as arrays, without TensorFlow. The only file that imports tensorflow_datasets."""

import functools
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ibjax.data import records, shards, splits
from ibjax.environment import expanded, home

MOST_CLASSES = 2**31
"""Labels are kept in 32 bits."""


class Columns(NamedTuple):
    """Inputs as stored (uint8 images stay uint8), integer labels, number of classes."""

    x: np.ndarray
    y: np.ndarray
    num_classes: int


def directory(data_dir: str | os.PathLike | None) -> Path:
    """The directory of prepared data: the argument, else TFDS_DATA_DIR, else TFDS's own.

    Where there is no home directory TFDS's own is in the temporary one.
    """
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR")
    return expanded(chosen) if chosen else home() / "tensorflow_datasets"


def locate(name: str, root: Path) -> Path | None:
    """The folder of a prepared version of ``name[/config][:version]``, or None.

    Without a version the newest one; without a config the only one.
    """
    base, _, version = name.partition(":")
    folder = root / base
    found = {d.name: d for d in _subfolders(folder) if (d / "dataset_info.json").is_file()}
    if version:
        return found.get(version)
    if found:
        return found[max(found, key=_version_order)]
    configs = [d.name for d in _subfolders(folder) if locate(f"{base}/{d.name}", root)]
    if len(configs) > 1:
        raise ValueError(
            f"name={name!r} has several configurations in {root}: "
            f"use one of {[f'{base}/{c}' for c in configs]}"
        )
    return locate(f"{base}/{configs[0]}", root) if configs else None


def read(name: str, folder: Path, split: str) -> Columns:
    """Read a split of the prepared version in `folder`, in stored order.

    Whole splits of a few data sets stay in memory for the life of the process (read-only).
    """
    stamp = (folder / "dataset_info.json").stat().st_mtime_ns
    pieces = splits.parse(split, _sizes(str(folder), stamp), name=name)
    parts = [_piece(name, str(folder), stamp, piece) for piece in pieces]
    if len(parts) == 1:
        return parts[0]
    return Columns(
        np.concatenate([p.x for p in parts]),
        np.concatenate([p.y for p in parts]),
        max(p.num_classes for p in parts),
    )


def known() -> list[str]:
    """The names of TFDS's own data sets (no network)."""
    return library().list_builders(with_community_datasets=False)


def prepared(root: Path) -> list[str]:
    """The names of the data sets that lie in a data directory."""
    depths = ("*/dataset_info.json", "*/*/dataset_info.json")  # name/version, name/config/version
    return [d.name for d in _subfolders(root) if any(any(d.glob(depth)) for depth in depths)]


def checksums(name: str) -> dict[str, tuple[str, str]]:
    """``{file name: (address, sha256)}`` of the original files, as published by TFDS."""
    spec = importlib.util.find_spec("tensorflow_datasets")
    if spec is None or spec.origin is None:
        raise _not_installed()
    table = Path(spec.origin).parent / "url_checksums" / f"{name}.txt"
    rows = (line.split("\t") for line in table.read_text().splitlines() if line)
    return {url.rpartition("/")[2]: (url, sha256) for url, _, sha256, *_ in rows}


def _piece(name: str, folder: str, stamp: int, piece: splits.Piece) -> Columns:
    try:
        return _cached(name, folder, stamp, piece)
    except NotImplementedError as error:
        raise ValueError(
            f"name={name!r} in {folder} is in a format that only TensorFlow reads: prepare it "
            "again with file_format='array_record'"
        ) from error


@functools.lru_cache(maxsize=8)
def _sizes(folder: str, stamp: int) -> dict[str, int]:
    del stamp  # part of the cache key: a data set prepared anew is read anew
    info = _builder(folder).info
    try:
        found = {split: part.num_examples for split, part in info.splits.items()}
        counts = [n for part in info.splits.values() for n in part.shard_lengths or ()]
    except Exception as error:
        raise _undescribed(folder, error) from error
    odd = [n for n in (*counts, *found.values()) if not 0 <= n < 2**62]
    if odd:
        raise _undescribed(folder, ValueError(f"a shard or split of {odd[0]} records"))
    return found


@functools.lru_cache(maxsize=4)
def _cached(name: str, folder: str, stamp: int, piece: splits.Piece) -> Columns:
    del stamp
    builder = _builder(folder)
    paths: list[Path] = []
    if builder.info.file_format is library().core.FileFormat.ARRAY_RECORD:
        try:
            stored = builder.info.splits[piece.split]
            paths, promised = [Path(path) for path in stored.filepaths], stored.shard_lengths
        except Exception as error:
            raise _undescribed(folder, error) from error
        shards.check(name, paths, promised)
    try:
        return _columns(name, builder, piece)
    except (ImportError, NotImplementedError):
        raise
    except Exception as error:
        raise shards.blame(name, paths, Path(folder), error) from error


def _builder(folder: str) -> Any:
    """TFDS's own view of a folder.

    Raises:
        ValueError: if what describes the data set cannot be read.
    """
    tfds = library()
    try:
        builder = tfds.builder_from_directory(folder)
        assert builder.info.features is not None and builder.info.splits is not None
        return builder
    except Exception as error:
        raise _undescribed(folder, error) from error


def _undescribed(folder: str, error: Exception) -> ValueError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return ValueError(
        f"{folder}: dataset_info.json or features.json is damaged ({said}); copy them or "
        "prepare the data set again"
    )


def _columns(name: str, builder: Any, piece: splits.Piece) -> Columns:
    tfds = library()
    features = builder.info.features
    inputs, label = _roles(name, features, builder.info.supervised_keys)
    split = f"{piece.split}[{piece.start}:{piece.stop}]"
    picture: Any = features[inputs] if isinstance(inputs, str) else None
    if isinstance(picture, tfds.features.Image) and picture.np_dtype == np.uint8:
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        source = builder.as_data_source(split, deserialize_method=raw)
        x, y = records.images(
            name, source, _parser(), str(inputs), label, channels=picture.shape[-1]
        )
        if any(a not in (None, b) for a, b in zip(picture.shape, x.shape[1:])):
            raise ValueError(
                f"name={name!r} has images of {x.shape[1:]} where features.json promises "
                f"{picture.shape}; prepare it again"
            )
    else:
        x, y = records.tables(name, builder.as_data_source(split), inputs, label)
    num_classes = getattr(features[label], "num_classes", None)
    most = num_classes if num_classes else MOST_CLASSES
    if y.dtype.kind not in "iub" or y.shape != x.shape[:1] or not 0 <= y.min() <= y.max() < most:
        raise ValueError(
            f"name={name!r}: {label!r} of {name!r} is no class label in split {piece.split!r}: "
            "use a labelled split of a classification data set"
        )
    if len(y) != piece.stop - piece.start:
        raise ValueError(
            f"name={name!r}: {len(y)} of {piece.stop - piece.start} records of split {split!r} "
            "were read; prepare it again"
        )
    y = y.astype(np.int32)
    x.setflags(write=False)
    y.setflags(write=False)
    return Columns(x, y, num_classes or int(y.max()) + 1)


def _roles(name: str, features: Any, supervised: Any) -> tuple[str | tuple[str, ...], str]:
    """Which features are the input and which is the label."""
    tfds = library()
    if supervised is not None and isinstance(supervised[1], str):
        inputs, label = supervised[0], supervised[1]
        if isinstance(inputs, str):
            return inputs, label
        return tuple(inputs), label
    labels = [key for key, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    if len(labels) != 1:
        raise ValueError(
            f"name={name!r} has {len(labels)} class labels, not one: its features are "
            f"{sorted(features)}"
        )
    pictures = [key for key, f in features.items() if isinstance(f, tfds.features.Image)]
    if len(pictures) == 1:
        return pictures[0], labels[0]
    return tuple(key for key in features if key != labels[0]), labels[0]


def _subfolders(folder: Path) -> list[Path]:
    return sorted(d for d in folder.iterdir() if d.is_dir()) if folder.is_dir() else []


def _version_order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))


def _parser() -> Callable[[bytes], Any]:
    from tensorflow_datasets import proto

    example: Any = proto.tf_example_pb2
    return example.Example.FromString


def library() -> Any:
    """TFDS itself.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise _not_installed() from error
    return tfds


def _not_installed() -> ImportError:
    return ImportError(
        "data sets other than the embedded ones need TFDS: "
        "pip install tensorflow-datasets array-record"
    )

"""TFDS data sets as arrays, without TensorFlow. The only file that imports tensorflow_datasets."""

import functools
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ibjax.data import records, splits


class Columns(NamedTuple):
    """Inputs as stored (uint8 images stay uint8), integer labels, number of classes."""

    x: np.ndarray
    y: np.ndarray
    num_classes: int


def directory(data_dir: str | os.PathLike | None) -> Path:
    """The directory of prepared data: the argument, else TFDS_DATA_DIR, else TFDS's own."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(chosen).expanduser()


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
    return _tfds().list_builders(with_community_datasets=False)


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


def write(
    root: Path,
    name: str,
    version: str,
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    label_names: Sequence[str] | None = None,
    with_id: bool = False,
    homepage: str = "",
) -> Path:
    """Store images and labels as a TFDS data set in ArrayRecord format.

    The folder, features and order of the records are those of TFDS's own builder of the same
    name and version, so that TFDS itself reads the result.

    Args:
        root: the data directory.
        name: name of the data set.
        version: its version.
        parts: ``{split: (images (n, h, w, 1 or 3) uint8, labels (n,))}``.
        label_names: names of the classes; None for ten unnamed ones.
        with_id: store ``train_00000``, ... besides.
        homepage: where the data come from.

    Returns:
        The folder of the prepared version.

    Raises:
        RuntimeError: fewer or more records were stored than given.
    """
    tfds = _tfds()
    dataset_name, images = name, next(iter(parts.values()))[0]
    label = (
        tfds.features.ClassLabel(names=list(label_names))
        if label_names
        else tfds.features.ClassLabel(num_classes=10)
    )
    features = {"image": tfds.features.Image(shape=images.shape[1:]), "label": label}
    if with_id:
        features["id"] = tfds.features.Text()

    class Original(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # pyright: ignore
        # with a dotted module TFDS asks for importlib_resources, which it does not install
        __module__ = "ibjax"
        name = dataset_name
        VERSION = tfds.core.Version(version)

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
                homepage=homepage,
            )

        def _split_generators(self, dl_manager):
            del dl_manager
            return {split: self._generate_examples(split) for split in parts}

        def _generate_examples(self, split):
            from PIL import Image

            for i, (image, y) in enumerate(zip(*parts[split])):
                # numpy arrays would be encoded by TensorFlow, PIL images are not
                picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
                record = {"image": picture, "label": int(y)}
                yield i, (record | {"id": f"{split}_{i:05d}"} if with_id else record)

    builder = Original(data_dir=str(root), file_format="array_record")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    folder = Path(builder.data_dir)
    for split, (_, y) in parts.items():
        stored = _count(folder, split)
        if stored != len(y):
            raise RuntimeError(
                f"{name}: {stored} of {len(y)} records of {split!r} were stored in {folder}: "
                "delete that folder and prepare again"
            )
    return folder


def prepare_stock(name: str, root: Path) -> Path | None:
    """Let TFDS download and prepare a data set; works for those that need no TensorFlow."""
    tfds = _tfds()
    try:
        builder = tfds.builder(name, data_dir=str(root), file_format="array_record")
        builder.download_and_prepare()
    except (ImportError, NotImplementedError) as error:
        missing = getattr(error, "name", None) or "tensorflow"
        if not missing.startswith("tensorflow"):
            message = f"TFDS needs {missing} to prepare {name!r}: pip install {missing}"
            raise ImportError(message) from error
        raise ValueError(
            f"name={name!r} cannot be prepared without TensorFlow: prepare it once where "
            "TensorFlow is installed, with tfds.builder(name, file_format='array_record')"
            f".download_and_prepare(), and copy the folder to {root}"
        ) from error
    except OSError as error:
        raise ConnectionError(
            f"TFDS could not fetch {name!r} ({error}): check the network, or copy the prepared "
            f"data set to {root}"
        ) from error
    return locate(name, root)


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
    info = _tfds().builder_from_directory(folder).info
    return {split: part.num_examples for split, part in info.splits.items()}


@functools.lru_cache(maxsize=4)
def _cached(name: str, folder: str, stamp: int, piece: splits.Piece) -> Columns:
    del stamp
    tfds = _tfds()
    builder = tfds.builder_from_directory(folder)
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
    else:
        x, y = records.tables(name, builder.as_data_source(split), inputs, label)
    if y.dtype.kind not in "iub" or y.shape != x.shape[:1] or y.min() < 0:
        raise ValueError(
            f"{label!r} of {name!r} is no class label in split {piece.split!r}: "
            "use a labelled split of a classification data set"
        )
    y = y.astype(np.int32)
    num_classes = getattr(features[label], "num_classes", None) or int(y.max()) + 1
    x.setflags(write=False)
    y.setflags(write=False)
    return Columns(x, y, num_classes)


def _roles(name: str, features: Any, supervised: Any) -> tuple[str | tuple[str, ...], str]:
    """Which features are the input and which is the label."""
    tfds = _tfds()
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


def _count(folder: Path, split: str) -> int:
    """Count what is in the files; the length that TFDS reports is what was promised."""
    from array_record.python.array_record_module import ArrayRecordReader

    shards = folder.glob(f"*-{split}.array_record-*")
    return sum(ArrayRecordReader(str(shard)).num_records() for shard in shards)


def _parser() -> Callable[[bytes], Any]:
    from tensorflow_datasets import proto

    example: Any = proto.tf_example_pb2
    return example.Example.FromString


def _tfds() -> Any:
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

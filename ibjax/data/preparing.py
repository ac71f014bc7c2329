"""Data sets laid down in TFDS's own format, by it and without TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ibjax.data import shards
from ibjax.data.tfds import library, locate


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
    about = {"name": name, "version": version, "homepage": homepage}
    builder = _builder(library(), parts, label_names, with_id, about)(
        data_dir=str(root), file_format="array_record"
    )
    builder.download_and_prepare(
        download_config=library().download.DownloadConfig(try_download_gcs=False)
    )
    folder = Path(builder.data_dir)
    for split, (_, y) in parts.items():
        stored = shards.count(sorted(folder.glob(f"*-{split}.array_record-*")))
        if stored != len(y):
            raise RuntimeError(
                f"{name}: {stored} of {len(y)} records of {split!r} were stored in {folder}: "
                "delete that folder and prepare again"
            )
    return folder


def _builder(
    tfds: Any,
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    label_names: Sequence[str] | None,
    with_id: bool,
    about: Mapping[str, str],
) -> Any:
    """A class of TFDS that gives these records under this name and version."""
    images = next(iter(parts.values()))[0]
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
        name = about["name"]
        VERSION = tfds.core.Version(about["version"])

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
                homepage=about["homepage"],
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

    return Original


def prepare_stock(name: str, root: Path) -> Path | None:
    """Let TFDS download and prepare a data set; works for those that need no TensorFlow."""
    tfds = library()
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

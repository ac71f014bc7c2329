"""From stored records to whole arrays: pictures by pillow, columns side by side."""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

_CHUNK = 4096  # records fetched in one call
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def images(
    name: str,
    source: Any,
    parse: Callable[[bytes], Any],
    inputs: str,
    label: str,
    *,
    channels: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Decode records that hold one encoded picture and one label.

    Args:
        name: the data set, for error messages.
        source: random access to serialised examples.
        parse: turns one of them into a `tf.train.Example` message.
        inputs: key of the picture.
        label: key of the label.
        channels: 1, 3 or 4; pictures stored otherwise (grey among colours) are converted.

    Returns:
        Pictures (n, height, width, channels) uint8, and labels (n,) as stored.

    Raises:
        ValueError: the pictures differ in size.
    """
    from PIL import Image

    mode = _MODES[channels]
    x: list[np.ndarray] = []
    y: list[int] = []
    for record in _each(source):
        feature = parse(record).features.feature
        pictures, labels = feature[inputs].bytes_list.value, feature[label].int64_list.value
        if len(pictures) != 1 or len(labels) != 1:
            raise ValueError(
                f"name={name!r}: a record holds {len(pictures)} of {inputs!r} and {len(labels)} "
                f"of {label!r}, not one each; prepare it again"
            )
        picture = Image.open(io.BytesIO(pictures[0]))
        x.append(np.asarray(picture if picture.mode == mode else picture.convert(mode)))
        y.append(labels[0])
    if len({picture.shape for picture in x}) > 1:
        raise ValueError(f"name={name!r} has images of different sizes: use one of a fixed size")
    stacked = np.stack(x)
    return (stacked[..., None] if stacked.ndim == 3 else stacked), np.asarray(y)


def tables(
    name: str, source: Any, inputs: str | tuple[str, ...], label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the numeric features of decoded records side by side.

    Args:
        name: the data set, for error messages.
        source: random access to decoded examples (nested dicts).
        inputs: keys of the inputs; a nested dict counts as its leaves.
        label: key of the label.

    Returns:
        One feature keeps its shape (n, ...); several become the columns (n, d), in the order of
        their names. Text (ids, names) is left out. float32, but uint8 for stored pictures.

    Raises:
        ValueError: nothing numeric among the inputs.
    """
    rows = list(_each(source))
    y = np.asarray([row[label] for row in rows])
    columns: dict[str, np.ndarray] = {}
    for key in (inputs,) if isinstance(inputs, str) else inputs:
        columns |= _leaves([row[key] for row in rows], key)
    numeric = {key: column for key, column in columns.items() if column.dtype.kind in "iufb"}
    if not numeric:
        raise ValueError(f"name={name!r} has no numeric input among {sorted(columns)}")
    if len(numeric) == 1:
        (x,) = numeric.values()
        is_picture = x.dtype == np.uint8 and x.ndim == 4
        return (
            x if is_picture else x.reshape(len(y), *(x.shape[1:] or (1,))).astype(np.float32)
        ), y
    flat = [column.reshape(len(y), -1) for _, column in sorted(numeric.items())]
    return np.concatenate(flat, axis=1, dtype=np.float32), y


def _leaves(values: list[Any], key: str) -> dict[str, np.ndarray]:
    if not isinstance(values[0], Mapping):
        return {key: np.asarray(values)}
    columns: dict[str, np.ndarray] = {}
    for inner in values[0]:
        columns |= _leaves([value[inner] for value in values], f"{key}/{inner}")
    return columns


def _each(source: Any) -> Iterator[Any]:
    # asking for many at once is several times cheaper than iterating
    for start in range(0, len(source), _CHUNK):
        yield from source.__getitems__(list(range(start, min(start + _CHUNK, len(source)))))

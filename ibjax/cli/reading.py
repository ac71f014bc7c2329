"""Arrays from files people give: sizes are checked before anything is allocated, no code runs."""

import zipfile
from pathlib import Path

import numpy as np

LIMIT = 8 * 2**30
"""Bytes an input file may unfold to."""


def array(path: Path) -> np.ndarray:
    """One array from a .npy file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not one array of numbers, or too large.
    """
    _exists(path, ".npy array")
    try:
        with open(path, "rb") as stream:
            _refuse_large(_bytes(stream))
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a .npy array of numbers ({error})") from error


def archive(path: Path) -> dict[str, np.ndarray]:
    """Every array of a .npz file by name.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not an archive of arrays of numbers, or too large.
    """
    _exists(path, ".npz archive")
    try:
        with zipfile.ZipFile(path) as packed:
            total = 0
            for name in packed.namelist():
                with packed.open(name) as stream:
                    total += _bytes(stream)
            _refuse_large(total)
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise ValueError(f"{path}: not a .npz archive of numbers ({error})") from error


def _bytes(stream) -> int:
    """Bytes of the array whose header comes next."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects; save numbers only")
    return int(np.prod(shape, dtype=object)) * dtype.itemsize


def _refuse_large(size: int) -> None:
    if size > LIMIT:
        raise ValueError(f"it unfolds to {size / 2**30:.1f} GiB, more than {LIMIT / 2**30:.0f}")


def _exists(path: Path, what: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a {what}")

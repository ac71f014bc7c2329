"""Arrays from .npy and .npz files that people give: no code runs, nothing large is made first.

Every header is read and weighed before any array is: shape, type, the bytes that are really
there, and the memory that is left. The numbers are booleans, integers and floating-point numbers
of up to 64 bits in either byte order; half precision is read as single, which loses nothing.
"""

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ibjax.environment import amount, available_memory, expanded

LIMIT = 8 * 2**30
"""Bytes an input file may unfold to, however much memory there is."""

_SHARE = 4
"""Arrays may take one part in so many of the memory: what is computed from them needs more."""

_DENSE, _BOMB = 2**28, 250
"""A file that unfolds to more than so many bytes and grows more than so many times is refused."""

_WORD = 4 * 64
"""Most bytes of one word, such as the name of a way to draw batches."""

_HEADER = 10_000
"""Longest header of an array that is read."""


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    bytes: int


def array(path: Path) -> np.ndarray:
    """One array from a .npy file.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read.
        ValueError: if it is not one array of numbers, or too large.
    """
    path = _present(path, ".npy array")
    try:
        with open(path, "rb") as stream:
            header = _header(stream)
            _refuse_large(header.bytes, 0)
            there = os.fstat(stream.fileno()).st_size - stream.tell()
            if there < header.bytes:
                raise ValueError(
                    f"it is cut short: {header.shape} of {header.dtype} needs {header.bytes} "
                    f"bytes and it has {there}"
                )
            return _numbers(stream, header)
    except PermissionError:
        raise
    except Exception as error:  # a malformed header fails in as many ways as Python has literals
        raise ValueError(f"{path}: not a .npy array of numbers ({_said(error)})") from error


def archive(path: Path) -> dict[str, np.ndarray]:
    """Every array of a .npz file by name.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read.
        ValueError: if it is not an archive of arrays of numbers, is damaged, or too large.
    """
    path = _present(path, ".npz archive")
    try:
        with zipfile.ZipFile(path) as packed:
            members = _members(packed)
            for name, info in members.items():
                with packed.open(info) as stream:
                    header = _named(name, _header, stream)
                    _refuse_large(header.bytes, 0)
                    if info.file_size - stream.tell() != header.bytes:
                        raise ValueError(
                            f"{name!r}: {header.shape} of {header.dtype} is {header.bytes} bytes, "
                            f"the archive holds {info.file_size - stream.tell()}"
                        )
            unfolded = sum(info.file_size for info in members.values())
            _refuse_large(unfolded, path.stat().st_size)
            found = {}
            for name, info in members.items():
                with packed.open(info) as stream:
                    found[name] = _named(name, _member, stream)
            return found
    except PermissionError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: not a .npz archive of numbers ({_said(error)})") from error


def _members(packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in packed.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            raise ValueError(f"{name!r} is no array; keep .npy members only")
        if info.flag_bits & 1:
            raise ValueError(f"{name!r} is encrypted; save it without a password")
        if name in members:
            raise ValueError(f"it holds {name!r} twice")
        members[name] = info
    if not members:
        raise ValueError("it holds no array")
    promised = _promised(packed)
    if promised not in (len(members), 0xFFFF):  # the latter: more than this field can hold
        raise ValueError(f"damaged: it lists {len(members)} of {promised} arrays")
    return members


def _promised(packed: zipfile.ZipFile) -> int:
    """Entries of the directory by the last record; a changed bit can make one swallow the next."""
    stream: Any = packed.fp
    stream.seek(-22 - len(packed.comment), os.SEEK_END)
    return int.from_bytes(stream.read(12)[10:], "little")


def _member(stream: BinaryIO) -> np.ndarray:
    found = _numbers(stream, _header(stream))
    if stream.read(1):  # the end is where the archive compares its checksum
        raise ValueError("more follows the array")
    return found


def _named(name: str, read, stream):
    try:
        return read(stream)
    except Exception as error:
        raise ValueError(f"{name!r}: {_said(error)}") from error


def _header(stream: BinaryIO) -> _Header:
    """What comes next, without reading it."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"version {version} of the format is not known")
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):  # the third differs from the second by names of fields alone
        read = np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream, max_header_size=_HEADER)
    if dtype.hasobject:
        raise ValueError("it holds Python objects; save numbers only")
    word = dtype.kind == "U" and shape == () and 0 < dtype.itemsize <= _WORD
    if not word and (dtype.kind not in "biuf" or dtype.itemsize > 8):
        names = dtype.kind in "SU" and shape != ()
        remedy = ", names as numpy.unique(names, return_inverse=True)[1]" if names else ""
        raise ValueError(
            f"its type {dtype} is not read; save real numbers of up to 64 bits{remedy}"
        )
    if len(shape) > 32 or any(isinstance(n, bool) or n < 0 for n in shape):
        raise ValueError(f"its shape {shape} is none")
    if 0 in shape:
        raise ValueError(f"its shape {shape} holds no number")
    size = dtype.itemsize
    for n in shape:
        size *= n
    return _Header(tuple(shape), fortran, dtype, size)


def _numbers(stream: BinaryIO, header: _Header) -> np.ndarray:
    """The array itself, in this machine's byte order."""
    flat = np.empty(header.bytes // header.dtype.itemsize, header.dtype)
    room, filled = flat.view(np.uint8), 0
    while filled < header.bytes:
        piece = stream.read(min(2**24, header.bytes - filled))
        if not piece:
            raise ValueError(f"it ends after {filled} of {header.bytes} bytes")
        room[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if header.dtype.kind == "U":
        flat.item()  # bytes that are no text fail here, where the name of the array is known
    shaped = flat.reshape(header.shape, order="F" if header.fortran else "C")
    native = header.dtype.newbyteorder("=")
    if native.itemsize == 2 and native.kind == "f":
        native = np.dtype(np.float32)
    return shaped.astype(native, copy=False)


def _refuse_large(unfolded: int, packed: int) -> None:
    size = f"it unfolds to {unfolded / 2**30:.1f} GiB"
    if unfolded > LIMIT:
        raise ValueError(f"{size}, more than {LIMIT / 2**30:.0f}")
    fits = available_memory() // _SHARE
    if unfolded > fits:
        raise ValueError(f"{size}; {amount(fits)} would fit into the memory that is left")
    if packed and unfolded > _DENSE and unfolded > _BOMB * packed:
        raise ValueError(
            f"it unfolds from {amount(packed)} to {amount(unfolded)}; save it uncompressed"
        )


def _said(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    if isinstance(error, zlib.error | zipfile.BadZipFile | EOFError):
        return f"damaged: {error}"
    return " ".join(str(error).split())[:300] or type(error).__name__


def _present(path: Path, what: str) -> Path:
    path = expanded(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; give a {what}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a {what}")
    return path

"""Files whole or not at all: netCDF with a checksum, tables, pictures.

Content is made in memory, written beside its place as plain bytes, and renamed into it: a killed
process, a full disk or a failing library leaves the old file as it was. A netCDF file ends in one
more line, the sha256 of all that comes before it. HDF5 ignores what follows its end, so that every
netCDF reader opens the file; ours looks at the checksum first.
"""

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ibjax import hdf5
from ibjax.environment import expanded

if TYPE_CHECKING:
    import xarray

_MARK = b"\nibjax sha256 "
_SEAL = len(_MARK) + 64 + 1
_PART = re.compile(r"\..+\.ibjax-[0-9a-f]{16}\.part")


def write(dataset: "xarray.Dataset | xarray.DataTree", path: Path) -> None:
    """Write a data set, or a tree of them, as netCDF with its checksum, whole or not at all.

    The folder is made if need be; a file that is there is replaced.

    Raises:
        OSError: if the place cannot be written; what was there is as it was.
        ValueError: for what netCDF cannot hold.
    """
    path = expanded(path)
    content = _encoded(dataset, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, content + _seal(content))


def _encoded(dataset: "xarray.Dataset | xarray.DataTree", path: Path) -> bytes:
    """The bytes of a netCDF file."""
    import pandas
    import xarray

    tree = dataset if isinstance(dataset, xarray.DataTree) else xarray.DataTree(dataset)
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    for group in groups.values():
        for name, index in group.indexes.items():
            if isinstance(index, pandas.MultiIndex):
                raise ValueError(
                    f"{path}: {name} stands for {' and '.join(map(str, index.names))} together, "
                    f"which netCDF cannot hold; unstack or reset_index({str(name)!r}) first"
                )
    bare = {name: group.drop_encoding() for name, group in groups.items()}
    try:
        if isinstance(dataset, xarray.DataTree):
            encoding = {name: _compressed(group) for name, group in bare.items()}
            made: Any = xarray.DataTree.from_dict(bare)
            return bytes(made.to_netcdf(engine="h5netcdf", encoding=encoding))
        made = bare["/"]
        return bytes(made.to_netcdf(engine="h5netcdf", encoding=_compressed(made)))
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ValueError(f"{path}: netCDF cannot hold this data set ({first})") from error


def _compressed(dataset: "xarray.Dataset") -> dict[Any, Any]:
    return {k: {"zlib": True, "complevel": 3} for k, v in dataset.items() if v.size > 1000}


def read(path: Path) -> "xarray.Dataset":
    """A data set that `write` wrote, all of it in memory; the root of a tree.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read.
        ValueError: if it is no netCDF file, is damaged, or carries no checksum.
    """
    return read_groups(path)["/"]


def read_groups(path: Path, *, foreign: bool = False) -> "dict[str, xarray.Dataset]":
    """The groups of a tree that `write` wrote by their paths, all in memory.

    Args:
        path: the file.
        foreign: take a whole file of another program too, which carries no checksum.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read.
        ValueError: if it is no netCDF file, is damaged, or carries no checksum.
    """
    path = expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    stored = path.read_bytes()
    content, seal = stored[:-_SEAL], stored[-_SEAL:]
    if not stored.startswith(b"\x89HDF\r\n\x1a\n"):
        raise ValueError(f"{path}: not a whole netCDF file; run again")
    if foreign and _end(stored) == len(stored):
        content = stored
    elif not seal.startswith(_MARK):
        raise ValueError(
            f"{path}: not a whole netCDF file of ibjax, it carries no checksum: cut short, changed "
            "by another program or written by an older version; run again"
        )
    elif seal != _seal(content):
        raise ValueError(
            f"{path}: damaged, not a whole netCDF file (its checksum does not fit); run again"
        )
    try:
        return hdf5.groups(content)
    except Exception as error:  # what another version of HDF5 wrote fails in many ways
        raise ValueError(f"{path}: cannot be read as netCDF ({error}); run again") from error


def _end(stored: bytes) -> int:
    """Where an HDF5 file says that it ends; ours go on with their checksum."""
    version = stored[8] if len(stored) > 64 else 255
    at = {0: 40, 1: 44, 2: 28, 3: 28}.get(version, len(stored))
    return int.from_bytes(stored[at : at + 8], "little")


def put(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """A file that is there whole or not at all: written beside its place, renamed into it.

    A link is followed: what it points to is replaced. What killed processes left half-written in
    the folder is removed; each part is locked by the process that writes it, so that the parts of
    the living stay.

    Args:
        path: the file; one that is there already is replaced.
        content: the bytes, or what writes them to a stream.

    Raises:
        OSError: if the place cannot be written; nothing half-written is left there.
    """
    path = Path(os.path.realpath(expanded(path)))
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; give the name of a file")
    try:
        remove_parts(path.parent)
        with _part(path) as (part, stream):
            if isinstance(content, bytes):
                stream.write(content)
            else:
                content(stream)
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(part, path)
    except OSError as error:
        if error.strerror is None:
            raise
        kept = "; what was there before is as it was" if path.exists() else ""
        raise type(error)(f"{path}: cannot be written ({error.strerror}){kept}") from error


def remove_parts(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; nothing of anybody else's."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _PART.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError), open(entry.path, "rb") as stream:
                    if _locked(stream):
                        os.unlink(entry.path)


def check_writable(folder: Path, option: str = "--out") -> None:
    """Find out before any work whether a folder can be written to; it is made if need be.

    Raises:
        OSError: if not; names the option to change.
    """
    import tempfile

    folder = expanded(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{folder}: cannot be written ({error.strerror}); choose another place with {option}"
        ) from error
    remove_parts(folder)


def check_place(path: Path, option: str = "--out") -> None:
    """Find out before any work whether a file can be put in its place.

    Raises:
        OSError: if not; names the option to change.
    """
    path = Path(os.path.realpath(expanded(path)))
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; give the name of a file with {option}")
    check_writable(path.parent, option)
    with contextlib.suppress(OSError):
        if len(os.fsencode(path.name)) + 32 > os.pathconf(path.parent, "PC_NAME_MAX"):
            raise ValueError(f"{path}: the name is too long; choose a shorter one with {option}")


def check_apart(path: Path, source: Path, option: str) -> None:
    """Refuse to write over the file that is read.

    Raises:
        ValueError: if both are one file; names the option to change.
    """
    if os.path.realpath(expanded(path)) == os.path.realpath(expanded(source)):
        raise ValueError(f"{path}: would replace the file that is read; give another {option}")


@contextlib.contextmanager
def shown_from(name: str, remedy: str) -> Iterator[None]:
    """Say that a file cannot be shown where what it lacks, or holds instead, stops its view.

    Args:
        name: what the file is of.
        remedy: how to get a whole one.

    Raises:
        ValueError: in place of the error that was met.
    """
    try:
        yield
    except (KeyError, AttributeError) as error:
        raise ValueError(f"a file of {name} that lacks {error}; {remedy}") from error
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"a file of {name} that cannot be shown ({error}); {remedy}") from error


def save_figure(figure: Any, path: Path) -> Path:
    """Write a picture in the format of its ending, whole or not at all; the folder is made.

    Raises:
        OSError: if the place cannot be written.
        ValueError: an ending that names no format.
    """
    path = expanded(path)
    stream = io.BytesIO()
    figure.savefig(stream, dpi=150, format=path.suffix.removeprefix(".").lower() or "png")
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, stream.getvalue())
    return path


def digest(*arrays: Any) -> str:
    """Hash of arrays: shapes, types and values."""
    found = hashlib.sha256()
    for array in map(np.asarray, arrays):
        found.update(f"{array.dtype.str} {array.shape};".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]


def _seal(content: bytes) -> bytes:
    return _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"


@contextlib.contextmanager
def _part(path: Path) -> "Iterator[tuple[Path, BinaryIO]]":
    """A locked empty file beside a place, gone at the end unless it was renamed."""
    while True:
        part = path.with_name(f".{path.name}.ibjax-{secrets.token_hex(8)}.part")
        stream = open(part, "xb")
        # between the two lines somebody may have taken it for a dead one's
        if _locked(stream) and part.exists():
            break
        stream.close()
        part.unlink(missing_ok=True)
    with stream:
        try:
            yield part, stream
        finally:
            part.unlink(missing_ok=True)


def _locked(stream: BinaryIO) -> bool:
    """Whether nobody else holds this file; it is ours until it is closed.

    Locks end with their process, however it ends. Where files cannot be locked all are taken for
    our own when we write, which is harmless, and for the living's when we clean up.
    """
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except (ImportError, OSError) as error:
        busy = isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.EACCES)
        return not busy and stream.writable()

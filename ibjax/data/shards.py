"""The files of a prepared data set, looked at before and after reading."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def check(name: str, paths: Sequence[Path], promised: Sequence[int]) -> None:
    """Refuse shards that are missing, cannot be opened or hold other counts than promised.

    Args:
        name: the data set, for error messages.
        paths: ArrayRecord files of one split.
        promised: records of each, as its information says.

    Raises:
        ValueError: names the file.
    """
    if len(paths) != len(promised):
        raise ValueError(
            f"name={name!r}: {len(paths)} files are named and {len(promised)} counted in "
            f"{paths[0].parent if paths else name}; prepare it again"
        )
    for path, count in zip(paths, promised):
        if not path.is_file():
            raise ValueError(f"name={name!r}: {path} is missing; copy it or prepare it again")
        try:
            found = _reader(path).num_records()
        except ImportError:
            raise
        except Exception as error:
            raise _damaged(name, path, error) from error
        if found != count:
            raise ValueError(
                f"name={name!r}: {path} holds {found} records and dataset_info.json promises "
                f"{count}; copy it or prepare it again"
            )


def blame(name: str, paths: Sequence[Path], folder: Path, error: Exception) -> ValueError:
    """The error to raise where the records of `paths` could not be used: names the file at fault.

    Args:
        name: the data set.
        paths: ArrayRecord files of one split.
        folder: where they lie.
        error: what went wrong.
    """
    for path in paths:
        try:
            reader = _reader(path)
            if len(reader.read_all()) != reader.num_records():
                raise ValueError("fewer records than it lists")
        except Exception as fault:  # whatever the reader of a damaged file does
            return _damaged(name, path, fault)
    if isinstance(error, ValueError) and str(error).startswith("name="):
        return error
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return ValueError(
        f"name={name!r}: records in {folder} cannot be decoded ({said}); prepare it again"
    )


def count(paths: Sequence[Path]) -> int:
    """Records that are in the files; the length that TFDS reports is what was promised."""
    return sum(_reader(path).num_records() for path in paths)


def _damaged(name: str, path: Path, error: Exception) -> ValueError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return ValueError(f"name={name!r}: {path} is damaged ({said}); copy it or prepare it again")


def _reader(path: Path) -> Any:
    from array_record.python.array_record_module import ArrayRecordReader

    return ArrayRecordReader(str(path))

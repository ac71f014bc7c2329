"""What lies where results are to be: kept under another name unless the results replace it."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ibjax import experiment, files, toml
from ibjax.experiment import AXES, Experiment

_PICTURES = (".png", ".pdf", ".svg")

BESIDE = (*_PICTURES, ".toml")
"""Endings of what lies beside a results file."""


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time put its results in a place: others wait, then find them there.

    The lock is that of a folder and ends with its process; where folders cannot be locked none is.

    Args:
        folder: of the finished cells; it is there.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            held = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, held)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def keep_aside(path: Path, new: Mapping[str, Any], log: Callable[[str], None]) -> None:
    """Rename what is in the place of new results and is not replaced by them.

    A results file of other cells is kept under a name with a number, its pictures and settings with
    it. Settings that are neither those of that file nor those of the new one, and a picture with no
    results file beside it, are somebody's own and kept likewise.

    Args:
        path: of the new results; nothing is there or it is a file.
        new: attributes of the new results.
        log: told what was renamed.
    """
    old = _attributes(path) if path.exists() else None
    inside = old is not None and _within(old, new)
    settings, picture = path.with_suffix(".toml"), path.with_suffix(".png")
    theirs = old is not None and _states(settings, old)
    aside = _free(path)
    if old is not None and not inside:
        os.replace(path, aside)
        for beside in (path.with_suffix(suffix) for suffix in BESIDE):
            if beside.is_file() and (theirs or beside != settings):
                os.replace(beside, aside.with_suffix(beside.suffix))
        log(f"{path}: held other settings, kept as {aside}")
    if settings.is_file() and not theirs and not _states(settings, new):
        _rename(settings, log, f"states other settings than those of {path.name}")
    if old is None and picture.is_file():
        _rename(picture, log, "is of no results file here")


def _rename(place: Path, log: Callable[[str], None], why: str) -> None:
    aside = _free(place)
    os.replace(place, aside)
    log(f"{place}: {why}, kept as {aside}")


def _free(path: Path) -> Path:
    """The first name with a number under which no file of results, settings or picture lies."""
    number = 1
    while True:
        aside = path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not any(aside.with_suffix(s).exists() for s in (path.suffix, ".nc", *BESIDE)):
            return aside
        number += 1


def _attributes(path: Path) -> dict[str, Any]:
    """Attributes of a results file; none of what is no such file."""
    try:
        return dict(files.read(path).attrs)
    except (ValueError, OSError):
        return {}  # whatever it is, it is not ours to lose


def _within(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the new results hold every cell of the old ones."""
    return "cells" in old and set(str(old["cells"]).split()) <= set(str(new["cells"]).split())


def _states(settings: Path, attributes: Mapping[str, Any]) -> bool:
    """Whether a file states the settings that results were made with, as far as it can."""
    try:
        given = toml.read(settings)
        stated = json.loads(json.dumps(experiment.settings(Experiment(**given))))
        made = json.loads(attributes["config"])
    except (KeyError, TypeError, ValueError, OSError):
        return False
    # An object has no text, and settings of the built-in network stay beside another one.
    silent = {"dataset", "network", "classes"} - set(given)
    if made.get("network") is not None:
        silent |= {axis.setting for axis in AXES if axis.own} | {"activation"}
    # Where the data lie is no setting, and without clipping the clip is recorded as none.
    silent |= {"data_dir", "download", *(["clip"] if made.get("clip") is None else [])}
    return all(made.get(name) == value for name, value in stated.items() if name not in silent)

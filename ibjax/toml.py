"""The settings of a sweep as a TOML file, and back."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from ibjax.environment import expanded, version
from ibjax.experiment import Experiment
from ibjax.interface import Dataset
from ibjax.settings import check_types

_NAMES = tuple(field.name for field in fields(Experiment))
_OBJECT = "was given as an object: give it again"


def written(experiment: Experiment) -> str:
    """The settings as TOML: a line each; those without a value are left out.

    A data set or network that was given as an object has no text that makes it again: a remark
    stands in its place.
    """
    lines = [f"# ibjax {version('ibjax')}: repeat with `ibjax run --config THIS_FILE`"]
    for name in _NAMES:
        value = getattr(experiment, name)
        if isinstance(value, Dataset) or (name == "network" and not isinstance(value, str | None)):
            lines.append(f"# {name} {_OBJECT}")
        elif value is not None:
            lines.append(f"{name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_value(v) for v in value)}]"
    if isinstance(value, str):
        return '"' + "".join(_character(c) for c in value) + '"'
    return repr(value)


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    plain = character.isprintable() and not 0xD800 <= ord(character) < 0xE000
    return character if plain else f"\\U{ord(character):08X}"


def read(path: Path) -> dict[str, Any]:
    """The settings in a TOML file by name, those that are there.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read.
        ValueError: if it is no TOML, names what is no setting, or gives one something of a type
            that it does not have.
    """
    path = expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such configuration; `ibjax run` writes one, .toml")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file ({' '.join(str(error).split())})") from None
    unknown = sorted(set(found) - set(_NAMES))
    if unknown:
        raise ValueError(f"{path}: {unknown[0]} is no setting; there are {', '.join(_NAMES)}")
    try:
        check_types(Experiment(**found))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return found


def objects(path: Path) -> tuple[str, ...]:
    """The settings that were objects when `written` wrote a file, and that it does not state."""
    path = expanded(path)
    if not path.is_file():
        return ()
    text = path.read_text(encoding="utf-8", errors="replace")
    named = re.findall(rf"(?m)^# (\w+) {_OBJECT}$", text)
    return tuple(name for name in named if name in _NAMES and name not in read(path))

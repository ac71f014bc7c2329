"""The table of commands, and how words become one of them with its options."""

import contextlib
import io
import itertools
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from ibjax.cli import (
    account,
    bounds,
    certify,
    choose,
    cluster,
    falsify,
    limits,
    listing,
    mi,
    plane,
    reproduce,
    run,
    show,
    why,
)
from ibjax.environment import expanded
from ibjax.randomness import check_seed, pinned


class Command(NamedTuple):
    """The options of a command, and what it does with them."""

    options: type
    execute: Callable[[Any], int | None]


COMMANDS = {
    "run": Command(run.Run, run.execute),
    "show": Command(show.Show, show.execute),
    "why": Command(why.Why, why.execute),
    "choose": Command(choose.Choose, choose.execute),
    "list": Command(listing.List, listing.execute),
    "bounds": Command(bounds.Bounds, bounds.execute),
    "falsify": Command(falsify.Falsify, falsify.execute),
    "limits": Command(limits.Limits, limits.execute),
    "mi": Command(mi.Mi, mi.execute),
    "account": Command(account.Account, account.execute),
    "certify": Command(certify.Certify, certify.execute),
    "plane": Command(plane.PlaneOptions, plane.execute),
    "reproduce": Command(reproduce.Reproduce, reproduce.execute),
}


def execute(words: list[str]) -> int:
    """Run the command that the words name, with JAX at its default settings.

    Returns:
        The exit status: 0, or what a command that can fail in good order says.

    Raises:
        ValueError: words that mean nothing, options that cannot be, or several processes of a
            command that would do the same work in each.
    """
    run_it, options = parse(words)
    if not isinstance(options, run.Run):
        cluster.refuse(f"ibjax {words[0]}")
    with pinned():
        return run_it(options) or 0


def parse(words: list[str]) -> tuple[Callable[[Any], int | None], Any]:
    """What to do, with its options.

    Raises:
        ValueError: words that mean nothing, or options that cannot be.
    """
    if words[:1] == ["reproduce"]:
        options = _options(reproduce.parsers(), words[1:], "ibjax reproduce")
        return reproduce.execute, _settled(options)
    kinds = {name: c.options for name, c in COMMANDS.items()}
    default = run.defaults(words) if words[:1] == ["run"] else None
    options = _options(kinds, words, "ibjax", default)
    return {c.options: c.execute for c in COMMANDS.values()}[type(options)], _settled(options)


def _settled(options: Any) -> Any:
    """Options with ``~`` in their paths replaced, and their seed and numbers checked."""
    changed = {}
    for field in fields(options):
        value: Any = getattr(options, field.name)
        _check_numbers(field.name, value)
        if isinstance(value, Path) or (field.name == "data_dir" and isinstance(value, str)):
            changed[field.name] = _path(field.name, value)
        if field.name == "seed":
            seeds: Any = value if isinstance(value, tuple) else (value,)
            for seed in seeds:
                check_seed(seed)
        if isinstance(value, tuple) and any(isinstance(v, Path) for v in value):
            changed[field.name] = tuple(_path(field.name, v) for v in value)
    return replace(options, **changed)


def _check_numbers(name: str, value: Any) -> None:
    """Refuse NaN, which is the value of nothing that a person can ask for.

    Raises:
        ValueError: naming the option.
    """
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, float) and one != one:
            option = name.replace("_", "-")
            raise ValueError(f"{name}=nan is no number; give one, or leave --{option} out")


def _path(name: str, value: Any) -> Any:
    if "\0" in str(value):
        raise ValueError(f"{name}={str(value)!r} is no path")
    return type(value)(expanded(value))


def _options(choices: dict[str, Any], words: list[str], prog: str, default: Any = None) -> Any:
    """The options of the chosen command; a mistake among them is a `ValueError` of one line.

    `default` is what they are where words do not say otherwise.
    """
    import tyro

    if words and not words[0].startswith("-"):
        if words[0] not in choices:
            raise ValueError(f"{words[0]!r} is not in {prog}; choose among {', '.join(choices)}")
        help_of = f"{prog} {words[0]}"
    else:
        help_of = prog
    _once(words, help_of)
    said = io.StringIO()
    about = (
        "How well will this network generalize, and which bound says so? "
        "--version says which ibjax this is; with --debug an error shows its traceback."
    )
    try:
        with contextlib.redirect_stderr(said):
            if default is not None:
                return tyro.cli(type(default), default=default, args=words[1:], prog=help_of)
            return tyro.extras.subcommand_cli_from_dict(
                choices, args=words, prog=prog, description=about
            )
    except SystemExit as stopped:
        if stopped.code in (0, None):
            raise
        text = _message(said.getvalue()) + _left_over(words, said.getvalue())
        raise ValueError(f"{text}; see {help_of} --help") from None


def _once(words: list[str], help_of: str) -> None:
    """Refuse an option that is given twice: of two values one would be dropped.

    Raises:
        ValueError: naming it.
    """
    given: set[str] = set()
    for word in words:
        if not word.startswith("--") or len(word) < 3:
            continue
        name = word[2:].partition("=")[0].replace("_", "-").removeprefix("no-")
        if name in given:
            raise ValueError(
                f"--{name} is given twice; keep one of them, with all values after it where it "
                f"takes several; see {help_of} --help"
            )
        given.add(name)


def _left_over(words: list[str], said: str) -> str:
    """Which option a value too many follows, where one was not understood."""
    if "Unrecognized" not in said:
        return ""
    option = ""
    for i, word in enumerate(words):
        if word.startswith("--"):
            option = word.split("=", 1)[0]
        elif option and (not words[i - 1].startswith("--") or "=" in words[i - 1]):
            if word not in said.split():
                continue
            return f" ({word!r} is one value too many for {option})"
    return ""


def _message(framed: str) -> str:
    """The text between the title and the next rule of a framed report, on one line."""
    lines = [line.strip("╭╮╰╯─│+| ") for line in framed.splitlines()]
    lines = ["" if set(line) <= {"-"} else line for line in lines]
    texts = itertools.dropwhile(lambda line: not line, lines[1:])
    return " ".join(itertools.takewhile(bool, texts)) or "unknown option"

"""The command line: one file a command, each a frozen dataclass of options and `execute`."""

import contextlib
import io
import itertools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from ibjax.cli import (
    account,
    bounds,
    certify,
    falsify,
    limits,
    listing,
    mi,
    plane,
    reproduce,
    run,
    show,
)


class Command(NamedTuple):
    """The options of a command, and what it does with them."""

    options: type
    execute: Callable[[Any], int | None]


COMMANDS = {
    "run": Command(run.Run, run.execute),
    "show": Command(show.Show, show.execute),
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


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 only on success, 1 where a command says so.

    A mistake of the user's ends in one line on standard error that says what to change, and
    status 2; an interruption in status 130.
    """
    try:
        execute, options = _parse(sys.argv[1:] if argv is None else argv)
        return execute(options) or 0
    except (ValueError, OSError, ImportError) as error:
        print(f"ibjax: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ibjax: interrupted; finished cells are kept, run again to go on", file=sys.stderr)
        return 130


def _parse(words: list[str]) -> tuple[Callable[[Any], int | None], Any]:
    """What to do, with its options."""
    if words[:1] == ["reproduce"]:
        return reproduce.execute, _options(reproduce.parsers(), words[1:], "ibjax reproduce")
    options = _options({name: c.options for name, c in COMMANDS.items()}, words, "ibjax")
    return {c.options: c.execute for c in COMMANDS.values()}[type(options)], options


def _options(choices: dict[str, Any], words: list[str], prog: str) -> Any:
    """The options of the chosen command; a mistake among them is a `ValueError` of one line."""
    import tyro

    if words and not words[0].startswith("-"):
        if words[0] not in choices:
            raise ValueError(f"{words[0]!r} is not in {prog}; choose among {', '.join(choices)}")
        help_of = f"{prog} {words[0]}"
    else:
        help_of = prog
    said = io.StringIO()
    about = "How well will this network generalize, and which bound says so?"
    try:
        with contextlib.redirect_stderr(said):
            return tyro.extras.subcommand_cli_from_dict(
                choices, args=words, prog=prog, description=about
            )
    except SystemExit as stopped:
        if stopped.code in (0, None):
            raise
        raise ValueError(f"{_message(said.getvalue())}; see {help_of} --help") from None


def _message(framed: str) -> str:
    """The text between the title and the next rule of a framed report, on one line."""
    lines = [line.strip("╭╮╰╯─│+-| ") for line in framed.splitlines()]
    texts = itertools.dropwhile(lambda line: not line, lines[1:])
    return " ".join(itertools.takewhile(bool, texts)) or "unknown option"

"""The command line: one file a command, each a frozen dataclass of options and `execute`.

Nothing is imported before `main` listens for an interruption.
"""

import atexit
import gc
import io
import sys
import warnings
from typing import NoReturn

__all__ = ["main", "process"]


def process() -> NoReturn:
    """The command ``ibjax``: `main` of the process's arguments, and the end of the process.

    Its memory is left to the system: to free programs and modules one by one takes Python most of
    a second.
    """
    # Imports and traces make many objects that stay: they are looked through for cycles seldom.
    gc.set_threshold(100_000, 20, 20)
    ended: list[int] = []
    # Called last, since first: threads are joined, all else is put away.
    atexit.register(lambda: _leave(*ended) if ended else None)
    ended.append(main())
    sys.exit(ended[0])


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 only on success, 1 where a command says so.

    A mistake of the user's ends in one line on standard error that says what to change, and
    status 2; an interruption in status 130, at once where `argv` is that of the process, whatever
    XLA is compiling in other threads; anything unforeseen in one line that says where to
    report it, and status 1. With ``--debug`` the traceback comes before that line, and warnings
    of the libraries are shown.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in given
    words = [word for word in given if word != "--debug"]
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a name may be no text
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            if words == ["--version"]:
                from ibjax.environment import version

                print(f"ibjax {version('ibjax')}")
                return 0
            from ibjax.cli import commands

            status = commands.execute(words)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        kept = words[:1] in (["run"], ["reproduce"])
        _say("interrupted" + ("; finished cells are kept, run again to go on" if kept else ""))
        if argv is None:
            _leave(130)
        return 130
    except BrokenPipeError:
        _close_output()
        return 141
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        return _explained(error)


_NO_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory")
"""What XLA says where memory ends: of a program it knows the size of, and of one that it runs."""


def _explained(error: Exception) -> int:
    """One line about what went wrong; the exit status."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or any(word in text for word in _NO_MEMORY):
        _say(f"error: not enough memory for what was asked; ask for less ({text[:200]})")
        return 2
    if "Gloo" in text or "coordination service" in text:
        _say(f"error: lost another process of the run; run it again to go on ({text[:200]})")
        return 2
    if isinstance(error, ValueError | OSError | ImportError):
        _say(f"error: {text}")
        return 2
    _say(
        f"unexpected {type(error).__name__}: {text[:300]}; this is a fault of ibjax, please report "
        f"it to {_developers()} with the output of the same command and --debug"
    )
    return 1


def _developers() -> str:
    """Where the metadata of the installed package say that faults are reported."""
    import importlib.metadata

    try:
        urls = importlib.metadata.metadata("ibjax").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        urls = []
    places = dict(url.split(", ", 1) for url in urls if ", " in url)
    return next(
        (places[k] for k in ("Issues", "Repository", "Homepage") if k in places), "its developers"
    )


def _say(text: str) -> None:
    print(f"ibjax: {text}", file=sys.stderr)


def _leave(status: int) -> None:
    """End the process at once: no thread is waited for, and no memory freed."""
    import contextlib
    import os

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _close_output() -> None:
    """Keep Python from complaining at its end that nobody reads."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

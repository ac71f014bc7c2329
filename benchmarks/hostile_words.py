"""Command lines of `hostile.py`, and how one ends."""

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from unittest import mock

import numpy as np

Found = Iterator[tuple[str, str]]

PATIENCE, BEGUN = 60, "the work begins"


def said(words: list[str]) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command in this process."""
    from ibjax import cli

    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        try:
            status = cli.main(words)
        except SystemExit as stopped:  # --help
            status = int(stopped.code or 0)
    return status, out.getvalue(), err.getvalue()


def refused(words: list[str], may_pass: bool = False) -> str:
    """How a command that cannot work ends; status 0 is fine only if it may pass."""
    start = time.monotonic()
    try:
        status, _, err = said(words)
    except BaseException:
        return "traceback"
    if time.monotonic() - start > PATIENCE:
        return "hang"
    if "Traceback" in err or "fault of ibjax" in err:
        return "traceback"
    if status == 0 or BEGUN in err:
        return "fine" if may_pass else "silent"
    last = err.strip().splitlines()[-1:] or [""]
    return "fine" if status == 2 and last[0].startswith("ibjax: error: ") else "silent"


BAD = {
    "run": {
        "train-size": ("1", "0", "-5", "1e3", "x", "9" * 30, "1000000"),
        "width": ("0", "-1", "100000000", "1.5"),
        "supersamples": ("0", "-3", "9223372036854775807", "1e400"),
        "masks": ("1", "0", "-2", "1" + "0" * 21, "two"),
        "steps": ("0", "-1", "2147483648", "9" * 25),
        "checkpoints": ("0", "-1", "a"),
        "depths": ("0", "-1", "100000", "9" * 20, ""),
        "batch-size": ("0", "-1", "201", "4.0"),
        "learning-rate": ("0", "-0.1", "nan", "inf", "1,5"),
        "inverse-temperature": ("0", "-1", "nan"),
        "layer-noise": ("-0.1", "nan", "inf", "1e39"),
        "clip": ("0", "-1", "nan"),
        "activation": ("no_such", "", "TANH9", "1"),
        "dataset": ("no_such_set", "", "../x", "a\x00b"),
        "seed": ("4294967296", "-1", "1.5", "x", "9" * 40),
        "classes": ("99", "4", "x"),
        "batching": ("odd", "1"),
        "out": ("/proc/x/y.nc", "a\x00b", "/dev/null/x.nc"),
    },
    "show": {"checkpoint": ("9", "x"), "format": ("pdf", ""), "picture": ("x.gif",)},
    "mi": {"check": ("no_such", ""), "seed": ("-1", "4294967296", "x")},
    "account": {
        "steps": ("0", "-1", "x"),
        "n": ("0", "-1"),
        "learning-rate": ("0", "-1", "nan", "inf"),
        "clip": ("-1", "nan"),
        "batching": ("odd",),
        "delta": ("0", "2", "nan"),
        "depth": ("-1",),
        "layer-noise": ("-1", "nan"),
        "table": ("x.txt", "/no/such/x.csv"),
    },
    "bounds": {"examples": ("-1", "x", "9" * 12), "picture": ("x.gif",), "clip": ("nan", "0")},
    "limits": {"points": ("0", "-1", "2147483647", "x"), "depth": ("0", "-1", "100000")},
    "plane": {
        "width": ("0", "-1", "nan", "inf"),
        "labels": ("no", ""),
        "out": ("x.gif", "/dev/null/b.png"),
    },
    "certify": {"steps": ("-1", "x"), "width": ("0", "-3"), "dataset": ("no_such_set",)},
    "falsify": {"models": ("0", "no_such"), "seed": ("-1", "4294967296")},
}
"""Values that each option refuses, or should: each is one command line."""


class Reached(ValueError):
    """The work would have begun."""


@contextlib.contextmanager
def idle(folder: Path):
    """Commands that stop where their work would begin, in an empty folder."""
    from ibjax import pipeline
    from ibjax.cli import limits
    from ibjax.reproduce import reproductions

    def stop(*_, **__):
        raise Reached(BEGUN)

    rows = {name: replace(row, run=stop) for name, row in reproductions().items()}
    with (
        mock.patch.object(pipeline, "train_cell", stop),
        mock.patch.object(limits, "solve", stop),
        mock.patch("ibjax.reproduce.reproductions", lambda: rows),
        contextlib.chdir(folder),
    ):
        yield


def command_lines(folder: Path, wrong: int = 107, free: int = 145) -> Found:
    """Options out of range (status 2 and one line), then words at random (or the work begins)."""
    from ibjax.cli import commands

    np.savez(folder / "x.npz", mask=np.zeros((2, 4, 3)), losses=np.zeros((2, 4, 3, 2)))
    np.save(folder / "x.npy", np.zeros((9, 1)))
    np.savez(folder / "layers.npz", first=np.zeros((9, 2)), labels=np.arange(9) % 2)
    needs = {"show": ["x.nc"], "bounds": ["x.npz"], "mi": ["x.npy", "x.npy"]}
    needs["plane"] = ["layers.npz", "--method", "width"]
    lines = [
        [command, *needs.get(command, []), f"--{option}", value]
        for command, options in BAD.items()
        for option, values in options.items()
        for value in values
    ]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(lines))[:wrong]
    values = ["", "-1", "0", "2", "nan", "-inf", "1e400", "9" * 30, "0x10", "²", "None", "[1]"]
    values += ["~", "/", "..", "-", "a\0b", "\ud800", "é\n", "[red]", "*", "--", "x" * 300]
    values += ["digits", "/dev/null", "x.npz", "x.npy", "--debug=", "--no", "@x"]
    with idle(folder):
        for place in sorted(order):
            yield repr(lines[place]), refused(lines[place])
        known = [name for name in commands.COMMANDS if name not in ("list", "falsify", "certify")]
        for _ in range(free):
            words = [str(rng.choice(known))]
            names = [f.name.replace("_", "-") for f in fields(commands.COMMANDS[words[0]].options)]
            names = [name for name in names if name != "distributed"]
            if words == ["reproduce"]:
                words += [str(rng.choice(["fcmi-mnist", "sign-learner", "nothing", ""]))]
            for _ in range(rng.integers(1, 4)):
                words += [f"--{rng.choice(names)}", str(values[rng.integers(len(values))])]
            yield repr(words), refused(words, may_pass=True)

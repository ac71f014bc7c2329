"""Kills and environments of `hostile.py`: commands in copies of this process."""

import math
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from hostile_words import PATIENCE, Found

SWEEP = "--depths 1 2 3 --width 4 --train-size 10 --supersamples 2 --masks 4 --steps 6"
OPTIONS = [*SWEEP.split(), "--checkpoints", "2"]


class Child:
    """A command in a copy of this process, which must not have begun to compute.

    Libraries are loaded by then; JAX's settings are given as they are by its variables of the
    environment, which it reads when it is loaded. More than 60 s of CPU time end it.
    """

    def __init__(self, words: list[str], said: Path, prepare: Callable[[], object] = lambda: None):
        self.said = said
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        try:
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
            prepare()
            from ibjax import cli

            os._exit(cli.main(words))
        except BaseException:
            traceback.print_exc()
            os._exit(99)

    def wait(self, timeout: float = math.inf) -> bool:
        """Whether it has ended after so many seconds."""
        end = time.monotonic() + timeout
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= end:
                break
            else:
                time.sleep(0.01)
        return self.status is not None

    def kill(self) -> None:
        """Kill it now."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def way(self, killed: bool = False) -> str:
        """How it ended."""
        text = self.said.read_text(errors="replace")
        if "Traceback" in text or "fault of ibjax" in text:
            return "traceback"
        if self.status == -signal.SIGXCPU or (self.status == -signal.SIGKILL and not killed):
            return "hang"
        if self.status is not None and self.status < 0 and not killed:
            return "crash"
        return "fine" if killed or self.status == 0 or "ibjax: error: " in text else "silent"


def load() -> None:
    """Load the libraries that commands use, without computing anything."""
    import h5netcdf  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import xarray  # noqa: F401

    from ibjax import report, sweep  # noqa: F401
    from ibjax.cli import commands

    commands.parse(["list"])
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)


def kills(folder: Path, count: int = 34) -> Found:
    """Kill a sweep at random moments: whole cells stay, nothing half-written, the end is right."""
    from ibjax import results

    load()
    path, text = folder / "r.nc", folder / "said"
    for _ in range(2):  # compiled, then warm
        start = time.monotonic()
        child = Child(["run", *OPTIONS, "--out", str(folder / "whole.nc")], text)
        child.wait()
        assert child.status == 0, text.read_text()
        for file in (folder / "whole.cells").iterdir():
            file.unlink()
    usual = time.monotonic() - start
    expected = results.read(folder / "whole.nc")
    rng, whole = np.random.default_rng(0), {}
    for trial in range(count):
        if trial % 6 == 0:  # the sweep begins anew
            whole = {}
            for file in (path, *path.with_suffix(".cells").glob("*")):
                file.unlink(missing_ok=True)
        child = Child(["run", *OPTIONS, "--out", str(path)], text)
        killed = not child.wait(rng.uniform(0, 0.7 * usual))
        if killed:
            child.kill()
        way = child.way(killed)
        cells = {f: f.read_bytes() for f in path.with_suffix(".cells").glob("*.nc")}
        if any(cells.get(f) != content for f, content in whole.items()):
            way = "silent"
        for file in (*cells, *([path] if path.exists() else [])):
            try:
                results.read(file)
            except (ValueError, OSError):
                way = "silent"
        whole = cells
        yield f"kill {trial}, {len(cells)} cells whole", way
    child = Child(["run", *OPTIONS, "--out", str(path)], text)
    child.wait()
    same = child.status == 0 and np.array_equal(results.read(path)["gap"], expected["gap"])
    left = list(folder.rglob("*.part"))
    yield "the end of the sweep", "fine" if same and not left else "silent"


GRID = "--depths 1 --width 4 --supersamples 2 --masks 4 --steps 6 --checkpoints 2"
AXES = "--train-size 10 --learning-rate 0.05 0.1 --inverse-temperature 80 160 320 640"
CELLS = 8


def two_axes(folder: Path, count: int = 50) -> Found:
    """Kill a sweep of two axes all through its life, half of the times while a cell is stored.

    Every second sweep trains its cells as replicas of one program. A stored cell must stay the
    file that it is, by its place on the disk as by its bytes: one that is trained again would be
    another. The end must be the undisturbed file to the bit.
    """
    from ibjax import results, sweep

    load()
    words, said = ["run", *GRID.split(), *AXES.split(), "--out"], folder / "said"
    rng, usual, sweeps, killed = np.random.default_rng(0), {}, 0, 0
    mapped = {False: lambda: None, True: partial(sweep.run.__kwdefaults__.update, mapped=True)}
    path = folder / "whole.nc"
    for at_once in (False, True, False):  # the last one warm
        start = time.monotonic()
        shutil.rmtree(path.with_suffix(".cells"), ignore_errors=True)
        child = Child([*words, str(path)], said, mapped[at_once])
        child.wait()
        assert child.status == 0, said.read_text()
        usual[at_once] = time.monotonic() - start
    expected = path.read_bytes()

    def parts(path: Path) -> set[Path]:
        return {*path.parent.glob(".*.part"), *path.with_suffix(".cells").glob(".*.part")}

    def stored(path: Path) -> dict[Path, tuple[int, int, bytes]]:
        files = path.with_suffix(".cells").glob("*.nc")
        return {f: (f.stat().st_ino, f.stat().st_mtime_ns, f.read_bytes()) for f in files}

    def storing(path: Path, before: set[Path], cells: int) -> bool:
        there = len([*path.with_suffix(".cells").glob("*.nc"), *path.parent.glob("r.nc")])
        return there >= cells and bool(parts(path) - before)

    while killed < count:
        at_once, place = sweeps % 2 == 1, folder / f"sweep{sweeps}"
        place.mkdir()
        path, whole, ended = place / "r.nc", {}, False
        while killed < count and not ended:
            child = Child([*words, str(path)], said, mapped[at_once])
            left = 1 - 0.8 * len(whole) / CELLS
            if killed % 2:  # while the next file is written, or the one after the next
                cells, before = len(whole) + int(rng.integers(2)), parts(path)
                while not (child.wait(0.0) or storing(path, before, cells)):
                    time.sleep(0.0003)
            else:
                child.wait(rng.uniform(0.0, usual[at_once] * left))
            ended = child.wait(0.0)
            if not ended:
                child.kill()
            way, found = child.way(not ended), stored(path)
            if any(found.get(f) != content for f, content in whole.items()):
                way = "silent"
            for file in (*found, *path.parent.glob("r.nc")):
                try:
                    results.read(file)
                except (ValueError, OSError):
                    way = "silent"
            cells = len(found)
            moment = (
                "after its end" if ended
                else "while a file is written" if parts(path)
                else "before the first cell" if not cells
                else "between cells" if cells < CELLS
                else "after the last cell"
            )  # fmt: skip
            whole = found
            if not ended:
                killed += 1
                yield f"{moment}: kill {killed} in sweep {sweeps}, {cells} cells whole", way
        child = Child([*words, str(path)], said, mapped[at_once])
        child.wait()
        found = stored(path)
        kept = all(found.get(f) == content for f, content in whole.items())
        right = child.status == 0 and path.read_bytes() == expected and not parts(path)
        yield f"the end: sweep {sweeps}", "fine" if right and kept else "silent"
        sweeps += 1


SETTINGS: dict[str, object] = {
    "jax_enable_x64": True,
    "jax_threefry_partitionable": False,
    "jax_default_prng_impl": "rbg",
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_default_matmul_precision": "bfloat16",
    "jax_debug_nans": True,
    "jax_legacy_prng_key": "error",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "COLUMNS": "1",
    "TERM": "dumb",
}
"""Settings of JAX and variables, one a process; the last process has a user without a name."""


def environments(folder: Path) -> Found:
    """The same small sweep under settings and variables: the same numbers."""
    from ibjax import results

    load()
    found: dict = {}

    def run(name: str, prepare: Callable[[], object]) -> str:
        path = Path(tempfile.mkdtemp(dir=folder)) / "r.nc"
        path.parent.chmod(0o777)
        child = Child(["run", *OPTIONS, "--out", str(path)], path.parent / "said", prepare)
        child.wait()
        way = child.way()
        if way != "fine" or child.status:
            return way
        found[name] = results.read(path)
        same = all(
            np.array_equal(found[name][k], found[""][k], equal_nan=True)
            for k in ("mask", "index", "gap", "train_error", "bound_value")
        )
        return "fine" if same else "silent"

    def change(name: str, value: object) -> None:
        if name.startswith("jax_"):
            import jax

            jax.config.update(name, value)
        else:
            os.environ[name] = str(value)

    def nobody() -> None:
        os.environ.pop("HOME", None)
        os.setgid(54321)
        os.setuid(54321)

    folder.chmod(0o777)
    assert run("", lambda: None) == "fine"
    for name, value in SETTINGS.items():
        yield f"{name}={value}", run(name, partial(change, name, value))
    if os.getuid() == 0:
        yield "a user without a name", run("user", nobody)

"""Where the time of `ibjax run` goes, part by part, before and after, cold and warm, in one run.

    python benchmarks/main_job.py [--before REVISION] [--out FILE] [--options ...]

The main job runs in a process of its own, from this checkout and from a work tree of the revision
before it, in turns: first with an empty cache of compiled programs (cold), then with the one it
left (warm). Every part is given in wall seconds and in CPU seconds, which hardly notice what else
the machine does; the ratios are of CPU seconds. Parts: imports; data; compilation of the engine's
programs; training (which holds the account); evaluation; gap, bounds, nulls and floor, as far as
they are waited for (those of a cell are worked out while the next one trains); files; the
table and the picture; the rest, tracing and lowering of the engine's programs above all, is other.
What runs within a part of another name counts there, so that the parts add up to the whole; what
runs in threads beside it counts with the part that the main one is in. Where programs are traced
while others compile, both are compilation. `xla`
counts the programs handed to XLA in all, and those of them that were found in the cache.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from revisions import checkout, environment


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Clock:
    """Wall and CPU seconds by part; a part within a part counts as its own alone."""

    def __init__(self) -> None:
        self.wall, self.cpu = defaultdict(float), defaultdict(float)
        self.open = ["other"]
        self.last = time.perf_counter(), cpu()

    def _book(self) -> None:
        now = time.perf_counter(), cpu()
        self.wall[self.open[-1]] += now[0] - self.last[0]
        self.cpu[self.open[-1]] += now[1] - self.last[1]
        self.last = now

    @contextlib.contextmanager
    def part(self, name: str) -> Any:
        self._book()
        self.open.append(name)
        try:
            yield
        finally:
            self._book()
            self.open.pop()

    def watch(self, home: Any, function: str, name: str) -> None:
        """Count the calls of a function of a module or class as a part, where it exists."""
        kept = getattr(home, function, None)
        if kept is None:
            return

        def counted(*args: Any, **keywords: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return kept(*args, **keywords)  # the part that waits for it, or goes on, counts
            with self.part(name):
                return kept(*args, **keywords)

        setattr(home, function, counted)

    def read(self) -> dict[str, dict[str, float]]:
        self._book()
        return {
            name: {"wall": round(self.wall[name], 3), "cpu": round(self.cpu[name], 3)}
            for name in self.wall
        }


def child(options: list[str], out: Path) -> None:
    """The main job in this process, watched."""
    clock = Clock()
    with clock.part("imports"):
        import jax

        import ibjax.cli.terminal as terminal
        from ibjax import bounds, cli, data, pipeline, results, sweep

        with contextlib.suppress(ImportError):  # earlier revisions wrote with `results`
            from ibjax import files

            results = files
    counts: dict[str, int] = defaultdict(int)
    watched = {
        "/jax/core/compile/backend_compile_duration": "programs",
        "/jax/compilation_cache/cache_hits": "from_the_cache",
    }

    def seen(event: str, *rest: Any, **more: Any) -> None:
        if event in watched:
            counts[watched[event]] += 1

    jax.monitoring.register_event_listener(seen)
    jax.monitoring.register_event_duration_secs_listener(seen)
    for name in ("load", "supersample"):
        clock.watch(data, name, "data")
    for name in ("gap", "evaluate", "row_nulls", "measured_floor", "summaries"):
        clock.watch(bounds, name, "bounds")
    clock.watch(pipeline, "bounded", "bounds")
    clock.watch(getattr(sweep, "_Kept", None), "settle", "bounds")
    with contextlib.suppress(ImportError):
        from ibjax.langevin import programs

        clock.watch(programs, "compiled", "compilation")
    clock.watch(results, "write", "files")
    clock.watch(results, "read", "files")
    clock.watch(terminal, "present", "table and picture")
    by_program(clock)

    def report(status: int) -> None:
        if not status:
            found = {"parts": clock.read(), "xla": {k: v for k, v in counts.items() if k}}
            out.write_text(json.dumps(found))

    sys.argv[1:] = ["run", *options]
    if hasattr(cli, "process"):  # it ends the process as it does a user's
        leave = cli._leave
        cli._leave = lambda status: (report(status), leave(status))
        cli.process()
    status = cli.main()
    report(status)
    sys.exit(status)


def by_program(clock: Clock) -> None:
    """Count compilation and calls of the engine's programs, which it lowers and compiles itself."""
    import jax

    names = {"jit_advance": "training", "jit_evaluate": "evaluation"}
    clock.watch(jax.stages.Lowered, "compile", "compilation")
    compile_, call = jax.stages.Lowered.compile, jax.stages.Compiled.__call__
    known: dict[int, str] = {}

    def compiled(self: Any, *args: Any, **keywords: Any) -> Any:
        done = compile_(self, *args, **keywords)
        name = str(self.compiler_ir().operation.attributes["sym_name"]).strip('"')
        known[id(done)] = names.get(name, "other")
        return done

    def called(self: Any, *args: Any, **keywords: Any) -> Any:
        with clock.part(known.get(id(self), "other")):
            return jax.block_until_ready(call(self, *args, **keywords))

    jax.stages.Lowered.compile, jax.stages.Compiled.__call__ = compiled, called


def job(source: Path, cache: Path, options: list[str]) -> dict[str, Any]:
    """One main job from the sources of a folder, with the cache of compiled programs there."""
    with tempfile.TemporaryDirectory() as scratch:
        env = environment(source) | {"XDG_CACHE_HOME": str(cache), "MPLBACKEND": "Agg"}
        out = Path(scratch) / "found.json"
        command = [sys.executable, str(Path(__file__).resolve()), "--child", str(out), "--options"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        place = ["--out", str(Path(scratch) / "results.nc")]
        subprocess.run(
            command + options + place, env=env, check=True, stdout=subprocess.DEVNULL, cwd=scratch
        )
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = json.loads(out.read_text())
    return {"wall": round(wall, 1), "cpu": round(used, 1), **found}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", help="revision to compare with, such as c3f143a")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/main_job.json"))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of `ibjax run`")
    args = parser.parse_args(arguments)
    if args.child:
        child(args.options, args.child)
        return {}
    result: dict[str, Any] = {
        "what": __doc__.splitlines()[0],
        "options": args.options,
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "load": round(os.getloadavg()[0], 1),
    }
    if args.before:
        result["before_revision"] = args.before
    with (
        tempfile.TemporaryDirectory() as scratch,
        checkout(args.before, "after") as sources,
    ):
        for state in ("cold", "warm"):
            for name, source in sources.items():
                found = job(source, Path(scratch) / f"cache-{name}", args.options)
                result.setdefault(name, {})[state] = found
    if args.before:
        result["cpu_ratio"] = {
            state: round(result["before"][state]["cpu"] / result["after"][state]["cpu"], 2)
            for state in ("cold", "warm")
        }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return result


if __name__ == "__main__":
    main()

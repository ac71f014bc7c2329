"""Hostile conditions, counted: killed processes, flipped bits, full disks, odd files and words.

    python benchmarks/hostile.py [--only kills flips ...] [--out benchmarks/hostile.json]

Every trial ends in one of these ways:

    fine       right numbers, or one line that says what is wrong and status 2
    silent     other numbers, or none, and nothing said
    traceback  a Python traceback, or the line that asks to report a fault of ibjax
    crash      the process ended by a signal that nobody sent
    hang       more than 60 seconds of CPU time

and whatever is not fine is listed by its input. "before" holds what was counted before the faults
were closed, where it was counted. Kills and environments run in copies of this process, one at a
time; the rest in it. Command lines that would train are stopped where training begins.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import jax
from hostile_files import archives, data_sets, disks, flips
from hostile_processes import environments, kills, two_axes
from hostile_words import command_lines

PARTS = {
    # first what copies this process, which must not have computed by then
    "kills of a sweep": kills,
    "kills of two axes": two_axes,
    "environments": environments,
    "flipped bits in cells and results": flips,
    "full disk": disks,
    "damaged archives": archives,
    "command lines": command_lines,
    "damaged data sets": data_sets,
}
WAYS = ("fine", "silent", "traceback", "crash", "hang")
BEFORE = {
    "kills of a sweep": "34 of 34 left a half-written file for good",
    "flipped bits in cells and results": "75 of 600 silent",
    "full disk": "crash (segmentation fault)",
    "damaged data sets": "51 of 51 tracebacks",
    "environments": "other masks under JAX_ENABLE_X64, tracebacks under other generators",
}


def cpu_seconds() -> float:
    used = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="parts whose names hold one of these")
    parser.add_argument("--out", type=Path, help="parts that are not run stay as the file has them")
    args = parser.parse_args()
    chosen = {
        name: part
        for name, part in PARTS.items()
        if not args.only or any(word in name for word in args.only)
    }
    counts, odd = {}, []
    for name, part in chosen.items():
        start = cpu_seconds()
        with tempfile.TemporaryDirectory() as folder:
            found = [(what, way) for what, way in part(Path(folder))]
        ways = Counter(way for _, way in found)
        used = round(cpu_seconds() - start, 1)
        row = {"trials": len(found), **{way: ways[way] for way in WAYS}, "cpu_seconds": used}
        moments = Counter(what.partition(": ")[0] for what, _ in found if ": kill " in what)
        row |= {"moments": dict(moments)} if moments else {}
        counts[name] = row | ({"before": BEFORE[name]} if name in BEFORE else {})
        odd += [{"part": name, "input": what, "way": way} for what, way in found if way != "fine"]
        print(f"{name:36s}", *(f"{row[k]:5d} {k}" for k in ("trials", *WAYS)), f"{used:7.1f} s")
    for one in odd:
        print(one)
    if args.out:
        stored = json.loads(args.out.read_text()) if args.out.exists() else {}
        kept = [one for one in stored.get("not_fine", []) if one["part"] not in counts]
        result = {
            "what": "how trials under hostile conditions end",
            "date": time.strftime("%Y-%m-%d"),
            "counts": stored.get("counts", {}) | counts,
            "not_fine": kept + odd,
            "machine": {"cores": os.cpu_count(), "platform": platform.platform()},
            "versions": {"python": platform.python_version(), "jax": jax.__version__},
        }
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

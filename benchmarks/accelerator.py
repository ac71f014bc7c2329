"""What one accelerator does with the engine: agreement, speed against its own ceilings, memory.

    python benchmarks/accelerator.py [--budget 450] [--out benchmarks/accelerator-<device>.json]

No accelerator has run this yet: it is tested on a CPU at tiny size (`--tiny`), and its programs are
lowered for CUDA in the tests. Every part runs in a process of its own that is ended when its share
of the budget is spent, and writes what it has after every measurement; the file is written anew
after every part, so that it is whole whatever happens to one of them. Parts:

- ceilings: matrix products in float32, tensorfloat32, bfloat16 and float64, and memory bandwidth.
- agreement: small runs of every kind of network, with everything that is measured, against the same
  runs on the host's CPU; differences relative to the largest number of their kind.
- mlps: replica-steps a second of 10,000 small networks, plain and with the account, and what share
  of the measured ceilings the arithmetic and the traffic of their weights are.
- fcmi: the network of the published f-CMI experiment at 30, 150 and 600 replicas in three
  precisions: FLOP/s as a fraction of the product measured in that precision, memory a replica.
- kernels: neural-tangent kernels and nearest-neighbour information at size.
- grid: the published grid extrapolated from the best rate, and run at n = 75 and 1000 if the time
  that is left allows.

Rates are of the difference between a long run and a short one, so that what is paid once cancels.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHARES = {
    "ceilings": 40,
    "reference": 60,
    "agreement": 60,
    "mlps": 90,
    "fcmi": 120,
    "kernels": 40,
    "grid": 60,
}
"""Parts in their order, with the seconds of each at the default budget; `reference` is the CPU's
side of the agreement. What one part leaves, the next may use."""


def write(path: Path, content: dict) -> None:
    """The file whole or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(path)


def child(name: str, folder: Path, tiny: bool) -> None:
    """One part, in this process; what it finds and the device go to files of the folder."""
    import accelerator_engine
    import accelerator_parts
    import jax

    device = jax.devices()[0]
    known = {p.stem: json.loads(p.read_text())["found"] for p in folder.glob("*.json")}
    place = folder / f"{name}.json"
    about = {"platform": device.platform, "device": device.device_kind, "jax": jax.__version__}

    def save(found: dict[str, Any]) -> None:
        write(place, {"about": about, "found": found})

    if device.platform == "cpu" and not tiny and name != "reference":
        raise SystemExit("no accelerator is at hand; --tiny tries the script on a CPU")
    save({})
    home = accelerator_engine if hasattr(accelerator_engine, name) else accelerator_parts
    sizes = accelerator_parts.TINY if tiny else accelerator_parts.Sizes()
    getattr(home, name)(sizes, save, known)


def attempt(name: str, folder: Path, seconds: float, tiny: bool) -> tuple[str, float]:
    """Run one part in a process of its own, ended after its time; how it went, and its seconds."""
    command = [sys.executable, str(Path(__file__)), "--part", name, "--folder", str(folder)]
    here = dict(os.environ)
    if name == "reference":
        here["JAX_PLATFORMS"] = "cpu"
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command + ["--tiny"] * tiny, env=here, timeout=seconds, capture_output=True, text=True
        )
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        state = "done" if done.returncode == 0 else f"failed: {last}"
    except subprocess.TimeoutExpired:
        state = f"ended after its {seconds:.0f} seconds"
    return state, time.perf_counter() - start


def main(
    arguments: list[str] | None = None,
    attempt: Callable[[str, Path, float, bool], tuple[str, float]] = attempt,
) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=450.0, help="seconds in all")
    parser.add_argument("--only", nargs="*", choices=SHARES, help="parts; all by default")
    parser.add_argument("--tiny", action="store_true", help="sizes at which a CPU tests the script")
    parser.add_argument("--out", type=Path, help="default: accelerator-<device>.json beside this")
    parser.add_argument("--part", choices=SHARES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.part:
        child(args.part, args.folder, args.tiny)
        return {}
    start, names = time.perf_counter(), [p for p in SHARES if not args.only or p in args.only]
    result: dict[str, Any] = {"what": __doc__.splitlines()[0], "budget_seconds": args.budget}
    result |= {"tiny": args.tiny, "parts": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for i, name in enumerate(names):
            left = args.budget - (time.perf_counter() - start)
            share = left * SHARES[name] / sum(SHARES[later] for later in names[i:])
            state, seconds = attempt(name, Path(scratch), share, args.tiny)
            stored = Path(scratch) / f"{name}.json"
            part = json.loads(stored.read_text()) if stored.exists() else {"about": {}, "found": {}}
            if name != "reference" and part["about"]:
                result.update(part["about"])
            found = {} if name == "reference" else part["found"]
            result["parts"][name] = {"state": state, "seconds": round(seconds, 1), **found}
            label = str(result.get("device", "unknown")).lower().replace(" ", "-").replace("/", "-")
            place = args.out or Path(__file__).with_name(f"accelerator-{label}.json")
            write(place, result)
            print(f"{name}: {state} ({seconds:.0f} s)", flush=True)
    return result


if __name__ == "__main__":
    main()

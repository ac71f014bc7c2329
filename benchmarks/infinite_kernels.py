"""Kernels of infinitely wide networks on one core: ours beside neural-tangents, and memory.

    python benchmarks/infinite_kernels.py [--neural-tangents PYTHON] [--repeats 5]

PYTHON is an interpreter that imports neural-tangents, which needs an older JAX than this library:
for instance python 3.11 with neural-tangents 0.6.5, jax 0.5.3 and numpy < 2. Without it the peer
is the same recursion in plain NumPy, and the dense case and the memory alone are measured.

Every measurement is a process of its own pinned to one core. Ours and the peer's take turns;
seconds are the least of all calls after compilation, by the clock and by processor time (the
one to trust on a machine that is busy with other things). Both peers return NNGP and NTK.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

CASES = {
    "dense": "depth-3 ReLU, 2,000 x 2,000 points of dimension 100",
    "conv flatten": "two 3x3 SAME ReLU convolutions, flatten, dense; 128 images of 16 x 16 x 3",
    "conv pooled": "two 3x3 SAME ReLU convolutions, global pooling, dense; 32 images of 8 x 8 x 3",
}


def inputs(case):
    import numpy as np

    shape = {"dense": (2000, 100), "conv flatten": (128, 16, 16, 3), "conv pooled": (32, 8, 8, 3)}
    return np.random.RandomState(0).randn(*shape[case])


def ours(case):
    """A function x -> (nngp, ntk)."""
    import jax

    from ibjax import infinite

    def conv():
        return infinite.conv(1, 3, 1, "SAME", 1.4, 0.1)

    relu, last = infinite.activation("relu"), infinite.dense(1, 1.4, 0.1)
    readout = infinite.flatten() if case == "conv flatten" else infinite.global_avg_pool()
    net = infinite.serial(conv(), relu, conv(), relu, readout, last)
    if case == "dense":
        net = infinite.mlp(3, "relu", 1.4, 0.1)
    return jax.jit(lambda x: infinite.kernels(net, x))


def neural_tangents(case):
    import jax
    from neural_tangents import stax

    def conv():
        return stax.Conv(1, (3, 3), padding="SAME", W_std=1.4, b_std=0.1)

    def dense():
        return stax.Dense(1, W_std=1.4, b_std=0.1)

    readout = stax.Flatten() if case == "conv flatten" else stax.GlobalAvgPool()
    layers = [conv(), stax.Relu(), conv(), stax.Relu(), readout, dense()]
    if case == "dense":
        layers = [dense(), stax.Relu(), dense(), stax.Relu(), dense()]
    kernel = stax.serial(*layers)[2]
    return jax.jit(lambda x: tuple(kernel(x, None, ("nngp", "ntk"))))


def plain_numpy(case):
    """The arc-cosine recursion as one would write it by hand."""
    import numpy as np

    assert case == "dense"

    def compute(x):
        k = 1.4**2 * (x @ x.T) / x.shape[1] + 0.1**2
        ntk = k
        for _ in range(2):
            scale = np.sqrt(np.outer(np.diagonal(k), np.diagonal(k)))
            cosine = np.clip(k / scale, -1, 1)
            theta = np.arccos(cosine)
            value = scale * (np.sqrt(1 - cosine**2) + (np.pi - theta) * cosine) / (2 * np.pi)
            k = 1.4**2 * value + 0.1**2
            ntk = k + 1.4**2 * (np.pi - theta) / (2 * np.pi) * ntk
        return k, ntk

    return compute


def measure(who, case, dtype, repeats):
    import numpy as np

    x = inputs(case).astype(dtype)
    versions = {"numpy": np.__version__}
    if who == "numpy":
        run, wait = plain_numpy(case), lambda out: out
    else:
        import jax

        jax.config.update("jax_enable_x64", dtype == "float64")
        versions["jax"] = jax.__version__
        run = {"ibjax": ours, "neural-tangents": neural_tangents}[who](case)
        wait = jax.block_until_ready
        x = jax.numpy.asarray(x)
    start = time.perf_counter()
    out = wait(run(x))
    first = time.perf_counter() - start
    wall, cpu = [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        out = wait(run(x))
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - busy)
    corner = [np.asarray(part)[:8, :8].astype(float).tolist() for part in out]
    return {
        "wall": min(wall),
        "cpu": min(cpu),
        "first": first,
        "corner": corner,
        "versions": versions,
    }


def memory(points):
    """The NTK of `points` inputs in float64, streamed: bytes stated beforehand and bytes taken."""
    import resource

    import jax
    import numpy as np

    from ibjax import infinite

    jax.config.update("jax_enable_x64", True)
    x = np.random.RandomState(0).randn(points, 100)
    network = infinite.mlp(3, "relu", 1.4, 0.1)

    def kernel(a, b):
        return infinite.kernels(network, a, b)

    block = 512
    infinite.stream(kernel, x[: 2 * block], block=block)  # the compiler's own memory is not ours
    device, host = infinite.stream_bytes(kernel, x, block=block)
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    start, busy = time.perf_counter(), time.process_time()
    out = infinite.stream(kernel, x, block=block)
    wall, cpu = time.perf_counter() - start, time.process_time() - busy
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    assert np.array_equal(out.ntk, out.ntk.T)
    return {
        "points": points,
        "block": block,
        "stated_bytes": device + host,
        "measured_bytes": after - before,
        "whole_process_bytes": after,
        "wall": wall,
        "cpu": cpu,
    }


def elsewhere(interpreter, *words):
    """One measurement in a process of its own, on one core."""
    env = dict(os.environ, JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
    env.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    command = [interpreter, str(Path(__file__).resolve()), "--worker", *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def worker(words):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if words[0] == "memory":
        print(json.dumps(memory(int(words[1]))))
    else:
        print(json.dumps(measure(words[0], words[1], words[2], int(words[3]))))


def compare(case, dtype, peer, interpreter, args):
    import numpy as np

    best = {}
    for _ in range(args.rounds):
        for who, where in (("ibjax", sys.executable), (peer, interpreter)):
            got = elsewhere(where, who, case, dtype, args.repeats)
            old = best.setdefault(who, got)
            for clock in ("wall", "cpu", "first"):
                old[clock] = min(old[clock], got[clock])
    a, b = (np.array(best[who]["corner"]) for who in ("ibjax", peer))
    row = {
        "what": CASES[case],
        "dtype": dtype,
        "ratio_cpu": round(best[peer]["cpu"] / best["ibjax"]["cpu"], 2),
        "ratio_wall": round(best[peer]["wall"] / best["ibjax"]["wall"], 2),
        "largest_relative_difference": float(np.max(np.abs(a - b) / np.abs(b))),
    }
    for who in ("ibjax", peer):
        row[who] = {
            "seconds_cpu": round(best[who]["cpu"], 4),
            "seconds_wall": round(best[who]["wall"], 4),
            "first_call_seconds": round(best[who]["first"], 2),
            "versions": best[who]["versions"],
        }
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        return worker(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neural-tangents", metavar="PYTHON", help="its interpreter")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--points", type=int, default=5000, help="of the memory measurement")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/infinite_kernels.json"))
    args = parser.parse_args()
    peer = "neural-tangents" if args.neural_tangents else "numpy"
    interpreter = args.neural_tangents or sys.executable
    cases = args.cases if args.neural_tangents else ["dense"]
    rows = [
        compare(case, dtype, peer, interpreter, args)
        for case in cases
        for dtype in ("float32", "float64")
    ]
    result = {
        "what": "NNGP and NTK on one core; ratio above 1: ours is faster",
        "peer": peer
        if args.neural_tangents
        else "numpy (the same recursion by hand; neural-tangents was not given and did not run)",
        "kernels": rows,
        "memory": elsewhere(sys.executable, "memory", args.points),
        "machine": {"cores_used": 1, "cores": os.cpu_count(), "processor": platform.machine()},
        "load_average": [round(v, 1) for v in os.getloadavg()],
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["memory"]))


if __name__ == "__main__":
    main()

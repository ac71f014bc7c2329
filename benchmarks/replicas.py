"""Replica training beside an earlier revision, a Python loop over PyTorch networks, and the peak.

    python benchmarks/replicas.py [--before REVISION] [--widths 32 256] [--replicas 32] [--out FILE]

At each width one run times all of them and gives replica-steps a second and their ratios. They
train the same multilayer perceptron on the same digits with the same batch size, learning rate and
weight noise, in float32, on all cores. None clips (PyTorch would need per-example gradients); ibjax
gathers its per-example gradient norms all the same. Compilation is reported apart. This checkout
and the revision before it run in processes of their own, in turns, and the best turn of each
counts; replica-steps a CPU second hardly notice what else the machine does. The peak is that of
products of 2048 x 2048 float32 matrices in the same run, in floating-point operations a CPU second.
PyTorch is left out where it is not installed.
"""

import argparse
import importlib.util
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from revisions import checkout, environment

DEPTH, INPUTS, CLASSES = 4, 64, 2


def flop(width: int, batch_size: int) -> int:
    """Operations of the products of a step: forward, and backward but for the inputs' gradient."""
    first, rest = INPUTS * width, (DEPTH - 1) * width**2 + CLASSES * width
    return batch_size * (4 * first + 6 * rest)


def drawn(args: argparse.Namespace) -> tuple[Any, Any]:
    import jax

    from ibjax import data

    pool = data.load("digits", classes=(4, 9))
    key = jax.random.key(1)
    return pool, data.supersample(key, len(pool.y), args.train_size, 2, args.replicas // 2)


def child(args: argparse.Namespace) -> None:
    """One program for the width in this process, then the peak; prints what was found."""
    import jax

    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)

    import jax.numpy as jnp

    from ibjax import langevin
    from ibjax.networks import MLP

    pool, pairs = drawn(args)
    (width,) = args.widths
    config = langevin.Config(
        network=MLP(depth=DEPTH, width=width),
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        inverse_temperature=args.inverse_temperature,
        clip=None,
    )
    times = []
    for _ in range(1 + args.repeats):
        wall, used = time.perf_counter(), time.process_time()
        evidence = langevin.run_replicas(jax.random.key(0), config, pool, pairs)
        times.append((time.perf_counter() - wall, time.process_time() - used))
    square = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(square, square).block_until_ready()
    peak = 0.0
    for _ in range(args.repeats):
        used = time.process_time()
        for _ in range(4):
            product(square, square).block_until_ready()
        peak = max(peak, 4 * 2 * 2048**3 / (time.process_time() - used))
    wall, used = (min(t[i] for t in times[1:]) for i in (0, 1))
    found = {"wall": wall, "cpu": used, "first": times[0][0] - wall, "peak": peak}
    print(json.dumps(found | {"train_error": round(float(evidence.train_error.mean()), 4)}))


def turn(source: Path, width: int, args: argparse.Namespace) -> dict[str, float]:
    """What `child` finds with the sources of a folder."""
    given = {k: v for k, v in vars(args).items() if k not in ("before", "out", "child", "widths")}
    options = [w for k, v in given.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    command = [sys.executable, __file__, "--child", "--widths", str(width), *options]
    done = subprocess.run(
        command, env=environment(source), check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def ours(width: int, args: argparse.Namespace, turns: list[Any]) -> dict[str, Any]:
    """Replica-steps a second and their share of the peak, the best of some turns."""
    work = args.replicas * args.steps
    wall, used = (min(t[clock] for t in turns) for clock in ("wall", "cpu"))
    peak = max(t["peak"] for t in turns)
    return {
        "replica_steps_per_second": round(work / wall),
        "replica_steps_per_cpu_second": round(work / used),
        "fraction_of_product": round(work * flop(width, args.batch_size) / used / peak, 4),
        "product_gflops_a_cpu_second": round(peak / 1e9, 1),
        "compilation_seconds": round(min(t["first"] for t in turns), 2),
        "train_error": turns[0]["train_error"],
    }


def torch_loop(pool, pairs, width, args, threads):
    """One network after the other, as the published programs do; evaluation included."""
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    x = torch.tensor(np.asarray(pool.x).reshape(len(pool.y), -1))
    y = torch.tensor(np.asarray(pool.y), dtype=torch.long)
    index, mask = np.asarray(pairs.index), np.asarray(pairs.mask)
    std = (2 * args.learning_rate / args.inverse_temperature) ** 0.5

    def train(s, u):
        torch.manual_seed(1000 * s + u)
        sizes = [x.shape[1], *[width] * DEPTH]
        layers = []
        for a, b in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
        net = torch.nn.Sequential(*layers, torch.nn.Linear(width, CLASSES))
        chosen = torch.tensor(index[s, np.arange(mask.shape[2]), mask[s, u]])
        loss_of = torch.nn.CrossEntropyLoss()
        n, b, step = len(chosen), args.batch_size, 0
        while step < args.steps:
            order = chosen[torch.randperm(n)]
            for k in range(n // b):
                if step == args.steps:
                    break
                rows = order[k * b : (k + 1) * b]
                net.zero_grad()
                loss_of(net(x[rows]), y[rows]).backward()
                with torch.no_grad():
                    for p in net.parameters():
                        p -= args.learning_rate * p.grad - std * torch.randn_like(p)
                step += 1
        with torch.no_grad():
            return float((net(x[chosen]).argmax(1) != y[chosen]).float().mean())

    train(0, 0)
    times, error = [], 0.0
    for _ in range(args.repeats):
        start = time.perf_counter()
        errors = [train(s, u) for s in range(mask.shape[0]) for u in range(mask.shape[1])]
        times.append(time.perf_counter() - start)
        error = sum(errors) / len(errors)
    return min(times), error


def at_width(width: int, sources: dict[str, Path], args: argparse.Namespace) -> dict[str, Any]:
    """Everything at one width."""
    turns: dict[str, list[Any]] = {name: [] for name in sources}
    for _ in range(args.turns):
        for name, source in sources.items():
            turns[name].append(turn(source, width, args))
    result: dict[str, Any] = {name: ours(width, args, turns[name]) for name in sources}
    mine = result["ibjax"]
    if "before" in result:
        clocks = {"wall": "replica_steps_per_second", "cpu": "replica_steps_per_cpu_second"}
        result["ratio_to_before"] = {
            clock: round(mine[name] / result["before"][name], 2) for clock, name in clocks.items()
        }
    if importlib.util.find_spec("torch"):
        counts = sorted({1, os.cpu_count() or 1})
        pool, pairs = drawn(args)
        loops = {threads: torch_loop(pool, pairs, width, args, threads) for threads in counts}
        threads = min(counts, key=lambda c: loops[c][0])
        seconds, error = loops[threads]
        speed = args.replicas * args.steps / seconds
        result["torch_loop"] = {
            "replica_steps_per_second": round(speed),
            "train_error": round(error, 4),
            "threads": f"{threads}, the faster of {counts}",
        }
        result["ratio_to_torch_loop"] = round(mine["replica_steps_per_second"] / speed, 2)
    return result


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", help="revision to compare with, such as c3f143a")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=60)
    parser.add_argument("--train-size", type=int, default=120)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--inverse-temperature", type=float, default=5000.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/replicas.json"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        child(args)
        return
    result = {
        "what": "replica-steps a second of ibjax beside others",
        "settings": {k: v for k, v in vars(args).items() if k not in ("out", "child")},
        "load": round(os.getloadavg()[0], 1),
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
    }
    with checkout(args.before, "ibjax") as sources:
        result["widths"] = {str(width): at_width(width, sources, args) for width in args.widths}
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""Replica training against the same training in a Python loop over PyTorch networks.

    python benchmarks/replicas.py [--replicas 32] [--steps 200] [--out benchmarks/replicas.json]

One run times both and prints replicas x steps per second and their ratio. Both train the same
multilayer perceptron on the same digits with the same batches size, learning rate and weight
noise, in float32, on all cores. Neither clips (PyTorch would need per-example gradients); ibjax
gathers its per-example gradient norms all the same. Compilation is reported apart.
"""

import argparse
import itertools
import json
import os
import platform
import time
from pathlib import Path

import jax

jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)

from ibjax import data, langevin  # noqa: E402
from ibjax.networks import MLP  # noqa: E402


def ours(pool, pairs, args):
    config = langevin.Config(
        network=MLP(depth=args.depth, width=args.width),
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        inverse_temperature=args.inverse_temperature,
        clip=None,
    )
    start = time.perf_counter()
    langevin.run_replicas(jax.random.key(0), config, pool, pairs)
    first = time.perf_counter() - start
    times, evidence = [], None
    for _ in range(args.repeats):
        start = time.perf_counter()
        evidence = langevin.run_replicas(jax.random.key(0), config, pool, pairs)
        times.append(time.perf_counter() - start)
    return min(times), first - min(times), float(evidence.train_error.mean())


def torch_loop(pool, pairs, args, threads):
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
        sizes = [x.shape[1], *[args.width] * args.depth]
        layers = []
        for a, b in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
        net = torch.nn.Sequential(*layers, torch.nn.Linear(args.width, 2))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=60)
    parser.add_argument("--train-size", type=int, default=120)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--inverse-temperature", type=float, default=5000.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/replicas.json"))
    args = parser.parse_args()
    pool = data.load("digits", classes=(4, 9))
    pairs = data.supersample(jax.random.key(1), len(pool.y), args.train_size, 2, args.replicas // 2)
    seconds, compilation, error = ours(pool, pairs, args)
    counts = sorted({1, os.cpu_count() or 1})
    loops = {threads: torch_loop(pool, pairs, args, threads) for threads in counts}
    threads = min(counts, key=lambda c: loops[c][0])
    peer, peer_error = loops[threads]
    work = args.replicas * args.steps
    result = {
        "what": "replica x steps per second, ibjax against a Python loop over PyTorch networks",
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "ibjax": {
            "replica_steps_per_second": round(work / seconds),
            "compilation_seconds": round(compilation, 2),
            "train_error": round(error, 4),
        },
        "torch_loop": {
            "replica_steps_per_second": round(work / peer),
            "train_error": round(peer_error, 4),
            "threads": f"{threads}, the faster of {counts}",
        },
        "ratio": round(peer / seconds, 2),
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "versions": {"jax": jax.__version__, "torch": __import__("torch").__version__},
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

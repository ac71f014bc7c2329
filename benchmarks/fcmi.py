"""A slice of the f-CMI experiment: ibjax against PyTorch, one run, one machine.

    python benchmarks/fcmi.py [--train-size 1000] [--networks 4] [--epochs 20]

Trains the published network (MNIST-sized inputs, batch statistics, Adam, batches of 128) four ways,
in turns, and keeps the fastest turn of each: a plain PyTorch loop over networks (data in memory,
batches cut by index: faster than the published program's loader), an ensemble by `torch.func`
(vmap of functional_call), ibjax in float32 and in bfloat16. Reports network-steps per second,
FLOP/s (7.3 MFLOP a training example) and their fraction of the matrix product measured here in
the same run, by wall clock and by CPU seconds; the second hardly notices other jobs on the
machine. PyTorch runs with one thread and with all; ratios are to the faster, clock by clock.
ibjax evaluates both splits once at the end, which counts as time and not as work.

Then whole trainings end to end (`--whole-sizes`): one process a network, as the published program
is run (examples through a DataLoader, both splits evaluated every epoch; no image is decoded,
which spares it some of the published program's time), against one ibjax process, start-up and
compilation included. The torch process is timed before, between and after the two of ibjax and
the median counts. Inputs are random: the time does not depend on them. `--profile` keeps all this
and measures anew where a step goes; whether XLA reaches AMX is answered in `fcmi_profile.py`.
"""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

FLOP = 7.3e6
"""Of one training example, forward and backward."""

CLOCKS = ("wall", "cpu")


def clocks():
    mine, theirs = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime
    return time.perf_counter(), cpu


def timed(function):
    wall, cpu = clocks()
    function()
    after = clocks()
    return after[0] - wall, after[1] - cpu


def torch_network():
    from torch import nn

    layers, before = [], 1
    for out, kernel, stride, padding in (
        (32, 4, 2, 1),
        (32, 4, 2, 1),
        (64, 3, 2, 0),
        (256, 3, 1, 0),
    ):
        layers += [nn.Conv2d(before, out, kernel, stride, padding), nn.BatchNorm2d(out), nn.ReLU()]
        before = out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 2))


def torch_data(size):
    import torch

    torch.manual_seed(0)
    return torch.randn(size, 1, 28, 28), torch.randint(0, 2, (size,))


def torch_loop(x, y, networks, epochs):
    import torch

    for seed in range(networks):
        torch.manual_seed(seed)
        net = torch_network()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        loss_of = torch.nn.CrossEntropyLoss()
        for _ in range(epochs):
            net.train()
            for rows in torch.randperm(len(x)).split(128):
                optimizer.zero_grad()
                loss_of(net(x[rows]), y[rows]).backward()
                optimizer.step()


def torch_process(n, epochs):
    """One network as the published program trains it."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    sets = [TensorDataset(*torch_data(n)) for _ in ("training", "held out")]
    loaders = [DataLoader(s, 128, shuffle=i == 0) for i, s in enumerate(sets)]
    net = torch_network()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    loss_of = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        net.train()
        for x, y in loaders[0]:
            optimizer.zero_grad()
            loss_of(net(x), y).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            for loader in loaders:
                for x, y in loader:
                    loss_of(net(x), y)


def torch_ensemble(x, y, networks, epochs):
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap

    nets = [torch_network() for _ in range(networks)]
    params, buffers = stack_module_state(nets)
    base = torch_network().to("meta")
    optimizer = torch.optim.Adam(list(params.values()), lr=1e-3)
    loss_of = torch.nn.functional.cross_entropy

    def loss(p, b, xb, yb):
        return loss_of(functional_call(base, (p, b), (xb,)), yb)

    gradient = vmap(grad(loss))
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(len(x)) for _ in nets])
        for rows in orders.split(128, dim=1):
            found = gradient(params, buffers, x[rows], y[rows])
            for name, p in params.items():
                p.grad = found[name]
            with torch.no_grad():
                optimizer.step()


def ours(n, networks, epochs, precision):
    """A function that trains once; compiled before it is returned."""
    import jax
    import numpy as np

    from ibjax import data, langevin
    from ibjax.interface import Dataset
    from ibjax.networks import NormalisedCNN, normalised

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * n, 28, 28, 1)).astype(np.float32)
    pool = Dataset(x, rng.integers(0, 2, 2 * n).astype(np.int32), 2, "random")
    pairs = data.supersample(jax.random.key(0), 2 * n, n, 1, networks)
    config = langevin.Config(
        network=normalised.build(NormalisedCNN(precision=precision), 2, (28, 28, 1)),
        steps=epochs * math.ceil(n / 128),
        batch_size=min(128, n),
        batching="whole_epochs",
        learning_rate=1e-3,
        clip=None,
        optimizer="adam",
    )
    return lambda: langevin.run_replicas(jax.random.key(1), config, pool, pairs)


def products():
    """Seconds of large float32 products: {library: function}, and their FLOP."""
    import jax
    import jax.numpy as jnp
    import torch

    size, devices = 1536, jax.local_device_count()
    a = torch.randn(size, size)
    b = jnp.ones((devices, size, size), jnp.float32)
    together = jax.pmap(lambda m: m @ m)
    together(b).block_until_ready()
    return {
        "torch": (lambda: a @ a, 2 * size**3),
        "jax": (lambda: together(b).block_until_ready(), devices * 2 * size**3),
    }


def slice_of(args):
    import torch

    n, networks, epochs = args.train_size, args.networks, args.epochs
    x, y = torch_data(n)

    def threaded(function, threads):
        def call():
            torch.set_num_threads(threads)
            function(x, y, networks, epochs)

        return call

    peers = {"torch_loop": torch_loop, "torch_func_ensemble": torch_ensemble}
    counts = sorted({1, os.cpu_count() or 1})
    ways = {
        **{f"{k}_{c}_threads": threaded(f, c) for k, f in peers.items() for c in counts},
        "ibjax_float32": ours(n, networks, epochs, "float32"),
        "ibjax_bfloat16": ours(n, networks, epochs, "bfloat16"),
    }
    compilation = {}
    for name, way in ways.items():
        compilation[name] = timed(way)[0]
    best = {name: (math.inf, math.inf) for name in ways}
    peak = {"wall": 0.0, "cpu": 0.0}
    for _ in range(args.repeats):
        torch.set_num_threads(counts[-1])
        for function, flop in products().values():
            for _ in range(3):
                wall, cpu = timed(function)
                peak["wall"] = max(peak["wall"], flop / wall)
                # the kernel accounts CPU time in ticks too coarse for one short product
                if cpu > 0.02:
                    peak["cpu"] = max(peak["cpu"], flop / cpu)
        for name, way in ways.items():
            now = timed(way)
            best[name] = tuple(min(a, b) for a, b in zip(best[name], now))
    steps = networks * epochs * math.ceil(n / 128)
    work = FLOP * n * networks * epochs
    out = {}
    for name, (wall, cpu) in best.items():
        out[name] = {
            "network_steps_per_second": round(steps / wall, 1),
            "gflops": round(work / wall / 1e9, 1),
            "fraction_of_product": round(work / wall / peak["wall"], 3),
            "cpu_ms_a_network_step": round(1e3 * cpu / steps, 2),
            "gflops_a_cpu_second": round(work / cpu / 1e9, 1),
            "first_call_seconds": round(compilation[name], 1),
        }
    fastest = {
        peer: [min(best[f"{peer}_{c}_threads"][clock] for c in counts) for clock in (0, 1)]
        for peer in peers
    }
    ratios = {
        f"{name}_over_{peer}": {
            clock: round(fastest[peer][i] / best[name][i], 2) for i, clock in enumerate(CLOCKS)
        }
        for name in ("ibjax_float32", "ibjax_bfloat16")
        for peer in peers
    }
    measured = {k: round(v / 1e9, 1) for k, v in peak.items()}
    return {"programs": out, "ratios": ratios, "float32_product_gflops": measured}


def whole(n, networks, epochs):
    """Complete trainings, start-up and compilation included, a network at a time in torch."""
    call = f"import fcmi; fcmi.torch_process({n}, {epochs})"
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}

    def process(code):
        subprocess.run([sys.executable, "-c", code], env=here, check=True)

    trainings, mine = [timed(lambda: process(call))], {}
    for precision in ("float32", "bfloat16"):
        code = f"import fcmi; fcmi.devices(); fcmi.ours({n}, {networks}, {epochs}, '{precision}')()"
        mine[precision] = timed(lambda code=code: process(code))
        trainings.append(timed(lambda: process(call)))
    peer = [statistics.median(seconds) for seconds in zip(*trainings)]
    out = {
        "train_size": n,
        "epochs": epochs,
        "ibjax_networks": networks,
        "torch_process_a_network": {
            **dict(zip(CLOCKS, (round(s, 2) for s in peer))),
            "wall_of_each": [round(wall, 2) for wall, _ in trainings],
        },
    }
    for precision, seconds in mine.items():
        out[f"ibjax_{precision}"] = {
            "process": dict(zip(CLOCKS, (round(s, 2) for s in seconds))),
            "ratio_a_network": {
                c: round(p * networks / s, 2) for c, p, s in zip(CLOCKS, peer, seconds)
            },
        }
    return out


def devices():
    import jax

    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train-size", type=int, default=1000)
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--whole-sizes", type=int, nargs="*", default=[75, 1000])
    parser.add_argument("--whole-networks", type=int, nargs="*", default=[60, 30])
    parser.add_argument("--whole-epochs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/fcmi.json"))
    parser.add_argument("--profile", action="store_true", help="the parts of a step only")
    args = parser.parse_args()
    if args.profile:
        from fcmi_profile import profile

        stored = json.loads(args.out.read_text()) if args.out.exists() else {}
        found = {"load": os.getloadavg()[0], **profile()}
        args.out.write_text(json.dumps(stored | {"profile": found}, indent=2) + "\n")
        print(json.dumps(found, indent=2))
        return
    devices()
    before = os.getloadavg()
    stored = json.loads(args.out.read_text()) if args.out.exists() else {}
    result = {
        **{k: v for k, v in stored.items() if k == "profile"},
        "what": "training the published f-CMI network: ibjax against PyTorch",
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        **slice_of(args),
        "load_average": {"before": before[0], "after": os.getloadavg()[0]},
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "versions": {name: __import__(name).__version__ for name in ("jax", "torch")},
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    for size, networks in zip(args.whole_sizes, args.whole_networks, strict=True):
        found = whole(size, networks, args.whole_epochs)
        result.setdefault("whole_trainings", []).append(found)
        result["load_average"]["end"] = os.getloadavg()[0]
        args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

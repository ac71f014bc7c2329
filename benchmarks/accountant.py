"""What the trajectory account costs: the same training with and without it, in one run.

    python benchmarks/accountant.py [--out benchmarks/accountant.json]

Two engines, float32, all cores: the replica engine with every slot of the batch against its ghost
(128 of 128), and `langevin.track` with 64 followed examples, also with n = 512 and batches of 128.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)

from ibjax import data, langevin  # noqa: E402
from ibjax.networks import MLP  # noqa: E402

SLOTS, BATCH = 64, 128


def fastest(calls, repeats: int) -> list[float]:
    """Least time of each call, the calls interleaved; each has run once before."""
    times = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for call, kept in zip(calls, times):
            start = time.perf_counter()
            call()
            kept.append(time.perf_counter() - start)
    return [min(kept) for kept in times]


def every_slot(args) -> list[dict]:
    """The replica engine: the account of the whole batch over training without it."""
    pool = data.load("digits", classes=(4, 9))
    pairs = data.supersample(jax.random.key(1), len(pool.y), BATCH, 2, args.replicas // 2)
    rows = []
    for depth in (1, 2, 4, 6):
        network = MLP(depth=depth, width=32, noise=0.5)
        plain = langevin.Config(network=network, steps=args.steps, noise_draws=1)
        calls = [
            lambda c=c: langevin.run_replicas(jax.random.key(0), c, pool, pairs)
            for c in (plain, dataclasses.replace(plain, account=True))
        ]
        without, with_account = fastest(calls, args.repeats)
        rows.append({"depth": depth, "extra_over_training": round(with_account / without - 1, 3)})
        print(rows[-1])
    return rows


def some_slots(args) -> list[dict]:
    """`track`: 64 followed examples over one, which is as near to none as it goes."""
    pool = data.load("digits", "all")
    rng = np.random.default_rng(0)
    order = np.stack([rng.permutation(len(pool.y)) for _ in range(args.replicas)])
    train, test = order[:, :512], order[:, -10:]
    ghosts = order[:, 512 : 512 + SLOTS, None]
    rows = []
    for depth, width in ((1, 32), (2, 32), (2, 256)):
        config = langevin.Config(
            network=MLP(depth=depth, width=width), steps=args.steps, batch_size=BATCH
        )
        calls = [
            lambda g=g, c=config: langevin.track(jax.random.key(0), c, pool, train, g, test)
            for g in (ghosts[:, :1], ghosts)
        ]
        one, many = fastest(calls, args.repeats)
        row = {"depth": depth, "width": width, "extra_over_one_slot": round(many / one - 1, 3)}
        rows.append(row)
        print(rows[-1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/accountant.json"))
    args = parser.parse_args()
    result = {
        "what": "time of the trajectory account over the time of training without it",
        "batch": BATCH,
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "tracked_slots": BATCH,
        "rows": every_slot(args),
        "track": {"tracked_slots": SLOTS, "rows": some_slots(args)},
        "machine": {"cores": os.cpu_count()},
        "versions": {"jax": jax.__version__},
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

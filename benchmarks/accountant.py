"""What the trajectory account costs: the same training with and without it, in one run.

    python benchmarks/accountant.py [--out benchmarks/accountant.json]

Every slot of the batch is tracked against its ghost (128 of 128 here), in float32, on all cores.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

import jax

jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)

from ibjax import data, langevin  # noqa: E402
from ibjax.networks import MLP  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/accountant.json"))
    args = parser.parse_args()
    pool = data.load("digits", classes=(4, 9))
    pairs = data.supersample(jax.random.key(1), len(pool.y), 128, 2, args.replicas // 2)
    rows = []
    for depth in (1, 2, 4, 6):
        network = MLP(depth=depth, width=32, noise=0.5)
        plain = langevin.Config(network=network, steps=args.steps, noise_draws=1)
        both = (plain, dataclasses.replace(plain, account=True))
        times = ([], [])
        for config in both:
            langevin.run_replicas(jax.random.key(0), config, pool, pairs)
        for _ in range(args.repeats):
            for config, kept in zip(both, times):
                start = time.perf_counter()
                langevin.run_replicas(jax.random.key(0), config, pool, pairs)
                kept.append(time.perf_counter() - start)
        without, with_account = (min(t) for t in times)
        row = {"depth": depth, "extra_over_training": round(with_account / without - 1, 3)}
        rows.append(row)
        print(row)
    result = {
        "what": "time of the trajectory account over the time of training without it",
        "tracked_slots": 128,
        "batch": 128,
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "rows": rows,
        "machine": {"cores": os.cpu_count()},
        "versions": {"jax": jax.__version__},
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

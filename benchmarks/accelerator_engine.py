"""The parts of `accelerator.py` that train: agreement with a CPU, rates, the published grid."""

import math
import time
from collections.abc import Callable
from typing import Any

from accelerator_parts import Save, Sizes, rate, shares

FLOP = 7.3e6
"""Of one training example of the f-CMI network, forward and backward."""

GRID = {"sizes": (75, 250, 1000, 4000), "networks": 150, "epochs": 200}
"""Published: 5 supersamples of 30 masks at each size."""


def settings(kind: str, mapping: str = "auto") -> Any:
    """A small run of one kind of network, with all that is measured of it."""
    from ibjax import langevin
    from ibjax.networks import CNN, MLP, NormalisedCNN

    common: dict[str, Any] = dict(steps=8, checkpoints=2, mapping=mapping, noise_draws=4)
    plain = dict(batch_size=8, learning_rate=1e-3, clip=None, optimizer="adam")
    found = {
        "mlp": dict(network=MLP(2, 16, "tanh", 0.1), batch_size=8, account=True),
        "cnn": dict(network=CNN(), batch_size=8, account=True),
        "normalised": dict(network=NormalisedCNN(), batching="whole_epochs", **plain),
    }
    return langevin.Config(**common, **found[kind])


def trained(kind: str, mapping: str = "auto") -> dict[str, Any]:
    """Every array of the evidence of a small run, and its weights, by name."""
    import jax
    import numpy as np
    from jax.flatten_util import ravel_pytree

    from ibjax import data, langevin

    pool = images(64, (28, 28, 1))
    pairs = data.supersample(jax.random.key(1), 64, 24, 1, 3)
    got = langevin.train(jax.random.key(2), settings(kind, mapping), pool, pairs, weights=True)
    arrays = {k: np.asarray(v) for k, v in got.evidence._asdict().items()}
    return {**arrays, "weights": np.asarray(ravel_pytree(got.weights)[0])}


def images(count: int, shape: tuple[int, ...]) -> Any:
    """Random inputs and labels: what a step costs does not depend on them."""
    import numpy as np

    from ibjax.interface import Dataset

    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, *shape)).astype(np.float32)
    return Dataset(x, rng.integers(0, 2, count).astype(np.int32), 2, "random")


def reference(size: Sizes, save: Save, known: dict) -> None:
    """The runs of `agreement` on the host, one replica after the other."""
    found: dict[str, Any] = {}
    for kind in size.kinds:
        found[kind] = {k: v.tolist() for k, v in trained(kind, "map").items()}
        save({"arrays": found})


def agreement(size: Sizes, save: Save, known: dict) -> None:
    """Largest differences from the host's CPU, relative to the largest number of each array."""
    import numpy as np

    report: dict[str, Any] = {}
    for kind, want in known["reference"]["arrays"].items():
        got, differences = trained(kind, "vmap"), {}
        for name, values in want.items():
            ours, theirs = (np.asarray(a, np.float64) for a in (got[name], values))
            if ours.shape != theirs.shape or not np.array_equal(
                np.isfinite(ours), np.isfinite(theirs)
            ):
                differences[name] = "another shape, or finite elsewhere"
                continue
            both = np.isfinite(ours)
            if both.any():
                apart = float(np.max(np.abs(ours - theirs)[both]))
                differences[name] = apart / max(float(np.max(np.abs(theirs[both]))), 1e-30)
        flips = float(np.mean(got["predictions"] != np.asarray(want["predictions"])))
        report[kind] = {
            "differences": {k: v for k, v in differences.items() if v != 0},
            "predictions_that_differ": flips,
            "agrees": all(within(k, v) for k, v in differences.items()),
        }
        save({"kinds": report, "agrees": all(r["agrees"] for r in report.values())})


OUTCOMES = ("predictions", "train_error", "test_error")
"""Where one rounding may turn a whole answer: reported, and left out of the verdict."""


def within(name: str, difference: float | str) -> bool:
    """Whether rounding over a few steps explains a difference."""
    if isinstance(difference, str):
        return False
    return name in OUTCOMES or difference < (1e-4 if name == "weights" else 1e-3)


def memory() -> int | None:
    """Bytes that were in use at once, where the device keeps count."""
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def mlps(size: Sizes, save: Save, known: dict) -> None:
    """Many small networks: replica-steps a second, and shares of the ceilings."""
    import jax

    from ibjax import data, langevin
    from ibjax.capacity import parameters
    from ibjax.networks import MLP

    depth, width, b, inputs = 3, 32, 50, 64
    n = 4 * b
    pool, rows = images(2 * n, (8, 8, 1)), {}
    pairs = data.supersample(jax.random.key(1), 2 * n, n, 1, size.replicas)
    d = parameters(inputs, width, depth, 2)
    # weights read and written, gradient and noise written and read, inputs gathered and read
    traffic = 4 * (6 * d + 2 * b * inputs)
    for account in size.accounts:
        # forward and twice back; ghosts forward and once back, and both along the noise
        flop = (14 if account else 6) * b * d

        def run(steps: int, account: bool = account) -> Any:
            network = MLP(depth, width, "tanh", 0.1)
            config = langevin.Config(
                network=network, steps=steps, batch_size=b, account=account, noise_draws=1
            )
            return langevin.run_replicas(jax.random.key(0), config, pool, pairs)

        each, first = rate(run, size.steps, size.seconds)
        speed = each * size.replicas
        rows["account" if account else "plain"] = {
            "replica_steps_per_second": speed,
            "first_call_seconds": first,
            "flops": speed * flop,
            "bytes_per_second_of_weights": speed * traffic,
            **shares(known, "float32", speed * flop, speed * traffic),
            "peak_bytes_a_replica": peak_of(size.replicas),
        }
        save({"replicas": size.replicas, "parameters": d, "rows": rows})


def peak_of(replicas: int) -> float | None:
    """Peak memory of the process so far, a replica."""
    peak = memory()
    return None if peak is None else peak / replicas


def fcmi(size: Sizes, save: Save, known: dict) -> None:
    """The published f-CMI network: replicas and precisions."""
    rows: list[dict[str, Any]] = []
    for replicas in size.networks:
        for precision in size.precisions:
            run, batches = published(size.examples, replicas, precision)
            each, first = rate(run, size.steps, size.seconds)
            flops = each * replicas * FLOP * size.examples / batches
            rows.append(
                {
                    "replicas": replicas,
                    "precision": precision,
                    "network_steps_per_second": each * replicas,
                    "examples_per_second": flops / FLOP,
                    "flops": flops,
                    "first_call_seconds": first,
                    "program_bytes_a_replica": program_bytes(size.examples, replicas, precision),
                    **shares(known, precision, flops),
                }
            )
            save({"rows": rows})


def published(n: int, replicas: int, precision: str) -> tuple[Callable[[int], Any], int]:
    """A function that trains so many steps, and the batches of an epoch."""
    import jax

    from ibjax import data, langevin

    pool = images(2 * n, (28, 28, 1))
    pairs = data.supersample(jax.random.key(0), 2 * n, n, 1, replicas)

    def run(steps: int) -> Any:
        return langevin.run_replicas(
            jax.random.key(1), fcmi_config(n, steps, precision), pool, pairs
        )

    return run, math.ceil(n / min(128, n))


def fcmi_config(n: int, steps: int, precision: str) -> Any:
    from ibjax import langevin
    from ibjax.networks import NormalisedCNN

    low = "bfloat16" if precision == "bfloat16" else "float32"
    return langevin.Config(
        network=NormalisedCNN(precision=low),
        products="tensorfloat32" if precision == "tensorfloat32" else "float32",
        steps=steps,
        batch_size=min(128, n),
        batching="whole_epochs",
        learning_rate=1e-3,
        clip=None,
        optimizer="adam",
    )


def program_bytes(n: int, replicas: int, precision: str) -> float:
    """Memory of the compiled chunk by XLA's account, a replica of it; compiled before."""
    from ibjax.langevin import programs, run

    config = fcmi_config(n, 1, precision)
    found, _, chunk = programs.fitting(
        config, run.Pairs(n), images(2 * n, (28, 28, 1)).x, replicas, 2
    )
    return found.bytes / chunk


def grid(size: Sizes, save: Save, known: dict) -> None:
    """The published grid from the best rate in each precision; then n = 75 and 1000 in full."""
    best: dict[str, float] = {}
    for row in known.get("fcmi", {}).get("rows", ()):
        name = row["precision"]
        best[name] = max(best.get(name, 0.0), row["examples_per_second"])
    total = GRID["networks"] * GRID["epochs"] * sum(GRID["sizes"])
    hours = {name: total / speed for name, speed in best.items()}
    report: dict[str, Any] = {"extrapolated_seconds": hours, "run": {}}
    save(report)
    fastest = max(best, key=best.__getitem__, default="float32")
    sizes = (75, 1000) if size.networks[-1] > 2 else (size.examples,)
    epochs = GRID["epochs"] if size.networks[-1] > 2 else 1
    networks = GRID["networks"] if size.networks[-1] > 2 else size.networks[-1]
    for n in sizes:
        run, batches = published(n, networks, fastest)
        start = time.perf_counter()
        run(epochs * batches)
        report["run"][f"n = {n}, {fastest}"] = time.perf_counter() - start
        save(report)

"""The parts of `accelerator.py` that need no training, and what all parts share.

A part is a function of the sizes, of what to call with its findings so far, and of what the parts
before it found, by name.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Save = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    product: int = 8192
    bytes: int = 2**30
    replicas: int = 10_000
    networks: tuple[int, ...] = (30, 150, 600)
    examples: int = 1000
    steps: int = 8
    kernel: tuple[int, ...] = (2_000, 10_000)
    samples: tuple[tuple[int, int], ...] = ((50_000, 1), (10_000, 5), (100_000, 1))
    seconds: float = 3.0
    kinds: tuple[str, ...] = ("mlp", "cnn", "normalised")
    accounts: tuple[bool, ...] = (False, True)
    precisions: tuple[str, ...] = ("float32", "tensorfloat32", "bfloat16")


TINY = Sizes(64, 2**16, 6, (2,), 16, 2, (8,), ((64, 1),), 0.0, ("mlp",), (True,), ("bfloat16",))


def timed(function: Callable[[], Any], seconds: float) -> float:
    """Seconds of one call, the fastest of as many as take that long; compiled before."""
    import jax

    jax.block_until_ready(function())
    best, until = math.inf, time.perf_counter() + seconds / 4
    while best == math.inf or time.perf_counter() < until:
        start = time.perf_counter()
        jax.block_until_ready(function())
        best = min(best, time.perf_counter() - start)
    return best


def ceilings(size: Sizes, save: Save, known: dict) -> None:
    """FLOP/s of large products in each precision, and bytes/s read and written."""
    import jax
    import jax.numpy as jnp

    found = {}
    ways = {
        "float32": ("float32", "highest"),
        "tensorfloat32": ("float32", "tensorfloat32"),
        "bfloat16": ("bfloat16", "default"),
        "float64": ("float64", "highest"),
    }
    for name, (dtype, precision) in ways.items():
        n = size.product // (4 if name == "float64" else 1)
        with jax.enable_x64(name == "float64"):
            a = jnp.ones((n, n), dtype)
            program = jax.jit(lambda a, p=precision: jnp.matmul(a, a, precision=p))
            found[name] = 2 * n**3 / timed(lambda p=program, a=a: p(a), size.seconds)
        save({"flops": found})
    x = jnp.ones(size.bytes // 4, jnp.float32)
    program = jax.jit(lambda x: x + 1)
    found_bytes = 2 * size.bytes / timed(lambda: program(x), size.seconds)
    save({"flops": found, "bytes_per_second": found_bytes})


def rate(run: Callable[[int], Any], steps: int, seconds: float) -> tuple[float, float]:
    """Steps a second, and the seconds of the first call, which compiles."""
    start = time.perf_counter()
    run(steps)
    first = time.perf_counter() - start

    def clock(count: int) -> float:
        start = time.perf_counter()
        run(count)
        return time.perf_counter() - start

    short, more = clock(steps), steps
    while True:
        more *= 4
        long = clock(steps + more)
        if long - short > 0 and (long > seconds or more > 1e6):
            return more / (long - short), first


def shares(known: dict, precision: str, flops: float, bytes_: float | None = None) -> dict:
    """Fractions of the measured ceilings, where these are known."""
    found = known.get("ceilings", {})
    out = {}
    if precision in found.get("flops", {}):
        out["fraction_of_product"] = flops / found["flops"][precision]
    if bytes_ is not None and "bytes_per_second" in found:
        out["fraction_of_bandwidth"] = bytes_ / found["bytes_per_second"]
    return out


def kernels(size: Sizes, save: Save, known: dict) -> None:
    """Neural-tangent kernels, and information by nearest neighbours, seconds."""
    import jax
    import numpy as np

    from ibjax import infinite, mi

    rng, found = np.random.default_rng(0), {}
    for n in size.kernel:
        x = rng.normal(size=(n, 64)).astype(np.float32)

        def kernel(x: Any = x) -> Any:
            return tuple(infinite.mlp_kernels(x, depth=3, activation="relu", w_std=1.4, b_std=0.1))

        found[f"ntk {n}"] = timed(kernel, size.seconds)
        save({"seconds": found})
    for n, d in size.samples:
        x = jax.random.normal(jax.random.key(0), (2, n, d))
        x, y = np.asarray(x[0]), np.asarray(0.6 * x[0] + 0.8 * x[1])
        found[f"ksg {n} x {d}+{d}"] = timed(
            lambda x=x, y=y: mi.ksg(x, y, method="blocks").value, size.seconds
        )
        save({"seconds": found})

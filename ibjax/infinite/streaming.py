"""Kernel matrices block by block: bounded device memory, symmetric halves computed once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.infinite import checks
from ibjax.infinite.kernel_matrix import Kernels
from ibjax.signatures import enforced
from ibjax.typing import Numbers

KernelFunction = Callable[[Any, Any], Kernels]


def _pieces(x: np.ndarray, block: int) -> list[np.ndarray]:
    """Blocks of one size, the last filled up with copies of the last example."""
    short = -len(x) % block
    full = np.concatenate([x, np.repeat(x[-1:], short, 0)]) if short else x
    return list(full.reshape(-1, block, *x.shape[1:]))


def _block_size(block: int) -> int:
    if not isinstance(block, int) or block < 1:
        raise ValueError(f"block = {block} must be a positive integer; 512 suits dense networks")
    return block


@enforced
def stream(
    kernel: KernelFunction,
    x1: Numbers,
    x2: Numbers | None = None,
    *,
    block: int = 512,
    out: Any = None,
) -> Kernels:
    """Kernels of many inputs on the host, `block` x `block` entries at a time on the device.

    Args:
        kernel: ``(block1, block2) -> Kernels``, such as ``functools.partial(kernels, network)``,
            given blocks in float64 whatever the flag. It is compiled once; pass the same
            function object to reuse the program.
        x1: (n1, ...).
        x2: (n2, ...); None for x1 against itself, of which only blocks on and above the diagonal
            are computed.
        block: inputs of one block.
        out: Kernels of arrays (n1, n2) to fill, for instance np.memmap on a disk; None allocates.

    Returns:
        Kernels of NumPy arrays, symmetric to the last bit for x1 against itself. Device memory
        does not depend on n1, n2; `stream_bytes` states it.

    Raises:
        ValueError: wrong shapes, NaN, a block that is not a positive integer.
    """
    size = _block_size(block)
    first = np.asarray(checks.inputs(x1, "x1"))
    second = first if x2 is None else np.asarray(checks.inputs(x2, "x2"))
    n1, n2 = len(first), len(second)
    size = min(size, max(n1, n2))
    if out is None:
        out = Kernels(np.empty((n1, n2), first.dtype), np.empty((n1, n2), first.dtype))
    if any(np.shape(part) != (n1, n2) for part in out):
        raise ValueError(f"out must hold two arrays of shape {(n1, n2)}")
    program = jax.jit(kernel)
    rows = _pieces(first, size)
    columns = rows if x2 is None else _pieces(second, size)
    for i, left in enumerate(rows):
        for j, right in enumerate(columns):
            if x2 is None and j < i:
                continue
            a = slice(i * size, min((i + 1) * size, n1))
            b = slice(j * size, min((j + 1) * size, n2))
            with jax.enable_x64(True):  # as `kernels`: float64 within, rounded once
                found = program(jnp.asarray(left, float), jnp.asarray(right, float))
            for target, value in zip(out, found, strict=True):
                part = np.asarray(value)[: a.stop - a.start, : b.stop - b.start]
                if x2 is None and i == j:
                    # Rounding need not be the same on both sides of the diagonal.
                    part = np.triu(part) + np.triu(part, 1).T
                target[a, b] = part
                if x2 is None and i != j:
                    target[b, a] = part.T
    return out


@enforced
def stream_bytes(
    kernel: KernelFunction, x1: Numbers, x2: Numbers | None = None, *, block: int = 512
):
    """The memory `stream` will take, from the compiler's own analysis, before running it.

    Args:
        kernel: ``(block1, block2) -> Kernels``, such as ``functools.partial(kernels, network)``,
            given blocks in float64 whatever the flag. It is compiled once; pass the same function
            object to reuse the program.
        x1: (n1, ...).
        x2: (n2, ...); None for x1 against itself, of which only blocks on and above the diagonal
            are computed.
        block: inputs of one block.

    Returns:
        (device, host): bytes of one block on the device (arguments, results, temporaries) and of
        the two matrices on the host.

    Raises:
        ValueError: as `stream`; a backend without memory analysis.
    """
    size = _block_size(block)
    shapes = [np.shape(x1), np.shape(x1 if x2 is None else x2)]
    size = min(size, max(shapes[0][0], shapes[1][0]))
    dtype = checks.inexact(x1, "x1").dtype
    with jax.enable_x64(True):
        specs = [jax.ShapeDtypeStruct((size, *shape[1:]), np.float64) for shape in shapes]
        use = jax.jit(kernel).lower(*specs).compile().memory_analysis()
    if use is None:
        raise ValueError("this backend states no memory; measure one block instead")
    device = use.argument_size_in_bytes + use.output_size_in_bytes + use.temp_size_in_bytes
    return device, 2 * shapes[0][0] * shapes[1][0] * jnp.dtype(dtype).itemsize

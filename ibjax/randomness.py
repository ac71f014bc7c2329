"""Same seed, same numbers: the settings under which everything is drawn, and root keys."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Key

IMPLEMENTATION = "threefry2x32"
"""The one generator in use: its draws depend on no device and no compiler."""


@contextmanager
def pinned() -> Iterator[None]:
    """Draw and train in single precision under settings that no environment variable changes.

    ``JAX_ENABLE_X64`` would draw other masks and train in float64, ``JAX_THREEFRY_PARTITIONABLE=0``
    draw other numbers from the same key, ``JAX_DEFAULT_PRNG_IMPL`` give keys of another kind, and
    a strict ``JAX_NUMPY_DTYPE_PROMOTION`` stop a program half way.
    """
    with ExitStack() as stack:
        stack.enter_context(jax.enable_x64(False))
        stack.enter_context(jax.threefry_partitionable(True))
        stack.enter_context(jax.default_prng_impl(IMPLEMENTATION))
        stack.enter_context(jax.numpy_dtype_promotion("standard"))
        yield


def root_key(key: Any) -> Key:
    """A root of randomness as a typed key; ``jax.random.PRNGKey`` equals ``jax.random.key``.

    Args:
        key: one key, typed or of the older kind (two uint32 words).

    Raises:
        ValueError: for several keys, another generator than threefry, or no key at all.
    """
    remedy = f"give jax.random.key(seed, impl={IMPLEMENTATION!r})"
    try:
        dtype, shape = key.dtype, key.shape
    except AttributeError:
        raise ValueError(f"key={key!r} is no random key; {remedy}") from None
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        kind = str(jax.random.key_impl(key))
        if kind != IMPLEMENTATION:
            raise ValueError(f"key draws by {kind!r}, whose numbers depend on the device; {remedy}")
        if shape:
            raise ValueError(f"key has shape {shape}; give one key, not several")
        return key
    if dtype == np.uint32 and shape == (2,):
        return jax.random.wrap_key_data(jnp.asarray(key), impl=IMPLEMENTATION)
    raise ValueError(f"key has dtype {dtype} and shape {shape}, which is no random key; {remedy}")

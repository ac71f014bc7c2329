"""Same seed, same numbers: the settings under which everything is drawn, seeds, keys and noise."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import JaxArray, Key

IMPLEMENTATION = "threefry2x32"
"""The one generator in use: its draws depend on no device and no compiler."""

SEEDS = 2**32
"""Seeds are 0 to this number less one: the words of a threefry key."""

_BLOCK = 1 << 14
"""Most numbers of a block of `normal`: many, since a round of the loop over blocks has its price,
and nothing is read again that would have to stay in a cache."""

_FEW = 1024
"""Most words that are sorted together with their places."""

_TURNS = (13, 15, 26, 6), (17, 29, 16, 24)
"""Bits that the rounds of threefry turn a word by."""


@contextmanager
def pinned() -> Iterator[None]:
    """Every setting of JAX that decides numbers at one value, whatever the environment says.

    Sixty-four bits, the generator, its partitioning, the precision of products and the strictness
    of NumPy's rules are variables of the environment (JAX_ENABLE_X64 and the like): the same seed
    would draw other masks under another shell. NaN is data here and must not raise. Products are
    those of float32, which JAX by default rounds to fewer bits on accelerators.

    Raises:
        ValueError: if JAX_RANDOM_SEED_OFFSET is set: it has no scope, and shifts every seed.
    """
    if offset := getattr(jax.config, "jax_random_seed_offset", 0):
        raise ValueError(f"JAX_RANDOM_SEED_OFFSET={offset} shifts every seed; unset it")
    with ExitStack() as stack:
        for setting in (
            jax.enable_x64(False),
            jax.default_prng_impl(IMPLEMENTATION),
            jax.threefry_partitionable(True),
            jax.default_matmul_precision("highest"),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.legacy_prng_key("allow"),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.disable_jit(False),
            jax.transfer_guard("allow"),
        ):
            stack.enter_context(setting)
        yield


def seed_key(seed: int) -> Key:
    """The threefry key of a seed, the same in every environment.

    Equals ``jax.random.key(seed)`` at JAX's default settings to the bit.

    Raises:
        ValueError: if the seed is not in 0..2^32 - 1; JAX would take it modulo 2^32, so that two
            names would mean one run.
    """
    words = np.array([0, check_seed(seed)], np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(words), impl=IMPLEMENTATION)


def check_seed(seed: int) -> int:
    """The seed, if it is one.

    Raises:
        ValueError: if it is not a whole number in 0..2^32 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < SEEDS:
        raise ValueError(f"seed={seed} must be a whole number from 0 to 2^32 - 1 = {SEEDS - 1}")
    return int(seed)


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


def fold_in(key: Key, data: Any) -> Key:
    """The key of a number: that of `jax.random.fold_in`, for threefry written out.

    Equals the number's row of `jax.random.split`, too. On a processor JAX runs the rounds as a
    loop, one for each key: slow for the several keys of a step, and slow to compile.

    Args:
        key: of any generator.
        data: a whole number from 0 to 2^32 - 1.
    """
    if not _known(key):
        return jax.random.fold_in(key, data)
    words = jnp.stack(_threefry(jax.random.key_data(key), jnp.asarray(data).astype(jnp.uint32)))
    return jax.random.wrap_key_data(words, impl=IMPLEMENTATION)


def permutation(key: Key, n: int) -> JaxArray:
    """A random order of 0..n-1: that of `jax.random.permutation`, for threefry written out.

    Sorts by random words, as often as it takes to tell all positions apart.
    """
    if not _known(key):
        return jax.random.permutation(key, n)
    order = jnp.arange(n)
    for _ in range(math.ceil(3 * math.log(max(n, 1)) / math.log(SEEDS - 1))):
        key, own = fold_in(key, 0), fold_in(key, 1)
        words = _bits(jax.random.key_data(own), jnp.arange(n, dtype=jnp.uint32))
        order = order[_sorting(words)]
    return order


def _sorting(words: JaxArray) -> JaxArray:
    """The places of words in their order, of equal ones the first first.

    XLA sorts pairs on a processor by calls of a function, and numbers alone at a quarter of that.
    Hence the last bits of each word give way to its place; where the others of two agree, of 1024
    words one time in eight, all bits decide after all.
    """
    size, places = len(words), jnp.arange(len(words))
    if size > _FEW or jax.default_backend() != "cpu":
        return jax.lax.sort_key_val(words, places)[1]
    last = np.uint32(max(size - 1, 1).bit_length())
    mixed = jax.lax.sort(words >> last << last | places.astype(jnp.uint32))
    above = mixed >> last
    return jax.lax.cond(
        jnp.any(above[1:] == above[:-1]),
        lambda: jax.lax.sort_key_val(words, places)[1],
        lambda: (mixed - (above << last)).astype(places.dtype),
    )


def normal(key: Key, shape: tuple[int, ...]) -> JaxArray:
    """Standard normal numbers in float32: those of `jax.random.normal`, for threefry written out.

    The loop over the rounds, see `fold_in`, costs up to four times what the numbers do without.
    Written out, however, XLA would compute them anew for each that reads them, unless a loop over
    blocks stores them first. Elsewhere than on a processor JAX's own generator serves.

    Args:
        key: of any generator.
        shape: of the result, fewer than 2^32 numbers.
    """
    if _known(key) and jax.default_backend() == "cpu":
        return _in_blocks(jax.random.key_data(key), shape)
    with jax.threefry_partitionable(True):
        return jax.random.normal(key, shape, jnp.float32)


def _known(key: Any) -> bool:
    """Whether a key is one of threefry: the networks' functions take any."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return str(jax.random.key_impl(key)) == IMPLEMENTATION
    return key.shape[-1] == 2


@partial(jax.jit, static_argnums=1, inline=True)
def _in_blocks(words: JaxArray, shape: tuple[int, ...]) -> JaxArray:
    size = math.prod(shape)
    # At least two of them: a loop of one round is no loop. All of one size, to draw few in vain.
    rounds = max(-(-size // _BLOCK), 2)
    each = max(-(-size // rounds), 1)
    starts = np.arange(0, max(size, 2), each).astype(np.uint32)

    def block(first: JaxArray) -> JaxArray:
        bits = _bits(words, first + jnp.arange(each, dtype=jnp.uint32))
        mantissa = bits >> np.uint32(9) | np.uint32(0x3F800000)
        unit = jax.lax.bitcast_convert_type(mantissa, jnp.float32) - np.float32(1)
        low = np.nextafter(np.float32(-1), np.float32(0))
        uniform = jnp.maximum(unit * (np.float32(1) - low) + low, low)
        return np.float32(np.sqrt(2)) * jax.lax.erf_inv(uniform)

    return jax.lax.map(block, starts).reshape(-1)[:size].reshape(shape)


def _bits(words: JaxArray, count: JaxArray) -> JaxArray:
    """Random words at positions of the stream of a key."""
    a, b = _threefry(words, count)
    return a ^ b


@partial(jax.jit, inline=True)
def _threefry(words: JaxArray, count: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Threefry2x32 in twenty rounds, of the words of a key and of (0, count)."""
    keys = words[0], words[1], words[0] ^ words[1] ^ np.uint32(0x1BD11BDA)
    a, b = jnp.broadcast_to(keys[0], count.shape), count + keys[1]
    for five in range(5):
        for turn in _TURNS[five % 2]:
            a = a + b
            b = a ^ (b << np.uint32(turn) | b >> np.uint32(32 - turn))
        a = a + keys[(five + 1) % 3]
        b = b + keys[(five + 2) % 3] + np.uint32(five + 1)
    return a, b

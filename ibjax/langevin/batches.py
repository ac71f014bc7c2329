"""Batches chosen independently of the data: which examples, and with which weights."""

import jax
import jax.numpy as jnp

from ibjax.langevin.config import Batching, Config
from ibjax.randomness import fold_in, permutation
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


def scheme(config: Config, n: int) -> tuple[Batching, int]:
    """How the batches of a run are drawn, and their size b (expected under Poisson sampling).

    Batches of all n examples are full whatever they are called, but for repeated examples.

    Raises:
        ValueError: if the batch is larger than the sample.
    """
    b = size(n, config.batch_size, config.drawn)
    return ("full" if b == n and config.drawn != "with_replacement" else config.drawn), b


def smallest(n: int, b: int, batching: Batching) -> int:
    """Fewest examples that the gradient of a step is averaged over."""
    return n % b or b if batching == "whole_epochs" else b


def size(n: int, batch_size: int | None, batching: Batching) -> int:
    """Examples a step; the expected number under Poisson sampling.

    Raises:
        ValueError: if the batch is larger than the sample.
    """
    if batching == "full" or batch_size is None:
        return n
    if batch_size > n:
        raise ValueError(f"batch_size={batch_size} exceeds the {n} training examples; lower it")
    return batch_size


def order(key: Key, step: Array, previous: Array, n: int, b: int, batching: Batching) -> Array:
    """The order of the examples in force at `step`: a new one as often as `batching` says.

    Args:
        key: the stream of the batch order.
        step: index of the step.
        previous: the order in force before, (n,).
        n: number of training examples.
        b: batch size.
        batching: how batches are formed.

    Returns:
        A permutation, (n,).
    """
    if b == n or batching in ("full", "poisson", "fixed", "with_replacement"):
        return previous
    if batching == "without_replacement":
        return permutation(fold_in(key, step), n)
    per_epoch = -(-n // b) if batching == "whole_epochs" else n // b

    def fresh():
        return permutation(fold_in(key, step // per_epoch), n)

    return jax.lax.cond(step % per_epoch == 0, fresh, lambda: previous)


def draw(
    key: Key, step: Array, order: Array, b: int, batching: Batching
) -> tuple[Array, Array | None]:
    """Members and weights of the batch at `step`.

    Returns:
        Positions (b,), or (n,) for full and Poisson batches, and weights that sum to b, or None
        where they are all one. The gradient of a step is (1/b) times the weighted sum.
    """
    n = order.shape[0]
    if batching == "poisson" and b < n:
        chosen = jax.random.bernoulli(fold_in(key, step), b / n, (n,))
        return order, chosen.astype(jnp.float32)
    if batching == "with_replacement":
        return jax.random.randint(fold_in(key, step), (b,), 0, n), None
    if b == n:
        return order, None
    if batching == "whole_epochs" and n % b:
        first = (step % -(-n // b)) * b
        # Beyond the end other examples fill the batch up, with weight zero.
        places = first + jnp.arange(b)
        members = jnp.minimum(n - first, b)
        weights = jnp.where(places < n, b / members, 0.0)
        return order[places % n], weights.astype(jnp.float32)
    start = 0 if batching == "without_replacement" else (step % (n // b)) * b
    return jax.lax.dynamic_slice(order, (start,), (b,)), None

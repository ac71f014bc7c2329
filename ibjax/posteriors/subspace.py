"""Networks with a short description: a random subspace, quantised, its code length counted."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ibjax import bounds
from ibjax.arguments import check_rate, whole
from ibjax.interface import BoundValue, Dataset, Network
from ibjax.posteriors.training import bounded_loss, descend, errors, ready
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int, Key

_LEVEL_BITS = 16


class Compressed(NamedTuple):
    """A network as a few letters, and what their length certifies.

    Attributes:
        letters: one letter a subspace coordinate, (p,).
        levels: what they decode to, half precision, (c,).
        params: the decoded parameters, those that were scored.
        bits: of letters, levels and `choices`.
        train_error: 0-1 error of the decoded network.
        gap: the certificate on its gap.
        risk: the same as a bound on its test error.
    """

    letters: Int[np.ndarray, " p"]
    levels: Float[np.ndarray, " c"]
    params: Any
    bits: float
    train_error: float
    gap: BoundValue
    risk: BoundValue


@enforced
def compress(
    key: Key,
    network: Network,
    dataset: Dataset,
    *,
    dimension: int = 100,
    letters: int = 8,
    steps: int = 1000,
    refine: int = 500,
    batch: int = 128,
    learning_rate: float = 1e-2,
    delta: float = 0.05,
    choices: int = 1,
    smallest: float = 1e-4,
) -> Compressed:
    r"""Train a network in a random subspace, quantise it, and certify it by its code length.

    Parameters are W = W_0 + Theta v with W_0 and Theta drawn from the key, v of p coordinates
    trained by Adam, then rounded to c levels (Lloyd's rule, half precision) and refined with
    straight-through gradients. The description is the letters in the better of two codes
    (one bit says which) and 16 bits a level; key, p and c are fixed beforehand. The certificate is
    `bounds.occam` for the deterministic decoded network, with any optimiser and no noise.

    Args:
        key: fixed without the data; of W_0, Theta and the batches.
        network: any `networks` model without batch statistics.
        dataset: n examples, drawn independently; all of them train and certify.
        dimension: p.
        letters: c, 2 or more.
        steps: updates of v.
        refine: updates after rounding.
        batch: examples an update.
        learning_rate: of Adam.
        delta: failure probability.
        choices: how many (key, p, c, ...) were tried, this being the best: log2 of it is added.
        smallest: probabilities below it are clipped in the training loss.

    Returns:
        A `Compressed`. The error is that of the decoded network as computed here; on another
        machine rounding may change ties of the largest logits.

    Raises:
        ValueError: sizes out of range, a network with batch statistics or one that treats examples
            of a batch together, data it cannot take.

    Reference:
        Li, Farkhoor, Liu, Yosinski 2018, "Measuring the intrinsic dimension of objective
        landscapes"; Lotfi et al. 2022, "PAC-Bayes compression bounds so tight that they can
        explain generalization", whose description of the length is corrected here.
    """
    check_rate("learning_rate", learning_rate)
    problem = ready(network, dataset)
    dimension, letters = whole("dimension", dimension), whole("letters", letters, 2)
    steps, refine = whole("steps", steps), whole("refine", refine, 0)
    choices, batch = whole("choices", choices), whole("batch", batch)
    if not 0 < delta < 1:
        raise ValueError(f"delta={delta} is a failure probability; give one in (0, 1)")
    key_train, key_refine = jax.random.split(jax.random.fold_in(key, 1))
    start, basis, shape = _subspace(key, network, problem.x[:1], dimension)
    training: dict[str, Any] = dict(batch=batch, learning_rate=learning_rate)

    def loss(v, a, b, _, start, basis):
        return bounded_loss(problem.logits(shape(start + basis @ v), a), b, smallest)

    v, at = jnp.zeros(dimension, start.dtype), (start, basis)
    v = descend(loss, v, problem.x, problem.y, key_train, *at, steps=steps, **training)
    levels = _levels(np.asarray(v, np.float64), letters)
    grid = jnp.asarray(levels, start.dtype)

    def nearest(v):
        return jnp.argmin(jnp.abs(v[:, None] - grid), axis=1)

    def rounded(v, a, b, k, *at):
        # The gradient passes through the rounding as if it were not there.
        return loss(v + jax.lax.stop_gradient(grid[nearest(v)] - v), a, b, k, *at)

    if refine:
        training["learning_rate"] = learning_rate / 4
        v = descend(rounded, v, problem.x, problem.y, key_refine, *at, steps=refine, **training)
    chosen = np.asarray(nearest(v))
    params = shape(start + basis @ jnp.asarray(levels[chosen], start.dtype))

    @jax.jit
    def score(params, x, y):
        return errors(problem.logits(params, x), y)

    rate = float(score(params, problem.x, problem.y))
    codes = [bounds.code_length(chosen, letters, method=m) for m in ("kt", "enumerative")]
    bits = min(codes) + 1 + _LEVEL_BITS * letters + float(np.log2(choices))
    with jax.enable_x64(True):
        gap = bounds.occam(rate, bits, int(problem.y.shape[0]), delta)
        whole_risk = gap.value + rate
        note = "test error of the decoded network"
        risk = replace(gap, value=whole_risk, vacuous=whole_risk >= 1, note=note)
    return Compressed(chosen, levels, params, bits, rate, gap, risk)


@enforced
def decode(key: Key, network: Network, x: Array, letters: Array, levels: Array) -> Any:
    """Decode a compressed network from its letters: W_0 + Theta levels[letters].

    Args:
        key: that of `compress`.
        network: likewise.
        x: any inputs of the right shape, (1, ...).
        letters: (p,).
        levels: (c,), half precision.

    Returns:
        The parameters, a pytree.
    """
    letters, levels = np.asarray(letters), np.asarray(levels)
    start, basis, shape = _subspace(key, network, jnp.asarray(x), len(letters))
    return shape(start + basis @ jnp.asarray(levels[letters], start.dtype))


def _subspace(key: Key, network: Network, x: Array, dimension: int):
    key_start, key_basis = jax.random.split(jax.random.fold_in(key, 0))
    start, shape = ravel_pytree(network.init(key_start, jnp.zeros_like(x)))
    basis = jax.random.normal(key_basis, (start.size, dimension), start.dtype)
    return start, basis / jnp.sqrt(jnp.asarray(dimension, start.dtype)), shape


def _levels(v: np.ndarray, count: int) -> np.ndarray:
    """Lloyd's levels of the coordinates in half precision."""
    levels = np.quantile(v, (np.arange(count) + 0.5) / count)
    for _ in range(30):
        near = np.argmin(np.abs(v[:, None] - levels), axis=1)
        for k in range(count):
            if (near == k).any():
                levels[k] = v[near == k].mean()
    return levels.astype(np.float16)

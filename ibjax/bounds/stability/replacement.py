"""Stability in the weak sense: replacing one example, on average, is the gap itself."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.bounds.means import over_units
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import JaxArray, Key


class Replacement(NamedTuple):
    """What replacing one example does, and the gap measured on the same runs.

    Attributes:
        stability: mean over runs and i of l(W_S, Z'_i) - l(W_{S^i}, Z'_i).
        gap: mean over the same runs of the mean of l(W_S, Z'_i) - l(W_S, Z_i).
        difference: stability minus gap, run by run: its expectation is 0.
    """

    stability: Estimate
    gap: Estimate
    difference: Estimate


@enforced
def replace_one(
    key: Key,
    draw: Callable[[Key, int], Any],
    learn: Callable[[Key, Any], Any],
    loss: Callable[[Any, Any], JaxArray],
    n: int,
    runs: int,
    *,
    batch: int = 256,
) -> Replacement:
    """Measure on-average replace-one stability and the gap side by side.

    ``(1/n) sum_i E[l(W_S, Z'_i) - l(W_{S^i}, Z'_i)] = E[L(W_S) - L_S(W_S)]``

    S^i has Z'_i in place of Z_i. There Z'_i is a training example of a sample of the same law,
    so the second term is the training loss and the equality is exact: every bound on the
    expected gap, of whatever sign and depth, is a bound on this stability, and no smaller one
    holds. It is an average, far weaker than uniform stability.

    Args:
        key: root of samples, ghosts and the learner's randomness; all n + 1 trainings of a run
            share the latter.
        draw: ``(key, n) -> n examples``, a pytree of arrays with a leading axis.
        learn: ``(key, examples) -> weights``.
        loss: ``(weights, example) -> number``.
        n: number of training examples.
        runs: independent runs; each trains n + 1 times.
        batch: runs computed at once.

    Returns:
        Means over the runs with their standard errors.

    Raises:
        ValueError: for n < 1 or runs < 2.
    """
    n, runs = checks.static_whole("n", n), checks.static_whole("runs", runs, 2)

    def one(k):
        own, other, learner = jax.random.split(k, 3)
        sample, ghost = draw(own, n), draw(other, n)
        w = learn(learner, sample)
        each = jax.vmap(loss, (None, 0))

        def replaced(i):
            changed = jax.tree.map(lambda a, b: a.at[i].set(b[i]), sample, ghost)
            return loss(learn(learner, changed), jax.tree.map(lambda b: b[i], ghost))

        fresh = jnp.mean(each(w, ghost))
        swapped = jnp.mean(jax.vmap(replaced)(jnp.arange(n)))
        return fresh - swapped, fresh - jnp.mean(each(w, sample))

    keys = jax.random.split(key, runs)
    stability, gap = jax.jit(lambda k: jax.lax.map(one, k, batch_size=batch))(keys)

    return Replacement(
        over_units(stability, "stability"),
        over_units(gap, "gap"),
        over_units(stability - gap, "difference"),
    )

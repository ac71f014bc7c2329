"""The deterministic information bottleneck: hard clusters."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.arguments import in_double
from ibjax.bottleneck import tables
from ibjax.bottleneck.discrete import Bottleneck
from ibjax.bottleneck.search import random_encoders, summary
from ibjax.bottleneck.sweeps import Rows, best, rows
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key, Scalar


@enforced
def deterministic_ib(
    joint: Float[Array, "k m"],
    beta: Scalar,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 1000,
) -> Bottleneck:
    r"""Minimise H(T) - beta I(T;Y) over partitions of X.

    The usual sweep, :math:`t(x) = \arg\max_t \log p(t) - \beta D[p(y|x)\|p(y|t)]`, stops at many
    partitions and never opens a cluster again. Here each step makes the best of all moves of one x
    to any cluster, empty ones included, and of all merges of two clusters, until none lowers the
    functional: what is returned cannot be improved by a single move or merge.

    Args:
        joint: p(x, y) or counts, (k, m); every row must have mass.
        beta: trade-off, >= 0.
        cardinality: largest number of clusters; k by default.
        key: for the random starts; a fixed one by default.
        restarts: number of starts, at least 2: one cluster, all apart, then random partitions.
        max_iterations: steps a start.

    Returns:
        A `Bottleneck` with a 0/1 encoder, `i_tx` = `h_t`, and
        `functional` = H(T) + beta (I(X;Y) - I(T;Y)); `iterations` counts moves and merges.

    Raises:
        ValueError: for a joint that is no table of nonnegative numbers with mass in every row, a
            negative beta, or counts below 1.

    Reference:
        Strouse and Schwab (2017), The deterministic information bottleneck, for the functional;
        single moves as in Slonim, Friedman, Tishby (2002), Unsupervised document classification
        using sequential information maximization.
    """
    p, dtype = tables.normalised(joint)
    clusters = p.shape[0] if cardinality is None else cardinality
    tables.check_counts(clusters, restarts, max_iterations)
    beta = tables.check_betas(beta)
    key = jax.random.key(0) if key is None else key

    def run(p, beta):
        starts = jnp.argmax(random_encoders(key, p.shape[0], clusters, restarts, p.dtype), axis=2)
        return _search(p, beta, starts.at[0].set(0), clusters, max_iterations)

    return Bottleneck(**in_double(run, p, beta, dtype=dtype, given=(key, max_iterations)))


@partial(jax.jit, static_argnames="clusters")
def _search(p: JaxArray, beta: JaxArray, starts: JaxArray, clusters: int, max_iterations: Any):
    fixed = rows(p)
    least = 100 * jnp.finfo(p.dtype).eps

    def active(carry):
        _, gain, step = carry
        return (gain > least) & (step < max_iterations)

    def advance(carry):
        labels, _, step = carry
        labels, gain = _best_change(p, beta, labels, clusters)
        return labels, gain, step + 1

    def one(labels):
        start = (labels, jnp.array(jnp.inf, p.dtype), jnp.array(0))
        labels, gain, steps = jax.lax.while_loop(active, advance, start)
        q = jax.nn.one_hot(labels, clusters, dtype=p.dtype)
        return summary("ib", Rows(*fixed), beta, 0.0, q, steps, gain <= least)

    return best(jax.vmap(one)(starts))


def _best_change(p: JaxArray, beta: JaxArray, labels: JaxArray, clusters: int):
    """The labels after the best move or merge, and by how much it lowers the functional.

    The functional is a sum over clusters of g(joint row), so that a change costs what two rows do.
    """

    def g(row):
        """-p(t) log p(t) - beta sum_y p(t, y) log p(y|t) of rows (..., m)."""
        mass = jnp.sum(row, axis=-1)
        log = jax.scipy.special.xlogy
        return (beta - 1) * log(mass, mass) - beta * jnp.sum(log(row, row), axis=-1)

    joint = jax.ops.segment_sum(p, labels, clusters)
    now = g(joint)
    gone = g(jnp.maximum(joint[labels] - p, 0.0))  # the cluster of x without x
    with_x = g(joint[None] + p[:, None])  # (k, clusters)
    move = gone[:, None] + with_x - now[labels][:, None] - now[None]
    move = jnp.where(jax.nn.one_hot(labels, clusters, dtype=bool), jnp.inf, move)
    merge = g(joint[None] + joint[:, None]) - now[None] - now[:, None]
    merge = jnp.where(jnp.eye(clusters, dtype=bool), jnp.inf, merge)
    x, t = jnp.unravel_index(jnp.argmin(move), move.shape)
    a, b = jnp.unravel_index(jnp.argmin(merge), merge.shape)
    by_move, by_merge = jnp.min(move), jnp.min(merge)
    moved = labels.at[x].set(t)
    merged = jnp.where(labels == a, b, labels)
    fall = jnp.minimum(by_move, by_merge)
    changed = jnp.where(by_move < by_merge, moved, merged)
    return jnp.where(fall < 0, changed, labels), -fall

"""The dual bottleneck of an exponential family: clusters of sufficient statistics."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, host, in_double, numeric, precision
from ibjax.bottleneck import sweeps, tables
from ibjax.bottleneck.descent import Family, queue
from ibjax.bottleneck.search import random_encoders, summary, together
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key, Scalar


class Clusters(NamedTuple):
    """The dual's solution for an exponential family.

    Attributes:
        encoder: q(t|x), (k, cardinality).
        statistics: mean statistic of each cluster, (cardinality, d); they determine its decoder.
        i_tx: I(X;T), nats.
        i_ty: I(T;Y) with the Bayes decoder, nats.
        i_ty_decoder: I(T;Y') with Y' from the dual decoder, nats.
        functional: I(X;T) + beta E D[p(y|t) || p(y|x)], nats.
        iterations: sweeps of the restart that won.
        converged: whether its last sweep moved p(t) and p(t) times the statistics by less than
            the tolerance.
    """

    encoder: JaxArray
    statistics: JaxArray
    i_tx: JaxArray
    i_ty: JaxArray
    i_ty_decoder: JaxArray
    functional: JaxArray
    iterations: JaxArray
    converged: JaxArray


class _State(NamedTuple):
    log_t: JaxArray
    statistics: JaxArray


@enforced
def dual_ib_statistics(
    statistics: Float[Array, "k d"],
    natural: Float[Array, "m d"],
    beta: Scalar,
    p_x: Float[Array, " k"] | None = None,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Clusters:
    r"""Solve the dual bottleneck of p(y|x) = exp(lambda(y) . A(x) - log Z(x)) by its statistics.

    The dual decoder stays in the family with the mean statistic of its cluster,

    .. math:: \bar A(t) = \sum_x p(x|t) A(x),\qquad
              q(t|x) \propto p(t)\, e^{-\beta[\bar\lambda(t)\cdot(\bar A(t) - A(x)) - \log Z_t]},
              \qquad \bar\lambda(t) = \sum_y p(y|t)\lambda(y),

    so that a sweep clusters d-dimensional statistics.

    Args:
        statistics: A(x), (k, d).
        natural: lambda(y), (m, d).
        beta: trade-off, >= 0.
        p_x: law of X, (k,); uniform by default.
        cardinality: number of clusters; k by default.
        key: for the random starts; a fixed one by default.
        restarts: number of starts, at least 2 (the third and later ones are random).
        max_iterations: sweeps a start, counted in twos.
        tolerance: largest change of an entry of p(t) and p(t, y) in one sweep that counts as
            converged.

    Returns:
        `Clusters`; the same solution as `dual_ib` finds on the joint table.

    Raises:
        ValueError: for shapes that do not fit, a law p_x without mass somewhere, or as `ib`.

    Reference:
        Piran, Shwartz-Ziv, Tishby (2020), The dual information bottleneck, for the closure of
        exponential families; the equations are re-derived here.
    """
    a, natural_y = numeric("statistics", statistics), numeric("natural", natural)
    if a.ndim != 2 or natural_y.ndim != 2 or a.shape[1] != natural_y.shape[1]:
        raise ValueError(
            f"statistics has shape {a.shape} and natural {natural_y.shape}; give (k, d) and (m, d)"
        )
    k = a.shape[0]
    law = np.full(k, 1 / k) if p_x is None else p_x
    if np.shape(law) != (k,):
        raise ValueError(f"p_x has shape {np.shape(law)}; give ({k},)")
    if concrete(law) and not (host("p_x", law) > 0).all():
        raise ValueError("p_x must have mass everywhere; drop rows without")
    clusters = k if cardinality is None else cardinality
    tables.check_counts(clusters, restarts, max_iterations)
    tables.check_tolerance(tolerance)
    beta = tables.check_betas(beta)
    key = jax.random.key(0) if key is None else key

    def run(a, natural, law, beta):
        joint = law[:, None] * jax.nn.softmax(a @ natural.T, axis=1)
        starts = random_encoders(key, k, clusters, restarts, a.dtype)
        return _search(joint / jnp.sum(joint), a, natural, beta, starts, max_iterations, tolerance)

    given = key, max_iterations, tolerance
    dtype = precision(statistics, natural)
    return Clusters(**in_double(run, statistics, natural, law, beta, dtype=dtype, given=given))


@jax.jit
def _search(joint, a, natural, beta, starts, max_iterations: Any, tolerance: Any):
    fixed = sweeps.rows(joint)

    def update(q):
        p_t = fixed.p_x @ q
        alive = p_t > jnp.finfo(q.dtype).tiny
        mean = (q * fixed.p_x[:, None]).T @ a / jnp.where(alive, p_t, 1.0)[:, None]
        log_t = jnp.where(alive, jnp.log(jnp.where(alive, p_t, 1.0)), sweeps.DEAD)
        return _State(log_t, mean)

    def encode(state: _State):
        scores = state.statistics @ natural.T
        log_z = jax.nn.logsumexp(scores, axis=1)
        mean_natural = jnp.exp(scores - log_z[:, None]) @ natural
        own = jnp.sum(mean_natural * state.statistics, axis=1) - log_z
        logits = state.log_t - beta * (own - a @ mean_natural.T)
        log_norm = jax.nn.logsumexp(logits, axis=1)
        # the term log Z(x), which cancels in the encoder, belongs to the free energy only
        log_zx = jax.nn.logsumexp(a @ natural.T, axis=1)
        return jnp.exp(logits - log_norm[:, None]), -fixed.p_x @ (log_norm - beta * log_zx)

    def sweep(_, state):
        q, energy = encode(state)
        return update(q), energy

    def normalise(state):
        return _State(jax.nn.log_softmax(state.log_t), state.statistics)

    def weights(state):
        p_t = jnp.exp(state.log_t)
        return _State(p_t, jnp.broadcast_to(p_t[:, None], state.statistics.shape))

    states = jax.vmap(update)(starts)
    descents = queue(
        Family(sweep, normalise, weights),
        lambda i: i,
        lambda i: jax.tree.map(lambda s: s[i], states),
        starts.shape[0],
        min(together(starts[0].size), starts.shape[0]),
        max_iterations,
        tolerance,
    )

    def finish(descent):
        q, _ = encode(descent.state)
        done = descent.change <= tolerance
        found = summary("dual", fixed, beta, 1.0, q, descent.iterations, done)
        return {k: found[k] for k in Clusters._fields if k in found} | {
            "statistics": update(q).statistics
        }

    return sweeps.best(jax.vmap(finish)(descents))

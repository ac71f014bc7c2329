"""The squared functional, which traces the curve where labels are deterministic."""

from typing import Any

import jax
import jax.numpy as jnp

from ibjax.arguments import in_double
from ibjax.bottleneck import sweeps, tables
from ibjax.bottleneck.discrete import Bottleneck
from ibjax.bottleneck.search import random_encoders, summary
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key, Scalar

SHORTEST = 20  # halvings of a step before it counts as none


@enforced
def squared_ib(
    joint: Float[Array, "k m"],
    beta: Scalar,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    r"""Minimise I(X;T)^2 - beta I(T;Y) over encoders.

    Where Y is a function of X the curve is min(I(X;T), H(Y)) and every beta > 1 of the linear
    functional gives the same corner. The squared one has one minimum for each beta: there
    I(X;T) = I(T;Y) = min(beta / 2, H(Y)). Each step goes from log q(t|x) a part of the way to the
    linear sweep at the trade-off beta / (2 I(X;T)), the largest part of 1, 1/2, 1/4, ... that
    lowers the functional.

    Args:
        joint: p(x, y) or counts, (k, m); every row must have mass.
        beta: trade-off in nats, >= 0.
        cardinality: number of clusters; k by default.
        key: for the random starts; a fixed one by default.
        restarts: number of starts, at least 1, all random.
        max_iterations: steps a start.
        tolerance: fall of the functional in one step, in nats^2, that counts as converged.

    Returns:
        A `Bottleneck` whose `functional` is I(X;T)^2 + beta (I(X;Y) - I(T;Y)).

    Raises:
        ValueError: for a joint that is no table of nonnegative numbers with mass in every row, a
            negative beta, or counts below 1.

    Reference:
        Kolchinsky, Tracey, Van Kuyk (2019), Caveats for information bottleneck in deterministic
        scenarios, for the functional; the iteration is new here.
    """
    p, dtype = tables.normalised(joint)
    clusters = p.shape[0] if cardinality is None else cardinality
    tables.check_counts(clusters, restarts, max_iterations, least=1)
    tables.check_tolerance(tolerance)
    beta = tables.check_betas(beta)
    key = jax.random.key(0) if key is None else key

    def run(p, beta):
        starts = random_encoders(key, p.shape[0], clusters, restarts + 2, p.dtype)[2:]
        return _search(p, beta, starts, max_iterations, tolerance)

    given = key, max_iterations, tolerance
    return Bottleneck(**in_double(run, p, beta, dtype=dtype, given=given))


@jax.jit
def _search(p: JaxArray, beta: JaxArray, starts: JaxArray, max_iterations: Any, tolerance: Any):
    fixed = sweeps.rows(p)
    total = sweeps.relevance(fixed.p_x, fixed.conditional)
    parts = 0.5 ** jnp.arange(SHORTEST, dtype=p.dtype)

    def measured(log_q):
        """Squared functional of a log-encoder, its I(X;T) and its state."""
        q = jnp.exp(log_q)
        state = sweeps.update("ib", fixed, q)
        gain = jnp.where(q > 0, log_q - state.log_t, 0.0)
        i_tx = fixed.p_x @ jnp.sum(q * gain, axis=1)
        i_ty = sweeps.relevance(fixed.p_x @ q, jnp.exp(state.log_decoder))
        return i_tx**2 + beta * (total - i_ty), i_tx, state

    def active(carry):
        _, _, fall, step = carry
        return (fall > tolerance) & (step < max_iterations)

    def advance(carry):
        log_q, value, _, step = carry
        _, i_tx, state = measured(log_q)
        trade = beta / (2 * jnp.maximum(i_tx, jnp.finfo(p.dtype).eps))
        goal = state.log_t - trade * sweeps.distortion("ib", fixed, state.log_decoder)
        ways = jax.vmap(lambda s: jax.nn.log_softmax(log_q + s * (goal - log_q), axis=1))(parts)
        values = jax.vmap(lambda w: measured(w)[0])(ways)
        best = jnp.argmin(values)
        fall = value - values[best]
        moved = jnp.where(fall > 0, ways[best], log_q)
        return moved, jnp.minimum(values[best], value), fall, step + 1

    def one(q):
        log_q = jnp.log(q)
        start = (log_q, measured(log_q)[0], jnp.array(jnp.inf, p.dtype), jnp.array(0))
        log_q, value, fall, steps = jax.lax.while_loop(active, advance, start)
        found = summary("ib", fixed, beta, 1.0, jnp.exp(log_q), steps, fall <= tolerance)
        return {**found, "functional": value}

    return sweeps.best(jax.vmap(one)(starts))

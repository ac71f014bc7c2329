"""The information bottleneck and its dual on discrete joints, by alternating minimisation."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from ibjax.typing import Array, Float, JaxArray, Key, Scalar

Form = Literal["ib", "dual"]


class Bottleneck(NamedTuple):
    """The best solution found at one beta.

    Attributes:
        encoder: q(t|x), (k, cardinality).
        i_tx: I(X;T), nats.
        i_ty: I(T;Y) with the Bayes decoder, nats.
        functional: I(X;T) + beta E d, the minimised value, nats.
        decoder: p(y|t), (cardinality, m): Bayes for the IB, normalised geometric mean for its dual.
        i_ty_decoder: I(T;Y') where Y' is drawn from `decoder`; equals `i_ty` for the IB.
        iterations: sweeps of the restart that won.
        converged: whether its encoder moved by less than the tolerance.
    """

    encoder: JaxArray
    i_tx: JaxArray
    i_ty: JaxArray
    functional: JaxArray
    decoder: JaxArray
    i_ty_decoder: JaxArray
    iterations: JaxArray
    converged: JaxArray


def ib(
    joint: Float[Array, "k m"],
    beta: Scalar,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    r"""Minimise I(X;T) - beta I(T;Y) over encoders of a discrete joint.

    Alternates :math:`q(t|x) \propto p(t) e^{-\beta D[p(y|x) \| p(y|t)]}` with the marginal and the
    Bayes decoder; each sweep lowers :math:`I(X;T) + \beta E\,D[p(y|x)\|p(y|t)]`, which is the
    functional up to the constant beta I(X;Y). The problem is not convex: the best of several
    starts is returned, the trivial and the identity encoder among them. Near a critical beta
    convergence is slow: look at `converged`.

    Args:
        joint: p(x, y) or counts, (k, m); every row must have mass.
        beta: trade-off, >= 0.
        cardinality: number of clusters; k by default, which suffices.
        key: for the random starts; a fixed one by default.
        restarts: number of starts, at least 2 (the third and later ones are random).
        max_iterations: sweeps a start.
        tolerance: largest change of an encoder entry that counts as converged.

    Returns:
        A `Bottleneck`; float64 input gives float64 results.

    Raises:
        ValueError: for a joint that is no table of nonnegative numbers with mass in every row, a
            negative beta, or counts below 1.

    Reference:
        Tishby, Pereira, Bialek (1999), The information bottleneck method; as published.
    """
    return _solve("ib", joint, beta, cardinality, key, restarts, max_iterations, tolerance)


def dual_ib(
    joint: Float[Array, "k m"],
    beta: Scalar,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    r"""Minimise the dual functional I(X;T) + beta E D[p(y|t) || p(y|x)].

    The arguments of the divergence are exchanged, so the decoder is the normalised geometric mean
    of the p(y|x) of its cluster. Both information coordinates are returned: `i_ty` with the Bayes
    decoder (never above the IB curve) and `i_ty_decoder` with the dual one.

    Args:
        joint: p(x, y) or counts, (k, m), positive everywhere: deterministic labels have an
            infinite distortion and need a model of label noise.
        beta: as for `ib`.
        cardinality: as for `ib`.
        key: as for `ib`.
        restarts: as for `ib`.
        max_iterations: as for `ib`.
        tolerance: as for `ib`.

    Returns:
        A `Bottleneck`.

    Raises:
        ValueError: as `ib`, and for a joint with zeros.

    Reference:
        Piran, Shwartz-Ziv, Tishby (2020), The dual information bottleneck.
    """
    return _solve("dual", joint, beta, cardinality, key, restarts, max_iterations, tolerance)


def curve(
    joint: Float[Array, "k m"],
    betas: Float[Array, " b"],
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    form: Form = "ib",
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    """Solutions at many betas in one program; each field gains a leading axis.

    Args:
        joint: as for `ib`.
        betas: trade-offs, (b,).
        cardinality: as for `ib`.
        key: as for `ib`.
        form: "ib" or "dual".
        restarts: as for `ib`.
        max_iterations: as for `ib`.
        tolerance: as for `ib`.

    Raises:
        ValueError: as `ib`.
    """
    if form not in ("ib", "dual"):
        raise ValueError(f"form={form!r} is unknown; choose 'ib' or 'dual'")
    betas = jnp.asarray(betas)
    return _solve(form, joint, betas, cardinality, key, restarts, max_iterations, tolerance)


def _solve(form, joint, beta, cardinality, key, restarts, max_iterations, tolerance):
    p = _joint(joint, positive=form == "dual")
    clusters = p.shape[0] if cardinality is None else cardinality
    if clusters < 1 or restarts < 2 or max_iterations < 1:
        raise ValueError(
            f"cardinality={clusters}, restarts={restarts}, max_iterations={max_iterations}: give "
            "cardinality >= 1, restarts >= 2, max_iterations >= 1"
        )
    if not isinstance(beta, jax.core.Tracer) and not np.all(np.asarray(beta) >= 0):  # pyright: ignore
        raise ValueError(f"beta={beta} must not be negative or NaN")
    key = jax.random.key(0) if key is None else key
    starts = _starts(key, p.shape[0], clusters, restarts, p.dtype)
    beta = jnp.asarray(beta, p.dtype)
    return _search(form, p, beta, starts, max_iterations, tolerance)


def _starts(key: Key, k: int, clusters: int, restarts: int, dtype: Any) -> JaxArray:
    """Log-encoders: all but trivial, all but identity, then random ones of growing sharpness."""
    trivial = jax.random.normal(jax.random.fold_in(key, 0), (k, clusters), dtype) * 1e-3
    identity = 30.0 * jax.nn.one_hot(jnp.arange(k) % clusters, clusters, dtype=dtype)
    noise = jax.random.normal(jax.random.fold_in(key, 1), (restarts - 2, k, clusters), dtype)
    sharp = jnp.linspace(0.5, 5.0, restarts - 2, dtype=dtype)[:, None, None]
    starts = jnp.concatenate([trivial[None], identity[None], sharp * noise])
    return jax.nn.log_softmax(starts, axis=-1)


@partial(jax.jit, static_argnames="form")
def _search(form, p, beta, starts, max_iterations, tolerance) -> Bottleneck:
    """The best restart at each beta: one program whatever the number of betas."""

    def best(b):
        found = jax.vmap(lambda s: _descend(form, p, b, s, max_iterations, tolerance))(starts)
        winner = jnp.argmin(found.functional)
        return jax.tree.map(lambda a: a[winner], found)

    return best(beta) if beta.ndim == 0 else jax.vmap(best)(beta)


def _descend(form, p, beta, log_encoder, max_iterations, tolerance) -> Bottleneck:
    p_x = jnp.sum(p, axis=1)
    conditional = p / p_x[:, None]

    def active(carry):
        _, change, step = carry
        return (change > tolerance) & (step < max_iterations)

    def advance(carry):
        log_q, _, step = carry
        log_t, decoder = _decoder(form, p_x, conditional, log_q)
        logits = log_t - beta * _distortion(form, conditional, decoder)
        new = jax.nn.log_softmax(logits, axis=1)
        return new, jnp.max(jnp.abs(jnp.exp(new) - jnp.exp(log_q))), step + 1

    start = (log_encoder, jnp.array(jnp.inf, p.dtype), jnp.array(0))
    log_q, change, steps = jax.lax.while_loop(active, advance, start)
    return _summary(form, p_x, conditional, beta, log_q, steps, change <= tolerance)


def _decoder(form: Form, p_x, conditional, log_q):
    """Logarithm of p(t), and p(y|t); clusters that emptied keep a uniform decoder and no mass."""
    q = jnp.exp(log_q)
    p_t = p_x @ q
    log_t = jax.nn.logsumexp(log_q + jnp.log(p_x)[:, None], axis=0)
    alive = p_t > 1e-300 if p_t.dtype == jnp.float64 else p_t > 1e-37
    x_given_t = q * p_x[:, None] / jnp.where(alive, p_t, 1.0)
    if form == "ib":
        decoder = x_given_t.T @ conditional
        decoder = decoder / jnp.maximum(jnp.sum(decoder, axis=1, keepdims=True), 1e-37)
    else:
        decoder = jax.nn.softmax(x_given_t.T @ jnp.log(conditional), axis=1)
    uniform = jnp.full_like(decoder, 1 / decoder.shape[1])
    return jnp.where(alive, log_t, -jnp.inf), jnp.where(alive[:, None], decoder, uniform)


def _distortion(form: Form, conditional, decoder):
    """D[p(y|x) || p(y|t)] for the IB, D[p(y|t) || p(y|x)] for its dual; (k, clusters)."""
    tiny = jnp.finfo(decoder.dtype).tiny
    if form == "ib":
        own = jnp.sum(xlogy(conditional, conditional), axis=1)
        return own[:, None] - conditional @ jnp.log(jnp.maximum(decoder, tiny)).T
    own = jnp.sum(xlogy(decoder, decoder), axis=1)
    return own[None] - jnp.log(conditional) @ decoder.T


def _summary(form, p_x, conditional, beta, log_q, steps, converged) -> Bottleneck:
    log_t, decoder = _decoder(form, p_x, conditional, log_q)
    q = jnp.exp(log_q)
    p_t = p_x @ q
    _, bayes = _decoder("ib", p_x, conditional, log_q)
    safe_t = jnp.where(jnp.isfinite(log_t), log_t, 0.0)
    # an entry with no mass adds nothing, and must not be multiplied by an infinite logarithm
    i_tx = p_x @ jnp.sum(jnp.where(q > 0, q * (log_q - safe_t), 0.0), axis=1)
    cost = jnp.sum(p_x[:, None] * q * _distortion(form, conditional, decoder))

    def relevance(channel):
        p_y = p_t @ channel
        return p_t @ jnp.sum(xlogy(channel, channel), axis=1) - jnp.sum(xlogy(p_y, p_y))

    return Bottleneck(
        encoder=q,
        i_tx=i_tx,
        i_ty=relevance(bayes),
        functional=i_tx + beta * cost,
        decoder=decoder,
        i_ty_decoder=relevance(decoder),
        iterations=steps,
        converged=converged,
    )


def _joint(joint: Any, positive: bool) -> JaxArray:
    p = jnp.asarray(joint)
    if not jnp.issubdtype(p.dtype, jnp.floating):
        p = p.astype(jnp.result_type(float))
    if p.ndim != 2 or 0 in p.shape:
        raise ValueError(f"joint has shape {p.shape}; it must be a table (k, m)")
    if not isinstance(p, jax.core.Tracer):  # pyright: ignore
        host = np.asarray(p)
        if not (host >= 0).all() or not (host.sum(axis=1) > 0).all():
            raise ValueError("joint must be nonnegative with mass in every row; drop empty rows")
        if positive and not (host > 0).all():
            raise ValueError(
                "joint has zeros: the dual distortion is infinite; mix in label noise first"
            )
    return p / jnp.sum(p)

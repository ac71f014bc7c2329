r"""One sweep of alternating minimisation, for every discrete form of the bottleneck.

A state is (log p(t), log p(y|t)); the encoder is a function of it and is never carried. The free
energy :math:`-\alpha\sum_x p(x) \log\sum_t e^{(\log p(t) - \beta d(x,t))/\alpha}` of a
state is the functional with the best encoder: it falls with every sweep and costs nothing.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from ibjax.typing import JaxArray

Form = Literal["ib", "dual"]
DEAD = -1e30  # log p(t) of an empty cluster: finite, so that differences of states stay numbers


class State(NamedTuple):
    """Logarithms of the marginal of T and of the decoder."""

    log_t: JaxArray
    log_decoder: JaxArray


class Rows(NamedTuple):
    """What is fixed of a joint: p(x), p(y|x), its logarithm and its negative entropies."""

    p_x: JaxArray
    conditional: JaxArray
    logs: JaxArray
    own: JaxArray


@jax.jit
def rows(p: JaxArray) -> Rows:
    """Split a normalised joint table; a row whose mass rounds to nothing gets the law of Y."""
    p_x = jnp.sum(p, axis=1)
    alive = p_x > jnp.finfo(p.dtype).tiny
    conditional = p / jnp.where(alive, p_x, 1.0)[:, None]
    conditional = jnp.where(alive[:, None], conditional, jnp.sum(p, axis=0))
    logs = jnp.log(jnp.maximum(conditional, jnp.finfo(p.dtype).tiny))
    return Rows(p_x, conditional, logs, jnp.sum(xlogy(conditional, conditional), axis=1))


def distortion(form: Form, fixed: Rows, log_decoder: JaxArray) -> JaxArray:
    """D[p(y|x) || p(y|t)] for the IB, D[p(y|t) || p(y|x)] for its dual; (k, clusters).

    Within rounding of 0 it is 0: a large beta would make encoders of what is left.
    """
    if form == "ib":
        found = fixed.own[:, None] - fixed.conditional @ log_decoder.T
    else:
        decoder = jnp.exp(log_decoder)
        found = jnp.sum(decoder * log_decoder, axis=1) - fixed.logs @ decoder.T
    unit = 8 * jnp.finfo(found.dtype).eps * (1 + jnp.abs(fixed.own))
    return jnp.where(found <= unit[:, None], 0.0, found)


def update(form: Form, fixed: Rows, q: JaxArray) -> State:
    """Marginal and best decoder of an encoder; empty clusters keep a uniform decoder, no mass."""
    return _marginals(form, fixed, q, fixed.p_x)


def encode(form: Form, fixed: Rows, beta: Any, alpha: Any, state: State):
    """The best encoder of a state, and its free energy."""
    weight, total, energy = _clusters(form, fixed, beta, alpha, state)
    return weight * (1 / total)[:, None], energy


def sweep(form: Form, fixed: Rows, beta: Any, alpha: Any, state: State):
    """The marginal and the decoder of the best encoder of a state, and the state's free energy.

    The encoder itself, the largest array there is, is not made: its norms go to the rows.
    """
    weight, total, energy = _clusters(form, fixed, beta, alpha, state)
    return _marginals(form, fixed, weight, fixed.p_x / total), energy


def _clusters(form: Form, fixed: Rows, beta: Any, alpha: Any, state: State):
    """The best encoder up to its norms, these norms, and the free energy."""
    logits = state.log_t - beta * distortion(form, fixed, state.log_decoder)
    best = jnp.max(logits, axis=1)
    weight = jnp.exp((logits - best[:, None]) * (1 / alpha))
    total = jnp.sum(weight, axis=1)
    return weight, total, -fixed.p_x @ (best + alpha * jnp.log(total))


def _marginals(form: Form, fixed: Rows, weight: JaxArray, mass: JaxArray) -> State:
    """The state of an encoder, given up to the norms of its rows, that `mass` divides p(x) by.

    Clusters whose mass is so small that products with it lose digits count as empty.
    """
    limits = jnp.finfo(weight.dtype)
    known = fixed.conditional if form == "ib" else fixed.logs
    both = weight.T @ (known * mass[:, None])
    p_t = mass @ weight
    alive = p_t > limits.tiny / limits.eps
    mean = both / jnp.where(alive, p_t, 1.0)[:, None]
    if form == "ib":
        log_decoder = jnp.log(jnp.maximum(mean, limits.tiny))
    else:
        log_decoder = jax.nn.log_softmax(mean, axis=1)
    uniform = -jnp.log(jnp.asarray(log_decoder.shape[1], weight.dtype))
    log_t = jnp.where(alive, jnp.log(jnp.where(alive, p_t, 1.0)), DEAD)
    return State(log_t, jnp.where(alive[:, None], log_decoder, uniform))


def normalise(state: State) -> State:
    """A state of probability laws, after an extrapolation of logarithms."""
    return State(jax.nn.log_softmax(state.log_t), jax.nn.log_softmax(state.log_decoder, axis=1))


def weights(state: State) -> State:
    """The Fisher metric: what a change of a logarithm means as a change of p(t) and p(t, y)."""
    p_t = jnp.exp(state.log_t)
    return State(p_t, p_t[:, None] * jnp.exp(state.log_decoder))


def best(found: dict[str, JaxArray]) -> dict[str, JaxArray]:
    """The start with the smallest functional, leading axis; what is no number has not converged."""
    value = found["functional"]
    finite = jnp.isfinite(value)
    found = {**found, "converged": found["converged"] & finite}
    winner = jnp.argmin(jnp.where(finite, value, jnp.inf))
    return {name: a[winner] for name, a in found.items()}


def relevance(p_t: JaxArray, channel: JaxArray) -> JaxArray:
    """I(T;Y') for Y' drawn from a channel of T."""
    p_y = p_t @ channel
    return p_t @ jnp.sum(xlogy(channel, channel), axis=1) - jnp.sum(xlogy(p_y, p_y))

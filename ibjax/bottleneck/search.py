"""Many starts and many betas in one program."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import in_double
from ibjax.bottleneck import sweeps, tables
from ibjax.bottleneck.descent import Descent, End, Family, queue
from ibjax.bottleneck.sweeps import Form, Rows
from ibjax.environment import brief_compilation
from ibjax.typing import JaxArray, Key


def solve(
    form: Form,
    joint: Any,
    beta: Any,
    alpha: Any,
    cardinality: int | None,
    key: Key | None,
    restarts: int,
    max_iterations: int,
    tolerance: float,
    at_once: int | None,
) -> dict[str, JaxArray]:
    """The best of several starts at one beta or at each of several; the fields of a result."""
    tables.check_form(form)
    p, dtype = tables.normalised(joint, positive=form == "dual")
    clusters = p.shape[0] if cardinality is None else cardinality
    tables.check_counts(clusters, restarts, max_iterations)
    tables.check_tolerance(tolerance)
    beta = tables.check_betas(beta)
    if tables.concrete(alpha) and not np.asarray(alpha) > 0:
        raise ValueError(f"alpha={alpha} must be positive; for 0 call deterministic_ib")
    if at_once is not None and at_once < 1:
        raise ValueError(f"at_once={at_once} must be at least 1; None chooses it")
    key = jax.random.key(0) if key is None else key

    def run(p, beta, alpha):
        slots = min(together(p.shape[0] * clusters, at_once), max(1, beta.size) * restarts)
        # Options of compilation are for whole programs: inside of another there are none.
        known = tables.concrete(p, beta, alpha, key, max_iterations, tolerance)
        search = _program(*(brief_compilation() if known else {}).items())
        sizes = clusters, restarts, slots
        return search(form, p, beta, alpha, key, max_iterations, tolerance, sizes)

    return in_double(run, p, beta, alpha, dtype=dtype, given=(key, max_iterations, tolerance))


def together(cells: int, at_once: int | None = None) -> int:
    """How many descents to advance together, of so many cells of an encoder each."""
    if at_once is not None:
        return at_once
    # A CPU keeps a few of them in its nearest cache, where more only wait for the slowest; an
    # accelerator wants them all.
    most, room = (4, 2**16) if jax.default_backend() == "cpu" else (2**20, 2**28)
    return max(1, min(most, room // cells))


def random_encoders(key: Key, k: int, clusters: int, restarts: int, dtype: Any) -> JaxArray:
    """Encoders: all but trivial, all but identity, then random ones of growing sharpness."""
    trivial = jax.random.normal(jax.random.fold_in(key, 0), (k, clusters), dtype) * 1e-3
    identity = 30.0 * jax.nn.one_hot(jnp.arange(k) % clusters, clusters, dtype=dtype)
    noise = jax.random.normal(jax.random.fold_in(key, 1), (restarts - 2, k, clusters), dtype)
    sharp = jnp.linspace(0.5, 5.0, restarts - 2, dtype=dtype)[:, None, None]
    logits = jnp.concatenate([trivial[None], identity[None], sharp * noise])
    return jax.nn.softmax(logits, axis=-1)


@cache
def _program(*options: tuple[str, Any]) -> Callable[..., dict[str, JaxArray]]:
    return jax.jit(_search, static_argnames=("form", "sizes"), compiler_options=dict(options))


def _search(form, p, beta, alpha, key, max_iterations, tolerance, sizes):
    clusters, restarts, slots = sizes
    fixed = sweeps.rows(p)
    betas = beta.reshape(-1)
    starts = random_encoders(key, p.shape[0], clusters, restarts, p.dtype)
    states = jax.vmap(lambda q: sweeps.update(form, fixed, q))(starts)
    found = queue(
        family(form, fixed, alpha),
        lambda i: betas[i // restarts],
        lambda i: jax.tree.map(lambda a: a[i % restarts], states),
        betas.size * restarts,
        slots,
        max_iterations,
        tolerance,
    )
    found = jax.tree.map(lambda a: a.reshape(betas.size, restarts, *a.shape[1:]), found)

    def one(b_and_descents):
        b, descents = b_and_descents
        return sweeps.best(
            jax.vmap(lambda d: finish(form, fixed, b, alpha, d, tolerance))(descents)
        )

    results = jax.lax.map(one, (betas, found), batch_size=max(1, slots // restarts))
    return jax.tree.map(lambda a: a.reshape(*beta.shape, *a.shape[1:]), results)


def family(form: Form, fixed: Rows, alpha: Any) -> Family:
    """Sweeps of a joint; the problem is beta."""

    def sweep(beta, state):
        return sweeps.sweep(form, fixed, beta, alpha, state)

    return Family(sweep, sweeps.normalise, sweeps.weights)


def finish(form: Form, fixed: Rows, beta, alpha, descent: Descent | End, tolerance):
    """The fields of a result from where a descent ended."""
    q, _ = sweeps.encode(form, fixed, beta, alpha, descent.state)
    converged = descent.change <= tolerance
    return summary(form, fixed, beta, alpha, q, descent.iterations, converged)


def summary(form: Form, fixed: Rows, beta, alpha, q, iterations, converged) -> dict[str, JaxArray]:
    """The informations, the functional and the decoder of an encoder."""
    state = sweeps.update(form, fixed, q)
    bayes = jnp.exp(sweeps.update("ib", fixed, q).log_decoder)
    decoder = jnp.exp(state.log_decoder)
    p_t = fixed.p_x @ q
    positive = q > 0
    gain = jnp.where(positive, jnp.log(jnp.where(positive, q, 1.0)) - state.log_t, 0.0)
    i_tx = fixed.p_x @ jnp.sum(q * gain, axis=1)
    h_t = 0 - jnp.sum(jax.scipy.special.xlogy(p_t, p_t))
    distances = sweeps.distortion(form, fixed, state.log_decoder)
    cost = jnp.sum(fixed.p_x[:, None] * q * distances)
    # A large beta would make of the rounding of no distortion what it likes, also below zero.
    unit = 16 * jnp.finfo(p_t.dtype).eps * (1 + fixed.p_x @ jnp.abs(fixed.own))
    cost = jnp.where(cost <= unit, 0.0, cost)
    return {
        "encoder": q,
        "i_tx": i_tx,
        "i_ty": sweeps.relevance(p_t, bayes),
        "functional": h_t - alpha * (h_t - i_tx) + beta * cost,
        "decoder": decoder,
        "i_ty_decoder": sweeps.relevance(p_t, decoder),
        "iterations": iterations,
        "converged": converged,
        "h_t": h_t,
    }

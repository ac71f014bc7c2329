"""Following one solution along beta: forward from the trivial encoder, reverse from T = X."""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import in_double
from ibjax.bottleneck import sweeps, tables
from ibjax.bottleneck.descent import active, advance, begin
from ibjax.bottleneck.discrete import Bottleneck
from ibjax.bottleneck.search import family, finish
from ibjax.bottleneck.sweeps import Form
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


@enforced
def anneal(
    joint: Float[Array, "k m"],
    betas: Float[Array, " b"],
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    form: Form = "ib",
    direction: Literal["reverse", "forward"] = "reverse",
    noise: float = 1e-3,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    """Solutions along a grid of betas, each started from its neighbour's.

    Reverse annealing starts at the largest beta from the identity encoder and cools down: clusters
    merge, and the curve is smooth. Forward annealing starts at the smallest beta from the trivial
    encoder and disturbs every solution a little, so that clusters split where they can.

    Args:
        joint: p(x, y) or counts, (k, m); every row must have mass.
        betas: trade-offs, (b,), in any order.
        cardinality: number of clusters; k by default, which suffices.
        key: for the disturbances; a fixed one by default.
        form: "ib" or "dual".
        direction: "reverse" or "forward".
        noise: relative size of the disturbance of the encoder before each beta.
        max_iterations: sweeps a beta, counted in twos.
        tolerance: largest change of an entry of p(t) and p(t, y) in one sweep that counts as
            converged.

    Returns:
        A `Bottleneck` with a leading axis, in the order of `betas`. One path, no restarts:
        compare its `functional` with that of `curve`.

    Raises:
        ValueError: as `ib`, for an unknown direction or negative noise.

    Reference:
        Rose (1998), Deterministic annealing for clustering, compression, classification,
        regression, and related optimization problems.
    """
    tables.check_form(form)
    if direction not in ("reverse", "forward"):
        raise ValueError(f"direction={direction!r} is unknown; choose 'reverse' or 'forward'")
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise={noise} must be finite and not negative")
    p, dtype = tables.normalised(joint, positive=form == "dual")
    clusters = p.shape[0] if cardinality is None else cardinality
    tables.check_counts(clusters, 1, max_iterations, least=1)
    tables.check_tolerance(tolerance)
    betas = tables.check_betas(betas, "betas")
    betas = betas if isinstance(betas, jax.Array) else np.asarray(betas, float)
    if betas.ndim != 1:
        raise ValueError(f"betas has shape {betas.shape}; give (b,)")
    key = jax.random.key(0) if key is None else key

    def run(p, betas):
        order = jnp.argsort(betas, descending=direction == "reverse")
        identity = jax.nn.one_hot(jnp.arange(p.shape[0]) % clusters, clusters, dtype=p.dtype)
        start = identity if direction == "reverse" else jnp.full_like(identity, 1 / clusters)
        found = _follow(form, p, betas[order], start, key, noise, max_iterations, tolerance)
        back = jnp.argsort(order)
        return jax.tree.map(lambda a: a[back], found)

    given = key, max_iterations, tolerance
    return Bottleneck(**in_double(run, p, betas, dtype=dtype, given=given))


@partial(jax.jit, static_argnames="form")
def _follow(
    form: Form,
    p: JaxArray,
    betas: JaxArray,
    start: JaxArray,
    key: Key,
    noise: Any,
    max_iterations: Any,
    tolerance: Any,
):
    fixed = sweeps.rows(p)
    moves = family(form, fixed, 1.0)

    def step(q, beta_and_key):
        beta, k = beta_and_key
        disturbed = q * jnp.exp(noise * jax.random.normal(k, q.shape, q.dtype))
        disturbed = disturbed / jnp.sum(disturbed, axis=1, keepdims=True)
        descent = jax.lax.while_loop(
            lambda d: active(d, max_iterations, tolerance),
            lambda d: advance(moves, beta, d),
            begin(sweeps.update(form, fixed, disturbed)),
        )
        found = finish(form, fixed, beta, 1.0, descent, tolerance)
        found["converged"] &= jnp.isfinite(found["functional"])
        return found["encoder"], found

    return jax.lax.scan(step, start, (betas, jax.random.split(key, betas.size)))[1]

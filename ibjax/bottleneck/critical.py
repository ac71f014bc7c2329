"""Critical values of beta: where the trivial solution splits, and where each cluster does."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.arguments import grain, in_double, numeric, whole
from ibjax.bottleneck import sweeps, tables
from ibjax.bottleneck.sweeps import Form, Rows
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


@enforced
def critical_beta(joint: Float[Array, "k m"], *, form: Form = "ib") -> JaxArray:
    r"""Smallest beta at which the trivial solution stops being a local minimum.

    IB: :math:`1/\rho_m^2`, with the maximal correlation rho_m of X and Y. Dual: one over the
    largest eigenvalue of the covariance of the centred log-likelihoods log p(y|x) under the dual
    trivial decoder. The threshold is local: non-trivial solutions may exist below it, from
    `global_critical_beta` on.

    Args:
        joint: p(x, y) or counts, (k, m); positive everywhere for the dual.
        form: "ib" or "dual".

    Returns:
        A scalar; infinite for independent X and Y.

    Raises:
        ValueError: as `ib`, and for an unknown form.

    Reference:
        IB: derived from the linearised fixed-point equations; dual: derived likewise, new here.
    """
    tables.check_form(form)
    p, dtype = tables.normalised(joint, positive=form == "dual")
    noise = grain(joint)

    def run(p):
        return 1 / _local(form, sweeps.rows(p), noise)

    return in_double(run, p, dtype=dtype)


@enforced
def split_eigenvalues(
    joint: Float[Array, "k m"], encoder: Float[Array, "k c"], *, form: Form = "ib"
) -> JaxArray:
    r"""Eigenvalues that predict when each cluster of a solution splits.

    Near a solution the law of X in cluster t moves along the eigenvectors of

    .. math:: C_{IB}(t)_{xx'} = \sum_y \frac{p(y|x)p(y|x')}{p(y|t)} p(x'|t),\qquad
              C_{dual}(t)_{xx'} = p(x'|t)\,\mathrm{Cov}_{p(y|t)}[\log p(y|x), \log p(y|x')],

    (for the dual after removing the mean over x), and it splits once beta times the largest
    eigenvalue beyond the trivial one reaches 1.

    Args:
        joint: p(x, y) or counts, (k, m).
        encoder: q(t|x), (k, c), of a solution.
        form: "ib" or "dual".

    Returns:
        (c, min(k, m)), descending, the trivial eigenvalue left out; 0 for an empty cluster.

    Raises:
        ValueError: as `critical_beta`, and for an encoder of another number of rows.
    """
    tables.check_form(form)
    p, dtype = tables.normalised(joint, positive=form == "dual")
    q = numeric("encoder", encoder)
    if q.ndim != 2 or q.shape[0] != p.shape[0]:
        raise ValueError(f"encoder has shape {q.shape}; give ({p.shape[0]}, clusters)")

    def run(p, q):
        fixed = sweeps.rows(p)
        mass = fixed.p_x @ q
        x_given_t = (q * fixed.p_x[:, None] / jnp.where(mass > 0, mass, 1.0)).T
        return jax.vmap(partial(_modes, form, fixed))(x_given_t)

    return in_double(run, p, encoder, dtype=dtype)


@partial(jax.jit, static_argnames="form")
def _modes(form: Form, fixed: Rows, r: JaxArray) -> JaxArray:
    """Eigenvalues at a cluster whose members have law r, as squared singular values."""
    if form == "ib":
        p_y = r @ fixed.conditional
        root = jnp.where(p_y > 0, 1 / jnp.sqrt(jnp.where(p_y > 0, p_y, 1.0)), 0.0)
        # Subtracting the trivial pair of singular vectors leaves the others on top.
        spread = (fixed.conditional - p_y) * root
    else:
        decoder = jax.nn.softmax(r @ fixed.logs)
        centred = fixed.logs - (fixed.logs @ decoder)[:, None]
        spread = (centred - r @ centred) * jnp.sqrt(decoder)
    return jnp.linalg.svd(spread * jnp.sqrt(r)[:, None], compute_uv=False) ** 2


def _local(form: Form, fixed: Rows, noise: float) -> JaxArray:
    """The largest eigenvalue of the trivial solution; 0 for what rounding makes of none."""
    found = _modes(form, fixed, fixed.p_x)
    # Of numbers rounded by `noise`: p(y|x) / p(y) for the IB, logarithms for the dual.
    size = 1 + jnp.sum(found) if form == "ib" else 1 + jnp.max(jnp.abs(fixed.logs)) ** 2
    return jnp.where(found[0] <= (8 * noise) ** 2 * size, 0.0, found[0])


@enforced
def global_critical_beta(
    joint: Float[Array, "k m"],
    key: Key | None = None,
    *,
    form: Form = "ib",
    restarts: int = 16,
    iterations: int = 2000,
) -> JaxArray:
    r"""Smallest beta at which the trivial solution stops being the global minimum.

    A small cluster whose members have law r pays off once

    .. math:: \beta > \frac{D(r\|p_X)}{D(r_Y\|p_Y)}\ \text{(IB)},\qquad
              \beta > \frac{D(r\|p_X)}{D(\hat p_Y\|\hat r_Y)}\ \text{(dual)}

    with the arithmetic means r_Y of p(y|x) or their normalised geometric means :math:`\hat r_Y`.
    The infimum over r is one over the strong data-processing constant of p_X; the limit r to p_X is
    `critical_beta`. Where the two differ, a cluster of small mass whose members have quite another
    law appears first, before small disturbances grow. The ratio is maximised by the
    monotone iteration :math:`r \leftarrow p_X e^{\beta(r) g(r)}/Z`, g the gradient of the
    denominator, from every vertex and from random starts.

    Args:
        joint: p(x, y) or counts, (k, m); positive everywhere for the dual.
        key: for the random starts; a fixed one by default.
        form: "ib" or "dual".
        restarts: random starts besides one near each vertex.
        iterations: of each start.

    Returns:
        A scalar, never above `critical_beta`; it is the best ratio found, hence an upper bound.

    Raises:
        ValueError: as `critical_beta`, and for counts below 1.

    Reference:
        IB: the strong data-processing constant of one input law, as in Anantharam, Gohari, Kamath,
        Nair (2013), On maximal correlation, hypercontractivity, and the data processing inequality
        studied by Erkip and Cover. Dual: derived here; D of the decoders is the Bregman divergence
        of log Z.
    """
    tables.check_form(form)
    restarts, iterations = whole("restarts", restarts), whole("iterations", iterations)
    p, dtype = tables.normalised(joint, positive=form == "dual")
    key = jax.random.key(0) if key is None else key
    noise = grain(joint)

    def run(p):
        draws = jax.random.dirichlet(key, jnp.ones(p.shape[0], p.dtype), (restarts,), p.dtype)
        return _largest_ratio(form, p, draws, iterations, noise)

    return in_double(run, p, dtype=dtype, given=(key,))


@partial(jax.jit, static_argnames=("form", "noise"))
def _largest_ratio(
    form: Form, p: JaxArray, draws: JaxArray, iterations: Any, noise: float
) -> JaxArray:
    fixed = sweeps.rows(p)
    tiny = jnp.finfo(p.dtype).tiny
    p_y = fixed.p_x @ fixed.conditional
    trivial = jax.nn.log_softmax(fixed.p_x @ fixed.logs)

    def parts(r):
        """D(r || p_X), the divergence of the decoders, and its gradient up to a constant."""
        cost = jnp.sum(jax.scipy.special.xlogy(r, r / fixed.p_x))
        if form == "ib":
            r_y = r @ fixed.conditional
            log_ratio = jnp.log(jnp.maximum(r_y, tiny)) - jnp.log(jnp.maximum(p_y, tiny))
            return cost, jnp.sum(r_y * log_ratio), fixed.conditional @ log_ratio
        decoder = jax.nn.log_softmax(r @ fixed.logs)
        gain = jnp.sum(jnp.exp(trivial) * (trivial - decoder))
        return cost, gain, fixed.logs @ (jnp.exp(decoder) - jnp.exp(trivial))

    # closer to p_X than this the ratio is rounding error and the local value says it better
    least = 1e3 * jnp.finfo(p.dtype).eps
    # a gain no larger than this may be the rounding of none
    some = 32 * noise * (1 if form == "ib" else 1 + jnp.max(jnp.abs(fixed.logs)))

    def step(_, carry):
        r, best = carry
        cost, gain, gradient = parts(r)
        sound = (cost > least) & (gain > some)
        ratio = jnp.where(sound, gain / jnp.where(sound, cost, 1.0), 0.0)
        weight = gradient / jnp.where(sound, ratio, 1.0)
        new = jax.nn.softmax(jnp.log(fixed.p_x) + weight)
        return jnp.where(sound, new, r), jnp.maximum(best, ratio)

    near = 0.999 * jnp.eye(p.shape[0], dtype=p.dtype) + 0.001 * fixed.p_x
    starts = jnp.concatenate([near, draws])
    run = jax.vmap(lambda r: jax.lax.fori_loop(0, iterations, step, (r, jnp.zeros((), p.dtype)))[1])
    return 1 / jnp.maximum(jnp.max(run(starts)), _local(form, fixed, noise))

"""The KL coefficient for one input law: a search from below and a bound from above."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import whole
from ibjax.contraction import checks, discrete
from ibjax.interface import Contraction
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray


@enforced
def kl_for_input(
    input_law: Float[Array, " k"], channel: Float[Array, "k m"], *, steps: int = 3_000
) -> Contraction:
    """Search for the KL contraction coefficient of a channel at one input law, from below.

    ``sup_Q KL(QK || PK) / KL(Q || P)``, which is also the largest I(V; Y) / I(V; X) over all V

    Each step maximises the linearised numerator minus the present ratio times the denominator:
    ``Q <- P exp(<K, log(QK / PK)> / ratio)``, normalised. The numerator is convex, so the ratio
    never falls. Starts are the inputs, pairs of them and both sides of the direction of maximal
    correlation, whose local limit is included.

    Args:
        input_law: probabilities P of the inputs; inputs of probability 0 are left out.
        channel: row-stochastic matrix, input on the rows.
        steps: iterations from each start.

    Returns:
        The largest ratio found: kind lower, scope input. Not concave, so not certified.

    Raises:
        ValueError: for shapes that do not fit or entries that are no probabilities.

    Reference:
        Anantharam, Gohari, Kamath, Nair 2013, "On maximal correlation, hypercontractivity, and
        the data processing inequality studied by Erkip and Cover", for the coefficient; the
        iteration is derived here.
    """
    steps = whole("steps", steps)
    p, rows = checks.law("input_law", input_law, 1), checks.law("channel", channel, 2)
    if p.shape[0] != rows.shape[0]:
        raise ValueError(f"input_law has {p.shape[0]} entries for {rows.shape[0]} rows; fit them")
    local = discrete.chi2(p, rows).value
    value = jnp.maximum(_search(p, rows, steps), local)
    reason = "largest ratio of divergences found for this input law"
    rest = jnp.maximum(1 - value, 0.0)
    return checks.from_value(value, rest, reason, "lower", "input")


@enforced
def kl_for_input_upper(input_law: Float[Array, " k"], channel: Float[Array, "k m"]) -> Contraction:
    """Bound the KL coefficient at one input law from above.

    ``min(eta_KL(K), eta_chi2(P, K) / min_x P(x))``

    KL is at most chi-square after the channel; before it chi-square is at most KL over the
    smallest probability. Holds for this law alone, and for products of it.

    Args:
        input_law: probabilities P of the inputs.
        channel: row-stochastic matrix, input on the rows.

    Raises:
        ValueError: for shapes that do not fit or entries that are no probabilities.
    """
    local = discrete.chi2(input_law, channel)
    p = checks.law("input_law", input_law, 1)
    least = jnp.min(jnp.where(p > 0, p, 1.0))
    everywhere = discrete.kl(channel).value
    value = jnp.minimum(everywhere, local.value / least)
    reason = "smaller of the channel's coefficient and chi-square over the least probability"
    return checks.from_value(value, jnp.maximum(1 - value, 0.0), reason, "upper", "input")


@functools.partial(jax.jit, static_argnames="steps")
def _search(p: JaxArray, rows: JaxArray, steps: int) -> JaxArray:
    k = p.shape[0]
    out = p @ rows
    log_out = checks.log(out)
    centred = jnp.sqrt(p)[:, None] * (rows - out) / jnp.sqrt(jnp.where(out > 0, out, 1.0))
    u = jnp.linalg.svd(centred, full_matrices=False)[0][:, 0]
    tilt = u / jnp.sqrt(jnp.where(p > 0, p, 1.0))
    tilt = tilt / jnp.maximum(jnp.max(jnp.abs(tilt)), 1e-30)
    # The optimum often lies close to P on one side of it, where the iteration is slow.
    size = np.geomspace(0.004, 0.9, 10)
    near = p * (1 + np.concatenate([size, -size])[:, None].astype(p.dtype) * tilt)
    pairs = np.array([(i, j) for i in range(k) for j in range(i)], int).reshape(-1, 2)[:64]
    two = 0.05 * p + 0.95 * (jnp.eye(k)[pairs[:, 0]] + jnp.eye(k)[pairs[:, 1]]) / 2
    starts = jnp.concatenate([0.1 * p + 0.9 * jnp.eye(k, dtype=p.dtype), near, two.astype(p.dtype)])
    starts = starts * (p > 0)
    starts = starts / jnp.sum(starts, 1, keepdims=True)
    # Closer to P than this both divergences are rounding; the local limit stands for it.
    floor = math.sqrt(float(jnp.finfo(p.dtype).eps))

    def ratio(q):
        after = q @ rows
        numerator = jnp.sum(jax.scipy.special.xlogy(after, after) - after * _finite(log_out))
        inside = jax.scipy.special.xlogy(q, q) - jnp.where(q > 0, q * _finite(checks.log(p)), 0.0)
        denominator = jnp.sum(inside)
        far = denominator > floor
        return jnp.where(far, numerator / jnp.where(far, denominator, 1.0), 0.0)

    def step(_, state):
        q, best = state
        now = ratio(q)
        best = jnp.maximum(best, now)
        after = q @ rows
        score = rows @ jnp.where(out > 0, _finite(checks.log(after)) - _finite(log_out), 0.0)
        new = jax.nn.softmax(
            jnp.where(p > 0, checks.log(p) + score / jnp.maximum(now, 1e-6), -1e30)
        )
        return jnp.where(now > 0, new, q), best

    found = jax.vmap(lambda q: jax.lax.fori_loop(0, steps, step, (q, jnp.zeros((), p.dtype)))[1])(
        starts
    )
    # A single input: all mass on x, whose divergence from P is log 1/P(x).
    spread = jnp.sum(jax.scipy.special.xlogy(rows, rows) - rows * _finite(log_out), 1)
    lone = jnp.where(
        (p > 0) & (p < 1), spread / jnp.where(p < 1, -_finite(checks.log(p)), 1.0), 0.0
    )
    return jnp.maximum(jnp.max(found), jnp.max(lone))


def _finite(x: JaxArray) -> JaxArray:
    """Logarithms with -inf replaced, for terms whose factor is zero there."""
    return jnp.maximum(x, -1e30)

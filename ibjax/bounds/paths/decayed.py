"""Information about an example that later noisy steps wear away again."""

from typing import Any

import jax
import jax.numpy as jnp

from ibjax import contraction
from ibjax.bounds import checks
from ibjax.bounds.kinds import proved
from ibjax.bounds.layers.coefficients import coefficient
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, Scalar


@enforced
def decayed_information(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    used: Bool[Array, "T n"],
    clip: Scalar,
    batch_size: int | Scalar,
    dim: int | Scalar,
    *,
    domain: Scalar = jnp.inf,
) -> Estimate:
    """Bound the information of the last weights about each example, with decay over time.

    ``I <- eta_t I`` in a step that does not use the example,
    ``I <- I + (d/2) log(1 + a_t^2 C^2 / (b^2 d s_t^2))`` in a step that does

    for ``W_{t+1} = Proj(W_t) - a_t g_t + s_t N``, g_t the mean of b gradients of norm at most C,
    Proj onto a set of diameter D. Given the other examples, independent of Z_i, a step that does
    not use Z_i is one fixed channel: Gaussian noise on a point of a set of diameter
    D + 2 a_t C, whose coefficient eta_t is exact. A step that does is a Gaussian channel given
    the weights before it. Multiple passes are covered; without projection eta_t = 1 and the
    plain sum is left.

    Args:
        step_sizes: a_t.
        noise_stds: s_t; no noise in a step that uses an example gives inf.
        used: whether step t uses example i, (T, n); chosen without looking at the data.
        clip: bound C on the norm of an example's gradient.
        batch_size: b.
        dim: number of trained parameters d.
        domain: diameter D of the set the weights are projected to before each step.

    Returns:
        I(Z_i; W_T) bounded from above, (n,) in nats, exact; for `bounds.individual`.
        It is for the last weights alone: averages over the path keep what the path had.

    Assumes:
        Independent examples; data-independent batches; clipping before the mean, noise after.

    Raises:
        ValueError: for shapes that do not fit, numbers out of range, or a step that uses more than
            b examples.

    Reference:
        Wang, Gao, Calmon 2021, "Analyzing the generalization capability of SGLD using properties
        of Gaussian channels", for the idea; this recursion and its constants are derived here.
    """
    steps = checks.real("step_sizes", step_sizes, 0.0)
    noise = checks.real("noise_stds", noise_stds, 0.0)
    table = jnp.asarray(used)
    if steps.ndim != 1 or noise.shape != steps.shape or table.shape[:1] != steps.shape:
        raise ValueError(
            f"step_sizes has shape {steps.shape}, noise_stds {noise.shape} and used "
            f"{table.shape}; give (T,), (T,) and (T, n)"
        )
    if table.ndim != 2:
        raise ValueError(f"used has shape {table.shape}; give one row a step: (T, n)")
    bound = checks.real("clip", clip, 0.0)
    b, d = checks.whole("batch_size", batch_size), checks.whole("dim", dim)
    size = checks.real("domain", domain, 0.0)
    table = checks.flags("used", table)
    most = jnp.max(jnp.sum(table, 1), initial=0)
    if checks.concrete(most, b) and int(most) > b:
        raise ValueError(
            f"used has a step with {int(most)} examples, more than batch_size={b}; give the b of "
            "the mean over the batch"
        )
    still, silent = (steps == 0) | (bound == 0), noise == 0
    power = (steps * jnp.where(still, 0.0, bound) / (b * jnp.where(silent, 1.0, noise))) ** 2
    gain = jnp.where(silent & ~still, jnp.inf, 0.5 * d * jnp.log1p(power / d))
    worn_by = contraction.gaussian_noise(size + 2 * steps * bound, noise)
    keep = coefficient(worn_by, certified=True, divergence="kl")

    def step(held: Any, now: Any):
        mine, more, share = now
        worn = jnp.where(share == 0, 0.0, share * held)
        return jnp.where(mine, held + more, worn), None

    start = jnp.zeros(table.shape[1], steps.dtype)
    value, _ = jax.lax.scan(step, start, (table, gain, keep))
    # A batch of more than b would move the weights farther than C a unit of step size.
    value = jnp.where(most <= b, value, jnp.nan)
    reason = "infinite without noise in a step that uses the example"
    return proved(value, "decayed_information", "example", reason)

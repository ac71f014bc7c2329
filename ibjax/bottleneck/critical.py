"""Critical values of beta, where the trivial solution splits."""

import jax.numpy as jnp

from ibjax.bottleneck.discrete import Form, _joint
from ibjax.typing import Array, Float, JaxArray


def critical_beta(joint: Float[Array, "k m"], *, form: Form = "ib") -> JaxArray:
    r"""Smallest beta at which the trivial solution stops being a local minimum.

    IB: :math:`1/\rho_m^2`, with the maximal correlation rho_m of X and Y. Dual: one over the
    largest eigenvalue of the covariance of the centred log-likelihoods log p(y|x) under the dual
    trivial decoder. The threshold is local: non-trivial solutions may exist below it.

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
    if form not in ("ib", "dual"):
        raise ValueError(f"form={form!r} is unknown; choose 'ib' or 'dual'")
    p = _joint(joint, positive=form == "dual")
    p_x, p_y = jnp.sum(p, axis=1), jnp.sum(p, axis=0)
    if form == "ib":
        root = jnp.where(p_y > 0, 1 / jnp.sqrt(jnp.where(p_y > 0, p_y, 1.0)), 0.0)
        normalised = p / jnp.sqrt(p_x)[:, None] * root
        # Subtracting the trivial pair of singular vectors leaves rho_m on top.
        centred = normalised - jnp.sqrt(p_x)[:, None] * jnp.sqrt(p_y)
        return 1 / jnp.linalg.svd(centred, compute_uv=False)[0] ** 2
    logs = jnp.log(p / p_x[:, None])
    decoder = jnp.exp(p_x @ logs)
    decoder = decoder / jnp.sum(decoder)
    centred = logs - (logs @ decoder)[:, None]
    spread = (centred - p_x @ centred) * jnp.sqrt(decoder) * jnp.sqrt(p_x)[:, None]
    return 1 / jnp.linalg.svd(spread, compute_uv=False)[0] ** 2

"""What one draw tells about which of two unit normals it came from, given the odds before it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

NODES = 40
"""Gauss-Hermite nodes; enough up to k = FAR."""

FAR = 50.0
"""Divergence from which on the draw is taken to tell everything."""


@partial(jax.jit, static_argnames="nodes")
def surprise(
    k: Float[Array, "*batch"], y: Float[Array, "*batch"], nodes: int = NODES
) -> Float[Array, "*batch"]:
    r"""Divergence of the true normal from the mixture of both, in nats.

    .. math:: H(k, y) = E_N[-\log(1 - p + p\,e^{-k + \sqrt{2k} N})],\quad p = \mathrm{sigmoid}(y).

    Between 0 and softplus(y), its limit for large k, which is returned beyond k = 50.

    Args:
        k: divergence between the two, half their squared distance, >= 0.
        y: log odds of the wrong one against the true one before the draw.
        nodes: of the quadrature.
    """
    at, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    capped = jnp.minimum(k, FAR)[..., None]
    exponent = -capped + jnp.sqrt(2 * capped) * jnp.asarray(at, k.dtype)
    log_keep, log_p = -jax.nn.softplus(y)[..., None], jax.nn.log_sigmoid(y)[..., None]
    values = -jnp.logaddexp(log_keep, log_p + exponent) @ jnp.asarray(weights, k.dtype)
    return jnp.where(k > FAR, jax.nn.softplus(y), values)


@partial(jax.jit, static_argnames="nodes")
def told(
    k: Float[Array, "*batch"], y: Float[Array, "*batch"], nodes: int, margin: float | Array
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """H(k, y), and an upper bound on what the draw tells an observer of the odds alone.

    ``J(k, y) = (1 - p) H(k, y) + p H(k, -y) <= min{p (1 - p) k, entropy of p}``, p = sigmoid(y)

    Args:
        k: as `surprise`.
        y: as `surprise`.
        nodes: of the quadrature.
        margin: its largest error, which is added to J.
    """
    true, false = surprise(jnp.broadcast_to(k, (2, *k.shape)), jnp.stack([y, -y]), nodes)
    # The two are symmetric; the rarer one keeps its digits.
    p = 1 / (1 + jnp.exp(jnp.abs(y)))
    exact = jnp.where(y > 0, p * true + (1 - p) * false, (1 - p) * true + p * false) + margin
    eps = jnp.finfo(k.dtype).eps
    entropy = jnp.log1p(jnp.exp(-jnp.abs(y))) + p * jnp.abs(y)
    most = jnp.minimum(p * (1 - p) * k * (1 + 8 * eps), entropy * (1 + 16 * eps))
    return true, jnp.minimum(exact, most)

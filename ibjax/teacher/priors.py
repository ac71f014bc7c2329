"""Scalar Gaussian-noise problems of the teacher's weights: overlap and free entropy at SNR r."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.teacher.quadrature import mean_of_scaled
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

PriorName = Literal["gaussian", "rademacher"]
PRIORS: tuple[str, ...] = ("gaussian", "rademacher")


class ScalarProblem(NamedTuple):
    """What observing x sqrt(r) + noise tells of one unit-variance weight x.

    Attributes:
        q: overlap, 1 - mmse; accurate for small r.
        mmse: E; accurate for large r.
        potential: psi(r) - r q / 2 in nats, the prior's part of the free entropy.
    """

    q: Float[Array, ""]
    mmse: Float[Array, ""]
    potential: Float[Array, ""]


def scalar_problem(r: Array, prior: PriorName = "gaussian") -> ScalarProblem:
    r"""Solve the scalar channel Y = sqrt(r) x + Z exactly.

    Gaussian: ``E = 1/(1+r)``. Rademacher: with h = r + sqrt(r) Z, ``E = E sech^2 h``; tilting the
    normal density by exp(h) turns it into ``exp(-r/2) E_Z sech(sqrt(r) Z)``, which keeps full
    relative precision down to E = 1e-130 (derived here).

    Args:
        r: signal-to-noise ratio, scalar >= 0.
        prior: "gaussian" or "rademacher".

    Returns:
        ScalarProblem, in nats.
    """
    r = jnp.asarray(r)
    if prior == "gaussian":
        q, e = r / (1 + r), 1 / (1 + r)
        # q + log(1 - q) loses its digits for small r: its series takes over there.
        series = -(q**2) * (1 / 2 + q * (1 / 3 + q * (1 / 4 + q * (1 / 5 + q / 6))))
        return ScalarProblem(q, e, 0.5 * jnp.where(q < 1e-3, series, q - jnp.log1p(r)))
    safe = jnp.where(r > 0, r, 1.0)
    root = jnp.where(r > 0, jnp.sqrt(safe), 0.0)
    tilt = jnp.exp(-r / 2)
    small = jnp.where(root < 1, root, 1.0)
    e = tilt * mean_of_scaled(_sech, root, half_width=40.0)
    q_small = tilt * mean_of_scaled(lambda g: jnp.sinh(g) * jnp.tanh(g), small, half_width=14.0)
    q = jnp.where(root < 1, q_small, 1 - e)
    log_part = tilt * mean_of_scaled(_tilted_softplus, root, half_width=40.0)
    return ScalarProblem(q, e, log_part - jnp.log(2.0).astype(r.dtype) + r * e / 2)


def _sech(g):
    return 2 * jnp.exp(-jnp.abs(g)) / (1 + jnp.exp(-2 * jnp.abs(g)))


def _tilted_softplus(g):
    """exp(g) log(1 + exp(-2 g)), which decays on both sides."""
    return jnp.exp(g) * jax.nn.softplus(-2 * g)

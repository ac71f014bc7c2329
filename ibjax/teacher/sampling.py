"""Data of teachers: the equivalent linear model and real two-layer networks."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.signatures import enforced
from ibjax.teacher.channels import READOUTS, Readout
from ibjax.teacher.checks import choice
from ibjax.teacher.constants import activation_function
from ibjax.teacher.priors import PRIORS, PriorName
from ibjax.typing import Array, Float, Key


class TeacherData(NamedTuple):
    """Data with their truth.

    Attributes:
        x: inputs, standard normal, (n, d).
        y: outputs, (n,).
        clean: outputs without noise, (n,).
        vector: the linear vector, (d,): v, or W^T a / sqrt p of a network.
    """

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    clean: Float[Array, " n"]
    vector: Float[Array, " d"]


@enforced
def sample_linear_teacher(
    key: Key,
    readout: Readout,
    n: int,
    d: int,
    *,
    rho: float = 1.0,
    eps: float = 0.0,
    noise: float = 0.0,
    prior: PriorName = "gaussian",
) -> TeacherData:
    """Draw ``y = f(rho v.x / sqrt d + sqrt(eps) xi)`` with noise as in `bayes_limits`.

    Args:
        key: random key.
        readout: f.
        n: samples.
        d: dimension.
        rho: linear coefficient.
        eps: noise-like variance.
        noise: variance added to the output, or inside the sign.
        prior: law of v's entries.

    Returns:
        TeacherData in the default floating dtype.

    Raises:
        ValueError: for an unknown readout or prior, or sizes below 1.
    """
    choice("prior", prior, PRIORS)
    _check_sizes(n=n, d=d)
    key_v, key_x, key_xi, key_z = jax.random.split(key, 4)
    draw = jax.random.normal if prior == "gaussian" else jax.random.rademacher
    v = draw(key_v, (d,), float)
    x = jax.random.normal(key_x, (n, d), float)
    field = rho * x @ v / jnp.sqrt(d) + jnp.sqrt(eps) * jax.random.normal(key_xi, (n,), float)
    clean, y = _read(readout, field, noise, key_z)
    return TeacherData(x, y, clean, v)


@enforced
def sample_network_teacher(
    key: Key,
    activation: str | Callable,
    readout: Readout,
    n: int,
    d: int,
    p: int,
    *,
    noise: float = 0.0,
) -> TeacherData:
    """Draw ``y = f(a . phi(W x / sqrt d) / sqrt p)`` with noise, all weights standard normal.

    Args:
        key: random key.
        activation: phi.
        readout: f.
        n: samples.
        d: dimension.
        p: hidden units.
        noise: variance added to the output, or inside the sign.

    Returns:
        TeacherData; `vector` is W^T a / sqrt p.

    Raises:
        ValueError: for unknown names or sizes below 1.
    """
    _check_sizes(n=n, d=d, p=p)
    phi = activation_function(activation)
    key_a, key_w, key_x, key_z = jax.random.split(key, 4)
    a = jax.random.normal(key_a, (p,), float)
    w = jax.random.normal(key_w, (p, d), float)
    x = jax.random.normal(key_x, (n, d), float)
    field = phi(x @ w.T / jnp.sqrt(d)) @ a / jnp.sqrt(p)
    clean, y = _read(readout, field, noise, key_z)
    return TeacherData(x, y, clean, a @ w / jnp.sqrt(p))


def _check_sizes(**sizes):
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}.")


def _read(readout, field, noise, key):
    z = jnp.sqrt(noise) * jax.random.normal(key, field.shape, field.dtype)
    if callable(readout):
        clean = jnp.asarray(readout(field))
        return clean, clean + z
    choice("readout", readout, (*READOUTS, "a function"))
    if readout == "sign":
        return jnp.sign(field), jnp.sign(field + z)
    clean = jnp.abs(field) if readout == "abs" else field
    return clean, clean + z

"""Quantities on the training inputs at one time, in the eigenbasis of the tangent kernel."""

from typing import NamedTuple

import jax.numpy as jnp

from ibjax.infinite.spectrum import decay, memory, progress
from ibjax.typing import JaxArray


class Energies(NamedTuple):
    """Scalars at one time; see `EnsembleInformation`."""

    loss: JaxArray
    data: JaxArray
    displacement: JaxArray
    path: JaxArray
    function_path: JaxArray
    parameters: JaxArray
    parameters_exact: JaxArray


def energies(
    values: JaxArray,
    inner: JaxArray,
    precision: JaxArray,
    rotated: JaxArray,
    time: JaxArray,
    linear: JaxArray,
    rate: JaxArray | None,
    target: JaxArray | None,
) -> Energies:
    """All of them, each O(n^2) but the exact parameter information, which is a determinant.

    Args:
        values: eigenvalues of Theta, (n,).
        inner: V^T K V, (n, n).
        precision: V^T K^-1 V, (n, n).
        rotated: V^T Y, (n, k).
        time: tau.
        linear: whether K = Theta and the model is linear in its parameters.
        rate: diagonal of V^T (dK/dalpha) V, (n,), or None.
        target: V^T C V, (n, n), or None.

    Returns:
        Energies, sums over the k outputs.
    """
    k = rotated.shape[1]
    left, done, gain = decay(values, time), progress(values, time), memory(values, time)
    twice = progress(values, 2 * time)
    second = k * jnp.diagonal(inner) + jnp.sum(rotated**2, axis=1)
    displacement = jnp.sum(gain * done * second)
    # log det of exp(-tau Theta) by hand: a determinant of the covariance underflows.
    moving = values > 0
    volume = k * jnp.sum(jnp.where(moving, time * jnp.where(moving, values, 0.0), 0.0))
    contraction = left @ (precision * inner) @ left
    pushed = done[:, None] * rotated
    data = 0.5 * (k * (contraction - values.shape[0]) + jnp.sum(pushed * (precision @ pushed)))
    unknown = jnp.full((), jnp.nan, values.dtype)
    overlap = unknown if rate is None else -0.5 * k * jnp.sum(gain * rate)
    overlap = jnp.where(linear, -k * jnp.sum(done), overlap)
    exact = unknown
    if target is not None:
        # det(1 + e^{2 tau Theta} A C) = e^{2 tau tr Theta} det(e^{-2 tau Theta} + A C), split
        # evenly so that large times do not overflow.
        shape = jnp.diag(left**2) + (gain * done)[:, None] * target
        exact = jnp.where(linear, volume + 0.5 * k * jnp.linalg.slogdet(shape)[1], unknown)
    return Energies(
        loss=0.5 * jnp.sum(left**2 * second),
        data=data + volume,
        displacement=displacement,
        path=0.5 * jnp.sum(twice * second),
        function_path=0.5 * jnp.sum(values * twice * second),
        parameters=volume + 0.5 * displacement + overlap,
        parameters_exact=exact,
    )

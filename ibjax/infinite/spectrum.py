"""One eigendecomposition of the tangent kernel serves every time of the gradient flow.

Time tau is that of theta' = -grad of the loss 1/2 |z - Y|^2 summed over examples and outputs.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.infinite import checks
from ibjax.signatures import enforced
from ibjax.typing import Float, JaxArray, Numbers


class Spectrum(NamedTuple):
    """Eigenvalues (n,), ascending, and eigenvectors (n, n) of a tangent kernel.

    Eigenvalues within rounding of zero are stored as zero: a direction in which the network
    cannot move carries no test-train covariance either.

    Attributes:
        values: eigenvalues.
        vectors: their eigenvectors, columns.
        floor: what rounding may have made of an eigenvalue 0.
    """

    values: Float[JaxArray, " n"]
    vectors: Float[JaxArray, "n n"]
    floor: Float[JaxArray, ""]


def decompose(ntk: Any, grain: float = 0.0) -> Spectrum:
    """The spectrum of a symmetric positive semi-definite kernel, rounding noise removed.

    Args:
        ntk: the kernel, (n, n).
        grain: relative rounding of its entries, where it is coarser than their type.

    Returns:
        The spectrum. Noise is n roundings of the largest eigenvalue, two of the entries', and
        twice the most negative eigenvalue, which the kernel itself cannot have.
    """
    kernel = checks.square(ntk, "ntk")
    values, vectors = jnp.linalg.eigh((kernel + kernel.T) / 2)
    relative = max(kernel.shape[0] * float(jnp.finfo(kernel.dtype).eps), 2 * grain)
    floor = jnp.maximum(relative * jnp.max(jnp.abs(values)), -2 * jnp.min(values))
    return Spectrum(jnp.where(values > floor, values, 0.0), vectors, floor)


def resolved(spectrum: Spectrum, y: JaxArray, time: JaxArray) -> JaxArray:
    """Whether targets, (n, k), have no part in directions whose eigenvalue rounding has hidden.

    Such a direction does not count before its eigenvalue could have moved it.
    """
    return unhidden(spectrum, jnp.sum((spectrum.vectors.T @ y) ** 2, axis=1), time)


def unhidden(spectrum: Spectrum, energy: JaxArray, time: JaxArray) -> JaxArray:
    """The same for what there is of anything in each direction, (n,)."""
    lost = jnp.sum(jnp.where(spectrum.values == 0, energy, 0.0))
    return (lost <= 1e-6 * jnp.sum(energy)) | (time * spectrum.floor < 1e-3)


def decay(values: JaxArray, time: JaxArray) -> JaxArray:
    """exp(-tau lambda), 1 in the directions that never move, also at infinite time."""
    moves = values > 0
    return jnp.where(moves, jnp.exp(-time * jnp.where(moves, values, 1.0)), 1.0)


def progress(values: JaxArray, time: JaxArray) -> JaxArray:
    """1 - exp(-tau lambda) without cancellation."""
    moves = values > 0
    return jnp.where(moves, -jnp.expm1(-time * jnp.where(moves, values, 1.0)), 0.0)


def memory(values: JaxArray, time: JaxArray) -> JaxArray:
    """M_tau: (1 - exp(-tau lambda)) / lambda, 0 in the directions that never move."""
    moves = values > 0
    return progress(values, time) / jnp.where(moves, values, 1.0)


@enforced
def flow_time(learning_rate: Numbers, steps: Numbers, entries: Numbers = 1) -> JaxArray:
    """The gradient-flow time of full-batch gradient descent: learning_rate steps / entries.

    Args:
        learning_rate: step size of gradient descent in the NTK parametrisation.
        steps: number of steps.
        entries: what the loss 1/2 |z - Y|^2 was divided by: 1 for the sum, n for the mean over
            examples, n k for the mean over all entries of Y.

    Returns:
        tau, in units of one over an eigenvalue of the NTK.

    Assumes: learning_rate times the largest eigenvalue / entries well below 2.
    """
    return jnp.asarray(learning_rate) * steps / entries


@enforced
def flow_steps(time: Numbers, learning_rate: Numbers, entries: Numbers = 1) -> JaxArray:
    """The number of gradient steps of a gradient-flow time; the inverse of `flow_time`."""
    return jnp.asarray(time) * entries / learning_rate


@enforced
def largest_learning_rate(ntk: Any, entries: Numbers = 1) -> JaxArray:
    """2 entries / lambda_max: above it, full-batch gradient descent on a linearised net diverges.

    Args:
        ntk: (n, n) tangent kernel of the training inputs.
        entries: what the loss 1/2 |z - Y|^2 was divided by: 1 for the sum, n for the mean over
            examples, n k for the mean over all entries of Y.

    Returns:
        A scalar step size.
    """
    found = decompose(ntk)
    largest = jnp.where(jnp.isnan(found.floor), jnp.nan, found.values[-1])
    return 2 * jnp.asarray(entries) / largest


def in_basis(spectrum: Spectrum, matrix: JaxArray) -> JaxArray:
    """V^T matrix V."""
    high = jax.lax.Precision.HIGHEST
    half = jnp.matmul(spectrum.vectors.T, matrix, precision=high)
    return jnp.matmul(half, spectrum.vectors, precision=high)

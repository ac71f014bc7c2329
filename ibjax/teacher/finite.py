"""Finite sizes: exact evidence of infinitely wide teachers, and where the limit can be trusted."""

from typing import Literal

import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, whole
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.teacher.checks import choice, real
from ibjax.typing import Array, Float, Numbers

KernelActivation = Literal["identity", "relu", "erf", "scaled_erf", "sign"]


@enforced
def nngp_kernel(x: Array, activation: KernelActivation, *, depth: int = 1) -> Float[Array, "n n"]:
    """Compute the covariance of an infinitely wide teacher's outputs on the rows of x.

    Weights N(0, 1/fan_in), no biases: ``K_0 = x x^T / d``, then
    ``K = E phi(u) phi(v)`` with (u, v) normal of the previous covariance, in closed form.

    Args:
        x: inputs, (n, d).
        activation: "identity", "relu", "erf", "scaled_erf" (erf(x / sqrt 2)) or "sign".
        depth: hidden layers.

    Returns:
        The (n, n) kernel.

    Raises:
        ValueError: for an unknown activation, wrong shape, or depth < 1.

    Reference:
        Williams (1997), Computing with infinite networks; Cho and Saul (2009), Kernel methods
        for deep learning.
    """
    choice("activation", activation, ("identity", "relu", "erf", "scaled_erf", "sign"))
    x = real("x", x, low=-np.inf)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x has shape {x.shape}; give inputs in rows: (n, d)")
    depth = whole("depth", depth)
    kernel = x @ x.T / x.shape[1]
    for _ in range(depth):
        kernel = _layer(kernel, activation)
    return kernel


def _layer(kernel, activation):
    if activation == "identity":
        return kernel
    variance = jnp.diagonal(kernel)
    if activation in ("erf", "scaled_erf"):
        shift = 0.5 if activation == "erf" else 1.0
        scale = jnp.sqrt((shift + variance)[:, None] * (shift + variance))
        return 2 / jnp.pi * jnp.arcsin(kernel / scale)
    scale = jnp.sqrt(variance[:, None] * variance)
    cosine = jnp.clip(kernel / scale, -1, 1)
    # The diagonal is exactly 1; rounding there costs half of the digits of an angle.
    cosine = jnp.where(jnp.eye(len(variance), dtype=bool), 1.0, cosine)
    angle = jnp.arccos(cosine)
    if activation == "sign":
        return 1 - 2 * angle / jnp.pi
    return scale / (2 * jnp.pi) * (jnp.sqrt(1 - cosine**2) + (jnp.pi - angle) * cosine)


@enforced
def kernel_information(kernel: Array, noise: Numbers) -> Estimate:
    """Compute I(teacher; outputs) / n given the inputs for a Gaussian-process teacher, exactly.

    ``log det(I + K / noise) / (2 n)`` nats: the identity readout at infinite width.

    Args:
        kernel: (n, n), positive semidefinite.
        noise: variance of the output noise, > 0.

    Returns:
        Estimate, exact (standard error 0), in nats per sample.

    Raises:
        ValueError: for a kernel that is not square or noise <= 0.
    """
    kernel = real("kernel", kernel)
    noise = real("noise", noise, low=0.0, strict=True)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"kernel must be (n, n), got {kernel.shape}.")
    n = kernel.shape[0]
    factor = jnp.linalg.cholesky(jnp.eye(n, dtype=kernel.dtype) + kernel / noise)
    value = jnp.sum(jnp.log(jnp.diagonal(factor))) / n
    return Estimate(
        value,
        std_error=jnp.zeros_like(value),
        ok=jnp.isfinite(value),
        bias="none",
        name="kernel_information",
        about="other",  # of one example, what is told of the teacher
        reason="the kernel is not positive semidefinite",
    )


@enforced
def rate_scale(n: Numbers, d: Numbers, p: Numbers) -> BoundValue:
    """Compute the scale on which a finite network is known to approach the limit.

    ``sqrt((1 + n/d)(n/p + n/d^{3/2} + 1/sqrt d))``. The constants in front are not explicit:
    this says where the limit can be trusted, it certifies nothing, and measured gaps are much
    smaller (about 1/d for odd activations).

    Args:
        n: samples.
        d: input dimension.
        p: hidden units; inf for an infinitely wide network.

    Returns:
        BoundValue of kind "diagnostic", in nats per sample up to an unknown constant; vacuous
        where it reaches 1.

    Raises:
        ValueError: for sizes that are not positive.

    Reference:
        Camilli, Tieplova, Barbier (2023), Fundamental limits of overparametrized shallow neural
        networks for supervised learning. The exponents are as we understand that work and were
        not checked against the printed theorem.
    """
    n, d = (real(name, v, low=0.0, strict=True) for name, v in (("n", n), ("d", d)))
    wide = jnp.asarray(p) == jnp.inf
    known = concrete(p) and np.ndim(p) == 0 and bool(wide)
    finite = 1.0 if known else p if concrete(p) else jnp.where(wide, 1.0, p)
    inverse = jnp.where(wide, 0.0, 1 / real("p", finite, low=0, strict=True))
    value = jnp.sqrt((1 + n / d) * (n * inverse + n / d**1.5 + d**-0.5))
    return BoundValue(
        value,
        vacuous=value >= 1,
        holds=jnp.isfinite(value),
        name="teacher_rate_scale",
        about="other",
        kind="diagnostic",
        note="order of magnitude without constants; says where the limit can be trusted",
    )

"""Bounds by transport between the weights with and without an example, and by total variation."""

from collections.abc import Sequence

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.bounds.layered import product
from ibjax.interface import BoundValue, Contraction, Estimate
from ibjax.typing import Array, Float, JaxArray, Scalar


def algorithmic_transport(
    costs: Float[Array, "*batch n"] | Estimate, lipschitz: Scalar
) -> BoundValue:
    """Bound the expected gap by how far one example moves the law of the weights.

    ``|gap| <= (rho / n) sum_i E W_1(law of W given Z_i, law of W)``

    Args:
        costs: the expected distances, one an example on the last axis. A distance between two
            clouds of retrained weights overestimates on average; give it as an `Estimate`.
        lipschitz: Lipschitz constant rho of the loss in the weights, for every example.

    Returns:
        The bound; certificate for known numbers.

    Raises:
        ValueError: for negative numbers or costs without an example axis.

    Reference:
        Zhang, Liu, Tao 2018, "An optimal transport view on generalization"; re-derived here.
    """
    far, error, kind = checks.information(costs)
    if far.ndim < 1:
        raise ValueError(f"costs has shape {far.shape}; give one an example: (n,)")
    rho = checks.real("lipschitz", lipschitz, 0.0)
    if rho.ndim and rho.shape != far.shape[:-1]:
        raise ValueError(f"lipschitz has shape {rho.shape}; give one number or {far.shape[:-1]}")
    return checks.result(
        rho * jnp.mean(far, -1),
        name="algorithmic_transport",
        kind=kind,
        limit=jnp.inf,
        assumptions=("iid",),
        std_error=rho * jnp.mean(error, -1) * jnp.ones(far.shape[:-1], far.dtype),
        note="for a loss that is Lipschitz in the weights",
    )


def depth_tv(
    label_variation: Float[Array, "*batch n"],
    input_variation: Float[Array, "*batch n"],
    etas: Contraction | Sequence[Contraction] | Float[Array, " layers"] | Sequence[float] = (),
    *,
    loss_range: Scalar = 1.0,
) -> BoundValue:
    """Bound the expected gap by total variation that contracts in the layers.

    ``|gap| <= (range / n) sum_i (E TV(P_{Y_i|W}, P_Y) + eta E TV(P_{X_i|Y_i,W}, P_{X|Y}))``

    with eta the product of the layers' Dobrushin coefficients. It is the depth bound with total
    variation in place of the divergence: no square root, so it is linear in eta.

    Args:
        label_variation: the first expectations, or upper bounds; one an example.
        input_variation: the second ones; `variation_from_information` bounds them.
        etas: total-variation coefficients of the layers, such as `contraction.tv` or
            `contraction.gaussian_noise_tv`. The KL coefficient is smaller and does not do.
        loss_range: largest minus smallest loss.

    Returns:
        The bound; certificate.

    Assumes:
        Independent examples; both errors are those of the network with fresh layer noise.

    Raises:
        ValueError: for shapes that do not fit, numbers out of range, and coefficients that
            support no certificate.

    Reference:
        Zhang, Liu, Tao 2018, "An optimal transport view on generalization", for the contraction
        of total variation; the form with a label term is derived here.
    """
    labels = checks.real("label_variation", label_variation, 0.0, 1.0)
    inputs = checks.real("input_variation", input_variation, 0.0, 1.0)
    if labels.ndim < 1 or inputs.ndim < 1:
        raise ValueError("label_variation and input_variation need an example axis: (n,)")
    span = checks.real("loss_range", loss_range, 0.0, open_low=True)
    eta = product(etas, certified=True)
    return checks.result(
        span * jnp.mean(labels + jnp.expand_dims(eta, -1) * inputs, -1),
        name="depth_tv",
        kind="certificate",
        limit=span,
        assumptions=("iid", "fresh_layer_noise", "channel_contraction"),
        note="holds for the network evaluated with fresh layer noise",
    )


def variation_from_information(information: Float[Array, "*batch"] | float) -> JaxArray:
    """Bound an expected total variation by a divergence.

    ``TV <= min(sqrt(K / 2), sqrt(1 - e^{-K}))``, Pinsker's and Bretagnolle-Huber's inequalities

    Both are concave in K, so the mean of K, an information, may be put in for the mean of TV.

    Args:
        information: divergence or mean divergence K in nats.

    Raises:
        ValueError: for negative divergences.
    """
    k = checks.real("information", information, 0.0)
    safe = jnp.where(k > 0, k, 1.0)
    value = jnp.minimum(jnp.sqrt(safe / 2), jnp.sqrt(-jnp.expm1(-safe)))
    return jnp.where(k > 0, value, 0.0 * k)

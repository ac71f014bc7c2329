"""Bounds by transport between the weights with and without an example, and by total variation."""

import jax.numpy as jnp

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.kinds import bare_or_estimate, is_bare
from ibjax.bounds.layers.coefficients import Etas, product
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
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
        The bound; certificate for known numbers, an estimate for an `Estimate` that is not exact,
        such as the distance of two clouds, however small its error.

    Raises:
        ValueError: for negative numbers or costs without an example axis.

    Reference:
        Zhang, Liu, Tao 2018, "An optimal transport view on generalization"; re-derived here.
    """
    given = checks.quantity("costs", costs)
    far = given.value
    if far.ndim < 1:
        raise ValueError(f"costs has shape {far.shape}; give one an example: (n,)")
    rho = checks.real("lipschitz", lipschitz, 0.0)
    if rho.ndim and rho.shape != far.shape[:-1]:
        raise ValueError(f"lipschitz has shape {rho.shape}; give one number or {far.shape[:-1]}")
    return outcome.result(
        rho * jnp.mean(far, -1),
        name="algorithmic_transport",
        inputs=(given,),
        limit=jnp.inf,
        assumptions=("iid",),
        std_error=rho * jnp.mean(given.error, -1) * jnp.ones(far.shape[:-1], far.dtype),
        note="for a loss that is Lipschitz in the weights",
    )


@enforced
def depth_tv(
    label_variation: Float[Array, "*batch n"] | Estimate,
    input_variation: Float[Array, "*batch n"] | Estimate,
    etas: Etas = (),
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
        etas: total-variation coefficients of the layers, such as `contraction.tv`,
            `contraction.gaussian_noise_tv` or ``contraction.network(..., divergence="tv")``. The
            KL coefficient is smaller and is refused; numbers are the caller's claim.
        loss_range: largest minus smallest loss, of single draws of the layer noise.

    Returns:
        The bound; certificate for known variations.

    Assumes:
        Independent examples; both errors are those of the network with fresh layer noise.

    Raises:
        ValueError: for shapes that do not fit, numbers out of range, and coefficients that
            support no certificate or are not about total variation.

    Reference:
        Zhang, Liu, Tao 2018, "An optimal transport view on generalization", for the contraction
        of total variation; the form with a label term is derived here.
    """
    labels = checks.quantity("label_variation", label_variation, 0.0, 1.0)
    inputs = checks.quantity("input_variation", input_variation, 0.0, 1.0)
    if labels.value.ndim < 1 or inputs.value.shape[-1:] != labels.value.shape[-1:]:
        raise ValueError(
            f"label_variation has shape {labels.value.shape} and input_variation "
            f"{inputs.value.shape}; give one number an example on the last axis of both"
        )
    span = checks.real("loss_range", loss_range, 0.0, open_low=True)
    eta = jnp.expand_dims(product(etas, certified=True, divergence="tv"), -1)
    return outcome.result(
        span * jnp.mean(labels.value + eta * inputs.value, -1),
        name="depth_tv",
        inputs=(labels, inputs),
        limit=span,
        assumptions=("iid", "fresh_layer_noise", "channel_contraction"),
        std_error=span * jnp.mean(labels.error + outcome.scaled_error(eta, inputs.error), -1),
        note="holds for the network evaluated with fresh layer noise",
    )


@enforced
def variation_from_information(
    information: Float[Array, "*batch"] | float | Estimate | BoundValue,
) -> JaxArray | Estimate:
    """Bound an expected total variation by a divergence.

    ``TV <= min(sqrt(K / 2), sqrt(1 - e^{-K}))``, Pinsker's and Bretagnolle-Huber's inequalities

    Both are concave in K, so the mean of K, an information, may be put in for the mean of TV.

    Args:
        information: divergence or mean divergence K in nats.

    Returns:
        An array for numbers, else an `Estimate` that keeps error and confidence and is exact only
        if the information is.

    Raises:
        ValueError: for negative divergences.
    """
    given = checks.information(information, about=None)
    k = given.value
    safe = jnp.where(k > 0, k, 1.0)
    value = jnp.minimum(jnp.sqrt(safe / 2), jnp.sqrt(-jnp.expm1(-safe)))
    value = jnp.where(k > 0, value, 0.0 * k)
    # The slope of Pinsker's inequality, the steeper of the two.
    error = root.error(jnp.sqrt(k / 2), k, given.error)
    name = "variation_from_information"
    return bare_or_estimate(value, error, name, is_bare(information), (given,))

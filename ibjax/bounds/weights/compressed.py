"""Bounds through weights that are noisy, quantised or confined to a random subspace."""

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, outcome, root
from ibjax.interface import BoundValue, Estimate
from ibjax.mi import laws
from ibjax.signatures import enforced
from ibjax.typing import Array, BoundKind, Float, JaxArray, Scalar


@enforced
def rate_distortion(
    rate: Float[Array, "*batch"] | float | Estimate | BoundValue,
    n: int,
    sigma: Scalar,
    distortion: Float[Array, "*batch"] | float | Estimate,
) -> BoundValue:
    """Bound the expected gap of weights through a coarser version of them.

    ``|gap(W)| <= sqrt(2 sigma^2 R / n) + eps``

    R = I(S; V) for any V computed from W whose expected gap differs from that of W by at most
    eps. Finite where I(S; W) is not: noise or rounding makes a deterministic learner's W lossy.

    Args:
        rate: I(S; V) in nats, or an upper bound.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss.
        distortion: eps, in loss units; like the rate a claim if a number, while an `Estimate`
            passes on its kind and error.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        Sefidgaran, Gohari, Richard, Simsekli 2022, "Rate-distortion theoretic generalization
        bounds for stochastic learning algorithms"; this form is derived here.
    """
    info = checks.information(rate, name="rate", about=checks.subject_of(n))
    moved = checks.quantity("distortion", distortion)
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    main = root.sub_gaussian(info.value, sigma, n)
    value = main + moved.value
    return outcome.result(
        value,
        name="rate_distortion",
        inputs=(info, moved),
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian"),
        information=jnp.broadcast_to(info.value, value.shape),
        about="other",  # of the compressed weights, not of those the bound is about
        std_error=root.error(main, info.value, info.error) + moved.error,
    )


@enforced
def sliced_weights(
    information: Float[Array, " slices"] | float | Estimate | BoundValue,
    n: int,
    sigma: Scalar,
    *,
    distance: Float[Array, " slices"] | float | Estimate = 0.0,
    lipschitz: Scalar | Estimate = 0.0,
) -> BoundValue:
    """Bound the expected gap of weights in, or near, a random subspace.

    ``|gap| <= E_Theta [sqrt(2 sigma^2 I(S; V | Theta) / n) + 2 rho E|W - Theta V|]``

    W = Theta V with a random matrix Theta drawn before training: the information is that of the
    few coordinates V. Weights only near the subspace cost twice the Lipschitz constant of the
    loss times their distance from it, once for each of the two risks.

    Args:
        information: I(S; V) for each drawn Theta, in nats; a number if it is the same for all.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss.
        distance: expected Euclidean distance of W from its subspace, for each Theta.
        lipschitz: Lipschitz constant rho of the loss in the weights.

    Returns:
        The bound; certificate for one known number of each, an estimate for the mean over drawn
        slices.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        Nadjahi, Greenewald, Brüel Gabrielsson, Solomon 2024, "Slicing mutual information
        generalization bounds for neural networks"; the constant of the distance derived here.
    """
    info = checks.information(information, about=checks.subject_of(n))
    far = checks.quantity("distance", distance)
    steep = checks.quantity("lipschitz", lipschitz)
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    main = root.sub_gaussian(info.value, sigma, n)
    each = main + 2 * steep.value * far.value
    kind: BoundKind = "certificate"
    if each.ndim == 0:
        value, spread = each, root.error(main, info.value, info.error)
        spread += 2 * outcome.scaled_error(steep.value, far.error)
        spread += 2 * outcome.scaled_error(far.value, steep.error)
    else:
        # The spread over slices has that of their estimates in it.
        kind, slices = "estimate", each.shape[-1]
        value = jnp.mean(each, -1)
        variance = jnp.sum((each - value[..., None]) ** 2, -1) / max(slices - 1, 1)
        spread = jnp.where(slices > 1, jnp.sqrt(variance / slices), jnp.nan)
    return outcome.result(
        value,
        name="sliced_weights",
        kind=kind,
        inputs=(info, far, steep),
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian"),
        information=jnp.mean(info.value),
        about="other",  # of weights in the subspace, which the learner's may only be near
        std_error=spread,
    )


@enforced
def smoothed_information(covariance: Float[Array, "d d"] | Scalar, std: Scalar) -> JaxArray:
    """Bound I(S; V + std N) by the covariance of V: that of a Gaussian is the largest.

    ``(1/2) log det(I + Cov(V) / std^2)``, attained by Gaussian V

    Serves for weights to which noise is added, for heads read out with noise, and, with `std`
    free, for `rate_distortion` of a deterministic learner. With a covariance taken from runs the
    number is measured: hand it on as an `Estimate`, or it counts as known.

    Args:
        covariance: of V over samples, (d, d), or a variance.
        std: standard deviation of the noise; 0 gives inf.

    Raises:
        ValueError: if `covariance` is not square, not symmetric or has a negative eigenvalue, or if
            `std` is negative; NaN for such a covariance under a trace.
    """
    c = checks.real("covariance", covariance)
    c = checks.real("covariance", c, 0.0)[None, None] if c.ndim == 0 else c
    if c.ndim != 2 or c.shape[0] != c.shape[1]:
        raise ValueError(f"covariance has shape {c.shape}; give (d, d) or a number")
    if checks.concrete(c) and np.isfinite(c).all():
        laws.covariance("covariance", c)
    s = checks.real("std", std, 0.0)
    found = jnp.linalg.eigvalsh(c)
    # Under a trace what is no covariance gives NaN; within these limits it was rounded.
    scale = jnp.max(jnp.abs(found))
    fits = jnp.min(found) >= -1e-6 * len(c) * scale
    fits &= jnp.max(jnp.abs(c - c.T)) <= 2e-5 * scale
    values = jnp.maximum(found, 0.0)
    noisy = s > 0
    rates = 0.5 * jnp.sum(jnp.log1p(values / jnp.where(noisy, s, 1.0) ** 2))
    value = jnp.where(noisy, rates, jnp.where(jnp.any(values > 0), jnp.inf, 0.0))
    return jnp.where(fits, value, jnp.nan)

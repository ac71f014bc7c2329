"""Gibbs posteriors, finite weights, and the network whose every layer is analytic."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, outcome
from ibjax.bounds.layers.coefficients import Etas, product
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Numbers, Scalar


@enforced
def gibbs(
    inverse_temperature: Scalar,
    n: int,
    sigma: Scalar,
    etas: Etas = (),
    *,
    label_information: Float[Array, "*batch"] | float | Estimate | BoundValue | None = None,
) -> BoundValue:
    """Bound the expected gap of a Gibbs posterior, ``P(w|S) ~ prior(w) e^{-gamma L_S(w)}``.

    ``gap <= 2 sigma^2 gamma eta / n`` if the weights tell nothing of the labels, else
    ``gap <= (c gamma eta + sqrt((c gamma eta)^2 + 4 c I(Y^n; W))) / 2``, ``c = 2 sigma^2 / n``

    The gap times gamma is I(S; W) plus the lautum information, so I(S; W) <= gamma gap; put
    that into the depth bound and solve for the gap.

    Args:
        inverse_temperature: gamma; L_S is averaged over the layer noise where there is any.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss; with etas of one draw of the layer noise.
        etas: coefficients of the layers, as in `depth`; none by default.
        label_information: I(Y^n; W) in nats; needed as soon as there are coefficients, 0 where
            symmetry makes it so. A number is the caller's claim; an `Estimate` or `BoundValue`
            passes on kind, error and confidence.

    Raises:
        ValueError: for coefficients without a label term, or that support no certificate, and
            for numbers out of range.

    Reference:
        Xu, Raginsky 2017; Aminian, Bu, Toni, Rodrigues, Wornell 2021, "An exact
        characterization of the generalization error for the Gibbs algorithm"; He, Goldfeld 2025,
        "Information-theoretic generalization bounds for deep neural networks". The form with a
        label term is derived here.
    """
    gamma = checks.real("inverse_temperature", inverse_temperature, 0.0)
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    layered = not (isinstance(etas, (list, tuple)) and not etas)
    if layered and label_information is None:
        raise ValueError(
            "label_information=None: labels bypass the layers; give I(Y^n; W), 0 where symmetry "
            "makes it so, or no etas"
        )
    scale = 2 * sigma**2 / n
    first = scale * gamma * product(etas, certified=True)
    value, inputs, error = first, [], jnp.zeros_like(first)
    if label_information is not None and layered:
        labels = checks.information(label_information, name="label_information", about="sample")
        inputs.append(labels)
        inside = jnp.sqrt(first**2 + 4 * scale * labels.value)
        value = (first + inside) / 2
        steep = jnp.where(inside > 0, scale / jnp.where(inside > 0, inside, 1.0), jnp.inf)
        error = outcome.scaled_error(steep, labels.error)
    return outcome.result(
        value,
        name="gibbs",
        kind="certificate",
        inputs=inputs,
        std_error=error,
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian"),
        note="the posterior must be the Gibbs law itself, not an approximation",
    )


@enforced
def finite_weights(weights: Numbers, alphabet: Numbers) -> JaxArray:
    """Bound I(S; W) by the number of weight settings: ``weights * log(alphabet)``, in nats.

    Args:
        weights: number of weights.
        alphabet: number of values each can take; 2^b for b bits.

    Raises:
        ValueError: for counts below one.
    """
    count, size = checks.whole("weights", weights), checks.whole("alphabet", alphabet)
    return count * jnp.log(jnp.asarray(size, jnp.result_type(float)))


class BinaryGaussian(NamedTuple):
    """Exact quantities of the mean classifier of two Gaussian classes, 0-1 loss.

    Attributes:
        test: expected error on a new point.
        train: expected error on the sample.
        gap: test - train.
        output_divergence: expected KL between the laws of a training and a test output, nats.
        input_information: I(Z_i; W) = (d/2) log(n/(n-1)), nats.
        output_bound: sigma sqrt(2 output_divergence), sigma = 1/2.
        input_bound: the same with input_information.
        wasserstein: expected 2-Wasserstein bound of a layer, per Frobenius norm and std.
        linear_gap: expected gap of the loss -y w.x, which is d std^2 / n.
        output_wasserstein: expected 1-Wasserstein distance of the two output laws given w, a
            bound on linear_gap.
        input_wasserstein: expected |w| times the 2-Wasserstein distance of the two input laws
            given w, a larger one: for the linear loss the funnel is the output.
    """

    test: float
    train: float
    gap: float
    output_divergence: float
    input_information: float
    output_bound: float
    input_bound: float
    wasserstein: float
    linear_gap: float
    output_wasserstein: float
    input_wasserstein: float


@enforced
def binary_gaussian(n: int, dim: int, std: float, mean_norm: float) -> BinaryGaussian:
    """Compute the hierarchical bounds and the truth for ``X | Y ~ N(Y mu, std^2 I)``.

    The weights are w = mean of Y_i X_i ~ N(mu, std^2 I / n), the output of the linear network is
    w . x, the prediction its sign. Given w a test output times its label is
    N(w . mu, std^2 |w|^2), a training output times its label N(|w|^2, (1 - 1/n) std^2 |w|^2);
    the divergence of these two, averaged over w, is what is left of (d/2) log(n/(n-1)) at the
    output. Hidden layers fixed beforehand, of rank r, keep (r/2) log(n/(n-1)): the head then
    learns the mean of the features, and with orthonormal rows everything below is that of
    dimension r and of the part of mu which the layers keep.

    Args:
        n: number of training examples, at least 2.
        dim: dimension d of the inputs.
        std: standard deviation of each coordinate.
        mean_norm: Euclidean norm of mu.

    Returns:
        Plain floats, by quadrature over the component of w along mu and the norm of the rest.

    Raises:
        ValueError: for n < 2, dim < 1, std <= 0 or mean_norm < 0.

    Reference:
        He, Yu, Goldfeld 2024, "Hierarchical generalization bounds for deep neural networks", for
        the model; the expressions are derived here.
    """
    from scipy.special import ndtr

    n, dim = checks.static_whole("n", n, 2), checks.static_whole("dim", dim)
    std = float(checks.scalar("std", std, 0.0, open_low=True))
    mean_norm = float(checks.scalar("mean_norm", mean_norm, 0.0))
    along, rest, joint = _weights_law(n, dim, std, mean_norm)
    size = np.sqrt(along**2 + rest**2)
    shift = along * mean_norm / size
    test = np.sum(joint * ndtr(-shift / std))
    train = np.sum(joint * ndtr(-size / (std * math.sqrt(1 - 1 / n))))
    ratio = -math.log1p(-1 / n)
    square = np.sum(joint * (size - shift) ** 2)
    divergence = 0.5 * (ratio - 1 / n + square / std**2)
    information = dim / 2 * ratio
    values = (test, train, test - train, divergence, information)
    narrower = 1 - math.sqrt(1 - 1 / n)
    bounds = (math.sqrt(divergence / 2), math.sqrt(information / 2), math.sqrt(2 * narrower))
    output = np.sum(joint * _folded_mean(size * (size - shift), narrower * std * size))
    moved = (along - mean_norm) ** 2 + rest**2 + dim * (std * narrower) ** 2
    linear = (dim * std**2 / n, output, np.sum(joint * size * np.sqrt(moved)))
    return BinaryGaussian(*(float(v) for v in (*values, *bounds, *linear)))


def _weights_law(n: int, dim: int, std: float, mean_norm: float):
    """Nodes for the component of w along mu and the norm of the rest, with their weights."""
    from scipy.special import roots_legendre
    from scipy.stats import chi, norm

    node, weight = roots_legendre(400)
    step = std / math.sqrt(n)
    # The sign of w is a jump in one dimension: integrate up to it and from it on.
    jump = float(np.clip(-mean_norm / step, -9, 9))
    left, right = (jump + 9) / 2, (9 - jump) / 2
    z = np.concatenate([jump + left * (node - 1), jump + right * (node + 1)])
    wz = np.concatenate([left * weight, right * weight]) * norm.pdf(z)
    along = (mean_norm + step * z)[:, None]
    if dim == 1:
        return along, np.zeros(1), wz[:, None]
    low, high = chi.ppf([1e-18, 0.5], dim - 1)[0], chi.isf(1e-18, dim - 1)
    t = low + (high - low) * (node + 1) / 2
    wr = chi.pdf(t, dim - 1) * weight * (high - low) / 2
    return along, step * t, wz[:, None] * wr


def _folded_mean(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """E |mean + std Z|, the distance of two Gaussians on the line."""
    from scipy.special import erf

    safe = np.where(std > 0, std, 1.0)
    value = safe * math.sqrt(2 / math.pi) * np.exp(-((mean / safe) ** 2) / 2)
    return np.where(std > 0, value + mean * erf(mean / (safe * math.sqrt(2))), np.abs(mean))

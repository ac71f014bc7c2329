"""Exact information of a noisy-SGD path about which candidate was trained on.

Slot J holds one of K candidates, uniformly, given everything else. The transition densities of
the path are Gaussians, so its log-likelihood ratios Y_k = log p(path | k)/p(path | used) are
known, and ``I(path; U_J | rest) = E[log K - logsumexp_k Y_k]`` exactly, never above log K. No
plug-in, no bias.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.means import over_units
from ibjax.interface import BoundValue, Estimate
from ibjax.mi.two_normals import surprise
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray


@enforced
def log_likelihood_ratios(
    energy: Float[Array, "*batch T"], noise_product: Float[Array, "*batch T"]
) -> Float[JaxArray, "*batch T_plus_1"]:
    """Log-likelihood ratio of the unused candidate along the path, starting at 0.

    ``Y_{t+1} = Y_t - k_t - (eta_t/s_t) (m/b) <D_t, xi_t>``, k_t = eta_t^2 (m/b)^2 |D_t|^2/(2 s_t^2)

    D_t is the gradient of the unused minus that of the used candidate, xi_t the standard noise as
    it was added to the weights. Under the truth E exp(Y_t) = 1.

    Args:
        energy: k_t, (..., T).
        noise_product: (eta_t/s_t) (m/b) <D_t, xi_t>, (..., T); variance 2 k_t given the past.
    """
    k = checks.real("energy", energy, 0.0)
    inner = checks.real("noise_product", noise_product)
    if k.shape != inner.shape or k.ndim < 1:
        raise ValueError(f"energy {k.shape} and noise_product {inner.shape} must match: (..., T)")
    total = jnp.cumsum(-k - inner, axis=-1)
    return jnp.concatenate([jnp.zeros_like(total[..., :1]), total], axis=-1)


@enforced
def membership_information(
    ratios: Float[Array, " R"] | Float[Array, "R K_minus_1"],
) -> Estimate:
    """Exact path information from final log-likelihood ratios.

    ``I = E[log K - log(1 + sum_k e^{Y_k})]``

    Args:
        ratios: Y of the unused candidates at the end, (R,) for one or (R, K - 1).

    Returns:
        Unbiased `Estimate` in nats; its error is over rows, which must be independent runs (mean
        over the tracked slots of a run first).
    """
    y = checks.real("ratios", ratios)
    if y.ndim not in (1, 2) or y.shape[0] < 1:
        raise ValueError(f"ratios has shape {y.shape}; give (R,) or (R, K - 1)")
    y = y.reshape(y.shape[0], -1)
    padded = jnp.concatenate([jnp.zeros_like(y[:, :1]), y], axis=1)
    each = np.log(padded.shape[1]) - jax.nn.logsumexp(padded, axis=1)
    return _mean(each, "membership_information", padded.shape[1])


@enforced
def stepwise_information(energy: Float[Array, "R T"], ratios: Float[Array, "R T"]) -> Estimate:
    """The same information by the chain rule, with the noise of each step integrated out.

    ``I = E sum_t H(k_t, Y_t)``, ``H(k, y) = E_N[-log(1 - p + p exp(-k + sqrt(2k) N))]``,
    p = sigmoid(y), the divergence of the true step from the posterior mixture given the path

    Unbiased, and with far less variance than `membership_information` while the path says little.

    Args:
        energy: k_t, (R, T).
        ratios: Y_t before the step, (R, T).
    """
    k = checks.real("energy", energy, 0.0)
    y = checks.real("ratios", ratios)
    if k.ndim != 2 or k.shape != y.shape:
        raise ValueError(f"energy {k.shape} and ratios {y.shape} must both be (R, T)")
    return _mean(jnp.sum(step_information(k, y), axis=-1), "stepwise_information")


def step_information(
    energy: Float[Array, "*batch"], ratio: Float[Array, "*batch"]
) -> Float[JaxArray, "*batch"]:
    """H(k, y) of `stepwise_information` by Gauss-Hermite quadrature (40 nodes, good to k = 50).

    Beyond, its limit softplus(y) is returned.

    Args:
        energy: k.
        ratio: y.
    """
    k, y = jnp.broadcast_arrays(checks.real("energy", energy, 0.0), checks.real("ratio", ratio))
    positive = k > 0
    value = jnp.where(positive, surprise(jnp.where(positive, k, 1.0), y), 0.0)
    return jnp.where(jnp.isnan(k) | jnp.isnan(y), jnp.nan, value)


@enforced
def haghifam(
    energy: Float[Array, "R T"], ratios: Float[Array, "R T"], *, theta: str = "sigmoid"
) -> BoundValue:
    """Bound the gap with a prior that mixes the two candidates' gradients.

    ``gap <= sqrt(2 E sum_t k_t theta(Y_t)^2)``, theta(-y) = 1 - theta(y)

    Never below the exact information: the divergence from a mixture of two Gaussians is at most
    that from the Gaussian at the mixed mean.

    Args:
        energy: k_t, (R, T).
        ratios: Y_t before the step, (R, T).
        theta: "sigmoid", the posterior and the best choice; "erf", (1 + erf y)/2; or "half".

    Reference:
        Haghifam, Negrea, Khisti, Roy, Dziugaite 2020, "Sharpened generalization bounds based on
        conditional mutual information and an application to noisy, iterative algorithms".
    """
    checks.choice("theta", theta, ("sigmoid", "erf", "half"))
    k = checks.real("energy", energy, 0.0)
    y = checks.real("ratios", ratios)
    if k.ndim != 2 or k.shape != y.shape:
        raise ValueError(f"energy {k.shape} and ratios {y.shape} must both be (R, T)")
    weights = {
        "sigmoid": jax.nn.sigmoid,
        "erf": lambda v: 0.5 + jax.lax.erf(v) / 2,
        "half": lambda v: jnp.full_like(v, 0.5),
    }
    estimate = _mean(jnp.sum(k * weights[theta](y) ** 2, axis=-1), "haghifam")
    info = jnp.asarray(estimate.value)
    value = root.sub_gaussian(info)
    return outcome.result(
        value,
        name="haghifam",
        kind="estimate",
        limit=1.0,
        assumptions=("supersample", "data_independent_batches", "weight_noise", "monte_carlo"),
        information=info,
        about=estimate.about,
        std_error=root.error(value, info, jnp.asarray(estimate.std_error)),
    )


@enforced
def k_ghost(
    information: Float[Array, "*batch"] | float | Estimate | BoundValue, k: int
) -> BoundValue:
    """Bound the gap by the path information about which of k candidates was used.

    ``gap <= (k/(k - 1)) sqrt(I/2)``

    The loss at the used candidate minus the mean loss of all k is (k - 1)/k of the gap, and a
    loss in [0, 1] at an independent index is 1/2-sub-Gaussian. k = 2 gives sqrt(2 I). With the
    training error `invert.ghost` is tighter.

    Args:
        information: mean over slots, in nats, about k candidates; at most log k where it is exact.
            The mean over runs of `membership_information` is an estimate whatever its spread;
            `membership_upper` gives a limit that holds with a stated confidence.
        k: number of candidates, at least 2.

    Reference:
        For k candidates the leave-m-out CMI of Lu, Frey, Kuijper, Zhu 2026, "On unified and
        sharpened CMI bounds for generalization errors"; the form for paths is derived here.
    """
    k = checks.static_whole("k", k, 2)
    info = checks.information(information, about="pair", candidates=k)
    value = k / (k - 1) * jnp.sqrt(info.value / 2)
    return outcome.result(
        value,
        name="k_ghost",
        inputs=(info,),
        limit=1.0,
        assumptions=("iid", "bounded_loss", "data_independent_batches", "weight_noise"),
        information=info,
        std_error=root.error(value, info.value, info.error),
    )


def _mean(each: JaxArray, name: str, candidates: int = 2) -> Estimate:
    return over_units(each, name, "a replica diverged: leave it out", "pair", candidates)

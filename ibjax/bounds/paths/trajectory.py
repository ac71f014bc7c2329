"""Noisy-SGD bounds from statistics accumulated along training, one row a replica.

Updates are ``W_{t+1} = W_t - eta_t g_t + s_t xi_t``. Two steps with the same noise and drifts that
differ by eta v have divergence eta^2 |v|^2/(2 s^2): every bound here is a sum of such terms.
Statistics are (R, T) arrays, replicas times steps, or (T,) for known means. The mean over
replicas belongs inside the root (`reduction="sqrt_of_mean"`); averaging the roots of single runs
("mean_of_sqrt") is how published figures were drawn and is biased low.
"""

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.means import mean_and_error
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, BoundKind, Float, JaxArray, Scalar

_REDUCTIONS = ("sqrt_of_mean", "mean_of_sqrt")
ASSUMPTIONS = ("iid", "bounded_loss", "data_independent_batches", "weight_noise", "monte_carlo")


@enforced
def negrea(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    variance: Float[Array, "R T"],
    n: int,
    batch_size: int,
    *,
    replacement: bool = False,
    sigma: Scalar = 0.5,
    reduction: str = "sqrt_of_mean",
) -> BoundValue:
    """Gradient-incoherence bound from the variance of the per-example gradients.

    ``gap <= sqrt(2 sigma^2 E sum_t eta_t^2 |xi_t|^2 / (2 s_t^2))``,
    ``E|xi_t|^2 = n V_t / (b (n - 1)^2)``, times 1 + (b - 1)/n with replacement

    The prior knows all examples but one, J, and predicts its gradient by the mean of the others:
    xi = (m_J/b) (g_J - mean of others), and |g_J - mean of others| = n/(n - 1) |g_J - mean|.

    Args:
        step_sizes: eta_t.
        noise_stds: s_t.
        variance: V_t = (1/n) sum_i |g_i - mean|^2 of the training gradients at W_t.
        n: number of training examples, at least 2.
        batch_size: b.
        replacement: whether batches are drawn with replacement.
        sigma: sub-Gaussian parameter of the loss.
        reduction: "sqrt_of_mean" or "mean_of_sqrt".

    Reference:
        Negrea, Haghifam, Dziugaite, Khisti, Roy 2019, "Information-theoretic generalization
        bounds for SGLD via data-dependent estimates".
    """
    n, b = checks.static_whole("n", n, 2), _batch(batch_size, n)
    weight = n / (b * (n - 1) ** 2) * (1 + (b - 1) / n if replacement else 1.0)
    terms = energy(step_sizes, noise_stds, variance, "variance") * weight
    return _root("negrea", terms, sigma, reduction)


@enforced
def null_gradient(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    second_moment: Float[Array, "R T"],
    n: int,
    batch_size: int,
    *,
    replacement: bool = False,
    sigma: Scalar = 0.5,
    reduction: str = "sqrt_of_mean",
) -> BoundValue:
    """The bound of `negrea` with the missing gradient predicted by zero.

    ``E|xi_t|^2 = M_t / (n b)``, M_t = (1/n) sum_i |g_i|^2; times 1 + (b - 1)/n with replacement

    Args:
        step_sizes: eta_t.
        noise_stds: s_t.
        second_moment: M_t.
        n: number of training examples, at least 2.
        batch_size: b.
        replacement: whether batches are drawn with replacement.
        sigma: sub-Gaussian parameter of the loss.
        reduction: "sqrt_of_mean" or "mean_of_sqrt".
    """
    n, b = checks.static_whole("n", n, 2), _batch(batch_size, n)
    weight = (1 + (b - 1) / n if replacement else 1.0) / (n * b)
    terms = energy(step_sizes, noise_stds, second_moment, "second_moment") * weight
    return _root("null_gradient", terms, sigma, reduction)


@enforced
def li_luo_qiao(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    second_moment: Float[Array, "R T"],
    n: int,
    *,
    loss_range: Scalar = 1.0,
    reduction: str = "sqrt_of_mean",
) -> BoundValue:
    """Gradient-norm bound for full-batch Langevin dynamics.

    ``gap <= (2 C/n) sqrt(E sum_t eta_t^2 M_t / s_t^2)``, M_t = (1/n) sum_i |g_i|^2

    Four times `null_gradient` with full batches on the same gradients.

    Args:
        step_sizes: eta_t.
        noise_stds: s_t.
        second_moment: M_t, from a subsample if need be.
        n: number of training examples.
        loss_range: C, the loss lies in [0, C].
        reduction: "sqrt_of_mean" or "mean_of_sqrt".

    Reference:
        Li, Luo, Qiao 2020, "On generalization error bounds of noisy gradient methods for
        non-convex learning"; in the noise convention above.
    """
    n = checks.static_whole("n", n)
    scale = checks.real("loss_range", loss_range, 0.0, open_low=True)
    terms = energy(step_sizes, noise_stds, second_moment, "second_moment")
    return _root("li_luo_qiao", terms, 2 * scale / n, reduction, limit=scale)


@enforced
def virtual_noise(
    step_sizes: Float[Array, " T"],
    virtual_stds: Float[Array, " T"],
    dispersion: Float[Array, "R T"],
    flatness_gap: Scalar | Estimate,
    n: int,
    *,
    sigma: Scalar = 0.5,
) -> BoundValue:
    """Bound for SGD without noise, by noise added in the analysis only.

    ``gap <= sqrt((sigma^2/n) E sum_t eta_t^2 V_t / s_t^2) + |flatness gap|``

    Args:
        step_sizes: eta_t.
        virtual_stds: s_t of the virtual noise, chosen without the data.
        dispersion: V_t = E|g_B(W_t) - E_Z g(W_t, Z)|^2 at the weights of SGD.
        flatness_gap: ``E[r(W_T, test) - r(W_T, train)]`` with r the rise of the loss under
            N(0, sum_t s_t^2 I) added to the weights; measured on held-out data, and its error
            counted where it is an `Estimate`.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss.

    Reference:
        Neu, Dziugaite, Haghifam, Roy 2021, "Information-theoretic generalization bounds for
        stochastic gradient descent"; with the dispersion at the unperturbed weights as in Wang,
        Mao 2022.
    """
    n = checks.static_whole("n", n)
    flat = checks.quantity("flatness_gap", flatness_gap, None)
    bare = not isinstance(flatness_gap, Estimate)
    bound = _root(
        "virtual_noise",
        energy(step_sizes, virtual_stds, dispersion, "dispersion"),
        checks.real("sigma", sigma, 0.0, open_low=True) / np.sqrt(n),
        "sqrt_of_mean",
    )
    return outcome.result(
        jnp.asarray(bound.value) + jnp.abs(flat.value),
        name="virtual_noise",
        kind="estimate",
        limit=2 * sigma,
        assumptions=("iid", "bounded_loss", "data_independent_batches", "monte_carlo"),
        information=bound.information,
        about="other",  # of the weights with the virtual noise
        std_error=bound.std_error + flat.error,
        note="error of the flatness gap not included" if bare else "",
    )


def _batch(batch_size: int, n: int) -> int:
    b = checks.static_whole("batch_size", batch_size)
    if b > n:
        raise ValueError(f"batch_size={b} exceeds n={n}; give batch_size <= n")
    return b


def energy(step_sizes, noise_stds, squares, name: str) -> JaxArray:
    """eta^2 v / (2 s^2) for each step; a step of size zero costs nothing."""
    steps = checks.real("step_sizes", step_sizes, 0.0)
    noise = checks.real("noise_stds", noise_stds, 0.0)
    squares = checks.real(name, squares, 0.0)
    if steps.ndim != 1 or noise.shape != steps.shape or squares.shape[-1:] != steps.shape:
        raise ValueError(
            f"step_sizes {steps.shape}, noise_stds {noise.shape} and {name} {squares.shape} do "
            "not match; give (T,), (T,) and (T,) or (R, T)"
        )
    still = (steps == 0) | (squares == 0)
    silent = noise == 0
    ratio = steps / jnp.where(silent, 1.0, noise)
    energy = ratio**2 * jnp.where(still, 0.0, squares) / 2
    return jnp.where(silent & ~still, jnp.inf, energy)


def _root(name: str, terms: JaxArray, sigma, reduction: str, limit=None) -> BoundValue:
    """sqrt(2 sigma^2 E sum_t terms), or the mean of the roots of single runs."""
    checks.choice("reduction", reduction, _REDUCTIONS)
    sigma = checks.scalar("sigma", sigma, 0.0, open_low=True)
    runs = jnp.atleast_2d(terms).sum(-1)
    info, spread = mean_and_error(runs)
    if reduction == "mean_of_sqrt":
        value, error = mean_and_error(root.sub_gaussian(runs, sigma))
        note = "mean of roots: biased low, no bound"
    else:
        value, note = root.sub_gaussian(info, sigma), ""
        error = root.error(value, info, spread)
    kind: BoundKind = "diagnostic" if reduction == "mean_of_sqrt" else "estimate"
    return outcome.result(
        value,
        name=name,
        kind=kind,
        limit=2 * sigma if limit is None else limit,
        assumptions=ASSUMPTIONS,
        information=info,
        about="example",
        std_error=error,
        note=note,
    )

"""Bounds for fixed disjoint batches, whose information decays in the steps that use others."""

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.layers.coefficients import coefficient
from ibjax.bounds.paths.trajectory import ASSUMPTIONS, energy
from ibjax.interface import BoundValue, Contraction, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def wang_gao_calmon(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    variance: Float[Array, " T"] | Estimate,
    batch: Array,
    num_batches: int,
    batch_size: int,
    *,
    sigma: Scalar = 0.5,
    contraction: Contraction | Float[Array, " T"] | None = None,
) -> BoundValue:
    """Bound for fixed disjoint batches, with the decay of information in later steps.

    ``gap <= (1/M) sum_j sqrt(2 sigma^2 I_j / b)``, M batches of b examples, with
    ``I_j = sum_{t uses j} (eta_t^2 V_t / (2 s_t^2)) prod_{u > t, u not using j} q_u``

    A step that does not use batch j is a fixed channel given the others, which shrinks what the
    weights hold on j by its coefficient q_u; for drift outputs of diameter D and noise s it is
    `gaussian_contraction`. A batch of b independent examples has a mean loss with parameter
    sigma/sqrt(b).

    Args:
        step_sizes: eta_t.
        noise_stds: s_t.
        variance: V_t = E|g_B(W_t) - c(W_t)|^2 of the batch-mean gradient, for any centre c that
            depends on the weights alone. Numbers are taken for Monte-Carlo means, which make an
            estimate; an exact `Estimate` of bias "none" or "up", such as the squared clip norm,
            makes a certificate.
        batch: index of the batch used at each step, (T,), in 0..M-1.
        num_batches: M.
        batch_size: b.
        sigma: sub-Gaussian parameter of the loss.
        contraction: q_t in [0, 1] of the step as a channel on the weights, a `Contraction` of KL
            or total variation with one entry a step, or numbers; 1 by default.

    Raises:
        ValueError: shapes that do not match, a batch that is none of the M, numbers out of range.

    Reference:
        Wang, Gao, Calmon 2021, "Analyzing the generalization capability of SGLD using properties
        of Gaussian channels"; constants re-derived.
    """
    batches = checks.static_whole("num_batches", num_batches)
    b = checks.static_whole("batch_size", batch_size)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    given = checks.quantity("variance", variance, plain="estimate")
    terms = energy(step_sizes, noise_stds, given.value, "variance")
    index = checks.real("batch", batch)
    if terms.ndim != 1 or index.shape != terms.shape:
        raise ValueError(
            f"variance has shape {terms.shape} and batch {index.shape}; give one a step: (T,)"
        )
    fits = (index >= 0) & (index < batches) & (index == jnp.round(index))
    if checks.concrete(fits) and not bool(fits.all()):
        wrong = float(index[~fits][0])
        raise ValueError(f"batch holds {wrong:g}; give indices in 0..{batches - 1} (num_batches)")
    # The step of a batch that is none of them would be lost.
    terms = jnp.where(fits, terms, jnp.nan)
    shrink = jnp.ones_like(terms)
    if contraction is not None:
        if isinstance(contraction, Contraction):
            contraction = coefficient(contraction, certified=True, divergence="kl")
        shrink = checks.real("contraction", contraction, 0.0, 1.0) * shrink

    def step(held, now):
        used, term, factor = now
        mine = jnp.arange(batches) == used
        # The step of the batch itself adds a term and is not counted as decay.
        return jnp.where(mine, held + term, held * factor), None

    known = given.kind == "certificate"
    premises = tuple(a for a in ASSUMPTIONS if not (known and a == "monte_carlo"))

    def kept(terms: JaxArray) -> JaxArray:
        kept = jax.lax.scan(step, jnp.zeros(batches, terms.dtype), (index, terms, shrink))[0]
        return jnp.where(jnp.isnan(terms).any(), jnp.nan, kept)

    held, errors = kept(terms), kept(energy(step_sizes, noise_stds, given.error, "variance"))
    roots = root.sub_gaussian(held, n=b)
    return outcome.result(
        jnp.mean(roots) * sigma,
        name="wang_gao_calmon",
        inputs=(given,),
        limit=2 * sigma,
        assumptions=(*premises, "disjoint_batches"),
        information=jnp.mean(held),
        about="example",
        std_error=jnp.mean(root.error(roots, held, errors)) * sigma,
        note="" if known else "variances are Monte-Carlo means over training runs",
    )


@enforced
def gaussian_contraction(diameter: Array | Scalar, noise_std: Array | Scalar) -> JaxArray:
    """Total-variation contraction of x -> x + N(0, s^2 I) on a set of diameter D.

    ``1 - 2 Q(D/(2 s)) = erf(D/(2 sqrt(2) s))``; an upper bound on the contraction of KL. As
    numbers; `contraction.gaussian_noise_tv` is the same with its kind, and
    `contraction.gaussian_noise`, for KL alone, is smaller.

    For a step on weights in a set of diameter D_W with gradient norms up to K the diameter is
    D_W + 2 eta K.

    Args:
        diameter: Euclidean diameter of the inputs of the noise.
        noise_std: s; 0 gives 1.
    """
    diameter = checks.real("diameter", diameter, 0.0)
    std = checks.real("noise_std", noise_std, 0.0)
    noisy = std > 0
    half = diameter / (2 * jnp.where(noisy, std, 1.0))
    return jnp.where(noisy, 2 * norm.cdf(half) - 1, 1.0)

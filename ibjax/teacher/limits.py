"""Bayes-optimal limits of teacher networks through the equivalent generalized linear model."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete
from ibjax.frozen import frozen_elementwise
from ibjax.signatures import enforced
from ibjax.teacher.channels import (
    READOUTS,
    Readout,
    Teacher,
    channel_rates,
    noise_entropy,
    prediction_errors,
)
from ibjax.teacher.checks import choice, real
from ibjax.teacher.constants import activation_constants
from ibjax.teacher.curve import crossings, log_r_range, solve_cell, trace_curve
from ibjax.teacher.priors import PRIORS, PriorName, scalar_problem
from ibjax.typing import Bool, Float, Numbers
from ibjax.typing import JaxArray as Array


class BayesLimits(NamedTuple):
    """The Bayes-optimal fixed point of largest free entropy, and the algorithmic one.

    Attributes:
        q: overlap of the posterior mean with the teacher's linear vector, in [0, 1].
        mi_per_sample: I(network parameters; data) / n, nats.
        generalization_error: Bayes-optimal error on a fresh noisy output: mean squared error
            with the noise variance included, or the probability of a wrong sign.
        clean_error: the same against the output without noise.
        gibbs_error: error of a prediction drawn from the posterior, noisy output.
        gibbs_clean_error: the same against the output without noise.
        vector_mi_per_sample: I(linear vector; data) / n, nats; what the noise-like part of the
            network costs is not in it.
        next_sample_mi: information of sample n + 1 given the first n, nats.
        free_entropy: (1/n) E ln Z of the data, nats.
        mmse: 1 - q to full precision.
        snr: r, the signal-to-noise ratio of the equivalent scalar problem.
        q_algorithmic: overlap reached from an uninformative start (by GAMP).
        generalization_error_algorithmic: its error, as `generalization_error`.
        hard: True where the algorithmic branch is not the optimal one.
    """

    q: Float[Array, "*alpha"]
    mi_per_sample: Float[Array, "*alpha"]
    generalization_error: Float[Array, "*alpha"]
    clean_error: Float[Array, "*alpha"]
    gibbs_error: Float[Array, "*alpha"]
    gibbs_clean_error: Float[Array, "*alpha"]
    vector_mi_per_sample: Float[Array, "*alpha"]
    next_sample_mi: Float[Array, "*alpha"]
    free_entropy: Float[Array, "*alpha"]
    mmse: Float[Array, "*alpha"]
    snr: Float[Array, "*alpha"]
    q_algorithmic: Float[Array, "*alpha"]
    generalization_error_algorithmic: Float[Array, "*alpha"]
    hard: Bool[Array, "*alpha"]


@enforced
def bayes_limits(
    readout: Readout,
    alpha: Numbers,
    *,
    activation: str | Callable | None = None,
    rho: Numbers | None = None,
    eps: Numbers | None = None,
    noise: Numbers = 0.0,
    prior: PriorName = "gaussian",
    nodes: tuple[int, int, int] | None = None,
) -> BayesLimits:
    r"""Solve the Bayes-optimal limits of a teacher network at alpha = n / d.

    The teacher is ``y = f(a . phi(W x / sqrt d) / sqrt p) + sqrt(noise) z``; its information and
    errors are those of ``y = f(rho v.x / sqrt d + sqrt(eps) xi) + sqrt(noise) z``. The free
    entropy is ``sup_q inf_r {psi(r) - r q / 2} / alpha + Psi(q)``.

    Args:
        readout: f: "identity" (noise = variance added to the output), "sign" (noise = variance
            inside the sign), "abs" (noise added), or a bounded smooth function of JAX arrays
            (noise > 0).
        alpha: samples per input dimension, any shape.
        activation: phi, a name or a function of JAX arrays; gives rho and eps. An activation
            that is not odd is taken centred: its common bias is not part of the limit.
        rho: coefficient of the linear part, scalar; 1 where neither it nor `activation` is given.
        eps: variance of the noise-like part, scalar; 0 likewise.
        noise: variance of the noise, scalar.
        prior: "gaussian" or "rademacher", the law of v's entries.
        nodes: numbers of (V, t, y) quadrature nodes of a smooth readout; chosen from the noise
            where that is concrete.

    Returns:
        BayesLimits, each of alpha's shape; information in nats. `mi_per_sample` is infinite for
        a noiseless continuous output. NaN where a traced argument is out of range, `nodes` too
        coarse for the noise, or noise (or eps) so small beside alpha that under the Gaussian prior
        snr would lie above e^40.

    Assumes:
        n/d fixed, width large, Gaussian inputs. Proved for odd smooth phi and smooth f with
        noise; the noiseless sign is covered for the linear model. Float64 gives 1e-10 and better,
        float32 about 1e-4.

    Raises:
        ValueError: for unknown names, alpha <= 0, negative variances, or an activation together
            with rho or eps.

    Reference:
        Barbier, Krzakala, Macris, Miolane, Zdeborova (2019), Optimal errors and phase transitions
        in high-dimensional generalized linear models; Camilli, Tieplova, Barbier (2023),
        Fundamental limits of overparametrized shallow neural networks for supervised learning;
        for several layers Cui, Krzakala, Zdeborova (2023), Bayes-optimal learning of deep random
        networks of extensive-width, and Camilli, Tieplova, Bergamin, Barbier (2025),
        Information-theoretic reduction of deep neural networks to linear models in the
        overparametrized proportional regime, which proves the equivalence.
    """
    readout, teacher, nodes = settle(readout, activation, rho, eps, noise, prior, nodes)
    alpha = real("alpha", alpha, low=0.0, strict=True)
    dtype = jnp.result_type(alpha, *teacher)
    teacher = Teacher(*(x.astype(dtype) for x in teacher))
    # Traced apart, so that a new shape of alpha compiles half as much.
    curve = trace_curve(readout, prior, jax.lax.stop_gradient(teacher), nodes)
    return _solve_all(
        alpha.astype(dtype), curve, teacher, readout=readout, prior=prior, nodes=nodes
    )


def settle(readout, activation, rho, eps, noise, prior, nodes):
    """Check the arguments shared by the solvers.

    Returns:
        (readout, Teacher of scalar arrays, nodes); a function as what it computes now.
    """
    if not callable(readout):
        choice("readout", readout, (*READOUTS, "a function"))
    choice("prior", prior, PRIORS)
    if activation is not None and not (rho is None and eps is None):
        raise ValueError("give activation, or rho and eps, not both.")
    if activation is not None:
        rho, eps = activation_constants(activation)[:2]
    teacher = Teacher(
        real("rho", 1.0 if rho is None else rho, low=0.0),
        real("eps", 0.0 if eps is None else eps, low=0.0),
        real("noise", noise, low=0.0),
    )
    if any(x.ndim for x in teacher):
        raise ValueError("rho, eps and noise must be scalars: map over them with jax.vmap.")
    known = concrete(*teacher)
    if callable(readout) and known and float(teacher.noise) <= 0:
        raise ValueError(f"a smooth readout needs noise > 0, got {noise}.")
    if nodes is None:
        nodes = (61, 141, 121)
        if callable(readout) and known:
            ratio = float((teacher.rho**2 + teacher.eps) / teacher.noise)
            nodes = (
                61,
                int(np.ceil(17 * np.sqrt(32 * (1 + ratio) / (2 * np.pi**2)))) + 24,
                int(np.ceil((17 + 4 / np.sqrt(float(teacher.noise))) / 0.4)) + 1,
            )
    return frozen_elementwise(readout), teacher, nodes


@partial(jax.jit, static_argnames=("readout", "prior", "nodes"))
def _solve_all(alpha, curve, teacher, *, readout, prior, nodes):
    curve = jax.lax.stop_gradient(curve)
    own = noise_entropy(readout, teacher)
    full, none = jnp.ones_like(teacher.rho), jnp.zeros_like(teacher.rho)
    linear = channel_rates(readout, full, none, teacher, nodes).entropy
    if readout == "sign":
        linear = jnp.where(teacher.eps + teacher.noise > 0, linear, 0.0)
    one = partial(
        _solve_one,
        curve=curve,
        entropies=(own, linear),
        teacher=teacher,
        readout=readout,
        prior=prior,
        nodes=nodes,
    )
    # A dear channel is solved one alpha at a time, so that no point waits for the slowest one
    # and the second branch is solved only where there is one.
    dear = readout == "abs" or callable(readout)
    flat = jax.lax.map(one, alpha.ravel()) if dear else jax.vmap(one)(alpha.ravel())
    return jax.tree.map(lambda x: x.reshape(alpha.shape), flat)


def _solve_one(alpha, *, curve, entropies, teacher, readout, prior, nodes):
    own, linear = entropies
    log_alpha = jnp.log(alpha)
    rising, _ = crossings(curve, jax.lax.stop_gradient(log_alpha))
    some = jnp.any(rising)
    first = jnp.argmax(rising)
    last = rising.size - 1 - jnp.argmax(rising[::-1])
    low, high = log_r_range(prior)
    # No crossing below: q = 0 is stable. No crossing above: recovery is perfect.
    trivial = log_alpha < curve.log_alpha[0]
    perfect = log_alpha >= curve.log_alpha[-1]

    def solve(cell):
        return solve_cell(cell, curve, log_alpha, readout, prior, teacher, nodes)

    bottom = jnp.full_like(log_alpha, low)
    top = jnp.full_like(log_alpha, high)
    z_first = jnp.where(some, solve(first), top)
    z_last = jax.lax.cond(last != first, lambda: solve(last), lambda: z_first)
    z_algorithmic = jnp.where(trivial, bottom, z_first)
    # Without a crossing the top is no fixed point unless recovery is perfect.
    z_last = jnp.where(some, z_last, z_algorithmic)
    candidates = jnp.stack([z_algorithmic, z_last, jnp.where(perfect, top, z_algorithmic)])

    def score(z):
        problem = scalar_problem(jnp.exp(z), prior)
        rates = channel_rates(readout, problem.q, problem.mmse, teacher, nodes)
        return problem.potential / alpha - rates.entropy, problem, rates

    scores = jax.lax.cond(
        jnp.ptp(jax.lax.stop_gradient(candidates)) > 0,
        lambda z: jax.lax.map(lambda x: score(x)[0], z),
        jnp.zeros_like,
        jax.lax.stop_gradient(candidates),
    )
    if prior == "gaussian":
        # Beyond the end of the curve the free entropy grows without bound as E -> 0.
        scores = scores.at[2].set(jnp.where(perfect, jnp.inf, scores[2]))
    best = candidates[jnp.argmax(scores)]
    valid = jnp.isfinite(log_alpha) & ~jnp.any(jnp.isnan(curve.log_alpha))
    if prior == "gaussian":
        # With noise there is a fixed point beyond the end of the curve too, and it is not known.
        valid &= ~(perfect & (teacher.eps + teacher.noise > 0))
    best = jnp.where(valid, best, jnp.nan)
    z_algorithmic = jnp.where(valid, z_algorithmic, jnp.nan)

    free_entropy, problem, rates = score(best)
    errors = prediction_errors(readout, problem.q, problem.mmse, teacher, nodes)
    slow = scalar_problem(jnp.exp(z_algorithmic), prior)
    slow_errors = prediction_errors(readout, slow.q, slow.mmse, teacher, nodes)
    return BayesLimits(
        q=problem.q,
        mi_per_sample=-free_entropy - own,
        generalization_error=errors.bayes,
        clean_error=errors.clean,
        gibbs_error=errors.gibbs,
        gibbs_clean_error=errors.gibbs_clean,
        vector_mi_per_sample=-free_entropy - linear,
        next_sample_mi=rates.entropy - own,
        free_entropy=free_entropy,
        mmse=problem.mmse,
        snr=jnp.exp(best),
        q_algorithmic=slow.q,
        generalization_error_algorithmic=slow_errors.bayes,
        hard=best > z_algorithmic + 1e-6,
    )

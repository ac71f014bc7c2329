"""PAC-Bayes bounds, and the divergence of Langevin and Gibbs posteriors from loss curves."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert, outcome, root
from ibjax.bounds.kinds import Given, fitted, proved, with_error
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Scalar


@enforced
def pac_bayes_kl(
    train_error: Float[Array, "*batch"] | float | Estimate,
    divergence: Float[Array, "*batch"] | float | Estimate | BoundValue,
    n: int,
    *,
    delta: Scalar | None = None,
) -> BoundValue:
    """Bound the gap of a randomised predictor by the divergence from a fixed prior.

    with delta: ``kl(L_S(Q) || L(Q)) <= (KL(Q || P) + log(2 sqrt(n)/delta)) / n`` for all Q at
                once, with probability 1 - delta over the sample
    without:    ``kl(E L_S || E L) <= E KL(Q || P) / n``, all in expectation

    Args:
        train_error: mean training loss in [0, 1] under Q. A number counts as known; an `Estimate`
            that is not exact makes an estimate, with its error. Of an exact upper limit (bias
            "up") the worst training loss below it is taken: kl^{-1}(l, c) - l rises up to some l
            only.
        divergence: KL(Q || P) in nats, its mean over samples without delta. A number counts as
            known; the divergence of one trained posterior, as `gaussian_divergence` gives it, is
            exact with delta and one draw of that mean without.
        n: number of training examples.
        delta: failure probability in (0, 1].

    Returns:
        The inverted bound less the training error; vacuous where it puts the loss at 1; its
        confidence is 1 - delta, less what the inputs may fail by.

    Raises:
        ValueError: rates outside [0, 1], negative divergence, n < 1, delta outside (0, 1].

    Reference:
        Maurer 2004, "A note on the PAC Bayesian theorem". The form in expectation is the
        divergence bound with a prior independent of the sample.
    """
    rate = checks.rate("train_error", train_error)
    about = checks.subject_of(n) if delta is None else "posterior"
    info = checks.information(divergence, name="divergence", about=about)
    n = checks.whole("n", n)
    union = _union(n, delta)
    value, at, spread = _below_kl(rate, info, n, union)
    return outcome.result(
        value,
        name="pac_bayes_kl",
        inputs=(rate, info),
        limit=1.0 - at,
        assumptions=("iid", "bounded_loss", "fixed_prior"),
        information=info,
        std_error=spread,
        confidence=1.0 if delta is None else 1 - checks.failure("delta", delta),
    )


def _below_kl(rate: Given, info: Given, n: Any, union: Any):
    """kl^{-1}(l, (I + union)/n) - l, the l at which it was taken, and its standard error."""
    return with_error(lambda at, nats: invert.kl(at, (nats + union) / n) - at, rate, info)


def _union(n: Any, delta: Scalar | None) -> Any:
    """What the bound pays to hold with probability 1 - delta, in nats."""
    return 0.0 if delta is None else jnp.log(2 * jnp.sqrt(1.0 * n) / checks.failure("delta", delta))


@enforced
def gaussian_divergence(
    mean: Float[Array, " d"],
    std: Float[Array, " d"] | Scalar,
    prior_mean: Float[Array, " d"] | Scalar,
    prior_std: Scalar,
) -> Estimate:
    """KL in nats of N(mean, diag std^2) from N(prior_mean, prior_std^2 I).

    ``sum_j (r_j^2 - 1 - log r_j^2)/2 + |mean - prior_mean|^2/(2 prior_std^2)``, r = std/prior_std

    Args:
        mean: posterior means, (d,).
        std: posterior standard deviations; 0 gives inf.
        prior_mean: chosen without the data, for instance the initial weights.
        prior_std: prior standard deviation.

    Returns:
        The divergence, exact. The posterior of one sample has that sample's divergence, which is
        what `pac_bayes_kl` with delta needs; as information, or without delta, its mean over
        samples counts, and bounds take this one as an estimate of it.

    Raises:
        ValueError: for shapes that do not fit, or deviations that are not positive.
    """
    mean = checks.real("mean", mean)
    std = checks.real("std", std, 0.0)
    prior_mean = checks.real("prior_mean", prior_mean)
    prior_std = checks.real("prior_std", prior_std, 0.0, open_low=True)
    if any(a.ndim and a.shape != mean.shape for a in (std, prior_mean, prior_std)):
        raise ValueError(
            f"std {std.shape}, prior_mean {prior_mean.shape} or prior_std {prior_std.shape} does "
            f"not fit mean {mean.shape}; give that shape or one number"
        )
    log_ratio = jnp.log(std) - jnp.log(prior_std)
    spread = jnp.expm1(2 * log_ratio) - 2 * log_ratio
    shift = ((mean - prior_mean) / prior_std) ** 2
    value = jnp.sum(spread + shift) / 2
    reason = "infinite: a posterior deviation is 0"
    return proved(value, "gaussian_divergence", "posterior", reason, bias="none")


@enforced
def free_energy_divergence(
    initial_loss: Float[Array, "*batch"] | float | Estimate,
    loss: Float[Array, "*batch"] | float | Estimate,
    inverse_temperature: Scalar,
) -> Estimate:
    """Upper bound on KL(p_t || prior) of Langevin dynamics started at its prior.

    ``KL(p_t || pi) <= beta (E L_S(W_0) - E L_S(W_t))`` at every time t

    The stationary law nu has density e^(-beta L_S)/Z with respect to pi, so KL(p_t || nu) is
    KL(p_t || pi) + beta E L_S(W_t) + log Z; it does not increase, and starts at p_0 = pi. A mean
    over samples bounds I(W_t; S) likewise.

    Args:
        initial_loss: training loss (the surrogate being descended) at the prior draw.
        loss: training loss now.
        inverse_temperature: beta of the mean loss.

    Returns:
        The bound, of bias "up" for the mean losses; never exact, since losses are measured and
        steps are not continuous time. Its error is unknown unless both losses are an `Estimate`.

    Assumes:
        Continuous time, or a scheme reversible for nu (MALA); full gradients; the drift of the
        prior is part of the dynamics; beta constant. For discrete steps this is an
        approximation.

    Reference:
        Harel, Wolanowsky, Vardi, Srebro, Soudry 2025 (arXiv 2505.19087); sharpened here by the
        present loss.
    """
    first = checks.quantity("initial_loss", initial_loss, None, plain="estimate")
    now = checks.quantity("loss", loss, None, plain="estimate")
    beta = checks.real("inverse_temperature", inverse_temperature, 0.0)
    value = beta * (first.value - now.value)
    return Estimate(
        value,
        beta * (first.error + now.error),
        value >= 0,
        "up",
        "free_energy_divergence",
        "negative: the losses are noisy, or the run did not start at its prior",
        about="posterior",
    )


@enforced
def free_energy(
    initial_loss: Float[Array, "*batch"] | float | Estimate,
    loss: Float[Array, "*batch"] | float | Estimate,
    inverse_temperature: Scalar,
    n: int,
    *,
    train_error: Float[Array, "*batch"] | float | Estimate | None = None,
    delta: Scalar | None = None,
) -> BoundValue:
    """Bound the gap of Langevin dynamics by its temperature and training-loss curve alone.

    without train_error: ``gap <= sqrt((beta (E L_S(W_0) - E L_S(W_t)) + c) / (2 n))``
    with it:             ``kl(E e_S || E e) <= (beta (E L_S(W_0) - E L_S(W_t)) + c) / n``

    c = 0 in expectation over the sample; with `delta`, c = log(2 sqrt(n)/delta), the means are
    those given the sample, and the bound holds with probability 1 - delta over it.

    Args:
        initial_loss: mean training loss at the prior draw.
        loss: mean training loss now.
        inverse_temperature: beta of the mean loss.
        n: number of training examples.
        train_error: mean of the [0, 1] evaluation loss on the training set.
        delta: failure probability in (0, 1], or None for the bound in expectation.

    Returns:
        Bound for any [0, 1] evaluation loss; NaN where the divergence comes out negative.

    Assumes:
        Continuous time, or a scheme reversible for nu (MALA); full gradients; the drift of the
        prior is part of the dynamics; beta constant. For discrete steps this is an
        approximation.

    Reference:
        Harel, Wolanowsky, Vardi, Srebro, Soudry 2025 (arXiv 2505.19087); sharpened here by the
        present loss.
    """
    divergence = free_energy_divergence(initial_loss, loss, inverse_temperature)
    note = "exact for continuous time or MALA with full gradients, else an approximation"
    premises = ("iid", "bounded_loss", "prior_start", "continuous_time")
    return _from_divergence("free_energy", divergence, n, train_error, delta, premises, note)


@enforced
def thermodynamic(
    losses: Float[Array, " m"] | Estimate,
    inverse_temperatures: Float[Array, " m"],
    n: int,
    *,
    train_error: Float[Array, ""] | float | Estimate | None = None,
    delta: Scalar | None = None,
) -> BoundValue:
    """Bound the gap of a Gibbs posterior by its training losses on a temperature grid.

    The form of `free_energy` with the sum of `thermodynamic_divergence` in place of
    beta (L_0 - L_beta), which is that sum on a grid of one step; a finer grid lowers it.

    Args:
        losses: mean training loss under the Gibbs law at each inverse temperature, (m,).
        inverse_temperatures: increasing grid from 0 to beta, (m,).
        n: number of training examples.
        train_error: mean of the [0, 1] evaluation loss on the training set at beta; with it the
            binary relative entropy is inverted.
        delta: failure probability in (0, 1], or None for the bound in expectation.

    Assumes:
        Chains at equilibrium at every temperature (Langevin dynamics run long enough with small
        steps, or corrected): their finite length is not accounted for.

    Reference:
        Maurer, Mirzaei, Pontil 2025 (arXiv 2510.06028).
    """
    divergence = thermodynamic_divergence(losses, inverse_temperatures)
    premises = ("iid", "bounded_loss", "fixed_prior", "equilibrium")
    note = "chains at equilibrium are assumed"
    return _from_divergence("thermodynamic", divergence, n, train_error, delta, premises, note)


def _from_divergence(name, divergence, n, train_error, delta, premises, note) -> BoundValue:
    n = checks.whole("n", n)
    info = checks.information(divergence, about="sample" if delta is None else "posterior")
    union = _union(n, delta)
    inputs = [info]
    if train_error is None:
        budget = (info.value + union) / n
        value, limit = jnp.sqrt(budget / 2), 1.0
        spread = root.error(value, budget, info.error / n)
    else:
        inputs.append(checks.rate("train_error", train_error))
        value, at, spread = _below_kl(inputs[1], info, n, union)
        limit = 1.0 - at
    return outcome.result(
        value,
        name=name,
        kind="estimate",
        inputs=inputs,
        limit=limit,
        assumptions=premises,
        information=info,
        std_error=spread,
        note=note,
        confidence=1.0 if delta is None else 1 - checks.failure("delta", delta),
    )


@enforced
def thermodynamic_divergence(
    losses: Float[Array, " m"] | Estimate, inverse_temperatures: Float[Array, " m"]
) -> Estimate:
    """Upper bound on KL of a Gibbs posterior from its prior, from losses on a temperature grid.

    ``KL(nu_beta || pi) = int_0^beta E_s L_S ds - beta E_beta L_S <= left Riemann sum``

    d log Z / d beta = -E_beta L_S gives the identity; E_s L_S does not increase in s, since its
    derivative is minus a variance, so the left sum lies above the integral.

    Args:
        losses: mean training loss under the Gibbs law at each inverse temperature, (m,).
        inverse_temperatures: increasing grid from 0 to beta, (m,).

    Returns:
        The bound, of bias "up" for the mean losses; exact only if the losses are an exact
        `Estimate` of bias "none". Numbers count as measured, with an unknown error.

    Raises:
        ValueError: shapes that do not match, or a grid that does not increase from 0.

    Reference:
        Maurer, Mirzaei, Pontil 2025 (arXiv 2510.06028).
    """
    given = checks.quantity("losses", losses, None, plain="estimate", biases=("none",))
    losses = given.value
    betas = checks.real("inverse_temperatures", inverse_temperatures, 0.0)
    if losses.ndim != 1 or losses.shape != betas.shape or losses.shape[0] < 2:
        raise ValueError(
            f"losses has shape {losses.shape} and inverse_temperatures {betas.shape}; "
            "give one loss a temperature, at least two: (m,)"
        )
    increasing = (betas[0] == 0) & jnp.all(jnp.diff(betas) > 0)
    if checks.concrete(betas) and not bool(np.asarray(increasing)):
        raise ValueError("inverse_temperatures does not increase from 0; sort it and start at 0")
    value = jnp.sum(jnp.diff(betas) * losses[:-1]) - betas[-1] * losses[-1]
    value = jnp.where(increasing, value, jnp.nan)
    # The losses may come from one chain: their errors add up.
    error = jnp.sum(jnp.diff(betas) * given.error[:-1]) + betas[-1] * given.error[-1]
    return Estimate(
        value,
        error,
        value >= 0,
        "up",
        "thermodynamic_divergence",
        "negative: the losses are noisy or the chains had not mixed",
        given.kind == "certificate",
        fitted(given.confidence, ()),
        about="posterior",
    )

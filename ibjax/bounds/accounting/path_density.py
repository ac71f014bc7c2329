"""One training set, one delta: PAC-Bayes over the path by its realised density."""

from typing import NamedTuple

import jax.numpy as jnp

from ibjax.bounds import checks, invert, outcome
from ibjax.bounds.kinds import Given, fitted, with_error
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Scalar


class PathTerms(NamedTuple):
    """What one step adds to the log density of the path.

    Attributes:
        energy: A_t = eta^2 |g - h|^2/(2 s^2), in nats.
        martingale: M_t = (eta/s) <g - h, xi>, of mean zero.
    """

    energy: Float[Array, "*T"] | float
    martingale: Float[Array, "*T"] | float


@enforced
def path_terms(
    scale: Float[Array, "*T"] | float,
    difference_sq: Float[Array, "*T"] | float,
    difference_noise: Float[Array, "*T"] | float,
) -> PathTerms:
    """Terms of ``log dQ_S/dP (path) = sum_t A_t - M_t`` of a run against a prior run.

    The run has steps ``W - eta g + s xi``, the prior run ``W - eta h + s xi'`` from the same law of
    W_0; g is the step's gradient, h any function of the past path and of public randomness.

    Args:
        scale: eta/s of the step.
        difference_sq: |g - h|^2.
        difference_noise: <g - h, xi>, xi the standard normal that was added.
    """
    scale = jnp.asarray(scale)
    return PathTerms(0.5 * scale**2 * difference_sq, scale * difference_noise)


@enforced
def path_certificate(
    train_error: Float[Array, " R"] | Scalar | Estimate,
    log_density: Float[Array, " R"] | Scalar,
    n: int,
    delta: Scalar,
    *,
    choices: int = 1,
) -> BoundValue:
    """Bound the gap of the trained networks at hand, by the realised densities of their paths.

    ``kl(mean_r L_S(W_r) || mean_r L(W_r)) <= (mean_r (A_r - M_r) + log(2 sqrt(n)/delta)) / n``

    with probability 1 - delta over the sample and R runs on it with independent seeds; R = 1
    certifies the one network. Proof: with P the law of the prior run, which does not depend on S,
    ``E_S E_Q exp(n kl(L_S || L) - log dQ/dP) = E_P E_S exp(n kl) <= 2 sqrt(n)`` (Maurer); Markov's
    inequality, and joint convexity of kl over runs. A run can pay less than the divergence of the
    two laws, and none has to be estimated.

    Args:
        train_error: mean loss in [0, 1] on the n examples, one a run. A number counts as known.
            Where layer noise makes it a mean over draws, an upper limit on it, see
            `mean_upper_limit`: as an exact `Estimate` of bias "up" the worst training error below
            it is taken, since kl^-1(l, c) - l rises up to some l only, and its failure probability
            adds to delta. Added to the value, such a limit given as a number bounds the test
            error; alone the value then bounds no gap.
        log_density: A - M of each run, see `path_terms`; it may be negative. A run that diverged,
            NaN or -inf, leaves no certificate, and inf one that is vacuous.
        n: examples that `train_error` is measured on: all that g used, less those h used.
        delta: failure probability in (0, 1].
        choices: number of checkpoints, fixed beforehand, among which the best was chosen.

    Returns:
        Largest mean test error less the training error; certificate with confidence 1 - delta,
        `information` the bracket on the right in nats.

    Assumes:
        Independent examples; a loss in [0, 1]; h, the initial law, the schedule and the stopping
        time chosen without the n examples, full batches or batches drawn independently of them.

    Raises:
        ValueError: shapes that do not match, a rate outside [0, 1], delta outside (0, 1].

    Reference:
        Rivasplata, Kuzborskij, Szepesvari, Shawe-Taylor 2020, "PAC-Bayes analysis beyond the usual
        bounds", for densities at the drawn predictor; Maurer 2004; the path form is derived here.
    """
    given = checks.rate("train_error", train_error)
    density = checks.real("log_density", log_density)
    rate = given.value
    if rate.shape != density.shape or rate.ndim > 1:
        raise ValueError(
            f"train_error has shape {rate.shape} and log_density {density.shape}; give one of "
            "each a run: (R,), or two numbers"
        )
    n, choices = checks.whole("n", n), checks.static_whole("choices", choices)
    delta = checks.failure("delta", delta)
    # -inf is what a run that diverged leaves, and would pay for all the others.
    density = jnp.where(density > -jnp.inf, density, jnp.nan)
    given = given._replace(
        value=jnp.mean(rate), error=jnp.mean(given.error), confidence=fitted(given.confidence, ())
    )
    bracket = jnp.mean(density) + jnp.log(2 * jnp.sqrt(1.0 * n) * choices / delta)
    # Below zero the statement would be that an impossible event has small probability.
    budget = jnp.maximum(bracket, 0.0) / n
    known = Given(budget, jnp.zeros_like(budget), "certificate")
    value, at, error = with_error(lambda at, c: invert.kl(at, c) - at, given, known)
    return outcome.result(
        value,
        name="path_certificate",
        inputs=(given,),
        limit=1.0 - at,
        assumptions=("iid", "bounded_loss", "data_independent_batches", "weight_noise"),
        information=bracket,
        about="other",  # with the logarithm that pays for the confidence
        std_error=error,
        note="of the trained network itself, with the stated confidence over sample and training",
        confidence=1 - delta,
    )

"""The certified bound of a Gaussian posterior over the weights."""

import jax.numpy as jnp

from ibjax.bounds import checks, invert, outcome
from ibjax.bounds.posteriors.pac_bayes import gaussian_divergence
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Scalar


@enforced
def gaussian_posterior(
    sampled_error: Scalar | Estimate,
    draws: int,
    mean: Float[Array, " d"],
    std: Float[Array, " d"] | Scalar,
    prior_mean: Float[Array, " d"] | Scalar,
    prior_stds: Float[Array, " m"],
    n: int,
    *,
    delta: Scalar = 0.05,
    sampling_delta: Scalar = 0.01,
) -> BoundValue:
    """Bound the test error of a Gaussian weight posterior, less its sampled training error.

    ``kl(mc || e_S(Q)) <= log(1/delta')/draws``, then
    ``kl(e_S(Q) || e(Q)) <= (min_j KL(Q || N(m, s_j^2 I)) + log(2 m sqrt(n)/delta))/n``

    The first is Chernoff's bound on the mean of the draws, the second PAC-Bayes-kl with a union
    over the m prior widths. Both hold together with probability 1 - delta - delta'. The
    `information` is the divergence from the best prior plus log m: not below that from the equal
    mixture of all m, a prior which does not look at the data as the best of them does.

    Args:
        sampled_error: mean 0-1 training error of `draws` independent draws of the posterior, each
            on an independently drawn training example or on all of them. The bound accounts for
            its sampling; an `Estimate` of something else makes an estimate of it.
        draws: number of draws.
        mean: posterior means, (d,).
        std: posterior standard deviations.
        prior_mean: chosen without the data, for instance the initial weights.
        prior_stds: widths chosen without the data; the best is used.
        n: number of training examples.
        delta: failure probability over the sample.
        sampling_delta: failure probability over the draws.

    Returns:
        The bound on the test error less `sampled_error`, with confidence 1 - delta - delta'.

    Reference:
        Dziugaite, Roy 2017, "Computing nonvacuous generalization bounds for deep (stochastic)
        neural networks with many more parameters than training data"; with a finite grid of
        prior widths in place of their infinite one.
    """
    given = checks.quantity("sampled_error", sampled_error, 0.0, 1.0, biases=("none",))
    rate = given.value
    draws = checks.static_whole("draws", draws)
    widths = jnp.atleast_1d(checks.real("prior_stds", prior_stds, 0.0, open_low=True))
    n = checks.whole("n", n)
    each = [gaussian_divergence(mean, std, prior_mean, w).value for w in widths]
    info = jnp.min(jnp.stack(each))  # pyright: ignore[reportArgumentType]
    missed, delta = checks.failure("sampling_delta", sampling_delta), checks.failure("delta", delta)
    error = invert.kl(rate, -jnp.log(missed) / draws)
    info = info + jnp.log(1.0 * widths.shape[0])
    union = jnp.log(2 * jnp.sqrt(1.0 * n) / delta)
    return outcome.result(
        invert.kl(error, (info + union) / n) - rate,
        name="gaussian_posterior",
        inputs=(given,),
        limit=1.0 - rate,
        assumptions=("iid", "bounded_loss", "fixed_prior"),
        information=info,
        about="posterior",
        std_error=jnp.where(given.error == 0, 0.0, jnp.nan),
        confidence=1 - missed - delta,
    )

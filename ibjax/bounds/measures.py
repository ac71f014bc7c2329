"""The registered bounds along the path, as functions of the evidence of one checkpoint.

Each hands its inputs on as what they are, so that kind, error and confidence of the value follow
from those of what it was computed from. The premises are checked by the registry.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, classic, invert, layered, noisy_sgd
from ibjax.bounds.evidence import mean_over_replicas, survivors
from ibjax.interface import BATCHINGS, BoundValue, Contraction, Estimate, Moment
from ibjax.typing import JaxArray

SIGMA = 0.5
"""Sub-Gaussian parameter of the 0-1 loss."""


def _size(moment: Moment) -> int:
    return moment.mask.shape[-1]


def _noise(moment: Moment) -> JaxArray:
    """Noise of the steps in use; one elsewhere, where the step size is zero."""
    return jnp.where(jnp.asarray(moment.step_sizes) > 0, jnp.asarray(moment.noise_stds), 1.0)


def _known(estimate: Estimate, value: JaxArray) -> Estimate:
    return replace(estimate, value=value, std_error=jnp.zeros_like(value))


def example_information(moment: Moment) -> Estimate:
    """Bound on I(Z_i; W) along the path under clipping; the worst case of unknown batches."""
    code, b = jnp.asarray(moment.batching), jnp.asarray(moment.batch_size)
    own = code == BATCHINGS.index("whole_epochs")
    smallest = jnp.where(own, jnp.asarray(moment.smallest_batch), b)
    counted = jnp.where(jnp.isnan(code), 1.0, smallest)
    n = _size(moment)
    repeated = jnp.where(code == BATCHINGS.index("with_replacement"), 1 + (b - 1) / n, 1.0)
    found = noisy_sgd.sample_information(
        moment.step_sizes, _noise(moment), moment.clip, counted, n, moment.dim, form="log"
    )
    return _known(found, found.value * repeated)


def sample_information(moment: Moment) -> Estimate:
    """Bound on I(S; W): the smaller of that of the batch gradients and the sum over examples."""
    whole = noisy_sgd.noisy_sgd_information(
        moment.step_sizes, _noise(moment), moment.gradient_norm, moment.dim, form="log"
    )
    each = example_information(moment)
    return _known(whole, jnp.fmin(whole.value, _size(moment) * each.value))


def coefficients(moment: Moment) -> Contraction:
    """Contraction coefficients of the layers, channel scope, exact or upper."""
    log1m = jnp.asarray(moment.layer_log1m)
    safe = jnp.where(jnp.isnan(log1m), -jnp.inf, log1m)
    return Contraction(-jnp.expm1(safe), safe, "upper", "channel", "layers of the evidence")


def weights(moment: Moment) -> BoundValue:
    """I(S;W) bound of the trajectory information under clipping."""
    return classic.xu_raginsky(sample_information(moment), _size(moment), SIGMA)


def examples(moment: Moment) -> BoundValue:
    """Individual-sample bound of the trajectory information under clipping."""
    each = example_information(moment)
    return classic.individual(_known(each, each.value[None]), SIGMA)


def certified_depth(moment: Moment) -> BoundValue:
    """Repaired depth bound, from the information of the examples."""
    each, n = example_information(moment), _size(moment)
    classes = jnp.asarray(moment.num_classes)
    total = _known(each, each.value * n)
    return layered.depth(total, coefficients(moment), n, SIGMA, num_classes=classes)


def published_depth(moment: Moment) -> BoundValue:
    """Depth bound as printed, from I(S;W)."""
    information = sample_information(moment)
    return layered.depth(
        information, coefficients(moment), _size(moment), SIGMA, variant="published"
    )


def _mean(values: object, moment: Moment) -> Estimate:
    """Mean information of the surviving replicas, divided by their share.

    Given survival the gap is at most the bound at ``I / P(survival)``, with I that of all
    replicas; of those that diverged none was measured, and the others' stands in for it.
    """
    mean, share = mean_over_replicas(jnp.asarray(values), moment.diverged), survivors(moment)
    # Sums of squares that rounding took below zero count as zero.
    value = jnp.maximum(mean.value / share, 0.0)
    return replace(mean, value=value, std_error=mean.std_error / share)


def batch_gradient(moment: Moment) -> BoundValue:
    """I(S;W) bound of the measured batch gradients."""
    information = _mean(moment.gradient_information, moment)
    return classic.xu_raginsky(information, _size(moment), SIGMA)


def sample_gradient(moment: Moment) -> BoundValue:
    """Bound of the measured per-example gradients, prior at zero gradient."""
    return classic.xu_raginsky(_mean(moment.sample_information, moment), 1, SIGMA)


def incoherence(moment: Moment) -> BoundValue:
    """Bound of the measured gradient incoherence, prior at the mean of the others."""
    return classic.xu_raginsky(_mean(moment.incoherence_information, moment), 1, SIGMA)


def trajectory(moment: Moment) -> BoundValue:
    """phi^-1 of the mean information: concave, so it goes outside the mean over slots."""
    info, error, kind, *_ = checks.information(_mean(moment.trajectory_cmi, moment))
    value = invert.phi(info)
    slope = 1 / jnp.arctanh(value)  # derivative of the inverse of phi
    return checks.result(
        value,
        name="trajectory_cmi",
        kind=kind,
        limit=1.0,
        assumptions=("supersample", "bounded_loss"),
        information=info,
        std_error=checks.scaled_error(slope, error),
    )


def test_prior(moment: Moment) -> BoundValue:
    """Bound against the prior that tests which member was used."""
    return classic.xu_raginsky(_mean(moment.test_prior_information, moment), 1, 2 * SIGMA)


def _with_training_error(
    information: object, inversion: Callable[..., JaxArray], moment: Moment
) -> BoundValue:
    """A bound on the test error from the mean training error and information, less the former.

    Both inversions are concave in the pair, hence applied to the means. The error of the value
    counts the two means as perfectly correlated, the worst case; where the inversion has reached 1
    it is that of the training error alone.
    """
    i, of_info, info_kind, *_ = checks.information(_mean(information, moment))
    mean = mean_over_replicas(jnp.asarray(moment.train_error), moment.diverged)
    r, of_rate, rate_kind, *_ = checks.rate("train_error", mean)

    def gap(rate, info):
        return inversion(rate, info) - rate

    slopes = jax.grad(gap, argnums=(0, 1))(r, i)
    # At a mean of zero the slope may be infinite, but then no replica, hence no error, is above 0.
    error = checks.scaled_error(slopes[0], of_rate) + checks.scaled_error(slopes[1], of_info)
    return checks.result(
        gap(r, i),
        name="with_training_error",
        kind=checks.weakest(info_kind, rate_kind),
        limit=1 - r,
        assumptions=("bounded_loss",),
        information=i,
        std_error=error,
    )


def trajectory_pair(moment: Moment) -> BoundValue:
    """The path information with the training error: pair inversion, for the 0-1 loss."""
    return _with_training_error(moment.trajectory_cmi, invert.pair, moment)


def incoherence_kl(moment: Moment) -> BoundValue:
    """Gradient incoherence with the training error: ``kl(E e_S || E e) <= I``."""
    return _with_training_error(moment.incoherence_information, invert.kl, moment)


def batch_gradient_kl(moment: Moment) -> BoundValue:
    """Measured batch gradients with the training error: ``kl(E e_S || E e) <= I/n``."""
    each = jnp.asarray(moment.gradient_information) / _size(moment)
    return _with_training_error(each, invert.kl, moment)

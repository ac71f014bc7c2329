"""The registered bounds along the path, as functions of the evidence of one checkpoint.

Each hands its inputs on as what they are, so that kind, error and confidence of the value follow
from those of what it was computed from. The premises are checked by the registry.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, invert, outcome
from ibjax.bounds.accounting import (
    hidden_share,
    per_example_information,
    sample_information_total,
)
from ibjax.bounds.evidence import limits
from ibjax.bounds.evidence.moment import mean_over_replicas, survivors
from ibjax.bounds.layers.depth import depth
from ibjax.bounds.weights import classic
from ibjax.interface import BoundValue, Contraction, Estimate, Moment
from ibjax.typing import JaxArray, Subject

SIGMA = 0.5
"""Sub-Gaussian parameter of the 0-1 loss."""


def _size(moment: Moment) -> int:
    return moment.mask.shape[-1]


def _noise(moment: Moment) -> JaxArray:
    """Noise of the steps in use; one elsewhere, where the step size is zero."""
    return jnp.where(jnp.asarray(moment.step_sizes) > 0, jnp.asarray(moment.noise_stds), 1.0)


def account(function: Callable[..., Estimate], moment: Moment, **keywords: object) -> Estimate:
    """A function of the accountant at the settings of a moment."""
    if not jnp.size(moment.step_sizes):  # of which nothing is known, whatever it is about
        return Estimate(jnp.array(jnp.nan), ok=jnp.array(False), bias="up", exact=True, about="")
    return function(
        moment.step_sizes,
        _noise(moment),
        moment.clip,
        moment.batching,
        moment.batch_size,
        _size(moment),
        moment.dim,
        **{
            "smallest_batch": moment.smallest_batch,
            "shared_batches": moment.shared_batches,
            **keywords,
        },
    )


def example_information(moment: Moment) -> Estimate:
    """Bound on I(Z_i; W) under clipping, mean over examples: along the path, or of the last
    weights where they were projected to a ball, which is never more.
    """
    return account(per_example_information, moment, radius=moment.radius)


def sample_information(moment: Moment) -> Estimate:
    """Bound on I(S; W) under clipping, likewise."""
    return account(sample_information_total, moment, radius=moment.radius)


def _hidden(moment: Moment) -> JaxArray:
    """Share of the measured information of an example that hidden membership leaves."""
    return hidden_share(
        moment.step_sizes,
        _noise(moment),
        moment.clip,
        moment.batching,
        moment.batch_size,
        _size(moment),
        smallest_batch=moment.smallest_batch,
        shared_batches=moment.shared_batches,
    )


def coefficients(moment: Moment) -> Contraction:
    """Contraction coefficients of the layers, channel scope, exact or upper."""
    log1m = jnp.asarray(moment.layer_log1m)
    safe = jnp.where(jnp.isnan(log1m), -jnp.inf, log1m)
    return Contraction(-jnp.expm1(safe), safe, "upper", "channel", "layers of the evidence")


def weights(moment: Moment) -> BoundValue:
    """I(S;W) bound of the trajectory information under clipping."""
    return classic.xu_raginsky(sample_information(moment), _size(moment), SIGMA)


def examples(moment: Moment) -> BoundValue:
    """Individual-sample bound under clipping, by the tight form of Pinsker's inequality."""
    each = checks.information(example_information(moment), about="example")
    return outcome.result(
        invert.envelope(each.value),
        name="individual",
        inputs=(each,),
        limit=1.0,
        assumptions=("iid", "bounded_loss"),
        information=each,
    )


def examples_with_limit(moment: Moment) -> BoundValue:
    """The same with an upper confidence limit on the training error."""
    each = checks.information(example_information(moment), about="example")
    error = checks.rate("train_error", limits.train_error(moment))
    return outcome.result(
        invert.kl_gap(error.value, each.value),
        name="individual_kl",
        inputs=(each, error),
        limit=1.0,
        assumptions=("iid", "bounded_loss", "upper_limit"),
        information=each,
    )


def examples_at_error(moment: Moment) -> BoundValue:
    """The same at the measured training error."""
    return _at_error(example_information(moment), _errors(moment))


def certified_depth(moment: Moment) -> BoundValue:
    """Repaired depth bound, from the information of the examples; never above `examples`."""
    each, n = example_information(moment), _size(moment)
    classes = jnp.asarray(moment.num_classes)
    total = classic.sum_over_examples(each, n)
    found = depth(total, coefficients(moment), n, SIGMA, num_classes=classes)
    without = examples(moment)
    least = jnp.minimum(found.value, without.value)
    return replace(found, value=least, vacuous=found.vacuous & without.vacuous)


def published_depth(moment: Moment) -> BoundValue:
    """Depth bound as printed, from I(S;W)."""
    information = sample_information(moment)
    return depth(information, coefficients(moment), _size(moment), SIGMA, variant="published")


def _mean(values: object, moment: Moment, about: Subject) -> Estimate:
    """Mean information of the surviving replicas, divided by their share.

    Given survival the gap is at most the bound at ``I / P(survival)``, with I that of all
    replicas; of those that diverged none was measured, and the others' stands in for it.
    """
    mean, share = mean_over_replicas(jnp.asarray(values), moment.diverged), survivors(moment)
    # Sums of squares that rounding took below zero count as zero.
    value = jnp.maximum(mean.value / share, 0.0)
    return replace(mean, value=value, std_error=mean.std_error / share, about=about)


def batch_gradient(moment: Moment) -> BoundValue:
    """I(S;W) bound of the measured batch gradients."""
    information = _mean(moment.gradient_information, moment, "sample")
    return classic.xu_raginsky(information, _size(moment), SIGMA)


def sample_gradient(moment: Moment) -> BoundValue:
    """Bound of the measured per-example gradients, prior at zero gradient, hidden batches."""
    measured = _mean(moment.sample_information, moment, "example")
    left = _hidden(moment)
    information = replace(
        measured, value=measured.value * left, std_error=measured.std_error * left
    )
    return classic.xu_raginsky(information, 1, SIGMA)


def incoherence(moment: Moment) -> BoundValue:
    """Bound of the measured gradient incoherence, prior at the mean of the others."""
    information = _mean(moment.incoherence_information, moment, "example")
    return classic.xu_raginsky(information, 1, SIGMA)


def trajectory(moment: Moment) -> BoundValue:
    """phi^-1 of the mean information: concave, so it goes outside the mean over slots."""
    info = checks.information(_mean(moment.trajectory_cmi, moment, "pair"), about="pair")
    value = invert.phi(info.value)
    slope = 1 / jnp.arctanh(value)  # derivative of the inverse of phi
    return outcome.result(
        value,
        name="trajectory_cmi",
        inputs=(info,),
        limit=1.0,
        assumptions=("supersample", "bounded_loss"),
        information=info,
        std_error=outcome.scaled_error(slope, info.error),
    )


def test_prior(moment: Moment) -> BoundValue:
    """Bound against the prior that tests which member was used."""
    information = _mean(moment.test_prior_information, moment, "pair")
    given = checks.information(information, about="pair")
    return classic.rooted(given, 1, 2 * SIGMA, "test_prior")


def _errors(moment: Moment) -> Estimate:
    return mean_over_replicas(jnp.asarray(moment.train_error), moment.diverged)


def _at_error(
    information: Estimate,
    rate: Estimate,
    inversion: Callable[..., JaxArray] = invert.kl,
) -> BoundValue:
    """A bound on the test error from the mean training error and information, less the former.

    Both inversions are concave in the pair, hence applied to the means. The error of the value
    counts the two means as perfectly correlated, the worst case; where the inversion has reached 1
    it is that of the training error alone.
    """
    about = "pair" if inversion is invert.pair else "example"
    info = checks.information(information, about=about)
    error = checks.rate("train_error", rate)

    def gap(rate, info):
        return inversion(rate, info) - rate

    slopes = jax.grad(gap, argnums=(0, 1))(error.value, info.value)
    # At a mean of zero the slope may be infinite, but then no replica, hence no error, is above 0.
    spread = outcome.scaled_error(slopes[0], error.error)
    spread += outcome.scaled_error(slopes[1], info.error)
    return outcome.result(
        gap(error.value, info.value),
        name="with_training_error",
        inputs=(info, error),
        limit=1 - error.value,
        assumptions=("bounded_loss",),
        information=info,
        std_error=spread,
    )


def trajectory_pair(moment: Moment) -> BoundValue:
    """The path information with the training error: pair inversion, for the 0-1 loss."""
    return _at_error(_mean(moment.trajectory_cmi, moment, "pair"), _errors(moment), invert.pair)


def incoherence_kl(moment: Moment) -> BoundValue:
    """Gradient incoherence with the training error: ``kl(E e_S || E e) <= I``."""
    return _at_error(_mean(moment.incoherence_information, moment, "example"), _errors(moment))


def batch_gradient_kl(moment: Moment) -> BoundValue:
    """Measured batch gradients with the training error: ``kl(E e_S || E e) <= I/n``."""
    each = jnp.asarray(moment.gradient_information) / _size(moment)
    return _at_error(_mean(each, moment, "example"), _errors(moment))

"""The registered bounds as functions of the evidence of one checkpoint."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, invert
from ibjax.bounds.classic import individual, xu_raginsky
from ibjax.bounds.evidence import mean_over_replicas
from ibjax.bounds.layered import depth
from ibjax.bounds.noisy_sgd import noisy_sgd_information, sample_information
from ibjax.bounds.supersample import e_cmi, f_cmi, ld_cmi, single_loss
from ibjax.interface import BoundValue, Contraction, Evidence

SIGMA = 0.5
"""Sub-Gaussian parameter of the 0-1 loss."""


def _size(evidence: Evidence) -> int:
    return evidence.mask.shape[-1]


def _premises(evidence: Evidence):
    """Whether clipping and weight noise, which the certificates rest on, were in force."""
    return _noisy(evidence) & jnp.isfinite(evidence.clip)


def _noisy(evidence: Evidence):
    """Whether every step is known and added noise, and no batch depended on the data."""
    sizes = jnp.asarray(evidence.step_sizes)
    noisy = jnp.all((sizes == 0) | ((sizes > 0) & (jnp.asarray(evidence.noise_stds) > 0)))
    return noisy & (jnp.asarray(evidence.exchangeable) > 0)


def _noise(evidence: Evidence):
    """Noise of the steps in use; one elsewhere, where the step size is zero."""
    return jnp.where(jnp.asarray(evidence.step_sizes) > 0, jnp.asarray(evidence.noise_stds), 1.0)


def _weight_information(evidence: Evidence):
    return noisy_sgd_information(
        evidence.step_sizes, _noise(evidence), evidence.gradient_norm, evidence.dim, form="log"
    ).value


def _example_information(evidence: Evidence):
    return sample_information(
        evidence.step_sizes,
        _noise(evidence),
        evidence.clip,
        evidence.batch_size,
        _size(evidence),
        evidence.dim,
        form="log",
    ).value


def _coefficients(evidence: Evidence) -> Contraction:
    log1m = jnp.asarray(evidence.layer_log1m)
    used = ~jnp.isnan(log1m)
    safe = jnp.where(used, log1m, -jnp.inf)
    return Contraction(-jnp.expm1(safe), safe, "upper", "channel", "layers of the evidence")


def weights(evidence: Evidence) -> BoundValue:
    """I(S;W) bound of the trajectory information under clipping."""
    value = xu_raginsky(_weight_information(evidence), _size(evidence), SIGMA)
    return replace(value, holds=value.holds & _premises(evidence))


def examples(evidence: Evidence) -> BoundValue:
    """Individual-sample bound of the trajectory information under clipping."""
    value = individual(_example_information(evidence)[None], SIGMA)
    return replace(value, holds=value.holds & _premises(evidence))


def certified_depth(evidence: Evidence) -> BoundValue:
    """Repaired depth bound, from the information of the examples."""
    value = depth(
        _example_information(evidence) * _size(evidence),
        _coefficients(evidence),
        _size(evidence),
        SIGMA,
        num_classes=jnp.asarray(evidence.num_classes),
    )
    return replace(value, holds=value.holds & _premises(evidence))


def published_depth(evidence: Evidence) -> BoundValue:
    """Depth bound as printed, from I(S;W)."""
    value = depth(
        _weight_information(evidence),
        _coefficients(evidence),
        _size(evidence),
        SIGMA,
        variant="published",
    )
    return replace(value, holds=value.holds & _premises(evidence))


def _measured(values, evidence: Evidence, examples: int) -> BoundValue:
    """sqrt(2 sigma^2 I / examples) at the mean over replicas, which sits inside the root."""
    mean = mean_over_replicas(jnp.asarray(values), evidence.diverged)
    bound = xu_raginsky(mean.value, examples, SIGMA)
    error = checks.error_of_root(bound.value, mean.value, mean.std_error)
    return replace(bound, std_error=error, holds=bound.holds & _noisy(evidence) & mean.ok)


def batch_gradient(evidence: Evidence) -> BoundValue:
    """I(S;W) bound of the measured batch gradients."""
    return _measured(evidence.gradient_information, evidence, _size(evidence))


def sample_gradient(evidence: Evidence) -> BoundValue:
    """Bound of the measured per-example gradients, prior at zero gradient."""
    return _measured(evidence.sample_information, evidence, 1)


def incoherence(evidence: Evidence) -> BoundValue:
    """Bound of the measured gradient incoherence, prior at the mean of the others."""
    return _measured(evidence.incoherence_information, evidence, 1)


def trajectory(evidence: Evidence) -> BoundValue:
    """phi^-1 of the mean information: concave, so it goes outside the mean over slots."""
    mean = mean_over_replicas(jnp.asarray(evidence.trajectory_cmi), evidence.diverged)
    value = invert.phi(mean.value)
    slope = 1 / jnp.arctanh(value)  # derivative of the inverse of phi
    error = checks.scaled_error(slope, mean.std_error)
    result = BoundValue(value, mean.value, error, value >= 1, _noisy(evidence))
    return replace(result, holds=result.holds & mean.ok)


def test_prior(evidence: Evidence) -> BoundValue:
    """Bound against the prior that tests which member was used."""
    mean = mean_over_replicas(jnp.asarray(evidence.test_prior_information), evidence.diverged)
    value = jnp.sqrt(2 * mean.value)
    error = checks.error_of_root(value, mean.value, mean.std_error)
    return BoundValue(value, mean.value, error, value >= 1, _noisy(evidence) & mean.ok)


def _with_training_error(information, inversion, evidence: Evidence) -> BoundValue:
    """A bound on the test error from the mean training error and information, less the former.

    Both inversions are concave in the pair, hence applied to the means. The error of the value
    counts the two means as perfectly correlated, the worst case; where the inversion has reached 1
    it is that of the training error alone.
    """
    info = mean_over_replicas(jnp.asarray(information), evidence.diverged)
    rate = mean_over_replicas(jnp.asarray(evidence.train_error), evidence.diverged)

    def gap(rate, info):
        return inversion(rate, info) - rate

    r, i = jnp.asarray(rate.value), jnp.asarray(info.value)
    slopes = jax.grad(gap, argnums=(0, 1))(r, i)
    # At a mean of zero the slope may be infinite, but then no replica, hence no error, is above 0.
    of_rate = checks.scaled_error(slopes[0], rate.std_error)
    error = of_rate + checks.scaled_error(slopes[1], info.std_error)
    value = gap(r, i)
    vacuous = value >= (1 - r) * (1 - 8 * jnp.finfo(value.dtype).eps)
    return BoundValue(value, i, error, vacuous, _noisy(evidence) & info.ok & rate.ok)


def trajectory_pair(evidence: Evidence) -> BoundValue:
    """The path information with the training error: pair inversion, for the 0-1 loss."""
    return _with_training_error(evidence.trajectory_cmi, invert.pair, evidence)


def incoherence_kl(evidence: Evidence) -> BoundValue:
    """Gradient incoherence with the training error: ``kl(E e_S || E e) <= I``."""
    return _with_training_error(evidence.incoherence_information, invert.kl, evidence)


def batch_gradient_kl(evidence: Evidence) -> BoundValue:
    """Measured batch gradients with the training error: ``kl(E e_S || E e) <= I/n``."""
    each = jnp.asarray(evidence.gradient_information) / _size(evidence)
    return _with_training_error(each, invert.kl, evidence)


def _losses(evidence: Evidence):
    return (jnp.asarray(evidence.predictions) != jnp.asarray(evidence.labels)[:, None]).astype(
        jnp.int32
    )


def _supersample(function, values, evidence: Evidence, *args, **keywords) -> BoundValue:
    """A supersample bound on the replicas that did not diverge; missing where k2 = 1.

    One mask a supersample shows nothing of what another would have given.
    """
    if jnp.shape(evidence.mask)[-2] < 2:
        return _missing()
    valid = ~jnp.asarray(evidence.diverged)
    return function(values, evidence.mask, *args, valid=valid, **keywords)


def _missing() -> BoundValue:
    nan = jnp.array(jnp.nan)
    return BoundValue(nan, nan, nan, holds=jnp.array(False))


def predictions(evidence: Evidence) -> BoundValue:
    """f-CMI of the predictions."""
    classes = float(evidence.num_classes)
    if math.isnan(classes):
        return _missing()
    return _supersample(f_cmi, evidence.predictions, evidence, int(classes))


def loss_pairs(evidence: Evidence) -> BoundValue:
    """e-CMI of the pairs of 0-1 losses."""
    return _supersample(e_cmi, _losses(evidence), evidence)


def loss_differences(evidence: Evidence) -> BoundValue:
    """Loss-difference CMI of the 0-1 losses."""
    return _supersample(ld_cmi, _losses(evidence), evidence)


def single_losses(evidence: Evidence) -> BoundValue:
    """Single-loss CMI of the 0-1 losses, centred, mean over both columns."""
    return _supersample(single_loss, _losses(evidence), evidence)


def loss_differences_pair(evidence: Evidence) -> BoundValue:
    """Loss-difference CMI with the training error: pair inversion."""
    return _supersample(ld_cmi, _losses(evidence), evidence, inversion="pair")

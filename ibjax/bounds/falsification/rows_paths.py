"""Rows of noisy gradient descent: what a path can hold, and the bounds from gradient moments."""

import jax.numpy as jnp

from ibjax import bounds
from ibjax.bounds.falsification.rows import Row, fed


def _path_gap(step_sizes, noise_stds, gradient_norm, dim, n, sigma):
    info = bounds.noisy_sgd_information(step_sizes, noise_stds, gradient_norm, dim)
    return bounds.xu_raginsky(info, n, sigma)


def _sample_gap(step_sizes, noise_stds, clip, distinct_batch_size, n, dim, sigma):
    info = bounds.sample_information(step_sizes, noise_stds, clip, distinct_batch_size, n, dim)
    return bounds.xu_raginsky(info, 1, sigma)


def _decayed(step_sizes, noise_stds, clip, batches, num_batches, batch_size, dim):
    used = jnp.asarray(batches)[:, None] == jnp.arange(num_batches)
    used = jnp.repeat(used, batch_size, axis=1)
    return bounds.decayed_information(step_sizes, noise_stds, used, clip, batch_size, dim)


def _decayed_gap(step_sizes, noise_stds, clip, batches, num_batches, batch_size, dim, sigma):
    info = _decayed(step_sizes, noise_stds, clip, batches, num_batches, batch_size, dim)
    return bounds.individual(info, sigma)


def _disjoint(
    step_sizes, noise_stds, gradient_second_moment, batches, num_batches, batch_size, sigma
):
    noisy = (step_sizes, noise_stds, gradient_second_moment, jnp.asarray(batches))
    return bounds.wang_gao_calmon(*noisy, num_batches, batch_size, sigma=sigma)


# Gradient moments are means over all examples: of a batch only where it is drawn afresh.
FRESH = {"batching": ("full", "without_replacement")}
_NORM = "step_sizes noise_stds gradient_norm dim"
_CLIP = "step_sizes noise_stds clip distinct_batch_size n dim"
_SECOND = "step_sizes noise_stds gradient_second_moment n"
_MEAN = "mean_conditional_information"

ROWS = (
    Row(
        "noisy_sgd_information", fed(bounds.noisy_sgd_information, _NORM, form="log"), "information"
    ),
    Row(
        "noisy_sgd_information_linear",
        fed(bounds.noisy_sgd_information, _NORM, form="linear"),
        "information",
    ),
    Row("noisy_sgd_xu_raginsky", _path_gap),
    Row("sample_information", fed(bounds.sample_information, _CLIP, form="log"), _MEAN),
    Row("sample_information_linear", fed(bounds.sample_information, _CLIP, form="linear"), _MEAN),
    Row("sample_information_gap", _sample_gap),
    Row("decayed_information", _decayed, "conditional_information_i"),
    Row("decayed_information_gap", _decayed_gap),
    Row("wang_gao_calmon", _disjoint),
    Row(
        "negrea",
        fed(bounds.negrea, "step_sizes noise_stds gradient_variance n batch_size sigma=sigma"),
        only=FRESH,
    ),
    Row(
        "null_gradient", fed(bounds.null_gradient, f"{_SECOND} batch_size sigma=sigma"), only=FRESH
    ),
    Row("li_luo_qiao", fed(bounds.li_luo_qiao, _SECOND), only={"batching": ("full",)}),
)

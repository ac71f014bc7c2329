"""Rows of noisy gradient descent: what a path can hold, and the bounds from gradient moments."""

import jax.numpy as jnp

from ibjax.bounds import (
    decayed_information,
    individual,
    li_luo_qiao,
    negrea,
    noisy_sgd_information,
    null_gradient,
    sample_information,
    wang_gao_calmon,
    xu_raginsky,
)
from ibjax.bounds.falsification.rows import Row


def _path(form: str):
    def given(step_sizes, noise_stds, gradient_norm, dim):
        return noisy_sgd_information(step_sizes, noise_stds, gradient_norm, dim, form=form)

    return given


def _path_gap(step_sizes, noise_stds, gradient_norm, dim, n, sigma):
    info = noisy_sgd_information(step_sizes, noise_stds, gradient_norm, dim)
    return xu_raginsky(info, n, sigma)


def _sample(form: str):
    def given(step_sizes, noise_stds, clip, distinct_batch_size, n, dim):
        return sample_information(
            step_sizes, noise_stds, clip, distinct_batch_size, n, dim, form=form
        )

    return given


def _sample_gap(step_sizes, noise_stds, clip, distinct_batch_size, n, dim, sigma):
    info = sample_information(step_sizes, noise_stds, clip, distinct_batch_size, n, dim)
    return xu_raginsky(info, 1, sigma)


def _used(batches, num_batches, batch_size):
    return jnp.repeat(jnp.asarray(batches)[:, None] == jnp.arange(num_batches), batch_size, axis=1)


def _decayed(step_sizes, noise_stds, clip, batches, num_batches, batch_size, dim):
    used = _used(batches, num_batches, batch_size)
    return decayed_information(step_sizes, noise_stds, used, clip, batch_size, dim)


def _decayed_gap(step_sizes, noise_stds, clip, batches, num_batches, batch_size, dim, sigma):
    used = _used(batches, num_batches, batch_size)
    info = decayed_information(step_sizes, noise_stds, used, clip, batch_size, dim)
    return individual(info, sigma)


def _disjoint(
    step_sizes, noise_stds, gradient_second_moment, batches, num_batches, batch_size, sigma
):
    return wang_gao_calmon(
        step_sizes,
        noise_stds,
        gradient_second_moment,
        jnp.asarray(batches),
        num_batches,
        batch_size,
        sigma=sigma,
    )


def _negrea(step_sizes, noise_stds, gradient_variance, n, batch_size, sigma):
    return negrea(step_sizes, noise_stds, gradient_variance, n, batch_size, sigma=sigma)


def _null(step_sizes, noise_stds, gradient_second_moment, n, batch_size, sigma):
    return null_gradient(step_sizes, noise_stds, gradient_second_moment, n, batch_size, sigma=sigma)


def _norms(step_sizes, noise_stds, gradient_second_moment, n):
    return li_luo_qiao(step_sizes, noise_stds, gradient_second_moment, n)


# Gradient moments are means over all examples: of a batch only where it is drawn afresh.
FRESH = {"batching": ("full", "without_replacement")}


ROWS = (
    Row("noisy_sgd_information", _path("log"), "information"),
    Row("noisy_sgd_information_linear", _path("linear"), "information"),
    Row("noisy_sgd_xu_raginsky", _path_gap),
    Row("sample_information", _sample("log"), "mean_conditional_information"),
    Row(
        "sample_information_linear",
        _sample("linear"),
        "mean_conditional_information",
    ),
    Row("sample_information_gap", _sample_gap),
    Row("decayed_information", _decayed, "conditional_information_i"),
    Row("decayed_information_gap", _decayed_gap),
    Row("wang_gao_calmon", _disjoint),
    Row("negrea", _negrea, only=FRESH),
    Row("null_gradient", _null, only=FRESH),
    Row("li_luo_qiao", _norms, only={"batching": ("full",)}),
)

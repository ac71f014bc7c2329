"""Rows that read information about the weights, posteriors and their divergences."""

import jax.numpy as jnp
import numpy as np

from ibjax.bounds import (
    absolute_gap,
    algorithmic_transport,
    deviation_probability,
    finite_weights,
    free_energy,
    individual,
    individual_cumulant,
    pac_bayes_kl,
    path_prior,
    random_subset,
    rate_distortion,
    sliced_weights,
    thermodynamic,
    two_stage,
    xu_raginsky,
)
from ibjax.bounds.falsification.rows import Row, known

DELTA = 0.1


def _xu_raginsky(information, n, sigma):
    return xu_raginsky(known(information), n, sigma)


def _individual(information_i, sigma):
    return individual(known(information_i), sigma)


def _cumulant(information_i, weight_law, example_law, loss_table):
    mass = weight_law[:, None] * example_law
    mean = jnp.sum(mass * loss_table)

    def psi(s):
        x = -s[..., None, None] * (loss_table - mean)
        # The linear term has mean zero; left in, its rounding would drown the rest at small s.
        small = jnp.abs(x) < 1e-3
        series = x**2 / 2 + x**3 / 6 + x**4 / 24
        curve = jnp.where(small, series, jnp.expm1(x) - x)
        return jnp.log1p(jnp.sum(mass * curve, (-2, -1)))

    return individual_cumulant(known(information_i), psi, most=300.0)


def _random_subset(conditional_information_i, n, sigma):
    return random_subset(known(jnp.mean(conditional_information_i)), n, n - 1, sigma)


def _path_prior(conditional_information_i, sigma):
    return path_prior(known(jnp.mean(conditional_information_i)), sigma=sigma)


def _path_prior_kl(conditional_information_i, train_error):
    return path_prior(known(jnp.mean(conditional_information_i)), train_error=known(train_error))


def _absolute(information, n, sigma):
    return absolute_gap(known(information), n, sigma)


def _deviation(deviations, information, n, sigma):
    each = [deviation_probability(d, information, n, sigma) for d in deviations]
    return jnp.stack(each)  # pyright: ignore[reportArgumentType]


def _rate_distortion(hidden_information, n, sigma, distortion):
    return rate_distortion(known(hidden_information), n, sigma, known(distortion))


def _sliced(hidden_information, n, sigma, subspace_distance, lipschitz):
    return sliced_weights(
        known(hidden_information), n, sigma, distance=subspace_distance, lipschitz=lipschitz
    )


def _transport(transport_costs, lipschitz):
    return algorithmic_transport(known(transport_costs), lipschitz)


def _pac_bayes(train_error, information, n):
    return pac_bayes_kl(known(train_error), known(information), n)


def _pac_bayes_delta(sample_train_error, sample_divergence, n):
    return pac_bayes_kl(known(sample_train_error), known(sample_divergence), n, delta=DELTA)


def _how_often(fields, value):
    """Probability of a sample whose gap exceeds its bound, against delta."""
    gap = fields["sample_test_error"] - fields["sample_train_error"]
    return np.sum(fields["sample_law"] * (gap > value + 1e-9), -1), np.full(len(gap), DELTA)


def _thermodynamic(temperature_losses, temperature_grid, n):
    return thermodynamic(temperature_losses, temperature_grid, n)


def _thermodynamic_kl(temperature_losses, temperature_grid, n, train_error):
    return thermodynamic(temperature_losses, temperature_grid, n, train_error=train_error)


def _free_energy(prior_loss, train_error, relaxed_temperature, n):
    return free_energy(prior_loss, train_error, relaxed_temperature, n)


def _free_energy_kl(prior_loss, train_error, relaxed_temperature, n):
    return free_energy(prior_loss, train_error, relaxed_temperature, n, train_error=train_error)


def _finite_weights(num_weights):
    return finite_weights(1, num_weights)


def _two_stage(n_cover, n_train, vc_dimension):
    return two_stage(n_cover, n_train, vc_dimension)


ROWS = (
    Row("xu_raginsky", _xu_raginsky),
    Row("individual", _individual),
    Row("individual_cumulant", _cumulant, "gap"),
    Row("random_subset", _random_subset),
    Row("path_prior", _path_prior),
    Row("path_prior_kl", _path_prior_kl, "gap"),
    Row("absolute_gap", _absolute, "absolute_gap"),
    Row("deviation_probability", _deviation, "deviation_probability"),
    Row("rate_distortion", _rate_distortion),
    Row("sliced_weights", _sliced),
    Row("algorithmic_transport", _transport),
    Row("finite_weights", _finite_weights, "information"),
    Row("pac_bayes_kl", _pac_bayes, "gap"),
    Row(
        "pac_bayes_kl_delta",
        _pac_bayes_delta,
        "probability",
        compare=_how_often,
        note=f"share of samples above the bound against delta = {DELTA}",
    ),
    Row("thermodynamic", _thermodynamic),
    Row("thermodynamic_kl", _thermodynamic_kl, "gap"),
    Row("free_energy", _free_energy),
    Row("free_energy_kl", _free_energy_kl, "gap"),
    Row("two_stage", _two_stage, "gap"),
)

"""Rows that read information about the weights, posteriors and their divergences."""

from functools import partial

import jax.numpy as jnp
import numpy as np

from ibjax import bounds
from ibjax.bounds.falsification.rows import Row, fed, known

DELTA = 0.1


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

    return bounds.individual_cumulant(known(information_i), psi, most=300.0)


def _random_subset(conditional_information_i, n, sigma):
    return bounds.random_subset(known(jnp.mean(conditional_information_i)), n, n - 1, sigma)


def _path_prior(conditional_information_i, sigma):
    return bounds.path_prior(known(jnp.mean(conditional_information_i)), sigma=sigma)


def _path_prior_kl(conditional_information_i, train_error):
    return bounds.path_prior(
        known(jnp.mean(conditional_information_i)), train_error=known(train_error)
    )


def _deviation(deviations, information, n, sigma):
    each = [bounds.deviation_probability(d, information, n, sigma) for d in deviations]
    return jnp.stack(each)  # pyright: ignore[reportArgumentType]


def _how_often(fields, value):
    """Probability of a sample whose gap exceeds its bound, against delta."""
    gap = fields["sample_test_error"] - fields["sample_train_error"]
    return np.sum(fields["sample_law"] * (gap > value + 1e-9), -1), np.full(len(gap), DELTA)


_SLICED = "hidden_information! n sigma distance=subspace_distance lipschitz=lipschitz"
_TEMPERATURES = "temperature_losses temperature_grid n"
_RELAXED = "prior_loss train_error relaxed_temperature n"

ROWS = (
    Row("xu_raginsky", fed(bounds.xu_raginsky, "information! n sigma")),
    Row("individual", fed(bounds.individual, "information_i! sigma")),
    Row("individual_cumulant", _cumulant, "gap"),
    Row("random_subset", _random_subset),
    Row("path_prior", _path_prior),
    Row("path_prior_kl", _path_prior_kl, "gap"),
    Row("absolute_gap", fed(bounds.absolute_gap, "information! n sigma"), "absolute_gap"),
    Row("deviation_probability", _deviation, "deviation_probability"),
    Row("rate_distortion", fed(bounds.rate_distortion, "hidden_information! n sigma distortion!")),
    Row("sliced_weights", fed(bounds.sliced_weights, _SLICED)),
    Row("algorithmic_transport", fed(bounds.algorithmic_transport, "transport_costs! lipschitz")),
    Row("finite_weights", fed(partial(bounds.finite_weights, 1), "num_weights"), "information"),
    Row("pac_bayes_kl", fed(bounds.pac_bayes_kl, "train_error! information! n"), "gap"),
    Row(
        "pac_bayes_kl_delta",
        fed(bounds.pac_bayes_kl, "sample_train_error! sample_divergence! n", delta=DELTA),
        "probability",
        compare=_how_often,
        note=f"share of samples above the bound against delta = {DELTA}",
    ),
    Row("thermodynamic", fed(bounds.thermodynamic, _TEMPERATURES)),
    Row(
        "thermodynamic_kl",
        fed(bounds.thermodynamic, f"{_TEMPERATURES} train_error=train_error"),
        "gap",
    ),
    Row("free_energy", fed(bounds.free_energy, _RELAXED)),
    Row("free_energy_kl", fed(bounds.free_energy, f"{_RELAXED} train_error=train_error"), "gap"),
    Row("two_stage", fed(bounds.two_stage, "n_cover n_train vc_dimension"), "gap"),
)

"""The laws of counts are those of SciPy's distributions, at the ends too."""

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from ibjax.bounds.supersamples import coins


@pytest.mark.parametrize(("draws", "error"), [(0, 0), (1, 1e-14), (30, 1e-14), (1000, 1e-12)])
def test_binomial(draws, error):
    count = np.arange(-1, draws + 2)
    chance = np.array([0.0, 1e-9, 0.2, 0.5, 0.999, 1.0])[:, None]
    found = coins.binomial(count, draws, chance)
    np.testing.assert_allclose(found, binom.pmf(count, draws, chance), rtol=0, atol=error)
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=0, atol=1e-11)


def test_binomial_of_every_number_of_draws_at_once():
    steps = np.arange(12)
    found = coins.binomial(steps, steps[:, None], 0.5)
    np.testing.assert_allclose(found, binom.pmf(steps, steps[:, None], 0.5), rtol=1e-13)


@pytest.mark.parametrize(("total", "draws"), [(1, 1), (7, 3), (40, 40), (64, 20)])
def test_hypergeometric(total, draws):
    count, marked = np.arange(-1, draws + 2), np.arange(total + 1)[:, None]
    found = coins.hypergeometric(count, total, marked, draws)
    exact = hypergeom.pmf(count, total, marked, draws)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-13)

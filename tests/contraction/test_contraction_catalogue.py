import numpy as np
import pytest
from scipy.stats import poisson as poisson_law

from ibjax import contraction


def symmetric_table(error, k):
    return np.full((k, k), error / (k - 1)) + np.eye(k) * (1 - error - error / (k - 1))


@pytest.mark.parametrize(
    ("coefficient", "channel"),
    [
        (lambda: contraction.binary(0.3, 0.1), [[0.7, 0.3], [0.1, 0.9]]),
        (lambda: contraction.symmetric(0.1), symmetric_table(0.1, 2)),
        (lambda: contraction.symmetric(0.3, 5), symmetric_table(0.3, 5)),
        (lambda: contraction.symmetric(0.9, 3), symmetric_table(0.9, 3)),
        (lambda: contraction.erasure(0.3), [[0.7, 0, 0.3], [0, 0.7, 0.3]]),
        (lambda: contraction.z_channel(0.2), [[1, 0], [0.2, 0.8]]),
        (lambda: contraction.randomized_response(1.0), symmetric_table(1 / (1 + np.e), 2)),
        (lambda: contraction.randomized_response(1.0, 4), symmetric_table(3 / (3 + np.e), 4)),
        (lambda: contraction.stochastic_unit(1.5), symmetric_table(1 / (1 + np.exp(1.5)), 2)),
    ],
)
def test_closed_forms_are_what_the_pair_formula_gives(x64, coefficient, channel):
    got = coefficient()
    assert got.value == pytest.approx(float(contraction.kl(channel).value), abs=1e-12)
    np.testing.assert_allclose(-np.expm1(got.log1m), got.value, atol=1e-14)
    assert got.kind == "exact"


def test_upper_bounds_are_above_the_truth(x64):
    rates, counts = np.array([1.0, 2.5]), np.arange(60)
    table = poisson_law.pmf(counts, rates[:, None])
    bound = contraction.poisson(*rates)
    assert contraction.kl(table).value < bound.value == pytest.approx(0.2862, abs=1e-3)
    p = 1 / (1 + np.exp(-1.0))
    one = np.array([[p, 1 - p], [1 - p, p]])
    pair = contraction.stochastic_unit(1.0, 2)
    assert contraction.kl(np.kron(one, one)).value < pair.value
    assert (bound.kind, pair.kind) == ("upper", "upper")


def test_extremes_and_refusals(x64):
    assert contraction.randomized_response(200.0).log1m == pytest.approx(2 * np.log(2) - 200)
    assert float(contraction.binary(0.0, 0.0).value) == 1.0
    assert float(contraction.binary(0.5, 0.5).value) == pytest.approx(0.0)
    for call in (
        lambda: contraction.binary(1.5, 0.0),
        lambda: contraction.symmetric(0.1, 1),
        lambda: contraction.randomized_response(-1.0),
        lambda: contraction.stochastic_unit(1.0, 0),
        lambda: contraction.poisson(-1.0, 1.0),
    ):
        with pytest.raises(ValueError):
            call()

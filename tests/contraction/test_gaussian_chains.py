"""Gaussian channels in a row, where information, correlation and ratios are closed forms."""

import numpy as np
import pytest

from ibjax import contraction, mi


def information(cov, dim_x):
    return float(mi.gaussian(cov, dim_x).value)


def squares(cov, dim_x):
    """All squared canonical correlations, largest first."""
    cov = np.asarray(cov, float)
    a, b, c = cov[:dim_x, :dim_x], cov[dim_x:, dim_x:], cov[:dim_x, dim_x:]
    found = np.linalg.eigvals(np.linalg.solve(a, c) @ np.linalg.solve(b, c.T)).real
    return np.sort(found)[::-1]


def test_a_scalar_chain(x64):
    """X ~ N(0, 1), T1 = X + N(0, 1/4), T2 = T1 + N(0, 1/2)."""
    first, both = [[1, 1], [1, 1.25]], [[1, 1], [1, 1.75]]
    second = [[1.25, 1.25], [1.25, 1.75]]
    assert information(first, 1) == pytest.approx(0.8047189562, abs=6e-11)
    assert information(both, 1) == pytest.approx(0.4236489302, abs=6e-11)
    assert information(second, 1) == pytest.approx(0.6263814842, abs=6e-11)
    one, two = (contraction.jointly_gaussian(c, 1) for c in (first, second))
    assert one.value == pytest.approx(0.8) and two.value == pytest.approx(0.7142857143, abs=6e-11)
    # In one dimension the product is the coefficient of both channels together.
    product = contraction.compose([one, two])
    assert product.value == pytest.approx(0.5714285714, abs=6e-11)
    assert contraction.jointly_gaussian(both, 1).value == pytest.approx(float(product.value))
    assert information(both, 1) / information(first, 1) == pytest.approx(0.5264557606, abs=6e-10)


def test_a_vector_chain(x64):
    """Two dimensions into one: the product of the coefficients is above that of the whole."""
    a1, a2 = np.array([[1, 0.5], [0, 2]]), np.array([[1.0, -1.0]])
    s1 = a1 @ a1.T + 0.25 * np.eye(2)
    s2 = a2 @ s1 @ a2.T + 1
    first = np.block([[np.eye(2), a1.T], [a1, s1]])
    second = np.block([[s1, s1 @ a2.T], [a2 @ s1, s2]])
    both = np.block([[np.eye(2), (a2 @ a1).T], [a2 @ a1, s2]])
    assert information(first, 2) == pytest.approx(2.2271736481, abs=6e-11)
    assert information(both, 2) == pytest.approx(0.5763397550, abs=6e-11)
    np.testing.assert_allclose(squares(first, 2), [0.94535739, 0.78720075], atol=6e-9)
    known = {0.78947368: second, 0.68421053: both, 0.94535739: first}
    for value, cov in known.items():
        assert contraction.jointly_gaussian(cov, 2).value == pytest.approx(value, abs=6e-9)
    product = contraction.compose([contraction.jointly_gaussian(c, 2) for c in (first, second)])
    assert product.value == pytest.approx(0.74634, abs=6e-6)
    assert product.value > contraction.jointly_gaussian(both, 2).value
    assert (product.kind, product.scope) == ("upper", "input")


@pytest.mark.parametrize(
    ("std", "known"), [(0.5, 0.6327201937), (1.0, 0.3368308203), (2.0, 0.1114214822)]
)
def test_what_a_noisy_bit_keeps_of_its_entropy(x64, std, known):
    """I(X; X + N) for a fair sign, below the coefficient times log 2."""
    z = np.linspace(-12, 12, 100_001)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    lost = np.trapezoid(density * np.logaddexp(0, -2 * (1 + std * z) / std**2), z)
    exact = np.log(2) - lost
    assert exact == pytest.approx(known, abs=6e-11)
    assert exact <= contraction.gaussian_noise(2.0, std).value * np.log(2)


def test_noise_before_a_map_that_drops_a_direction(x64):
    """[1, 1] (x + noise): only the distance along the kept direction counts."""
    apart = 1 / np.sqrt(2)
    assert contraction.gaussian_noise(apart, 1.0).value == pytest.approx(0.1118783257, abs=6e-11)
    ignoring = contraction.gaussian_noise(1.0, 1.0).value
    assert ignoring == pytest.approx(0.2040542656, abs=6e-11)


def test_the_brute_force_supremum_of_a_small_channel(x64):
    channel = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.25, 0.25, 0.5]])
    p = np.linspace(0.01, 0.99, 197)
    pairs = np.stack([p, 1 - p, 0 * p], 1)
    one, other = pairs[:-1], pairs[1:]

    def divergence(a, b):
        on = a > 0
        return np.sum(np.where(on, a * np.log(np.where(on, a, 1) / np.where(on, b, 1)), 0), -1)

    tried = np.max(divergence(one @ channel, other @ channel) / divergence(one, other))
    eta = float(contraction.kl(channel).value)
    assert eta - 1e-4 < tried < eta
    overlap = min(np.sqrt(a * b).sum() for i, a in enumerate(channel) for b in channel[:i])
    assert 1 - overlap == pytest.approx(0.2136296695, abs=6e-11)
    assert 1 - overlap**2 == pytest.approx(0.3816217033, abs=6e-11)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from ibjax import mi


def test_discrete_tables(x64):
    flip = np.array([[0.45, 0.05], [0.05, 0.45]])
    np.testing.assert_allclose(mi.discrete(flip).value, 0.3680642072, atol=1e-10)
    np.testing.assert_allclose(mi.discrete(1000 * flip).value, 0.3680642072, atol=1e-10)
    assert float(mi.discrete(np.outer([0.3, 0.7], [0.2, 0.8])).value) == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(mi.discrete(np.eye(5, dtype=int)).value, np.log(5), rtol=1e-14)
    assert float(mi.discrete(flip).std_error) == 0 and mi.discrete(flip).bias == "none"


@given(st.integers(0, 10**6))
def test_discrete_information_is_symmetric_and_a_difference_of_entropies(seed):
    with jax.enable_x64(True):
        joint = np.random.default_rng(seed).gamma(0.5, size=(4, 5))
        value = float(mi.discrete(joint).value)
        np.testing.assert_allclose(mi.discrete(joint.T).value, value, atol=1e-14)
        parts = [float(mi.entropy(joint.sum(axis)).value) for axis in (0, 1)]
        np.testing.assert_allclose(sum(parts) - float(mi.entropy(joint).value), value, atol=1e-13)
        given_x = float(mi.conditional_entropy(joint).value)
        np.testing.assert_allclose(parts[0] - given_x, value, atol=1e-13)
        assert value >= -1e-14


def test_gaussian_covariances(x64):
    np.testing.assert_allclose(
        mi.gaussian([[1.0, 1], [1, 1.25]], 1).value, 0.8047189562, atol=1e-10
    )
    a = np.array([[1, 0.5], [0, 2]])
    cov = np.block([[np.eye(2), a.T], [a, a @ a.T + 0.25 * np.eye(2)]])
    got = mi.gaussian(cov, 2)
    np.testing.assert_allclose(got.value, 2.2271736481, atol=1e-9)
    h = [float(mi.gaussian_entropy(c).value) for c in (cov[:2, :2], cov[2:, 2:], cov)]
    np.testing.assert_allclose(h[0] + h[1] - h[2], got.value, atol=1e-12)
    tiny = np.array([[1.0, 1e-9], [1e-9, 1.0]])
    np.testing.assert_allclose(mi.gaussian(tiny, 1).value, 5e-19, rtol=1e-9)


def test_a_determined_gaussian_is_infinite_and_flagged(x64):
    got = mi.gaussian(np.ones((2, 2)), 1)
    assert np.isinf(got.value) and not bool(got.ok)
    assert not bool(mi.gaussian_entropy(np.ones((2, 2))).ok)


def test_the_chain_rule_of_gaussian_information(x64):
    a = np.random.default_rng(0).normal(size=(5, 5))
    cov = a @ a.T + np.eye(5)
    x_yz = float(mi.gaussian(cov, 1).value)
    keep = [0, 3, 4]
    x_z = float(mi.gaussian(cov[np.ix_(keep, keep)], 1).value)
    np.testing.assert_allclose(mi.gaussian_conditional(cov, 1, 2).value, x_yz - x_z, atol=1e-12)


def test_the_chain_rule_of_discrete_information(x64):
    p = np.random.default_rng(1).random((3, 4, 2))
    whole = float(mi.discrete(p.reshape(3, 8)).value)
    of_z = float(mi.discrete(p.sum(1)).value)
    np.testing.assert_allclose(mi.conditional_discrete(p).value, whole - of_z, atol=1e-13)
    by_hand = sum(p[..., z].sum() / p.sum() * float(mi.discrete(p[..., z]).value) for z in range(2))
    np.testing.assert_allclose(mi.conditional_discrete(p).value, by_hand, atol=1e-13)


@pytest.mark.parametrize(
    ("gap", "want"),
    [
        (0.5, 0.03031130),
        (1, 0.11142148),
        (2, 0.33683082),
        (4, 0.63272019),
        (8, 0.69305365),
    ],
)
def test_two_gaussian_components(gap, want, x64):
    got = mi.gaussian_mixture([0.0, gap], 1.0)
    np.testing.assert_allclose(got.value, want, atol=1e-8)
    np.testing.assert_allclose(
        mi.gaussian_mixture([0.0, 3 * gap], 3.0).value, got.value, atol=1e-13
    )


def test_unequal_components_agree_with_adaptive_quadrature(x64):
    m, w, s = np.array([-1.0, 0.5, 4.0]), np.array([0.2, 0.5, 0.3]), 0.7

    def density(t):
        return w @ np.exp(-0.5 * ((t - m) / s) ** 2) / np.sqrt(2 * np.pi) / s

    h = quad(lambda t: -density(t) * np.log(density(t)), -8, 11, epsabs=1e-12, limit=200)[0]
    want = h - 0.5 * np.log(2 * np.pi * np.e * s**2)
    np.testing.assert_allclose(mi.gaussian_mixture(m, s, w).value, want, atol=1e-10)
    np.testing.assert_allclose(mi.gaussian_mixture([*m, 9.0], s, [*w, 0.0]).value, want, atol=1e-10)
    assert not bool(mi.gaussian_mixture(m, 0.0).ok)


def test_exact_values_jit_vmap_and_differentiate(x64):
    joint = np.random.default_rng(0).random((6, 3, 3))
    want = [float(mi.discrete(j).value) for j in joint]
    np.testing.assert_allclose(jax.jit(jax.vmap(mi.discrete))(joint).value, want, rtol=1e-13)
    rho = 0.6
    slope = jax.grad(lambda r: mi.gaussian(jax.numpy.array([[1.0, r], [r, 1.0]]), 1).value)(rho)
    np.testing.assert_allclose(slope, rho / (1 - rho**2), rtol=1e-10)
    grow = jax.vmap(lambda s: mi.gaussian_mixture([0.0, 1.0], s).value)(np.array([0.5, 1.0]))
    np.testing.assert_allclose(grow, [0.33683082, 0.11142148], atol=1e-8)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: mi.discrete([[0.5, -0.1]]), "nonnegative"),
        (lambda: mi.discrete([1.0]), "table"),
        (lambda: mi.gaussian(np.eye(3), 3), "dim_x=3"),
        (lambda: mi.gaussian(np.ones((2, 3)), 1), "square"),
        (lambda: mi.gaussian([[1.0, 0.5], [0.1, 1.0]], 1), "symmetric"),
        (lambda: mi.gaussian([[1.0, 2.0], [2.0, 1.0]], 1), "negative eigenvalue"),
        (lambda: mi.gaussian_conditional(np.eye(3), 1, 2), "leave some to Z"),
        (lambda: mi.gaussian_mixture([[0.0]], 1.0), "means has shape"),
        (lambda: mi.gaussian_mixture([0.0, 1.0], -1.0), "std=-1"),
        (lambda: mi.gaussian_mixture([0.0, 1.0], 1.0, [1.0]), "weights has shape"),
        (lambda: mi.entropy([0.0, 0.0]), "law must be"),
        (lambda: mi.conditional_entropy([1.0]), "table"),
        (lambda: mi.conditional_discrete(np.ones((2, 2))), "joint has shape"),
        (lambda: mi.gaussian_entropy(np.ones(2)), "square"),
    ],
)
def test_bad_laws_are_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize("half", [np.float16, jnp.bfloat16])
def test_a_covariance_in_half_precision_keeps_its_correlation(half):
    for rho in (0.3, 0.6, 0.9):
        cov = np.array([[1, rho], [rho, 1]]).astype(half)
        stored = float(np.asarray(cov[0, 1], np.float64))
        got = mi.gaussian(cov, 1)
        assert bool(got.ok)
        np.testing.assert_allclose(got.value, -0.5 * np.log1p(-(stored**2)), rtol=1e-5)
    assert not bool(mi.gaussian(np.ones((2, 2)).astype(half), 1).ok)

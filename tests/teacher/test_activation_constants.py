"""Activation constants against high-precision values and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import erf

from ibjax import teacher

# rho, eps, E phi, from 35-digit quadrature
KNOWN = {
    "tanh": (0.6057055096021589, 0.027415326035430256, 0.0),
    "erf": (0.6514700158705599, 0.04014587281915242, 0.0),
    "scaled_erf": (0.5641895835477563, 0.015023447149542662, 0.0),
    "sin": (0.6065306597126334, 0.06445291721025133, 0.0),
    "sign": (0.7978845608028654, 0.3633802276324187, 0.0),
    "relu": (0.5, 0.09084505690810467, 0.3989422804014327),
    "sigmoid": (0.20662096414190703, 0.0006868130351617291, 0.5),
    "gelu": (0.5, 0.09564401102435101, 0.28209479177387814),
    "softplus": (0.5, 0.021514501800558732, 0.8060591833474398),
}


@pytest.mark.parametrize("name", KNOWN)
def test_one_layer(x64, name):
    np.testing.assert_allclose(teacher.activation_constants(name), KNOWN[name], atol=5e-16, rtol=0)


@pytest.mark.parametrize("function, name", [
    (erf, "erf"),
    (jnp.sin, "sin"),
    (jnp.sign, "sign"),
    (lambda x: jnp.where(x > 0, x, 0.0), "relu"),
])  # fmt: skip
def test_quadrature_agrees_with_closed_forms(x64, function, name):
    np.testing.assert_allclose(teacher.activation_constants(function), KNOWN[name], atol=2e-15)


@pytest.mark.parametrize("name, depth, expected", [
    ("tanh", 2, (0.462486193215, 0.022556931585, 0.0)),
    ("tanh", 3, (0.385409930570, 0.018115539220, 0.0)),
    ("erf", 2, (0.529261230742, 0.039791559314, 0.0)),
    ("erf", 3, (0.466366465441, 0.037674160387, 0.0)),
])  # fmt: skip
def test_depth_recursion(x64, name, depth, expected):
    constants = teacher.activation_constants(name, depth=depth)
    np.testing.assert_allclose(constants, expected, atol=6e-13, rtol=0)


@pytest.mark.parametrize("depth, table", [
    (2, (0.27457131, 0.05117782, 0.12343277)),
    (3, (0.15825021, 0.02435366, 0.07560322)),
])  # fmt: skip
def test_relu_depth_from_the_arccosine_kernel(x64, depth, table):
    def kernel(c):
        for _ in range(depth):
            c = (np.sqrt(1 - c * c) + (np.pi - np.arccos(c)) * c) / np.pi
        return c / 2**depth

    rho, eps, bias = teacher.activation_constants("relu", depth=depth)
    h = 1e-5
    slope = (kernel(h) - kernel(-h)) / (2 * h)
    assert float(bias) == pytest.approx(np.sqrt(kernel(0.0)), abs=1e-13)
    assert float(rho) ** 2 == pytest.approx(slope, abs=1e-9)
    assert float(eps) == pytest.approx(kernel(1.0) - kernel(0.0) - slope, abs=1e-9)
    np.testing.assert_allclose([rho, eps, bias**2], table, atol=1.1e-8, rtol=0)


def test_hermite_coefficients_sum_to_the_second_moment(x64):
    powers = np.asarray(teacher.hermite_coefficients("tanh")) ** 2
    rho, eps, _ = teacher.activation_constants("tanh")
    assert powers[1] == pytest.approx(float(rho) ** 2, abs=1e-15)
    assert powers.sum() == pytest.approx(float(rho**2 + eps), abs=1e-8)
    assert np.all(powers[::2] < 1e-28)


def test_bad_arguments_of_constants():
    with pytest.raises(ValueError, match="depth must be at least 1"):
        teacher.activation_constants("tanh", depth=0)
    with pytest.raises(ValueError, match="activation must be a function"):
        teacher.activation_constants("tan")

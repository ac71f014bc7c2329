"""Fully connected kernels: published recursions to the last digit, symmetries, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import infinite

X = np.array([[1.0, 0.0, 0.5], [0.3, -0.2, 0.8]])
NAMES = ("relu", "leaky_relu", "abs", "erf", "sin", "cos", "gelu", "sign", "identity")

# (activation, hidden layers, w_std, b_std): upper triangle of the NNGP, then of the NTK.
CONSTANTS = {
    ("relu", 1, 1.5, 0.05): (
        (1.06, 0.6345553836552671, 0.655),
        (2.1175, 1.081593386624039, 1.3075),
    ),
    ("relu", 2, 1.5, 0.05): (
        (1.195, 0.7495384928604047, 0.739375),
        (3.5771875, 1.693233119698626, 2.2103125),
    ),
    ("relu", 3, 1.5, 0.05): (
        (1.346875, 0.8749736619231516, 0.834296875),
        (5.3712109375, 2.387060182916241, 3.3208984375),
    ),
    ("relu", 10, 1.5, 0.05): (
        (3.097428184449673, 2.250543571657706, 1.928392615281045),
        (33.86719224436209, 11.64935145545562, 21.00780098350719),
    ),
    ("erf", 1, 1.5, 0.05): (
        (1.021284082391796, 0.6280864080725809, 0.8145540998024647),
        (2.255573524085801, 1.296736981904123, 1.726463281426426),
    ),
    ("erf", 2, 1.5, 0.05): (
        (1.056745508386764, 0.6617165954883875, 0.9597515251254417),
        (3.922231730692783, 2.12771683714718, 3.356575382137036),
    ),
    ("erf", 3, 1.5, 0.05): (
        (1.071281948203242, 0.6534366628580319, 1.03019143825),
        (5.98602007169863, 2.903561594190071, 5.401494901313788),
    ),
    ("erf", 10, 1.5, 0.05): (
        (1.080860369055194, 0.4083205295752442, 1.080798086603666),
        (43.26612800210463, 5.549571110779531, 41.21630599290389),
    ),
    ("relu", 1, 2**0.5, 0.0): (
        (0.8333333333333333, 0.4972183947803308, 0.5133333333333333),
        (1.666666666666667, 0.8485688747716617, 1.026666666666667),
    ),
    ("relu", 3, 2**0.5, 0.0): (
        (0.8333333333333333, 0.538843150452252, 0.5133333333333333),
        (3.333333333333333, 1.473087514342933, 2.053333333333333),
    ),
    ("erf", 3, 2**0.5, 0.0): (
        (0.8767034071689286, 0.5410085015517192, 0.8342839967399123),
        (4.655168011635179, 2.38312345811274, 4.176925408028884),
    ),
}


def upper(kernel):
    return np.asarray(kernel)[np.triu_indices(2)]


@pytest.mark.parametrize("case", CONSTANTS, ids=str)
def test_constants_of_the_recursion(x64, case):
    """Operation by operation, which compiles each once; the next test compares with jit."""
    phi, hidden, w_std, b_std = case
    with jax.disable_jit():
        out = infinite.mlp_kernels(X, depth=hidden + 1, activation=phi, w_std=w_std, b_std=b_std)
    for kernel, expected in zip(out, CONSTANTS[case], strict=True):
        np.testing.assert_allclose(upper(kernel), expected, rtol=1e-12)


@pytest.mark.parametrize("case", [("relu", 3, 1.5, 0.05), ("erf", 3, 1.5, 0.05)], ids=str)
def test_constants_of_the_compiled_recursion(x64, case):
    phi, hidden, w_std, b_std = case
    out = infinite.mlp_kernels(X, depth=hidden + 1, activation=phi, w_std=w_std, b_std=b_std)
    for kernel, expected in zip(out, CONSTANTS[case], strict=True):
        np.testing.assert_allclose(upper(kernel), expected, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("a,b,c", [(1.3, 0.7, 0.4), (0.5, 2.0, -0.9), (1.0, 1.0, 0.0)])
def test_duals_against_conditional_integration(x64, name, a, b, c):
    """E phi(u) phi(v) by a fine rule in u and the closed conditional mean over a grid in v."""
    from scipy import special

    phi = {
        "relu": lambda x: np.maximum(x, 0),
        "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
        "abs": np.abs,
        "erf": special.erf,
        "sin": np.sin,
        "cos": np.cos,
        "gelu": lambda x: x * special.ndtr(x),
        "sign": np.sign,
        "identity": lambda x: x,
    }[name]
    slope = {
        "relu": lambda x: (x > 0) * 1.0,
        "leaky_relu": lambda x: np.where(x > 0, 1.0, 0.01),
        "abs": np.sign,
        "erf": lambda x: 2 / np.pi**0.5 * np.exp(-(x**2)),
        "sin": np.cos,
        "cos": lambda x: -np.sin(x),
        "gelu": lambda x: special.ndtr(x) + x * np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5,
        "sign": np.zeros_like,
        "identity": np.ones_like,
    }[name]
    half, weight = np.polynomial.legendre.leggauss(200)

    def expectation(f):
        # Split both axes at the kink and rotate so that the second axis is conditional.
        total = 0.0
        for lo, hi in ((-12, 0), (0, 12)):
            g = (hi - lo) / 2 * half + (hi + lo) / 2
            wg = (hi - lo) / 2 * weight * np.exp(-(g**2) / 2) / (2 * np.pi) ** 0.5
            u = a**0.5 * g
            mean, std = c / a * u, (b - c * c / a) ** 0.5
            inner = np.zeros_like(u)
            for left, right in ((-14 * b**0.5, 0.0), (0.0, 14 * b**0.5)):
                v = (right - left) / 2 * half + (right + left) / 2
                density = np.exp(-(((v - mean[:, None]) / std) ** 2) / 2) / (
                    std * (2 * np.pi) ** 0.5
                )
                inner += (density * f(v)) @ ((right - left) / 2 * weight)
            total += np.sum(wg * f(u) * inner)
        return total

    from ibjax.infinite.nonlinearity import resolve

    value, derivative = resolve(name).dual(*map(jnp.asarray, (a, b, c)))
    np.testing.assert_allclose(value, expectation(phi), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(derivative, expectation(slope), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", ["erf", "sin", "gelu", "relu", "leaky_relu"])
def test_derivative_of_the_dual_is_the_dual_of_the_derivative(x64, name):
    from ibjax.infinite.nonlinearity import resolve

    dual = resolve(name).dual
    a, b, c = jnp.array(1.3), jnp.array(0.7), jnp.array(0.4)
    np.testing.assert_allclose(
        jax.grad(lambda z: dual(a, b, z)[0])(c), dual(a, b, c)[1], rtol=1e-12
    )


def test_quadrature_agrees_with_closed_forms(x64):
    arguments = {"depth": 2, "w_std": 0.9, "b_std": 0.3}
    for name, function, tolerance in (
        ("sin", jnp.sin, 1e-12),
        ("erf", jax.scipy.special.erf, 1e-8),
        ("identity", lambda x: x, 1e-12),
    ):
        exact = infinite.mlp_kernels(X, activation=name, **arguments)
        numeric = infinite.mlp_kernels(X, activation=function, **arguments)
        for a, b in zip(exact, numeric, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance)


def test_leaky_is_relu_identity_and_absolute_value(x64):
    arguments = {"depth": 3, "w_std": 1.3, "b_std": 0.2}
    for slope, name in ((0.0, "relu"), (1.0, "identity"), (-1.0, "abs"), (0.01, "leaky_relu")):
        with jax.disable_jit():
            a = infinite.mlp_kernels(X, activation=infinite.leaky(slope), **arguments)
            b = infinite.mlp_kernels(X, activation=name, **arguments)
        for left, right in zip(a, b, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-14)


def test_linear_network_in_closed_form(x64):
    """Without biases K = w^(2L) x.x'/d and every layer adds as much to the NTK."""
    out = infinite.mlp_kernels(X, depth=4, activation="identity", w_std=1.2, b_std=0.0)
    nngp = 1.2**8 * X @ X.T / 3
    np.testing.assert_allclose(out.nngp, nngp, rtol=1e-14)
    np.testing.assert_allclose(out.ntk, 4 * nngp, rtol=1e-14)


def test_relu_without_bias_has_ntk_depth_times_nngp_on_the_diagonal(x64):
    x = np.random.default_rng(0).normal(size=(6, 40))
    out = infinite.mlp_kernels(x, depth=5, activation="relu", w_std=2**0.5, b_std=0.0)
    np.testing.assert_allclose(jnp.diagonal(out.ntk), 5 * jnp.diagonal(out.nngp), rtol=1e-14)
    twin = infinite.mlp_kernels(x, x.copy(), depth=5, activation="relu", w_std=2**0.5, b_std=0.0)
    np.testing.assert_allclose(jnp.diagonal(twin.ntk), jnp.diagonal(out.ntk), rtol=1e-13)


@pytest.mark.parametrize("name", ["relu", "gelu"])
@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 3.0))
def test_symmetric_and_positive(name, seed, scale):
    with jax.enable_x64(True):
        x = np.random.default_rng(seed).normal(size=(7, 3))
        out = infinite.mlp_kernels(x, depth=3, activation=name, w_std=scale, b_std=0.1)
        for kernel in out:
            np.testing.assert_allclose(kernel, kernel.T, rtol=1e-12, atol=1e-14)
            values = np.linalg.eigvalsh(kernel)
            assert values[0] > -1e-12 * values[-1]
        # The last layer alone contributes the NNGP: the difference is a kernel as well.
        rest = np.linalg.eigvalsh(out.ntk - out.nngp)
        assert rest[0] > -1e-12 * rest[-1]


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_derivative_in_the_variances(x64, name):
    x = np.concatenate([X, X[:1], 2 * X[1:]])  # repeated and parallel inputs

    @jax.jit
    @jax.value_and_grad
    def total(w, b):
        out = infinite.mlp_kernels(x, depth=3, activation=name, w_std=w, b_std=b)
        return jnp.sum(out.nngp) + jnp.sum(jnp.sin(out.ntk))

    # Without a bias, parallel inputs stay parallel through every layer.
    for b in (0.3, 0.0):
        slope = total(1.3, b)[1]
        step = 1e-6
        rough = (total(1.3 + step, b)[0] - total(1.3 - step, b)[0]) / (2 * step)
        np.testing.assert_allclose(slope, rough, rtol=1e-6)


def test_derivative_in_the_inputs_is_finite(x64):
    @jax.jit
    @jax.value_and_grad
    def total(x):
        out = infinite.mlp_kernels(x, depth=3, activation="relu", w_std=1.3, b_std=0.1)
        return jnp.sum(out.nngp**2)

    x = jnp.array(X)
    slope = total(x)[1]
    direction = jnp.array([[0.3, -1.0, 0.2], [0.5, 0.1, -0.4]])
    rough = (total(x + 1e-6 * direction)[0] - total(x - 1e-6 * direction)[0]) / 2e-6
    np.testing.assert_allclose(jnp.sum(slope * direction), rough, rtol=1e-7)
    assert np.all(np.isfinite(total(x.at[0].set(0.0))[1]))


def test_rate_of_the_nngp(x64):
    """For the rectifier without biases the NNGP is homogeneous of degree 2 depth."""
    rate = infinite.mlp_nngp_rate(X, depth=3, activation="relu", w_std=1.3, b_std=0.0)
    kernel = infinite.mlp_kernels(X, depth=3, activation="relu", w_std=1.3, b_std=0.0).nngp
    np.testing.assert_allclose(rate, 6 * kernel, rtol=1e-12)


def test_vmap_over_deviations_and_precision(dtype):
    grid = jnp.array([0.7, 1.1, 1.9])
    x = X.astype(dtype)

    def one(w):
        return infinite.mlp_kernels(x, depth=2, activation="erf", w_std=w, b_std=0.1)

    together = jax.vmap(one)(grid)
    for index, w in enumerate(grid):
        np.testing.assert_allclose(together.ntk[index], one(w).ntk, rtol=1e-6)
    assert together.ntk.dtype == dtype
    per_layer = infinite.mlp_kernels(
        x, depth=2, activation="erf", w_std=[1.1, 1.1], b_std=[0.1, 0.1]
    )
    np.testing.assert_allclose(per_layer.ntk, one(1.1).ntk, rtol=1e-6)


def test_sweeping_the_deviations_does_not_recompile():
    from ibjax.infinite.kernel_matrix import _mlp_kernels

    infinite.mlp_kernels(X, depth=2, activation="sin", w_std=1.0, b_std=0.1)
    before = _mlp_kernels._cache_size()
    for w in (0.5, 1.5, 2.5):
        infinite.mlp_kernels(X, depth=2, activation="sin", w_std=w, b_std=0.2)
    assert _mlp_kernels._cache_size() == before


@pytest.mark.parametrize(
    "change,word",
    [
        ({"depth": 0}, "depth"),
        ({"activation": "step"}, "activation"),
        ({"w_std": -1.0}, "w_std"),
        ({"b_std": [0.1, 0.2, 0.3]}, "b_std"),
        ({"x1": X[0]}, "x1"),
        ({"x1": np.full((2, 3), np.nan)}, "x1"),
        ({"x2": np.ones((2, 4))}, "x2"),
    ],
)
def test_refusals(change, word):
    arguments = {"x1": X, "depth": 2, "activation": "relu", "w_std": 1.0, "b_std": 0.1} | change
    with pytest.raises(ValueError, match=word):
        infinite.mlp_kernels(**arguments)

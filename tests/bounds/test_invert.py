"""Inversions against printed values, identities, orderings and a slow twin."""
# ruff: noqa: E741

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize

from ibjax.bounds import invert

RATE = st.floats(0.0, 1.0)
INFO = st.floats(0.0, 0.69)

TWO = {"pair": invert.pair, "kl_half": invert.kl_half, "kl": invert.kl, "js": invert.js}
FAST = {name: jax.jit(function) for name, function in TWO.items()}
FAST_PHI = jax.jit(invert.phi)

PRINTED = [
    ((0.0, 0.1), (0.144270, 0.190325, 0.260332)),
    ((0.05, 0.02), (0.134259, 0.161500, 0.172700)),
    ((0.05, 0.1), (0.301741, 0.362803, 0.406224)),
    ((0.2, 0.1), (0.588463, 0.619946, 0.632396)),
    ((0.2, 0.3), (0.893299, 0.956730, 0.923293)),
    ((0.3, 0.2), (0.856534, 0.925265, 0.894296)),
]


def entropy(p):
    p = np.array([p, 1 - p])
    return -np.sum(p[p > 0] * np.log(p[p > 0]))


def pair_js(a, b):
    total = sum(x * np.log(2 * x / (a + b)) for x in (a, b) if x > 0)
    return float(total)


@pytest.mark.parametrize(("inputs", "values"), PRINTED)
def test_printed_values(x64, inputs, values):
    found = [FAST[name](*inputs) for name in ("pair", "kl_half", "js")]
    np.testing.assert_allclose(found, values, atol=6e-7)


def test_phi_table(x64):
    i = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.69])
    values = [0.141185, 0.313563, 0.439589, 0.610346, 0.732828, 0.903623, 0.999297]
    np.testing.assert_allclose(FAST_PHI(i), values, atol=6e-7)
    assert FAST_PHI(jnp.log(2.0)) == 1.0
    assert FAST_PHI(3.0) == 1.0
    assert abs(FAST_PHI(0.0)) < 1e-15


@given(st.floats(1e-7, 1 - 1e-9))
def test_phi_returns_its_argument(x64, g):
    value = ((1 + g) * np.log1p(g) + (1 - g) * np.log1p(-g)) / 2
    assert abs(float(FAST_PHI(value)) - g) < 1e-9


@given(RATE, st.floats(0, 1))
def test_js_and_kl_invert_their_functions(x64, a, fraction):
    b = a + (1 - a) * fraction
    middle = (a + b) / 2
    js = entropy(middle) - entropy(a) / 2 - entropy(b) / 2
    # Forward values lose half the digits near zero; compare through the function there.
    tolerance = 1e-9 if js > 1e-5 else 1e-5
    assert abs(float(FAST["js"](a, max(js, 0))) - b) < tolerance
    if 0 < a and b < 1 and b - a > 1e-4:
        kl = a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))
        assert abs(float(FAST["kl"](a, kl)) - b) < 1e-7
        half = a * np.log(a / middle) + (1 - a) * np.log((1 - a) / (1 - middle))
        assert abs(float(FAST["kl_half"](a, half)) - b) < 1e-7


@given(RATE, INFO)
def test_pair_solves_the_constrained_problem(x64, l, i):
    """The twin maximises over the mass c that both members err together."""

    def best(c):
        a, most = l - c, 1 - l
        if most <= a or pair_js(a, most) <= i:
            return most + c
        return c + optimize.brentq(lambda b: pair_js(a, b) - i, a, most, xtol=1e-13)

    grid = np.linspace(max(0.0, l - (1 - l)), l, 401) if l > 0 else [0.0]
    feasible = [best(c) for c in grid]
    value = float(FAST["pair"](l, i))
    assert value >= max(feasible) - 1e-9
    assert value <= max(feasible) + 5e-3


def test_pair_meets_its_equations(x64):
    l = np.array([0.0, 0.1, 0.3, 0.6, 0.9])[:, None]
    i = np.array([1e-6, 1e-3, 0.05, 0.2])[None]
    value = np.asarray(FAST["pair"](l, i))
    for row, rate in enumerate(l[:, 0]):
        for column, info in enumerate(i[0]):
            r = value[row, column]
            if r < 1 - rate:
                assert abs(pair_js(rate, r) - info) < 1e-10
            elif r < 1:
                assert abs(pair_js(1 - r, 1 - rate) - info) < 1e-10
            else:
                assert (1 - rate) * np.log(2) <= info


def test_pair_is_the_best_of_its_linear_family(x64):
    l, i = 0.05, 0.02
    lam = np.linspace(0.01, np.log(2) - 1e-6, 20001)
    slope = -np.log(2 - np.exp(lam)) / lam
    best = np.min(slope * l + i / lam)
    assert float(FAST["pair"](l, i)) == pytest.approx(best, abs=1e-7)
    golden = np.log((1 + np.sqrt(5)) / 2)
    assert float(FAST["pair"](l, i)) <= 2 * l + i / golden


@given(RATE, INFO)
def test_orderings(x64, l, i):
    pair, half, js = (float(FAST[name](l, i)) for name in ("pair", "kl_half", "js"))
    gap = float(FAST_PHI(i))
    slack = 1e-9
    assert gap <= np.sqrt(2 * i) + slack
    assert l - slack <= pair <= half + slack
    assert half <= l + np.sqrt(2 * i) + slack
    assert pair <= l + gap + slack
    assert js <= float(FAST["pair"](l, 2 * i)) + slack
    assert float(FAST["pair"](0.0, i)) == pytest.approx(min(i / np.log(2), 1), abs=1e-9)


@given(RATE, RATE, INFO, INFO, st.floats(0, 1))
def test_monotone_and_concave(x64, l1, l2, i1, i2, weight):
    for function in FAST.values():
        low, high = float(function(l1, i1)), float(function(l2, i2))
        middle = function(weight * l1 + (1 - weight) * l2, weight * i1 + (1 - weight) * i2)
        assert float(middle) >= weight * low + (1 - weight) * high - 1e-9
        assert float(function(max(l1, l2), max(i1, i2))) >= max(low, high) - 1e-9


@pytest.mark.parametrize("name", list(TWO))
def test_no_information_no_gap(x64, name):
    l = np.array([0.0, 0.2, 0.5, 0.7, 1.0])
    np.testing.assert_allclose(FAST[name](l, np.zeros(5)), l, atol=1e-12)


@pytest.mark.parametrize("name", list(TWO))
def test_implicit_gradient(x64, name):
    function = TWO[name]
    gradient = jax.grad(function, argnums=(0, 1))(0.1, 0.05)
    step = 1e-6
    for position in range(2):
        shift = np.array([step, 0.0]) if position == 0 else np.array([0.0, step])
        up, down = np.array([0.1, 0.05]) + shift, np.array([0.1, 0.05]) - shift
        slope = (FAST[name](*up) - FAST[name](*down)) / (2 * step)
        assert float(gradient[position]) == pytest.approx(float(slope), rel=1e-5)


@pytest.mark.parametrize("name", list(TWO))
def test_jit_eager_vmap_and_precision(dtype, name):
    l, i = np.array([0.0, 0.1, 0.6], dtype), np.array([0.05, 0.3, 0.1], dtype)
    eager = TWO[name](l, i)
    assert eager.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(FAST[name](l, i), eager, atol=tolerance)
    one_by_one = [TWO[name](a, b) for a, b in zip(l, i)]
    np.testing.assert_allclose(jax.vmap(TWO[name])(l, i), one_by_one, atol=tolerance)


def test_ghost_between_half_and_kl(x64):
    half, full = invert.kl_half(0.1, 0.05), invert.kl(0.1, 0.05)
    many = [float(invert.ghost(0.1, 0.05, k)) for k in (2, 3, 8, 10_000)]
    assert many[0] == float(half)
    assert many == sorted(many, reverse=True)
    assert many[-1] == pytest.approx(float(full), abs=1e-4)


def test_refusals(x64):
    with pytest.raises(ValueError, match=r"i holds -0\.1"):
        invert.phi(-0.1)
    with pytest.raises(ValueError, match=r"l holds 1\.5"):
        invert.pair(1.5, 0.1)
    with pytest.raises(ValueError, match="k=1"):
        invert.ghost(0.1, 0.1, 1)
    assert jnp.isnan(FAST_PHI(-0.1))
    assert jnp.isnan(FAST["pair"](jnp.nan, 0.1))


def test_bregman_does_not_cancel_near_zero(dtype):
    u = np.array([-1.0, -0.5, -1e-3, 1e-6, 0.019, 0.021, 3.0])
    # (1 + u) log(1 + u) - u is the integral of log(1 + s) from 0 to u.
    twin = [u**2 * integrate.quad(lambda s, u=u: (1 - s) / (1 + u * s), 0, 1)[0] for u in u[1:]]
    found = np.asarray(invert.bregman(jnp.asarray(u, dtype)))
    np.testing.assert_allclose(found, [1, *twin], rtol=1e-12 if dtype == np.float64 else 1e-5)

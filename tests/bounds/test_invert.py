"""Inversions against printed values, identities, orderings and a slow twin."""
# ruff: noqa: E741

from decimal import Decimal, localcontext

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


@given(st.floats(0, 1))
def test_phi_returns_its_argument(x64, g):
    # phi(g) is the relative entropy from a fair bit: kl((1 + g)/2 || 1/2).
    value = precise("pair", (1 - g) / 2, 1 - (1 - g) / 2)
    assert float(FAST_PHI(value)) == pytest.approx(1 - 2 * ((1 - g) / 2), abs=1e-12)


@given(st.floats(0, 0.8), st.floats(0, 0.8), st.floats(0, 1))
def test_phi_is_monotone_and_concave(x64, one, two, weight):
    low, high = float(FAST_PHI(one)), float(FAST_PHI(two))
    middle = float(FAST_PHI(weight * one + (1 - weight) * two))
    assert middle >= weight * low + (1 - weight) * high - 1e-12
    assert float(FAST_PHI(max(one, two))) == max(low, high)


def test_phi_is_strictly_concave_below_its_cap(x64):
    i = np.linspace(0.0, np.log(2), 200)
    g = np.asarray(FAST_PHI(i))
    assert (np.diff(g) > 0).all() and (np.diff(g, 2) < -1e-6).all()


def precise(name, a, b):
    """The comparison function of an inversion at (a, b), to sixty digits and then rounded."""
    with localcontext() as context:
        context.prec = 60
        a, b, one = Decimal(a), Decimal(b), Decimal(1)

        def part(x, y):
            return x * (x / y).ln() if x > 0 else Decimal(0)

        def divergence(p, q):
            return part(p, q) + part(one - p, one - q)

        middle = (a + b) / 2
        if name == "kl":
            value = divergence(a, b)
        elif name == "kl_half":
            value = divergence(a, middle)
        elif name == "js":
            value = (divergence(a, middle) + divergence(b, middle)) / 2
        else:
            a, b = (a, b) if a + b <= 1 else (one - b, one - a)
            value = part(a, (a + b) / 2) + part(b, (a + b) / 2)
    # Where a and b agree to sixty digits the rounding may end below zero.
    return max(float(value), 0.0)


@pytest.mark.parametrize("name", list(TWO))
@given(RATE, st.floats(0, 1))
def test_inversions_return_their_argument(x64, name, a, fraction):
    b = a + (1 - a) * fraction
    if name != "kl" or b < 1:
        assert float(FAST[name](a, precise(name, a, b))) == pytest.approx(b, abs=1e-12)


@pytest.mark.parametrize("name", list(TWO))
def test_small_gaps_keep_their_digits(x64, name):
    """Forward values of order gap^2, down to 1e-16: no half of the digits is lost."""
    for a in (0.0, 1e-3, 0.2, 0.5, 0.9):
        for gap in (1e-8, 1e-6, 1e-4):
            found = float(FAST[name](a, precise(name, a, a + gap)))
            assert found == pytest.approx(a + gap, abs=3e-16), (a, gap)


@given(RATE, st.floats(1e-10, 0.69))
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
@pytest.mark.parametrize("point", [(0.1, 0.05), (0.3, 0.2), (0.6, 0.1), (0.02, 0.3), (0.2, 1e-4)])
def test_implicit_gradient(x64, name, point):
    gradient = jax.jit(jax.grad(TWO[name], argnums=(0, 1)))(*point)
    step = 1e-6
    for position, shift in enumerate(step * np.eye(2)):
        up, down = np.array(point) + shift, np.array(point) - shift
        slope = (FAST[name](*up) - FAST[name](*down)) / (2 * step)
        assert float(gradient[position]) == pytest.approx(float(slope), rel=1e-4)


INF, LOG2 = np.inf, np.log(2)
# One-sided derivatives in (l, i): R = l at i = 0, R = 1 where capped, infinite slopes at l = 0 < i.
EDGES = [
    *[(name, (l, 0.0), (1.0, INF)) for name in TWO for l in (0.2, 0.5, 0.7)],
    *[(name, (1.0, 0.0), (1.0, 0.0)) for name in TWO],
    *[(name, (1.0, 0.1), (0.0, 0.0)) for name in TWO],
    *[(name, (0.9, 0.8), (0.0, 0.0)) for name in ("pair", "kl_half", "js")],
    *[(name, (0.2, 0.75), (0.0, 0.0)) for name in ("pair", "kl_half", "js")],
    *[(name, (0.0, 0.75), (0.0, 0.0)) for name in ("pair", "kl_half", "js")],
    ("pair", (0.2, 0.6), (0.0, 0.0)),
    ("pair", (0.9, 2.0), (0.0, 0.0)),
    # At l = 0: R = i/log 2, R = 2 (1 - e^-i), R = 1 - e^-i.
    ("pair", (0.0, 0.1), (INF, 1 / LOG2)),
    ("pair", (0.0, 0.0), (1.0, 1 / LOG2)),
    ("kl_half", (0.0, 0.1), (INF, 2 * np.exp(-0.1))),
    ("kl_half", (0.0, 0.0), (1.0, 2.0)),
    ("kl", (0.0, 0.1), (INF, np.exp(-0.1))),
    ("kl", (0.0, 0.0), (1.0, 1.0)),
    ("js", (0.0, 0.0), (1.0, 2 / LOG2)),
]


@pytest.mark.parametrize(("name", "point", "slopes"), EDGES)
def test_gradient_at_the_edges(x64, name, point, slopes):
    found = jax.grad(TWO[name], argnums=(0, 1))(*point)
    np.testing.assert_allclose(found, slopes, rtol=1e-12)
    # Held fixed, an argument of infinite slope leaves the other derivative alone.
    for position in range(2):
        assert float(jax.grad(TWO[name], argnums=position)(*point)) == float(found[position])
    # One-sided differences approach the finite slopes and outgrow any bound at the infinite ones.
    for position, slope in enumerate(slopes):
        sign = -1 if point[position] == 1 else 1
        moved = np.array(point)
        moved[position] += sign * 1e-7
        change = sign * (float(FAST[name](*moved)) - float(FAST[name](*point))) / 1e-7
        if np.isinf(slope):
            assert change > 5
        else:
            assert change == pytest.approx(slope, abs=1e-5)


def test_slopes_grow_towards_the_edges(x64):
    """The gradient inside goes over into the one at l = 0 and i = 0."""
    for name, function in TWO.items():
        gradient = jax.jit(jax.grad(function, argnums=(0, 1)))
        steep = [float(gradient(l, 0.1)[0]) for l in (1e-2, 1e-6, 1e-12, 1e-100)]
        assert steep == sorted(steep) and steep[-1] > 50, name
        assert float(gradient(0.3, 1e-12)[0]) == pytest.approx(1, abs=1e-5)
        assert 1e5 < float(gradient(0.3, 1e-12)[1]) < 1e7


def test_gradient_of_phi(x64):
    slope = jax.grad(invert.phi)
    for g in (1e-3, 0.4, 0.999):
        i = ((1 + g) * np.log1p(g) + (1 - g) * np.log1p(-g)) / 2
        assert float(slope(i)) == pytest.approx(1 / np.arctanh(g), rel=1e-9)
    assert float(slope(0.0)) == INF and float(slope(0.8)) == 0
    curve = jax.grad(slope)(0.1)
    assert float(curve) == pytest.approx(float(slope(0.1 + 1e-5) - slope(0.1 - 1e-5)) / 2e-5, 1e-6)


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

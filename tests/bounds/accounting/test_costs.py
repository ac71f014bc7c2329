"""What a step or an epoch costs: printed values, identities, orderings, precision, gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from ibjax.bounds import bins_epoch, fixed_step, mixture_kl, shuffled_epoch
from ibjax.bounds.accounting.mixtures import overflow, poisson_step
from ibjax.bounds.accounting.repeats import repeated_step
from ibjax.bounds.accounting.revealed import any_weights, channel
from ibjax.bounds.accounting.subsets import pair_moment

Q, R = np.meshgrid([1e-6, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999], [1e-3, 0.03, 0.3, 1.0, 3.0, 11.0])

MIXTURES = [  # q, r, K to the digits of a 30-digit quadrature
    (0.1, 0.05, 1.251266109872e-5),
    (0.1, 0.5, 0.0013811156528394),
    (0.1, 1.0, 0.0072577304864311),
    (0.9, 1.0, 0.40725773048643),
    (0.01, 1.0, 8.3812207650832e-5),
    (0.001, 0.01, 5.000249508517e-11),
    (1 / 6, 0.25, 8.8695537483532e-4),
    (0.5, 0.3, 0.011374715108407),
    (0.5, 1.0, 0.13857851781530),
    (0.5, 3.0, 1.7232226934786),
    (0.02, 6.0, 0.26289029342818),
]


@pytest.mark.parametrize("q, r, printed", MIXTURES)
def test_mixture_values(x64, q, r, printed):
    assert float(mixture_kl(q, r)) == pytest.approx(printed, rel=5e-12)


def test_two_hundred_steps_of_the_default_run(x64):
    assert 200 * float(mixture_kl(0.1, 0.05)) == pytest.approx(0.0025025322197439, rel=1e-11)


@pytest.mark.parametrize("q, r", [(0.2, 0.4), (0.01, 2.5), (1e-7, 3.0), (0.7, 8.0)])
def test_mixture_is_the_integral_from_above(x64, q, r):
    """Adaptive quadrature of (1 + v) log(1 + v) - v, split where it has its mass."""

    def integrand(x):
        v = q * np.expm1(r * x - r * r / 2)
        plain = (1 + v) * np.log1p(v) - v if abs(v) > 1e-3 else v**2 / 2 - v**3 / 6 + v**4 / 12
        return stats.norm.pdf(x) * plain

    cuts = [-12, 0, r, 2 * r, 2 * r + 12]
    exact = sum(
        integrate.quad(integrand, a, b, epsabs=0, epsrel=1e-12, limit=200)[0]
        for a, b in itertools.pairwise(cuts)
    )
    found = float(mixture_kl(q, r))
    assert found == pytest.approx(exact, rel=1e-9)
    assert found >= exact * (1 - 1e-11)


def test_hidden_membership_is_symmetric_in_the_coin(x64):
    """q r^2/2 - K is the information of the coin, which does not tell heads from tails."""
    q, r = np.meshgrid([0.05, 0.3, 0.5], [0.1, 0.7, 2.0, 5.0])
    left, right = (a * r * r / 2 - mixture_kl(a, r) for a in (q, 1 - q))
    np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-11)


def test_mixture_lies_below_both_closed_forms_and_increases(x64):
    k = np.asarray(mixture_kl(Q, R))
    assert (k > 0).all()
    assert (k <= Q * R**2 / 2 * (1 + 1e-14)).all()
    with np.errstate(over="ignore"):
        assert (k <= Q**2 * np.expm1(R**2) / 2 * (1 + 1e-14)).all()
    assert (np.diff(k, axis=0) > 0).all() and (np.diff(k, axis=1) > 0).all()


def test_mixture_at_the_ends():
    assert float(mixture_kl(0.0, 1.0)) == 0 and float(mixture_kl(0.3, 0.0)) == 0
    assert float(mixture_kl(1.0, 2.0)) == pytest.approx(2.0, rel=1e-5)
    assert float(mixture_kl(0.5, jnp.inf)) == np.inf
    assert np.isnan(mixture_kl(0.5, jnp.nan))


@pytest.mark.parametrize("function", [mixture_kl, fixed_step])
def test_float32_is_an_upper_bound(x64, function):
    q, r = Q.astype(np.float32), R.astype(np.float32)
    low = np.asarray(function(q, r))
    high = np.asarray(function(q.astype(np.float64), r.astype(np.float64)))
    assert low.dtype == np.float32
    assert (low >= high).all()
    np.testing.assert_allclose(low, high, rtol=2e-4)


@pytest.mark.parametrize("function", [mixture_kl, fixed_step, shuffled_epoch, bins_epoch])
def test_gradients_are_finite_everywhere(dtype, function):
    def total(q, r):
        if function is bins_epoch:
            return bins_epoch(jnp.full(3, r), 5)
        return shuffled_epoch(jnp.full(3, r), q) if function is shuffled_epoch else function(q, r)

    q, r = np.meshgrid([0.0, 1e-4, 0.3, 1.0], [0.0, 1e-4, 0.3, 5.0, 20.0])
    slopes = jax.jit(jax.vmap(jax.grad(total, (0, 1))))(*(a.ravel().astype(dtype) for a in (q, r)))
    assert all(s.dtype == dtype and np.isfinite(s).all() and (s >= 0).all() for s in slopes)


def test_shifts_next_to_the_smallest_number_cost_something(x64):
    """Products that underflow made of a small cost none."""
    for q, r in itertools.product((1e-3, 0.5, 0.999), (1e-9, 1e-12, 1e-15, 1e-18)):
        low, high = (
            float(mixture_kl(dtype(np.float32(q)), dtype(np.float32(r))))
            for dtype in (np.float64, np.float32)
        )
        assert low <= high <= max(low * (1 + 1e-4), 1e-36)
        few = poisson_step(*(jnp.asarray(a, np.float32) for a in (q, r, 3.0)))
        assert float(few) >= low * (1 - 1e-4) or low < 1e-37
    assert float(mixture_kl(0.1, 1e-150)) >= 5e-303 and float(mixture_kl(0.1, 1e-170)) > 0


def test_gradient_is_that_of_the_integral(x64):
    for argument in (0, 1):
        slope = jax.grad(mixture_kl, argument)(0.2, 0.7)
        h = 1e-5
        step = [(h, 0.0), (0.0, h)][argument]
        high, low = (mixture_kl(0.2 + s * step[0], 0.7 + s * step[1]) for s in (1, -1))
        assert float(slope) == pytest.approx(float(high - low) / (2 * h), rel=1e-8)


FEW = [  # d = 1: q, r, two-point information, what is proved, K
    (0.1, 0.5, 0.0012270620, 0.0012274219, 0.0013811157),
    (0.1, 1.0, 0.0048458002, 0.0049128204, 0.0072577305),
    (0.5, 1.0, 0.0910216143, 0.0913110719, 0.1385785178),
]


@pytest.mark.parametrize("q, r, exact, proved, k", FEW)
def test_few_dimensions(x64, q, r, exact, proved, k):
    found = float(poisson_step(jnp.asarray(q), jnp.asarray(r), jnp.asarray(1.0)))
    assert found == pytest.approx(proved, abs=6e-11)
    assert exact < found < k == pytest.approx(float(mixture_kl(q, r)), abs=6e-11)
    many = float(poisson_step(jnp.asarray(q), jnp.asarray(r), jnp.asarray(jnp.inf)))
    assert many == float(mixture_kl(q, r))


def test_few_dimensions_at_full_batches_and_in_many(x64):
    one = jnp.asarray(1.0)
    assert float(poisson_step(one, one, one)) == pytest.approx(np.log(2) / 2, rel=1e-14)
    q, r = jnp.asarray(Q), jnp.asarray(R)
    values = [np.asarray(poisson_step(q, r, jnp.full_like(q, d))) for d in (1.0, 10.0, 1e9, np.inf)]
    assert all((a <= b * (1 + 1e-12)).all() for a, b in itertools.pairwise(values))
    np.testing.assert_allclose(values[2], values[3], rtol=1e-6)


def test_few_dimensions_bound_every_law_of_the_shift(x64):
    """The concave majorant: (d/2) log(1 + q E u/d) - E D(u) for random two-valued u."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        q, r, d = rng.uniform(0.02, 0.98), rng.uniform(0.1, 4), rng.integers(1, 4)
        u, p = rng.uniform(0, r * r, 2), rng.uniform()
        mean = p * u[0] + (1 - p) * u[1]
        hidden = q * u / 2 - np.asarray(mixture_kl(q, np.sqrt(u)))
        value = d / 2 * np.log1p(q * mean / d) - p * hidden[0] - (1 - p) * hidden[1]
        found = poisson_step(*(jnp.asarray(x, float) for x in (q, r, d)))
        assert value <= float(found) * (1 + 1e-9)


FIXED = [
    (0.1, 0.1, 5.20872590e-5, 5.17909796e-5),
    (1 / 6, 0.25, 0.00110094747, 0.00103118653),
    (0.3, 0.25, 0.00346069873, 0.00314837896),
    (0.1, 0.5, 0.0033139039, 0.00249960377),
]


@pytest.mark.parametrize("q, r, closed, supremum", FIXED)
def test_fixed_subsets(x64, q, r, closed, supremum):
    found = float(fixed_step(q, r))
    assert found == pytest.approx(closed, rel=1e-8)
    assert found > supremum


def test_fixed_subsets_dominate_pairs_of_shifts(x64):
    """KL((1-q) N(h) + q N(g) || (1-q) N(h) + q N(0)) on a grid in one dimension."""
    x = np.linspace(-12, 12, 2401)
    for q in (0.05, 0.3, 0.8, 1.0):
        for r in (0.1, 0.5, 1.0, 2.0):
            found = float(fixed_step(q, r))
            for g in (-r, -r / 2, r):
                for h in (-r, 0.0, r / 3, r):
                    one, other, none = (stats.norm.pdf(x, m) for m in (g, h, 0))
                    p, reference = (1 - q) * other + q * one, (1 - q) * other + q * none
                    exact = np.trapezoid(p * np.log(p / reference), x)
                    assert exact <= found * (1 + 1e-12), (q, r, g, h)


def test_fixed_subsets_to_leading_order_and_at_full_batches(x64):
    q = np.array([0.01, 0.3, 0.9, 1.0])
    np.testing.assert_allclose(fixed_step(q, 1e-4), q**2 * 1e-8 / 2, rtol=1e-7)
    r = np.array([0.1, 1.0, 3.0, 30.0])
    np.testing.assert_allclose(fixed_step(1.0, r), r**2 / 2, rtol=1e-14)
    assert (np.asarray(fixed_step(Q, R)) <= Q * R**2 / 2 * (1 + 1e-14)).all()
    assert (np.asarray(fixed_step(Q, R)) >= np.asarray(mixture_kl(Q, R)) * (1 - 1e-9)).all()


@pytest.mark.parametrize("r, printed", [
    (0.1, 0.010458261223), (0.25, 0.0822229694719), (0.5, 0.704864703747),
])  # fmt: skip
def test_pair_moment(x64, r, printed):
    assert float(pair_moment(jnp.asarray(r))) == pytest.approx(printed, rel=1e-11)


BINS = [  # m, r, the exact divergence of an epoch
    (2, 0.25, 0.0158642411843),
    (2, 0.5, 0.0661217177666),
    (2, 1.0, 0.298654528415),
    (2, 0.3, 0.0229918458),
    (3, 0.3, 0.0154454185),
    (3, 0.5, 0.045039083657),
    (3, 0.8, 0.1277479704),
    (3, 1.0, 0.215963995679),
    (6, 0.25, 0.00534487246),
    (10, 0.05, 0.000125140695),
    (10, 0.5, 0.01397343216),
    (10, 1.0, 0.07609236186),
    (10, 2.0, 0.65986887895),
]


@pytest.mark.parametrize("m, r, exact", BINS)
def test_balls_and_bins(x64, m, r, exact):
    found = float(bins_epoch(np.full(m, r), m))
    assert found >= exact
    assert exact == pytest.approx(_epoch_divergence(m, r), rel=2e-6)
    e = np.expm1(r * r)
    closed = min(e / (2 * m) * (1 + (1 - 1 / m) * e / 2), np.log1p(e / m), r * r / 2)
    assert found == pytest.approx(closed, rel=1e-12)
    # Above Poisson batches of the same rate.
    assert exact >= m * float(mixture_kl(1 / m, r)) * (1 - 1e-9)


def _epoch_divergence(m, r):
    """One integral: E[X log X] for X a mean of m likelihood ratios, by its Laplace transform."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    nothing, shifted = (np.exp(r * (nodes + s) - r * r / 2) for s in (0, r))

    def integrand(t):
        l = np.exp(t)  # noqa: E741
        phi = [weights @ np.exp(-l / m * x) for x in (nothing, shifted)]
        return np.exp(-l) - phi[1] * phi[0] ** (m - 1)

    return integrate.quad(integrand, -30, 12, epsabs=1e-13, limit=400)[0]


def test_balls_and_bins_part_of_an_epoch_and_unequal_steps(x64):
    """The chain rule for an unfinished epoch, against the divergence on a grid."""
    m, r = 3, np.array([0.6, 0.3])
    x = np.linspace(-8, 9, 341)
    nothing = stats.norm.pdf(x)
    first, second = (stats.norm.pdf(x, s) for s in r)
    both = np.multiply.outer(nothing, nothing)
    mixed = (np.outer(first, nothing) + np.outer(nothing, second) + both) / m
    exact = np.trapezoid(np.trapezoid(mixed * np.log(mixed / both), x), x)
    found = float(bins_epoch(r, m))
    assert exact <= found <= 1.15 * exact
    assert found <= float(bins_epoch(np.append(r, 0.2), m))


@pytest.mark.parametrize("m, r, printed", [
    (10, 0.05, 1.86447822711e-4), (100, 0.026352, 4.42351927e-6), (6, 0.25, 0.0282911861),
])  # fmt: skip
def test_shuffled_epochs(x64, m, r, printed):
    assert float(shuffled_epoch(np.full(m, r), 1 / m)) == pytest.approx(printed, rel=3e-9)
    assert r * r / (2 * m) < printed < r * r / 2


def test_shuffled_epochs_never_above_revealed_and_equal_at_full_batches(x64):
    for r in (0.01, 0.1, 0.5, 3.0):
        steps = np.array([r, r / 2, r])
        assert float(shuffled_epoch(steps, 0.3)) <= 0.3 * np.sum(steps**2) / 2 * (1 + 1e-13)
    assert float(shuffled_epoch(np.array([0.4]), 1.0)) == pytest.approx(0.08, rel=1e-13)


def test_shuffled_step_inequality(x64):
    """KL((1-pi) N_0 + pi N_a || (1-q) N_0 + q N_b) <= (q sqrt S + |pi - q| sqrt e4)^2 / 2."""
    rng, x = np.random.default_rng(1), np.linspace(-14, 14, 2801)
    for _ in range(200):
        q, pi, r = rng.uniform(0.02, 0.98), rng.uniform(), rng.uniform(0.05, 1)
        g, h = rng.uniform(-r, r, 2)
        p = (1 - pi) * stats.norm.pdf(x) + pi * stats.norm.pdf(x, g - h)
        reference = (1 - q) * stats.norm.pdf(x) + q * stats.norm.pdf(x, -h)
        exact = np.trapezoid(p * np.log(p / reference), x)
        s, e4 = float(pair_moment(jnp.asarray(r))), np.expm1(4 * r * r)
        assert exact <= (q * np.sqrt(s) + abs(pi - q) * np.sqrt(e4)) ** 2 / 2


@pytest.mark.parametrize("b, n", [(1, 1), (1, 5), (2, 3), (100, 1000), (50, 50)])
def test_with_replacement_closed_forms(x64, b, n):
    law = stats.binom(b, 1 / n)
    second = float(law.var() + law.mean() ** 2)
    for r in (1e-3, 0.1, 1.0):
        found = float(repeated_step(*(jnp.asarray(x, float) for x in (r, b, n, np.inf))))
        assert found <= second * r * r / 2 * (1 + 1e-12)
        # Given the multiplicity the exact cost cannot be less than that of its mean.
        assert found >= (b / n) ** 2 * r * r / 2 * (1 - 1e-12)
    if n > b:
        q, m = b / n, np.arange(b + 1)
        mass, r = law.pmf(m), 1e-3
        moments = np.asarray(pair_moment(jnp.asarray(np.sqrt(np.outer(m, m)) * r)))
        exact = mass @ moments @ mass / (2 * mass[0])
        found = float(repeated_step(*(jnp.asarray(x, float) for x in (r, b, n, np.inf))))
        assert found == pytest.approx(min(exact, second * r * r / 2), rel=1e-5)
        assert exact == pytest.approx(q**2 * r * r / (2 * mass[0]), rel=1e-3)


def test_with_replacement_counterexample(x64):
    """Counting every example once gives .00498; the exact information is .00809."""
    r = np.sqrt(2 * 0.00498)
    cost = float(repeated_step(*(jnp.asarray(x, float) for x in (r, 10, 10, np.inf))))
    assert 0.00809 <= cost == pytest.approx(0.009462, rel=1e-12)


def test_overflow_of_truncated_batches(x64):
    for n, q, capacity in [
        (1000, 0.1, 160),
        (3, 0.4, 1),
        (50, 0.9, 49),
        (50, 0.2, 5),
        (20, 0.3, 20),
    ]:
        exact = stats.binom(n - 1, q).sf(capacity - 1)
        found = float(overflow(*(jnp.asarray(x, float) for x in (n, q, capacity))))
        assert exact <= found <= 1
    assert float(overflow(*(jnp.asarray(x, float) for x in (1000, 0.1, 160)))) < 1e-7


def test_any_weights_is_the_worst_batch(x64):
    """Random weights that add up to b never cost more on average, in either form."""
    rng = np.random.default_rng(0)
    n, b = 12, 5
    for dim in (1.0, 30.0, np.inf):
        for c in (0.1, 1.0, 40.0):
            shift = jnp.asarray([c])
            worst = float(any_weights(shift, jnp.asarray(float(n)), jnp.asarray(1.0), dim)[0])
            for power in (0.2, 1, 8):
                weights = rng.dirichlet(np.full(n, 1 / power)) * b
                r = jnp.asarray(weights * c / b)
                assert float(jnp.mean(channel(jnp.ones(n), r, jnp.asarray(dim)))) <= worst
    linear = float(any_weights(jnp.asarray([2.0]), jnp.asarray(12.0), jnp.asarray(1.0), np.inf)[0])
    assert linear == pytest.approx(2 / 12, rel=1e-13)


@pytest.mark.parametrize("call, message", [
    (lambda: mixture_kl(1.5, 0.1), "q holds 1.5"),
    (lambda: fixed_step(0.1, -1.0), "r holds -1"),
    (lambda: bins_epoch(np.full(3, 0.1), 2), "m=2 steps an epoch, but r holds 3"),
    (lambda: shuffled_epoch(np.full((2, 2), 0.1), 0.1), "r has shape (2, 2)"),
])  # fmt: skip
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        call()

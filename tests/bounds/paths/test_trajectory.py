"""Formulas on accumulated statistics: closed form, ratios between them, decay, reductions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bounds.paths import disjoint, trajectory
from ibjax.interface import Estimate

STEPS, NOISE = np.array([0.1, 0.2, 0.1]), np.array([0.5, 0.4, 0.3])


def test_incoherence_of_langevin_on_a_quadratic(x64):
    """l = |w - z|^2/2: per-example gradients have variance d v (n - 1)/n around their mean."""
    n, d, variance, eta, beta, steps = 10, 1, 1.0, 0.1, 50, 100
    spread = np.full((1, steps), d * variance * (n - 1) / n)
    eta_t, std = np.full(steps, eta), np.full(steps, np.sqrt(2 * eta / beta))
    value = trajectory.negrea(eta_t, std, spread, n, n)
    assert float(value.information) == pytest.approx(1.38888889, abs=1e-8)
    assert float(value.value) == pytest.approx(np.sqrt(1.38888889 / 2), abs=1e-8)
    exact = d / 2 * np.log1p(steps * eta * beta * variance / (2 * n**2))
    assert exact == pytest.approx(0.62638148, abs=1e-8)
    assert exact <= float(value.information)


@pytest.mark.parametrize("replacement", [False, True])
def test_weights_are_those_of_enumerated_batches(x64, replacement):
    """E (m/b)^2 |v_J|^2 over all batches and J, by enumeration."""
    import itertools

    n, b = 4, 2
    g = np.random.default_rng(0).normal(size=(n, 3))
    draw = itertools.product(range(n), repeat=b) if replacement else itertools.permutations
    batches = list(draw) if replacement else list(itertools.permutations(range(n), b))
    other = np.array([g[j] - np.delete(g, j, 0).mean(0) for j in range(n)])
    twin, null = 0.0, 0.0
    for batch in batches:
        for j in range(n):
            weight = (batch.count(j) / b) ** 2 / (n * len(batches))
            twin += weight * np.sum(other[j] ** 2)
            null += weight * np.sum(g[j] ** 2)
    variance = np.mean(np.sum((g - g.mean(0)) ** 2, 1))
    second = np.mean(np.sum(g**2, 1))
    one = np.array([1.0])
    found = trajectory.negrea(one, one, variance * one, n, b, replacement=replacement)
    assert float(found.information) == pytest.approx(twin / 2, rel=1e-12)
    found = trajectory.null_gradient(one, one, second * one, n, b, replacement=replacement)
    assert float(found.information) == pytest.approx(null / 2, rel=1e-12)


def test_gradient_norm_bound_is_four_times_the_null_prior(x64):
    second = np.random.default_rng(0).uniform(1, 2, size=(5, 3))
    norm = trajectory.li_luo_qiao(STEPS, NOISE, second, 20)
    null = trajectory.null_gradient(STEPS, NOISE, second, 20, 20)
    assert float(norm.value) == pytest.approx(4 * float(null.value), rel=1e-12)
    direct = 2 / 20 * np.sqrt(np.mean(np.sum(STEPS**2 * second / NOISE**2, 1)))
    assert float(norm.value) == pytest.approx(direct, rel=1e-12)


def test_the_units_of_the_loss_do_not_matter(x64):
    """Loss times c, step size and inverse temperature over c: the same path, the same bounds."""
    c, squares = 3.0, np.array([[1.0, 2.0, 3.0], [2.0, 0.5, 1.0]])
    beta = 2 * STEPS / NOISE**2
    same_noise = np.sqrt(2 * (STEPS / c) / (beta / c))
    np.testing.assert_allclose(same_noise, NOISE)
    for bound in (
        lambda e, s, v: trajectory.negrea(e, s, v, 20, 5),
        lambda e, s, v: trajectory.null_gradient(e, s, v, 20, 5),
        lambda e, s, v: trajectory.li_luo_qiao(e, s, v, 20),
        lambda e, s, v: disjoint.wang_gao_calmon(e, s, v[0], np.array([0, 1, 0]), 2, 5),
    ):
        one = bound(STEPS, NOISE, squares)
        other = bound(STEPS / c, same_noise, c**2 * squares)
        assert float(one.value) == pytest.approx(float(other.value), rel=1e-12)
        assert float(bound(0 * STEPS, NOISE, squares).value) == 0


def test_reductions(x64):
    variance = np.random.default_rng(1).exponential(size=(200, 3))
    mean = trajectory.negrea(STEPS, NOISE, variance, 20, 5)
    legacy = trajectory.negrea(STEPS, NOISE, variance, 20, 5, reduction="mean_of_sqrt")
    assert float(legacy.value) < float(mean.value)
    assert (mean.kind, legacy.kind) == ("estimate", "diagnostic")
    boot = np.random.default_rng(2).integers(200, size=(400, 200))
    runs = np.sum(STEPS**2 * variance / NOISE**2, 1)
    roots = np.sqrt(runs[boot].mean(1))
    ratio = float(mean.std_error) / float(mean.value)
    assert ratio == pytest.approx(roots.std() / roots.mean(), rel=0.15)
    assert np.isnan(trajectory.negrea(STEPS, NOISE, variance[0], 20, 5).std_error)


def test_disjoint_batches_and_their_decay(x64):
    batch = np.array([0, 1, 0])
    variance = np.array([1.0, 2.0, 3.0])
    energy = STEPS**2 * variance / (2 * NOISE**2)
    plain = disjoint.wang_gao_calmon(STEPS, NOISE, variance, batch, 2, 5)
    held = np.array([energy[0] + energy[2], energy[1]])
    assert float(plain.value) == pytest.approx(np.mean(np.sqrt(held / (2 * 5))), rel=1e-12)
    # The published prefactor, sqrt(2 b) sigma/(2 n) sum_j sqrt(sum eta beta V).
    published = np.sqrt(2 * 5) * 0.5 / 20 * np.sum(np.sqrt(4 * held))
    assert float(plain.value) == pytest.approx(published, rel=1e-12)
    q = np.array([0.9, 0.5, 0.7])
    decayed = disjoint.wang_gao_calmon(STEPS, NOISE, variance, batch, 2, 5, contraction=q)
    held = np.array([energy[0] * 0.5 + energy[2], energy[1] * 0.7])
    assert float(decayed.value) == pytest.approx(np.mean(np.sqrt(held / 10)), rel=1e-12)
    # Total variation between the two farthest Gaussians.
    x = np.linspace(-20, 20, 400001)
    pdf = np.exp(-0.5 * np.stack([x, x - 1.7]) ** 2 / 0.8**2) / (0.8 * np.sqrt(2 * np.pi))
    tv = 0.5 * np.sum(np.abs(pdf[0] - pdf[1])) * (x[1] - x[0])
    assert float(disjoint.gaussian_contraction(1.7, 0.8)) == pytest.approx(tv, abs=1e-7)
    assert float(disjoint.gaussian_contraction(1.7, 0.0)) == 1.0


def test_a_step_of_no_known_batch_is_not_lost(x64):
    """Batches numbered from 1, or between two numbers: what such a step holds was left out."""
    limit = Estimate(np.ones(3), np.zeros(3), np.ones(3, bool), bias="up", exact=True)
    for batch in ([1, 2, 1], [0, -1, 1], [0.5, 0, 1], [0, np.nan, 1]):
        with pytest.raises(ValueError, match=r"indices in 0\.\.1"):
            disjoint.wang_gao_calmon(STEPS, NOISE, limit, np.array(batch), 2, 5)

    def traced(batch):
        return disjoint.wang_gao_calmon(STEPS, NOISE, np.ones(3), batch, 2, 5).holds

    assert bool(jax.jit(traced)(jnp.array([0, 1, 1])))
    assert not bool(jax.jit(traced)(jnp.array([0, 2, 1])))


def test_virtual_noise_optimum(x64):
    """gamma = s^2 T h/2 for constant noise: the best bound is (3/2)(V sum eta^2 h T/n)^(1/3)."""
    n, steps, eta, v, h, sigma = 50, 10, 0.1, 2.0, 0.3, 0.5
    eta_t, dispersion = np.full(steps, eta), np.full(steps, v)

    def bound(s):
        std = np.full(steps, s)
        gamma = s**2 * steps * h / 2
        return float(trajectory.virtual_noise(eta_t, std, dispersion, gamma, n, sigma=sigma).value)

    best = min(bound(s) for s in np.geomspace(0.05, 2, 400))
    closed = 1.5 * (sigma**2 * steps / n * steps * eta**2 * v * h) ** (1 / 3)
    assert best == pytest.approx(closed, rel=1e-4)


def test_edges_jit_and_refusals(dtype):
    variance = np.ones((4, 3), dtype)
    steps, noise = STEPS.astype(dtype), NOISE.astype(dtype)
    eager = trajectory.negrea(steps, noise, variance, 20, 5)
    traced = jax.jit(lambda v: trajectory.negrea(steps, noise, v, 20, 5).value)(variance)
    assert eager.value.dtype == dtype
    assert float(traced) == pytest.approx(float(eager.value), rel=1e-5)
    stack = np.stack([variance, 2 * variance])
    mapped = jax.vmap(lambda v: trajectory.negrea(steps, noise, v, 20, 5).value)(stack)
    loop = [trajectory.negrea(steps, noise, v, 20, 5).value for v in stack]
    np.testing.assert_allclose(mapped, loop, rtol=1e-5)
    assert float(trajectory.negrea(np.zeros(3), np.zeros(3), variance, 20, 5).value) == 0
    assert np.isinf(trajectory.negrea(steps, np.zeros(3), variance, 20, 5).value)
    with pytest.raises(ValueError, match="batch_size=30 exceeds"):
        trajectory.negrea(steps, noise, variance, 20, 30)
    with pytest.raises(ValueError, match="do not match"):
        trajectory.negrea(steps[:2], noise, variance, 20, 5)
    with pytest.raises(ValueError, match="reduction='best'"):
        trajectory.negrea(steps, noise, variance, 20, 5, reduction="best")

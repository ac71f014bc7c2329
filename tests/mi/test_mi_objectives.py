from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi
from ibjax.mi import objectives as known
from ibjax.mi.objectives import club, dv, infonce, interpolated, leave_one_out, nwj, weighted_error

OPTIONS = {"tau": 5.0, "alpha": 0.3, "momentum": 0.99}


@partial(jax.jit, static_argnums=0)
def compiled(name, scores, options):
    n = scores.shape[0]
    return known()[name].value(scores, jnp.full(n, 1 / n), options)


def value(name, scores, **options):
    return compiled(name, jnp.asarray(scores), {**OPTIONS, **options})


def slow(name, s):
    n = len(s)
    off = ~np.eye(n, dtype=bool)
    matched, e = np.diag(s).mean(), np.exp(s)
    if name == "dv" or name == "mine":
        return matched - np.log(e[off].mean())
    if name in ("nwj", "js"):
        return 1 + matched - e[off].mean()
    if name == "infonce":
        return np.mean(np.diag(s) - np.log(e.mean(1)))
    if name == "smile":
        return matched - np.log(np.exp(np.clip(s, -5, 5))[off].mean())
    if name == "club":
        return matched - s[off].mean()
    if name == "doe":  # two columns: log q(y|x) and log q(y)
        return np.mean(s[:, 0] - s[:, 1])
    if name == "leave_one_out":
        others = np.where(off, e, 0).sum(0) / (n - 1)
        return np.mean(np.diag(s) - np.log(others))
    assert name == "interpolated"
    first, second = [], []
    for j in range(n):
        for i in range(n):
            if i == j:
                continue
            rest = [k for k in range(n) if k not in (i, j)]
            m = (e[j, j] + e[rest, j].sum()) / (n - 1)
            first.append(s[j, j] - np.log(0.3 * m + 0.7))
            m = (e[i, j] + e[rest, j].sum()) / (n - 1)
            second.append(e[i, j] / (0.3 * m + 0.7))
    return 1 + np.mean(first) - np.mean(second)


@pytest.mark.parametrize("name", list(mi.objectives()))
def test_every_objective_is_its_slow_twin(name, x64):
    s = np.random.default_rng(0).normal(size=(7, 7)) * 3
    np.testing.assert_allclose(value(name, s), slow(name, s), rtol=1e-12)


def test_interpolation_has_both_ends(x64):
    s = np.random.default_rng(1).normal(size=(7, 7))
    np.testing.assert_allclose(value("interpolated", s, alpha=0.0), value("nwj", s), rtol=1e-12)
    # at 1 the second term is a mean of ratios with mean one, and the bound is below log(n - 1)
    sharp = np.diag(np.full(7, 60.0))
    np.testing.assert_allclose(value("interpolated", sharp, alpha=1.0), np.log(6), rtol=1e-12)
    np.testing.assert_allclose(value("infonce", sharp), np.log(7), rtol=1e-12)


def test_objectives_order_as_their_bounds_do(x64):
    s = np.random.default_rng(2).normal(size=(7, 7))
    assert value("nwj", s) <= value("dv", s)  # log t <= t - 1
    assert value("leave_one_out", s) <= value("club", s)  # Jensen
    for name in ("infonce", "dv", "club", "leave_one_out"):
        shifted = value(name, s + 3.0)
        np.testing.assert_allclose(shifted, value(name, s), atol=1e-12)


def test_large_scores_do_not_overflow(x64):
    s = np.random.default_rng(3).normal(size=(7, 7)) * 400
    for name in ("dv", "infonce", "smile", "leave_one_out", "interpolated"):
        slope = jax.jit(jax.grad(compiled, 1), static_argnums=0)(name, s, {**OPTIONS, "alpha": 1.0})
        v = value(name, s, alpha=1.0)
        assert np.isfinite(v) and np.isfinite(slope).all(), name


def test_a_step_along_the_gradient_raises_what_is_trained(x64):
    s = np.random.default_rng(6).normal(size=(7, 7))

    @jax.jit
    def gain(s):
        found = {}
        for name, row in known().items():

            def f(v, row=row):
                return row.train(v, jnp.array(-jnp.inf), OPTIONS)[0]

            slope = jax.grad(f)(s)
            found[name] = (f(s + 1e-3 * slope) - f(s)) / jnp.sum(slope**2)
        return found

    for name, rise in gain(s).items():
        # mine moves along a surrogate, whose second term has a constant value
        assert rise > 0 if name == "mine" else rise == pytest.approx(1e-3, rel=1e-2), name


def test_the_density_ratio_attains_the_information(x64):
    # of the best critic dv and nwj have mean I; their error says how far one batch is off
    rho, n = 0.6, 400
    rng = np.random.default_rng(0)
    truth = -0.5 * np.log1p(-(rho**2))
    functions = (dv, nwj, infonce, leave_one_out)
    found, errors = {f: [] for f in functions}, {f: [] for f in functions}

    @jax.jit
    def measure(s):
        uniform = jnp.full(n, 1 / n)
        return [(f(s, uniform, None), weighted_error(f, s, None)) for f in functions]

    for _ in range(30):
        x = rng.normal(size=n)
        y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)
        a, b = x[:, None], y[None]
        s = truth - (rho**2 * (a**2 + b**2) - 2 * rho * a * b) / (2 * (1 - rho**2))
        for f, (v, variance) in zip(functions, measure(s)):
            found[f].append(float(v))
            errors[f].append(np.sqrt(float(variance)))
    for f, values in found.items():
        off = 3 * np.std(values) / np.sqrt(30) + 0.003
        assert abs(np.mean(values) - truth) < off, f.__name__
        np.testing.assert_allclose(np.std(values), np.mean(errors[f]), rtol=0.35)


def test_weights_are_frequencies(x64):
    # doubling a sample's weight is what repeating it does, pairs with itself aside
    s = np.random.default_rng(4).normal(size=(5, 5))
    w = np.array([2, 1, 1, 1, 1]) / 6
    twice = np.r_[0, np.arange(5)]
    f = jax.jit(infonce)
    repeated = f(s[np.ix_(twice, twice)], np.full(6, 1 / 6))
    np.testing.assert_allclose(f(s, w), repeated, rtol=1e-12)


def test_the_error_is_that_of_leaving_samples_out(x64):
    # the jackknife of the smooth objectives, to the order of 1/n
    s = np.random.default_rng(5).normal(size=(60, 60))

    functions = (dv, nwj, interpolated, club)

    @jax.jit
    def values_of(v):
        return [f(v, jnp.full(len(v), 1 / len(v)), OPTIONS) for f in functions]

    left = [[j for j in range(60) if j != i] for i in range(60)]
    jackknife = 59 * np.array([values_of(s[np.ix_(i, i)]) for i in left]).var(axis=0)
    errors = jax.jit(lambda v: [weighted_error(f, v, OPTIONS) for f in functions])(s)
    np.testing.assert_allclose(errors, jackknife, rtol=0.15)


def test_a_known_channel_is_bounded_from_both_sides(x64):
    # y = x + noise of variance 1/4 in two dimensions: I = log 5
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        x = rng.normal(size=(128, 2))
        y = x + 0.5 * rng.normal(size=(128, 2))
        d = ((y[None] - x[:, None]) ** 2).sum(-1)
        found.append(-2 * d - np.log(2 * np.pi / 4))
    bounds = jax.jit(jax.vmap(mi.known_conditional))(np.stack(found))
    means = [float(jnp.mean(b.value)) for b in bounds]
    np.testing.assert_allclose(means[:2], [1.562, 1.659], atol=0.03)
    np.testing.assert_allclose(means[2], 8.0, atol=0.2)  # d times the signal-to-noise ratio
    assert means[0] < np.log(5) < means[1]
    assert [b.bias for b in bounds] == ["down", "up", "up"]
    one = mi.known_conditional(found[0])
    np.testing.assert_allclose([b.value for b in one], [b.value[0] for b in bounds], rtol=1e-10)
    np.testing.assert_allclose(
        np.std(bounds.lower.value), np.mean(bounds.lower.std_error), rtol=0.3
    )
    with pytest.raises(ValueError, match="log_density has shape"):
        mi.known_conditional(np.ones((3, 4)))

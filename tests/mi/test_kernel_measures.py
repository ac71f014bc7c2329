"""Kernel measures: closed forms, brute force, caps, and what they are not."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi

TOY_X = np.vstack([np.arange(12).reshape(4, 3) ** 1.5 / 10, [1, 0, 2]])
TOY_Y = np.vstack([np.sin(np.arange(8)).reshape(4, 2), [0.3, -0.2]])


def test_entropy_of_points_apart_together_and_in_clusters(x64):
    far = 100.0 * np.arange(60)[:, None]
    np.testing.assert_allclose(mi.renyi_entropy(far, 1.0), 4.0943445622, atol=1e-9)
    same = np.ones((60, 2))
    np.testing.assert_allclose(mi.renyi_entropy(same, 1.0), 0, atol=1e-9)
    clusters = 100.0 * (np.arange(60) % 4)[:, None]
    for order in (0.5, 1, 1.01, 2):
        np.testing.assert_allclose(
            mi.renyi_entropy(clusters, 1.0, order=order), np.log(4), atol=1e-9
        )
    own = mi.renyi_information(clusters, clusters, (1.0, 1.0))
    np.testing.assert_allclose([own.value, own.cap], np.log(4), atol=1e-9)
    assert np.isnan(own.permuted)
    total = mi.renyi_total_correlation((clusters, clusters, clusters), (1.0, 1.0, 1.0))
    np.testing.assert_allclose(total, 2 * np.log(4), atol=1e-9)


def test_two_points(x64):
    pair = np.array([[0.0], [1.0]])
    np.testing.assert_allclose(mi.renyi_entropy(pair, 1.0), 0.494282863552, atol=1e-11)
    np.testing.assert_allclose(mi.renyi_entropy(pair, 1.0, order=2), 0.379885493042, atol=1e-11)


def test_the_width_chooses_the_value(x64):
    """Correlation 0.8 holds 0.51 nats; a narrow kernel sees n, dependent or not."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(100, 2))
    x, y = z[:, :1], 0.8 * z[:, :1] + 0.6 * z[:, 1:]
    table = {0.05: (2.72, 2.68), 0.5: (0.592, 0.227), 3.0: (0.091, 0.0045)}
    for width, (dependent, independent) in table.items():
        found = mi.renyi_information(x, y, (width, width), key=jax.random.key(0))
        np.testing.assert_allclose(found.value, dependent, rtol=0.2)
        np.testing.assert_allclose(found.permuted, independent, rtol=0.35)
        assert 0 <= found.value <= found.cap <= np.log(100) + 1e-9
        np.testing.assert_allclose(
            found.value, found.entropy_x + found.entropy_y - found.joint, atol=1e-12
        )


def test_widths(x64):
    x = np.array([0.0, 1.0, 3.0, 7.0])[:, None]
    np.testing.assert_allclose(mi.median_width(x), 3.5)  # of 1, 2, 3, 4, 6, 7
    np.testing.assert_allclose(mi.median_width(x + 1e6), 3.5, rtol=1e-9)
    rule = 2 * np.std(x) * 4 ** (-1 / 5)
    np.testing.assert_allclose(mi.silverman_width(x, 2.0), rule, rtol=1e-12)


def by_quadruples(x, y):
    """The U-statistic over ordered quadruples of different samples."""
    k, m = x @ x.T, y @ y.T
    terms = [
        k[i, j] * (m[i, j] + m[p, q] - 2 * m[i, p])
        for i, j, p, q in itertools.permutations(range(len(x)), 4)
    ]
    return np.mean(terms)


def test_toy_criteria(x64):
    linear = dict(kernel="linear")
    biased = mi.hsic(TOY_X, TOY_Y, unbiased=False, **linear)
    np.testing.assert_allclose(biased, 0.4620245758523586, rtol=1e-12)
    cross = (TOY_X - TOY_X.mean(0)).T @ (TOY_Y - TOY_Y.mean(0)) / 4
    np.testing.assert_allclose(biased, np.sum(cross**2), rtol=1e-12)
    unbiased = mi.hsic(TOY_X, TOY_Y, **linear)
    np.testing.assert_allclose(unbiased, -0.2256501441443, rtol=1e-9)
    np.testing.assert_allclose(unbiased, by_quadruples(TOY_X, TOY_Y), rtol=1e-11)
    np.testing.assert_allclose(mi.cka(TOY_X, TOY_Y), -0.172485301, atol=1e-9)
    np.testing.assert_allclose(mi.cka(TOY_X, TOY_X), 1, rtol=1e-12)


@pytest.mark.parametrize("rho,value", [(0.5, 0.0107633201), (0.8, 0.0356740726)])
def test_gaussian_criterion_of_a_normal_law(x64, rho, value):
    a = 2.0
    closed = ((1 + a) ** 2 - (a * rho) ** 2) ** -0.5 + 1 / (1 + a)
    closed -= 2 * ((1 + a) ** 2 - (a * rho / 2) ** 2) ** -0.5
    np.testing.assert_allclose(closed, value, atol=1e-10)
    rng = np.random.default_rng(1)
    z = rng.normal(size=(1200, 2))
    y = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    found = [mi.hsic(z[i::3, 0], y[i::3], widths=(1.0, 1.0)) for i in range(3)]
    np.testing.assert_allclose(np.mean(found), value, rtol=0.15)


def test_alignment_of_wide_independent_layers(x64):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 50, 1000))
    assert abs(float(mi.cka(x, y))) < 0.2
    with pytest.raises(ValueError, match="unbiased"):
        mi.cka(x, y, unbiased=False)
    rotated = x[:, :5] @ np.linalg.qr(rng.normal(size=(5, 5)))[0] * 3 + 1
    np.testing.assert_allclose(mi.cka(x[:, :5], rotated, unbiased=False), 1, rtol=1e-10)


def test_permutation_test():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(80, 1)).astype(np.float32)
    found = mi.hsic_test(jax.random.key(0), x, x**2, permutations=99)
    assert float(found.p_value) == pytest.approx(0.01)
    assert abs(float(found.null_mean)) < 3 * float(found.null_std)
    other = rng.normal(size=(80, 1)).astype(np.float32)
    assert float(mi.hsic_test(jax.random.key(0), x, other, permutations=99).p_value) > 0.05


@pytest.mark.parametrize(
    "call,word",
    [
        (lambda: mi.renyi_entropy([1.0, 2.0], 0.0), "width"),
        (lambda: mi.renyi_entropy([1.0, 2.0], 1.0, order=0), "order"),
        (lambda: mi.renyi_information([1.0, 2.0], [1.0, 2, 3], (1.0, 1.0)), "pair"),
        (lambda: mi.renyi_total_correlation(([1.0, 2.0],), ()), "width"),
        (lambda: mi.hsic([1.0, 2, 3], [1.0, 2, 3]), "at least 4"),
        (lambda: mi.hsic(np.ones(5), np.ones(5), kernel="cubic"), "kernel"),
        (lambda: mi.hsic_test(jax.random.key(0), np.ones(5), np.ones(5), permutations=1), "perm"),
    ],
)
def test_refusals(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_traced():
    x = jnp.arange(6.0)[:, None]
    found = jax.jit(lambda z, w: mi.renyi_information(z, z, (w, w)).value)(x, 1.0)
    assert np.isfinite(found)


def test_a_test_of_what_is_no_number_has_no_level():
    x, y = np.random.default_rng(0).normal(size=(2, 40)).astype(np.float32)
    x[4] = np.nan
    run = jax.jit(lambda v: mi.hsic_test(jax.random.key(0), v, y, permutations=9))
    assert np.isnan(run(x).p_value) and np.isfinite(run(y).p_value)

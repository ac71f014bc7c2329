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
    table = {
        0.05: (2.72, 2.68),
        0.2: (1.09, 0.92),
        0.5: (0.592, 0.227),
        1.0: (0.385, 0.058),
        3.0: (0.091, 0.0045),
    }
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


@pytest.mark.parametrize("order", [0.3, 0.5, 1, 1.01, 2, 5])
def test_the_cap_holds_at_every_order(x64, order):
    """S(A o B) >= max(S(A), S(B)) by majorisation, for widths from the identity to a constant."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 12, 2))
    for width in (0.05, 0.5, 1.0, 4.0):
        found = mi.renyi_information(x, y, (width, 1.0), order=order)
        assert float(found.value) <= float(found.cap) + 1e-9 <= np.log(12) + 1e-8
    # A permutation of the samples changes nothing, nor does a rotation with a shift.
    turned = x[::-1] @ np.linalg.qr(rng.normal(size=(2, 2)))[0] + 7
    found = mi.renyi_information(turned, y[::-1], (1.0, 1.0), order=order)
    plain = mi.renyi_information(x, y, (1.0, 1.0), order=order)
    np.testing.assert_allclose(found[0], plain[0], rtol=1e-8)


def test_entropy_of_two_points_at_any_order_and_unit():
    """Eigenvalues (1 +- k)/2: in float32, near order 1, at orders and widths far from it."""
    k = np.exp(-0.5)
    v = np.array([1 + k, 1 - k]) / 2
    for unit in (1e-25, 1.0, 1e25):
        pair = np.array([[0.0], [unit]], np.float32)
        for order in (1e-3, 0.5, 1 - 1e-6, 1 + 1e-8, 1.01, 2, 60.0, 5000.0):
            logs = order * np.log(v)
            known = (np.logaddexp(*logs) / (1 - order)) if abs(order - 1) > 1e-3 else -v @ np.log(v)
            found = mi.renyi_entropy(pair, unit, order=order)
            np.testing.assert_allclose(found, known, rtol=2e-5, err_msg=f"{order} {unit}")
    near, far = np.float32([[0.0], [1.0]]), np.float32([[0.0], [1e30]])
    np.testing.assert_allclose(mi.renyi_entropy(near, 1e-30), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(mi.renyi_entropy(far, 1e-30), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(mi.renyi_entropy(near, 1e30), 0, atol=1e-6)
    np.testing.assert_allclose(mi.renyi_entropy(np.ones((60, 2)), 1.0, order=0.5), 0, atol=1e-6)
    for width in (-1.0, 0.0, np.nan):
        assert np.isnan(jax.jit(lambda w: mi.renyi_entropy(near, w))(width))


def test_coinciding_samples_have_a_width_and_an_exact_level():
    """Where most pairs coincide the median distance is 0, which is no width."""
    rare = np.array([0.0] * 6 + [1.0] * 2, np.float32)
    assert float(mi.median_width(rare)) == 0
    explicit = mi.hsic(rare, rare, widths=(1.0, 1.0))
    np.testing.assert_allclose(mi.hsic(rare, rare), explicit, rtol=1e-6)
    np.testing.assert_allclose(mi.hsic(5 * rare, rare), explicit, rtol=1e-6)
    # The odd samples meet in one of 28 permutations, whose statistic is the same.
    level = mi.hsic_test(jax.random.key(0), rare, rare, permutations=199).p_value
    assert 0.012 < float(level) < 0.1
    still = np.ones(8, np.float32)
    assert float(mi.hsic(still, rare)) == pytest.approx(0, abs=1e-6)
    assert float(mi.hsic_test(jax.random.key(0), still, rare, permutations=19).p_value) == 1
    # No direction to align with: no number, where one used to be made of rounding.
    assert np.isnan(mi.cka(still, rare)) and np.isnan(mi.cka(np.eye(8, dtype=np.float32), rare))
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    plain = mi.cka(x, x[:, :2])
    for unit in (1e-25, 1e25):
        np.testing.assert_allclose(mi.cka(np.float32(unit) * x, x[:, :2]), plain, rtol=1e-5)


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
    # The biased alignment is refused for so few samples; it is this combination of criteria.
    size = [mi.hsic(z, z, unbiased=False, **linear) for z in (TOY_X, TOY_Y)]
    np.testing.assert_allclose(biased / np.sqrt(size[0] * size[1]), 0.163379868, atol=1e-9)


@pytest.mark.parametrize(
    "rho,value", [(0.5, 0.0107633201), (0.8, 0.0356740726), (0.9, 0.0511434422)]
)
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
        (lambda: mi.renyi_entropy([1.0, 2.0], 1.0, order=np.inf), "order"),
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

"""Networks of finite width at the ends: known limits, degenerate data, what digits cannot hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from ibjax import bounds, infinite

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(7, 3))
KERNEL = INPUTS @ INPUTS.T / 3  # of rank 3
TARGETS = RNG.normal(size=7)


def regression(kernel=KERNEL, y=TARGETS, noise=0.1, widths=4, **options):
    return infinite.finite_width_regression(kernel, y, noise, widths, **options)


def noiseless(width, n, s, layers=1):
    return regression(np.eye(n), np.full(n, s**0.5), 0.0, [width] * layers, linear=True)


def test_table_without_noise(x64):
    """More examples than units, and two layers (Meijer G)."""
    one, two = noiseless(20, 40, 0.5), noiseless(80, 40, 0.5, layers=2)
    np.testing.assert_allclose(one.saddle, 0.6180339887, atol=1e-9)
    np.testing.assert_allclose(one.scale, 0.638026720012, atol=1e-10)
    np.testing.assert_allclose(one.log_evidence, -44.7205164730, atol=1e-9)
    np.testing.assert_allclose(two.saddle, 0.7187824485, atol=1e-9)
    np.testing.assert_allclose(float(two.saddle) ** 0.5, 0.8478103848, atol=1e-9)
    np.testing.assert_allclose(two.scale, 0.726664533974, atol=1e-10)
    assert bool(one.ok) and bool(two.ok)


def test_limits_of_the_saddle_and_the_prior(x64):
    values = 2 / np.arange(1, 21)
    y = np.sqrt(2 * values + 0.1)
    widths = [[1e4], [1e6], [1e8], [np.inf]]
    wide = regression(np.diag(values), y, 0.1, widths, linear=True)
    # To the infinite width like one over the width, from a fixed side.
    off = np.asarray(wide.log_evidence - wide.log_evidence[-1])
    np.testing.assert_allclose(off[:3] * [1e4, 1e6, 1e8], off[0] * 1e4, rtol=2e-3)
    # Few examples a unit: q = 1 - a (1 - s); many: the scale is fitted to the data, q -> s.
    a, s = 1e-4, 0.3
    np.testing.assert_allclose(noiseless(2e5, 20, s).saddle, 1 - a * (1 - s), atol=3 * a**2)
    np.testing.assert_allclose(noiseless(1e-3, 20, s).saddle, s, rtol=1e-4)
    # The scale grows with the size of the targets; information never exceeds infinite width's.
    scales = [float(regression(y=c * TARGETS).scale) for c in (0.1, 0.5, 1.0, 3.0)]
    assert (np.diff(scales) > 0).all()
    # Noise that hides everything: nothing is learnt, and KL is 0, not minus a rounding error.
    silent = regression(noise=1e12, linear=True)
    assert 0 <= float(silent.divergence.value) < 1e-9
    assert float(bounds.pac_bayes_kl(0.1, silent.divergence, 100, delta=0.05).value) > 0


def test_invariances(x64):
    plain = regression(linear=True)
    turned = np.linalg.qr(RNG.normal(size=(7, 7)))[0]
    for kernel, y, noise in (
        (KERNEL[::-1, ::-1], TARGETS[::-1], 0.1),
        (turned @ KERNEL @ turned.T, turned @ TARGETS, 0.1),
        (1e-12 * KERNEL, 1e-6 * TARGETS, 1e-13),
        (1e12 * KERNEL, 1e6 * TARGETS, 1e11),
    ):
        found = regression(kernel, y, noise)
        for name in ("scale", "scale_sd", "saddle", "surprise"):
            np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=1e-9)
        np.testing.assert_allclose(found.divergence.value, plain.divergence.value, rtol=1e-8)
    # A layer of infinite width changes nothing, wherever it stands.
    np.testing.assert_allclose(
        regression(widths=[np.inf, 4]).log_evidence, plain.log_evidence, atol=1e-9
    )


def test_what_the_scale_learns_by_a_double_integral(x64):
    """K = c I: |y|^2 is all the data say of T, and given T it is chi-squared."""
    n, c, noise, width = 2, 100.0, 0.01, 1
    # T = z^2 for one unit, z normal.
    z, weight = np.polynomial.legendre.leggauss(800)
    z, weight = 4.5 * (z + 1), 4.5 * weight
    t, prior = z**2, 2 * stats.norm.pdf(z)
    variance = t * c + noise

    def density(r):
        """Of |y|^2 at every T."""
        return stats.chi2.pdf(r / variance, n) / variance

    def integrand(r):
        each = density(r)
        return weight @ (prior * special.xlogy(each, each / (weight @ (prior * each))))

    def by_log(v):
        return np.exp(v) * integrand(np.exp(v))

    exact = integrate.quad(by_log, -14, 10, limit=200, epsabs=1e-8)[0]
    found = infinite.scale_information(
        jax.random.key(0), c * np.eye(n), noise, width, draws=96, nodes=129
    )
    assert abs(float(found.value) - exact) < 4 * float(found.std_error) < 0.6 * exact


def test_degenerate_data(x64):
    """One example, twins, a kernel of zero and targets of zero have numbers by hand."""
    nothing = regression(np.zeros((7, 7)), linear=True)
    known = stats.norm.logpdf(TARGETS, scale=0.1**0.5).sum()
    np.testing.assert_allclose(nothing.log_evidence, known, rtol=1e-12)
    np.testing.assert_allclose([nothing.scale, nothing.divergence.value], [1, 0], atol=1e-12)
    np.testing.assert_allclose(nothing.surprise, np.mean(TARGETS**2) / 0.1, rtol=1e-12)
    # Twins of seven equal examples are one example with a seventh of the noise.
    twins = regression(np.full((7, 7), 2.0), np.full(7, 1.5), linear=True)
    single = regression([[2.0]], [1.5], 0.1 / 7, linear=True)
    for name in ("scale", "saddle"):
        np.testing.assert_allclose(getattr(twins, name), getattr(single, name), rtol=1e-9)
    np.testing.assert_allclose(twins.divergence.value, single.divergence.value, rtol=1e-8)
    still = regression(y=np.zeros(7))
    assert bool(still.ok) and float(still.surprise) == 0 and float(still.scale) < 1


@pytest.mark.parametrize(
    "change",
    [
        dict(y=1e6 * TARGETS),
        dict(y=1e12 * TARGETS),
        dict(noise=1e-12),
        dict(kernel=1e30 * KERNEL),
        dict(y=np.zeros(7), noise=1e-10),
    ],
)
def test_single_precision_knows_what_it_cannot_hold(change):
    """A divergence of zero, or off by millions, was once certified here."""
    found = regression(**change, linear=True)
    assert not bool(found.ok) and not bool(found.divergence.ok)
    assert not np.isfinite(bounds.pac_bayes_kl(0.1, found.divergence, 1000, delta=0.05).value)


def test_single_precision_holds_the_rest():
    found = regression(widths=[[4.0], [np.inf]], linear=True)
    np.testing.assert_allclose(found.divergence.value[0], 2.09912334, rtol=1e-4)
    assert bool(found.ok.all())
    share = infinite.scale_information(jax.random.key(0), KERNEL, 0.1, np.inf, draws=4)
    np.testing.assert_allclose(share.value, 0, atol=1e-3)
    # Directions without kernel are rounding, which noise as small as it does not drown.
    for limit in infinite.finite_width_information(KERNEL, 1e-9, 4):
        assert not bool(limit.ok)
    for limit in infinite.finite_width_information(KERNEL, 0.1, 4):
        assert bool(limit.ok)


@pytest.mark.parametrize(
    "change,word",
    [
        (dict(kernel=KERNEL + np.triu(np.ones((7, 7)))), "transpose"),
        (dict(test_train=30 * KERNEL[:1], test=KERNEL[0, :1]), "one kernel"),
        (dict(test_train=KERNEL[:1], test=[-1.0]), "one kernel"),
    ],
)
def test_refusals(change, word):
    with pytest.raises(ValueError, match=word):
        regression(**change)


def test_what_is_wrong_inside_jit_is_no_number():
    own = np.diag(KERNEL)[:2]

    @jax.jit
    def everything(kernel, y, noise, width, cross, test, labels):
        args = (kernel, y, noise, width, cross, test)
        found = infinite.finite_width_regression(*args, linear=True)
        error = infinite.finite_width_error(*args, labels, linear=True)
        limits = infinite.finite_width_information(kernel, noise, width)
        return found, error, limits

    good = dict(kernel=KERNEL, y=TARGETS, noise=0.1, width=4.0, cross=KERNEL[:2], test=own)
    good = {k: jnp.asarray(v, jnp.float32) for k, v in (good | {"labels": np.ones(2)}).items()}
    found, error, limits = everything(**good)
    assert bool(found.ok) and bool(error.ok.all()) and all(bool(part.ok) for part in limits)
    bad = {
        "kernel": (-good["kernel"], good["kernel"] * jnp.nan),
        "y": (good["y"] * jnp.nan,),
        "noise": (-0.1, 0.0, jnp.nan),
        "width": (-4.0, 0.0, jnp.nan),
        "cross": (30 * good["cross"], good["cross"] * jnp.nan),
        "test": (-good["test"], good["test"] * jnp.nan),
        "labels": (jnp.full(2, 3.0),),
    }
    for name, values in bad.items():
        for value in values:
            found, error, limits = everything(**good | {name: jnp.asarray(value, jnp.float32)})
            assert not bool(error.ok.any()) and np.isnan(error.value).all(), name
            if name != "labels":
                assert not bool(found.ok), name
            if name in ("kernel", "noise"):
                assert not any(bool(part.ok) for part in limits), name
                assert np.isnan([float(part.value) for part in limits]).all(), name

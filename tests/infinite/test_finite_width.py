"""Networks of finite width: closed forms, sampled networks, limits, and the bound they feed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ibjax import bounds, infinite
from ibjax.infinite import scale_law

VALUES = 2 / np.arange(1, 21)
TARGETS = np.sqrt(2 * VALUES + 0.1)
WIDTHS = np.array([1, 5, 10, 20, 40, 80, 1e6, np.inf])[:, None]


def spectrum(widths=WIDTHS, **options):
    """A diagonal kernel, noise 0.1, one test input along all of its directions."""
    cross = 0.3 * VALUES[None]
    return infinite.finite_width_regression(
        np.diag(VALUES), TARGETS, 0.1, widths, cross, np.ones((1, 1)), **options
    )


def noiseless(width, n, s, layers=1):
    return infinite.finite_width_regression(
        np.eye(n), np.full(n, s**0.5), 0.0, [width] * layers, linear=True
    )


def generalised_inverse_gaussian(width, n, s):
    """ln p(y) and E[t given y] of one layer without noise, K = I, by Bessel functions."""
    order, z = (width - n) / 2, np.sqrt(width * n * s)
    log_k = np.log(special.kve(order, z)) - z
    value = -n / 2 * np.log(2 * np.pi) + width / 2 * np.log(width / 2) - special.gammaln(width / 2)
    value += np.log(2) + order / 2 * np.log(n * s / width) + log_k
    ratio = special.kve(order + 1, z) / special.kve(order, z)
    return value, np.sqrt(n * s / width) * ratio


@pytest.mark.parametrize("width,s,saddle", [(40, 0.45, 0.7861902647), (20, 2.56, None), (7, 1, 1)])
def test_without_noise_is_a_bessel_function(x64, width, s, saddle):
    known = generalised_inverse_gaussian(40, 10, 1.05)
    np.testing.assert_allclose(known, [-14.5638668925, 1.018116273970], atol=1e-10)
    found = noiseless(width, 20, s)
    evidence, scale = generalised_inverse_gaussian(width, 20, s)
    np.testing.assert_allclose(found.log_evidence, evidence, rtol=1e-11)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-10)
    np.testing.assert_allclose(found.surprise, s, rtol=1e-12)
    a = 20 / width
    root = ((1 - a) + np.sqrt((1 - a) ** 2 + 4 * a * s)) / 2
    np.testing.assert_allclose(found.saddle, root, rtol=1e-9)
    if saddle is not None:
        np.testing.assert_allclose(found.saddle, saddle, atol=1e-9)
    assert found.kind == "exact" and bool(found.ok)
    # Without noise the posterior is singular: its divergence is infinite and says so.
    assert float(found.divergence.value) == np.inf and not bool(found.divergence.ok)


def test_known_values_and_the_error_of_the_saddle_is_one_over_the_width(x64):
    small, large = noiseless(100, 50, 2), noiseless(400, 200, 2)
    np.testing.assert_allclose(small.log_evidence, -93.2023920525, atol=2e-9)
    np.testing.assert_allclose(small.scale, 1.285474270590, atol=1e-10)
    np.testing.assert_allclose(large.log_evidence, -371.714042663, atol=2e-9)
    np.testing.assert_allclose(large.scale, 1.281952374060, atol=1e-10)
    errors = [float(f.scale - f.saddle) for f in (small, large)]
    assert 3.9 < errors[0] / errors[1] < 4.1


def test_two_layers(x64):
    found = noiseless(40, 20, 2, layers=2)
    np.testing.assert_allclose(found.scale, 1.45620925682, atol=1e-10)  # Meijer G
    np.testing.assert_allclose(found.saddle, 1.1974293369**2, atol=1e-8)
    t, a = float(found.saddle) ** 0.5, 0.5
    np.testing.assert_allclose(t**3 - (1 - a) * t**2 - a * 2, 0, atol=1e-8)


def test_finite_temperature(x64):
    found = spectrum(linear=True)
    table = np.array(
        [
            [-24.9848150893, 2.0144670789, np.nan, np.nan],
            [-24.5981393500, 1.6545647473, np.nan, np.nan],
            [-24.61653108, 1.47108502, 18.38847021, 1.44330808],
            [-24.69762392, 1.30901545, 18.18280177, 1.29697664],
            [-24.79310539, 1.18603605, 18.00087113, 1.18156422],
            [-24.87089489, 1.10446290, 17.85871581, 1.10301252],
            [-24.9856456443, 1.0000096322, np.nan, np.nan],
            [-24.98565695, 1, 17.64084722, 1],
        ]
    )
    ours = np.stack([found.log_evidence, found.scale, found.divergence.value, found.saddle], 1)
    known = np.isfinite(table)
    np.testing.assert_allclose(ours[known], table[known], atol=6e-9)
    np.testing.assert_allclose(
        found.mean[[3, 5, 7], 0], [3.8495590, 3.7284742, 3.6549004], atol=6e-8
    )
    np.testing.assert_allclose(
        found.var[[3, 5, 7], 0], [0.6237464, 0.5288158, 0.4749515], atol=6e-8
    )
    np.testing.assert_allclose(found.cov[:, 0, 0], found.var[:, 0], rtol=1e-12)
    assert found.divergence.exact and bool(found.ok.all())
    np.testing.assert_allclose(found.weights.sum(-1), 1, rtol=1e-12)


def test_saddle_as_cross_check(x64):
    found = spectrum(exact=False, linear=True)
    laplace = [-24.61730949, -24.69887824, -24.79449824, -24.87203346]
    np.testing.assert_allclose(found.log_evidence[2:6], laplace, atol=6e-9)
    np.testing.assert_allclose(found.mean[[3, 5], 0], [3.8703379, 3.7387016], atol=6e-8)
    np.testing.assert_allclose(found.var[[3, 5], 0], [0.5885576, 0.5147185], atol=6e-8)
    # An approximation is no certificate, of a linear network either.
    assert found.kind == "estimate" and not found.divergence.exact
    assert np.isnan(found.divergence.std_error).all()


def test_infinite_width_is_nngp_regression(x64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 4))
    kernel, y = x @ x.T / 4, rng.normal(size=6)
    blocks = kernel[:6, :6], kernel[6:, :6], kernel[6:, 6:]
    law = infinite.nngp_regression(blocks[0], y, blocks[1], blocks[2], 0.3)
    for widths in ([np.inf], [1e9]):
        found = infinite.finite_width_regression(blocks[0], y, 0.3, widths, *blocks[1:])
        np.testing.assert_allclose(found.mean, law.mean[:, 0], rtol=1e-6)
        np.testing.assert_allclose(found.cov, law.cov, rtol=1e-6, atol=1e-9)


def test_against_sampled_networks(x64):
    """Evidence, mean, variance and KL of a linear network with two hidden layers, by weights."""
    rng = np.random.default_rng(1)
    n, d, widths, noise, draws = 3, 2, (2, 3), 0.5, 400_000
    x = rng.normal(size=(n + 1, d))
    y = np.array([0.8, -0.5, 1.5])
    hidden = np.einsum("sij,nj->sni", rng.normal(size=(draws, 2, d)), x) / d**0.5
    hidden = np.einsum("sij,snj->sni", rng.normal(size=(draws, 3, 2)), hidden) / 2**0.5
    f = np.einsum("sj,snj->sn", rng.normal(size=(draws, 3)), hidden) / 3**0.5
    log_like = -0.5 * ((f[:, :n] - y) ** 2 / noise + np.log(2 * np.pi * noise)).sum(1)
    evidence = special.logsumexp(log_like) - np.log(draws)
    weights = np.exp(log_like - log_like.max())
    weights /= weights.sum()
    mean = weights @ f[:, n]
    var = weights @ (f[:, n] - mean) ** 2
    kernel = x @ x.T / d
    found = infinite.finite_width_regression(
        kernel[:n, :n], y, noise, widths, kernel[n:, :n], np.diag(kernel)[n:], linear=True
    )
    np.testing.assert_allclose(found.log_evidence, evidence, atol=0.02)
    np.testing.assert_allclose(found.mean[0], mean, atol=0.02)
    np.testing.assert_allclose(found.var[0], var, rtol=0.05)
    np.testing.assert_allclose(found.divergence.value, weights @ log_like - evidence, atol=0.03)
    error = infinite.finite_width_error(
        kernel[:n, :n], y, noise, widths, kernel[n:, :n], np.diag(kernel)[n:], [1.0], linear=True
    )
    np.testing.assert_allclose(error.value[0], weights @ (f[:, n] < 0), atol=0.01)
    assert error.exact


def test_error_of_a_draw(x64):
    args = np.diag(VALUES), TARGETS, 0.1, 20, 0.3 * VALUES[None], np.ones(1)
    np.testing.assert_allclose(infinite.finite_width_error(*args, [1]).value, 4.7e-7, rtol=0.01)
    still = infinite.finite_width_error(np.eye(2), [1.0, 0], 0.0, 5, np.eye(2), np.ones(2), [-1, 1])
    np.testing.assert_allclose(still.value, [1, 0.5])


@pytest.mark.parametrize("widths", [(1, 1), (2, 60), (1, 3), (2000, 2000)])
def test_density_of_the_product_of_two_scales(x64, widths):
    u = np.array([-20.0, -5.0, -1.0, 0.0, 0.7, 2.0])
    a, b = np.array(widths) / 2
    x = 2 * np.sqrt(a * b * np.exp(u))
    known = np.log(2) + (a + b) / 2 * (np.log(a * b) + u) + np.log(special.kve(a - b, x)) - x
    known -= special.gammaln(a) + special.gammaln(b)
    found = scale_law.log_density(jnp.asarray(u), jnp.asarray(widths, float))
    np.testing.assert_allclose(found, known, rtol=1e-12, atol=1e-8)
    grid = scale_law.cover(jnp.zeros_like, jnp.zeros_like, jnp.asarray(widths, float), 513)
    t = np.exp(grid.nodes)
    np.testing.assert_allclose(grid.log_integral(), 0, atol=1e-12)
    np.testing.assert_allclose(grid.weights() @ t, 1, rtol=1e-12)
    np.testing.assert_allclose(grid.weights() @ t**2, (1 + 1 / a) * (1 + 1 / b), rtol=1e-12)


def test_two_peaks_are_both_kept(x64):
    """Directions that want a large scale and ones that want a small one: by a dense grid."""
    values = np.array([1.0] * 12 + [1e-6] * 8)
    y = np.concatenate([np.full(12, 1e-3), np.full(8, 2.0)])
    found = infinite.finite_width_regression(np.diag(values), y, 1e-5, 2, linear=True)
    u = np.linspace(-40, 25, 60_001)
    v = np.exp(u)[:, None] * values + 1e-5
    log = u - np.exp(u) - 0.5 * (np.log(2 * np.pi * v) + y**2 / v).sum(1)
    np.testing.assert_allclose(
        found.log_evidence, special.logsumexp(log) + np.log(u[1] - u[0]), rtol=1e-10
    )
    assert bool(found.ok)


def test_matched_data_leave_the_saddle_at_one(x64):
    """Surprise 1 is no effect of the width at leading order; below and above bend oppositely."""
    widths = np.array([[10.0], [40.0], [160.0]])
    for s in (0.5, 1.0, 2.0):
        y = np.sqrt(s * (VALUES + 0.1))
        found = infinite.finite_width_regression(np.diag(VALUES), y, 0.1, widths)
        np.testing.assert_allclose(found.surprise, s, rtol=1e-12)
        np.testing.assert_allclose(np.sign(np.round(found.saddle - 1, 9)), np.sign(s - 1))


def test_information(x64):
    found = infinite.finite_width_information(np.diag(VALUES), 0.1, [[5], [20], [80]])
    np.testing.assert_allclose(found.lower.value, [11.9226104, 12.58743932, 12.76471662], atol=6e-8)
    np.testing.assert_allclose(found.upper.value, 12.82470340, atol=6e-9)
    assert found.lower.exact and found.upper.exact and found.upper.bias == "up"
    share = infinite.scale_information(jax.random.key(0), np.diag(VALUES), 0.1, 5, draws=300)
    assert abs(float(share.value) - 0.5135) < 4 * float(share.std_error)
    assert found.lower.value[0] + share.value < found.upper.value[0]
    single = infinite.finite_width_information(np.diag(VALUES), 0.1, 5, linear=False)
    assert not single.lower.exact and single.upper.exact
    deep = infinite.finite_width_information(np.diag(VALUES), 0.1, [5, 5], linear=False)
    assert not deep.lower.exact and not deep.upper.exact


def test_the_divergence_feeds_a_certificate_only_where_it_is_exact(x64):
    for linear, kind in ((True, "certificate"), (False, "estimate")):
        found = spectrum([20], linear=linear)
        bound = bounds.pac_bayes_kl(0.1, found.divergence, 1000, delta=0.05)
        assert bound.kind == kind
        known = bounds.pac_bayes_kl(0.1, 18.1828017737, 1000, delta=0.05)
        np.testing.assert_allclose(bound.value, known.value, rtol=1e-9)
    assert spectrum([20]).kind == "estimate" and "not" in spectrum([20]).note


def test_divergence_by_thermodynamic_integration(x64):
    """KL = int_0^beta E_s U ds - beta E_beta U, U the energy, on a fine grid of temperatures."""
    beta = np.concatenate([[0.0], np.geomspace(1e-4, 10, 150)])  # noise = 1/beta

    def energy(b):
        if b == 0:  # under the prior: |y|^2 + E|f|^2
            return ((TARGETS**2).sum() + VALUES.sum()) / 2
        found = infinite.finite_width_regression(np.diag(VALUES), TARGETS, 1 / b, 20, linear=True)
        fit = float(found.divergence.value + found.log_evidence)
        return -(fit + 10 * np.log(2 * np.pi / b)) / b

    losses = np.array([energy(b) for b in beta])
    area = np.sum(np.diff(beta) * (losses[1:] + losses[:-1]) / 2)
    np.testing.assert_allclose(area - 10 * losses[-1], 18.18280177, atol=0.05)
    upper = bounds.thermodynamic(losses, beta, 20).information
    assert upper > 18.18280177


def test_single_precision_and_traced_noise():
    found = spectrum([20], linear=True)
    assert found.scale.dtype == jnp.float32
    np.testing.assert_allclose(found.scale, 1.30901545, rtol=1e-3)
    np.testing.assert_allclose(found.log_evidence, -24.69762392, rtol=1e-3)
    kernel, y = np.diag(VALUES), TARGETS

    @jax.jit
    def evidence(noise):
        return infinite.finite_width_regression(kernel, y, noise, 20).log_evidence

    np.testing.assert_allclose(evidence(0.1), -24.69762392, rtol=1e-3)


@pytest.mark.parametrize(
    "change,word",
    [
        (dict(train=np.ones((2, 3))), "train"),
        (dict(train=-np.eye(2)), "train"),
        (dict(y=[1.0, 2, 3]), "y"),
        (dict(y=np.ones((2, 2))), "outputs"),
        (dict(noise=-1.0), "noise"),
        (dict(noise=[0.1, 0.2]), "noise"),
        (dict(noise=0.0, train=np.ones((2, 2))), "noise"),
        (dict(widths=0), "widths"),
        (dict(widths=[]), "widths"),
        (dict(widths="ten"), "widths"),
        (dict(test_train=np.ones((1, 2))), "test"),
        (dict(test_train=np.ones((1, 3)), test=np.ones(1)), "test_train"),
    ],
)
def test_refusals(change, word):
    call = dict(train=np.eye(2), y=[1.0, 2.0], noise=0.1, widths=4) | change
    with pytest.raises(ValueError, match=word):
        infinite.finite_width_regression(**call)


def test_more_refusals():
    with pytest.raises(ValueError, match="noise"):
        infinite.finite_width_information(np.eye(2), 0.0, 3)
    with pytest.raises(ValueError, match="widths"):
        infinite.scale_information(jax.random.key(0), np.eye(2), 0.1, [[3], [4]])
    with pytest.raises(ValueError, match="labels"):
        infinite.finite_width_error(np.eye(2), [1, 2], 0.1, 3, np.eye(2)[:1], np.ones(1), [0])


def test_nonlinear_variance_is_better_than_at_infinite_width(x64):
    """One hidden layer of erf units, its exact posterior by sampling the hidden weights."""
    rng = np.random.default_rng(4)
    n, d, width, noise, draws = 6, 12, 20, 0.1, 20_000
    x = rng.normal(size=(n + 1, d))
    kernel = np.asarray(infinite.mlp_kernels(x, depth=2, activation="erf", w_std=1.0, b_std=0).nngp)
    train, cross, own = kernel[:n, :n], kernel[n:, :n], kernel[n:, n:]
    y = rng.normal(size=n)
    y *= np.sqrt(2.56 * n / (y @ np.linalg.solve(train, y)))
    inner = np.einsum("skd,nd->snk", rng.normal(size=(draws, width, d)), x) / d**0.5
    hidden = special.erf(inner)
    full = np.einsum("snk,smk->snm", hidden, hidden) / width
    total = full[:, :n, :n] + noise * np.eye(n)
    gain = np.linalg.solve(total, full[:, :n, n:])[..., 0]
    mean = gain @ y
    var = full[:, n, n] - np.einsum("sn,sn->s", gain, full[:, :n, n])
    quadratic = np.einsum(
        "n,sn->s", y, np.linalg.solve(total, np.tile(y[:, None], (draws, 1, 1)))[..., 0]
    )
    log = -0.5 * (quadratic + np.linalg.slogdet(total)[1])
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    centre = weights @ mean
    exact = weights @ (var + (mean - centre) ** 2)
    found = infinite.finite_width_regression(train, y, noise, width, cross, own)
    law = infinite.nngp_regression(train, y, cross, own, noise)
    np.testing.assert_allclose(found.var[0], exact, rtol=0.05)
    assert abs(float(found.var[0]) - exact) < abs(float(law.cov[0, 0]) - exact) / 2


def test_one_posterior_is_no_mean_over_samples(x64):
    """In expectation over samples the divergence of one of them is a single draw."""
    found = spectrum([20], linear=True)
    assert bounds.pac_bayes_kl(0.1, found.divergence, 1000).kind == "estimate"

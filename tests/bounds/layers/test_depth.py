"""The depth bound against exact models: where it is attained, where it fails, where it holds."""

import itertools

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ibjax import contraction
from ibjax.bounds.layers.depth import depth, sample_complexity
from ibjax.bounds.layers.label_term import label_deviation
from ibjax.bounds.layers.last_layer import last_layer
from ibjax.interface import Contraction, Estimate


def hb(p):
    return -sum(x * np.log(x) for x in (p, 1 - p) if x > 0)


def sign_information(c):
    """Log 2 - E h_b(Phi(c Z)) for standard normal Z."""
    return (
        np.log(2)
        - quad(lambda z: norm.pdf(z) * hb(norm.cdf(c * z)), -12, 12, epsabs=1e-13, limit=200)[0]
    )


def bsc(d):
    return np.array([[1 - d, d], [d, 1 - d]])


def published(info, etas, n, sigma):
    return float(depth(info, etas, n, sigma, variant="published").value)


@pytest.mark.parametrize(
    ("n", "gap", "total", "single", "individual"),
    [
        (2, 0.5641895835, 0.8325546112, 0.1931471806, 0.6215258330),
        (5, 0.3568248232, 0.5265537695, 0.0681434951, 0.3691706788),
        (20, 0.1784124116, 0.2632768848, 0.0161748515, 0.1798602317),
        (100, 0.0797884561, 0.1177410023, 0.0031932782, 0.0799159337),
    ],
)
def test_the_sign_learner_without_layers(x64, n, gap, total, single, individual):
    info = sign_information(1 / np.sqrt(n - 1))
    assert info == pytest.approx(single, abs=6e-11)
    assert np.sqrt(2 / (np.pi * n)) == pytest.approx(gap, abs=6e-11)
    assert published(np.log(2), (), n, 1.0) == pytest.approx(total, abs=6e-11)
    got = depth(n * info, (), n, 1.0, label_information=0.0)
    assert got.value == pytest.approx(individual, abs=6e-11)
    assert gap < got.value and got.kind == "certificate"


@pytest.mark.parametrize(
    ("rho", "layers", "gap", "bound", "kept", "single"),
    [
        (0.8, 1, 0.1427299293, 0.2106215078, 0.0102912386, 0.1438881854),
        (0.8, 3, 0.0913471547, 0.1347977650, 0.0041896648, 0.0920884386),
        (0.5, 4, 0.0111507757, 0.0164548053, 6.217376509e-05, 0.0112412645),
    ],
)
def test_the_exponential_factor_is_attained(x64, rho, layers, gap, bound, kept, single):
    n, r = 20, rho**layers
    etas = np.full(layers, rho**2)
    got = published(np.log(2), etas, n, 1.0)
    assert got == pytest.approx(bound, abs=6e-11)
    assert r * np.sqrt(2 / (np.pi * n)) / got == pytest.approx(0.6776607516, abs=6e-11)
    info = sign_information(1 / np.sqrt(n - 1))
    certified = depth(n * info, etas, n, 1.0, label_information=0.0).value
    assert certified == pytest.approx(single, abs=6e-11)
    assert sign_information(r / np.sqrt(n - r * r)) == pytest.approx(kept, abs=6e-11)
    assert gap < np.sqrt(2 * kept) < certified


def test_a_discrete_pipeline_by_enumeration(x64):
    """Majority vote on three noisy copies; hidden layers are binary symmetric channels."""
    n, total = 3, hb(0.896)
    known = [
        (0.16, 0.2624, 0.0687450583, 0.1853982987),
        (0.228, 0.30992, 0.0404299335, 0.1483186389),
        (0.2824, 0.347936, 0.0247187385, 0.1186549112),
        (0.32592, 0.3783488, 0.0154034489, 0.0949239289),
    ]
    start = None
    for layers, (train, test, info, bound) in enumerate(known):
        flip = (1 - 0.8**layers) / 2
        joint = np.zeros((2, 2, 2))  # w, t_1, y_1
        for x in itertools.product((1, -1), repeat=3):
            for f in itertools.product((1, -1), repeat=3):
                p = 0.125 * np.prod([0.8 if v == 1 else 0.2 for v in f])
                w = int(sum(f) > 0)
                y = int(x[0] * f[0] > 0)
                t = int(x[0] > 0)
                joint[w, t, y] += p * (1 - flip)
                joint[w, 1 - t, y] += p * flip
        w, t, y = np.indices((2, 2, 2))
        wrong = (2 * w - 1) * (2 * t - 1) != 2 * y - 1
        fresh = joint.sum((1, 2))[:, None, None] * joint.sum(0)
        assert joint[wrong].sum() == pytest.approx(train, abs=1e-12)
        assert fresh[wrong].sum() == pytest.approx(test, abs=1e-12)
        exact = np.sum(joint * np.log(joint / fresh))
        assert exact == pytest.approx(info, abs=6e-11)
        start = exact if layers == 0 else start
        etas = [contraction.kl(bsc(0.1))] * layers
        got = depth(n * start, etas, n, 0.5, label_information=0.0)
        assert got.value == pytest.approx(bound, abs=6e-11)
        assert test - train < np.sqrt(exact / 2) <= got.value + 1e-15
        if layers:
            literal = {1: 0.188689, 2: 0.150951, 3: 0.120761}[layers]
            assert published(total, etas, n, 0.5) == pytest.approx(literal, abs=6e-7)


def test_a_frozen_head_breaks_the_published_last_layer_form(x64):
    """U = sign(sum Z), T = U Z, constant head: the head knows nothing, yet there is a gap."""
    gap = np.sqrt(2 / (np.pi * 20))
    assert gap == pytest.approx(0.1784124116, abs=6e-11)
    assert last_layer(0.0, 20, 1.0, frozen=True).value < gap
    repaired = last_layer(0.0, 20, 1.0, hidden_information=np.log(2)).value
    assert repaired == pytest.approx(0.2632768848, abs=6e-11)
    with pytest.raises(ValueError, match="frozen"):
        last_layer(0.0, 20, 1.0)
    with pytest.raises(ValueError, match="frozen"):
        last_layer(0.0, 20, 1.0, hidden_information=1.0, frozen=True)


@pytest.mark.parametrize(
    ("rho", "info", "naive"),
    [
        (0.1, 0.0031932782, 0.0017869746),
        (0.3, 0.0295048160, 0.0162955007),
        (0.5, 0.0867788622, 0.0465775864),
        (0.8, 0.2665813762, 0.1306185595),
    ],
)
def test_the_noise_of_training_breaks_the_published_form(x64, rho, info, naive):
    """The head is trained on the noisy features: only fresh noise contracts."""
    gap = np.sqrt(2 / (np.pi * 20))
    assert sign_information(rho / np.sqrt(1 - rho**2)) == pytest.approx(info, abs=6e-11)
    got = depth(info, [rho**2], 20, 1.0, variant="published")
    assert got.value == pytest.approx(naive, abs=6e-11)
    assert rho**2 * gap < got.value < gap
    assert got.kind == "diagnostic" and "no certificate" in got.note
    assert "fresh_layer_noise" in got.assumptions


def test_the_range_of_the_loss_is_not_twice_sigma_where_that_is_small(x64):
    """Labels -1, 0, 1, the outer ones rare; loss w y, and W the sign of their sum."""
    n, rare = 5, 1e-6
    t = np.linspace(0.1, 60, 6000)
    sigma = np.sqrt(np.max(2 * np.log1p(2 * rare * (np.cosh(t) - 1)) / t**2))
    law = [rare, 1 - 2 * rare, rare]
    away = float(label_deviation(law, n))
    gap = 2 * n * rare / n * (1 - 1e-4)  # one outer label among n: anything else is rarer
    told = 2 * n * rare * np.log(1 / rare)
    got = depth(told, [0.0], n, sigma, label_deviation=away)
    assert got.value < gap and "label_range" in got.assumptions
    assert depth(told, [0.0], n, sigma, label_deviation=away, loss_range=2.0).value > gap
    assert "label_range" not in depth(told, [0.0], n, sigma, label_information=told).assumptions


def test_sigma_is_that_of_one_draw_of_the_noise(x64):
    """X a fair sign, T a noisy copy, loss -w T/(1 - 2 d) whose mean over T is -w X, and W = X_1."""
    d, info = 0.25, np.log(2)
    etas = [contraction.kl(bsc(d))]
    assert depth(info, etas, 1, 1 / (1 - 2 * d), label_information=0.0).value >= 1
    assert depth(info, etas, 1, 1.0, label_information=0.0).value < 1  # of the mean over draws


def test_labels_bypass_the_layers(x64):
    """W = sign(sum Y) and the inputs play no part: contracting the label term is wrong."""
    n, gap = 5, 0.375
    info = np.log(2) - hb(0.6875)
    assert info == pytest.approx(0.0720608060, abs=6e-11)
    assert published(np.log(2), [0.25], n, 1.0) < gap
    certified = depth(np.log(2), [0.25], n, 1.0, label_information=n * info)
    assert certified.value > gap
    by_classes = depth(np.log(2), [0.0], n, 1.0, num_classes=2)
    assert by_classes.value == pytest.approx(0.4472135955, abs=6e-11)
    both = depth(np.log(2), [0.0], n, 1.0, label_information=n * info, num_classes=2)
    assert both.value == pytest.approx(0.3796335233, abs=6e-11)
    with pytest.raises(ValueError, match="labels bypass"):
        depth(np.log(2), [0.25], n, 1.0)


def test_joint_uses_keep_more_than_one_use_does(x64):
    """Hidden weights that depend on the sample make the features three looks at one bit."""
    look = bsc(0.1)
    joint = 0.5 * np.stack([np.einsum("a,b,c->abc", *[look[b]] * 3).ravel() for b in (0, 1)])
    kept = np.sum(joint * np.log(joint / (0.5 * joint.sum(0))))
    one = contraction.kl(look)
    assert kept == pytest.approx(0.5977824185, abs=6e-11)
    assert kept > float(one.value) * np.log(2)
    assert contraction.nfold(one, 3).value * np.log(2) == pytest.approx(0.6608077057, abs=6e-11)
    exact = contraction.kl(np.kron(look, np.kron(look, look))).value * np.log(2)
    assert exact == pytest.approx(0.6230044840, abs=6e-11)
    assert kept < exact


def test_a_certificate_refuses_coefficients_that_support_none(x64):
    local = contraction.chi2([0.5, 0.5], bsc(0.1))
    guess = Contraction(np.float64(0.5), np.log(0.5), "estimate", "channel", "correlation")
    low = Contraction(np.float64(0.5), np.log(0.5), "lower", "channel", "probe")
    for c, words in ((local, "scope"), (guess, "estimate"), (low, "lower")):
        for etas in (c, [contraction.kl(bsc(0.1)), c]):
            with pytest.raises(ValueError, match=words):
                depth(1.0, etas, 10, 0.5, num_classes=2)
        assert depth(1.0, c, 10, 0.5, variant="published").kind == "diagnostic"


def test_the_ways_to_give_coefficients_agree(x64):
    one = contraction.gaussian_noise(2.0, 1.0)
    stacked = contraction.gaussian_noise(np.full(3, 2.0), 1.0)
    value = float(one.value)
    ways = (
        [one] * 3,
        stacked,
        [value] * 3,
        np.full(3, value),
        value**3,
        contraction.compose([one] * 3),
    )
    got = [float(depth(2.0, w, 10, 0.5, num_classes=3).value) for w in ways]
    np.testing.assert_allclose(got, got[0], rtol=1e-13)
    eta, away = value**3, 0.5 * np.sqrt(0.2)
    joint = (1 - eta) * away + np.sqrt(eta * 0.1 - eta * (1 - eta) * away**2)
    assert got[0] == pytest.approx(joint)
    with pytest.raises(ValueError, match="mixes"):
        depth(1.0, [one, 0.5], 10, 0.5, num_classes=2)


def test_extremes(x64):
    ones = depth(3.0, contraction.gaussian_noise(np.full(4, 200.0), 1.0), 10, 0.5, num_classes=2)
    assert ones.value == pytest.approx(np.sqrt(0.15))
    through = depth(np.inf, [0.0, 0.5], 10, 0.5, num_classes=2)
    assert through.value == pytest.approx(0.5 * np.sqrt(0.1))
    infinite = depth(np.inf, [0.5], 10, 0.5, num_classes=2)
    assert infinite.value == np.inf and bool(infinite.vacuous)
    assert not bool(depth(1e-3, [0.5], 10, 0.5, num_classes=2).vacuous)
    wide = depth(9.0, [0.5], 10, 0.5, num_classes=2, loss_range=4.0)
    assert wide.value == pytest.approx(np.sqrt(0.1) + np.sqrt(0.225 - 0.1))
    narrow = depth(1.0, [0.5], 10, 0.5, num_classes=2, loss_range=4.0)
    assert narrow.value == pytest.approx(np.sqrt(0.05))
    estimate = depth(Estimate(np.float64(1.0), np.float64(0.1)), [0.5], 10, 0.5, num_classes=2)
    assert estimate.kind == "estimate"
    assert estimate.std_error == pytest.approx(0.1 * 0.05 * 0.25 / np.sqrt(0.025 - 0.025 / 4))
    assert (estimate.name, ones.name) == ("depth", "depth")


def test_jit_vmap_and_gradient(x64):
    def f(info, etas, n, sigma):
        return depth(info, etas, n, sigma, label_information=0.1, num_classes=2).value

    args = (1.0, np.array([0.5, 0.9]), 10.0, 0.5)
    assert jax.jit(f)(*args) == pytest.approx(float(f(*args)), rel=1e-13)
    slopes = jax.jit(jax.grad(f, (0, 2, 3)))(*args)
    compiled = jax.jit(f)
    for slot, slope in zip((0, 2, 3), slopes):
        up, down = list(args), list(args)
        up[slot], down[slot] = args[slot] + 1e-6, args[slot] - 1e-6
        assert slope == pytest.approx(float(compiled(*up) - compiled(*down)) / 2e-6, rel=1e-6)
    eta_slope = jax.jit(jax.grad(f, 1))(*args)
    assert eta_slope[0] / eta_slope[1] == pytest.approx(0.9 / 0.5)
    infos = np.linspace(0, 2, 3)
    batch = jax.vmap(lambda i: f(i, *args[1:]))(infos)
    np.testing.assert_allclose(batch, [f(i, *args[1:]) for i in infos], rtol=1e-13)


def test_a_sweep_compiles_once(x64):
    traces = []

    @jax.jit
    def f(info, etas, n, sigma):
        traces.append(1)
        return depth(info, etas, n, sigma, num_classes=2).value

    for i in range(4):
        f(1.0 + i, np.array([0.5, 0.1 * i]), 10 + i, 0.5 + i)
    assert len(traces) == 1


def test_sample_complexity(x64):
    known = {0: 20000, 2: 9800, 5: 3361.4, 10: 564.95}
    for layers, examples in known.items():
        got = sample_complexity(0.05, 100.0, [0.7] * layers, 0.5, variant="published")
        assert got == pytest.approx(examples, rel=1e-5)
    n = sample_complexity(0.05, 100.0, [0.7], 0.5, label_information=2.0)
    back = depth(100.0, [0.7], round(float(n)), 0.5, label_information=2.0)
    assert back.value == pytest.approx(0.05)
    with pytest.raises(ValueError, match="label"):
        sample_complexity(0.05, 100.0, [0.7], 0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"information": -1.0}, "information"),
        ({"etas": [1.5]}, "etas"),
        ({"etas": [-0.1]}, "etas"),
        ({"n": 0}, "n="),
        ({"sigma": 0.0}, "sigma"),
        ({"variant": "literal"}, "variant"),
        ({"loss_range": -1.0}, "loss_range"),
        ({"label_information": -1.0}, "label_information"),
    ],
)
def test_bad_numbers_are_refused(change, words):
    good = {"information": 1.0, "etas": [0.5], "n": 10, "sigma": 0.5, "num_classes": 2}
    with pytest.raises(ValueError, match=words):
        depth(**{**good, **change})

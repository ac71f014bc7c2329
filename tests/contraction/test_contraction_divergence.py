"""Every coefficient says for which divergence it holds, and every bound asks."""

import numpy as np
import pytest

from ibjax import bounds, contraction
from ibjax.interface import Contraction, LayerFacts

HALF = [[0.8, 0.2], [0.2, 0.8]]


def matrices():
    """Closed forms beside the channels they are about."""
    error, k = 0.3, 3
    wide = np.full((k, k), error / (k - 1)) + (1 - error - error / (k - 1)) * np.eye(k)
    fire = 1 / (1 + np.exp(-1.2))
    units = np.array([[1 - fire, fire], [fire, 1 - fire]])
    return {
        "binary": (contraction.binary(0.1, 0.3), [[0.9, 0.1], [0.3, 0.7]]),
        "symmetric": (contraction.symmetric(error, k), wide),
        "erasure": (contraction.erasure(0.3), [[0.7, 0.0, 0.3], [0.0, 0.7, 0.3]]),
        "z_channel": (contraction.z_channel(0.3), [[1.0, 0.0], [0.3, 0.7]]),
        "randomized": (contraction.randomized_response(1.2), units),
        "unit": (contraction.stochastic_unit(1.2), units),
        "units": (contraction.stochastic_unit(1.2, 2), np.kron(units, units)),
        "subsampling": (contraction.subsampling(0.3), [[0.7, 0.0, 0.3], [0.0, 0.7, 0.3]]),
        "dropout": (contraction.dropout(0.3, 1), [[0.7, 0.0, 0.3], [0.0, 0.7, 0.3]]),
        "uniform": (contraction.uniform_noise([0.6], 1.0), [[0.6, 0.4, 0], [0, 0.4, 0.6]]),
        "kl": (contraction.kl(HALF), HALF),
        "tv": (contraction.tv(HALF), HALF),
        "twice": (contraction.nfold(contraction.tv(HALF), 2), np.kron(HALF, HALF)),
    }


@pytest.mark.parametrize("name", matrices())
def test_a_tag_is_true_of_the_channel(x64, name):
    coefficient, channel = matrices()[name]
    kl, tv = (float(f(channel).value) for f in (contraction.kl, contraction.tv))
    assert float(coefficient.value) >= kl - 1e-9
    if coefficient.divergence == "tv":
        assert float(coefficient.value) >= tv - 1e-9
    else:
        assert coefficient.divergence == "kl" and float(coefficient.value) < tv


def test_the_tags_of_the_others(x64):
    assert contraction.gaussian_noise(1.0, 1.0).divergence == "kl"
    assert contraction.gaussian_noise_tv(1.0, 1.0).divergence == "tv"
    assert contraction.laplace_noise(1.0, 1.0).divergence == "kl"
    assert contraction.poisson(1.0, 2.0).divergence == "kl"
    assert contraction.dropconnect(0.5, 3).divergence == "tv"
    assert contraction.chi2([0.5, 0.5], HALF).divergence == "chi2"
    assert contraction.kl_for_input_upper([0.5, 0.5], HALF).divergence == "kl"
    assert contraction.jointly_gaussian(np.array([[1, 0.5], [0.5, 1]]), 1).divergence == "kl"
    counted = contraction.diagnostics.from_counts([[50, 10], [10, 50]])
    assert (counted.kl.divergence, counted.tv_upper.divergence) == ("kl", "tv")
    facts = [LayerFacts("plain", 4, 4.0), LayerFacts("noisy", 4, 4.0, noise=2.0, dropout=0.1)]
    for divergence in ("kl", "tv"):
        got = contraction.network(facts, divergence=divergence)
        assert [c.divergence for c in got] == [divergence] * 2
    loose = contraction.network(facts, divergence="tv")[1].value
    assert float(loose) > float(contraction.network(facts)[1].value)
    with pytest.raises(ValueError, match="divergence='chi2'"):
        contraction.network(facts, divergence="chi2")


def test_a_product_is_about_what_all_factors_are(x64):
    kl, tv = contraction.kl(HALF), contraction.tv(HALF)
    local = contraction.chi2([0.3, 0.7], HALF)
    channel = Contraction(kl.value, kl.log1m, "exact", "channel", "", "chi2")
    at_law = contraction.kl_for_input_upper([0.3, 0.7], HALF)
    cases = (
        ([tv, tv], "tv"),
        ([tv, kl], "kl"),
        ([kl, channel], "kl"),
        ([local, kl], "chi2"),
        ([local, tv, at_law], "chi2"),
        ([at_law, channel], "kl"),
        ([], "tv"),
    )
    for layers, divergence in cases:
        assert contraction.compose(layers).divergence == divergence
    probe = Contraction(kl.value, kl.log1m, "estimate", "instance", "", "kl")
    fixed = Contraction(tv.value, tv.log1m, "upper", "input", "", "tv")
    for layers in ([probe, local], [fixed, kl], [fixed, local]):
        with pytest.raises(ValueError, match="no divergence in common"):
            contraction.compose(layers)
        with pytest.raises(ValueError, match="no divergence in common"):
            contraction.effective_depth(layers)


def test_total_variation_takes_its_own_coefficients_alone(x64):
    """X is one fair bit, W = X, and the layer flips it with probability 1/5: the gap is 0.3."""
    bsc = contraction.binary(0.2, 0.2)
    for etas in (bsc, [bsc], [contraction.tv(HALF), bsc]):
        with pytest.raises(ValueError, match=r"total variation.*contraction\.tv"):
            bounds.depth_tv(np.zeros(1), [0.5], etas)
    gap = 0.8 - 0.5
    assert gap <= bounds.depth_tv(np.zeros(1), [0.5], contraction.tv(HALF)).value + 1e-15
    layers = contraction.network([LayerFacts("h", 2, 2.0, noise=1.0)], divergence="tv")
    assert bounds.depth_tv([0.1], [0.5], layers).kind == "certificate"
    assert float(bounds.depth_tv([0.1], [0.5], [0.6]).value) == pytest.approx(0.4)


def test_depth_takes_total_variation_and_the_chi_square_of_a_channel(x64):
    kl, tv = contraction.kl(HALF), contraction.tv(HALF)
    channel = Contraction(kl.value, kl.log1m, "exact", "channel", "", "chi2")

    def depth(etas):
        return float(bounds.depth(1.0, etas, 10, 0.5, label_information=0.1).value)

    assert depth(kl) == depth(channel) < depth(tv) == depth([tv])
    assert depth([kl, tv]) == pytest.approx(depth(contraction.compose([kl, tv])))
    with pytest.raises(ValueError, match="scope"):
        depth(contraction.chi2([0.5, 0.5], HALF))
    for function in (
        lambda c: bounds.depth_examples([0.1], [0.1], c, 0.5),
        lambda c: bounds.sample_complexity(0.1, 1.0, c, 0.5, label_information=0.0),
        lambda c: bounds.gibbs(1.0, 10, 0.5, c, label_information=0.1),
        lambda c: bounds.two_stage(10, 10, 2, c),
        lambda c: bounds.wang_gao_calmon(
            [0.1], [0.1], [1.0], [0], 1, 2, contraction=Contraction(*_row(c))
        ),
    ):
        function(tv)
        function(channel)
        with pytest.raises(ValueError, match="scope"):
            function(contraction.chi2([0.5, 0.5], HALF))


def _row(c):
    """A coefficient with one entry a step."""
    return c.value[None], c.log1m[None], c.kind, c.scope, c.reason, c.divergence


def test_steps_may_be_given_as_coefficients(x64):
    stds = np.array([0.5, 1.0])
    layers = contraction.gaussian_noise(1.0, stds)
    args = ([0.1, 0.1], [0.1, 0.2], [1.0, 2.0], [0, 1], 2, 3)
    given = bounds.wang_gao_calmon(*args, contraction=layers)
    assert float(given.value) == float(
        bounds.wang_gao_calmon(*args, contraction=layers.value).value
    )
    loose = bounds.wang_gao_calmon(*args, contraction=bounds.gaussian_contraction(1.0, stds))
    assert float(given.value) < float(loose.value)

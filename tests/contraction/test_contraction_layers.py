import jax
import numpy as np
import pytest

from ibjax import contraction
from ibjax.interface import Contraction, LayerFacts, Network


def test_dropout_and_dropconnect(x64):
    assert contraction.dropout(0.5, 5).value == pytest.approx(0.96875)
    assert contraction.dropout(0.2, 10).value == pytest.approx(0.9999998976, abs=1e-15)
    assert contraction.dropout(0.5, 2000).log1m == pytest.approx(2000 * np.log(0.5))
    assert contraction.dropconnect(0.5, 4).value == pytest.approx(0.9375)
    assert float(contraction.dropout(0.0, 3).value) == 1.0
    assert float(contraction.dropout(1.0, 3).value) == 0.0
    assert contraction.dropout(0.5, 2).kind == "upper"
    assert contraction.subsampling(0.25).value == pytest.approx(0.75)
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="rate"):
            contraction.dropout(bad, 2)
    with pytest.raises(ValueError, match="units"):
        contraction.dropout(0.5, 0)


def test_compose_multiplies_and_keeps_the_weakest(x64):
    half = Contraction(np.float64(0.5), np.log(0.5), "exact", "channel", "a")
    weak = Contraction(np.float64(0.3), np.log(0.7), "estimate", "input", "b")
    got = contraction.compose([half, weak, half])
    assert got.value == pytest.approx(0.075, abs=1e-15)
    assert got.log1m == pytest.approx(np.log(0.925), abs=1e-15)
    assert (got.kind, got.scope) == ("estimate", "input")
    assert contraction.compose([half, half]).kind == "upper"
    assert contraction.compose([half]) is half
    low = Contraction(half.value, half.log1m, "lower", "channel", "c")
    assert contraction.compose([low, contraction.dropout(0.5, 2)]).kind == "estimate"
    assert float(contraction.compose([]).value) == 1.0
    with pytest.raises(ValueError, match="Contraction"):
        contraction.compose([0.5])


def test_compose_where_every_factor_rounds_to_one(x64):
    layer = contraction.gaussian_noise(120.0, 1.0)
    three = contraction.compose([layer] * 3)
    assert float(three.value) == 1.0
    assert three.log1m == pytest.approx(float(layer.log1m) + np.log(3), abs=1e-9)
    certain = contraction.gaussian_noise(1.0, 0.0)
    assert float(contraction.compose([certain, certain]).log1m) == -np.inf
    slope = jax.grad(
        lambda s: contraction.compose([certain, contraction.gaussian_noise(1, s)]).log1m
    )
    assert np.isfinite(slope(0.5)) and slope(0.5) > 0


def test_n_uses_of_a_channel(x64):
    one = contraction.kl([[0.9, 0.1], [0.1, 0.9]])
    assert contraction.nfold(one, 3).value == pytest.approx(0.953344, abs=1e-12)
    assert contraction.nfold(one, 2).value == pytest.approx(0.8704, abs=1e-12)
    pair = np.kron([[0.5, 0, 0.5], [0, 0.5, 0.5]], [[0.5, 0, 0.5], [0, 0.5, 0.5]])
    erasure = contraction.kl([[0.5, 0, 0.5], [0, 0.5, 0.5]])
    assert contraction.kl(pair).value == pytest.approx(contraction.nfold(erasure, 2).value)
    with pytest.raises(ValueError, match="scope"):
        contraction.nfold(contraction.chi2([0.5, 0.5], np.eye(2)), 2)


def test_information_down_a_cascade_stays_below_the_product(x64):
    """Binary symmetric channels in a row, fed by a fair bit."""
    kept = [0.3680642072, 0.2217536937, 0.1375002289, 0.0864049343, 0.0546916686]
    product = [0.4436141956, 0.2839130852, 0.1817043745, 0.1162907997, 0.0744261118]
    one = contraction.symmetric(0.1)
    for layers, (info, bound) in enumerate(zip(kept, product), 1):
        flip = (1 - 0.8**layers) / 2
        exact = np.log(2) + flip * np.log(flip) + (1 - flip) * np.log(1 - flip)
        assert exact == pytest.approx(info, abs=6e-11)
        eta = contraction.compose([one] * layers).value
        assert eta * np.log(2) == pytest.approx(bound, abs=6e-11)
        assert exact < bound


def test_a_network_gets_one_coefficient_a_layer(x64):
    facts = (
        LayerFacts("plain", 4, 4.0),
        LayerFacts("noisy", 4, 4.0, noise=1.0),
        LayerFacts("both", 2, 4.0, noise=2.0, dropout=0.5),
        LayerFacts("relu", 4, np.inf, noise=1.0),
    )
    got = contraction.network(Network(None, None, facts))
    assert len(got) == 4
    assert float(got[0].value) == 1.0 and got[0].kind == "exact"
    assert "deterministic" in got[0].reason
    assert got[1].value == pytest.approx(0.9314025912, abs=6e-11)
    assert got[2].value == pytest.approx(0.75 * 0.5504004908, abs=6e-11)
    assert float(got[3].value) == 1.0 and float(got[3].log1m) == -np.inf
    assert {c.kind for c in got[1:]} == {"upper"} and {c.scope for c in got} == {"channel"}
    assert [c.reason.split(":")[0] for c in got] == ["plain", "noisy", "both", "relu"]
    alone = contraction.network(list(facts))
    assert [float(c.log1m) for c in alone] == [float(c.log1m) for c in got]
    swept = jax.vmap(lambda s: contraction.network(facts, layer_noise=s)[1].value)(
        np.array([1.0, 2.0])
    )
    np.testing.assert_allclose(swept, [0.9314025912, 0.5504004908], atol=6e-11)
    assert contraction.network(()) == ()
    with pytest.raises(ValueError, match="LayerFacts"):
        contraction.network("mlp")

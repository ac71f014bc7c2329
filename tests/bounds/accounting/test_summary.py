"""`bounds.account`: one call for information, gap, test error, depth and their kinds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds, contraction
from ibjax.bounds.accounting import privacy
from ibjax.interface import Contraction, Estimate, LayerFacts


def account(n=1000, b=100, batching="poisson", beta=500.0, **options):
    etas = np.full(200, 0.1)
    stds = np.sqrt(2 * etas / beta)
    given = dict(clip=1.0, batching=batching, batch_size=b, n=n, dim=None) | options
    return bounds.account(etas, stds, **given)


def test_the_run_of_the_table(x64):
    found = account(train_error=0.02)
    assert float(found.per_example.value) == pytest.approx(0.00250253222, rel=2e-9)
    assert float(found.per_sample.value) == pytest.approx(2.50253222, rel=2e-9)
    assert float(found.shift) == pytest.approx(0.05, rel=1e-12)
    assert float(found.gap.value) == pytest.approx(0.035368, abs=6e-7)
    assert float(found.gap.value) < np.sqrt(found.per_example.value / 2)
    assert float(found.absolute_gap.value) == pytest.approx(0.0400, abs=3e-5)
    assert float(found.test_error.value) == pytest.approx(0.031552001, abs=6e-9)
    assert float(found.gap_at_error.value) == pytest.approx(0.011552, abs=6e-7)
    assert float(found.rule_of_thumb) == pytest.approx(200 * 0.1 * 500 / 4 / 1000**2, rel=1e-12)
    assert found.eps is None and found.depth is None


KL_FORMS = [
    ((120, 120, "full"), 0.198174),
    ((120, 20, "poisson"), 0.201419),
    ((800, 80, "poisson"), 0.014975),
    ((1000, 100, "poisson"), 0.011552),
]


@pytest.mark.parametrize("settings, gap", KL_FORMS)
def test_gap_with_the_training_error(x64, settings, gap):
    found = account(*settings, train_error=0.02)
    assert float(found.gap_at_error.value) == pytest.approx(gap, abs=6e-7)
    assert float(found.test_error.value) == pytest.approx(gap + 0.02, abs=6e-7)


def test_every_member_is_a_certificate_that_says_so(x64):
    found = account(train_error=0.1, layers=[contraction.gaussian_noise(2.0, 1.0)])
    known = bounds.assumptions()
    for value in (found.gap, found.absolute_gap, found.test_error, found.gap_at_error, found.depth):
        assert value.kind == "certificate" and float(value.confidence) == 1
        assert bool(value.holds) and not bool(value.vacuous)
        assert all(name in known for name in value.assumptions)
    assert found.likely_gap.kind == "certificate"
    assert float(found.likely_gap.confidence) == pytest.approx(0.95)
    assert found.per_example.exact and found.per_example.bias == "up"


def test_an_estimated_training_error_passes_on_its_kind(x64):
    plain = Estimate(jnp.array(0.1), jnp.array(0.01), bias="none", name="mean")
    assert account(train_error=plain).test_error.kind == "estimate"
    limit = Estimate(
        jnp.array(0.12), jnp.array(0.0), bias="up", exact=True, confidence=jnp.array(0.95)
    )
    found = account(train_error=limit)
    assert found.test_error.kind == "certificate"
    assert float(found.test_error.confidence) == pytest.approx(0.95)
    assert float(found.gap_at_error.confidence) == pytest.approx(0.95)
    assert float(found.gap.confidence) == 1
    low = Estimate(jnp.array(0.1), bias="down")
    with pytest.raises(ValueError, match="bias 'down'"):
        account(train_error=low)
    lost = Estimate(jnp.array(0.1), ok=jnp.array(False), bias="none", exact=True)
    assert not bool(account(train_error=lost).test_error.holds)


def test_an_upper_limit_of_the_training_error_never_lowers_the_gap(x64):
    gaps = [float(account(train_error=u).gap_at_error.value) for u in (0.0, 0.2, 0.48, 0.6, 1.0)]
    assert gaps == sorted(gaps) and gaps[-1] == float(account().gap.value)


def test_depth_contracts_and_is_never_above_the_gap(x64):
    gap = float(account().gap.value)
    facts = LayerFacts("tanh", 4, 4.0, noise=2.0)
    values = [
        float(account(layers=[facts] * depth, num_classes=2).depth.value) if depth else gap
        for depth in (0, 1, 3)
    ]
    assert values[0] >= values[1] > values[2] >= 0.5 / np.sqrt(1000) * (1 - 1e-9)
    direct = account(layers=list(contraction.network([facts])), num_classes=2).depth
    assert float(direct.value) == values[1]
    three = account(layers=[facts], num_classes=3).depth
    assert values[1] < float(three.value) < gap
    still = LayerFacts("tanh", 4, 4.0)
    assert float(account(layers=[still]).depth.value) == pytest.approx(gap, rel=1e-12)
    lower = Contraction(jnp.array(0.1), jnp.log1p(-0.1), "lower")
    with pytest.raises(ValueError, match="exact or upper"):
        account(layers=[lower])
    chi = Contraction(jnp.array(0.1), jnp.log1p(-0.1), divergence="chi2")
    with pytest.raises(ValueError, match="divergence kl"):
        account(layers=[chi])


def test_layers_count_for_nothing_where_the_number_of_classes_is_not_known(x64):
    """Two classes were assumed: of ten the label term is three times as large."""
    found = account(layers=[LayerFacts("tanh", 4, 4.0, noise=2.0)])
    assert float(found.depth.value) == float(found.gap.value)
    assert bool(found.depth.holds) and "num_classes was not given" in found.depth.note


def test_range_of_the_loss(x64):
    one, two = account(train_error=0.1), account(train_error=0.2, loss_range=2.0)
    for name in ("gap", "absolute_gap", "likely_gap", "test_error", "gap_at_error"):
        assert float(getattr(two, name).value) == pytest.approx(2 * float(getattr(one, name).value))


def test_steps_without_noise_are_vacuous(x64):
    found = account(beta=np.inf, train_error=0.1, layers=[LayerFacts("tanh", 4, 4.0, noise=2.0)])
    assert float(found.per_example.value) == np.inf and not bool(found.per_example.ok)
    for value in (found.gap, found.absolute_gap, found.test_error, found.likely_gap, found.depth):
        assert bool(value.vacuous)


def test_account_within_a_trace(x64):
    """Closed over arrays and a traced clip, as a search over settings would call it."""
    etas, stds = jnp.full(200, 0.1), jnp.full(200, np.sqrt(2 * 0.1 / 500))

    @jax.jit
    def value(clip):
        found = bounds.account(
            etas, stds, clip=clip, batching="poisson", batch_size=100, n=1000, dim=None,
            train_error=0.02, layers=[LayerFacts("tanh", 4, 4.0, noise=2.0)], num_classes=2,
        )  # fmt: skip
        return found.gap.value, found.test_error.value, found.depth.value, found.likely_gap.value

    noisy = LayerFacts("tanh", 4, 4.0, noise=2.0)
    direct = account(train_error=0.02, layers=[noisy], num_classes=2)
    expected = [direct.gap, direct.test_error, direct.depth, direct.likely_gap]
    np.testing.assert_allclose(value(1.0), [b.value for b in expected], rtol=1e-10)


def test_shared_batches_are_said_and_not_amplified(x64):
    found = account(batching="without_replacement", shared_batches=True)
    assert float(found.per_example.value) == pytest.approx(0.025, rel=1e-12)
    assert "share" in found.gap.note


def test_joint_depth_is_that_of_the_layers_rounded_up(dtype):
    """For information about one example and a loss in [0, 1]; see test_joint_depth for values."""
    axes = [0.0, 1e-4, 0.05, 2.0], [0.0, 1e-6, 0.3, 1.0], [0.0, 0.01, 0.2, 1.0]
    info, eta, dev = (v.ravel().astype(dtype) for v in np.meshgrid(*axes))
    found = np.asarray(bounds.joint_depth(info, eta, dev))
    layers = np.asarray(bounds.depth(info, eta[:, None], 1, 0.5, label_deviation=dev).value)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, layers, rtol=16 * np.finfo(dtype).eps)
    assert np.all(found >= layers)
    assert np.all(found <= np.asarray(bounds.xu_raginsky(info, 1, 0.5).value))


def test_joint_depth_at_its_edges(dtype):
    assert float(bounds.joint_depth(0.0, 0.5, 0.1)) == 0
    assert float(bounds.joint_depth(jnp.inf, 0.5, 0.1)) == np.inf
    assert float(bounds.joint_depth(jnp.inf, 0.0, 0.1)) == pytest.approx(0.1, rel=1e-5)
    for lost in (
        (jnp.nan, 0.5, 0.1),
        (0.1, jnp.nan, 0.1),
        (0.1, jnp.nan, 0.9),
        (0.1, 0.5, jnp.nan),
    ):
        assert np.isnan(bounds.joint_depth(*lost))


EXCEEDING = [
    (20.8333333333, 120, 0.5, 0.362320269),
    (2.5025322, 1000, 0.1, 0.151661858),
    (2.5025322, 1000, 0.08, 0.253462693),
]


@pytest.mark.parametrize("info, n, size, printed", EXCEEDING)
def test_probability_of_a_large_gap(x64, info, n, size, printed):
    found = float(bounds.exceedance_probability(size, info, n))
    assert found == pytest.approx(printed, abs=2e-9)
    assert found <= float(bounds.deviation_probability(size, info, n, 0.5))
    assert float(bounds.likely_gap(info, n, found)) == pytest.approx(size, rel=1e-9)


def test_probability_at_its_edges(dtype):
    assert float(bounds.exceedance_probability(0.0, 1.0, 10)) == 1
    assert float(bounds.exceedance_probability(0.9, jnp.inf, 10)) == 1
    assert 0 < float(bounds.exceedance_probability(1.0, 1.0, 10**5)) < 2e-5
    assert float(bounds.likely_gap(jnp.inf, 10, 0.1)) == np.inf
    with pytest.raises(ValueError, match="level"):
        bounds.likely_gap(1.0, 10, 1.0)


def test_the_shift_is_that_of_the_smallest_batch(x64):
    whole, short = account(), account(smallest_batch=5)
    assert float(short.shift) == pytest.approx(20 * float(whole.shift), rel=1e-12)
    # The remainder of an epoch, from the first step that has it on.
    for n, least in ((105, 5), (200, 100), (20_050, 100)):
        found = account(n=n, batching="whole_epochs")
        assert float(found.shift) * least == pytest.approx(100 * float(whole.shift), rel=1e-12)
    for smallest, least in ((3, 3), (50, 5), (np.nan, 5)):
        found = account(n=105, batching="whole_epochs", smallest_batch=smallest)
        assert float(found.shift) * least == pytest.approx(100 * float(whole.shift), rel=1e-12)


def test_privacy_asks_for_its_extra_or_refuses(x64):
    with pytest.raises(ValueError, match="batching"):
        account(batching="epochs", delta=1e-5)
    with pytest.raises(ValueError, match="must lie in"):
        account(delta=2.0)
    # Averaged over fewer, one example changes the weights of all the others.
    with pytest.raises(ValueError, match="smallest_batch=2 below"):
        account(delta=1e-5, smallest_batch=2)
    try:
        import dp_accounting  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"ibjax\[dp\]"):
            account(delta=1e-5)


def test_privacy_of_the_table(x64):
    pytest.importorskip("dp_accounting", reason="needs the extra: pip install 'ibjax[dp]'")
    assert account(delta=1e-5).eps == pytest.approx(0.2350, abs=6e-4)
    assert privacy.epsilon(np.full(200, 0.5), 0.1, 1e-5) == pytest.approx(3.3597, abs=2e-3)


@pytest.mark.parametrize("change, message", [
    (dict(batching="shuffle"), "is unknown"),
    (dict(train_error=1.2), "train_error=1.2 exceeds loss_range=1"),
    (dict(train_error=-0.1), "train_error holds -0.1"),
    (dict(loss_range=0.0), "loss_range holds 0"),
    (dict(level=0.0), "level"),
])  # fmt: skip
def test_refusals(x64, change, message):
    with pytest.raises(ValueError, match=message):
        account(**change)

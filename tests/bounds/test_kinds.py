"""A certificate needs known inputs, says how sure it is, and no sample can claim to be known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds, mi
from ibjax.bounds import kinds, outcome
from ibjax.interface import BoundValue, Estimate

FALSE = np.zeros((2, 1), bool)


def known(value, bias="up", confidence=1.0, error=0.0):
    value = jnp.asarray(value, float)
    confidence = jnp.asarray(confidence)
    return Estimate(
        value, jnp.full_like(value, error), bias=bias, exact=True, confidence=confidence
    )


def measured(value, error=0.01, bias="up"):
    value = jnp.asarray(value, float)
    return Estimate(value, jnp.full_like(value, error), bias=bias)


def clouds():
    rng = np.random.default_rng(0)
    each = [bounds.wasserstein(rng.normal(size=5), rng.normal(size=5)) for _ in range(3)]
    return jax.tree.map(lambda *v: jnp.stack(v), *each)


def zeros():
    return bounds.mean_over_replicas(jnp.zeros((2, 1)), FALSE)


SAMPLED = {
    "transport of clouds": lambda: bounds.algorithmic_transport(clouds(), 1.0),
    "temperatures": lambda: bounds.xu_raginsky(
        bounds.thermodynamic_divergence([1.0, 0.5], [0.0, 2.0]), 10, 0.5
    ),
    "temperatures, kl": lambda: bounds.pac_bayes_kl(
        0.1, bounds.thermodynamic_divergence([1.0, 0.5], [0.0, 2.0]), 10, delta=0.1
    ),
    "free energy": lambda: bounds.xu_raginsky(
        bounds.free_energy_divergence(1.0, 0.5, 2.0), 10, 0.5
    ),
    "free energy, kl": lambda: bounds.pac_bayes_kl(
        0.1, bounds.free_energy_divergence(1.0, 0.5, 2.0), 10, delta=0.1
    ),
    "kde": lambda: bounds.xu_raginsky(mi.kde_bounds(np.eye(3), 0.5).upper, 10, 0.5),
    "plug-in of constants": lambda: bounds.xu_raginsky(
        mi.plug_in(np.zeros(4, int), np.zeros(4, int)), 10, 0.5
    ),
    "two silent runs": lambda: bounds.k_ghost(bounds.membership_information(np.zeros(2)), 2),
    "replicas of zeros": lambda: bounds.fast_rate(zeros(), zeros()),
    "rate of zeros": lambda: bounds.pac_bayes_kl(zeros(), 1.0, 10),
    "table of counts": lambda: bounds.xu_raginsky(mi.discrete([[3, 0], [0, 3]]), 10, 0.5),
    "one posterior": lambda: bounds.xu_raginsky(
        bounds.gaussian_divergence(np.zeros(2), 1.0, 0.0, 1.0), 10, 0.5
    ),
    "measured norms": lambda: bounds.xu_raginsky(
        bounds.noisy_sgd_information([0.1], [0.1], measured(1.0, 0.0), 3), 10, 0.5
    ),
}


@pytest.mark.parametrize("name", SAMPLED)
def test_a_sample_without_spread_is_no_knowledge(x64, name):
    assert SAMPLED[name]().kind == "estimate"


def test_what_is_computed_from_known_laws_certifies_also_under_jit(x64):
    steps, noise, used = np.full(3, 0.1), np.full(3, 0.2), np.ones((3, 2), bool)
    found = {
        "path": lambda: bounds.noisy_sgd_information(steps, noise, 1.0, 5),
        "examples": lambda: bounds.sample_information(steps, noise, 1.0, 2, 4, 5),
        "decayed": lambda: bounds.decayed_information(steps, noise, used, 1.0, 2, 5),
    }
    for name, make in found.items():
        assert make().exact and make().bias == "up", name
        for bound in (bounds.k_ghost(make(), 2), _jitted(make)):
            assert bound.kind == "certificate", name
            assert np.all(np.asarray(bound.confidence) == 1), name
    losses = known([1.0, 0.5], "none")
    exact = bounds.thermodynamic_divergence(losses, [0.0, 2.0])
    assert exact.exact and float(exact.std_error) == 0
    assert bounds.pac_bayes_kl(0.1, exact, 10, delta=0.1).kind == "certificate"
    posterior = bounds.gaussian_divergence(np.zeros(2), 0.5, 0.0, 1.0)
    sure = bounds.pac_bayes_kl(0.1, posterior, 10, delta=0.1)
    assert (sure.kind, float(sure.confidence)) == ("certificate", pytest.approx(0.9))
    assert bounds.pac_bayes_kl(0.1, posterior, 10).kind == "estimate"


def _jitted(make):
    return jax.jit(lambda e: bounds.k_ghost(e, 2))(make())


def test_bias_decides_beside_exactness(x64):
    for bias, kind in (("none", "certificate"), ("up", "certificate"), ("down", "estimate")):
        assert bounds.xu_raginsky(known(0.1, bias), 10, 0.5).kind == kind
    assert bounds.xu_raginsky(known(0.1, "unknown"), 10, 0.5).kind == "estimate"
    bare = Estimate(jnp.array(0.1), bias="up", exact=True)
    assert float(bounds.xu_raginsky(bare, 10, 0.5).std_error) == 0
    lost = Estimate(jnp.array(-1.0), ok=jnp.array(False), bias="up", exact=True)
    assert not bool(bounds.xu_raginsky(lost, 10, 0.5).holds)


LAYER, SHRINK = [0.55], [0.68]
PATH = (np.full(2, 0.1), np.full(2, 0.2))
TAKES = {
    "xu_raginsky": (lambda e: bounds.xu_raginsky(e, 10, 0.5), 0.3),
    "individual": (lambda e: bounds.individual(e, 0.5), [0.3, 0.2]),
    "individual_cumulant": (
        lambda e: bounds.individual_cumulant(e, lambda s: s**2 / 8),
        [0.3, 0.2],
    ),
    "random_subset": (lambda e: bounds.random_subset(e, 10, 9, 0.5), 0.3),
    "rate_distortion rate": (lambda e: bounds.rate_distortion(e, 10, 0.5, 0.1), 0.3),
    "rate_distortion distortion": (lambda e: bounds.rate_distortion(0.1, 10, 0.5, e), 0.3),
    "sliced_weights": (lambda e: bounds.sliced_weights(e, 10, 0.5), 0.3),
    "sliced_weights distance": (
        lambda e: bounds.sliced_weights(0.1, 10, 0.5, distance=e, lipschitz=2.0),
        0.3,
    ),
    "sliced_weights lipschitz": (
        lambda e: bounds.sliced_weights(0.1, 10, 0.5, distance=2.0, lipschitz=e),
        0.3,
    ),
    "absolute_gap": (lambda e: bounds.absolute_gap(e, 10, 0.5), 0.3),
    "depth": (lambda e: bounds.depth(e, LAYER, 10, 0.5, num_classes=2), 0.9),
    "depth labels": (lambda e: bounds.depth(1.0, LAYER, 10, 0.5, label_information=e), 0.3),
    "depth deviation": (lambda e: bounds.depth(1.0, LAYER, 10, 0.5, label_deviation=e), 0.1),
    "depth_examples labels": (lambda e: bounds.depth_examples(e, [0.1], LAYER, 0.5), [0.3]),
    "depth_examples inputs": (lambda e: bounds.depth_examples([0.1], e, LAYER, 0.5), [0.3]),
    "depth_tv labels": (lambda e: bounds.depth_tv(e, [0.1], SHRINK), [0.3]),
    "depth_tv inputs": (lambda e: bounds.depth_tv([0.1], e, SHRINK), [0.3]),
    "last_layer head": (lambda e: bounds.last_layer(e, 10, 0.5, frozen=True), 0.3),
    "last_layer hidden": (lambda e: bounds.last_layer(0.1, 10, 0.5, hidden_information=e), 0.3),
    "gibbs": (lambda e: bounds.gibbs(2.0, 10, 0.5, LAYER, label_information=e), 0.3),
    "algorithmic_transport": (lambda e: bounds.algorithmic_transport(e, 2.0), [0.3, 0.2]),
    "funnel": (lambda e: bounds.funnel(e, [[2.0]], law=[1.0]), [[0.3, 0.9]]),
    "funnel norms": (lambda e: bounds.funnel([[0.3, 0.9]], e, law=[1.0]), [[2.0]]),
    "wang_gao_calmon": (
        lambda e: bounds.wang_gao_calmon(*PATH, e, [0, 1], 2, 3, contraction=np.ones(2)),
        [0.3, 0.2],
    ),
    "k_ghost": (lambda e: bounds.k_ghost(e, 3), 0.3),
    "path_prior": (lambda e: bounds.path_prior(e), 0.3),
    "path_prior error": (lambda e: bounds.path_prior(known(0.3), train_error=e), 0.1),
    "path_membership": (lambda e: bounds.path_membership(e), 0.3),
    "path_membership error": (
        lambda e: bounds.path_membership(known(0.3), form="pair", train_error=e),
        0.1,
    ),
    "steinke_zakynthinou": (lambda e: bounds.steinke_zakynthinou(e, 10), 0.3),
    "fast_rate": (lambda e: bounds.fast_rate(0.1, e), 0.3),
    "fast_rate error": (lambda e: bounds.fast_rate(e, known(0.3)), 0.1),
    "binary_js error": (lambda e: bounds.binary_js(e, known(0.3)), 0.1),
    "interpolation": (lambda e: bounds.interpolation(0.0, e), 0.3),
    "pac_bayes_kl": (lambda e: bounds.pac_bayes_kl(0.1, e, 10), 0.3),
    "pac_bayes_kl error": (lambda e: bounds.pac_bayes_kl(e, 0.3, 10), 0.1),
}


@pytest.mark.parametrize("name", TAKES)
def test_every_argument_passes_on_kind_error_and_confidence(x64, name):
    function, value = TAKES[name]
    sure = function(known(value, "none", confidence=0.9))
    assert sure.kind == "certificate" and np.all(np.asarray(sure.std_error) == 0)
    assert float(sure.confidence) == pytest.approx(0.9)
    rough = function(measured(value, 1e-3, "none"))
    assert rough.kind == "estimate" and float(rough.value) == pytest.approx(float(sure.value))
    if name != "individual_cumulant":
        up = function(known(np.asarray(value) + 1e-3, "none"))
        moved = abs(float(up.value) - float(sure.value))
        assert float(rough.std_error) == pytest.approx(moved, rel=0.05)
    lost = Estimate(jnp.asarray(value), ok=jnp.array(False), bias="none", exact=True)
    assert not np.any(np.asarray(function(lost).holds))


def test_confidences_add_up_their_failures(x64):
    both = bounds.last_layer(
        known(0.1, confidence=0.9), 10, 0.5, hidden_information=known(0.1, confidence=0.95)
    )
    assert float(both.confidence) == pytest.approx(0.85)
    sure = bounds.pac_bayes_kl(
        known(0.1, confidence=0.99), known(1.0, confidence=0.9), 10, delta=0.05
    )
    assert float(sure.confidence) == pytest.approx(0.84)
    each = bounds.individual(known([0.1, 0.2], confidence=[0.99, 0.98]), 0.5)
    assert float(each.confidence) == pytest.approx(0.97)
    again = bounds.fast_rate(0.1, each)
    assert (again.kind, float(again.confidence)) == ("certificate", pytest.approx(0.97))
    assert float(kinds.together(0.3, 0.2)) == 0
    drawn = bounds.gaussian_posterior(0.1, 100, np.zeros(2), 1.0, 0.0, [1.0], 100)
    assert float(drawn.confidence) == pytest.approx(0.94)
    energy = bounds.free_energy(1.0, 0.5, 2.0, 10, delta=0.2)
    assert float(energy.confidence) == pytest.approx(0.8)
    upper = bounds.membership_upper(np.random.default_rng(0).normal(size=(50, 1)), 0.05)
    for bound in (bounds.k_ghost(upper, 2), bounds.path_membership(upper)):
        assert (bound.kind, float(bound.confidence)) == ("certificate", pytest.approx(0.95))


def test_a_bound_in_the_place_of_information_keeps_its_premises(x64):
    inner = bounds.individual([0.1, 0.2], 0.5)
    outer = bounds.k_ghost(inner, 2)
    assert set(inner.assumptions) <= set(outer.assumptions) and outer.kind == "certificate"
    number = jnp.array(0.1)
    weak = BoundValue(
        number, number, number, kind="diagnostic", note="as published", about="sample"
    )
    got = bounds.depth(1.0, LAYER, 10, 0.5, label_information=weak)
    assert got.kind == "diagnostic"
    with pytest.raises(ValueError, match="train_error=BoundValue"):
        bounds.pac_bayes_kl(inner, 1.0, 10)
    with pytest.raises(ValueError, match="state the kind"):
        outcome.result(number, name="x", limit=1.0, assumptions=())


@pytest.mark.parametrize(
    ("limit", "nats", "value"),
    [
        (0.02, 0.1736111111, 0.218174317441 - 0.02),
        (1.0, 0.1736111111, 0.291749504275),
        (0.5, 0.1, 0.222355424830),
        (0.026, 0.1, 0.163080685922 - 0.026),
        (0.9, 1.0, 0.664444515090),
    ],
)
def test_a_limit_on_the_training_error_certifies_the_worst_below_it(x64, limit, nats, value):
    """kl^{-1}(l, I) - l peaks at some l; its largest value is the tight Pinsker envelope."""
    got = bounds.pac_bayes_kl(known(limit), nats, 1)
    assert got.kind == "certificate" and float(got.value) == pytest.approx(value, abs=1e-10)
    assert not bool(got.vacuous)
    grid = bounds.pac_bayes_kl(np.linspace(0, limit, 2001), nats, 1).value
    assert float(got.value) >= float(np.max(grid)) - 1e-12
    exact = bounds.pac_bayes_kl(known(limit, "none"), nats, 1)
    assert float(exact.value) <= float(got.value) + 1e-15
    sampled = bounds.pac_bayes_kl(measured(limit, 0.0), nats, 1)
    assert sampled.kind == "estimate"


def test_the_worst_training_error_for_every_inversion(x64):
    for form in ("pair", "basic"):
        got = bounds.fast_rate(known(0.4), known(0.2), form=form)
        grid = [float(bounds.fast_rate(r, known(0.2), form=form).value) for r in (0, 0.1, 0.2, 0.4)]
        assert got.kind == "certificate" and float(got.value) >= max(grid) - 1e-12
    slope = jax.grad(lambda i: bounds.pac_bayes_kl(known(0.5), i, 1).value)(0.1)
    ends = [float(bounds.pac_bayes_kl(known(0.5), 0.1 + h, 1).value) for h in (-1e-6, 1e-6)]
    assert float(slope) == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-5)


def test_numbers_that_are_no_bounds_do_not_launder_an_estimate(x64):
    functions = {
        "variation": bounds.variation_from_information,
        "probability": lambda i: bounds.deviation_probability(0.3, i, 200, 0.5),
        "examples": lambda i: bounds.sample_complexity(0.1, i, LAYER, 0.5, label_information=0.1),
        "labels": lambda i: bounds.sample_complexity(0.1, 2.0, LAYER, 0.5, label_information=i),
    }
    for name, function in functions.items():
        bare = function(0.3)
        assert isinstance(bare, jax.Array), name
        sure, rough = function(known(0.3, confidence=0.9)), function(measured(0.3))
        assert float(sure.value) == float(rough.value) == float(bare), name
        assert sure.exact and float(sure.confidence) == pytest.approx(0.9), name
        assert not rough.exact and float(rough.std_error) > 0, name
    variation = bounds.variation_from_information(measured([0.01]))
    assert bounds.depth_tv(variation, [0.1], SHRINK).kind == "estimate"
    literal = bounds.sample_complexity(0.1, known(2.0), LAYER, 0.5, variant="published")
    assert not literal.exact

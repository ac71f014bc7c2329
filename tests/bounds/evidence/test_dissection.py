"""Bounds taken apart: the parts are recomputed, and add and multiply up to the bound."""

import math

import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds import invert
from ibjax.interface import BATCHINGS, Evidence

K1, K2, N, T, B = 3, 8, 10, 6, 5
ETA, BETA, CLIP, LOG1M = 0.1, 80.0, 0.2, -0.7
STD = math.sqrt(2 * ETA / BETA)


def evidence(**changes) -> Evidence:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (K1, N, 2))
    half = rng.integers(0, 2, (K1, K2 // 2, N))
    mask = np.stack([half, 1 - half], 2).reshape(K1, K2, N)
    wrong = rng.random((K1, K2, 1, N, 2)) < 0.2
    along = {
        name: np.full((K1, K2, 1), value)
        for name, value in {
            "train_error": 0.1,
            "test_error": 0.25,
            "train_loss": 0.5,
            "gradient_information": 0.4,
            "sample_information": 0.05,
            "incoherence_information": 0.04,
            "trajectory_cmi": 0.03,
            "trajectory_cmi_llr": 0.03,
            "test_prior_information": 0.05,
            "likelihood_ratio": 1.0,
        }.items()
    }
    settings = {
        name: np.float64(value)
        for name, value in {
            "clip": CLIP,
            "gradient_norm": CLIP,
            "batch_size": B,
            "smallest_batch": B,
            "dim": 50,
            "num_classes": 2,
            "exchangeable": 1,
            "batching": BATCHINGS.index("without_replacement"),
            "shared_batches": 0,
            "bounded_steps": 1,
            "classes_given": 1,
        }.items()
    }
    made = Evidence(
        index=np.arange(K1 * N * 2).reshape(K1, N, 2),
        mask=mask,
        labels=labels,
        predictions=np.where(wrong, 1 - labels[:, None, None], labels[:, None, None]),
        diverged=np.zeros((K1, K2), bool),
        checkpoints=np.array([T]),
        step_sizes=np.full(T, ETA),
        noise_stds=np.full(T, STD),
        layer_diameter=np.full(2, 2.0),
        layer_noise=np.full(2, 0.5),
        layer_log1m=np.full(2, LOG1M),
        **along,
        **settings,
    )
    return made._replace(**changes)


@pytest.fixture(scope="module")
def parts():
    return bounds.dissect(evidence())


def test_every_row_is_taken_apart_and_the_parts_add_up(parts):
    assert list(parts) == list(bounds.registry())
    for name, part in parts.items():
        bound = part.bound
        if not bound.holds:
            assert np.isnan(part.information) and np.isnan(part.root), name
            continue
        saved = 0.0 if np.isnan(part.layers) else float(part.layers)
        assert float(part.root + part.inversion) + saved == pytest.approx(float(bound.value)), name
        assert saved <= 1e-15
        if not np.isnan(part.steps):
            assert float(part.steps) == T
            assert float(part.steps * part.per_step) == pytest.approx(float(part.information))


def test_informations_are_per_example_and_rest_on_the_rule_of_thumb(parts, x64):
    run = (np.full(T, ETA), np.full(T, STD), CLIP, "without_replacement", B, N, 50)
    each = float(bounds.per_example_information(*run).value)
    total = float(bounds.sample_information_total(*run).value)
    rule = T * ETA * BETA * CLIP**2 / (4 * N**2)
    for name in ("individual", "individual_at_error", "depth"):
        assert float(parts[name].information) == pytest.approx(each, rel=1e-12)
        assert float(parts[name].rule) == pytest.approx(rule, rel=1e-12)
    assert float(parts["xu_raginsky"].information) == pytest.approx(total / N, rel=1e-12)
    assert float(parts["noisy_sgd"].information) == pytest.approx(0.4 / N)
    assert each >= rule


def test_roots_and_inversions_are_those_of_each_bound(parts, x64):
    def whole(name):
        return float(parts[name].root + parts[name].inversion)

    for name in ("xu_raginsky", "sample_gradient", "incoherence", "noisy_sgd", "test_prior"):
        assert float(parts[name].inversion) == pytest.approx(0, abs=1e-12), name
    info = {name: float(part.information) for name, part in parts.items()}
    assert float(parts["individual"].root) == pytest.approx(math.sqrt(info["individual"] / 2))
    assert whole("individual") == pytest.approx(float(invert.envelope(info["individual"])))
    paired = float(invert.phi(info["trajectory_cmi"]))
    assert whole("trajectory_cmi") == pytest.approx(paired)
    at = float(invert.kl(0.1, info["individual_at_error"])) - 0.1
    assert whole("individual_at_error") == pytest.approx(at)


def test_the_root_is_that_of_what_the_information_is_about(parts, x64):
    """Rows were looked up in lists of names, of which two certificates and one estimate missed."""
    for name, part in parts.items():
        coins = part.bound.about in ("pair", "loss")
        info = float(part.information)
        if part.bound.holds and np.isfinite(info):
            sigma = 1.0 if coins else 0.5
            assert float(part.root) == pytest.approx(sigma * math.sqrt(2 * max(info, 0))), name
    told = evidence(membership_information=np.full((K1, K2, 1), 1e-4))
    found = bounds.dissect(told, names=["trajectory_cmi_certified"])["trajectory_cmi_certified"]
    assert bool(found.bound.holds)
    assert float(found.root) == pytest.approx(math.sqrt(2 * float(found.information)))
    assert abs(float(found.inversion)) < 0.01 * float(found.root)  # of phi, below the root


def test_label_term_and_layers_of_the_depth_bound(x64):
    found = bounds.dissect(evidence(clip=np.float64(2.0)), names=["depth", "depth_published"])
    part = found["depth"]
    eta = (1 - math.exp(LOG1M)) ** 2
    info, away = float(part.information), math.sqrt(1 / N) / 2
    squared = info / 2
    assert away < math.sqrt(squared)
    assert float(part.eta) == pytest.approx(eta)
    assert float(part.label) == pytest.approx((1 - eta) * away)
    inside = eta * squared - eta * (1 - eta) * away**2
    assert float(part.contracted) == pytest.approx(math.sqrt(inside))
    assert float(part.label + part.contracted) == pytest.approx(float(part.bound.value))
    printed = found["depth_published"]
    assert float(printed.bound.value) == pytest.approx(math.sqrt(eta) * float(printed.root))
    assert float(printed.layers) == pytest.approx((math.sqrt(eta) - 1) * float(printed.root))


def test_a_change_is_the_bound_of_the_changed_settings(x64):
    now = evidence()
    found = bounds.one_change(now)
    assert next(iter(found)) == "now"
    values = [float(bound.value) for bound in list(found.values())[1:]]
    assert values == sorted(values)

    def individual(**changes):
        return float(
            bounds.evaluate(now._replace(**changes), -1, ["individual"])["individual"].value
        )

    expected = {
        "now": individual(),
        "clip": individual(clip=np.float64(CLIP / 2)),
        "inverse_temperature": individual(noise_stds=np.full(T, STD * math.sqrt(2))),
        "learning_rate": individual(
            step_sizes=np.full(T, ETA / 2), noise_stds=np.full(T, STD / math.sqrt(2))
        ),
        "batch_size": individual(batch_size=np.float64(2 * B), smallest_batch=np.float64(2 * B)),
        "steps": individual(step_sizes=np.array([ETA] * 3 + [0.0] * 3)),
    }
    for name, value in expected.items():
        assert float(found[name].value) == pytest.approx(value, rel=1e-9), name
    doubled = bounds.account(
        np.full(T, ETA),
        np.full(T, STD),
        clip=CLIP,
        batching="without_replacement",
        batch_size=B,
        n=2 * N,
        dim=50,
    )
    assert float(found["train_size"].value) == pytest.approx(float(doubled.gap.value), rel=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"noise_stds": np.zeros(T)},
        {"clip": np.float64(np.inf)},
        {"step_sizes": np.zeros(0), "noise_stds": np.zeros(0)},
        {"step_sizes": np.full(T, np.nan)},
    ],
    ids=["no noise", "no clip", "no steps", "steps unknown"],
)
def test_without_a_noisy_training_no_change_is_promised(changes):
    assert bounds.one_change(evidence(**changes)) == {}
    found = bounds.dissect(evidence(**changes), names=["individual"])["individual"]
    assert not bool(found.bound.holds) and np.isnan(found.root)

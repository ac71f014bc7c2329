"""The bench: certificates stand, published forms and wrong bounds fall, questions are refused."""

import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds import falsification
from ibjax.bounds.falsification import feeding
from ibjax.bounds.falsification.rows import fed
from ibjax.interface import BoundValue

QUICK = {"models": 60, "search": 6}

FEW = (
    *("finite, n=2", "layered, n=2", "head, n=2", "gibbs, n=2", "relaxing, n=2", "two stages"),
    *("supersample, n=2", "interpolating, n=2", "replicas, n=3", "left out, n=3"),
    *("two candidates, 0-1", "full, n=2, b=2", "without_replacement, n=3, b=2"),
    "projected, full, n=2, b=2",
    *("disjoint, n=2, b=1", "given pairs, n=2"),
)
"""Families on which every row has something to say; all of them are for the benchmark."""


@pytest.fixture(scope="module")
def verdicts():
    """Every row against some families, without the adversary."""
    return bounds.falsify(models=100, search=0, among=FEW)


def test_no_theorem_of_the_library_is_violated(verdicts):
    assert set(verdicts) == set(falsification.rows())
    for v in verdicts.values():
        assert v.models > 0
        if v.theorem:
            assert not v.broken and v.ratio <= 1, str(v)


def test_ratios_come_close_to_one(verdicts):
    """Bounds that exact models nearly attain: the bench has teeth."""
    near = {n: v.ratio for n, v in verdicts.items() if v.theorem and v.ratio > 0.98}
    for name in ("xu_raginsky", "individual", "depth_examples", "gibbs_layers", "depth_tv"):
        assert name in near
    for name in ("fast_rate_pair_free", "binary_js_free", "interpolation_free", "funnel"):
        assert name in near
    for name in ("f_information_chi2", "path_membership_kl", "leave_one_out_interpolation"):
        assert name in near


def test_known_certificates_are_called_so(verdicts):
    for name in ("xu_raginsky", "individual", "depth", "depth_examples", "depth_tv", "last_layer"):
        assert verdicts[name].kind == "certificate", name
    assert verdicts["depth_published"].kind == "diagnostic"
    assert {v.name for v in verdicts.values() if v.broken} == {
        "depth_published",
        "last_layer_published",
        "single_loss_published",
    }


def test_the_published_depth_bound_falls_within_seconds():
    start = time.process_time()
    v = bounds.falsify("depth_published", models=200, search=10)
    assert time.process_time() - start < 20
    assert v.violations > 0 and v.ratio > 1 and not v.theorem
    # The model in hand says so by itself.
    published = bounds.depth(
        v.fields["information"], v.fields["etas"], v.fields["n"], 0.5, variant="published"
    )
    assert abs(v.fields["gap"]) > published.value
    assert abs(v.fields["gap"]) == pytest.approx(v.target, rel=1e-12)


def test_the_adversary_finds_what_random_models_do_not():
    random = bounds.falsify("depth_examples", models=40, search=0)
    climbed = bounds.falsify("depth_examples", models=40, search=15)
    assert climbed.ratio >= random.ratio and climbed.models > random.models
    assert not climbed.broken and climbed.ratio > 0.99


def half(information, n, sigma):
    return bounds.xu_raginsky(information, n, sigma).value / 2


def half_by_hand(information, n, sigma=0.5):
    """Plain Python: JAX cannot trace it."""
    return math.sqrt(2 * sigma**2 * information / n) / 2


@pytest.mark.parametrize("wrong", [half, half_by_hand])
def test_a_wrong_bound_is_caught(wrong):
    v = bounds.falsify(wrong, models=60, search=0)
    assert v.broken and 1 < v.ratio <= 2 + 1e-9 and v.kind == "claim" and v.theorem
    assert v.name == wrong.__name__ and "violations" in str(v)


def test_traced_and_plain_calls_agree():
    a = bounds.falsify(half, models=30, search=0, key=jax.random.key(3))
    b = bounds.falsify(half_by_hand, models=30, search=0, key=jax.random.key(3))
    assert (a.models, a.violations, a.family) == (b.models, b.violations, b.family)
    assert a.ratio == pytest.approx(b.ratio, rel=1e-12)


def test_a_right_bound_of_ones_own_stands():
    v = bounds.falsify(bounds.xu_raginsky, **QUICK)
    assert not v.broken and v.kind == "certificate"


def test_what_is_bounded_can_be_chosen():
    def zero(n):
        return 0.0

    assert bounds.falsify(zero, models=5, search=0, truth="test_error").broken

    def one(n):
        return 1.0

    for truth in ("gap", "size", "absolute_gap", "test_error"):
        assert not bounds.falsify(one, models=5, search=0, truth=truth).broken


def test_arguments_by_default_are_filled_where_the_model_knows_them():
    seen = []

    def bound(information, etas=None, unheard_of=3):
        seen.append((etas is None, unheard_of))
        return jnp.sqrt(information / 2)

    bounds.falsify(bound, models=4, search=0)
    assert {u for _, u in seen} == {3} and {e for e, _ in seen} == {True, False}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda gaap: gaap, "needs gaap, which no family of models has; it may ask for"),
        (lambda inverse_temperature, masks: 1.0, "no family of models has all that"),
        (lambda n: math.nan, "gave no number"),
        (lambda n: "much", "give a number or a BoundValue"),
        ("dept", "did you mean depth"),
        ([], "at least one"),
        (eval("lambda n, /: 1.0"), "without a name"),
    ],
)
def test_questions_without_sense_are_refused(function, words):
    with pytest.raises(ValueError, match=words):
        bounds.falsify(function, models=3, search=0)


@pytest.mark.parametrize(
    "bad", [{"models": 0}, {"search": -1}, {"truth": "train_error"}, {"among": ["infinite"]}]
)
def test_bad_options_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        bounds.falsify("xu_raginsky", **bad)


def test_the_key_decides():
    a, b, c = (
        bounds.falsify("individual", models=20, search=3, key=jax.random.key(k)) for k in (1, 1, 2)
    )
    assert (a.ratio, a.models) == (b.ratio, b.models) and a.ratio != c.ratio


def test_a_value_that_does_not_hold_is_no_answer():
    def shy(information, n):
        ok = information > 0.1
        return BoundValue(value=jnp.asarray(0.0), holds=ok, kind="certificate")

    v = bounds.falsify(shy, models=60, search=0)
    assert v.broken and v.kind == "certificate"
    every = bounds.falsify(lambda information, n: 0.0, models=60, search=0)
    assert 0 < v.models < every.models


def test_scores():
    truth = np.array([0.5, 0.5, 0.5, 0.0, 1e-10, 0.5, -0.2])
    value = np.array([1.0, 0.4, 0.0, 0.0, 0.0, np.nan, 0.1])
    scores = feeding.compare(truth, value)
    np.testing.assert_allclose(
        scores.ratio, [0.5, 1.25, np.inf, 0, 0, np.nan, 0], rtol=1e-8, equal_nan=True
    )
    negative = feeding.compare(np.array([0.0]), np.array([-1.0]))
    assert negative.ratio[0] == np.inf
    several = feeding.compare(np.array([0.5]), np.array([[1.0, 0.4, np.nan]]))
    assert several.ratio[0] == pytest.approx(1.25) and several.value[0] == 0.4


def test_a_row_is_fed_by_the_names_it_states():
    """In places and by keyword, exact ones as estimates, layers as coefficients."""

    def bound(*args, **keywords):
        return args, keywords

    words = "information! n etas label=labels! scale=n"
    row = fed(bound, words, form="log")
    assert feeding.wants(row).needed == ("information", "n", "etas", "labels")
    given = {"information": 0.5, "n": 7, "etas": jnp.array([0.25]), "labels": 0.1}
    (information, n, layers), keywords = row(**given)
    assert information.exact and information.bias == "none" and float(information.value) == 0.5
    assert n == 7 and layers.kind == "exact" and layers.divergence == "kl"
    assert float(keywords["label"].value) == 0.1 and keywords["scale"] == 7
    assert keywords["form"] == "log" and set(keywords) == {"label", "scale", "form"}

"""Limits on measured path information: what they certify, and when they do not help."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds, data
from ibjax.bounds import invert
from ibjax.bounds.evidence import certified_paths, limits
from ibjax.interface import BATCHINGS, Evidence

N, T = 20, 50
RNG = np.random.default_rng(0)
STEP, STD, CLIP, B = 0.1, 0.02, 1.0, 20
CAP = T * (STEP * CLIP / (STD * B)) ** 2 / 2
NAMES = ("trajectory_cmi_certified", "trajectory_pair_certified")


def evidence(k1=2, k2=200, share=0.1, *, mask=None, **changes):
    missing = {name: np.nan for name in Evidence._fields}
    mask = RNG.integers(0, 2, (k1, k2, N)) if mask is None else mask
    shape = (*mask.shape[:2], 1)
    given = {
        "mask": mask,
        "diverged": np.zeros(shape[:2], bool),
        "checkpoints": np.array([T]),
        "step_sizes": np.full(T, STEP),
        "noise_stds": np.full(T, STD),
        "clip": CLIP,
        "dim": 1e3,
        "batch_size": B,
        "batching": BATCHINGS.index("full"),
        "smallest_batch": B,
        "shared_batches": 0.0,
        "exchangeable": 1.0,
        "bounded_steps": 1.0,
        "train_error": np.full(shape, 0.1),
        "test_error": np.full(shape, 0.2),
        "membership_information": np.full(shape, share * CAP),
    }
    numbers = {k: np.asarray(v) for k, v in (missing | given | changes).items()}
    return Evidence(**numbers)


def values(given):
    return bounds.evaluate(given, names=NAMES).values()


def test_closed_forms_and_what_is_certified():
    found, pair = values(evidence())
    with jax.enable_x64(True):
        at = CAP * np.asarray(invert.kl(0.1 * (1 + 1e-5), np.log(20) / 400))
        expected = np.asarray(invert.phi(at))
        rate = np.asarray(invert.kl(0.1, np.log(40) / 400))
        half = CAP * np.asarray(invert.kl(0.1 * (1 + 1e-5), np.log(40) / 400))
        levels = np.linspace(0, rate, 2001)
        gaps = np.asarray(jax.vmap(lambda e: invert.pair(e, half) - e)(jnp.asarray(levels)))
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    np.testing.assert_allclose(pair.value, gaps.max(), rtol=1e-5)
    for value in (found, pair):
        assert value.kind == "certificate" and "given these supersamples" in value.note
        np.testing.assert_allclose(value.confidence, 0.95, rtol=1e-9)


def test_too_few_masks_are_said_to_be_too_few():
    few, _ = values(evidence(1, 10))
    many, _ = values(evidence(1, 300))
    assert "10 independent runs do not help, about 80 are needed" in few.note
    assert "independent runs" not in many.note
    with jax.enable_x64(True):
        beforehand = float(invert.envelope(CAP))
    assert float(many.value) < beforehand < float(few.value)


def test_more_runs_are_not_advised_where_the_premises_fail():
    for value in values(evidence(1, 10, shared_batches=1.0)):
        assert not bool(value.holds) and "shared_batches" in value.note
        assert "do not help" not in value.note


def test_steps_that_are_missing_are_refused():
    given = evidence(1, 10)
    few = given._replace(step_sizes=given.step_sizes[:1], noise_stds=given.noise_stds[:1])
    with pytest.raises(ValueError, match="step_sizes holds 1 steps"):
        values(few)


def test_complementary_and_equal_masks_count_once():
    half = RNG.integers(0, 2, (2, 30, N))
    paired = np.stack([half, 1 - half], 2).reshape(2, 60, N)
    assert float(limits.independent_runs(half)) == 60
    assert float(limits.independent_runs(paired)) == 60
    assert float(limits.independent_runs(np.concatenate([half, half * 0], 1))) == 4
    for apart, together in zip(values(evidence(mask=half)), values(evidence(mask=paired))):
        assert float(apart.value) == pytest.approx(float(together.value), rel=1e-9)


def test_runs_of_one_set_of_masks_are_not_counted_again_for_every_supersample():
    """Listed twice, drawn once for all (`shared=True`), or balanced otherwise than by couples."""
    rng = np.random.default_rng(1)
    half = rng.integers(0, 2, (1, 30, 40))
    again = np.concatenate([half, half[:, ::-1]])
    assert float(limits.independent_runs(again)) == 30
    drawn = data.supersample(jax.random.key(0), 90, 40, 5, 8, shared=True)
    assert float(limits.independent_runs(drawn.mask)) == 8
    drawn = data.supersample(jax.random.key(0), 90, 40, 5, 8, shared=True, balanced=True)
    assert float(limits.independent_runs(drawn.mask)) == 4
    # Masks of eight pairs come again by chance; eight of them in the same order do not.
    for balanced, runs in ((False, 8), (True, 4)):
        few = data.supersample(jax.random.key(1), 90, 8, 30, 8, shared=True, balanced=balanced)
        assert float(limits.independent_runs(few.mask)) <= runs
        traced = jax.jit(limits.independent_runs)(few.mask)
        assert float(traced) == float(limits.independent_runs(few.mask))
        own = data.supersample(jax.random.key(1), 90, 8, 30, 8, balanced=balanced).mask
        assert float(limits.independent_runs(own)) > 15 * runs / 2
    level = rng.permuted(np.arange(30)[:, None] % 2 + np.zeros((1, 1, 40), int), axis=1)
    assert float(limits.independent_runs(level)) == 1


def test_masks_of_few_pairs_may_be_alike_by_chance():
    rng = np.random.default_rng(2)
    short = rng.integers(0, 2, (40, 3, 4))
    assert float(limits.independent_runs(short)) >= 40


def test_a_limit_on_the_training_error_counts_draws_and_the_examples_that_were_seen():
    rng, n = np.random.default_rng(3), 10
    index = np.stack([rng.permutation(60)[: 2 * n].reshape(n, 2) for _ in range(12)])
    seen = len(np.unique(index))
    np.testing.assert_array_equal(limits.sampling(index), [12, seen // n])
    # of a part of a larger pool the positions tell nothing
    np.testing.assert_array_equal(limits.sampling(1000 + 7 * index), [12, seen // n])
    turned = index[:, ::-1, ::-1]  # the same examples in another order
    np.testing.assert_array_equal(limits.sampling(np.concatenate([index, turned])), [12, seen // n])
    np.testing.assert_array_equal(limits.sampling(index[[0, 0, 0, 1]])[0], 4 / 3)
    apart = np.arange(3 * 2 * n).reshape(3, n, 2)
    np.testing.assert_array_equal(limits.sampling(apart), [3, np.inf])
    np.testing.assert_array_equal(limits.sampling(apart - 1), [0, 0])


@jax.jit
def traced(evidence):
    """Value and whether it holds, of one certificate that rests on the settings, one on masks."""
    found = bounds.evaluate(evidence, names=("individual", *NAMES))
    assert {value.kind for value in found.values()} == {"certificate"}
    return [(found[name].value, found[name].holds) for name in ("individual", NAMES[0])]


def test_settings_that_the_runs_contradict_certify_nothing():
    """All is right on what was trained on and wrong elsewhere, which so little cannot tell."""
    learnt = evidence(2, 60)
    zero = np.zeros((2, 60, 1))
    learnt = learnt._replace(train_error=zero, test_error=zero + 1)
    learnt = learnt._replace(noise_stds=learnt.noise_stds * 10, membership_information=zero)
    names = ("individual", "xu_raginsky", *NAMES)
    for found in bounds.evaluate(learnt, names=names).values():
        assert np.isnan(found.value) and not found.holds and not found.vacuous
        said = "at least 0.782"  # a lower limit of 0.782502, rounded down
        assert said in found.note and "something of it is not so" in found.note
    # what can be is not contradicted, nor what is said of runs that share their noise
    for change in (
        {"noise_stds": learnt.noise_stds / 100},
        {"test_error": zero + 0.3},
        {"shared_batches": np.float64(1)},
    ):
        changed = learnt._replace(**change)
        assert bounds.evaluate(changed, names=["individual"])["individual"].holds
        assert traced(changed)[0][1]
    for found, holds in traced(learnt):
        assert np.isnan(found) and not holds


def test_masks_that_are_no_fair_coins_certify_nothing():
    fair = np.random.default_rng(4).integers(0, 2, (2, 60, N))
    for mask, named in ((fair * 0, "share 0 of"), (fair | fair[:, ::-1], r"share 0\.7")):
        for found in values(evidence(mask=mask)):
            assert not found.holds and re.search(named, found.note)
        assert [bool(holds) for _, holds in traced(evidence(mask=mask))] == [True, False]
    assert all(found.holds for found in values(evidence(mask=fair)))
    assert all(holds for _, holds in traced(evidence(mask=fair)))


@pytest.mark.parametrize("turn", [0, 1])
def test_masks_of_pairs_that_are_tied_certify_nothing(turn):
    """Every sum of what a run tells about single pairs misses what two of them say together."""
    rng = np.random.default_rng(5)
    fair = rng.integers(0, 2, (2, 60, N))
    tied = fair.copy()
    tied[..., N - 1] = tied[..., 1] ^ turn
    for found in values(evidence(mask=tied)):
        assert not found.holds and f"pairs 1 and {N - 1} are the same or opposite" in found.note
    assert [bool(holds) for _, holds in traced(evidence(mask=tied))] == [True, False]
    # Few masks may be so by chance.
    assert all(found.holds for found in values(evidence(mask=tied[:, :4])))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"shared_batches": 1.0}, "share their batches"),
        ({"shared_batches": np.nan}, "share their batches"),
        ({"clip": np.inf}, "clip is infinite"),
        ({"exchangeable": 0.0}, "exchangeable"),
        ({"membership_information": np.full((2, 200, 1), np.nan)}, "membership_information"),
        ({"membership_information": np.full((2, 200, 1), 1.01 * CAP)}, ""),
    ],
)
def test_what_voids_the_certificate_leaves_it_missing(change, named):
    for found in values(evidence(**change)):
        assert np.isnan(found.value) and not found.holds and named in found.note


def test_a_diverged_run_counts_with_all_it_could_have_told():
    given = evidence()
    gone = given.diverged.copy()
    gone[0, :20] = True
    lost = np.where(gone[..., None], np.nan, given.membership_information)
    full = np.where(gone[..., None], CAP, given.membership_information)
    marked = given._replace(diverged=gone, membership_information=lost)
    counted = given._replace(membership_information=full)
    for found, expected in zip(values(marked), values(counted)):
        assert float(found.value) == pytest.approx(float(expected.value), rel=1e-4)


def test_the_limit_covers_the_mean_as_often_as_it_says():
    """Binary informations are the worst case: coverage at their mean, over many repetitions."""
    share, runs = 0.15, 40
    counts = RNG.binomial(runs, share, 4000)
    with jax.enable_x64(True):
        found = jax.vmap(lambda x: bounds.mean_upper_limit(x, CAP, 0.05).value)
        values = np.zeros((runs + 1, runs))
        for hits in range(runs + 1):
            values[hits, :hits] = CAP
        limit = np.asarray(found(jnp.asarray(values)))
    assert (limit[counts] < share * CAP).mean() < 0.05


def test_enumeration_of_all_masks_and_paths():
    """What the engine sums up is the information to its rounding, and bounds the gap inverted."""
    names = ["membership_information", *NAMES]
    found = bounds.falsify(names, models=200, search=0)
    for verdict in found.values():
        assert not verdict.broken and verdict.models > 0 and verdict.theorem
    assert found["membership_information"].ratio > 0.99
    assert all(found[name].kind == "certificate" for name in NAMES)


def test_no_step_tells_nothing():
    still = evidence(step_sizes=np.zeros(T), membership_information=np.zeros((2, 200, 1)))
    assert next(iter(values(still))).value == 0.0
    assert certified_paths.HELPFUL == 80


def test_groups_are_for_the_kl_limit_only():
    with pytest.raises(ValueError, match="runs is given with method='best'"):
        bounds.mean_upper_limit(np.full(4, 0.1), 1.0, 0.05, method="best", runs=2)
    with pytest.raises(ValueError, match="runs"):
        bounds.mean_upper_limit(np.full(4, 0.1), 1.0, 0.05, runs=5)


@pytest.mark.parametrize("clip", [1e-13, 1e-30, 1e-150])
def test_nothing_is_known_of_gradients_whose_squares_vanish(clip):
    """A float32 sum of squares is 0 there, whatever the noise tells it apart from."""
    found, pair = values(evidence(1, 300, clip=clip, noise_stds=np.full(T, STD * clip), share=0.0))
    with jax.enable_x64(True):
        np.testing.assert_allclose(found.value, np.asarray(invert.phi(CAP)), rtol=1e-9)
    assert float(pair.value) > 0


def test_no_measured_information_is_not_none_at_all():
    tiny = evidence(1, 300, noise_stds=np.full(T, 1e20), share=0.0)
    cap = T * (STEP * CLIP / (1e20 * B)) ** 2 / 2
    with jax.enable_x64(True):
        expected = np.asarray(invert.phi(cap))
    found, _ = values(tiny)
    np.testing.assert_allclose(found.value, expected, rtol=1e-9)

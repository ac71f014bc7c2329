"""What the information of a record is about: less than a theorem takes is refused."""

import dataclasses

import jax
import numpy as np
import pytest

from ibjax import bounds
from ibjax.interface import BoundValue, Estimate

N, T = 1000, 200
STEPS = np.full(T, 0.1)
RUN = (STEPS, np.sqrt(2 * STEPS / 500), 1.0, "full", N, N, None)


@pytest.fixture(scope="module")
def records():
    account = bounds.account(*RUN[:2], clip=1.0, batching="full", batch_size=N, n=N, dim=None)
    each = bounds.per_example_information(*RUN)
    slot = bounds.membership_certificate(np.full(50, 1e-3), 0.02, 0.05)
    return {"example": (each, account.gap), "pair": (slot,), "sample": (account.absolute_gap,)}


def upper_limit(ratios):
    return bounds.membership_upper(ratios, 0.05)


WHOLE = {
    "xu_raginsky": lambda i: bounds.xu_raginsky(i, N, 0.5),
    "depth": lambda i: bounds.depth(i, [0.5], N, 0.5, num_classes=2),
    "labels": lambda i: bounds.depth(3.0, [0.5], N, 0.5, label_information=i),
    "complexity": lambda i: bounds.sample_complexity(0.1, i, [0.5], 0.5, variant="published"),
    "absolute_gap": lambda i: bounds.absolute_gap(i, N, 0.5),
    "deviation": lambda i: bounds.deviation_probability(0.1, i, N, 0.5),
    "rate_distortion": lambda i: bounds.rate_distortion(i, N, 0.5, 0.0),
    "sliced": lambda i: bounds.sliced_weights(i, N, 0.5),
    "last_layer": lambda i: bounds.last_layer(i, N, 0.5, frozen=True),
    "steinke_zakynthinou": lambda i: bounds.steinke_zakynthinou(i, N),
}


@pytest.mark.parametrize("bound", WHOLE)
def test_a_part_does_not_stand_for_the_whole(bound, records):
    """`xu_raginsky` of the information of one example was a certificate, sqrt(n) too small."""
    for record in (*records["example"], *records["pair"]):
        with pytest.raises(ValueError, match="about single"):
            WHOLE[bound](record)
    for record in records["sample"]:
        assert np.isfinite(float(getattr(WHOLE[bound](record), "value", WHOLE[bound](record))))


def test_the_sum_over_examples_is_about_the_sample(records):
    each, _ = records["example"]
    number = bounds.xu_raginsky(N * each.value, N, 0.5)
    total = bounds.sum_over_examples(each, N)
    found = bounds.xu_raginsky(total, N, 0.5)
    assert float(found.value) == float(number.value) and found.kind == "certificate"
    assert found.about == total.about == "sample"
    with pytest.raises(ValueError, match="the sum over the n examples is, see sum_over_examples"):
        bounds.xu_raginsky(each, N, 0.5)
    for wrong in (total, records["pair"][0]):
        with pytest.raises(ValueError, match="information"):
            bounds.sum_over_examples(wrong, N)
    with pytest.raises(ValueError, match=r"give its mean, or \(1000,\)"):
        bounds.sum_over_examples(dataclasses.replace(each, value=np.ones(3)), N)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sum_over_examples_that_is_no_number_is_not_ok(value):
    each = Estimate(np.array(value), np.array(0.0), np.array(True), about="example")
    assert not bounds.sum_over_examples(each, 3).ok


def test_a_sum_over_examples_adds_their_errors_and_doubts(x64):
    values = np.array([0.1, 0.2, 0.4])
    doubts = {"std_error": np.array([0.01, 0.02, 0.0]), "confidence": np.array([0.99, 1.0, 0.98])}
    each = Estimate(values, ok=np.array([True, True, False]), about="example", **doubts)
    found = bounds.sum_over_examples(each, 3)
    np.testing.assert_allclose(found.value, 0.7)
    np.testing.assert_allclose(found.std_error, 0.03)
    np.testing.assert_allclose(found.confidence, 0.97)
    assert not bool(found.ok)


RENAMED = {
    "replace": lambda r: dataclasses.replace(r, name="mine"),
    "tree.map": lambda r: jax.tree.map(lambda x: 2 * x, r),
    "jit": lambda r: jax.jit(lambda r: dataclasses.replace(r, name="mine"))(r),
    "vmap": lambda r: jax.tree.map(
        lambda x: x[0], jax.vmap(lambda _: jax.tree.map(np.asarray, r))(np.arange(2))
    ),
    "scan": lambda r: jax.lax.scan(lambda c, _: (c, None), jax.tree.map(np.asarray, r), None, 2)[0],
}


@pytest.mark.parametrize("way", RENAMED)
def test_what_a_record_is_about_outlives_its_name(records, way):
    """A record renamed passed for any other."""
    for record in (*records["example"], *records["pair"]):
        kept = RENAMED[way](record)
        assert kept.about == record.about and kept.candidates == record.candidates == 2
        with pytest.raises(ValueError, match="about single"):
            bounds.xu_raginsky(kept, N, 0.5)


def test_a_bound_of_ones_own_says_what_it_is_about_or_is_no_information():
    own = BoundValue(np.array(0.1), np.array(0.02), kind="certificate", name="own")
    for bound in (lambda i: bounds.xu_raginsky(i, N, 0.5), bounds.path_membership):
        with pytest.raises(ValueError, match=r"from own, which does not say .* about="):
            bound(own)
        assert bound(dataclasses.replace(own, about="sample")).kind == "certificate"
    for claim in (0.02, Estimate(np.array(0.02), bias="none", exact=True)):  # the caller's own
        found = bounds.xu_raginsky(claim, N, 0.5)
        assert (found.kind, found.about) == ("certificate", "sample")


def test_bounds_hand_on_what_they_were_given(records):
    each, gap = records["example"]
    assert bounds.path_membership(each).about == "example"
    assert bounds.path_membership(0.1 * np.ones(3)).about == "pair"
    assert bounds.xu_raginsky(1.0, N, 0.5).about == "sample"
    assert bounds.xu_raginsky(1.0, 1, 0.5).about == "example"
    assert bounds.k_ghost(0.1, 5).candidates == 5
    for chained in (gap, bounds.path_membership(each), bounds.individual(each.value[None], 0.5)):
        with pytest.raises(ValueError, match="about single examples"):
            bounds.xu_raginsky(chained, N, 0.5)


OTHERS = {
    "compressed": lambda: bounds.rate_distortion(1.0, N, 0.5, 0.1),
    "contracted": lambda: bounds.depth_examples([0.1], [0.1], [0.5], 0.5),
    "features": lambda: bounds.last_layer(0.1, N, 0.5, frozen=True),
    "features, one example": lambda: bounds.last_layer(0.1, 1, 0.5, frozen=True),
    "sum or whole": lambda: bounds.depth(0.1, [0.5], N, 0.5, num_classes=2),
    "those a prior does not see": lambda: bounds.random_subset(0.1, N, N - 2, 0.5),
    "no information": lambda: bounds.gibbs(10.0, N, 0.5),
    "distance": lambda: bounds.wasserstein(np.ones((3, 1)), np.zeros((3, 1))),
    "probability": lambda: bounds.survival_limit(8, 10, 0.05),
    "total variation": lambda: bounds.f_information(*_tables(), form="tv"),
    "one class": lambda: (
        bounds.per_class(_tables()[0], np.zeros((1, 3, 2), int), _tables()[1], 2).bound
    ),
}


def _tables():
    losses = np.random.default_rng(0).integers(0, 2, (1, 4, 3, 2))
    return losses, np.array([[0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 0]])


def _of_one_class(losses, masks):
    return bounds.per_class(losses, np.zeros((1, 3, 2), int), masks, 2).bound


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_information_of_the_weights_is_not_taken_for_it(what):
    record = OTHERS[what]()
    for bound in (
        bounds.path_membership,
        lambda i: bounds.xu_raginsky(i, N, 0.5),
        lambda i: bounds.fast_rate(0.1, i),
        lambda i: bounds.pac_bayes_kl(0.1, i, N),
    ):
        with pytest.raises(ValueError, match="no information of the weights"):
            bound(record)


def test_the_divergence_of_one_posterior_is_a_draw_under_any_name(records):
    """It went by four names; a bound made from one divergence passed as that of the mean."""
    one = bounds.gaussian_divergence(np.zeros(3), np.ones(3), np.ones(3), 1.0)
    made = bounds.gaussian_posterior(0.1, 100, np.zeros(3), np.ones(3), 0.0, [1.0, 2.0], 50)
    shorter = bounds.occam(0.1, 10.0, N, 0.05)
    for record in (one, made, shorter, bounds.pac_bayes_kl(0.1, one, N, delta=0.1)):
        renamed = dataclasses.replace(record, name="mine")
        assert renamed.about == "posterior"
        found = bounds.xu_raginsky(renamed, N, 0.5)
        assert found.kind == "estimate" and np.isnan(found.std_error)
        assert bounds.pac_bayes_kl(0.1, renamed, N).kind == "estimate"
        assert bounds.pac_bayes_kl(0.1, renamed, N, delta=0.1).kind == "certificate"
    with pytest.raises(ValueError, match="takes what is about the posterior of one sample"):
        bounds.pac_bayes_kl(0.1, records["sample"][0], N, delta=0.1)


def test_what_layers_contracted_does_not_contract_again(x64):
    """A fair sign, its noisy copy the feature, and W the opposite sign: the gap is 1 - 2 d."""
    d = 0.1
    eta, gap = [(1 - 2 * d) ** 2], 1 - 2 * d
    kept = np.log(2) + d * np.log(d) + (1 - d) * np.log(1 - d)
    once = (
        bounds.last_layer(kept, 1, 1.0, frozen=True),
        bounds.depth_examples([0.0], [np.log(2)], eta, 1.0),
    )
    for bound in once:
        assert float(bound.value) >= gap
        assert (
            float(bounds.depth(bound.information, eta, 1, 1.0, label_information=0.0).value) < gap
        )
        with pytest.raises(ValueError, match="no information of the weights"):
            bounds.depth(bound, eta, 1, 1.0, label_information=0.0)


def test_the_sum_over_examples_says_nothing_of_the_size_of_gaps(x64):
    """W = Z_1 + Z_2 modulo 64 is independent of either, and knows both; the loss is 1 where 2 Z - W
    lies in the upper half: on both examples or on none."""
    z = np.arange(64)

    def loss(at, w):
        return 1.0 * (np.abs((2 * at - w + 32) % 64 - 32) > 16)

    w = (z[:, None] + z) % 64
    train = (loss(z[:, None], w) + loss(z, w)) / 2
    gap = np.mean(np.abs(train - loss(z[:, None], z).mean(0)[w]))
    together = np.log(64)
    assert bounds.absolute_gap(together, 2, 0.5).value > gap > 0.45
    assert bounds.absolute_gap(0.0, 2, 0.5).value < gap
    summed = bounds.depth(0.0, [1.0], 2, 0.5, label_information=0.0)
    with pytest.raises(ValueError, match="no information of the weights"):
        bounds.absolute_gap(summed, 2, 0.5)
    known = Estimate(np.array(together), bias="none", exact=True, about="sample")
    whole = bounds.depth(known, [1.0], 2, 0.5, label_information=0.0)
    assert float(bounds.absolute_gap(whole, 2, 0.5).value) > gap


def test_a_prior_that_the_data_chose_is_paid_for(x64):
    """The best of two widths went on as if it had been the only one."""
    mean, std, widths = np.zeros(3), np.full(3, 0.5), [0.5, 1.0]
    best = bounds.gaussian_posterior(0.1, 100, mean, std, 0.0, widths, N)
    assert float(best.information) == pytest.approx(np.log(2))
    one = bounds.gaussian_posterior(0.1, 100, mean, std, 0.0, widths[:1], N)
    assert float(one.information) == pytest.approx(0.0, abs=1e-12)
    assert float(best.value) > float(one.value)


def test_a_prior_that_sees_fewer_takes_the_information_of_more(records):
    """Of one example in n the root over n - kept was taken."""
    each, _ = records["example"]
    assert bounds.random_subset(each, N, N - 1, 0.5).kind == "certificate"
    with pytest.raises(ValueError, match="about single examples"):
        bounds.random_subset(each, N, 0, 0.5)


def test_of_one_example_the_information_is_what_is_asked_for(records):
    each, _ = records["example"]
    (slot,) = records["pair"]
    found = bounds.xu_raginsky(each, 1, 0.5)
    assert float(found.value) == pytest.approx(float(np.sqrt(each.value / 2)))
    assert bounds.steinke_zakynthinou(slot, 1).kind == "certificate"
    assert bounds.depth(each, [0.5], 1, 0.5, num_classes=2).kind == "certificate"
    for wrong in (slot,):
        with pytest.raises(ValueError, match="single pairs"):
            bounds.xu_raginsky(wrong, 1, 0.5)


@pytest.mark.parametrize("make", [bounds.membership_information, upper_limit])
def test_information_is_about_as_many_candidates_as_the_bound(make):
    """Of two candidates the gap is twice the mean difference, of ten hardly more than that."""
    for k in (2, 5):
        info = make(np.full((30, k - 1), -0.1))
        assert np.isfinite(float(bounds.k_ghost(info, k).value))
        for wrong in (
            bounds.k_ghost,
            lambda i, k: bounds.path_membership(i, candidates=k, form="sqrt"),
        ):
            with pytest.raises(ValueError, match=f"for {k} candidates"):
                wrong(info, 10)
        if k == 5:
            for two in (bounds.interpolation, bounds.fast_rate):
                with pytest.raises(ValueError, match="for 5 candidates"):
                    two(0.0, info)


def test_slots_are_no_examples_but_examples_may_stand_for_them(records):
    each, gap = records["example"]
    (slot,), (whole,) = records["pair"], records["sample"]
    for wrong in (bounds.path_prior, lambda i: bounds.random_subset(i, N, N - 1, 0.5)):
        with pytest.raises(ValueError, match="single pairs"):
            wrong(slot)
        assert np.isfinite(float(wrong(each).value))
    for right in (slot, each, gap, whole):
        assert bounds.path_membership(right).kind == "certificate"

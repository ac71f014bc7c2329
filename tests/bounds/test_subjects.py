"""What the information of a record is about: less than a theorem takes is refused."""

import dataclasses

import numpy as np
import pytest

from ibjax import bounds

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
    total = dataclasses.replace(each, value=N * each.value, name="sum over examples")
    number = bounds.xu_raginsky(N * each.value, N, 0.5)
    assert float(bounds.xu_raginsky(total, N, 0.5).value) == float(number.value)
    with pytest.raises(ValueError, match="the sum over the n examples"):
        bounds.xu_raginsky(each, N, 0.5)


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


def test_slots_are_no_examples_but_examples_may_stand_for_them(records):
    each, gap = records["example"]
    (slot,), (whole,) = records["pair"], records["sample"]
    for wrong in (bounds.path_prior, lambda i: bounds.random_subset(i, N, N - 1, 0.5)):
        with pytest.raises(ValueError, match="single pairs"):
            wrong(slot)
        assert np.isfinite(float(wrong(each).value))
    for right in (slot, each, gap, whole):
        assert bounds.path_membership(right).kind == "certificate"


def test_every_registered_bound_says_what_its_information_is_about():
    assert set(bounds.registry()) <= set(SUBJECTS)

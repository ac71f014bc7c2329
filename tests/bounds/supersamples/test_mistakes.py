"""Sentences about common mistakes are said where they are true, and else not."""

import numpy as np
import pytest

from ibjax.bounds.supersamples import mistakes

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, (2, 1, 5, 2))
RIGHT = np.where(RNG.random((2, 4, 5, 2)) < 0.8, LABELS, RNG.integers(0, 3, (2, 4, 5, 2)))


@pytest.mark.parametrize(("off", "named"), [((0, 1), "labels"), ((1, 0), "predictions")])
def test_classes_counted_from_one_on_one_side(off, named):
    (said,) = mistakes.shifted(RIGHT + off[0], LABELS + off[1])
    assert said.startswith(f"{named} reach from 1") and f"if {named} count" in said
    assert f"{np.mean(RIGHT != LABELS):.3g} are wrong in the place of" in said


def test_diverged_replicas_show_no_class():
    shown = RIGHT.copy()
    shown[0, 0] = -1
    assert mistakes.shifted(shown, LABELS) == ()
    assert len(mistakes.shifted(shown, LABELS + 1)) == 1


@pytest.mark.parametrize(
    ("shown", "true"),
    [
        (RIGHT, LABELS),
        (RIGHT + 1, LABELS + 1),
        (RIGHT, LABELS + 5),
        (RIGHT, np.full_like(LABELS, -1)),  # losses alone
        (np.where(RIGHT == 2, 1, RIGHT), LABELS),  # a class that is never predicted
        (np.full_like(RIGHT, -1), LABELS),
        (LABELS + np.zeros_like(RIGHT), (LABELS + 1) % 3 + 0),
    ],
)
def test_what_may_well_be_is_passed_over(shown, true):
    assert mistakes.shifted(shown, true) == ()

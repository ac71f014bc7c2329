"""`ibjax certify`: one network, its certified test error, and the held-out one beside it."""

import numpy as np
import pytest

from ibjax import cli
from ibjax.cli.certify import Certified, Certify, certify


def test_the_default_is_not_vacuous_and_covers_the_held_out_error(capsys):
    assert cli.main(["certify", "--steps", "200"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "certificate, 95 %" in said and "of this network" in said and "a check only" in said
    found = certify(Certify())
    assert found.n == 1437 and found.certified_on == 719 and found.held_out == 360
    assert found.held_out_error < found.test_error < 0.25
    assert found.train_error < 0.15
    bracket = found.energy - found.martingale + np.log(2 * np.sqrt(719) / 0.05)
    assert found.bracket == pytest.approx(bracket, rel=1e-9)


def test_a_certificate_that_allows_any_error_certifies_nothing(capsys, monkeypatch):
    given = Certified(20, 10, 0.1, 0.1, 900.0, 1.0, 906.0, 1.0, 0.95, np.nan, 0, vacuous=True)
    monkeypatch.setattr("ibjax.cli.certify.certify", lambda _: given)
    assert cli.main(["certify", "--no-cache"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Nothing is certified" in said and "vacuous" in said and "at most" not in said


def test_layer_noise_pays_for_its_draws():
    found = certify(Certify(layer_noise=0.3, steps=40, held_out=None, classes=("4", "9")))
    assert np.isnan(found.held_out_error) and found.held_out == 0
    assert found.certified_train_error > 0
    bracket = found.energy - found.martingale + np.log(2 * np.sqrt(found.certified_on) / 0.025)
    assert found.bracket == pytest.approx(bracket, rel=1e-9)
    assert found.confidence == pytest.approx(0.95)
    assert not found.vacuous or found.test_error == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("words, message", [
    ("--classes 0,x 1", "labels joined by commas"),
    ("--classes 0,1 1,2", "at most once"),
    ("--classes 0,12 1", "are 0 to 9"),
    ("--classes 3", "two or more groups"),
    ("--prior-share 1", "prior_share=1.0 must lie in [0, 1)"),
    ("--prior-share .9999", "leaves 0 of 1437"),
    ("--delta 0", "delta=0.0 must lie"),
    ("--steps 0", "steps=0 must be at least 1"),
    ("--learning-rate inf", "must be positive and finite"),
    ("--layer-noise -1", "must not be negative"),
    ("--dataset nothing", "nothing"),
])  # fmt: skip
def test_mistakes_end_in_one_line(words, message, capsys):
    assert cli.main(["certify", *words.split()]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1

"""Proved limits as text: on the side where they hold, and within one unit of the last digit."""

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibjax import cli, rounding
from ibjax.bounds.evidence import certified_paths
from ibjax.cli import account, bounds, terminal
from ibjax.cli.certify import Certified
from ibjax.interface import BoundValue
from ibjax.report.summary import Row
from ibjax.report.table import _factor, cell, kind
from ibjax.reproduce.outcome import bound_text

FORMS = (".3f", ".4f", ".10f", ".1g", ".3g", ".6g", ".0e")


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(FORMS))
def test_the_text_lies_on_the_proved_side_within_one_unit(value, form):
    up, down = rounding.up(value, form), rounding.down(value, form)
    if math.isinf(float(up)) or math.isinf(float(down)):
        assert abs(value) > 1e308
        return
    exact, top, low = (Fraction(text) for text in (repr(value), up, down))
    assert low <= exact <= top
    digits, style = int(form[1:-1]), form[-1]
    figures = digits if style == "g" else digits + 1
    power = Decimal(repr(value)).adjusted() - figures + 1 if exact else 0
    unit = Fraction(10) ** (-digits if style == "f" else power)
    assert top - exact < unit and exact - low < unit
    if form != ".10f":  # a float does not hold so many digits of any number
        assert rounding.up(float(up), form) == up and rounding.down(float(down), form) == down
    assert up.lstrip("-") == rounding.down(-value, form).lstrip("-")


@pytest.mark.parametrize(
    ("value", "form", "up", "down"),
    [
        (0.1, ".3f", "0.100", "0.100"),
        (0.10049, ".3f", "0.101", "0.100"),
        (0.1004, ".3g", "0.101", "0.1"),
        (1.0, ".4g", "1", "1"),
        (0.0, ".3f", "0.000", "0.000"),
        (-0.0004, ".3f", "0.000", "-0.001"),
        (999.5, ".3g", "1e+03", "999"),
        (3.21e-7, ".1g", "4e-07", "3e-07"),
        (np.float32(0.25), ".3f", "0.250", "0.250"),
        (math.inf, ".3f", "inf", "inf"),
        (math.nan, ".3g", "nan", "nan"),
    ],
)
def test_closed_forms(value, form, up, down):
    assert rounding.up(value, form) == up and rounding.down(value, form) == down


def test_the_kind_decides():
    proved = ("certificate", "certificate, 95 %", "upper", "upper limit")
    assert {rounding.by_kind(0.10049, ".3f", k) for k in proved} == {"0.101"}
    assert rounding.by_kind(0.1009, ".3f", "lower") == "0.100"
    for name in ("estimate", "diagnostic", "measured", "exact", "null", "unknown"):
        assert rounding.by_kind(0.10049, ".3f", name) == "0.100"
        assert rounding.by_kind(0.1009, ".3f", name) == "0.101"


def test_a_certificate_is_shown_with_the_confidence_it_needs():
    assert rounding.kind("certificate", 1 - 0.07) == "certificate, 93 %"
    assert rounding.kind("certificate", 1.0) == "certificate"
    assert rounding.kind("estimate", 0.95) == "estimate"


def test_a_confidence_is_rounded_down_but_for_the_error_of_one_minus_delta():
    deltas = (0.05, 0.07, 0.1, 0.01, 0.3)
    assert [rounding.percent(1 - d) for d in deltas] == ["95 %", "93 %", "90 %", "99 %", "70 %"]
    assert rounding.probability(1 - 0.07) == "0.93"
    assert rounding.percent(1 - 1e-9) == "99.9999 %"
    assert rounding.probability(1 - 1e-9) == "0.999999"


def test_cells_of_a_table():
    values = np.array([0.10049, 0.1, 0.00041, 1.0021, np.nan])
    row = Row("a", "certificate", values, np.full(5, np.nan), values >= 1, confidence=1 - 1e-9)
    shown = [cell(row, i) for i in range(5)]
    assert shown == ["0.101", "0.100", "0.0005", "1.01 vacuous", "-"]
    assert kind(row) == "certificate, 99.9999 %"
    other = row._replace(kind="estimate")
    assert [cell(other, i) for i in range(4)] == ["0.100", "0.100", "0.0004", "1 vacuous"]


def test_a_factor_takes_no_more_away_than_is_proved():
    shown = [_factor(c) for c in (0.0, 3.7e-7, 9e-5, 1e-4, 0.12345, 0.99999, math.nan)]
    assert shown == ["1", "1 - 3e-07", "1 - 9e-05", "0.9999", "0.8766", "0.0001", "-"]


def test_bounds_of_reproductions():
    assert bound_text(0.10041, kind="certificate") == "0.101"
    assert bound_text(0.10041, 0.002) == "0.100±0.002"
    assert bound_text(1.0001, kind="certificate") == "1.001 vacuous"


def test_certify_says_no_less_than_it_proves(capsys, monkeypatch):
    given = Certified(
        20, 10, 0.10001, 0.10001, 2.0, 1.0, 3.00001, 0.20001, 0.93, 0.10001, 5, vacuous=False
    )
    monkeypatch.setattr("ibjax.cli.certify.certify", lambda _: given)
    assert cli.main(["certify", "--no-cache", "--layer-noise", "0.1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "at most 0.2001:" in said and "<= 3.001 nat / 10 = 0.3001." in said
    assert "certificate, 93 % 0.2001" in said and "With probability 0.93" in said
    assert "upper limit 0.1001" in said and said.count("measured 0.1000") == 2


def test_account_and_its_sentences_round_up(capsys):
    command = account.Account(n=1000, steps=20)
    found, compared = account.compute(command)
    rows = account.lines(command, found)
    shown = dict(zip((r[0] for r in rows), account._table(command, rows).columns[2].cells))
    for name, sort, value, _ in rows:
        if sort.startswith(("certificate", "upper")):
            assert value <= float(shown[name]) < value * 1.001
    now = f"{rounding.up(float(found.gap.value), '.4g')} now"
    assert now in account.advice(command, found, compared)[0]


def test_bounds_of_saved_replicas_round_by_their_kind(capsys):
    one = BoundValue(0.100041, 0.010001, kind="estimate", confidence=0.93)
    values = {"certificate": replace(one, kind="certificate"), "estimate": one}
    bounds._print("made up", [], values, {}, 2, 2)
    said = capsys.readouterr().out
    assert "certificate, 93 %" in said and "0.1001" in said and "0.01001" in said
    row = next(line for line in said.splitlines() if line.lstrip().startswith("estimate"))
    assert "0.1000" in row and "0.01 " in row


def test_documents_round_up_and_numbers_for_programs_do_not(tmp_path):
    heads = ("quantity", "kind", "value", "std_error", "null", "confidence")
    rows = [
        ("a", "certificate", 0.12345611, 0.12345611, 0.12345611, 0.99999999),
        ("b", "estimate", 0.12345611, 0.12345611, 0.12345611, 1.0),
    ]
    for name in ("t.md", "t.tex", "t.csv"):
        terminal.write_rows(tmp_path / name, heads, rows, floatfmt=".6g")
    for name in ("t.md", "t.tex"):
        lines = (tmp_path / name).read_text().splitlines()
        first, second = [line for line in lines if "0.123456" in line]
        assert first.count("0.123457") == 1 and first.count("0.123456") == 2
        assert "0.999999" in first and second.count("0.123456") == 3
    assert (tmp_path / "t.csv").read_text().count("0.12345611") == 6


def test_what_was_known_beforehand_is_rounded_up():
    said = certified_paths.remark(BoundValue(np.float64(0.5)), (np.float64(0.10049), 1.0))
    assert said.endswith("at most 0.101")


def test_why_rounds_the_parts_of_a_certificate_up():
    from ibjax.cli.why import _table
    from ibjax.report import Reasons
    from ibjax.report.looseness import HEADS

    numbers = (0.0100041,) * 7
    rows = (("a", "certificate", *numbers), ("b", "estimate", *numbers))
    made = _table("", Reasons(HEADS, rows, (), {}))
    cells = [list(column.cells) for column in made.columns[2:]]
    assert cells == [["0.0101", "0.01"]] * 7

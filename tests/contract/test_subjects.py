"""Every record of the library's says what its information is about, wherever it is made."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jax.numpy as jnp
import pytest

import ibjax
from ibjax.bounds import checks, outcome
from ibjax.bounds.subjects import COUNTED, WORDS
from ibjax.interface import BoundValue, Estimate
from ibjax.typing import Subject

ROOT = Path(ibjax.__file__).parent
FREE = ("mi", "maxent", "contraction", "interface")
"""Where records are about variables that the caller names, or are declared."""

PLACES = [p for p in sorted(ROOT.rglob("*.py")) if p.relative_to(ROOT).parts[0] not in FREE]


def made(source: str) -> list[ast.Call]:
    """The calls that make a record."""
    if not any(name + "(" in source for name in ("Estimate", "BoundValue")):
        return []
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = (getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls)
    return [c for c, name in zip(calls, named) if name in ("Estimate", "BoundValue")]


def silent(source: str) -> list[int]:
    return [c.lineno for c in made(source) if "about" not in {k.arg for k in c.keywords}]


def test_wherever_a_record_is_made_its_subject_is_stated():
    assert silent("Estimate(1.0, name='a')") and not silent("m.Estimate(1.0, about='other')")
    found = {p: p.read_text() for p in PLACES}
    assert sum(len(made(text)) for text in found.values()) > 20
    assert {str(p.relative_to(ROOT)): n for p, t in found.items() if (n := silent(t))} == {}


def test_a_bound_cannot_forget_what_its_information_is_about():
    plain: Any = dict(name="new", limit=1.0, assumptions=(), kind="estimate")
    with pytest.raises(ValueError, match="about='' for new: state what"):
        outcome.result(jnp.array(0.1), information=jnp.array(0.1), **plain)
    with pytest.raises(ValueError, match="about='' for new"):  # a quantity is no information
        outcome.result(jnp.array(0.1), information=checks.quantity("far", 0.1), **plain)
    given = checks.information(0.1, about="pair", candidates=3)
    found = outcome.result(jnp.array(0.1), information=given, **plain)
    assert (found.about, found.candidates) == ("pair", 3)
    assert outcome.result(jnp.array(0.1), **plain).about == "other"


@pytest.mark.parametrize("record", [Estimate, BoundValue])
def test_a_subject_that_is_none_is_refused(record):
    with pytest.raises(ValueError, match="about='examples' is no subject; choose one"):
        record(jnp.array(0.1), about="examples")
    with pytest.raises(ValueError, match="about='examples'"):
        replace(record(jnp.array(0.1)), about="examples")
    assert set(WORDS) == set(get_args(Subject)) and set(COUNTED) < set(WORDS)

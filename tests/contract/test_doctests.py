"""The examples in docstrings give what they print."""

import doctest
import importlib
from pathlib import Path

import ibjax

ROOT = Path(ibjax.__file__).parent


def test_examples_hold():
    tried = 0
    for path in sorted(ROOT.rglob("*.py")):
        if ">>>" not in path.read_text():
            continue
        name = ".".join(("ibjax", *path.relative_to(ROOT).with_suffix("").parts))
        outcome = doctest.testmod(importlib.import_module(name))
        assert outcome.failed == 0, name
        tried += outcome.attempted
    assert tried >= 5

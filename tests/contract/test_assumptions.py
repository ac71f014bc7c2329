"""Every premise a bound names is in the catalogue, with its sentence."""

import ast
from pathlib import Path

import ibjax.bounds as package
from ibjax import bounds


def named_in_source():
    """Strings in tuples passed as `assumptions=` or assigned to a name that ends in them."""
    for path in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "assumptions":
                for leaf in ast.walk(node.value):
                    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                        yield path.name, leaf.value


def test_every_named_premise_has_its_sentence():
    known = bounds.assumptions()
    found = list(named_in_source())
    assert len(found) > 20
    assert not [(f, name) for f, name in found if name not in known]


def test_each_premise_is_one_sentence_and_says_how_it_is_checked():
    for name, premise in bounds.assumptions().items():
        assert premise.name == name and premise.checked
        assert premise.statement.endswith(".") and premise.statement.count(".") == 1

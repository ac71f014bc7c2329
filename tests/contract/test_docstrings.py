"""Every public function and class says what it does."""

import importlib
import inspect
import pkgutil
import re

import pytest

import ibjax

MODULES = [
    m.name
    for m in pkgutil.walk_packages(ibjax.__path__, "ibjax.")
    if not m.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_module_and_its_public_names_are_documented(name):
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), name
    for attribute, value in vars(module).items():
        own = getattr(value, "__module__", None) == name
        if attribute.startswith("_") or not own:
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            assert (value.__doc__ or "").strip(), f"{name}.{attribute}"


PACKAGES = [m.name for m in pkgutil.walk_packages(ibjax.__path__, "ibjax.") if m.ispkg]


@pytest.mark.parametrize("name", PACKAGES)
def test_no_argument_of_a_public_function_is_described_by_another_docstring_alone(name):
    package = importlib.import_module(name)
    elsewhere = re.compile(r"^\s*([\w*, ]+: ?)?as( in| for| by)? `[\w.]+`( does)?[.;,]?$", re.I)
    for public in getattr(package, "__all__", ()):
        value = getattr(package, public)
        if inspect.isfunction(value):
            bare = [line for line in inspect.getdoc(value).splitlines() if elsewhere.match(line)]
            assert not bare, (public, bare)

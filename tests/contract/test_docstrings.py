"""Every public function and class says what it does."""

import importlib
import inspect
import pkgutil

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

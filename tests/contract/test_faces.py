"""The public face of every package: what it lists is there, and `help` shows it."""

import importlib
import inspect
import pkgutil
import pydoc
import types

import pytest

import ibjax

PACKAGES = [
    "ibjax",
    *(m.name for m in pkgutil.walk_packages(ibjax.__path__, "ibjax.") if m.ispkg),
]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_lists_every_public_name_once(name):
    package = importlib.import_module(name)
    listed = getattr(package, "__all__", [])
    assert len(set(listed)) == len(listed)
    for public in listed:
        assert not public.startswith("_") and getattr(package, public) is not None
    held = {
        key
        for key, value in vars(package).items()
        if not key.startswith("_")
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", "").startswith(name)
    }
    assert held <= set(listed)


@pytest.mark.parametrize("name", PACKAGES)
def test_help_shows_each_public_function_with_its_first_line(name):
    package = importlib.import_module(name)
    if name == "ibjax":
        assert {n for n in dir(ibjax) if not n.startswith("__")} == set(ibjax.__all__)
        return
    text = pydoc.plain(pydoc.render_doc(package))
    for public in getattr(package, "__all__", ()):
        value = getattr(package, public)
        if inspect.isfunction(value) or inspect.isclass(value):
            first = inspect.getdoc(value).splitlines()[0]
            assert f"{public}(" in text or f"class {public}" in text, public
            assert first in text, public

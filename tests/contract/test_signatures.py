"""Every argument of every public function, given what its annotation excludes.

The calls are made from the faces of the packages and the signatures they list: nothing here names
a function save where an argument may be anything. The other arguments are of their types and no
more, so that a function which let the wrong one pass would fail in some other way.
"""

import collections.abc
import importlib
import inspect
import pkgutil
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import jax
import numpy as np
import pytest
from jaxtyping import AbstractArray

import ibjax
from ibjax.typing import Array, Numbers

# commands, data sets of xarray, records
ABOVE = ("cli", "reproduce", "report", "results", "interface")
FACES = [
    *(m.name for m in pkgutil.walk_packages(ibjax.__path__, "ibjax.") if m.ispkg),
    "ibjax.bounds.invert",
]
ANYTHING = {  # pytrees, functions with facts of their own, descriptions: judged by what they do
    "bottleneck.draw": {"ax"},
    "contraction.network": {"params"},
    "infinite.activation": {"function"},
    "infinite.empirical_ntk": {"params"},
    "infinite.finite_width_error": {"train"},
    "infinite.finite_width_regression": {"train"},
    "infinite.largest_learning_rate": {"ntk"},
    "infinite.linearise": {"params"},
    "infinite.linearised_flow": {"params"},
    "infinite.mlp": {"phi"},
    "infinite.stream": {"out"},
    "langevin.save_weights": {"weights"},
    "langevin.step_gradient": {"params"},
    "langevin.track": {"preconditioner"},
    "mi.all_applicable": {"key"},
    "networks.adapted": {"module"},
    "networks.build": {"config"},
    "networks.digest": {"network"},
    "networks.from_module": {"module"},
    "posteriors.draw": {"mean", "std"},
}


def functions():
    """Each public function once, under the name it is listed by."""
    found = {}
    for face in FACES:
        if face.split(".")[1] in ABOVE:
            continue
        module = importlib.import_module(face)
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == face and not name.startswith("_")
        ]
        for name in names:
            value = getattr(module, name)
            if inspect.isroutine(inspect.unwrap(value)) and inspect.signature(value).parameters:
                found.setdefault(value, f"{face[6:]}.{name}")
    return {name: function for function, name in found.items()}


FUNCTIONS = functions()


def members(hint):
    """The types of a union, and those behind names."""
    if get_origin(hint) in (Union, types.UnionType):
        return [inner for member in get_args(hint) for inner in members(member)]
    return [hint]


def kind(hint):
    """Which sort of thing one type is."""
    origin = get_origin(hint)
    if hint == Numbers or hint in (float, *get_args(Array)):
        return "number"
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        if hint.dtypes == ("prng_key",) or hint.dtypes == ("uint32",):
            return "key"
        loose = any("Variadic" in type(dim).__name__ for dim in hint.dims)
        return "number" if loose or hint.index_variadic is not None else "array"
    if origin is Literal or hint in (int, bool, str):
        return "choice" if origin is Literal else hint.__name__
    if origin is collections.abc.Callable:
        return "function"
    if origin is not None and origin is not Annotated:
        return "mapping" if issubclass(origin, collections.abc.Mapping) else "sequence"
    return "nothing" if hint in (None, type(None)) else "record"


WRONG = {
    "text": {"number", "array", "int", "bool", "choice", "key", "function", "mapping", "sequence"}
    | {"record", "nothing"},
    1j: {"number", "array", "int", "bool", "choice", "str", "key", "function", "mapping"}
    | {"sequence", "record", "nothing"},
    2.5: {"int", "bool", "choice", "str", "key", "function", "mapping", "sequence", "record"}
    | {"nothing"},
    None: {"number", "array", "int", "bool", "choice", "str", "key", "function", "mapping"}
    | {"sequence", "record"},
    "complex": {"number", "array", "int", "bool", "choice", "str", "key", "function", "mapping"}
    | {"sequence", "record", "nothing"},
    "objects": {"number", "array", "int", "bool", "choice", "str", "key", "function", "mapping"}
    | {"sequence", "record", "nothing"},
    "axes": {"array", "int", "bool", "choice", "str", "key", "function", "mapping", "record"}
    | {"nothing"},
}
"""For each mistake, the sorts of argument in whose place it is one."""
ARRAYS = {
    "complex": np.ones((2, 2)) * 1j,
    "objects": np.array([None, "a"], object),
    "axes": np.ones((1,) * 9),
}


def right(hint):
    """A value of a type, and no more."""
    hint = members(hint)[0]
    origin, inner = get_origin(hint), get_args(hint)
    sort = kind(hint)
    if sort == "record":
        made = getattr(hint, "_fields", None)
        return tuple.__new__(hint, [None] * len(made)) if made else object.__new__(hint)
    if sort == "sequence":
        fixed = origin is tuple and inner[-1:] != (Ellipsis,)
        return tuple(right(member) for member in inner) if fixed else ()
    if sort == "array":
        return np.ones((2,) * len(hint.dims))
    plain = {"number": 1.0, "int": 3, "bool": True, "str": "name", "mapping": {}, "nothing": None}
    return {**plain, "key": jax.random.key(0), "function": len, "choice": (inner or (0,))[0]}[sort]


def open_to_anything(hint):
    return isinstance(hint, str) or any(member is Any for member in members(hint))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_an_annotation_excludes_is_one_error_that_names_the_argument(name):
    function = FUNCTIONS[name]
    parameters = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    loose = {p.name for p in parameters if open_to_anything(p.annotation)}
    assert loose == ANYTHING.get(name, set())
    usual = {
        p.name: 1.0 if p.name in loose else right(p.annotation)
        for p in parameters
        if p.default is p.empty
    }
    for parameter in parameters:
        if parameter.name in loose:
            continue
        sorts = {kind(member) for member in members(parameter.annotation)}
        for mistake in (m for m, places in WRONG.items() if sorts <= places):
            value = ARRAYS.get(mistake, mistake)
            with pytest.raises(ValueError) as caught:
                function(**{**usual, parameter.name: value})
            said = str(caught.value)
            assert parameter.name in said and "\n" not in said and len(said) < 400

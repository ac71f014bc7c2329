"""What depends on what in a traced function, and the function with values held fixed inside.

A claim about a hidden layer (all that is said about the input passes through it; its noise is
fresh) is a claim about the graph of the computation. This reads the graph off the jaxpr.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend import core

_INLINED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}


class Flow(NamedTuple):
    """A traced function as one list of equations; calls are written out.

    Attributes:
        inputs: one variable for each leaf of the arguments.
        outputs: one variable or literal for each leaf of the result.
        equations: (what it computes, variables and literals read, variables written).
        constants: values known when it was traced.
    """

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    equations: tuple[tuple[Any, tuple[Any, ...], tuple[Any, ...]], ...]
    constants: dict[Any, Any]

    def leads(self, sources: Sequence[Any], target: Any, without: Sequence[Any] = ()) -> bool:
        """Whether something computed from `sources` enters `target`, on a path without some."""
        closed = set(without)
        reached = set(sources) - closed
        for _, read, written in self.equations:
            if not reached.isdisjoint(v for v in read if not _literal(v)):
                reached.update(v for v in written if v not in closed)
        return target in reached

    def run(self, values: Sequence[Any], held: dict[Any, Callable[[Any], Any]] | None = None):
        """The outputs where some variables are held at given values.

        Args:
            values: of the inputs.
            held: variables, each with a function from what was computed of it to what the
                equations after it read instead.

        Returns:
            What was computed of each output; of those held too.
        """
        held = {} if held is None else held
        computed = dict(zip(self.inputs, values)) | self.constants

        def value(atom: Any) -> Any:
            if _literal(atom):
                return atom.val
            return held[atom](computed[atom]) if atom in held else computed[atom]

        for compute, read, written in self.equations:
            computed.update(zip(written, compute(*map(value, read))))
        return [o.val if _literal(o) else computed[o] for o in self.outputs]


def traced(function: Callable[..., Any], *arguments: Any) -> Flow:
    """The flow of a function of arrays; its leaves are in the order of `jax.tree.leaves`."""
    closed = jax.make_jaxpr(function)(*arguments)
    equations: list[Any] = []
    constants: dict[Any, Any] = {}
    inputs = tuple(_Variable(v) for v in closed.jaxpr.invars)
    names: dict[Any, Any] = dict(zip(closed.jaxpr.invars, inputs))
    outputs = _write_out(closed.jaxpr, closed.consts, names, equations, constants)
    return Flow(inputs, tuple(outputs), tuple(equations), constants)


class _Variable:
    """A variable of its own for each occurrence: jaxprs of cached calls share theirs."""

    def __init__(self, of: Any) -> None:
        self.aval = of.aval


def _write_out(jaxpr, values, names, equations, constants) -> list[Any]:
    """Append the equations of a jaxpr under new names; the new names of its outputs."""
    for variable, known in zip(jaxpr.constvars, values):
        names[variable] = _Variable(variable)
        constants[names[variable]] = known

    def name(atom: Any) -> Any:
        return atom if _literal(atom) else names[atom]

    for equation in jaxpr.eqns:
        inner = equation.params.get(_INLINED.get(equation.primitive.name, ""))
        read = tuple(name(v) for v in equation.invars)
        if inner is not None:
            closed = inner if isinstance(inner, core.ClosedJaxpr) else None
            body = inner if closed is None else closed.jaxpr
            if len(body.invars) == len(read):
                known = () if closed is None else closed.consts
                bound = dict(zip(body.invars, read))
                out = _write_out(body, known, bound, equations, constants)
                names.update(zip(equation.outvars, out))
                continue
        written = tuple(_Variable(v) for v in equation.outvars)
        names.update(zip(equation.outvars, written))
        equations.append((_alone(equation, jaxpr.debug_info), read, written))
    return [name(v) for v in jaxpr.outvars]


def _alone(equation: Any, origin: Any) -> Callable[..., list[Any]]:
    """One equation as a function of what it reads."""
    variables = list(dict.fromkeys(v for v in equation.invars if not _literal(v)))
    only = core.Jaxpr([], variables, equation.outvars, [equation], equation.effects, origin)
    function = core.jaxpr_as_fun(core.ClosedJaxpr(only, []))

    def compute(*values: Any) -> list[Any]:
        given = {v: x for v, x in zip(equation.invars, values) if not _literal(v)}
        return function(*(given[v] for v in variables))

    return compute


def _literal(atom: Any) -> bool:
    return isinstance(atom, core.Literal)

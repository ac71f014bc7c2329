"""`ibjax limits`: what no learning procedure can beat on the data of a teacher network."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ibjax.cli import exporting
from ibjax.cli.terminal import console, prepare_devices, print_whole

if TYPE_CHECKING:
    import xarray

_POINTS, _DEPTH = 100_000, 1000
"""Most points of a curve and layers of a teacher: what takes a minute to solve."""


@dataclass(frozen=True)
class Limits:
    """Bayes-optimal limits of teacher networks: both branches, informations and errors."""

    activation: str = "tanh"
    """The teacher's activation: linear, tanh, erf, scaled_erf, sin, sign, relu, sigmoid, gelu,
    softplus. One that is not odd is taken centred."""
    readout: Literal["identity", "sign", "abs", "tanh", "erf", "sin", "sigmoid"] = "sign"
    """What is observed of the teacher's output."""
    noise: float | None = None
    """Variance of the noise: added to the output, or inside the sign; 0 by default, 0.1 in the
    quadratic regime. Smooth readouts need some, and the information of a continuous output is
    infinite without."""
    alpha: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    """Samples per input dimension, n/d: the rows of the table and the ends of the curve."""
    points: int = 200
    """Points of the curve, evenly spaced in log alpha."""
    depth: int = 1
    """Hidden layers of the teacher."""
    prior: Literal["gaussian", "rademacher"] = "gaussian"
    """Law of the entries of the linear vector that is learnt; networks have the Gaussian one."""
    dimension: int | None = None
    """Input dimension d of a network in hand, to say how far it may be from the limit."""
    width: int | None = None
    """Its hidden units p; as many as you like by default."""
    regime: Literal["linear", "quadratic"] = "linear"
    """linear: n = alpha d. quadratic: n = alpha d^2 and k = width-ratio d hidden units, the output
    observed with noise; activations also elu and quadratic. The latter is conjectured."""
    width_ratio: float = 0.5
    """Hidden units by input dimension, k/d (quadratic regime)."""
    rows: Literal["ones", "signed"] = "ones"
    """Weights of the hidden units in the output: 1, or 1 and -1 (quadratic regime)."""
    out: Path = Path("ibjax-results/limits.nc")
    """Results file (netCDF); the picture lies beside it."""
    table: Path | None = None
    """Where to write the table as well: .csv, .md or .tex."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""


def execute(command: Limits) -> None:
    """Solve, print the table, write the results and the picture."""
    from ibjax import files
    from ibjax.report import limits

    command = _settled(command)
    _check(command)
    places = (command.out, command.out.with_suffix(".png"))
    for place in places:
        files.check_place(place)
    exporting.check_table(command.table, *places)
    if command.regime == "quadratic":
        _check_quadratic(command)
    prepare_devices(command.cache)
    dataset = solve(command)
    view = limits.view(dataset)
    assert view is not None
    table, figure = view
    out = console()
    print_whole(out, table)
    exporting.write_table(command.table, *exporting.numbers(dataset, "alpha"))
    files.write(dataset, command.out)
    picture = files.save_figure(figure, command.out.with_suffix(".png"))
    out.print(f"results: {command.out}", soft_wrap=True)
    out.print(f"picture: {picture}", soft_wrap=True)


def _check(command: Limits) -> None:
    if not command.alpha or not all(0 < a < float("inf") for a in command.alpha):
        raise ValueError(f"alpha={command.alpha} must list positive numbers of samples per input")
    for name, least, most in (("points", 2, _POINTS), ("depth", 1, _DEPTH)):
        value = getattr(command, name)
        if not least <= value <= most:
            limit = f"at least {least}" if value < least else f"at most {most}"
            raise ValueError(f"{name}={value} must be {limit}")
    if command.out.suffix != ".nc":
        raise ValueError(f"out={command.out} must end in .nc")
    for name in ("dimension", "width"):
        value = getattr(command, name)
        if value is not None and value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if command.width is not None and command.dimension is None:
        raise ValueError(f"width={command.width} says nothing without --dimension; give both")


def _settled(command: Limits) -> Limits:
    """The noise of the regime where none is given."""
    if command.noise is not None:
        return command
    return replace(command, noise=0.1 if command.regime == "quadratic" else 0.0)


def _check_quadratic(command: Limits) -> None:
    """Refuse options that mean nothing at n ~ d^2, and a noise of zero."""
    if command.readout not in ("sign", "identity"):
        raise ValueError(
            f"readout={command.readout} has no limit at n ~ d^2: the output is observed with "
            "noise; leave --readout out"
        )
    if command.depth != 1:
        raise ValueError(f"depth={command.depth}: the quadratic regime has one hidden layer")
    for name in ("dimension", "width"):
        if getattr(command, name) is not None:
            raise ValueError(f"{name} says nothing in the quadratic regime; give --width-ratio")
    if not (command.noise or 0.0) > 0:
        raise ValueError(f"noise={command.noise} must be positive in the quadratic regime")
    if not 0 < command.width_ratio < float("inf"):
        raise ValueError(f"width_ratio={command.width_ratio} must be a positive number, k/d")


def solve(command: Limits) -> "xarray.Dataset":
    """Limits at the table's alphas and along the curve, with what they were asked for."""
    from ibjax.results import teacher_limits

    asked = {
        k: v for k, v in asdict(_settled(command)).items() if k not in ("out", "table", "cache")
    }
    names = (*_MODEL, *_OWN[command.regime])
    solver = getattr(teacher_limits, command.regime)
    found = solver(command.alpha, command.points, **{name: asked[name] for name in names})
    return found.assign_attrs({k: str(v) for k, v in asked.items()})


_MODEL = ("activation", "noise", "prior")
_OWN = {
    "linear": ("readout", "depth", "dimension", "width"),
    "quadratic": ("width_ratio", "rows"),
}
"""Options of both regimes, and of one."""

"""The settings of a sweep: what is fixed, what takes several values, and the grid they span."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ibjax import arguments, capacity, langevin
from ibjax.interface import Dataset
from ibjax.langevin.config import Batching
from ibjax.networks import MLP
from ibjax.randomness import check_seed
from ibjax.settings import check_types

Classes = tuple[int | tuple[int, ...], ...]

EVEN_AND_ODD: Classes = ((0, 2, 4, 6, 8), (1, 3, 5, 7, 9))
"""The classes of a data set known by name, unless others are chosen."""


class Axis(NamedTuple):
    """A setting that takes several values.

    Attributes:
        setting: its name in `Experiment`.
        name: of the coordinate in a results file.
        whole: whether it counts something.
        own: whether it says something of the built-in network alone.
    """

    setting: str
    name: str
    whole: bool = True
    own: bool = False


AXES = (
    Axis("depths", "depth", own=True),
    Axis("width", "width", own=True),
    Axis("train_size", "train_size"),
    Axis("steps", "steps"),
    Axis("batch_size", "batch_size"),
    Axis("learning_rate", "learning_rate", whole=False),
    Axis("inverse_temperature", "inverse_temperature", whole=False),
    Axis("clip", "clip", whole=False),
    Axis("radius", "radius", whole=False),
    Axis("layer_noise", "layer_noise", whole=False, own=True),
    Axis("seed", "seed"),
)
"""Every axis, in the order of the dimensions of a file; the last ones vary fastest."""

Point = dict[str, Any]
"""One point of a grid: coordinates by name."""


@dataclass(frozen=True)
class Experiment:
    """A sweep of noisy-SGD replicas on one data set: every product of the values given."""

    dataset: str | Dataset = "digits"
    """Data set: "digits" (embedded), any TFDS name, or a .npz file of x and y; in Python also a
    `Dataset`."""
    classes: Classes | None = None
    """Labels to tell apart, or groups of labels, each of which becomes one class. By default even
    against odd labels of a data set known by name, and all labels of one's own."""
    network: Any = None
    """A network of one's own in the place of the built-in one: "module:function" or "file.py:name"
    of a flax module (linen or nnx) or a Network; in Python the object itself."""
    depths: int | tuple[int, ...] = (1, 2, 3)
    """Numbers of hidden layers."""
    width: int | tuple[int, ...] = 32
    """Units per hidden layer."""
    train_size: int | tuple[int, ...] = 200
    """Training examples n of each replica (the pool must hold 2n)."""
    supersamples: int = 10
    """Supersamples: independent sets of n pairs."""
    masks: int = 20
    """Masks, hence replicas, per supersample; in complementary pairs where their number is even,
    so that how hard an example is cancels in the measured gap."""
    steps: int | tuple[int, ...] = 200
    """Updates."""
    batch_size: int | tuple[int, ...] | None = None
    """Examples per update; a quarter of the training examples by default."""
    batching: Batching | None = None
    """How batches are drawn: by default all examples, or a fresh subset each update."""
    learning_rate: float | tuple[float, ...] = 0.1
    """Step size eta."""
    inverse_temperature: float | tuple[float, ...] = 160.0
    """Inverse temperature beta of the mean loss: each update adds N(0, 2 eta / beta)."""
    layer_noise: float | tuple[float, ...] = 0.1
    """Standard deviation of the noise after each hidden activation."""
    clip: float | tuple[float, ...] = 1.0
    """Largest norm of a per-example gradient; what the certificates rest on."""
    radius: float | tuple[float, ...] | None = None
    """Radius of a ball the weights are projected to before each step, None for no ball: with noise
    of the order of the ball the last weights forget, and are certified better than the path."""
    activation: str = "tanh"
    """Activation; bounded ones give noisy layers a contraction coefficient below 1."""
    checkpoints: int = 4
    """Evaluations along training, evenly spaced; tables show the last."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""
    download: bool = False
    """Fetch and prepare the data set if it is not there."""
    maxent: bool = False
    """Add the maximum-entropy conditions of the last layer to the table."""
    seed: int | tuple[int, ...] = 0
    """Root of all randomness."""

    def __post_init__(self) -> None:
        if isinstance(self.dataset, os.PathLike):
            object.__setattr__(self, "dataset", os.fspath(self.dataset))
        # Lists, as JSON has them, become tuples; one value alone is no axis.
        for axis in AXES:
            given = getattr(self, axis.setting)
            if isinstance(given, list | tuple | np.ndarray | range):
                values = tuple(_plain(v) for v in given)
                one = len(values) == 1 and axis.setting != "depths"
                object.__setattr__(self, axis.setting, values[0] if one else values)
            elif axis.setting == "depths" and given is not None:
                object.__setattr__(self, "depths", (_plain(given),))
        if isinstance(self.classes, list | tuple):
            groups = (tuple(g) if isinstance(g, list) else g for g in self.classes)
            object.__setattr__(self, "classes", tuple(groups))


def _plain(value: Any) -> Any:
    """A number of NumPy or JAX as one of Python; anything else as it is."""
    return value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value


def values(experiment: Experiment, axis: Axis) -> tuple[Any, ...]:
    """What an axis takes, one value where it is not swept."""
    given = getattr(experiment, axis.setting)
    return given if isinstance(given, tuple) else (given,)


def axes(experiment: Experiment) -> dict[str, tuple[Any, ...]]:
    """The dimensions of a sweep by coordinate: the depth of the built-in network, and what takes
    several values.
    """
    return {
        axis.name: values(experiment, axis)
        for axis in _applying(experiment)
        if axis.name == "depth" or len(values(experiment, axis)) > 1
    }


def points(experiment: Experiment) -> list[Point]:
    """Every cell of the grid by its coordinates, the last axis fastest."""
    grid = axes(experiment)
    return [dict(zip(grid, chosen)) for chosen in itertools.product(*grid.values())]


def at(experiment: Experiment, point: Point) -> Experiment:
    """The experiment of one cell: one value of everything."""
    named = {axis.name: axis.setting for axis in AXES}
    return replace(experiment, **{named[name]: value for name, value in point.items()})


def coordinates(experiment: Experiment) -> Point:
    """What is known of one cell: the value of every axis that says something of it."""
    return {axis.name: values(experiment, axis)[0] for axis in _applying(experiment)}


def named(point: Point) -> str:
    """A cell in words: ``depth 2, train size 60``."""
    texts = ((name, f"{v:g}" if isinstance(v, float) else v) for name, v in point.items())
    return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in texts) or "the run"


def _applying(experiment: Experiment) -> Iterator[Axis]:
    """The axes that say something: those of the built-in network only where it is used."""
    return (axis for axis in AXES if experiment.network is None or not axis.own)


def batch_size(experiment: Experiment) -> int:
    """Examples per update of one cell: what was chosen, or a quarter of the training examples."""
    cell: Any = experiment
    return max(1, round(cell.train_size / 4)) if cell.batch_size is None else cell.batch_size


def classes(experiment: Experiment) -> Classes | None:
    """The classes told apart, None for the labels as they are."""
    if experiment.classes is None and not own_data(experiment):
        return EVEN_AND_ODD
    return experiment.classes


def own_data(experiment: Experiment) -> bool:
    """Whether the examples are a user's own: a `Dataset`, or a .npz file."""
    return isinstance(experiment.dataset, Dataset) or Path(experiment.dataset).suffix == ".npz"


def settings(experiment: Experiment, network: str | None = None) -> dict[str, Any]:
    """The settings as they are recorded: what says nothing of the network used is None.

    Args:
        experiment: the sweep.
        network: what stands for a network that is no text; its own words by default.
    """
    named, told_apart = experiment.dataset, classes(experiment)
    if isinstance(named, Dataset):
        experiment = replace(experiment, dataset=str(named.name))
    own = experiment.network
    found = asdict(replace(experiment, network=None)) | {"classes": told_apart}
    if own is not None:
        found["network"] = network or (own if isinstance(own, str) else described(own))
        found |= {axis.setting: None for axis in AXES if axis.own} | {"activation": None}
    return found


def described(network: Any) -> str:
    """A network in words, on one line and without addresses."""
    import re

    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(repr(network).split()))
    if type(network).__name__ == "Network":
        text = f"Network of layers {[f.name for f in network.layers]}"
    return text if len(text) <= 300 else f"{text[:297]}..."


def check(experiment: Experiment) -> None:
    """Refuse what cannot run before anything is loaded or trained.

    Raises:
        ValueError: naming the option, its value and what to give instead.
    """
    check_types(experiment)
    for name, least in {"supersamples": 1, "masks": 2, "checkpoints": 1}.items():
        arguments.whole(name, getattr(experiment, name), least)
    _check_values(experiment)
    chosen = classes(experiment)
    if chosen is not None and len(set(chosen)) < max(len(chosen), 2):
        raise ValueError(
            f"classes={chosen} must be two or more different labels, or groups of them"
        )
    if experiment.network is not None:
        _check_own(experiment)
    for point in points(experiment):
        cell: Any = at(experiment, point)
        if cell.batch_size is not None and cell.batch_size > cell.train_size:
            raise ValueError(f"batch_size={cell.batch_size} exceeds train_size={cell.train_size}")
        capacity.check_steps(cell.steps)
        if cell.network is None:
            capacity.check_depth(cell.depths[0])
            training(cell)


def _check_values(experiment: Experiment) -> None:
    least = {"train_size": 2}
    for axis in AXES:
        given = values(experiment, axis)
        if not given:
            raise ValueError(f"{axis.setting}={given} holds no value; give one or several")
        if axis.setting in ("batch_size", "radius") and given == (None,):
            continue
        for value in given:
            if axis.setting == "seed":
                check_seed(value)
            elif axis.whole:
                arguments.whole(axis.setting, value, least.get(axis.setting, 1))
            elif isinstance(value, bool | str) or not isinstance(value, int | float):
                raise ValueError(f"{axis.setting}={value!r} must be a number")
            elif axis.setting == "radius" and not value > 0:
                raise ValueError(f"radius={value:g} must be positive")
        if len(set(given)) < len(given):
            raise ValueError(f"{axis.setting}={given} lists a value twice; give each once")


def _check_own(experiment: Experiment) -> None:
    """Refuse settings of the built-in network beside another one, and what only it can give."""
    given = {field.name: field.default for field in fields(Experiment)}
    for name in (*(axis.setting for axis in AXES if axis.own), "activation", "maxent"):
        value = getattr(experiment, name)
        if value not in (given[name], None):
            raise ValueError(
                f"{name}={value} speaks of the built-in network, and network= gives another; "
                "leave it out, and state it in the network itself"
            )


def training(experiment: Experiment, network: Any = None, padded_to: int | None = None) -> Any:
    """The training configuration of one cell.

    Args:
        experiment: of one value each.
        network: one that is used in the place of the built-in one.
        padded_to: make the depth of the built-in one data, with room for so many layers.

    Returns:
        A `langevin.Config`. A network that draws or keeps more than parameters is trained without
        per-example clipping and without the trajectory account, which then would mean nothing.
    """
    cell: Any = experiment
    if network is None:
        network = MLP(
            cell.depths[0],
            cell.width,
            cell.activation,
            cell.layer_noise,
            padded_to=padded_to,
        )
    whole = getattr(network, "batch_statistics", None) is None
    return langevin.Config(
        network=network,
        steps=cell.steps,
        batch_size=batch_size(cell),
        batching=cell.batching,
        learning_rate=cell.learning_rate,
        inverse_temperature=cell.inverse_temperature,
        clip=cell.clip if whole else None,
        radius=cell.radius,
        checkpoints=min(cell.checkpoints, cell.steps),
        account=whole,
    )
